"""Boxes of several pickers drawn on a micrograph."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, List, Optional, Sequence, Tuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import PolyCollection
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patheffects import Normal, Stroke
from numpy.typing import ArrayLike, NDArray

from repic_plugin.arguments import check_centers
from repic_plugin.plots.canvas import legend_columns, legend_name, new_figure, no_math
from repic_plugin.plots.colors import CONSENSUS_COLOR, REFERENCE_COLOR, picker_color
from repic_plugin.plots.display import contrast, for_display

ROLES = ("picker", "reference", "consensus")  # from the bottom to the top
LINEWIDTHS = {"picker": 1.5, "reference": 1.9, "consensus": 2.8}
RIM = 0.8  # width of the dark rim of a line, points
RIM_COLOR = (0.0, 0.0, 0.0, 0.3)
DPI = 100
# Margins round the picture, inches.
LEFT, RIGHT, BOTTOM, TOP = 0.85, 0.25, 0.65, 0.2
LEGEND_ROW = 0.28
TITLE_ROW = 0.42
LEGEND_POINTS, SAMPLE_WIDTH = 13, 1.4  # the width of a line's sample is in font sizes


@dataclass(frozen=True)
class Layer:
    """One set of boxes to draw.

    Attributes
    ----------
    name : str
        For the legend, followed by the number of boxes.
    centers : array_like of float, shape (n, 2)
        Box centres x, y in px, y along the array rows.
    box_size_px : float
        Side of the boxes.
    role : {"picker", "reference", "consensus"}
        Sets colour, line and order: consensus over reference over pickers.
    color : str, optional
        Any matplotlib colour instead of the role's.
    linewidth : float, optional
        In points, instead of the role's.
    """

    name: str
    centers: ArrayLike
    box_size_px: float
    role: str = "picker"
    color: Optional[str] = None
    linewidth: Optional[float] = None

    @property
    def width(self) -> float:
        """Width of its lines, points."""
        return LINEWIDTHS[self.role] if self.linewidth is None else self.linewidth


def overlay_figure(
    micrograph: ArrayLike,
    layers: Sequence[Layer],
    *,
    title: Optional[str] = None,
    legend: bool = True,
    size_px: int = 1400,
    low_pass_px: Optional[float] = None,
    stretch: float = 1.0,
    brightness: float = 0.0,
) -> Figure:
    """Draw boxes on a micrograph.

    The micrograph is binned to the size at which it is shown, blurred slightly, and stretched
    in contrast. Boxes are drawn in px of the micrograph, the first row on top.

    Parameters
    ----------
    micrograph : array_like, shape (height, width)
        Real grey values of any dtype.
    layers : sequence of Layer
        Pickers are coloured by their order among the layers of role ``picker``.
    title : str, optional
    legend : bool
        Whether to show names and numbers of boxes above the picture.
    size_px : int
        Width of the figure at its own resolution. The height follows from the micrograph.
    low_pass_px : float, optional
        As of `low_passed`; by default a slight blur.
    stretch, brightness : float
        As of `contrast`.

    Raises
    ------
    ValueError
        If the micrograph is not two-dimensional, or a layer is malformed.
    """
    image = _check_micrograph(micrograph)
    boxes = [_check_layer(layer) for layer in layers]
    labels = [f"{layer.name} {len(points)}" for layer, points in zip(layers, boxes)]
    width = size_px / DPI - LEFT - RIGHT
    n_columns = legend_columns(labels, width, LEGEND_POINTS, SAMPLE_WIDTH)
    n_rows = -(-len(labels) // n_columns) if legend else 0
    figure, axes = _canvas(image.shape, size_px, title, n_rows)
    height, width = image.shape
    shown, extent = for_display(image, size_px, low_pass_px)
    low, high = contrast(shown, stretch, brightness)
    axes.imshow(shown, cmap="gray", vmin=low, vmax=high, extent=extent, interpolation="nearest")
    handles = _draw_layers(axes, layers, boxes, labels)
    axes.set_xlim(0, width)
    axes.set_ylim(height, 0)
    if legend and handles:
        _add_legend(figure, axes, handles, n_columns)
    return figure


def _check_micrograph(micrograph: ArrayLike) -> NDArray[np.generic]:
    image = np.asarray(micrograph)
    if image.ndim != 2 or not image.size or image.dtype.kind not in "buif":
        raise ValueError(
            "micrograph must be a two-dimensional array of real numbers, got shape "
            f"{image.shape} and dtype {image.dtype}; take one frame or slice of a stack"
        )
    return image


def _check_layer(layer: Layer) -> NDArray[np.float64]:
    """Centres of a layer as an array of shape (n, 2)."""
    centers = check_centers(f"centers of layer {layer.name!r}", layer.centers)
    if not (np.isfinite(layer.box_size_px) and layer.box_size_px > 0):
        raise ValueError(
            f"box_size_px of layer {layer.name!r} must be positive, got {layer.box_size_px}"
        )
    if layer.role not in ROLES:
        raise ValueError(f"role of layer {layer.name!r} must be one of {ROLES}, got {layer.role!r}")
    return centers


def _canvas(
    shape: Tuple[int, ...], size_px: int, title: Optional[str], n_legend_rows: int
) -> Tuple[Figure, Axes]:
    """Figure of the given width and the height of the micrograph, with its one Axes."""
    width = size_px / DPI
    picture_width = width - LEFT - RIGHT
    picture_height = picture_width * shape[0] / shape[1]
    top = TOP + (TITLE_ROW if title else 0) + LEGEND_ROW * n_legend_rows
    height = BOTTOM + picture_height + top
    figure = new_figure((width, height), dpi=DPI, is_laid_out=False)
    axes = figure.add_axes(
        (LEFT / width, BOTTOM / height, picture_width / width, picture_height / height)
    )
    axes.set_xlabel("x (px)", fontsize=13)
    axes.set_ylabel("y (px)", fontsize=13)
    axes.tick_params(labelsize=11, direction="out", color="0.4")
    for spine in axes.spines.values():
        spine.set_color("0.4")
    if title:
        figure.text(
            LEFT / width,
            1 - TOP / height,
            title,
            fontsize=16,
            weight="bold",
            va="top",
            parse_math=False,
        )
    return figure, axes


def _draw_layers(
    axes: Axes,
    layers: Sequence[Layer],
    centers: Sequence[NDArray[np.float64]],
    labels: Sequence[str],
) -> List[Line2D]:
    """Add one collection for each layer; return the legend's handles, in the order of layers."""
    handles = []
    n_pickers = 0
    for layer, points, text in zip(layers, centers, labels):
        color = layer.color or _role_color(layer.role, n_pickers)
        n_pickers += layer.role == "picker"
        order = 2 + ROLES.index(layer.role)
        boxes = box_collection(color, layer.width, order, layer.name)
        boxes.set_verts(list(box_corners(points, layer.box_size_px)))
        axes.add_collection(boxes, autolim=False)
        label = legend_name(text)
        handles.append(Line2D([], [], color=color, linewidth=layer.width + 1, label=label))
    return handles


def _role_color(role: str, n_pickers: int) -> str:
    fixed = {"consensus": CONSENSUS_COLOR, "reference": REFERENCE_COLOR}
    return fixed.get(role) or picker_color(n_pickers)


class RimmedBoxes(PolyCollection):
    """Boxes as lines with the rim of `dark_rim`.

    Path effects would draw one box at a time, which takes ten times as long.
    """

    def draw(self, renderer: Any) -> None:
        """Draw the rims of all boxes, then their lines."""
        width, color = self.get_linewidth(), self.get_edgecolor()
        self.set(linewidth=np.asarray(width) + 2 * RIM, edgecolor=RIM_COLOR)
        super().draw(renderer)
        self.set(linewidth=width, edgecolor=color)
        super().draw(renderer)


def box_collection(
    color: str, linewidth: float, order: float, label: str = "", *, animated: bool = False
) -> PolyCollection:
    """Boxes still to be set, drawn as lines with a dark rim."""
    return RimmedBoxes(
        [],
        facecolors="none",
        edgecolors=color,
        linewidths=linewidth,
        zorder=order,
        label=label,
        animated=animated,
    )


def dark_rim(linewidth: float) -> List[Any]:
    """A dark rim, which keeps thin bright lines visible on any grey."""
    return [
        Stroke(linewidth=linewidth + 2 * RIM, foreground=RIM_COLOR, alpha=RIM_COLOR[3]),
        Normal(),
    ]


def box_corners(centers: NDArray[np.float64], box_size_px: float) -> NDArray[np.float64]:
    """Corners of all boxes, shape (n, 4, 2)."""
    square = np.array([(-0.5, -0.5), (0.5, -0.5), (0.5, 0.5), (-0.5, 0.5)]) * box_size_px
    return centers[:, None, :] + square


def _add_legend(figure: Figure, axes: Axes, handles: Sequence[Line2D], n_columns: int) -> None:
    """Legend above the picture, where it hides no box."""
    legend = figure.legend(
        handles=list(handles),
        loc="lower left",
        bbox_to_anchor=(0.0, 1.0),
        bbox_transform=axes.transAxes,
        ncol=n_columns,
        frameon=False,
        fontsize=LEGEND_POINTS,
        handlelength=SAMPLE_WIDTH,
        columnspacing=1.8,
        borderaxespad=0.35,
        borderpad=0.0,
    )
    no_math(legend)
