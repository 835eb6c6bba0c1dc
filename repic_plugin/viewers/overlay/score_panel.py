"""Controls that hide the boxes of a set by one of their numbers."""

from __future__ import annotations

import tkinter as tk
from tkinter import ttk
from typing import Any, Callable, Optional

from repic_plugin.plots import OverlayModel, short_number
from repic_plugin.viewers.overlay.histogram import Histogram
from repic_plugin.viewers.overlay.panel import PAD

NO_NUMBERS = "No score"


class ScorePanel(ttk.LabelFrame):
    """Choice of a set and of one of its numbers, histogram, slider and counts.

    Parameters
    ----------
    master : tkinter widget
    model : OverlayModel
        With a set.
    changed : callable
        Called after what is hidden has changed, once for several changes; calls `tell`.

    Attributes
    ----------
    set_chosen : callable or None
        Called after another set has become the active one.
    sets, attributes : ttk.Combobox
    histogram : Histogram
    slider : ttk.Scale
    kept : ttk.Label
    """

    def __init__(self, master: Any, model: OverlayModel, changed: Callable[[], None]) -> None:
        super().__init__(master, padding=PAD)
        self._model, self._changed = model, changed
        self._pending: Optional[str] = None
        self._is_filling = False
        self.set_chosen: Optional[Callable[[], None]] = None
        self.sets = self._combobox(self._set_chosen)
        self.attributes = self._combobox(self._attribute_chosen)
        self.histogram = Histogram(self, self._set)
        self.histogram.pack(fill=tk.X, pady=(2, 2))
        self.slider = ttk.Scale(self, takefocus=False, command=self._slid)
        self.slider.pack(fill=tk.X)
        self.kept = ttk.Label(self, justify=tk.LEFT)
        self.kept.pack(anchor=tk.W)
        self._fill()

    def _combobox(self, act: Callable[[str], None]) -> ttk.Combobox:
        box = ttk.Combobox(self, state="readonly", takefocus=False)
        box.pack(fill=tk.X, pady=(0, 2))

        def chosen(_event: Any) -> None:
            box.selection_clear()
            self.winfo_toplevel().focus_set()
            act(box.get())

        box.bind("<<ComboboxSelected>>", chosen)
        return box

    def tell(self) -> None:
        """Show the minimum and the numbers of boxes that reach it."""
        chosen = self._model.selection
        self.kept.configure(text=_kept(self._model))
        self.histogram.show(*chosen.histogram(), chosen.minimum)

    def _set(self, minimum: float) -> None:
        self.slider.set(minimum)

    def _fill(self) -> None:
        """Show the choices, and the range and minimum of the current one."""
        chosen = self._model.selection
        for box, values, current in (
            (self.sets, chosen.names, chosen.active or ""),
            (self.attributes, chosen.attributes, chosen.attribute),
        ):
            box.configure(values=values, state="readonly" if len(values) > 1 else "disabled")
            box.set(current)
        self.configure(text=f"Minimum {chosen.attribute}" if chosen.attribute else NO_NUMBERS)
        low, high = chosen.range or (0.0, 0.0)
        self.slider.state(["!disabled" if low < high else "disabled"])
        self._is_filling = True
        self.slider.configure(from_=low, to=high)
        self.slider.set(max(chosen.minimum, low))
        self._is_filling = False
        self.tell()

    def _set_chosen(self, name: str) -> None:
        self._model.selection.choose(name)
        self._fill()
        if self.set_chosen is not None:
            self.set_chosen()
        self._changed()

    def _attribute_chosen(self, attribute: str) -> None:
        self._model.selection.choose(self._model.selection.active or "", attribute)
        self._fill()
        self._changed()

    def _slid(self, value: str) -> None:
        """Set the minimum; only the last of several changes is drawn."""
        if self._is_filling:
            return
        self._model.selection.set_minimum(float(value))
        if self._pending is None:
            self._pending = self.after_idle(self._show)

    def _show(self) -> None:
        self._pending = None
        self._changed()


def _kept(model: OverlayModel) -> str:
    """Minimum and numbers of boxes that reach it, as text."""
    (here, overall), (all_here, all_overall) = model.n_kept(), model.n_all()
    chosen = model.selection
    low = (chosen.range or (0.0, 0.0))[0]
    lines = [
        *([f"at least {short_number(max(chosen.minimum, low))}:"] if chosen.attribute else []),
        f"{here:,} of {all_here:,} on this micrograph",
        f"{overall:,} of {all_overall:,} in total",
    ]
    if chosen.n_unknown:
        fate = "shown" if chosen.minimum < low else "hidden"
        lines.append(f"{chosen.n_unknown:,} without {chosen.attribute} are {fate}")
    return "\n".join(lines)
