"""A micrograph with boxes that is zoomed by the wheel and moved by dragging."""

from __future__ import annotations

import tkinter as tk
from tkinter import ttk
from typing import Any, Callable, Optional, Tuple

from matplotlib.backends.backend_tkagg import FigureCanvasTkAgg
from matplotlib.figure import Figure

from repic_plugin.plots import (
    OpenImage,
    OverlayModel,
    OverlayPicture,
    ViewArea,
    default_low_pass_px,
    ground_size,
)
from repic_plugin.viewers.overlay.detail_reader import DetailReader

ZOOM_STEP = 1.25  # of the wheel, and of the keys + and -
CLICK_PX = 4  # a mouse that moves further between press and release drags
HINT = "wheel: zoom   drag: move   ?: keys"

Clicked = Callable[[float, float, bool], None]


class PictureFrame(ttk.Frame):
    """Picture of the current micrograph of a model, for any window.

    Parameters
    ----------
    master : tkinter widget
    open_image : callable
        As of `OverlayPicture`.
    model : OverlayModel
    clicked : callable, optional
        Called with x and y, px of the micrograph, and whether the shift key was held.

    Attributes
    ----------
    picture : OverlayPicture
    canvas : FigureCanvasTkAgg
    title, status : ttk.Label
        Name of the micrograph, and why details are missing; place of the mouse, and zoom.
    """

    def __init__(
        self,
        master: Any,
        open_image: OpenImage,
        model: OverlayModel,
        clicked: Optional[Clicked] = None,
    ) -> None:
        super().__init__(master)
        self._model, self._take_click = model, clicked
        self._pressed: Optional[Tuple[float, float, ViewArea]] = None
        self._dragged = False
        self.title = ttk.Label(self, anchor=tk.CENTER, justify=tk.CENTER)
        self.title.pack(side=tk.TOP, fill=tk.X)
        row = ttk.Frame(self)
        row.pack(side=tk.BOTTOM, fill=tk.X)
        ttk.Label(row, text=HINT).pack(side=tk.RIGHT, padx=6)
        self.status = ttk.Label(row)
        self.status.pack(side=tk.LEFT, padx=6)
        figure = Figure(facecolor="white")
        self.canvas = FigureCanvasTkAgg(figure, master=self)
        self.picture = OverlayPicture(
            figure, open_image, model.pixel_size_angstrom, default_low_pass_px(model.box_size_px)
        )
        self.canvas.get_tk_widget().configure(highlightthickness=0)
        self.canvas.get_tk_widget().pack(fill=tk.BOTH, expand=True)
        self.bind("<Configure>", lambda event: self.title.configure(wraplength=event.width - 12))
        for name, take in (
            ("scroll_event", self._scrolled),
            ("button_press_event", self._press),
            ("motion_notify_event", self._move),
            ("button_release_event", self._release),
        ):
            self.canvas.mpl_connect(name, take)
        self._details = DetailReader(self, self.canvas, self.picture, self._tell_problem)

    def show(self) -> bool:
        """Show the current micrograph of the model; return whether it could be read."""
        model, picture = self._model, self.picture
        self.title.configure(text=model.name)
        self._details.forget()
        picture.say(f"Loading {model.name} ...")
        picture.redraw_boxes()
        self.update_idletasks()  # so that the message is seen while the file is read
        layers = [model.layer(one.name) for one in model.sets]
        known = picture.show_micrograph(model.file, ground_size(layers))
        for layer in layers:
            picture.show_layer(layer, visible=model.is_visible(layer.name))
        picture.show_highlight(None)
        self.canvas.draw()
        self._tell()
        return known

    def zoom(self, factor: float, x: Optional[float] = None, y: Optional[float] = None) -> None:
        """Zoom in by a factor at a point, by default the middle of what is shown."""
        middle = self.picture.area.center_px
        point = middle if x is None or y is None else (x, y)
        self._show_area(self.picture.area.zoomed(*point, factor))

    def show_whole(self) -> None:
        """Show the whole micrograph."""
        self._show_area(ViewArea.of_all(self.picture.area.whole_px))

    def _show_area(self, area: ViewArea) -> None:
        if area != self.picture.area:
            self.picture.show_area(area)
            self.canvas.draw_idle()
            self._tell()

    def _scrolled(self, event: Any) -> None:
        if event.inaxes is self.picture.axes:
            self.zoom(ZOOM_STEP**event.step, event.xdata, event.ydata)

    def _press(self, event: Any) -> None:
        self.canvas.get_tk_widget().focus_set()
        if event.inaxes is self.picture.axes and event.button in (1, 2):
            self._pressed, self._dragged = (event.x, event.y, self.picture.area), False

    def _move(self, event: Any) -> None:
        self._tell(event)
        if self._pressed is None:
            return
        x, y, area = self._pressed
        if max(abs(event.x - x), abs(event.y - y)) > CLICK_PX:
            self._dragged = True
        if self._dragged:
            scale = area.size_px[0] / self.picture.axes.bbox.width
            self._show_area(area.moved((x - event.x) * scale, (event.y - y) * scale))

    def _release(self, event: Any) -> None:
        pressed, self._pressed = self._pressed, None
        if pressed is None or self._dragged or event.button != 1 or self._take_click is None:
            return
        if event.inaxes is self.picture.axes:
            self._take_click(event.xdata, event.ydata, "shift" in (event.key or ""))

    def _tell_problem(self, problem: str) -> None:
        """Say below the name of the micrograph why it is not shown in more detail."""
        step = self.picture.step
        why = f"\nStill binned {step} x {step} px, for no more can be read: {problem}"
        self.title.configure(text=self._model.name + (why if problem else ""))

    def _tell(self, event: Any = None) -> None:
        """Show the zoom, and the place of the mouse."""
        parts = [f"zoom {self.picture.area.zoom:.1f}x"]
        if event is not None and event.inaxes is self.picture.axes:
            parts.insert(0, f"x {event.xdata:.0f}, y {event.ydata:.0f} px")
        self.status.configure(text="   ".join(parts))
