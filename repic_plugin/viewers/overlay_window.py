"""A Scipion window with boxes on micrographs."""

from __future__ import annotations

import tkinter as tk
from tkinter import filedialog, messagebox, ttk
from typing import Any, Dict, Mapping, Optional, Tuple

import numpy as np
from matplotlib.backends.backend_tkagg import FigureCanvasTkAgg, NavigationToolbar2Tk
from matplotlib.figure import Figure
from pyworkflow.viewer import View

from repic_plugin.plots import (
    LEAST_SCALE,
    OpenImage,
    OverlayModel,
    OverlayPicture,
    ground_size,
    overlay_figure,
)
from repic_plugin.viewers.figure_window import open_window
from repic_plugin.viewers.view_button import MakeView, ViewButton

PANEL_WIDTH_PX = 330
SWATCH_PX = 16
PAD = 8
CLICK_HINT = "Click on a consensus box to see which pickers found it."
NO_CONSENSUS = "There is no consensus among these boxes."


class _ZoomToolbar(NavigationToolbar2Tk):  # type: ignore[misc]
    """Zoom and pan; pictures are saved by a button of the window, with their boxes."""

    toolitems = tuple(
        item
        for item in NavigationToolbar2Tk.toolitems
        if item[0] in ("Home", "Back", "Forward", "Pan", "Zoom")
    )


class PictureFrame(ttk.Frame):
    """Picture with zoom, for any window.

    Parameters
    ----------
    master : tkinter widget
    open_image : callable
        As of `OverlayPicture`.

    Attributes
    ----------
    picture : OverlayPicture
    canvas : FigureCanvasTkAgg
    toolbar : NavigationToolbar2Tk
    """

    def __init__(self, master: Any, open_image: OpenImage) -> None:
        super().__init__(master)
        figure = Figure(facecolor="white")
        self.canvas = FigureCanvasTkAgg(figure, master=self)
        self.picture = OverlayPicture(figure, open_image)
        self.toolbar = _ZoomToolbar(self.canvas, self)
        self.canvas.get_tk_widget().pack(fill=tk.BOTH, expand=True)

    def show(self, model: OverlayModel) -> bool:
        """Show the current micrograph of the model; return whether it could be read."""
        layers = [model.layer(one.name) for one in model.sets]
        known = self.picture.show_micrograph(model.file, ground_size(layers))
        for layer in layers:
            self.picture.show_layer(layer, visible=model.is_visible(layer.name))
        self.picture.show_highlight(None)
        self.toolbar.update()  # discards the zooms of another micrograph
        self.canvas.draw()
        return known


class OverlayWindow(View):  # type: ignore[misc]
    """Browser of micrographs with boxes.

    Parameters
    ----------
    root : tkinter widget or None
        With None, the window is a root window.
    title : str
    model : OverlayModel
    open_image : callable
        From a file name to its pixels, shape (height, width); a ValueError or an OSError if it
        cannot be read.
    more : mapping of str to callable, optional
        From the text of a button to a function that creates its View, see `ViewButton`.
    """

    def __init__(
        self,
        root: Any,
        title: str,
        model: OverlayModel,
        open_image: OpenImage,
        more: Optional[Mapping[str, MakeView]] = None,
    ) -> None:
        super().__init__()
        self._more = dict(more or {})
        self._root = root
        self._title = title
        self.model = model
        self._open_image = open_image
        self.selected: Optional[int] = None
        self._pending: Optional[str] = None

    def show(self) -> None:
        """Open the window."""
        self.window = open_window(self._root, self._title)
        self.frame = PictureFrame(self.window, self._open_image)
        self.picture = self.frame.picture
        panel = ttk.Frame(self.window, width=PANEL_WIDTH_PX, padding=PAD)
        panel.pack(side=tk.LEFT, fill=tk.Y)
        panel.pack_propagate(False)
        self.frame.pack(side=tk.LEFT, fill=tk.BOTH, expand=True)
        self._add_pager(panel)
        self._add_layers(panel)
        self._add_scale(panel)
        if self.model.weight_range is not None:
            self._add_threshold(panel)
        self._add_description(panel)
        self.window.bind("<Left>", lambda _event: self.previous())
        self.window.bind("<Right>", lambda _event: self.next())
        self.frame.canvas.mpl_connect("button_press_event", self._clicked)
        self.window.update_idletasks()  # so that the picture is drawn only in its final size
        self._show_micrograph()
        self.frame.canvas.get_tk_widget().focus_set()

    # ---------------------------------------------------------------- widgets

    def _add_pager(self, panel: Any) -> None:
        """Add the choice of micrograph."""
        self.where = ttk.Label(panel)
        self.where.pack(anchor=tk.W)
        self.chooser = ttk.Combobox(panel, values=self.model.names, state="readonly")
        self.chooser.pack(fill=tk.X, pady=(2, 4))
        self.chooser.bind("<<ComboboxSelected>>", self._chosen)
        row = ttk.Frame(panel)
        row.pack(fill=tk.X)
        self.previous_button = ttk.Button(row, text="< Previous", command=self.previous)
        self.next_button = ttk.Button(row, text="Next >", command=self.next)
        for button in (self.previous_button, self.next_button):
            button.pack(side=tk.LEFT, fill=tk.X, expand=True)
            button.configure(takefocus=False)

    def _add_layers(self, panel: Any) -> None:
        """Add a switch for each layer, with its colour and count."""
        box = ttk.LabelFrame(panel, text="Boxes", padding=PAD)
        box.pack(fill=tk.X, pady=(PAD, 0))
        self.switches: Dict[str, Any] = {}
        self.counts: Dict[str, Any] = {}
        for one in self.model.sets:
            row = ttk.Frame(box)
            row.pack(fill=tk.X)
            color = self.model.color(one.name)
            tk.Frame(row, width=SWATCH_PX, height=SWATCH_PX, background=color).pack(side=tk.LEFT)
            self.counts[one.name] = ttk.Label(row)
            self.counts[one.name].pack(side=tk.RIGHT)
            switch = ttk.Checkbutton(
                row, text=one.name, takefocus=False, command=lambda name=one.name: self.toggle(name)
            )
            switch.state(["!alternate", "selected"])
            switch.pack(side=tk.LEFT, fill=tk.X, expand=True, padx=(4, 4))
            self.switches[one.name] = switch

    def _add_scale(self, panel: Any) -> None:
        """Add a slider for the size of the boxes."""
        box = ttk.LabelFrame(panel, text="Box size shown", padding=PAD)
        box.pack(fill=tk.X, pady=(PAD, 0))
        self.size_text = ttk.Label(box)
        self.size_slider = ttk.Scale(
            box, from_=LEAST_SCALE, to=1.0, takefocus=False, command=self._resized
        )
        self.size_slider.set(self.model.scale)
        self.size_slider.pack(fill=tk.X)
        self.size_text.pack(anchor=tk.W)

    def _add_threshold(self, panel: Any) -> None:
        """Add a slider for the minimum weight."""
        box = ttk.LabelFrame(panel, text=f"Minimum {self.model.weight_name}", padding=PAD)
        box.pack(fill=tk.X, pady=(PAD, 0))
        low, high = self.model.weight_range or (0.0, 1.0)
        self.slider = ttk.Scale(
            box, from_=low, to=max(high, low + 1e-9), takefocus=False, command=self._slid
        )
        self.slider.set(low)
        self.slider.pack(fill=tk.X)
        self.kept = ttk.Label(box, justify=tk.LEFT)
        self.kept.pack(anchor=tk.W)

    def _add_description(self, panel: Any) -> None:
        """Add the description of a clicked box, and the buttons."""
        self.save_button = ttk.Button(panel, text="Save picture...", command=self._ask_and_save)
        self.save_button.pack(side=tk.BOTTOM, fill=tk.X)
        self.more_buttons = [ViewButton(panel, *one) for one in self._more.items()]
        for button in self.more_buttons:
            button.pack(side=tk.BOTTOM, fill=tk.X, pady=(0, 4))
        box = ttk.LabelFrame(panel, text="Particle", padding=PAD)
        box.pack(fill=tk.BOTH, expand=True, pady=PAD)
        self.description = tk.Text(
            box, width=1, wrap=tk.WORD, relief=tk.FLAT, background="white", takefocus=False
        )
        self.description.pack(fill=tk.BOTH, expand=True)

    # ---------------------------------------------------------------- actions

    def next(self) -> None:
        """Show the next micrograph."""
        if self.model.next():
            self._show_micrograph()

    def previous(self) -> None:
        """Show the previous micrograph."""
        if self.model.previous():
            self._show_micrograph()

    def toggle(self, name: str) -> None:
        """Switch a layer on or off."""
        visible = self.model.toggle(name)
        self.picture.collections[name].set_visible(visible)
        if self.model.consensus is not None and name == self.model.consensus.name:
            self._select(None)
        self.picture.redraw_boxes()

    def save(self, path: str) -> None:
        """Save the micrograph with the visible boxes as a picture.

        Raises
        ------
        OSError
            If it cannot be written.
        """
        layers = self.model.layers()
        try:
            pixels = self._open_image(self.model.file)
        except (ValueError, OSError):
            width, height = self.picture.size_px
            pixels = np.zeros((int(np.ceil(height)), int(np.ceil(width))), np.int8)
        overlay_figure(pixels, layers, title=self.model.name).savefig(path)

    def _chosen(self, _event: Any) -> None:
        self.model.go_to(self.chooser.current())
        self.chooser.selection_clear()
        self.frame.canvas.get_tk_widget().focus_set()
        self._show_micrograph()

    def _resized(self, value: str) -> None:
        """Show boxes at another fraction of their size."""
        self.model.scale = float(value)
        self.size_text.configure(text=f"{float(value):.0%} of the true size")
        if not self.picture.collections:
            return  # the window is under construction
        for one in self.model.sets:
            layer = self.model.layer(one.name)
            self.picture.show_layer(layer, visible=self.model.is_visible(one.name))
        self._select(self.selected)
        self.picture.redraw_boxes()

    def _slid(self, value: str) -> None:
        """Set the threshold; only the last of several changes is drawn."""
        self.model.set_threshold(float(value))
        if self._pending is None and hasattr(self, "kept"):
            self._pending = self.window.after_idle(self._show_threshold)

    def _show_threshold(self) -> None:
        self._pending = None
        consensus = self.model.consensus
        if consensus is None:
            return
        visible = self.model.is_visible(consensus.name)
        self.picture.show_layer(self.model.layer(consensus.name), visible=visible)
        self._select(None)
        self._show_counts()
        self.picture.redraw_boxes()

    def _clicked(self, event: Any) -> None:
        if event.inaxes is not self.picture.axes or event.button != 1 or self.frame.toolbar.mode:
            return
        self._select(self.model.at(event.xdata, event.ydata))
        self.picture.redraw_boxes()

    def _ask_and_save(self) -> None:
        path = filedialog.asksaveasfilename(
            parent=self.window,
            defaultextension=".png",
            filetypes=[("PNG picture", "*.png")],
            initialfile=f"{self.model.name.rpartition('.')[0] or self.model.name}.png",
        )
        if not path:
            return
        try:
            self.save(path)
        except OSError as error:
            messagebox.showerror("Save picture", str(error), parent=self.window)

    # ------------------------------------------------------------------ shows

    def _show_micrograph(self) -> None:
        self.frame.show(self.model)
        self.chooser.current(self.model.place)
        last = len(self.model.names) - 1
        self.where.configure(text=f"Micrograph {self.model.place + 1:,} of {last + 1:,}")
        self.previous_button.state([_state(self.model.place > 0)])
        self.next_button.state([_state(self.model.place < last)])
        self._select(None)
        self._show_counts()

    def _show_counts(self) -> None:
        for name, count in self.model.counts().items():
            self.counts[name].configure(text=f"{count:,}")
        if self.model.weight_range is not None:
            self.kept.configure(text=_kept(self.model.threshold, self.model))

    def _select(self, particle: Optional[int]) -> None:
        """Describe and highlight a particle of the consensus."""
        self.selected = particle
        self.picture.show_highlight(None if particle is None else self.model.box(particle))
        lines = [] if particle is None else self.model.describe(particle)
        if not lines:
            lines = [NO_CONSENSUS if self.model.consensus is None else CLICK_HINT]
        self.description.configure(state=tk.NORMAL)
        self.description.delete("1.0", tk.END)
        self.description.insert("1.0", "\n".join(lines))
        self.description.configure(state=tk.DISABLED)


def _state(enabled: bool) -> str:
    return "!disabled" if enabled else "disabled"


def _kept(threshold: float, model: OverlayModel) -> str:
    """Threshold and numbers of particles above it, as text."""
    (here, overall), (all_here, all_overall) = model.n_kept(), model.n_all()
    least: Tuple[float, float] = model.weight_range or (0.0, 0.0)
    weight = max(threshold, least[0])
    return (
        f"at least {weight:.3f}:\n{here:,} of {all_here:,} on this micrograph\n"
        f"{overall:,} of {all_overall:,} in total"
    )
