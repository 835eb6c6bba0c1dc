"""Runs of a consensus side by side: particles, expected precision and recall, and agreement."""

from __future__ import annotations

from typing import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import ArrayLike, NDArray

from repic_plugin.plots.canvas import (
    NUMBER_POINTS,
    legend_above,
    name_rows,
    panels,
    plain,
    say_nothing_to_draw,
    short_name,
    whole_numbers,
)
from repic_plugin.plots.colors import BLUE, CONSENSUS_COLOR

WIDTH, ROW, MARGIN = 12.4, 0.44, 1.75  # inches
MAX_LETTERS = 30  # of a name
POINTS = 11
FALSE_STYLE = {"facecolor": "white", "edgecolor": CONSENSUS_COLOR, "hatch": "////"}
UNKNOWN_COLOR, AGREEMENT_COLOR, GRID_COLOR = "#9A9A9A", "#404040", "#DDDDDD"
UNKNOWN = "precision not known"
APART = 0.2  # rows: marks of a run that would hide each other

Floats = NDArray[np.float64]


def runs_figure(
    names: Sequence[str],
    n_particles: ArrayLike,
    precision: ArrayLike,
    recall: ArrayLike,
    recall_interval: ArrayLike,
    agreement: ArrayLike,
) -> Figure:
    """Draw the particles of each run and how good they are.

    On the left a bar for each run counts its particles: those expected to be true are filled, the
    others hatched, and bars of runs without an expected precision are grey. On the right are
    expected precision, expected recall with its 95 per cent interval, and agreement, each from 0
    to 1 and only where it is known.

    Parameters
    ----------
    names : sequence of str, length n
        The first is drawn on top.
    n_particles : array_like of int, shape (n,)
    precision, recall, agreement : array_like of float, shape (n,)
        NaN where one is not known.
    recall_interval : array_like of float, shape (n, 2)

    Raises
    ------
    ValueError
        If columns differ in length.
    """
    n = len(names)
    counts = _column("n_particles", n_particles, (n,))
    ratios = [
        _column(name, values, (n,))
        for name, values in (("precision", precision), ("recall", recall), ("agreement", agreement))
    ]
    interval = _column("recall_interval", recall_interval, (n, 2))
    figure, (bars, dots) = panels(1, 2, (WIDTH, ROW * max(n, 2) + MARGIN), sharey=True)
    if not n:
        say_nothing_to_draw([bars, dots])
        return figure
    _draw_bars(bars, counts, ratios[0])
    _draw_ratios(dots, ratios, interval)
    name_rows(bars, [short_name(name, MAX_LETTERS) for name in names], POINTS)
    for axes in (bars, dots):
        plain(axes, points=POINTS)
        axes.tick_params(axis="y", length=0)
        legend_above(axes)
    return figure


def _column(name: str, values: ArrayLike, shape: Sequence[int]) -> Floats:
    found = np.asarray(values, np.float64)
    if found.shape != tuple(shape):
        raise ValueError(f"{name} must have shape {tuple(shape)}, got {found.shape}")
    return found


def _draw_bars(axes: Axes, counts: Floats, precision: Floats) -> None:
    rows, is_known = np.arange(len(counts)), np.isfinite(precision)
    true = counts * np.where(is_known, precision, 0)
    if is_known.any():
        mine = rows[is_known]
        axes.barh(mine, true[mine], 0.62, color=CONSENSUS_COLOR, label="expected to be true")
        axes.barh(mine, (counts - true)[mine], 0.62, left=true[mine], label="expected to be false",
                  **FALSE_STYLE)  # fmt: skip
    if not is_known.all():
        axes.barh(rows[~is_known], counts[~is_known], 0.62, color=UNKNOWN_COLOR, label=UNKNOWN)
    for row, n in enumerate(counts.tolist()):
        axes.annotate(f"{n:,.0f}", (n, row), (4, 0), textcoords="offset points", va="center",
                      fontsize=NUMBER_POINTS + 1)  # fmt: skip
    axes.set_xlim(0, 1.16 * max(1.0, counts.max()))
    axes.set_xlabel("particles")
    whole_numbers(axes.xaxis, 5)


def _draw_ratios(axes: Axes, ratios: Sequence[Floats], interval: Floats) -> None:
    rows = np.arange(len(interval))
    looks = (
        ("expected precision", CONSENSUS_COLOR, "*", 14, -APART),
        ("expected recall (95 %)", BLUE, "o", 8, 0),
        ("agreement", AGREEMENT_COLOR, "D", 6, APART),
    )
    for row in rows.tolist():
        axes.axhline(row, color=GRID_COLOR, linewidth=1, zorder=0)
    for (label, color, marker, size, below), values in zip(looks, ratios):
        mine = np.isfinite(values)
        if not mine.any():
            continue
        reach = _reach(values, interval)[:, mine] if label.startswith("expected recall") else None
        axes.errorbar(values[mine], rows[mine] + below, xerr=reach, color=color, marker=marker,
                      markersize=size, markeredgecolor="white", linestyle="none", elinewidth=2,
                      capsize=3, clip_on=False, zorder=3, label=label)  # fmt: skip
    axes.set_xlim(0, 1)
    axes.set_xlabel("share")
    axes.grid(axis="x", color=GRID_COLOR, linewidth=0.8)
    axes.set_axisbelow(True)


def _reach(values: Floats, interval: Floats) -> Floats:
    """Lengths of error bars, shape (2, n); none where an interval is not known."""
    ends = np.stack([values - interval[:, 0], interval[:, 1] - values])
    return np.maximum(np.nan_to_num(ends), 0)
