"""Curves of 2D classifications, as in figures 1 and 2 of Xu et al. 2016.

doi:10.1371/journal.pone.0167765.
"""

from __future__ import annotations

import math
from typing import Any, Dict, Mapping, Optional, Tuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, NullFormatter
from numpy.typing import ArrayLike, NDArray

from repic_plugin.plots.canvas import (
    NUMBER_POINTS,
    legend_above,
    legend_name,
    panels,
    whole_numbers,
)
from repic_plugin.plots.colors import BLUE, JUNK_COLOR, RuleStyle, rule_styles

ORDERS = ("size", "class")
PANEL = (7.4, 5.1)  # inches
NAMED_BARS = 50  # with more classes, the numbers under the bars would touch
COUNTED_BARS = 25  # with more, so would the sizes above them
SAMPLE_WIDTH = 3.2  # of a line in the legend, in font sizes: its dashes tell the rules apart
REFERENCE_LINE: Dict[str, Any] = {"color": "0.45", "linewidth": 1.0, "zorder": 1.5}

Columns = Dict[str, NDArray[np.float64]]
Styles = Mapping[str, RuleStyle]


def class_sizes_figure(sizes: Mapping[str, Any], *, title: Optional[str] = None) -> Figure:
    """Draw the sizes of all classes, the largest first, a line for each rule.

    Parameters
    ----------
    sizes : mapping of str to array_like of int, shape (n_classes,)
        Particles in each class, for each rule; see `rule_styles` for the names. Or objects with
        the attribute ``sizes``, such as ClassScores.
    title : str, optional

    Raises
    ------
    ValueError
        If there is no rule, or sizes are not counts.
    """
    _check_runs("sizes", sizes)
    figure, (axes,) = panels(1, 1, PANEL, title)
    _draw_sizes(axes, sizes, rule_styles(sizes))
    return figure


def angular_distance_figure(
    distances: Mapping[str, Any], *, max_angle_deg: float = 15.0, title: Optional[str] = None
) -> Figure:
    """Draw the angles between views of particles of the same class, a line for each rule.

    Lines join the bin centres and give the pairs in per cent per degree, so that rules with other
    numbers of pairs or bins can be compared. The legend gives the share within `max_angle_deg`.

    Parameters
    ----------
    distances : mapping of str to histogram
        A histogram is a pair (edges_deg, shape (n_bins + 1,), counts, shape (n_bins,)) or an
        object with the attributes ``angle_edges_deg`` and ``angle_counts``, such as ClassScores.
    max_angle_deg : float
        Maximum angle of a correct pair; a bin that contains it is divided evenly.
    title : str, optional

    Raises
    ------
    ValueError
        If there is no rule, a histogram is malformed, or the angle is not positive.
    """
    _check_runs("distances", distances)
    figure, (axes,) = panels(1, 1, PANEL, title)
    _draw_distances(axes, distances, rule_styles(distances), max_angle_deg)
    return figure


def comparison_figure(
    distances: Mapping[str, Any],
    sizes: Optional[Mapping[str, Any]] = None,
    *,
    max_angle_deg: float = 15.0,
    title: Optional[str] = None,
) -> Figure:
    """Draw angular distances and sorted class sizes side by side.

    The parameters are those of `angular_distance_figure` and `class_sizes_figure`. Where
    `distances` holds ClassScores, `sizes` may be left out.
    """
    sizes = distances if sizes is None else sizes
    _check_runs("distances", distances)
    _check_runs("sizes", sizes)
    figure, (left, right) = panels(1, 2, (2 * PANEL[0], PANEL[1]), title)
    styles = rule_styles(dict.fromkeys([*distances, *sizes]))
    _draw_distances(left, distances, styles, max_angle_deg)
    _draw_sizes(right, sizes, styles)
    return figure


def convergence_figure(
    tables: Mapping[str, Any], *, tolerance: float = 0.01, title: Optional[str] = None
) -> Figure:
    """Draw the convergence: fraction of particles that changed class, and class sizes.

    An iteration without changes is an open triangle at the tick "0" below the logarithmic axis.

    Parameters
    ----------
    tables : mapping of str to table
        A table has the columns ``iteration``, ``fraction_changed``, ``smallest`` and ``largest``,
        by key (a dict, a structured array) or as attributes.
    tolerance : float
        Fraction at which the iterations stop, drawn as a line; 0 for none.
    title : str, optional

    Raises
    ------
    ValueError
        If there is no rule, or a column is missing or has another length than the others.
    """
    _check_runs("tables", tables)
    columns = {name: _convergence(name, table) for name, table in tables.items()}
    figure, (upper, lower) = panels(2, 1, (PANEL[0], 1.6 * PANEL[1]), title, sharex=True)
    styles = rule_styles(tables)
    _draw_fractions(upper, columns, styles, tolerance)
    _draw_extremes(lower, columns, styles)
    return figure


def size_bars_figure(
    sizes: ArrayLike,
    *,
    flagged: Optional[ArrayLike] = None,
    order: str = "size",
    title: Optional[str] = None,
    first_number: int = 0,
) -> Figure:
    """Draw the class sizes of one run as bars.

    Parameters
    ----------
    sizes : array_like of int, shape (n_classes,)
    flagged : array_like of bool, shape (n_classes,), optional
        Junk classes: orange and hatched.
    order : {"size", "class"}
        Largest first, or in the order of their numbers.
    title : str, optional
    first_number : int
        Number of the first class.

    Raises
    ------
    ValueError
        If sizes are not counts, flags do not fit them, or the order is unknown.
    """
    counts = check_sizes("sizes", sizes)
    junk = check_flags(flagged, len(counts))
    shown = class_order(counts, order)
    figure, (axes,) = panels(1, 1, (1.6 * PANEL[0], PANEL[1]), title)
    named = len(counts) <= NAMED_BARS
    places = np.arange(len(counts)) + (first_number if order == "class" else 1)
    _draw_bars(axes, places, counts[shown], junk[shown])
    if named:
        axes.set_xticks(places, [str(number) for number in shown + first_number])
        axes.tick_params(axis="x", labelsize=11 if len(counts) <= COUNTED_BARS else 8, length=0)
    axes.set_xlabel("class" if named or order == "class" else "class, by size")
    return figure


def check_sizes(name: str, sizes: ArrayLike, n_classes: Optional[int] = None) -> NDArray[np.int64]:
    """Sizes of classes as an int64 array of shape (n_classes,), checked."""
    array = np.asarray(sizes)
    if array.ndim != 1 or not array.size or n_classes not in (None, len(array)):
        wanted = "" if n_classes is None else f"{n_classes} "
        raise ValueError(f"{name} must be {wanted}counts in one dimension, got shape {array.shape}")
    if array.dtype.kind not in "iuf" or (array < 0).any() or (array != np.floor(array)).any():
        got = f"{array.tolist()!r:.60}"
        raise ValueError(f"{name} must be counts, 0 or more, got {got}; count each class")
    return array.astype(np.int64)


def check_flags(flagged: Optional[ArrayLike], n_classes: int) -> NDArray[np.bool_]:
    """Flags as a bool array of shape (n_classes,), checked; none is flagged by None."""
    array = np.zeros(n_classes, dtype=bool) if flagged is None else np.asarray(flagged)
    if array.shape != (n_classes,) or array.dtype != bool:
        raise ValueError(
            f"flagged must be {n_classes} booleans, one for each class, got shape {array.shape} "
            f"and dtype {array.dtype}"
        )
    return array


def class_order(
    sizes: NDArray[np.int64], order: str, max_classes: Optional[int] = None
) -> NDArray[np.int64]:
    """Indices of the `max_classes` largest classes, in the order in which they are drawn."""
    if order not in ORDERS:
        raise ValueError(f"order must be one of {ORDERS}, got {order!r}")
    largest_first = np.argsort(-sizes, kind="stable")[:max_classes]
    return largest_first if order == "size" else np.sort(largest_first)


def _check_runs(name: str, runs: Mapping[str, Any]) -> None:
    if not isinstance(runs, Mapping) or not runs:
        raise ValueError(f"{name} must map the name of a rule to its data, got {runs!r:.60}")


def _histogram(name: str, histogram: Any) -> Tuple[NDArray[np.float64], NDArray[np.float64]]:
    if hasattr(histogram, "angle_edges_deg"):
        histogram = (histogram.angle_edges_deg, histogram.angle_counts)
    edges, counts = (np.asarray(part, dtype=np.float64) for part in histogram)
    fits = counts.ndim == 1 and counts.size and edges.shape == (len(counts) + 1,)
    if not fits or not (np.diff(edges) > 0).all() or not (counts >= 0).all():
        raise ValueError(
            f"distances of {name!r} must be n + 1 rising edges and n counts, 0 or more, got shapes "
            f"{edges.shape} and {counts.shape}; give what numpy.histogram returns, the edges first"
        )
    return edges, counts


def _convergence(name: str, table: Any) -> Columns:
    columns = {}
    for column in ("iteration", "fraction_changed", "smallest", "largest"):
        try:
            values = getattr(table, column) if hasattr(table, column) else table[column]
        except (KeyError, IndexError, TypeError, ValueError) as exc:
            message = f"table of {name!r} has no column {column!r}; give a dict of columns"
            raise ValueError(message) from exc
        columns[column] = np.atleast_1d(np.asarray(values, dtype=np.float64))
    lengths = sorted({len(values) for values in columns.values()})
    if len(lengths) > 1 or lengths == [0]:
        raise ValueError(
            f"columns of the table of {name!r} must be equally long, 1 or more, got {lengths}"
        )
    return columns


def _count_axis(axes: Axes, largest: float, label: str) -> None:
    axes.set_ylim(0, max(largest, 1) * 1.1)
    whole_numbers(axes.yaxis)
    axes.set_ylabel(label)


def _draw_sizes(axes: Axes, sizes: Mapping[str, Any], styles: Styles) -> None:
    ranked = {}
    for name, values in sizes.items():
        counts = check_sizes(f"sizes of {name!r}", getattr(values, "sizes", values))
        ranked[name] = np.sort(counts)[::-1]
    for name, counts in ranked.items():
        extremes = f"{counts[-1]:,} to {counts[0]:,}" if np.ptp(counts) else f"all {counts[0]:,}"
        _draw_run(axes, np.arange(1, len(counts) + 1), counts, styles[name], f": {extremes}", 1)
    longest = max(map(len, ranked.values()))
    axes.set_xlim(1 - 0.02 * longest, 1.02 * longest)
    whole_numbers(axes.xaxis)
    axes.set_xlabel("class, by size")
    _count_axis(axes, max(counts[0] for counts in ranked.values()), "particles in class")
    legend_above(axes, sample=SAMPLE_WIDTH)


def _draw_distances(
    axes: Axes, distances: Mapping[str, Any], styles: Styles, max_angle_deg: float
) -> None:
    if not max_angle_deg > 0:
        raise ValueError(f"max_angle_deg must be positive, got {max_angle_deg}; 15 is usual")
    reach = 2 * max_angle_deg
    for name, histogram in distances.items():
        edges, counts = _histogram(name, histogram)
        total = counts.sum() or 1.0
        within = np.interp(max_angle_deg, edges, [0, *np.cumsum(counts)]) / total
        share = f"{within:.3f} within {max_angle_deg:g}°" if counts.any() else "no pairs"
        label = f"{styles[name].label}: {share}"
        density = 100 * counts / total / np.diff(edges)
        axes.plot(
            (edges[:-1] + edges[1:]) / 2, density, label=legend_name(label), **styles[name].line
        )
        reach = max(reach, edges[1:][counts > 0].max(initial=0))
    axes.axvline(max_angle_deg, **REFERENCE_LINE)
    axes.set_xlim(0, reach)
    axes.set_ylim(bottom=0)
    axes.set(xlabel="angle between two particles of a class (°)", ylabel="pairs (% per degree)")
    legend_above(axes, sample=SAMPLE_WIDTH)


def _draw_fractions(
    axes: Axes, tables: Mapping[str, Columns], styles: Styles, tolerance: float
) -> None:
    fractions = np.concatenate([table["fraction_changed"] for table in tables.values()])
    positive = np.append(fractions[fractions > 0], tolerance if tolerance > 0 else 1)
    lowest = min(math.floor(math.log10(positive.min())), -1)
    zero = 10.0 ** (lowest - 0.5)
    for name, table in tables.items():
        still = table["fraction_changed"] == 0
        shown = np.where(still, zero, table["fraction_changed"])
        _draw_run(axes, table["iteration"], shown, styles[name])
        if still.any():
            color = styles[name].color
            axes.plot(table["iteration"][still], shown[still], "v", color=color, mfc="white", ms=8)
    if tolerance > 0:
        axes.axhline(tolerance, label=f"tolerance {tolerance:g}", **REFERENCE_LINE)
    _log_axis(axes, lowest, zero if (fractions == 0).any() else None)
    axes.set_ylabel("fraction that changed class")
    legend_above(axes, sample=SAMPLE_WIDTH)


def _draw_extremes(axes: Axes, tables: Mapping[str, Columns], styles: Styles) -> None:
    for name, table in tables.items():
        for column in ("smallest", "largest"):
            _draw_run(axes, table["iteration"], table[column], styles[name])
    iterations = np.concatenate([table["iteration"] for table in tables.values()])
    axes.set_xlim(iterations.min() - 0.5, iterations.max() + 0.5)
    whole_numbers(axes.xaxis)
    axes.set_xlabel("iteration")
    largest = max(table["largest"].max() for table in tables.values())
    _count_axis(axes, largest, "smallest and largest class")


def _draw_run(
    axes: Axes, x: ArrayLike, y: ArrayLike, style: RuleStyle, remark: str = "", marked: int = 40
) -> None:
    """A curve, with markers if it has up to `marked` points."""
    marker = "o" if np.size(x) <= marked else None
    label = legend_name(style.label) + remark
    axes.plot(x, y, marker=marker, markersize=4, label=label, **style.line)


def _log_axis(axes: Axes, lowest_decade: int, zero: Optional[float]) -> None:
    """Decades up to 1, and below them a tick for 0 where it is needed."""
    axes.set_yscale("log")
    decades = [10.0**decade for decade in range(lowest_decade, 1)]
    axes.yaxis.set_major_locator(FixedLocator(decades if zero is None else [zero, *decades]))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda y, _: "0" if y == zero else f"{y:g}"))
    axes.yaxis.set_minor_formatter(NullFormatter())
    axes.set_ylim((zero or decades[0]) * 0.7, 1.5)


def _draw_bars(
    axes: Axes, places: NDArray[np.int64], sizes: NDArray[np.int64], junk: NDArray[np.bool_]
) -> None:
    width = 0.8 if len(sizes) <= NAMED_BARS else 1.0
    axes.bar(places[~junk], sizes[~junk], width, color=BLUE, label="classes")
    if junk.any():
        axes.bar(places[junk], sizes[junk], width, color=JUNK_COLOR, hatch="////", label="junk")
    axes.axhline(sizes.mean(), linestyle="--", label=f"mean {sizes.mean():,.1f}", **REFERENCE_LINE)
    if len(sizes) <= COUNTED_BARS:
        ground = {"facecolor": "white", "edgecolor": "none", "pad": 0.5}
        for place, size in zip(places, sizes):
            axes.text(
                place, size, f"{size:,}", ha="center", va="bottom", size=NUMBER_POINTS, bbox=ground
            )
    axes.set_xlim(places[0] - 0.7, places[-1] + 0.7)
    whole_numbers(axes.xaxis)
    _count_axis(axes, sizes.max(), "particles in class")
    legend_above(axes, sample=SAMPLE_WIDTH)
