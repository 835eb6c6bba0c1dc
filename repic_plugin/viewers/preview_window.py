"""A preview of the consensus of one micrograph, with sliders."""

from __future__ import annotations

import tkinter as tk
from dataclasses import replace
from tkinter import ttk
from typing import Any, Callable, Dict, Optional

import numpy as np
from matplotlib.backends.backend_tkagg import FigureCanvasTkAgg
from matplotlib.figure import Figure
from pyworkflow.viewer import View

from repic_plugin.consensus import ConsensusResult
from repic_plugin.plots import (
    CONSENSUS_COLOR,
    Layer,
    OpenImage,
    OverlayModel,
    PreviewSettings,
    preview_text,
    short_name,
)
from repic_plugin.viewers.figure_window import open_window
from repic_plugin.viewers.overlay.panel import PAD, ScrolledPanel
from repic_plugin.viewers.overlay.picture_frame import PictureFrame

CONSENSUS = "consensus"
PANEL_WIDTH_PX = 330
COUNT_WIDTH_PX = 295  # beside a scroll bar
MAX_OVERLAP, MAX_PRECISION = 0.95, 0.99
CURVE_HEIGHT_PX = 170
DECIMALS = 4  # of what a slider can show
LEGEND_COLUMNS, LEGEND_LETTERS = 2, 16
SETTLED_MS = 400  # after the last change of a slider on which a fit depends
FITTING = "Estimating precision and recall of the pickers ..."
Compute = Callable[[int, PreviewSettings], ConsensusResult]
Describe = Callable[[ConsensusResult, PreviewSettings], str]
DrawCurve = Callable[[Figure, PreviewSettings], None]


class PreviewWindow(View):  # type: ignore[misc]
    """Window to choose the settings of a consensus with a preview.

    Parameters
    ----------
    root : tkinter widget or None
    model : OverlayModel
        The input picks.
    settings : PreviewSettings
        Initial settings.
    compute : callable
        From the index of a micrograph and PreviewSettings to the ConsensusResult; a ValueError is
        shown instead of the text.
    describe : callable
        From this result and the settings to the text below the sliders.
    use : callable
        Receives the settings when OK is pressed.
    box_size_px : float
        Box size of the consensus.
    open_image : callable
        As of `OverlayWindow`.
    draw_curve : callable, optional
        In mode probabilistic: draws the curve of expected precision for the settings into a
        figure. There is then a slider for the target precision, and none for the quorum.
    """

    def __init__(
        self,
        root: Any,
        model: OverlayModel,
        settings: PreviewSettings,
        *,
        compute: Compute,
        describe: Describe = lambda result, _settings: preview_text(result),
        use: Callable[[PreviewSettings], None],
        box_size_px: float,
        open_image: OpenImage,
        draw_curve: Optional[DrawCurve] = None,
    ) -> None:
        super().__init__()
        self._root = root
        self.model = model
        self._first = settings
        self._compute, self._describe = compute, describe
        self._draw_curve = draw_curve
        self._use = use
        self._box_size_px = box_size_px
        self._open_image = open_image
        self._pending: Optional[str] = None
        self._settling: Optional[str] = None

    def show(self) -> None:
        """Open the window."""
        self.window = open_window(self._root, "Preview of the consensus")
        panel = ttk.Frame(self.window, width=PANEL_WIDTH_PX, padding=PAD)
        panel.pack(side=tk.LEFT, fill=tk.Y)
        panel.pack_propagate(False)
        self.frame = PictureFrame(self.window, self._open_image, self.model)
        self.frame.pack(side=tk.LEFT, fill=tk.BOTH, expand=True)
        self.sliders: Dict[str, Any] = {}
        self._begun: Dict[str, float] = {}  # where sliders stand for the first settings
        self._add_pager(panel)
        # first, so that they stay in view where there is little room
        self._add_buttons(panel)
        self._add_legend(panel)
        self._add_sliders(panel)
        if self._draw_curve is not None:
            self._add_curve(panel)
        self._add_count(panel)
        if self._draw_curve is not None:
            self.count.configure(text=FITTING)
        self.window.bind("<Left>", lambda _event: self._page(self.model.previous()))
        self.window.bind("<Right>", lambda _event: self._page(self.model.next()))
        self.window.update_idletasks()
        self._page(True)
        self.frame.canvas.get_tk_widget().focus_set()

    def settings(self) -> PreviewSettings:
        """Settings of the sliders; one that was not moved has the value that it began with."""
        values = {
            name: round(float(one.get()), DECIMALS)
            for name, one in self.sliders.items()
            if one.get() != self._begun[name]
        }
        for name in ("quorum", "num_particles"):
            if name in values:
                values[name] = int(values[name])
        return replace(self._first, **values)

    # ---------------------------------------------------------------- widgets

    def _add_pager(self, panel: Any) -> None:
        self.chooser = ttk.Combobox(panel, values=self.model.names, state="readonly")
        self.chooser.pack(fill=tk.X, pady=(0, PAD))
        self.chooser.bind("<<ComboboxSelected>>", self._chosen)

    def _add_sliders(self, panel: Any) -> None:
        if self._draw_curve is None:
            most = len(self.model.sets)
            self._add_slider(panel, "quorum", "Minimum number of pickers", 2, most, 1)
        else:
            label = "Target precision (0: highest F1 score)"
            self._add_slider(panel, "target_precision", label, 0, MAX_PRECISION, 0.01)
        self._add_slider(panel, "min_overlap", "Minimum overlap (Jaccard)", 0, MAX_OVERLAP, 0.01)
        self._add_slider(panel, "num_particles", "Particles to keep (0: all)", 0, 1, 1)

    def _add_curve(self, panel: Any) -> None:
        """Add the curve of expected precision."""
        self.curve = FigureCanvasTkAgg(Figure(facecolor="white", layout="constrained"), panel)
        widget = self.curve.get_tk_widget()
        widget.configure(height=CURVE_HEIGHT_PX, width=PANEL_WIDTH_PX - 2 * PAD)
        widget.pack(fill=tk.X, pady=(PAD, 0))

    def _add_count(self, panel: Any) -> None:
        """Add the text below the sliders, which is scrolled where cautions make it long."""
        column = ScrolledPanel(panel, COUNT_WIDTH_PX)
        column.configure(padding=0)
        column.pack(fill=tk.BOTH, expand=True, pady=PAD)
        self.count = ttk.Label(column.inside, wraplength=COUNT_WIDTH_PX - 4, justify=tk.LEFT)
        self.count.pack(anchor=tk.W)

    def _add_slider(
        self, panel: Any, name: str, label: str, low: float, high: float, step: float
    ) -> None:
        first = getattr(self._first, name)
        is_between = abs(first / step - round(first / step)) > 1e-6
        slider = tk.Scale(
            panel,
            label=label,
            from_=low,
            to=max(high, first),
            resolution=10.0**-DECIMALS if is_between else step,
            orient=tk.HORIZONTAL,
            takefocus=False,
        )
        slider.set(first)
        self._begun[name] = slider.get()
        is_fitted = name == "min_overlap" and self._draw_curve is not None
        slider.configure(command=self._slid_to_fit if is_fitted else self._slid)
        slider.pack(fill=tk.X)
        self.sliders[name] = slider

    def _add_legend(self, panel: Any) -> None:
        """Add the colours of the pickers and the consensus."""
        colors = {one.name: self.model.color(one.name) for one in self.model.sets}
        colors[CONSENSUS] = CONSENSUS_COLOR
        box = ttk.Frame(panel)
        box.pack(side=tk.BOTTOM, fill=tk.X, pady=(0, PAD))
        for column in range(LEGEND_COLUMNS):
            box.columnconfigure(column, weight=1, uniform="legend")
        for place, (name, color) in enumerate(colors.items()):
            cell = ttk.Frame(box)
            cell.grid(row=place // LEGEND_COLUMNS, column=place % LEGEND_COLUMNS, sticky=tk.EW)
            tk.Frame(cell, width=16, height=16, background=color).pack(side=tk.LEFT)
            ttk.Label(cell, text=short_name(name, LEGEND_LETTERS)).pack(side=tk.LEFT, padx=4)

    def _add_buttons(self, panel: Any) -> None:
        row = ttk.Frame(panel)
        row.pack(side=tk.BOTTOM, fill=tk.X)
        self.ok_button = ttk.Button(row, text="OK", command=self._ok)
        self.cancel_button = ttk.Button(row, text="Cancel", command=self.window.destroy)
        for button in (self.ok_button, self.cancel_button):
            button.pack(side=tk.LEFT, fill=tk.X, expand=True)

    # ---------------------------------------------------------------- actions

    def _ok(self) -> None:
        settings = self.settings()
        self.window.destroy()
        self._use(settings)

    def _chosen(self, _event: Any) -> None:
        self.model.go_to(self.chooser.current())
        self.chooser.selection_clear()
        self.frame.canvas.get_tk_widget().focus_set()
        self._page(True)

    def _page(self, moved: bool) -> None:
        if not moved:
            return
        self.chooser.current(self.model.place)
        self._show_consensus()
        self.frame.show()

    def _slid(self, _value: str) -> None:
        """Schedule an update; only the last of several changes is computed."""
        if self._pending is None:
            self._pending = self.window.after_idle(self._redraw)

    def _slid_to_fit(self, _value: str) -> None:
        """Schedule a fit, which takes seconds, once the slider stays where it is."""
        self.count.configure(text=FITTING)
        if self._settling is not None:
            self.window.after_cancel(self._settling)
        self._settling = self.window.after(SETTLED_MS, self._settled)

    def _settled(self) -> None:
        self._settling = None
        self._redraw()

    def _redraw(self) -> None:
        self._pending = None
        self._show_consensus()
        self.frame.picture.redraw_boxes()

    def _show_consensus(self) -> None:
        """Compute the consensus, and show its boxes and count."""
        centers, settings = np.empty((0, 2)), self.settings()
        try:
            result = self._compute(self.model.place, settings)
            text = self._describe(result, settings)
            if self._draw_curve is not None:
                self._draw_curve(self.curve.figure, settings)
                self.curve.draw()
        except ValueError as error:
            self.count.configure(text=str(error))
        else:
            centers = np.column_stack([result.x, result.y])
            n_found = int(result.micrographs.n_selected.sum())
            self.sliders["num_particles"].configure(to=max(n_found, 1, settings.num_particles))
            self.count.configure(text=text)
        size_px = self._box_size_px * self.model.scale  # like the boxes of the pickers
        linewidth = self.model.linewidth("consensus")
        layer = Layer(CONSENSUS, centers, size_px, "consensus", CONSENSUS_COLOR, linewidth)
        self.frame.picture.show_layer(layer)
