"""A column of controls that is scrolled where the window is too low for it."""

from __future__ import annotations

import tkinter as tk
from tkinter import ttk
from typing import Any

PAD = 8


class ScrolledPanel(ttk.Frame):
    """Column of a fixed width.

    Parameters
    ----------
    master : tkinter widget
    width_px : int

    Attributes
    ----------
    inside : ttk.Frame
        Holds the controls.
    """

    def __init__(self, master: Any, width_px: int) -> None:
        super().__init__(master, padding=PAD)
        self._canvas = tk.Canvas(self, width=width_px, highlightthickness=0, borderwidth=0)
        self._canvas.configure(background=ttk.Style(master).lookup("TFrame", "background"))
        self._bar = ttk.Scrollbar(self, command=self._canvas.yview)
        self._canvas.configure(yscrollcommand=self._scrolled)
        self._canvas.pack(side=tk.LEFT, fill=tk.BOTH, expand=True)
        self.inside = ttk.Frame(self._canvas)
        # keeps the controls as high as the column without a limit to their own height
        self._strut = tk.Frame(self.inside, width=0, height=1)
        self._strut.pack(side=tk.LEFT)
        self._canvas.create_window(0, 0, anchor=tk.NW, window=self.inside, width=width_px)
        self.inside.bind("<Configure>", self._fit)
        self._canvas.bind("<Configure>", self._fit)

    def _fit(self, _event: Any = None) -> None:
        """Fill the column, or scroll where it is too low."""
        wanted, there = self.inside.winfo_reqheight(), self._canvas.winfo_height()
        self._strut.configure(height=there)
        self._canvas.configure(scrollregion=(0, 0, 1, max(wanted, there)))

    def _scrolled(self, first: str, last: str) -> None:
        self._bar.set(first, last)
        if float(first) <= 0 and float(last) >= 1:
            self._bar.pack_forget()
        else:
            self._bar.pack(side=tk.RIGHT, fill=tk.Y)
