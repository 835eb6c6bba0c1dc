"""Reliability of probabilities, against a reference."""

from __future__ import annotations

from typing import Tuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import ArrayLike, NDArray

from repic_plugin.evaluation import Reliability, reliability
from repic_plugin.plots.canvas import (
    LABEL_POINTS,
    LEGEND_POINTS,
    NUMBER_POINTS,
    panels,
    say_nothing_to_draw,
    whole_numbers,
)
from repic_plugin.plots.colors import CONSENSUS_COLOR

SIZE = (7.2, 7.6)  # inches
NORMAL_QUANTILE = 1.959964  # of 95 per cent
DIAGONAL_COLOR, COUNT_COLOR = "#606060", "#9A9A9A"

Floats = NDArray[np.float64]


def reliability_figure(probability: ArrayLike, is_true: ArrayLike, *, label: str = "") -> Figure:
    """Draw the share of true particles by probability, a reliability diagram.

    Points on the diagonal are calibrated; those below are overconfident. Bars are 95 per cent
    intervals of the share (Wilson 1927, doi:10.1080/01621459.1927.10502953). Below are the numbers
    of particles in each tenth of the probability.

    Parameters
    ----------
    probability : array_like of float, shape (n,)
        In [0, 1].
    is_true : array_like of bool, shape (n,)
        Whether the reference has that particle.
    label : str, optional
        Of whose particles they are, for the title.

    Raises
    ------
    ValueError
        If the columns differ in length, or a probability lies outside [0, 1].
    """
    found = reliability(probability, is_true)
    figure, (upper, lower) = panels(2, 1, SIZE, label, sharex=True, height_ratios=(3, 1))
    if not found.count.sum():
        say_nothing_to_draw([upper, lower])
        return figure
    _draw_shares(upper, found)
    _draw_counts(lower, found)
    return figure


def share_interval(share: Floats, count: NDArray[np.int64]) -> Tuple[Floats, Floats]:
    """Wilson's 95 per cent interval of shares of counts, both shape (n,); nan of nothing."""
    n = np.where(count > 0, count, np.nan)
    z2 = NORMAL_QUANTILE**2
    middle = (share + z2 / (2 * n)) / (1 + z2 / n)
    half = NORMAL_QUANTILE * np.sqrt(share * (1 - share) / n + z2 / (4 * n**2)) / (1 + z2 / n)
    return np.asarray(middle - half), np.asarray(middle + half)


def _draw_shares(axes: Axes, found: Reliability) -> None:
    axes.plot((0, 1), (0, 1), color=DIAGONAL_COLOR, linestyle="--", linewidth=1.4,
              label="calibrated")  # fmt: skip
    low, high = share_interval(found.share_true, found.count)
    some = found.count > 0
    share = found.share_true[some]
    reach = np.maximum([share - low[some], high[some] - share], 0)
    axes.errorbar(found.mean_probability[some], share, yerr=reach, color=CONSENSUS_COLOR,
                  marker="o", markersize=8, markeredgecolor="white", linewidth=1.6, elinewidth=2.2,
                  capsize=4, clip_on=False, zorder=3, label="found in the reference")  # fmt: skip
    n = found.count.sum()
    promised = float(found.mean_probability[some] @ found.count[some])
    true = float(share @ found.count[some])
    axes.set_title(
        f"{n:,} particles, {promised:,.0f} expected to be true, {true:,.0f} are",
        fontsize=LABEL_POINTS,
    )
    axes.set(xlim=(0, 1), ylim=(0, 1))
    axes.set_ylabel("share in the reference")
    axes.legend(loc="upper left", frameon=False, fontsize=LEGEND_POINTS)


def _draw_counts(axes: Axes, found: Reliability) -> None:
    axes.stairs(found.count, found.edges, fill=True, color=COUNT_COLOR)
    for count, low, high in zip(found.count.tolist(), found.edges, found.edges[1:]):
        if count:
            axes.text((low + high) / 2, count, f"{count:,}", ha="center", va="bottom",
                      fontsize=NUMBER_POINTS)  # fmt: skip
    axes.set_ylim(0, 1.2 * found.count.max())
    axes.set_xticks(found.edges)
    axes.set_xlabel("probability")
    axes.set_ylabel("particles")
    whole_numbers(axes.yaxis, 3)
