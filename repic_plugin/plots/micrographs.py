"""Quality of the micrographs over a session."""

from __future__ import annotations

from typing import Dict, List, NamedTuple, Optional, Tuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from repic_plugin.consensus import (
    AGREEMENT,
    N_PARTICLES,
    PRECISION,
    SCORES,
    Fall,
    MicrographQuality,
    Thresholds,
    accepted,
    falls_of,
    running_median,
)
from repic_plugin.plots.canvas import (
    legend_above,
    legend_name,
    new_figure,
    plain,
    say,
    short_name,
    whole_numbers,
)
from repic_plugin.plots.colors import BLUE, CONSENSUS_COLOR, ORANGE, picker_color

WIDTH, ROW, MARGIN = 12.0, 2.3, 1.0  # inches
LETTERS = 24  # of a picker's name
POINT_COLOR, THRESHOLD_COLOR = "#9A9A9A", "#303030"
MOST_POINTS = 30000  # drawn as pixels where there are more
NO_MICROGRAPHS = "no micrographs"


class _Row(NamedTuple):
    """A panel: its label, values, threshold (0 without), upper limit of the axis."""

    label: str
    values: NDArray[np.float64]
    threshold: float = 0.0
    top: Optional[float] = 1.05


def micrographs_figure(
    quality: MicrographQuality,
    thresholds: Optional[Thresholds] = None,
    *,
    title: Optional[str] = None,
) -> Figure:
    """Draw what is known of each micrograph, in the order of acquisition.

    Points are micrographs, those that the thresholds reject in orange, and lines the running
    medians. Dashed lines are thresholds, vertical ones sudden falls. The last panel has the ranks
    of the pickers' median scores.

    Parameters
    ----------
    quality : MicrographQuality
    thresholds : Thresholds, optional
        None is used by default.
    title : str, optional
        By default the numbers of micrographs accepted and rejected.
    """
    used = thresholds or Thresholds()
    is_accepted = accepted(quality, used)
    n = len(is_accepted)
    counts = f"{is_accepted.sum():,} of {n:,} micrographs accepted" if any(used) else ""
    if not n:
        figure = new_figure((WIDTH, ROW + MARGIN), title)
        say(figure, NO_MICROGRAPHS)
        return figure
    rows, has_scores = _rows(quality, used), not np.isnan(quality.score).all()
    n_panels = len(rows) + has_scores
    figure = new_figure((WIDTH, ROW * n_panels + MARGIN), title or counts or None)
    panels = list(figure.subplots(n_panels, 1, sharex=True, squeeze=False).ravel())
    plain(*panels)
    falls = falls_of(quality)
    for axes, row in zip(panels, rows):
        _draw(axes, row, is_accepted, falls)
    _name_lines(panels[0])
    if has_scores:
        _draw_scores(panels[-1], quality, falls)
    panels[-1].set_xlim(0, n + 1)
    panels[-1].set_xlabel("micrograph, in the order of acquisition")
    whole_numbers(panels[-1].xaxis)
    figure.align_ylabels(panels)
    return figure


def _rows(quality: MicrographQuality, used: Thresholds) -> List[_Row]:
    """The panels of what is known."""
    rows = [
        _Row(AGREEMENT, quality.agreement, used.min_agreement),
        _Row(PRECISION, quality.precision),
        _Row("particles", quality.number, used.min_particles, None),
        _Row("share of junk", quality.junk, used.max_junk),
    ]
    return [row for row in rows if not np.isnan(row.values).all()]


def _draw(
    axes: Axes, row: _Row, is_accepted: NDArray[np.bool_], falls: Dict[str, List[Fall]]
) -> None:
    numbers = np.arange(1, len(row.values) + 1)
    marker, size = (",", 1.0) if len(numbers) > MOST_POINTS else (".", 4.0)
    kinds: Tuple[Tuple[NDArray[np.bool_], str, str], ...] = (
        (is_accepted, POINT_COLOR, "micrograph"),
        (~is_accepted, ORANGE, "rejected"),
    )
    for mine, color, label in kinds:
        if mine.any():
            axes.plot(numbers[mine], row.values[mine], marker, color=color, markersize=size,
                      label=label)  # fmt: skip
    _draw_median(axes, row.values, BLUE, "running median")
    if row.threshold:
        axes.axhline(row.threshold, color=THRESHOLD_COLOR, linewidth=1.5, linestyle="--",
                     label="threshold")  # fmt: skip
    _draw_falls(axes, falls.get(N_PARTICLES if row.label == "particles" else row.label, []))
    axes.set_ylim(0, row.top)
    axes.set_ylabel(row.label)


def _draw_median(axes: Axes, values: NDArray[np.float64], color: str, label: str) -> None:
    known = ~np.isnan(values)
    numbers = np.arange(1, len(values) + 1)
    axes.plot(numbers[known], running_median(values)[known], color=color, linewidth=2, label=label)


def _draw_falls(axes: Axes, falls: List[Fall], color: str = CONSENSUS_COLOR) -> None:
    for fall in falls:
        axes.axvline(fall.place + 0.5, color=color, linewidth=2, label="sudden fall")


def _name_lines(axes: Axes) -> None:
    """A legend above all panels of what any of them has."""
    named = {}
    for one in axes.figure.axes:
        for handle, label in zip(*one.get_legend_handles_labels()):
            named.setdefault(label, handle)
    legend_above(axes, [*named.values()])


def _draw_scores(axes: Axes, quality: MicrographQuality, falls: Dict[str, List[Fall]]) -> None:
    """Running medians of the ranks of each picker's scores."""
    for picker, (name, rank) in enumerate(zip(quality.picker_names, quality.score_rank.T)):
        if np.isnan(rank).all():
            continue
        color = picker_color(picker)
        _draw_median(axes, rank, color, legend_name(short_name(name, LETTERS)))
        _draw_falls(axes, falls.get(SCORES.format(name), []), color)
    axes.set_ylim(0, 1.05)
    axes.set_ylabel("rank of scores")
    named = [line for line in axes.lines if line.get_label() != "sudden fall"]
    legend_above(axes, named)
