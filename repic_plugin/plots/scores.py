"""Scores of pickers and their consensus against a reference: bars, curves, micrographs.

Precision, recall and F1 as in figure 2 of Cameron et al. 2024, doi:10.1038/s42003-024-07045-0.
"""

from __future__ import annotations

from typing import Any, Dict, List, Mapping, Optional, Sequence, Tuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure, FigureBase

from repic_plugin.evaluation import MicrographScores, PickerScores, PrecisionRecall
from repic_plugin.plots.canvas import (
    LABEL_POINTS,
    LEGEND_POINTS,
    NUMBER_POINTS,
    legend_below,
    legend_name,
    name_rows,
    new_figure,
    panels,
    plain,
    say,
    short_name,
    whole_numbers,
)
from repic_plugin.plots.colors import picker_styles

BARS_SIZE, CURVES_SIZE = (10.5, 4.8), (7.6, 6.6)  # inches
MEASURES = {"matching": "particles matched one to one", "pixel": "pixels of the boxes"}
RATIOS = {"precision": "precision", "recall": "recall", "f1": "F1"}
MAX_LETTERS = 36  # of a name
ISO_F1 = (0.2, 0.4, 0.6, 0.8)
N_WORST = 8

Style = Dict[str, Any]
Points = Mapping[str, Tuple[float, float]]


def score_bars_figure(
    scores: Sequence[PickerScores], *, title: Optional[str] = None, measure: str = "matching"
) -> Figure:
    """Draw precision, recall, F1 and the number of particles of each picker.

    The first one with "consensus" in its name is drawn as the consensus.

    Parameters
    ----------
    scores : sequence of PickerScores
    title : str, optional
    measure : {"matching", "pixel"}
        Counted over particles or over pixels.

    Raises
    ------
    ValueError
        If there is no picker, or the measure is unknown.
    """
    _check_some("scores", scores)
    if measure not in MEASURES:
        raise ValueError(f"measure must be one of {tuple(MEASURES)}, got {measure!r}")
    figure = new_figure(BARS_SIZE, title)
    _draw_bars(figure, scores, measure)
    return figure


def precision_recall_figure(
    curves: Sequence[PrecisionRecall],
    *,
    points: Optional[Points] = None,
    title: Optional[str] = None,
) -> Figure:
    """Draw the precision-recall curve of each picker.

    Grey lines are contours of F1; the legend gives the average precision. The first picker with
    "consensus" in its name is drawn as the consensus.

    Parameters
    ----------
    curves : sequence of PrecisionRecall
    points : mapping of str to (float, float), optional
        Recall and precision at the threshold that a picker uses itself, drawn as a marker; by
        default the curve's last point, which is all its picks. Pickers that it lacks get none.
    title : str, optional

    Raises
    ------
    ValueError
        If there is no curve.
    """
    _check_some("curves", curves)
    figure = new_figure(CURVES_SIZE, title)
    _draw_curves(figure, curves, points)
    return figure


def evaluation_figure(
    scores: Sequence[PickerScores],
    curves: Sequence[PrecisionRecall],
    *,
    title: Optional[str] = None,
) -> Figure:
    """Draw the bars of `score_bars_figure` above the curves of `precision_recall_figure`.

    Raises
    ------
    ValueError
        If there is no picker or no curve.
    """
    _check_some("scores", scores)
    _check_some("curves", curves)
    figure = new_figure((BARS_SIZE[0], BARS_SIZE[1] + CURVES_SIZE[1]), title)
    upper, lower = figure.subfigures(2, 1, height_ratios=(BARS_SIZE[1], CURVES_SIZE[1]))
    _draw_bars(upper, scores, "matching")
    _draw_curves(lower, curves, None)
    return figure


def per_micrograph_figure(
    rows: Sequence[MicrographScores], *, title: Optional[str] = None, n_worst: int = N_WORST
) -> Figure:
    """Draw the F1 of each picker on each micrograph, and name the worst micrographs.

    F1 is that of particles matched one to one. A micrograph where neither the picker nor the
    reference has a particle has none.

    Parameters
    ----------
    rows : sequence of MicrographScores
    title : str, optional
    n_worst : int
        Number of micrographs named, by mean F1 over the pickers.

    Raises
    ------
    ValueError
        If there is no row.
    """
    _check_some("rows", rows)
    styles = picker_styles([row.picker for row in rows])
    shown = [row for row in rows if row.n_picks or row.n_reference]
    height = 2.4 + 0.45 * max(1.5 * len(styles), n_worst)
    figure, (left, right) = panels(1, 2, (12.0, height), title)
    for axes in (left, right):
        axes.set_xlim(-0.02, 1.02)
        axes.set_xlabel("F1 per micrograph")
    _draw_distributions(left, shown, styles)
    _draw_worst(right, shown, styles, n_worst)
    if not shown:
        for axes in (left, right):
            say(axes)
    return figure


# ------------------------------------------------------------------ bars


def _draw_bars(canvas: FigureBase, scores: Sequence[PickerScores], measure: str) -> None:
    styles = picker_styles([one.picker for one in scores])
    left, right = canvas.subplots(1, 2, width_ratios=(2.4, 1))
    plain(left, right)
    width = 0.84 / len(scores)
    for place, one in enumerate(scores):
        style = _bar_style(styles[one.picker])
        values = [getattr(getattr(one, measure), name) for name in RATIOS]
        x = np.arange(len(RATIOS)) + (place - (len(scores) - 1) / 2) * width
        label = legend_name(short_name(one.picker, MAX_LETTERS))
        bars = left.bar(x, values, 0.92 * width, label=label, **style)
        left.bar_label(bars, [f"{v:.2f}" for v in values], padding=2, fontsize=NUMBER_POINTS)
        counts = right.barh(place, one.n_picks, 0.75, **style)
        ground = {"facecolor": "white", "edgecolor": "none", "pad": 1.0}
        right.bar_label(
            counts, [f"{one.n_picks:,}"], padding=4, fontsize=LEGEND_POINTS, bbox=ground
        )
    left.set_xticks(range(len(RATIOS)), list(RATIOS.values()), fontsize=LABEL_POINTS)
    left.set_ylim(0, 1.08)
    left.set_ylabel(MEASURES[measure])
    _finish_counts(right, scores)
    if not any(one.n_picks or one.n_reference for one in scores):
        say(left)
    legend_below(canvas, left)


def _finish_counts(axes: Axes, scores: Sequence[PickerScores]) -> None:
    """Line of the reference, and space for the numbers beside the bars."""
    n_reference = scores[0].n_reference
    axes.axvline(n_reference, color="0.3", linestyle="--", linewidth=1.2)
    axes.set_title(f"reference: {n_reference:,}", fontsize=LEGEND_POINTS)
    axes.set_xlim(0, 1.35 * max(1, n_reference, *(one.n_picks for one in scores)))
    axes.set_ylim(len(scores) - 0.4, -0.6)
    axes.set_yticks([])
    whole_numbers(axes.xaxis, 3)
    axes.set_xlabel("particles")


# ---------------------------------------------------------------- curves


def _draw_curves(
    canvas: FigureBase, curves: Sequence[PrecisionRecall], points: Optional[Points]
) -> None:
    axes = canvas.subplots()
    plain(axes)
    _draw_iso_f1(axes)
    styles = picker_styles([curve.picker for curve in curves])
    if points is None:
        full = [curve for curve in curves if len(curve.threshold)]
        points = {one.picker: (one.recall[-1], one.precision[-1]) for one in full}
    for curve in curves:
        _draw_curve(axes, curve, styles[curve.picker], points.get(curve.picker))
    axes.set(xlim=(0, 1.0), ylim=(0, 1.02))
    axes.set_xlabel("recall")
    axes.set_ylabel("precision")
    if not any(len(curve.threshold) for curve in curves):
        say(axes)
    legend_below(canvas, axes)


def _draw_curve(
    axes: Axes, curve: PrecisionRecall, style: Style, point: Optional[Tuple[float, float]]
) -> None:
    """A step holds the precision of the threshold that it leads to, as the area does."""
    remark = f"average precision {curve.average_precision:.3f}"
    if not len(curve.threshold) or np.isnan(curve.average_precision):
        remark = "no scores" if len(curve.threshold) else "no picks"
    recall, precision = curve.recall, curve.precision
    if len(recall) > 1:
        recall, precision = np.append(0.0, recall), np.append(precision[0], precision)
    elif len(recall):
        recall, precision = recall[:0], precision[:0]  # a threshold alone makes no curve
    line = {key: style[key] for key in ("color", "linewidth", "linestyle", "zorder")}
    marker = {"marker": style["marker"], "markersize": style["markersize"]}
    label = legend_name(f"{short_name(curve.picker, MAX_LETTERS)}: {remark}")
    axes.plot(recall, precision, drawstyle="steps-pre", **line)
    x, y = ([], []) if point is None else ([point[0]], [point[1]])
    axes.plot(x, y, label=label, markeredgecolor="white", clip_on=False, **marker, **line)


def _draw_iso_f1(axes: Axes) -> None:
    for f1 in ISO_F1:
        lowest = f1 / (2 - f1)  # where precision is 1; dense there, for the line is steep
        recall = lowest + (1 - lowest) * np.linspace(0, 1, 100) ** 2
        precision = f1 * recall / (2 * recall - f1)
        axes.plot(recall, precision, color="0.8", linewidth=1.0, zorder=1)
        axes.text(1.01, precision[-1], f"F1 = {f1:g}", color="0.45", va="center", fontsize=10)


# ----------------------------------------------------------- micrographs


def _draw_distributions(
    axes: Axes, rows: Sequence[MicrographScores], styles: Mapping[str, Style]
) -> None:
    labels = []
    for place, (name, style) in enumerate(styles.items()):
        values = np.array([row.matching.f1 for row in rows if row.picker == name])
        median = f"median {np.median(values):.2f}" if len(values) else "no particles"
        labels.append(f"{short_name(name, MAX_LETTERS)}\n{median}")
        if not len(values):
            continue
        axes.boxplot(values, vert=False, positions=[place], widths=0.7, showfliers=False,
                     medianprops={"color": "black", "linewidth": 1.8})  # fmt: skip
        # spread evenly, the same each time: the golden ratio fills a strip without a pattern
        spread = (np.arange(len(values)) * 0.618034 % 1 - 0.5) * 0.5
        alpha = 0.8 if len(values) <= 100 else 0.35
        dots = {"marker": style["marker"], "markersize": 0.5 * style["markersize"]}
        dots.update(linestyle="none", color=style["color"], alpha=alpha, markeredgewidth=0)
        axes.plot(values, place + spread, **dots)
    name_rows(axes, labels, LEGEND_POINTS)
    n = len({row.micrograph for row in rows})
    axes.set_title(f"{n:,} micrograph{'s' * (n != 1)}", fontsize=LABEL_POINTS)


def _draw_worst(
    axes: Axes, rows: Sequence[MicrographScores], styles: Mapping[str, Style], n_worst: int
) -> None:
    by_name: Dict[str, List[MicrographScores]] = {}
    for row in rows:
        by_name.setdefault(row.micrograph, []).append(row)
    means = {name: np.mean([row.matching.f1 for row in mine]) for name, mine in by_name.items()}
    worst = sorted(means, key=lambda name: (means[name], name))[:n_worst]
    # a little above each other, so that equal ones are all seen
    heights = dict(zip(styles, np.linspace(-0.25, 0.25, len(styles) + 2)[1:-1]))
    for place, name in enumerate(worst):
        axes.axhline(place, color="0.9", linewidth=1.0, zorder=0)
        for row in by_name[name]:
            style = styles[row.picker]
            dot = {"marker": style["marker"], "markersize": 0.8 * style["markersize"]}
            dot.update(color=style["color"], markeredgecolor="white", clip_on=False)
            axes.plot(row.matching.f1, place + heights[row.picker], **dot)
    name_rows(axes, [short_name(name, MAX_LETTERS) for name in worst], LEGEND_POINTS)
    axes.set_title("lowest mean F1", fontsize=LABEL_POINTS)


# --------------------------------------------------------------- shared


def _check_some(name: str, values: Sequence[Any]) -> None:
    if not len(values):
        raise ValueError(f"{name} must hold one picker or more, got none; evaluate some picks")


def _bar_style(style: Style) -> Style:
    hatch = "///" if style["linestyle"] == "--" else None
    return {"color": style["color"], "hatch": hatch, "edgecolor": "white", "linewidth": 0}
