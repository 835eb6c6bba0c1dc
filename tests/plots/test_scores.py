"""Pictures of scores: the data that is drawn."""

import numpy as np
import pytest

from repic_plugin.evaluation import MicrographScores, PickerScores, PrecisionRecall, Scores
from repic_plugin.plots import (
    evaluation_figure,
    per_micrograph_figure,
    precision_recall_figure,
    score_bars_figure,
)
from repic_plugin.plots.colors import CONSENSUS_COLOR, picker_color

LONG = "Topaz, a general model without denoising, second run with threshold {}"


def scores_of(*names, n_reference=100):
    return [
        PickerScores(
            name,
            1000 * i + 80,
            n_reference,
            9,
            0,
            pixel=Scores(1, 3 + i, 1),
            matching=Scores(60 + i, 20, 40 - i),
        )
        for i, name in enumerate(names)
    ]


def curve_of(name, points, area=0.5):
    threshold, precision, recall = np.array(points, dtype=float).reshape(-1, 3).T
    n_picks = np.arange(1, len(threshold) + 1)
    return PrecisionRecall(name, threshold, precision, recall, n_picks, area, 0.6, 1.0)


def rows_of(scores):
    """{(picker, micrograph): (tp, fp, fn)}."""
    return [
        MicrographScores(picker, micrograph, tp + fp, tp + fn, Scores(), Scores(tp, fp, fn))
        for (picker, micrograph), (tp, fp, fn) in scores.items()
    ]


def texts(axes):
    return [text.get_text() for text in axes.texts if text.get_text()]


def legend_of(figure):
    (legend,) = figure.legends
    return [text.get_text() for text in legend.texts]


def draws(figure):
    figure.canvas.draw()  # nothing fails, no warning
    return figure


def inside(figure):
    """All of it lies on the picture, and names on an axis do not touch."""
    draws(figure)
    renderer = figure.canvas.get_renderer()
    drawn_on = figure.get_tightbbox(renderer)  # inches
    width, height = figure.get_size_inches()
    assert drawn_on.x0 >= 0 and drawn_on.y0 >= 0
    assert drawn_on.x1 <= width and drawn_on.y1 <= height
    for axes in figure.axes:
        labels = [label.get_window_extent(renderer) for label in axes.get_yticklabels()]
        assert not any(a.overlaps(b) for a, b in zip(labels, labels[1:]))


# bars


@pytest.mark.parametrize("measure", ["matching", "pixel"])
def test_bars_are_the_scores(measure):
    scores = scores_of("Topaz", "crYOLO", "consensus")
    left, right = score_bars_figure(scores, measure=measure, title="Title").axes
    for one, bars in zip(scores, left.containers):
        expected = [getattr(getattr(one, measure), name) for name in ("precision", "recall", "f1")]
        assert [bar.get_height() for bar in bars] == expected
    values = [getattr(one, measure).f1 for one in scores]
    assert set(texts(left)) >= {f"{value:.2f}" for value in values}
    assert [bars[0].get_width() for bars in right.containers] == [80, 1080, 2080]
    assert texts(right) == ["80", "1,080", "2,080"]
    assert right.get_title() == "reference: 100"
    assert right.lines[0].get_xdata() == [100, 100]


def test_each_picker_has_its_color():
    from matplotlib.colors import to_rgba

    figure = score_bars_figure(scores_of("Scipion consensus run", "a", "b"))
    colors = [bars[0].get_facecolor() for bars in figure.axes[0].containers]
    assert colors == [to_rgba(c) for c in (CONSENSUS_COLOR, picker_color(0), picker_color(1))]
    assert legend_of(figure) == ["Scipion consensus run", "a", "b"]


def test_where_colors_start_again_bars_are_hatched():
    figure = score_bars_figure(scores_of(*"abcdef"))
    hatches = [bars[0].get_hatch() for bars in figure.axes[0].containers]
    assert hatches == [None] * 5 + ["///"]


@pytest.mark.parametrize("n", [1, 2, 6])
def test_long_names_fit(n):
    names = [LONG.format(i) for i in range(n)]
    inside(score_bars_figure(scores_of(*names), title="Title"))
    inside(evaluation_figure(scores_of(*names), [curve_of(name, POINTS) for name in names]))
    inside(precision_recall_figure([curve_of(name, POINTS) for name in names]))
    rows = {(name, LONG.format(m)): (5, m, 2) for name in names for m in range(12)}
    inside(per_micrograph_figure(rows_of(rows)))
    shown = legend_of(score_bars_figure(scores_of(*names)))
    assert len(set(shown)) == n
    assert all(name.startswith("Topaz, a gen") for name in shown)


def test_no_particles_is_said():
    nothing = PickerScores("a", 0, 0, 3, 0, Scores(), Scores())
    figure = draws(score_bars_figure([nothing]))
    assert "no particles" in texts(figure.axes[0])
    assert "no particles" not in texts(score_bars_figure(scores_of("a")).axes[0])


def test_bad_arguments():
    with pytest.raises(ValueError, match="scores must hold one picker or more, got none"):
        score_bars_figure([])
    with pytest.raises(
        ValueError, match=r"measure must be one of \('matching', 'pixel'\), got 'x'"
    ):
        score_bars_figure(scores_of("a"), measure="x")
    with pytest.raises(ValueError, match="curves must hold one"):
        precision_recall_figure([])
    with pytest.raises(ValueError, match="curves must hold one"):
        evaluation_figure(scores_of("a"), [])
    with pytest.raises(ValueError, match="rows must hold one"):
        per_micrograph_figure([])


# curves

POINTS = [(3, 1.0, 0.2), (2, 0.8, 0.4), (1, 0.6, 0.7)]


def drawn(axes, color):
    """Curve and marker of a picker."""
    mine = [line for line in axes.lines if line.get_color() == color]
    return mine[0], mine[1]


def test_curves_are_steps_as_the_area_counts_them():
    figure = precision_recall_figure([curve_of("a", POINTS, 0.54)], title="Title")
    (axes,) = figure.axes
    line, marker = drawn(axes, picker_color(0))
    assert line.get_drawstyle() == "steps-pre"
    assert line.get_xdata().tolist() == [0, 0.2, 0.4, 0.7]
    assert line.get_ydata().tolist() == [1, 1, 0.8, 0.6]
    x, y = line.get_xdata(), line.get_ydata()
    assert np.sum(np.diff(x) * y[1:]) == pytest.approx(0.2 * 1 + 0.2 * 0.8 + 0.3 * 0.6)
    assert (*marker.get_xdata(), *marker.get_ydata()) == (0.7, 0.6)
    assert legend_of(figure) == ["a: average precision 0.540"]


def test_lines_of_equal_f1():
    axes = precision_recall_figure([curve_of("a", POINTS)]).axes[0]
    lines = [line for line in axes.lines if line.get_color() == "0.8"]
    for line, label in zip(lines, texts(axes)):
        recall, precision = line.get_data()
        f1 = 2 * recall * precision / (recall + precision)
        np.testing.assert_allclose(f1, float(label.split()[-1]))
    assert len(lines) == 4


def test_the_pickers_own_threshold_can_be_given():
    curves = [curve_of("a", POINTS), curve_of("b", POINTS)]
    axes = precision_recall_figure(curves, points={"a": (0.4, 0.8)}).axes[0]
    marker = drawn(axes, picker_color(0))[1]
    assert (*marker.get_xdata(), *marker.get_ydata()) == (0.4, 0.8)
    assert len(drawn(axes, picker_color(1))[1].get_xdata()) == 0


def test_without_scores_there_is_a_point_and_without_picks_none():
    curves = [curve_of("a", [(-np.inf, 0.5, 0.6)], np.nan), curve_of("b", [], 0.0)]
    figure = draws(precision_recall_figure(curves))
    line, marker = drawn(figure.axes[0], picker_color(0))
    assert len(line.get_xdata()) == 0
    assert (*marker.get_xdata(), *marker.get_ydata()) == (0.6, 0.5)
    assert legend_of(figure) == ["a: no scores", "b: no picks"]
    assert "no particles" not in texts(figure.axes[0])
    assert "no particles" in texts(precision_recall_figure(curves[1:]).axes[0])


def test_both_in_one_picture():
    figure = draws(evaluation_figure(scores_of("a", "consensus"), [curve_of("a", POINTS)]))
    left, right, curves = figure.axes
    assert len(left.containers) == len(right.containers) == 2
    assert drawn(curves, picker_color(0))[0].get_xdata()[-1] == 0.7


# micrographs

BY_MICROGRAPH = {
    ("a", "good"): (9, 1, 1),
    ("a", "bad"): (1, 9, 9),
    ("a", "void"): (0, 0, 0),
    ("b", "good"): (8, 2, 2),
    ("b", "bad"): (2, 8, 8),
    ("b", "void"): (0, 5, 0),
}


def test_micrographs_are_drawn_and_the_worst_named():
    left, right = draws(per_micrograph_figure(rows_of(BY_MICROGRAPH), title="Title")).axes
    dots = [line for line in left.lines if line.get_linestyle() == "None"]
    assert sorted(dots[0].get_xdata()) == [0.1, 0.9]  # nothing to score on "void"
    assert sorted(dots[1].get_xdata()) == [0.0, 0.2, 0.8]
    assert [label.get_text() for label in left.get_yticklabels()] == [
        "a\nmedian 0.50",
        "b\nmedian 0.20",
    ]
    assert left.get_title() == "3 micrographs"
    assert [label.get_text() for label in right.get_yticklabels()] == ["void", "bad", "good"]
    of_bad = [line for line in right.lines if line.get_marker() in "os" and 0.5 < y_of(line) < 1.5]
    assert [line.get_xdata()[0] for line in of_bad] == [0.1, 0.2]
    assert [line.get_color() for line in of_bad] == [picker_color(0), picker_color(1)]


def y_of(line):
    return line.get_ydata()[0]


def test_only_so_many_are_named():
    right = per_micrograph_figure(rows_of(BY_MICROGRAPH), n_worst=1).axes[1]
    assert [label.get_text() for label in right.get_yticklabels()] == ["void"]


def test_micrographs_without_particles():
    figure = draws(per_micrograph_figure(rows_of({("a", "void"): (0, 0, 0)})))
    assert [texts(axes) for axes in figure.axes] == [["no particles"]] * 2
