"""An overlay for windows, whose micrograph and boxes are replaced in place."""

from __future__ import annotations

from typing import Any, Callable, Dict, List, Optional, Tuple

import numpy as np
from matplotlib.collections import PolyCollection
from matplotlib.figure import Figure
from numpy.typing import NDArray

from repic_plugin.plots.display import contrast, for_display
from repic_plugin.plots.overlay import ROLES, Layer, box_collection, box_corners, dark_rim

# Longer side of a micrograph as it is kept: what a large window shows, and some zoom.
SHOWN_PX = 1400
# Room for labels round the axes: left, bottom, right, top, inches.
MARGINS = (0.75, 0.6, 0.25, 0.2)
HIGHLIGHT_COLOR = "white"
HIGHLIGHT_LINEWIDTH = 3.5
GROUND = 0.6  # grey in place of an unreadable micrograph

OpenImage = Callable[[str], NDArray[Any]]


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

    Attributes
    ----------
    image : AxesImage
    collections : dict of str to PolyCollection
        By the name of the layer.
    highlight : PolyCollection
        The box that was clicked on.
    message : Text
        What is wrong with the micrograph; empty where nothing is.
    size_px : tuple of float
        Width and height of what is shown.
    """

    def __init__(self, figure: Figure, open_image: OpenImage) -> None:
        self.figure = figure
        self.open_image = open_image
        self.axes = figure.add_axes((0.1, 0.1, 0.8, 0.8))
        self._fit_axes()
        self.axes.set_xlabel("x (px)", fontsize=11)
        self.axes.set_ylabel("y (px)", fontsize=11)
        self.axes.tick_params(labelsize=10, color="0.4")
        for spine in self.axes.spines.values():
            spine.set_color("0.4")
        self.image = self.axes.imshow(np.full((1, 1), GROUND), cmap="gray", interpolation="nearest")
        self.message = self.axes.text(
            *(0.5, 0.5, ""),
            transform=self.axes.transAxes,
            ha="center",
            va="center",
            fontsize=13,
            wrap=True,
            bbox={"facecolor": "white", "edgecolor": "0.4", "boxstyle": "round,pad=0.6"},
            zorder=9,
        )
        self.collections: Dict[str, PolyCollection] = {}
        self.highlight = self._collection(HIGHLIGHT_COLOR, HIGHLIGHT_LINEWIDTH, 8)
        self._background: Any = None
        self.size_px: Tuple[float, float] = (0.0, 0.0)
        self._read_px: Optional[Tuple[float, float]] = None  # of the one that was read last
        figure.canvas.mpl_connect("draw_event", self._after_draw)
        figure.canvas.mpl_connect("resize_event", self._fit_axes)

    def show_micrograph(self, file: str, size_px: Tuple[float, float]) -> bool:
        """Replace the micrograph; whether it could be read.

        Parameters
        ----------
        file : str
        size_px : tuple of float
            Width and height of the grey ground that stands for one that cannot be read, where none
            was read before.
        """
        try:
            pixels = self.open_image(file)
            height, width = pixels.shape
            shown, extent = for_display(pixels, SHOWN_PX)
            problem, self._read_px = "", (width, height)
        except (ValueError, OSError) as error:
            width, height = self._read_px or size_px
            shown, extent = np.full((1, 1), GROUND, np.float32), (0.0, width, height, 0.0)
            problem = str(error)
        self.size_px = (width, height)
        self.image.set_data(shown)
        self.image.set_extent(extent)
        self.image.set_clim((0, 1) if problem else contrast(shown))
        self.axes.set_xlim(0, width)
        self.axes.set_ylim(height, 0)
        self.message.set_text(unreadable_micrograph(problem) if problem else "")
        self.message.set_visible(bool(problem))
        return not problem

    def show_layer(self, layer: Layer, *, visible: bool = True) -> None:
        """Replace the boxes of a layer; a new name gets a new collection."""
        if layer.name not in self.collections:
            color, order = layer.color or "black", 2 + ROLES.index(layer.role)
            self.collections[layer.name] = self._collection(color, layer.width, order, layer.name)
        collection = self.collections[layer.name]
        corners = box_corners(np.asarray(layer.centers, dtype=np.float64), layer.box_size_px)
        collection.set_verts(list(corners))
        collection.set_visible(visible)
        if collection.get_linewidth()[0] != layer.width:
            collection.set_linewidth(layer.width)
            collection.set_path_effects(dark_rim(layer.width))

    def show_highlight(self, box: Optional[Layer]) -> None:
        """Draw one box so that it stands out; None takes it away."""
        corners = [] if box is None else box_corners(np.asarray(box.centers), box.box_size_px)
        self.highlight.set_verts(list(corners))

    def redraw_boxes(self) -> None:
        """Draw the boxes again over the micrograph as it was drawn last."""
        canvas = self.figure.canvas
        if self._background is None:
            canvas.draw()
            return
        canvas.restore_region(self._background)
        self._draw_boxes()
        canvas.blit(self.figure.bbox)

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
