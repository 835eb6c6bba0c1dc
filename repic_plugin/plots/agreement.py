"""Which pickers agree: an UpSet plot, and how far the boxes of a particle overlap.

Lex et al. 2014, doi:10.1109/TVCG.2014.2346248.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import List, Optional, Sequence, Tuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from numpy.typing import ArrayLike, NDArray

from repic_plugin.consensus import SmallerGroups
from repic_plugin.plots.canvas import (
    LABEL_POINTS,
    LEGEND_POINTS,
    name_rows,
    new_figure,
    panels,
    plain,
    say_nothing_to_draw,
    short_name,
    whole_numbers,
)
from repic_plugin.plots.colors import picker_color
from repic_plugin.plots.weights import (
    check_column,
    check_members_column,
    member_colors,
    member_label,
)

MAX_SUBSETS = 20
MAX_PICKERS = 62  # bits of an integer
LETTERS = 34  # of a picker's name shown
# Sizes in inches.
COLUMN, ROW, BARS, SIDE, MARGIN = 0.62, 0.42, 3.2, 2.6, 1.9
LETTER = 0.1
NARROWEST = 5.0  # of the bars: the axis labels need it
PRESENT, ABSENT = "#202020", "#D8D8D8"
ALONE_STYLE = {"facecolor": "white", "edgecolor": "#606060", "hatch": "////"}
OTHERS_COLOR = "#9A9A9A"
N_BINS = 50


COLUMNS = "columns"  # marks the axes that have a column for each subset


@dataclass(frozen=True)
class PickerSubset:
    """What exactly some pickers found.

    Attributes
    ----------
    pickers : tuple of int
        Indices of the pickers.
    count : int
        Number of particles, or of picks.
    in_consensus : bool
        False for picks of one picker that are not in the consensus.
    """

    pickers: Tuple[int, ...]
    count: int
    in_consensus: bool = True


def subset_at(
    axes: Optional[Axes],
    x: Optional[float],
    members: ArrayLike,
    n_pickers: int,
    n_unmatched: Optional[ArrayLike] = None,
    smaller: Optional[SmallerGroups] = None,
) -> Optional[PickerSubset]:
    """Subset whose column lies under a point of a figure of `agreement_figure`.

    Parameters
    ----------
    axes : matplotlib Axes or None
    x : float or None
        In its data coordinates, as ``inaxes`` and ``xdata`` of a mouse event.
    members, n_unmatched, smaller
        As given to `agreement_figure`.
    n_pickers : int

    Returns
    -------
    PickerSubset or None
        None beside the columns, and for that of the others.
    """
    if axes is None or x is None or axes.get_gid() != COLUMNS:
        return None
    found = _check_members(members, n_pickers)
    shown = _subsets(found, _check_unmatched(n_unmatched, n_pickers), smaller)[:MAX_SUBSETS]
    column = round(x)
    return shown[column] if 0 <= column < len(shown) else None


def agreement_figure(
    members: ArrayLike,
    picker_names: Sequence[str],
    n_unmatched: Optional[ArrayLike] = None,
    *,
    smaller: Optional[SmallerGroups] = None,
    title: Optional[str] = None,
) -> Figure:
    """Draw the number of particles found by each subset of the pickers, as an UpSet plot.

    A column is a subset: dark dots mark its pickers, the bar above counts its particles. Bars on
    the left count all picks of each picker, those in the consensus in full colour. Up to 20
    subsets are shown, the largest first; the rest is summed.

    Parameters
    ----------
    members : array_like, shape (n, k)
        Whether a picker found a particle; or, as integers, its pick, negative where it has none.
    picker_names : sequence of str, length k
    n_unmatched : array_like of int, shape (k,), optional
        Picks of each picker that are not in the consensus: hatched bars.
    smaller : SmallerGroups, optional
        Groups among these picks, which have hatched bars of their own: what a smaller quorum
        would keep.
    title : str, optional

    Raises
    ------
    ValueError
        If arguments do not match.
    """
    names = list(picker_names)
    found = _check_members(members, len(names))
    alone = _check_unmatched(n_unmatched, len(names))
    subsets = _subsets(found, alone, smaller)
    shown, rest = subsets[:MAX_SUBSETS], subsets[MAX_SUBSETS:]
    figure, corner, bars, sides, dots = _canvas(names, len(shown) + bool(rest), title)
    if not subsets:
        say_nothing_to_draw([bars, sides, dots])
        return figure
    _draw_bars(bars, shown, rest, len(names))
    _draw_legend(corner, shown, len(names))
    _draw_dots(dots, shown, rest, names)
    _draw_sides(sides, found.sum(axis=0), alone)
    return figure


def overlap_figure(
    overlap: ArrayLike, n_members: Optional[ArrayLike] = None, *, title: Optional[str] = None
) -> Figure:
    """Draw the overlap of the boxes of particles, a line for each number of pickers.

    Particles of a single picker have no overlap and are counted only in the legend.

    Parameters
    ----------
    overlap : array_like of float, shape (n,)
        Median Jaccard index of the boxes of each particle, from 0 to 1.
    n_members : array_like of int, shape (n,), optional
        Number of pickers that found each particle.
    title : str, optional

    Raises
    ------
    ValueError
        If overlaps lie outside [0, 1] or columns differ in length.
    """
    values = check_column("overlap", overlap)
    if len(values) and not (values.min() >= 0 and values.max() <= 1):
        raise ValueError(
            f"overlap must lie in [0, 1], got {values.min():g} to {values.max():g}; "
            "give Jaccard indices"
        )
    counts = np.zeros(len(values)) if n_members is None else n_members
    numbers = check_members_column("n_members", counts, len(values))
    figure, (axes,) = panels(1, 1, (8.0, 4.8), title)
    if not len(values):
        say_nothing_to_draw([axes])
        return figure
    _draw_overlaps(axes, values, numbers)
    return figure


def _check_members(members: ArrayLike, n_pickers: int) -> NDArray[np.bool_]:
    array = np.asarray(members)
    if array.size == 0:
        array = np.zeros((0, n_pickers), dtype=bool)
    if not 1 <= n_pickers <= MAX_PICKERS:
        raise ValueError(f"picker_names must be 1 to {MAX_PICKERS} names, got {n_pickers}")
    if array.ndim != 2 or array.shape[1] != n_pickers or array.dtype.kind not in "bi":
        raise ValueError(
            f"members must be booleans or whole numbers of shape (n, {n_pickers}), a column for "
            f"each picker, got shape {array.shape} and dtype {array.dtype}"
        )
    return np.asarray(array if array.dtype == bool else array >= 0)


def _check_unmatched(n_unmatched: Optional[ArrayLike], n_pickers: int) -> NDArray[np.int64]:
    array = np.asarray(np.zeros(n_pickers, int) if n_unmatched is None else n_unmatched)
    if array.shape != (n_pickers,) or array.dtype.kind not in "iu" or (array < 0).any():
        raise ValueError(
            f"n_unmatched must be {n_pickers} counts, one for each picker, got {array.tolist()!r}"
        )
    return array.astype(np.int64)


def _subsets(
    found: NDArray[np.bool_], alone: NDArray[np.int64], smaller: Optional[SmallerGroups]
) -> List[PickerSubset]:
    """All subsets with particles, and the unmatched picks and groups, the largest first."""
    n_pickers = found.shape[1]
    single = alone if smaller is None else np.maximum(alone - smaller.n_picks, 0)
    codes, counts = np.unique(found @ (1 << np.arange(n_pickers)), return_counts=True)
    subsets = [
        PickerSubset(tuple(i for i in range(n_pickers) if code >> i & 1), count)
        for code, count in zip(codes.tolist(), counts.tolist())
    ]
    left = enumerate(single.tolist())
    subsets += [PickerSubset((i,), count, False) for i, count in left if count]
    if smaller is not None:
        for row, count in zip(smaller.found, smaller.count.tolist()):
            subsets.append(PickerSubset(tuple(np.flatnonzero(row).tolist()), count, False))
    return sorted(subsets, key=lambda one: (-one.count, one.pickers))


def _canvas(
    names: Sequence[str], n_columns: int, title: Optional[str]
) -> Tuple[Figure, Axes, Axes, Axes, Axes]:
    widest = LETTER * max(len(short_name(name, LETTERS)) for name in names)
    width, height = max(COLUMN * n_columns, NARROWEST), ROW * len(names) + 0.2
    size = (width + SIDE + widest + 0.8, BARS + height + MARGIN)
    figure = new_figure(size, title)
    grid = figure.add_gridspec(2, 2, width_ratios=[SIDE, width], height_ratios=[BARS, height])
    dots = figure.add_subplot(grid[1, 1])
    bars = figure.add_subplot(grid[0, 1], sharex=dots)
    sides = figure.add_subplot(grid[1, 0], sharey=dots)
    corner = figure.add_subplot(grid[0, 0])
    corner.axis("off")
    bars.set_gid(COLUMNS)
    dots.set_gid(COLUMNS)
    plain(bars, sides, dots)
    return figure, corner, bars, sides, dots


def _draw_bars(
    axes: Axes, shown: Sequence[PickerSubset], rest: Sequence[PickerSubset], n_pickers: int
) -> None:
    colors = member_colors(n_pickers)
    heights = [one.count for one in shown]
    for place, one in enumerate(shown):
        plain = {"color": colors[max(len(one.pickers), 1)]}
        left = {**ALONE_STYLE, "edgecolor": plain["color"]} if len(one.pickers) > 1 else ALONE_STYLE
        axes.bar(place, one.count, 0.7, **(plain if one.in_consensus else left))
    if rest:
        heights.append(sum(one.count for one in rest))
        axes.bar(len(shown), heights[-1], 0.7, color=OTHERS_COLOR)
    for place, count in enumerate(heights):
        axes.annotate(f"{count:,}", (place, count), (0, 2), textcoords="offset points",
                      ha="center", va="bottom", fontsize=_points(heights))  # fmt: skip
    axes.set_ylim(0, max(heights) * 1.12)
    whole_numbers(axes.yaxis)
    axes.set_ylabel("particles")
    axes.tick_params(axis="x", bottom=False, labelbottom=False)


def _points(counts: Sequence[int]) -> float:
    """Font size at which the widest number fits its column."""
    letters = max(len(f"{count:,}") for count in counts)
    return float(min(LEGEND_POINTS, COLUMN * 72 / (0.62 * letters)))


def _draw_legend(axes: Axes, shown: Sequence[PickerSubset], n_pickers: int) -> None:
    colors = member_colors(n_pickers)
    sizes = sorted({len(one.pickers) for one in shown if one.in_consensus})
    handles = [Patch(color=colors[max(size, 1)], label=member_label(size)) for size in sizes]
    left = sorted({len(one.pickers) for one in shown if not one.in_consensus}, reverse=True)
    for size in left:
        label = f"{member_label(size)}, not in\nthe consensus" if size > 1 or len(left) > 1 else ""
        style = {**ALONE_STYLE, "edgecolor": colors[size]} if size > 1 else ALONE_STYLE
        handles.append(Patch(label=label or "picks not in\nthe consensus", **style))
    axes.legend(handles=handles, loc="upper left", frameon=False, fontsize=LEGEND_POINTS)


def _draw_dots(
    axes: Axes, shown: Sequence[PickerSubset], rest: Sequence[PickerSubset], names: Sequence[str]
) -> None:
    rows = np.arange(len(names))
    for place, one in enumerate(shown):
        axes.scatter(np.full(len(rows), place), rows, s=90, color=ABSENT, zorder=2)
        mine = list(one.pickers)
        axes.plot(np.full(len(mine), place), mine, color=PRESENT, linewidth=2.5, zorder=3,
                  marker="o", markersize=9.5, gid="subset")  # fmt: skip
    if rest:
        axes.text(len(shown), rows.mean(), f"{len(rest)}\nothers", ha="center", va="center",
                  fontsize=LEGEND_POINTS)  # fmt: skip
    n_columns = len(shown) + bool(rest)
    spare = max(0.0, NARROWEST / COLUMN - n_columns)  # few bars stay narrow, at the left
    axes.set_xlim(-0.6, n_columns - 0.4 + spare)
    name_rows(axes, [short_name(name, LETTERS) for name in names], LABEL_POINTS)
    axes.tick_params(length=0, labelbottom=False)
    axes.spines[["bottom", "left"]].set_visible(False)


def _draw_sides(axes: Axes, matched: NDArray[np.int64], alone: NDArray[np.int64]) -> None:
    """Draw leftward bars of the picks of each picker, those in the consensus first."""
    rows = np.arange(len(matched))
    colors = [picker_color(i) for i in rows]
    total = matched + alone
    axes.barh(rows, matched, 0.6, color=colors, gid="matched")
    axes.barh(rows, alone, 0.6, left=matched, color=colors, alpha=0.35, gid="unmatched")
    for row, (n_in, n_all) in enumerate(zip(matched.tolist(), total.tolist())):
        share = f" ({n_in / n_all:.0%} in)" if alone.any() and n_all else ""
        axes.text(n_all, row, f"{n_all:,}{share} ", ha="right", va="center", fontsize=LEGEND_POINTS)
    axes.set_xlim(max(total.max(), 1) * 2.1, 0)
    axes.set_xlabel("picks")
    axes.tick_params(axis="y", left=False, labelleft=False)
    axes.spines["left"].set_visible(False)
    whole_numbers(axes.xaxis, 2)


def _draw_overlaps(axes: Axes, overlap: NDArray[np.float64], numbers: NDArray[np.int64]) -> None:
    edges = np.linspace(0, 1, N_BINS + 1)
    colors = member_colors(max(int(numbers.max()), 1))
    for k in np.unique(numbers).tolist():
        mine = overlap[numbers == k]
        if k == 1:
            label = f"{member_label(k)}: {len(mine):,} particles, no overlap"
            axes.plot([], [], color=colors[k], linewidth=2.5, label=label)
            continue
        share = 100 * np.histogram(mine, edges)[0] / len(mine)
        who = f"{member_label(k)}: " if k else ""
        label = f"{who}{len(mine):,} particles, median {np.median(mine):.2f}"
        color = colors[max(k, 1)]
        axes.stairs(share, edges, color=color, linewidth=2.5, label=label)
        axes.axvline(np.median(mine), color=color, linewidth=1.2, linestyle="--")
    axes.set_xlim(0, 1)
    axes.set_ylim(bottom=0)
    axes.set_xlabel("box overlap (Jaccard index, median over the pairs of a particle)")
    axes.set_ylabel("particles (%)")
    axes.legend(loc="upper left", frameon=False, fontsize=LEGEND_POINTS)
