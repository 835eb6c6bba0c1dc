"""Runs of a consensus side by side."""

import numpy as np
import pytest

from repic_plugin.plots import runs_figure

NAN = np.nan


def drawn(n=(100, 80), precision=(0.75, NAN), recall=(0.5, NAN), agreement=(0.3, 0.6)):
    interval = np.where(np.isnan(recall), NAN, 0)[:, None] + np.array([0.4, 0.9])
    names = [f"run {i}" for i in range(len(n))]
    figure = runs_figure(names, n, precision, recall, interval, agreement)
    figure.canvas.draw()
    return figure, *figure.axes


def bars_of(axes):
    return {
        one.get_label(): [(bar.get_x(), bar.get_width()) for bar in one] for one in axes.containers
    }


def test_bars_are_particles_divided_by_precision():
    _, bars, _ = drawn()
    found = bars_of(bars)
    assert found["expected to be true"] == [(0, pytest.approx(75))]
    assert found["expected to be false"] == [(pytest.approx(75), pytest.approx(25))]
    assert found["precision not known"] == [(0, 80)]
    assert [one.get_text() for one in bars.texts] == ["100", "80"]
    assert [one.get_text() for one in bars.get_yticklabels()] == ["run 0", "run 1"]


def test_only_what_is_known_is_drawn():
    _, bars, dots = drawn(precision=(NAN, NAN), recall=(NAN, NAN))
    assert list(bars_of(bars)) == ["precision not known"]
    assert [one.get_text() for one in dots.get_legend().get_texts()] == ["agreement"]
    assert dots.containers[0].lines[0].get_xdata().tolist() == [0.3, 0.6]


def test_the_interval_is_that_of_the_recall():
    _, _, dots = drawn()
    by_label = {one.get_label(): one for one in dots.containers}
    (line,) = by_label["expected recall (95 %)"].lines[2]
    np.testing.assert_allclose(line.get_segments()[0][:, 0], [0.4, 0.9])
    assert not by_label["expected precision"].lines[2]


def test_marks_of_one_run_do_not_hide_each_other():
    _, _, dots = drawn(precision=(0.9, 0.9), recall=(0.9, 0.9), agreement=(0.9, 0.9))
    heights = [tuple(one.lines[0].get_ydata()) for one in dots.containers]
    assert len(set(heights)) == 3


def test_columns_must_match_and_no_run_is_said():
    with pytest.raises(ValueError, match=r"precision must have shape \(1,\), got \(2,\)"):
        runs_figure(["a"], [1], [1, 2], [1], [[1, 1]], [1])
    nothing = runs_figure([], [], [], [], np.zeros((0, 2)), [])
    assert [one.get_text() for one in nothing.texts] == ["no particles"]
