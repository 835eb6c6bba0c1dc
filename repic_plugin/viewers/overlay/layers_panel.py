"""A switch for each set of boxes, with its colour and count."""

from __future__ import annotations

import tkinter as tk
from functools import partial
from tkinter import ttk
from typing import Any, Callable, Dict

from repic_plugin.plots import OverlayModel
from repic_plugin.viewers.overlay.panel import PAD

SWATCH_PX = 14
NAME_WIDTH_PX = 115  # longer names are wrapped


class LayersPanel(ttk.LabelFrame):
    """Rows of switches.

    Parameters
    ----------
    master : tkinter widget
    model : OverlayModel
    toggle : callable
        Called with the name of a set that is to be shown or hidden.

    Attributes
    ----------
    switches, counts : dict of str to tkinter widget
        By the name of the set.
    """

    def __init__(self, master: Any, model: OverlayModel, toggle: Callable[[str], None]) -> None:
        super().__init__(master, text="Boxes", padding=PAD)
        self._model = model
        self.columnconfigure(2, weight=1)
        self.switches: Dict[str, Any] = {}
        self.counts: Dict[str, Any] = {}
        for row, one in enumerate(model.sets):
            color = model.color(one.name)
            swatch = tk.Frame(self, width=SWATCH_PX, height=SWATCH_PX, background=color)
            switch = ttk.Checkbutton(self, takefocus=False, command=partial(toggle, one.name))
            switch.state(["!alternate", "selected"])
            name = ttk.Label(self, text=one.name, wraplength=NAME_WIDTH_PX)
            name.bind("<Button-1>", lambda _event, switch=switch: switch.invoke())
            count = ttk.Label(self)
            for column, widget in enumerate((swatch, switch, name, count)):
                widget.grid(row=row, column=column, sticky=tk.W, padx=(0, 4))
            self.switches[one.name], self.counts[one.name] = switch, count

    def tell(self) -> None:
        """Show the numbers of boxes on the current micrograph."""
        for name, count in self._model.counts().items():
            self.counts[name].configure(text=f"{count:,}")
