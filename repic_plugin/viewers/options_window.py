"""A Scipion window to choose the options of a picker from a list with their defaults."""

from __future__ import annotations

import tkinter as tk
from tkinter import ttk
from typing import Any, Callable, Dict, Mapping, Sequence

from pyworkflow.viewer import View

from repic_plugin.pickers import Option
from repic_plugin.viewers.figure_window import open_window

PAD = 8
COLUMNS = {"option": 260, "meaning": 340, "default": 160, "value": 160}  # and widths in px
WRAP_PX = 900
SEPARATOR = ";"  # of options in the form
NO_SEPARATOR = "A value cannot have a semicolon, which separates options in the form; leave it out."
HINT = "Choose an option, type its value and press Set; an empty value is the default."


class OptionsWindow(View):  # type: ignore[misc]
    """Table of options, of which those with a value are used.

    Parameters
    ----------
    root : tkinter widget or None
    title : str
    offered : sequence of Option
    given : mapping of str to str
        Values by key; keys that are not offered are kept.
    use : callable
        Receives the values when OK is pressed.
    """

    def __init__(
        self,
        root: Any,
        title: str,
        offered: Sequence[Option],
        given: Mapping[str, str],
        *,
        use: Callable[[Dict[str, str]], None],
    ) -> None:
        super().__init__()
        self._root, self._title, self._use = root, title, use
        self._offered = {one.key: one for one in offered}
        self.values = dict(given)

    def show(self) -> None:
        """Open the window."""
        self.window = open_window(self._root, self._title)
        self._add_buttons()  # first, so that they stay in view
        self._add_entry()
        self._add_table()
        for key in self._offered:
            self.table.insert("", tk.END, iid=key, values=self._row(key))

    # ---------------------------------------------------------------- widgets

    def _add_table(self) -> None:
        frame = ttk.Frame(self.window)
        frame.pack(fill=tk.BOTH, expand=True)
        self.table = ttk.Treeview(frame, columns=[*COLUMNS], show="headings", selectmode="browse")
        for name, width in COLUMNS.items():
            self.table.heading(name, text=name)
            self.table.column(name, width=width)
        bar = ttk.Scrollbar(frame, command=self.table.yview)
        self.table.configure(yscrollcommand=bar.set)
        bar.pack(side=tk.RIGHT, fill=tk.Y)
        self.table.pack(fill=tk.BOTH, expand=True)
        self.table.bind("<<TreeviewSelect>>", self._selected)

    def _add_entry(self) -> None:
        box = ttk.Frame(self.window, padding=PAD)
        box.pack(side=tk.BOTTOM, fill=tk.X)
        self.help = ttk.Label(box, text=HINT, wraplength=WRAP_PX, justify=tk.LEFT)
        self.help.pack(anchor=tk.W, pady=(0, PAD))
        ttk.Label(box, text="Value").pack(side=tk.LEFT)
        self.entry = ttk.Entry(box)
        self.entry.pack(side=tk.LEFT, padx=PAD, fill=tk.X, expand=True)
        self.entry.bind("<Return>", lambda _event: self.set_value())
        self.set_button = ttk.Button(box, text="Set", command=self.set_value)
        self.set_button.pack(side=tk.LEFT)

    def _add_buttons(self) -> None:
        row = ttk.Frame(self.window, padding=PAD)
        row.pack(side=tk.BOTTOM, fill=tk.X)
        self.ok_button = ttk.Button(row, text="OK", command=self._ok)
        self.cancel_button = ttk.Button(row, text="Cancel", command=self.window.destroy)
        for button in (self.cancel_button, self.ok_button):
            button.pack(side=tk.RIGHT, padx=(PAD, 0))

    # ---------------------------------------------------------------- actions

    def set_value(self) -> bool:
        """Give the selected option the value typed, or the default if it is empty.

        Returns
        -------
        bool
            Whether it can be a value.
        """
        value = self.entry.get().strip()
        if SEPARATOR in value and self.table.selection():
            self.help.configure(text=NO_SEPARATOR)
            return False
        for key in self.table.selection():
            if value and value != self._offered[key].default:
                self.values[key] = value
            else:
                self.values.pop(key, None)
            self.table.item(key, values=self._row(key))
        return True

    def _selected(self, _event: Any) -> None:
        for key in self.table.selection():
            one = self._offered[key]
            self.help.configure(text=one.help or HINT)
            self.entry.delete(0, tk.END)
            self.entry.insert(0, self.values.get(key, one.default))

    def _row(self, key: str) -> Sequence[str]:
        one = self._offered[key]
        return (key, one.label, one.default, self.values.get(key, ""))

    def _ok(self) -> None:
        if not self.set_value():
            return
        self.window.destroy()
        self._use(self.values)
