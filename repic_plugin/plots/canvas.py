"""Shared by all figures: canvas, axes, font sizes, legends and the text of empty figures."""

from __future__ import annotations

from typing import Any, List, Optional, Sequence, Tuple, Union

from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure, FigureBase
from matplotlib.font_manager import FontProperties
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.legend import Legend
from matplotlib.textpath import text_to_path
from matplotlib.ticker import MaxNLocator, StrMethodFormatter

DPI = 130
FONT = "DejaVu Sans"  # comes with matplotlib: texts have the same width everywhere
# Font sizes, points.
TITLE_POINTS, LABEL_POINTS, LEGEND_POINTS, NUMBER_POINTS, SAY_POINTS = 14, 12, 11, 9, 16
NO_PARTICLES = "no particles"
LAYOUT_PAD = 0.1  # inches
GROWTH = 1.15  # the layout makes axes wider than they are when their legend is made
# Of legends, in units of the font size: the gap between a sample and its text, and columns.
SAMPLE_GAP, COLUMN_GAP, SAMPLE_WIDTH = 0.8, 1.5, 2.0


def new_figure(
    size_inches: Tuple[float, float],
    title: Optional[str] = None,
    *,
    dpi: float = DPI,
    is_laid_out: bool = True,
) -> Figure:
    """An empty figure with an Agg canvas, which needs no screen and is unknown to pyplot.

    Parameters
    ----------
    size_inches : tuple of float
        Width and height.
    title : str, optional
    dpi : float
    is_laid_out : bool
        Whether matplotlib lays out the axes so that no text overlaps.
    """
    layout = ConstrainedLayoutEngine(w_pad=LAYOUT_PAD, h_pad=LAYOUT_PAD) if is_laid_out else None
    figure = Figure(figsize=size_inches, dpi=dpi, facecolor="white", layout=layout)
    FigureCanvasAgg(figure)
    if title:
        figure.suptitle(title, fontsize=TITLE_POINTS, weight="bold", wrap=True, parse_math=False)
    return figure


def panels(
    n_rows: int,
    n_columns: int,
    size_inches: Tuple[float, float],
    title: Optional[str] = None,
    **options: Any,
) -> Tuple[Figure, List[Axes]]:
    """A figure of this size with plain axes, by rows; options are those of ``subplots``."""
    figure = new_figure(size_inches, title)
    axes = list(figure.subplots(n_rows, n_columns, squeeze=False, **options).ravel())
    plain(*axes)
    return figure, axes


def bare_figure(width_px: int, height_px: int, dpi: float) -> Tuple[Figure, Axes]:
    """A figure and its one invisible Axes, which covers it in px from the top."""
    figure = new_figure((width_px / dpi, height_px / dpi), dpi=dpi, is_laid_out=False)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.axis("off")
    axes.set(xlim=(0, width_px), ylim=(height_px, 0))
    return figure, axes


def plain(*many: Axes, points: float = LABEL_POINTS) -> None:
    """Remove the top and right spines; set the size of labels and slightly smaller numbers."""
    for axes in many:
        axes.spines[["top", "right"]].set_visible(False)
        axes.tick_params(labelsize=points - 1)
        axes.xaxis.label.set_size(points)
        axes.yaxis.label.set_size(points)


def whole_numbers(axis: Axis, most: Optional[int] = None) -> None:
    """Ticks at whole numbers such as 1,000, in up to `most` intervals."""
    steps = [1, 2, 5, 10]
    axis.set_major_locator(MaxNLocator(most or "auto", integer=True, steps=steps, min_n_ticks=1))
    axis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))


def name_rows(axes: Axes, names: Sequence[str], points: float = LABEL_POINTS) -> None:
    """Label the rows, the first on top; a ``$`` in a name starts no formula."""
    axes.set_yticks(range(len(names)), names, fontsize=points)
    for label in axes.get_yticklabels():
        label.set_parse_math(False)
    axes.set_ylim(max(len(names), 1) - 0.4, -0.6)


def short_name(name: str, most: int) -> str:
    """A name shortened in the middle to `most` letters: names often differ at the end."""
    tail = most // 3
    return name if len(name) <= most else f"{name[: most - tail - 1]}…{name[-tail:]}"


def legend_name(name: str) -> str:
    """A name that legends show: matplotlib leaves out labels that begin with an underscore."""
    return f" {name}" if name.startswith("_") else name


def say(place: Union[FigureBase, Axes], text: str = NO_PARTICLES) -> None:
    """Write text in the centre of a figure or axes."""
    transform = place.transAxes if isinstance(place, Axes) else place.transSubfigure
    ground = {"facecolor": "white", "edgecolor": "none"}
    place.text(0.5, 0.5, text, transform=transform, ha="center", va="center", fontsize=SAY_POINTS,
               color="0.4", bbox=ground, parse_math=False)  # fmt: skip


def say_nothing_to_draw(axes: Sequence[Axes]) -> None:
    """A text in place of empty axes."""
    for one in axes:
        one.axis("off")
    say(axes[0].figure)


def legend_above(
    axes: Axes, handles: Optional[Sequence[Any]] = None, *, sample: float = SAMPLE_WIDTH
) -> None:
    """A legend above the axes, in as many columns as fit.

    Parameters
    ----------
    axes : Axes
    handles : sequence of Artist, optional
        By default all with a label.
    sample : float
        Width of a line sample, in units of the font size.
    """
    shown = axes.get_legend_handles_labels()[0] if handles is None else handles
    width = GROWTH * axes.bbox.width / axes.figure.dpi
    columns = legend_columns([one.get_label() for one in shown], width, sample=sample)
    legend = axes.legend(handles=shown, loc="lower left", bbox_to_anchor=(-0.02, 1.0),
                         ncol=columns, handlelength=sample, **_LEGEND)  # fmt: skip
    no_math(legend)


def legend_below(canvas: FigureBase, axes: Axes) -> None:
    """A legend of all labelled artists of the axes, below the canvas."""
    handles, labels = axes.get_legend_handles_labels()
    columns = legend_columns(labels, canvas.bbox.width / DPI - 4 * LAYOUT_PAD)
    no_math(canvas.legend(handles, labels, loc="outside lower center", ncol=columns, **_LEGEND))


def legend_columns(
    labels: Sequence[str],
    width_inches: float,
    points: float = LEGEND_POINTS,
    sample: float = SAMPLE_WIDTH,
) -> int:
    """Number of legend entries that fit side by side, at least 1."""
    entry = sample + SAMPLE_GAP + text_width(labels) + COLUMN_GAP
    return max(1, min(int((width_inches * 72 / points + COLUMN_GAP) / entry), len(labels)))


def text_width(texts: Sequence[str]) -> float:
    """Width of the widest text in units of the font size, measured on the longest few."""
    longest = sorted(set(texts), key=len, reverse=True)[:50]
    font = FontProperties(family=FONT, size=1)
    measure = text_to_path.get_text_width_height_descent
    return max((float(measure(text, font, ismath=False)[0]) for text in longest), default=0.0)


_LEGEND: Any = {"frameon": False, "fontsize": LEGEND_POINTS, "columnspacing": COLUMN_GAP}


def no_math(legend: Legend) -> None:
    """Draw the texts of a legend as they are: a ``$`` in a name is no formula."""
    for text in legend.get_texts():
        text.set_parse_math(False)
