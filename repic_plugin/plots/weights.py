"""Distribution of the weights of particles: REPIC's plot of particle numbers.

Cameron et al. 2024, doi:10.1038/s42003-024-07045-0.
"""

from __future__ import annotations

from typing import Any, Dict, List, Optional, Tuple

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter
from numpy.typing import ArrayLike, NDArray

from repic_plugin.consensus import RANKINGS, recommended_number
from repic_plugin.plots.canvas import (
    legend_above,
    panels,
    plain,
    say_nothing_to_draw,
    whole_numbers,
)
from repic_plugin.plots.colors import CONSENSUS_COLOR

SIZE = (12.4, 4.6)  # inches
MAX_POINTS = 2000  # of a curve: more are not seen
N_BINS = 60
SHARE = 0.7  # of the cumulative weight or confidence: REPIC's rule
ALL_LABEL = "particles"
PROBABILITY = "probability"
ALONE_PLACE = 0.95  # in the map of colours, of one picker
CUMULATIVE_COLOR, RECOMMENDED_COLOR = "#303030", "#303030"


def weights_figure(
    weight: ArrayLike,
    micrograph: ArrayLike,
    *,
    n_members: Optional[ArrayLike] = None,
    recommended: Optional[int] = None,
    chosen: Optional[int] = None,
    is_probability: bool = False,
    rank_by: str = RANKINGS[0],
    title: Optional[str] = None,
) -> Figure:
    """Draw the weights of all particles, best first, and their histogram.

    On the left, x is a mean number of particles per micrograph with particles, as in
    `recommended_number`; the cumulative weight is drawn with its 70 per cent. Colours give the
    number of pickers of a particle: each one above the quorum adds 1.

    Parameters
    ----------
    weight : array_like of float, shape (n,)
    micrograph : array_like of int, shape (n,)
        The micrograph of each particle.
    n_members : array_like of int, shape (n,), optional
        Number of pickers that found each particle.
    recommended : int, optional
        Particles per micrograph; by default `recommended_number`.
    chosen : int, optional
        The user's number of particles per micrograph.
    is_probability : bool
        Weights are the probabilities of mode ``probabilistic``: they are labelled so, without
        REPIC's recommended number, which does not apply.
    rank_by : {'weight', 'confidence'}
        What the weights are, for the labels.
    title : str, optional

    Raises
    ------
    ValueError
        If columns differ in length, or a weight is not finite.
    """
    weights = check_column("weight", weight)
    places = check_members_column("micrograph", micrograph, len(weights))
    numbers = _numbers(n_members, len(weights))
    figure, (ranked, histogram) = panels(1, 2, SIZE, title)
    if not len(weights):
        say_nothing_to_draw([ranked, histogram])
        return figure
    n_micrographs = len(np.unique(places))
    name = PROBABILITY if is_probability else rank_by
    _draw_ranked(ranked, weights, numbers, n_micrographs, name)
    best = None
    if not is_probability:
        best = recommended_number(weights, places) if recommended is None else recommended
    _draw_numbers(ranked, best, chosen)
    _draw_histogram(histogram, weights, numbers, name)
    legend_above(histogram)
    return figure


def check_column(name: str, values: ArrayLike, n: Optional[int] = None) -> NDArray[np.float64]:
    """Finite numbers in one dimension, checked."""
    column = np.asarray(values, dtype=np.float64)
    if column.ndim != 1 or n not in (None, len(column)):
        wanted = "one dimension" if n is None else f"one for each of {n} particles"
        raise ValueError(f"{name} must be numbers, {wanted}, got shape {column.shape}")
    if not np.isfinite(column).all():
        n_bad = np.count_nonzero(~np.isfinite(column))
        raise ValueError(f"{name} must be finite, got {n_bad} NaN or infinite; leave them out")
    return column


def check_members_column(name: str, values: ArrayLike, n: int) -> NDArray[np.int64]:
    """Whole numbers, 0 or more, one for each particle, checked."""
    column = check_column(name, values, n)
    if (column < 0).any() or (column != np.floor(column)).any():
        raise ValueError(f"{name} must be whole numbers, 0 or more, got {column.min():g}")
    return column.astype(np.int64)


def member_colors(largest: int) -> Dict[int, str]:
    """Colour of each number of pickers from 1 to `largest`: the more, the darker."""
    places = np.linspace(0.8, 0.1, max(largest - 1, 2))  # of 2, 3, ... pickers
    shades = [to_hex(colormaps["viridis"](place)) for place in (ALONE_PLACE, *places)]
    return {n: shades[n - 1] for n in range(1, largest + 1)}


def member_label(n_members: int) -> str:
    """In a legend."""
    return f"{n_members} picker" + ("" if n_members == 1 else "s")


def _numbers(n_members: Optional[ArrayLike], n: int) -> Optional[NDArray[np.int64]]:
    return None if n_members is None else check_members_column("n_members", n_members, n)


def _groups(numbers: Optional[NDArray[np.int64]], n: int) -> List[Tuple[str, str, Any]]:
    """Label, colour and rows of the particles of each number of members, the fewest first."""
    if numbers is None:
        return [(ALL_LABEL, CONSENSUS_COLOR, np.ones(n, dtype=bool))]
    colors = member_colors(int(numbers.max()))
    return [(member_label(k), colors[max(k, 1)], numbers == k) for k in np.unique(numbers).tolist()]


def _draw_ranked(
    axes: Axes,
    weights: NDArray[np.float64],
    numbers: Optional[NDArray[np.int64]],
    n_micrographs: int,
    name: str,
) -> None:
    """The weights, best first, and the share of their sum reached."""
    is_probability = name == PROBABILITY
    order = np.argsort(-weights, kind="stable")
    ordered = weights[order]
    ranks = np.arange(1, len(weights) + 1) / n_micrographs
    members = None if numbers is None else numbers[order]
    for label, color, mine in _groups(members, len(weights)):
        rows = _thinned(np.flatnonzero(mine))
        # lines of groups whose probabilities mix would hide each other
        style = {"linestyle": "none"} if is_probability else {"solid_capstyle": "butt"}
        axes.plot(ranks[rows], ordered[rows], color=color, linewidth=4, label=label,
                  marker="o", markersize=3, **style)  # fmt: skip
    axes.set_xlabel("particles per micrograph, best first")
    axes.set_ylabel(name)
    axes.set_ylim(0, 1.05 if is_probability else ordered[0] * 1.05 or 1)
    axes.set_xlim(0, ranks[-1] * 1.02)
    _draw_cumulative(axes, ranks, ordered, name)


def _draw_cumulative(
    axes: Axes, ranks: NDArray[np.float64], ordered: NDArray[np.float64], name: str
) -> None:
    cumulative = np.cumsum(ordered)
    share = cumulative / (cumulative[-1] or 1.0)
    twin = axes.twinx()
    plain(twin)
    twin.spines["right"].set_visible(True)
    rows = _thinned(np.arange(len(ranks)))
    twin.plot(ranks[rows], share[rows], color=CUMULATIVE_COLOR, linewidth=1.6, label="cumulative")
    if name != PROBABILITY:
        twin.axhline(SHARE, color=CUMULATIVE_COLOR, linewidth=1, linestyle=":")
    twin.set_ylim(0, 1.05)
    twin.yaxis.set_major_formatter(PercentFormatter(1))
    twin.set_ylabel(f"cumulative {name} (thin line)")


def _draw_numbers(axes: Axes, recommended: Optional[int], chosen: Optional[int]) -> None:
    """Lines at the numbers of particles, named above the panel where they hide nothing."""
    marks = []
    if recommended is not None:
        marks.append(
            (f"to train on (REPIC): {recommended:,}", recommended, RECOMMENDED_COLOR, "--")
        )
    if chosen:
        marks.append((f"chosen: {chosen:,}", chosen, CONSENSUS_COLOR, "-"))
    for label, place, color, style in marks:
        axes.axvline(place, color=color, linewidth=2, linestyle=style, label=label)
    if not marks:
        return
    right = max(axes.get_xlim()[1], 1.02 * max(place for _, place, _, _ in marks))
    axes.set_xlim(0, right)
    lines = [line for line in axes.lines if line.get_label() in {mark[0] for mark in marks}]
    legend_above(axes, lines)


def _draw_histogram(
    axes: Axes,
    weights: NDArray[np.float64],
    numbers: Optional[NDArray[np.int64]],
    name: str,
) -> None:
    groups = _groups(numbers, len(weights))
    most = 1.0 if name == PROBABILITY else weights.max() or 1.0
    edges = np.linspace(min(0.0, weights.min()), most, N_BINS + 1)
    axes.hist(
        [weights[mine] for _, _, mine in groups],
        edges,
        stacked=True,
        color=[color for _, color, _ in groups],
        label=[f"{label}: {np.count_nonzero(mine):,}" for label, _, mine in groups],
    )
    whole_numbers(axes.yaxis)
    axes.set_xlabel(name)
    axes.set_ylabel("particles")


def _thinned(rows: NDArray[Any]) -> NDArray[Any]:
    """Some of many rows, the first and the last among them."""
    if len(rows) <= MAX_POINTS:
        return rows
    return np.asarray(rows[np.linspace(0, len(rows) - 1, MAX_POINTS).astype(np.int64)])
