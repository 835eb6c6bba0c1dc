"""A small histogram on which a minimum is set with the mouse."""

from __future__ import annotations

import tkinter as tk
from typing import Any, Callable, Optional, Tuple

import numpy as np
from numpy.typing import NDArray

from repic_plugin.plots import BLUE

HEIGHT_PX = 72
HIDDEN_COLOR, LINE_COLOR = "#c8c8c8", "black"


class Histogram(tk.Canvas):
    """Bars, those below the minimum grey.

    Parameters
    ----------
    master : tkinter widget
    chosen : callable
        Called with the number at which the mouse was pressed.
    """

    def __init__(self, master: Any, chosen: Callable[[float], None]) -> None:
        super().__init__(
            master, height=HEIGHT_PX, width=1, background="white", highlightthickness=0
        )
        self._chosen = chosen
        self._data: Optional[Tuple[NDArray[np.int64], NDArray[np.float64]]] = None
        self._minimum = -np.inf
        self.bind("<Configure>", lambda _event: self._draw())
        for sequence in ("<Button-1>", "<B1-Motion>"):
            self.bind(sequence, self._pressed)

    def show(self, counts: NDArray[np.int64], edges: NDArray[np.float64], minimum: float) -> None:
        """Show other bars."""
        self._data, self._minimum = (counts, edges), minimum
        self._draw()

    def _draw(self) -> None:
        self.delete(tk.ALL)
        if self._data is None:
            return
        counts, edges = self._data
        width, height = self.winfo_width(), self.winfo_height()
        scale = (height - 2) / max(int(counts.max(initial=0)), 1)
        for place, count in enumerate(counts.tolist()):
            if count:
                left, right = (width * (place + one) / len(counts) for one in (0, 1))
                top = height - max(1.0, count * scale)
                middle = (edges[place] + edges[place + 1]) / 2
                color = HIDDEN_COLOR if middle < self._minimum else BLUE
                self.create_rectangle(left, top, right, height, fill=color, width=0, tags="bar")
        if np.isfinite(self._minimum):
            span = edges[-1] - edges[0]
            x = width * (self._minimum - edges[0]) / span
            self.create_line(x, 0, x, height, fill=LINE_COLOR, width=2, tags="minimum")

    def _pressed(self, event: Any) -> None:
        if self._data is not None:
            edges = self._data[1]
            part = min(max(event.x / max(self.winfo_width(), 1), 0.0), 1.0)
            self._chosen(float(edges[0] + part * (edges[-1] - edges[0])))
