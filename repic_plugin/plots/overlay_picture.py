"""An overlay for windows, whose micrograph and boxes are replaced in place."""

from __future__ import annotations

from typing import Any, Dict, List, Optional, Tuple

import numpy as np
from matplotlib.collections import PolyCollection
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.patheffects import Normal, Stroke
from numpy.typing import NDArray

from repic_plugin.plots.detail import Detail, OpenImage, detail_of, useful_step
from repic_plugin.plots.display import (
    ReducedMicrograph,
    contrast,
    grey_tile,
    low_passed,
    reduced_micrograph,
)
from repic_plugin.plots.overlay import ROLES, Layer, box_collection, box_corners, dark_rim
from repic_plugin.plots.view_area import ViewArea, scale_bar

# Longer side of a micrograph as it is kept, and of a part of it: what a large window shows.
SHOWN_PX = 1400
# Room for labels round the axes: left, bottom, right, top, inches.
MARGINS = (0.75, 0.6, 0.25, 0.2)
HIGHLIGHT_COLOR = "white"
HIGHLIGHT_LINEWIDTH = 3.5
TILE_OF_BOX = 1.5  # side of the picture of one box
GROUND = 0.6  # grey in place of an unreadable micrograph
# Where the scale bar ends on the right, and its height, fractions of the axes.
BAR_END, BAR_HEIGHT = 0.97, 0.04
BAR_POINTS, BAR_LINEWIDTH = 11, 3.5


class OverlayPicture:
    """One image, and one collection of boxes for each layer, in a figure with a canvas.

    The collections are animated: they are drawn over a copy of the rest, so that boxes change
    without the micrograph being drawn again.

    Parameters
    ----------
    figure : Figure
        With its canvas.
    open_image : callable
        From a file name to its pixels, shape (height, width); a ValueError or an OSError where it
        cannot be read.
    pixel_size_angstrom : float
        For the scale bar; 0 where it is unknown.
    low_pass_px : float
        As of `low_passed`.

    Attributes
    ----------
    image : AxesImage
        The whole micrograph, binned.
    detail : AxesImage
        A part of it over the image, binned less; hidden where there is none.
    collections : dict of str to PolyCollection
        By the name of the layer.
    highlight : PolyCollection
        The box that was clicked on.
    message : Text
        What is wrong with the micrograph, or that it is read; empty otherwise.
    area : ViewArea
        What is shown of the micrograph.
    low_pass_px, stretch, brightness : float
        How it is shown, see `low_passed` and `contrast`; `adjust` changes them.
    """

    def __init__(
        self,
        figure: Figure,
        open_image: OpenImage,
        pixel_size_angstrom: float = 0.0,
        low_pass_px: float = 0.0,
    ) -> None:
        self.figure = figure
        self.open_image = open_image
        self.pixel_size_angstrom = pixel_size_angstrom
        self.low_pass_px, self.stretch, self.brightness = low_pass_px, 1.0, 0.0
        self.axes = figure.add_axes((0.1, 0.1, 0.8, 0.8))
        self._fit_axes()
        self._style_axes()
        self.image, self.detail = self._grey_image(0.0), self._grey_image(0.1)
        self._add_texts()
        self.collections: Dict[str, PolyCollection] = {}
        self.highlight = self._collection(HIGHLIGHT_COLOR, HIGHLIGHT_LINEWIDTH, 8)
        self._background: Any = None
        self.area = ViewArea.of_all((1.0, 1.0))
        self._file = ""
        self._detail: Optional[Detail] = None  # what is shown by `detail`
        self._pixels: Optional[NDArray[Any]] = None
        self._micrograph: Optional[ReducedMicrograph] = None
        self._filtered: Optional[NDArray[np.float32]] = None
        self._read_px: Optional[Tuple[float, float]] = None  # of the one that was read last
        figure.canvas.mpl_connect("draw_event", self._after_draw)
        figure.canvas.mpl_connect("resize_event", self._fit_axes)

    @property
    def size_px(self) -> Tuple[float, float]:
        """Width and height of the micrograph."""
        return self.area.whole_px

    @property
    def is_readable(self) -> bool:
        """Whether the micrograph could be read, so that its size is known."""
        return self._pixels is not None

    def within(self, x: float, y: float) -> Tuple[float, float]:
        """The point, or that of the outermost pixel where it is at the right or lower border."""
        width, height = self.size_px
        return min(x, width - 1), min(y, height - 1)

    def show_micrograph(self, file: str, size_px: Tuple[float, float]) -> bool:
        """Replace the micrograph, with the zoom of the one before; whether it could be read.

        Parameters
        ----------
        file : str
        size_px : tuple of float
            Width and height of the grey ground that stands for one that cannot be read, where none
            was read before.
        """
        problem, self._file = "", file
        try:
            self._pixels = self.open_image(file)
            self._micrograph = reduced_micrograph(self._pixels, SHOWN_PX)
            size_px = self._read_px = float(self._pixels.shape[1]), float(self._pixels.shape[0])
        except (ValueError, OSError) as error:
            self._pixels = self._micrograph = None
            size_px, problem = self._read_px or size_px, str(error)
        self._filter()
        self.say(unreadable_micrograph(problem) if problem else "")
        self.show_area(self.area.on(size_px))
        return not problem

    def say(self, text: str) -> None:
        """Set the message over the picture."""
        self.message.set_text(text)
        self.message.set_visible(bool(text))

    def adjust(self, low_pass_px: float, stretch: float, brightness: float) -> None:
        """Show the micrograph with another low-pass or contrast; drawn by the next draw."""
        is_filtered = low_pass_px == self.low_pass_px
        self.low_pass_px, self.stretch, self.brightness = low_pass_px, stretch, brightness
        self._stretch() if is_filtered else self._filter()

    def show_area(self, area: ViewArea) -> None:
        """Show a part of the micrograph; drawn by the next draw."""
        self.area = area
        left, right, bottom, top = area.limits
        self.axes.set_xlim(left, right)
        self.axes.set_ylim(bottom, top)
        length, text = scale_bar(right - left, self.pixel_size_angstrom)
        self.bar.set_xdata([BAR_END - length / (right - left), BAR_END])
        self.bar_text.set_x(BAR_END - length / (right - left) / 2)
        self.bar_text.set_text(text)
        if self._wanted_detail() is None:
            self._hide_detail()

    @property
    def step(self) -> int:
        """Side of the blocks into which the whole micrograph is binned, px."""
        return 1 if self._micrograph is None else self._micrograph.step

    def missing_detail(self) -> Optional[Detail]:
        """What shows more of the area than the picture does; None if nothing would."""
        wanted = self._wanted_detail()
        is_shown = wanted is None or (self._detail is not None and self._detail.covers(wanted))
        return None if is_shown else wanted

    def show_detail(self, detail: Detail, pixels: NDArray[np.float32]) -> None:
        """Show a part that was read over the binned micrograph; drawn by the next draw."""
        self._detail = detail
        self.detail.set_data(pixels)
        self.detail.set_extent(detail.extent)
        self.detail.set_visible(True)

    def show_layer(self, layer: Layer, *, visible: bool = True) -> None:
        """Replace the boxes of a layer; a new name gets a new collection."""
        if layer.name not in self.collections:
            color, order = layer.color or "black", 2 + ROLES.index(layer.role)
            self.collections[layer.name] = self._collection(color, layer.width, order, layer.name)
        collection = self.collections[layer.name]
        corners = box_corners(np.asarray(layer.centers, dtype=np.float64), layer.box_size_px)
        collection.set_verts(list(corners))
        collection.set_visible(visible)
        collection.set_linewidth(layer.width)

    def show_highlight(self, box: Optional[Layer]) -> None:
        """Draw one box so that it stands out; None takes it away."""
        corners = [] if box is None else box_corners(np.asarray(box.centers), box.box_size_px)
        self.highlight.set_verts(list(corners))

    def tile(self, box: Layer, shown_px: int) -> Optional[NDArray[np.uint8]]:
        """A box and its surroundings as shown, shape (shown_px, shown_px); None if unreadable."""
        if self._pixels is None:
            return None
        ((x, y),) = np.asarray(box.centers, dtype=np.float64).tolist()
        return grey_tile(
            self._pixels,
            (x, y),
            TILE_OF_BOX * box.box_size_px,
            shown_px,
            low_pass_px=self.low_pass_px,
            greys=self.image.get_clim(),
        )

    def redraw_boxes(self) -> None:
        """Draw the boxes again over the micrograph as it was drawn last."""
        canvas = self.figure.canvas
        if self._background is None:
            canvas.draw()
            return
        canvas.restore_region(self._background)
        self._draw_boxes()
        canvas.blit(self.figure.bbox)

    def _wanted_detail(self) -> Optional[Detail]:
        """What shows more of the area than the binned micrograph does."""
        if self._pixels is None or self._micrograph is None:
            return None
        limits = self.area.limits
        step = useful_step(limits, SHOWN_PX, self.low_pass_px)
        if step >= self._micrograph.step:
            return None
        height, width = self._pixels.shape
        shape = (int(height), int(width))
        return detail_of(self._file, shape, self._micrograph, limits, step, self.low_pass_px)

    def _hide_detail(self) -> None:
        self._detail = None
        self.detail.set_visible(False)

    def _grey_image(self, order: float) -> AxesImage:
        return self.axes.imshow(
            np.full((1, 1), GROUND),
            cmap="gray",
            vmin=0,
            vmax=1,
            interpolation="nearest",
            zorder=order,
        )

    def _style_axes(self) -> None:
        self.axes.set_xlabel("x (px)", fontsize=11)
        self.axes.set_ylabel("y (px)", fontsize=11)
        self.axes.tick_params(labelsize=10, color="0.4")
        for spine in self.axes.spines.values():
            spine.set_color("0.4")

    def _add_texts(self) -> None:
        """Message and scale bar, still empty."""
        self.message = self.axes.text(
            *(0.5, 0.5, ""),
            transform=self.axes.transAxes,
            ha="center",
            va="center",
            fontsize=13,
            wrap=True,
            bbox={"facecolor": "white", "edgecolor": "0.4", "boxstyle": "round,pad=0.6"},
            zorder=9,
            animated=True,
            visible=False,
        )
        rim = [Stroke(linewidth=BAR_LINEWIDTH, foreground="black"), Normal()]
        (self.bar,) = self.axes.plot(
            [BAR_END, BAR_END],
            [BAR_HEIGHT, BAR_HEIGHT],
            transform=self.axes.transAxes,
            color="white",
            linewidth=BAR_LINEWIDTH,
            solid_capstyle="butt",
            path_effects=dark_rim(BAR_LINEWIDTH),
            animated=True,
        )
        self.bar_text = self.axes.text(
            *(BAR_END, BAR_HEIGHT + 0.01, ""),
            transform=self.axes.transAxes,
            ha="center",
            va="bottom",
            color="white",
            fontsize=BAR_POINTS,
            path_effects=rim,
            animated=True,
        )

    def _filter(self) -> None:
        """Show the micrograph with its low-pass, or a grey ground in its place."""
        self._hide_detail()
        if self._micrograph is None:
            self._filtered = None
            self.image.set_data(np.full((1, 1), GROUND, np.float32))
            width, height = self._read_px or self.size_px
            self.image.set_extent((0.0, width, height, 0.0))
        else:
            self._filtered = low_passed(self._micrograph, self.low_pass_px)
            self.image.set_data(self._filtered)
            self.image.set_extent(self._micrograph.extent)
        self._stretch()

    def _stretch(self) -> None:
        """Give the image and its detail the same limits of grey."""
        limits = (0.0, 1.0)
        if self._filtered is not None:
            limits = contrast(self._filtered, self.stretch, self.brightness)
        for image in (self.image, self.detail):
            image.set_clim(limits)

    def _fit_axes(self, _event: Any = None) -> None:
        """Keep space for labels in windows of any size."""
        width, height = self.figure.get_size_inches()
        left, bottom, right, top = MARGINS
        if width > left + right and height > bottom + top:
            size = (width - left - right) / width, (height - bottom - top) / height
            self.axes.set_position((left / width, bottom / height, *size))

    def _after_draw(self, _event: Any) -> None:
        """Store the background and draw the boxes on it."""
        self._background = self.figure.canvas.copy_from_bbox(self.figure.bbox)
        self._draw_boxes()

    def _draw_boxes(self) -> None:
        for artist in sorted([*self.collections.values(), self.highlight], key=_order):
            self.axes.draw_artist(artist)
        for artist in (self.bar, self.bar_text):
            self.axes.draw_artist(artist)
        if self.message.get_visible():
            self.axes.draw_artist(self.message)

    def _collection(
        self, color: str, linewidth: float, order: float, label: str = ""
    ) -> PolyCollection:
        collection = box_collection(color, linewidth, order, label, animated=True)
        self.axes.add_collection(collection, autolim=False)
        return collection


def unreadable_micrograph(problem: str) -> str:
    """Show a message in place of a micrograph."""
    return f"The micrograph cannot be shown.\n{problem}"


def ground_size(layers: List[Layer]) -> Tuple[float, float]:
    """Width and height that hold all boxes, px, for a micrograph of unknown size."""
    tops = [np.asarray(layer.centers).reshape(-1, 2) for layer in layers]
    reach = [
        centers.max(axis=0) + layer.box_size_px / 2
        for centers, layer in zip(tops, layers)
        if len(centers)
    ]
    width, height = np.max(reach, axis=0) if reach else (1.0, 1.0)
    return float(max(width, 1)), float(max(height, 1))


def _order(artist: PolyCollection) -> float:
    return float(artist.get_zorder())
