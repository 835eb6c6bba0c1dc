"""Image and description of the box that was clicked."""

from __future__ import annotations

import tkinter as tk
from tkinter import ttk
from typing import Any, Optional, Sequence

import numpy as np
from numpy.typing import NDArray

from repic_plugin.viewers.overlay.panel import PAD
from repic_plugin.viewers.photo import grey_photo

TILE_PX = 110
LINES = 4  # of text that have room in a low window
HINT = "Click on a box to see its score, its picker and its image."


class ParticlePanel(ttk.LabelFrame):
    """Thumbnail above the lines of a description.

    Attributes
    ----------
    description : tk.Text
    thumbnail : ttk.Label
    tile_px : int
        Width and height of the thumbnail.
    """

    tile_px = TILE_PX

    def __init__(self, master: Any) -> None:
        super().__init__(master, text="Particle", padding=PAD)
        self._photo: Optional[tk.PhotoImage] = None
        self.thumbnail = ttk.Label(self)
        self.thumbnail.pack()
        row = ttk.Frame(self)
        row.pack(fill=tk.BOTH, expand=True)
        bar = ttk.Scrollbar(row)
        self.description = tk.Text(
            row,
            width=1,
            height=LINES,
            wrap=tk.WORD,
            relief=tk.FLAT,
            background="white",
            takefocus=False,
            font="TkDefaultFont",
            yscrollcommand=bar.set,
        )
        bar.configure(command=self.description.yview)
        bar.pack(side=tk.RIGHT, fill=tk.Y)
        self.description.pack(side=tk.LEFT, fill=tk.BOTH, expand=True)
        self.clear()

    def show(self, lines: Sequence[str], tile: Optional[NDArray[np.uint8]]) -> None:
        """Show a description, and an image where there is one."""
        self._photo = None if tile is None else grey_photo(self, tile)
        self.thumbnail.configure(image=self._photo or "")
        self.description.configure(state=tk.NORMAL)
        self.description.delete("1.0", tk.END)
        self.description.insert("1.0", "\n".join(lines))
        self.description.configure(state=tk.DISABLED)

    def clear(self) -> None:
        """Say what a click would show."""
        self.show([HINT], None)
