"""Curves of an iterative run: the data that is drawn."""

import math

import numpy as np
import pytest

from repic_plugin.iteration import IterationRow
from repic_plugin.plots import iterations_figure
from repic_plugin.plots.colors import CONSENSUS_COLOR


def row(iteration, name, subset, n, agreement, *scores):
    return IterationRow(iteration, name, subset, 3, n, agreement, *(scores or (math.nan,) * 3))


ROWS = [
    row(k, name, subset, 10 * k + i, math.nan if name == "consensus" else 0.1 * k + 0.01 * i,
        0.2 + 0.1 * k, 0.3 + 0.1 * i, 0.5)
    for k in range(3)
    for subset in ("testing", "all")
    for i, name in enumerate(("Topaz", "Template", "consensus"))
]  # fmt: skip


def lines_of(figure, label):
    axes = next(one for one in figure.axes if one.get_ylabel() == label)
    return {line.get_label(): line for line in axes.lines}


def test_the_lines_are_the_table():
    figure = iterations_figure(ROWS, subset="testing")
    fields = {"particles": "n_particles", "agreement with the consensus": "agreement",
              "precision": "precision", "recall": "recall", "F1": "f1"}  # fmt: skip
    for label, field in fields.items():
        lines = lines_of(figure, label)
        assert list(lines) == ["Topaz", "Template", "consensus"]
        for name, line in lines.items():
            mine = [one for one in ROWS if one.name == name and one.subset == "testing"]
            assert line.get_xdata().tolist() == [0, 1, 2]
            np.testing.assert_array_equal(line.get_ydata(), [getattr(o, field) for o in mine])
        assert lines["consensus"].get_color() == CONSENSUS_COLOR
        markers = {line.get_marker() for line in lines.values()}
        assert len(markers) == 3  # told apart without colours


def test_without_a_reference_there_are_two_panels():
    plain = [one._replace(precision=math.nan, recall=math.nan, f1=math.nan) for one in ROWS]
    labels = [axes.get_ylabel() for axes in iterations_figure(plain).axes]
    assert labels == ["particles", "agreement with the consensus"]


def test_only_the_subset_counts():
    figure = iterations_figure([*ROWS, row(9, "Topaz", "training", 999, 1.0)], subset="all")
    assert lines_of(figure, "particles")["Topaz"].get_xdata().tolist() == [0, 1, 2]


@pytest.mark.parametrize("rows", [[], ROWS])
def test_a_subset_that_is_not_there_is_told(rows):
    with pytest.raises(ValueError, match="rows must hold the subset 'validation', got"):
        iterations_figure(rows, subset="validation")


def test_one_iteration_is_drawn():
    figure = iterations_figure([one for one in ROWS if one.iteration == 0])
    figure.canvas.draw()
    assert lines_of(figure, "F1")["Topaz"].get_ydata().tolist() == [0.5]
