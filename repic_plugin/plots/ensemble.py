"""Estimates of a probabilistic consensus: a card for each picker, and the fit of the model."""

from __future__ import annotations

import textwrap
from typing import List, Optional, Sequence, Tuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure
from matplotlib.ticker import FixedLocator, MaxNLocator
from numpy.typing import ArrayLike, NDArray

from repic_plugin.consensus import EnsembleModel, expected_scores, is_by_images
from repic_plugin.plots.canvas import (
    NUMBER_POINTS,
    legend_above,
    legend_name,
    name_rows,
    new_figure,
    no_math,
    plain,
    short_name,
    whole_numbers,
)
from repic_plugin.plots.colors import MARKERS, VERMILLION, picker_color
from repic_plugin.wording import counted

# Sizes in inches.
WIDTH, MEASURES_HEIGHT, SCORES_HEIGHT = 13.0, 1.75, 1.95
LINE, PATTERN_ROW, PATTERN_MARGIN = 0.24, 0.36, 1.1
LETTERS_PER_INCH = 10  # of the headline
MOST_COLUMNS = 4
MAX_PATTERNS = 15
FEW_PICKERS = 3  # so many are all named
NAME_LETTERS, PATTERN_LETTERS = 24, 16
POINTS = 10.5
MAX_TICKS = 4  # of the scores, whose numbers are wide
FACTS_COLOR, GRID_COLOR = "#303030", "#DDDDDD"
JUNK_STYLE = {"facecolor": "none", "edgecolor": "#404040", "hatch": "////", "linewidth": 1.2}
EXPECTED_STYLE = {"facecolor": "white", "edgecolor": "#404040", "hatch": "////"}
OBSERVED_COLOR = "#7A7A7A"
MEASURES = ("precision", "recall", "F1")
NO_PICKS = "no picks"
BLIND = ", by agreement alone"  # what images did not change, beside what they did

Floats = NDArray[np.float64]


def pickers_figure(
    model: EnsembleModel,
    probability: Optional[ArrayLike] = None,
    n_micrographs: Optional[int] = None,
) -> Figure:
    """Draw the estimates of each picker and the fit of the model.

    Each picker has a card: precision, recall and F1 with 95 per cent intervals (that of F1 combines
    both lower and both upper ends, so it is conservative), and the distribution of its scores, if
    any, among particles and junk. Bins are drawn equally wide and hold equally many picks; ticks
    give their edges on the picker's own scale. Below are the observed and expected numbers of
    candidates of each combination of pickers, and the recall by quality of the micrographs if
    known. Warnings are on top. Where images decided, the distributions of scores, the expected
    numbers and the recall by quality, which are those of the fit before, are labelled so.

    Parameters
    ----------
    model : EnsembleModel
    probability : array_like of float, shape (n,), optional
        Of each particle kept, whose expected number of true ones then stands beside the estimated
        total, which is at least this number.
    n_micrographs : int, optional
        Number of micrographs processed; by default those that the model was fitted to.
    """
    told = headline(model, probability, n_micrographs)
    warned = [line for one in model.warnings for line in _wrapped(f"Warning: {one}.")]
    labels, _, _ = _patterns(model)
    n_columns = _n_columns(len(model.picker_names))
    n_rows = -(-len(model.picker_names) // n_columns)
    has_scores = bool(_is_scored(model).any())
    heights = [
        LINE * (len(told) + len(warned)) + 0.2,
        n_rows * (MEASURES_HEIGHT + SCORES_HEIGHT * has_scores),
        PATTERN_ROW * max(len(labels), 5) + PATTERN_MARGIN,
    ]
    figure = new_figure((WIDTH, sum(heights)))
    top, middle, bottom = figure.subfigures(3, 1, height_ratios=heights)
    _write(top, told, warned)
    cards = np.atleast_1d(middle.subfigures(n_rows, n_columns, squeeze=False).ravel())
    for place in range(len(model.picker_names)):
        _draw_card(cards[place], model, place, has_scores)
    _draw_fit(bottom, model)
    return figure


def headline(
    model: EnsembleModel,
    probability: Optional[ArrayLike] = None,
    n_micrographs: Optional[int] = None,
) -> List[str]:
    """Lines with the estimated number of particles, what is kept, and the threshold."""
    n = model.n_micrographs if n_micrographs is None else n_micrographs
    kept = np.asarray([] if probability is None else probability, np.float64)
    expected = expected_scores(kept, model, n)
    low, high = expected.n_particles_interval
    lines = [
        f"Estimated total: {expected.n_particles:,.0f} true particles ({low:,.0f} to {high:,.0f}) "
        f"on {counted(n, 'micrograph')}, including those that no picker found",
        f"{model.threshold_rule[:1].upper()}{model.threshold_rule[1:]}: minimum probability "
        f"{model.threshold:.3f}",
    ]
    if len(kept):
        lines.insert(
            1, f"Of {len(kept):,} kept, about {expected.n_true:,.0f} are expected to be true"
        )
    return lines


def _wrapped(line: str) -> List[str]:
    return textwrap.wrap(line, int(WIDTH * LETTERS_PER_INCH))


def _n_columns(n_pickers: int) -> int:
    return n_pickers if n_pickers <= MOST_COLUMNS else 3 if n_pickers <= 6 else MOST_COLUMNS


def _is_scored(model: EnsembleModel) -> NDArray[np.bool_]:
    return np.asarray(np.isfinite(model.score_edges).all(axis=1))


def _write(canvas: SubFigure, told: Sequence[str], warned: Sequence[str]) -> None:
    colors = [FACTS_COLOR] * len(told) + [VERMILLION] * len(warned)
    lines = [*told, *warned]
    for place, (line, color) in enumerate(zip(lines, colors)):
        height = 1 - (place + 0.9) / (len(lines) + 0.8)
        weight = "normal" if place else "bold"
        canvas.text(0.01, height, line, color=color, weight=weight, fontsize=POINTS + 1,
                    va="center", parse_math=False)  # fmt: skip


# ----------------------------------------------------------------- cards


def _draw_card(canvas: SubFigure, model: EnsembleModel, place: int, has_scores: bool) -> None:
    if has_scores:
        upper, lower = canvas.subplots(2, 1, height_ratios=(MEASURES_HEIGHT, SCORES_HEIGHT))
        _draw_scores(lower, model, place)
    else:
        upper = canvas.subplots()
    name = short_name(model.picker_names[place], NAME_LETTERS)
    upper.set_title(name, fontsize=POINTS + 2, weight="bold", parse_math=False)
    _draw_measures(upper, model, place)


def _measures(model: EnsembleModel, place: int) -> List[Tuple[float, float, float]]:
    """Value, lower and upper end of precision, recall and F1."""
    precision, recall = model.precision_interval[place], model.recall_interval[place]
    values = (model.precision[place], model.recall[place], model.f1[place])
    ends = (precision, recall, 2 * precision * recall / np.maximum(precision + recall, 1e-12))
    if np.isnan(values[0]):  # without a pick
        return [(np.nan, np.nan, np.nan)] * 3
    return [(float(value), *map(float, pair)) for value, pair in zip(values, ends)]


def _draw_measures(axes: Axes, model: EnsembleModel, place: int) -> None:
    for row, (value, low, high) in enumerate(_measures(model, place)):
        axes.axhline(row, color=GRID_COLOR, linewidth=1, zorder=0)
        words = NO_PICKS if np.isnan(value) else f"{value:.2f} ({low:.2f} to {high:.2f})"
        axes.text(1.07, row, words, transform=axes.get_yaxis_transform(), va="center",
                  fontsize=POINTS - 1)  # fmt: skip
        if np.isnan(value):
            continue
        reach = [[max(value - low, 0.0)], [max(high - value, 0.0)]]
        axes.errorbar([value], [row], xerr=reach, color=picker_color(place), marker="o",
                      markersize=6, elinewidth=2, ecolor=FACTS_COLOR, capsize=5, capthick=1.5,
                      clip_on=False, zorder=3)  # fmt: skip
    axes.set_xlim(0, 1)
    axes.set_ylim(len(MEASURES) - 0.5, -0.5)
    axes.set_yticks(range(len(MEASURES)), MEASURES, fontsize=POINTS)
    axes.set_xticks((0, 0.25, 0.5, 0.75, 1), ("0", "", "0.5", "", "1"))
    axes.grid(axis="x", color=GRID_COLOR, linewidth=0.8)
    axes.set_axisbelow(True)
    plain(axes, points=POINTS)
    axes.tick_params(axis="y", length=0)


def _draw_scores(axes: Axes, model: EnsembleModel, place: int) -> None:
    """Shares of particles and junk in each bin of the scores."""
    if not _is_scored(model)[place]:
        axes.axis("off")
        axes.text(0.5, 0.5, "no scores", transform=axes.transAxes, ha="center", fontsize=POINTS)
        return
    good, bad = 100 * model.particle_scores[place], 100 * model.junk_scores[place]
    borders = np.arange(len(good) + 1)
    axes.stairs(good, borders, fill=True, color=picker_color(place), alpha=0.75, label="particles")
    axes.stairs(bad, borders, fill=True, label="junk", **JUNK_STYLE)
    inner = model.score_edges[place]
    chosen = np.unique(np.linspace(0, len(inner) - 1, MAX_TICKS).round().astype(np.int64))
    axes.set_xticks(chosen + 1, [f"{inner[i]:.3g}" for i in chosen])
    axes.xaxis.set_minor_locator(FixedLocator(borders[1:-1].tolist()))
    axes.set_xlim(0, borders[-1])
    axes.set_ylim(0, 1.05 * max(good.max(), bad.max()))
    axes.yaxis.set_major_locator(MaxNLocator(3))
    axes.set_xlabel(f"score{_blind(model)}")
    axes.set_ylabel("share (%)")
    axes.legend(loc="center left", bbox_to_anchor=(1.02, 0.6), frameon=False,
                fontsize=POINTS - 1)  # fmt: skip
    plain(axes, points=POINTS)


# ------------------------------------------------------- observed, expected


def _draw_fit(canvas: SubFigure, model: EnsembleModel) -> None:
    """Observed and expected agreement, and the recall by quality if known."""
    if len(model.quality_edges):
        left, right = canvas.subplots(1, 2, width_ratios=(1.7, 1))
        _draw_quality(right, model)
    else:
        left = canvas.subplots()
    labels, count, expected = _patterns(model)
    rows = np.arange(len(labels))
    observed = left.barh(rows - 0.2, count, 0.36, color=OBSERVED_COLOR, label="observed")
    awaited = left.barh(
        rows + 0.2, expected, 0.36, label=f"expected{_blind(model)}", **EXPECTED_STYLE
    )
    for bars in (observed, awaited):
        numbers = [f"{bar.get_width():,.0f}" for bar in bars]
        left.bar_label(bars, numbers, padding=4, fontsize=NUMBER_POINTS)
    name_rows(left, labels, POINTS)
    left.set_xlim(0, 1.12 * max(1.0, *count, *expected))
    left.set_xlabel("candidates found by exactly these pickers")
    whole_numbers(left.xaxis, 5)
    legend_above(left)
    left.tick_params(axis="y", length=0)
    plain(left, points=POINTS)


def _patterns(model: EnsembleModel) -> Tuple[List[str], Floats, Floats]:
    """Labels, observed and expected counts, the largest first, the rest summed."""
    order = np.lexsort((np.arange(len(model.pattern_count)), -model.pattern_count))
    shown, rest = order[:MAX_PATTERNS], order[MAX_PATTERNS:]
    labels = [_pattern(model.pattern_found[row], model.picker_names) for row in shown]
    columns = [model.pattern_count, model.pattern_expected]
    values = [column[shown] for column in columns]
    if len(rest):
        labels.append(f"{len(rest):,} other combinations")
        values = [np.append(some, column[rest].sum()) for some, column in zip(values, columns)]
    return labels, values[0], values[1]


def _pattern(found: NDArray[np.bool_], names: Sequence[str]) -> str:
    """The pickers by name, or the missing ones, whichever is shorter."""
    short = [short_name(name, PATTERN_LETTERS) for name in names]
    mine = [name for name, is_in in zip(short, found) if is_in]
    others = [name for name, is_in in zip(short, found) if not is_in]
    if len(names) > FEW_PICKERS and not others:
        return f"all {len(names)} pickers"
    if len(names) > FEW_PICKERS and len(others) < len(mine):
        return f"all but {' and '.join(others)}"
    return " + ".join(mine) if len(mine) > 1 else f"{mine[0]} alone"


def _draw_quality(axes: Axes, model: EnsembleModel) -> None:
    """A line for each picker over the groups of micrographs."""
    edges = model.quality_edges
    groups = np.arange(len(edges) - 1)
    for place, name in enumerate(model.picker_names):
        axes.plot(groups, model.quality_recall[:, place], color=picker_color(place), linewidth=2,
                  marker=MARKERS[place % len(MARKERS)], markersize=8, markeredgecolor="white",
                  clip_on=False, label=legend_name(short_name(name, PATTERN_LETTERS)))  # fmt: skip
    labels = [f"{_number(low)} to\n{_number(high)}" for low, high in zip(edges, edges[1:])]
    axes.set_xticks(groups, labels)
    axes.set_xlim(-0.3, len(groups) - 0.7)
    axes.set_ylim(0, 1.02)
    axes.set_xlabel("quality of the micrographs, such as defocus")
    axes.set_ylabel("recall")
    axes.set_title(f"recall by quality{_blind(model)}", fontsize=POINTS + 1)
    axes.grid(axis="y", color=GRID_COLOR, linewidth=0.8)
    legend = axes.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0), frameon=False,
                         fontsize=POINTS - 1)  # fmt: skip
    no_math(legend)
    plain(axes, points=POINTS)


# ---------------------------------------------------------------- shared


def _blind(model: EnsembleModel) -> str:
    """What is said of estimates that the images did not change."""
    return BLIND if is_by_images(model) else ""


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"
