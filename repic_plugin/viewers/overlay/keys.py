"""Keys of a window, and the list of them that ? opens."""

from __future__ import annotations

import tkinter as tk
from dataclasses import dataclass
from tkinter import ttk
from typing import Any, Callable, Optional, Sequence, Tuple

from repic_plugin.viewers.overlay.panel import PAD


@dataclass(frozen=True)
class Key:
    """What a key, or the mouse, does.

    Attributes
    ----------
    shown : str
        As it is listed; empty for one that is listed with another.
    text : str
        What it does.
    sequences : tuple of str
        Tk's names of the key; empty for the mouse.
    act : callable, optional
    """

    shown: str
    text: str
    sequences: Tuple[str, ...] = ()
    act: Optional[Callable[[], Any]] = None


def bind_keys(window: Any, keys: Sequence[Key]) -> None:
    """Let keys act wherever the mouse is, but not while a text is written."""

    def bind(sequence: str, act: Callable[[], Any]) -> None:
        window.bind(sequence, lambda _event: None if _is_writing(window) else act())

    for key in keys:
        for sequence in key.sequences:
            if key.act is not None:
                bind(sequence, key.act)


class KeyList:
    """Window with all keys, which the same key closes.

    Parameters
    ----------
    window : tkinter window

    Attributes
    ----------
    keys : sequence of Key
    shown : tkinter window or None
    """

    def __init__(self, window: Any) -> None:
        self._window = window
        self.keys: Sequence[Key] = ()
        self.shown: Optional[Any] = None

    def toggle(self) -> None:
        """Open the list, or close it."""
        if self.shown is not None and self.shown.winfo_exists():
            self.close()
            return
        self.shown = tk.Toplevel(self._window)
        self.shown.title("Keys and mouse")
        self.shown.transient(self._window)
        table = ttk.Frame(self.shown, padding=2 * PAD)
        table.pack(fill=tk.BOTH, expand=True)
        for row, key in enumerate(key for key in self.keys if key.shown):
            ttk.Label(table, text=key.shown).grid(row=row, column=0, sticky=tk.W, padx=(0, 16))
            ttk.Label(table, text=key.text).grid(row=row, column=1, sticky=tk.W)
        for sequence in ("<Escape>", "<question>"):
            self.shown.bind(sequence, lambda _event: self.close())
        self.shown.focus_set()

    def close(self) -> None:
        """Close the list where it is open."""
        if self.shown is not None and self.shown.winfo_exists():
            self.shown.destroy()
        self.shown = None


def _is_writing(window: Any) -> bool:
    focus = window.focus_get()
    return isinstance(focus, (tk.Entry, ttk.Entry)) and str(focus.cget("state")) == tk.NORMAL
