"""The weights of a consensus: the data that is drawn."""

import numpy as np
import pytest
from matplotlib.colors import to_hex
from matplotlib.text import Text

from repic_plugin.consensus import recommended_number
from repic_plugin.plots import weights_figure
from repic_plugin.plots.colors import CONSENSUS_COLOR
from repic_plugin.plots.weights import MAX_POINTS, member_colors


def quorum_particles(n=300, n_pickers=4, seed=0):
    """Weights as a quorum of 2 gives them, the micrographs and the numbers of members."""
    rng = np.random.default_rng(seed)
    members = rng.integers(2, n_pickers + 1, n)
    return rng.random(n) + members - 2, rng.integers(0, 7, n) * 5, members


def axes_of(figure):
    """Panel of the ranked weights, its twin with their sum, and the histogram."""
    ranked, histogram, twin = figure.axes
    return ranked, twin, histogram


def lines(axes):
    return {line.get_label(): line for line in axes.lines}


def legend(axes):
    return [text.get_text() for text in axes.get_legend().get_texts()]


def test_weights_are_ranked_over_the_whole_data_set():
    weight, micrograph, _ = quorum_particles()
    ranked, twin, _ = axes_of(weights_figure(weight, micrograph))
    line = lines(ranked)["particles"]
    np.testing.assert_array_equal(line.get_ydata(), np.sort(weight)[::-1])
    np.testing.assert_allclose(line.get_xdata(), np.arange(1, 301) / 7)
    sums = lines(twin)["cumulative"]
    np.testing.assert_allclose(sums.get_xdata(), line.get_xdata())
    np.testing.assert_allclose(np.diff(sums.get_ydata()) * weight.sum(), np.sort(weight)[-2::-1])
    assert sums.get_ydata()[-1] == pytest.approx(1)


def test_the_recommended_number_is_where_70_per_cent_are_reached():
    weight, micrograph, _ = quorum_particles()
    ranked, twin, _ = axes_of(weights_figure(weight, micrograph))
    best = recommended_number(weight, micrograph)
    assert set(lines(ranked)[f"to train on (REPIC): {best}"].get_xdata()) == {best}
    assert legend(ranked) == [f"to train on (REPIC): {best}"]
    sums = lines(twin)["cumulative"]
    at_best, before = np.interp([best, best - 1], sums.get_xdata(), sums.get_ydata())
    assert before < 0.7 <= at_best
    (share,) = (line for line in twin.lines if line is not sums)
    assert set(share.get_ydata()) == {0.7}


def test_confidences_are_called_so():
    weight, micrograph, _ = quorum_particles()
    figure = weights_figure(weight / weight.max(), micrograph, rank_by="confidence")
    ranked, twin, histogram = axes_of(figure)
    assert ranked.get_ylabel() == histogram.get_xlabel() == "confidence"
    assert twin.get_ylabel() == "cumulative confidence (thin line)"
    best = recommended_number(weight, micrograph)
    assert legend(ranked) == [f"to train on (REPIC): {best}"]


def test_the_numbers_given_are_marked_even_beyond_the_particles():
    weight, micrograph, _ = quorum_particles()
    ranked, _, _ = axes_of(weights_figure(weight, micrograph, recommended=12, chosen=1500))
    marks = lines(ranked)
    assert set(marks["to train on (REPIC): 12"].get_xdata()) == {12}
    assert set(marks["chosen: 1,500"].get_xdata()) == {1500}
    assert marks["chosen: 1,500"].get_color() == CONSENSUS_COLOR
    assert ranked.get_xlim()[1] > 1500
    assert legend(ranked) == ["to train on (REPIC): 12", "chosen: 1,500"]


def test_each_number_of_members_has_its_part_of_the_curve_and_its_colour():
    weight, micrograph, members = quorum_particles()
    ranked, _, histogram = axes_of(weights_figure(weight, micrograph, n_members=members))
    order = np.argsort(-weight)
    ranks = np.empty(len(weight))
    ranks[order] = np.arange(1, len(weight) + 1) / 7
    for k in (2, 3, 4):
        line = lines(ranked)[f"{k} pickers"]
        mine = order[members[order] == k]
        np.testing.assert_array_equal(line.get_ydata(), weight[mine])
        np.testing.assert_allclose(line.get_xdata(), ranks[mine])
        assert to_hex(line.get_color()) == member_colors(4)[k]
    assert legend(histogram) == [f"{k} pickers: {np.sum(members == k)}" for k in (2, 3, 4)]


def test_the_histogram_counts_each_particle_once():
    weight, micrograph, members = quorum_particles()
    _, _, histogram = axes_of(weights_figure(weight, micrograph, n_members=members))
    colors = member_colors(4)
    for k in (2, 3, 4):
        bars = [bar for bar in histogram.patches if to_hex(bar.get_facecolor()) == colors[k]]
        assert sum(bar.get_height() for bar in bars) == np.sum(members == k)
        inside = [bar.get_x() for bar in bars if bar.get_height()]
        assert k - 2 - 0.1 <= min(inside) < max(inside) <= k - 1
    tops = {}
    for bar in histogram.patches:
        tops[bar.get_x()] = max(tops.get(bar.get_x(), 0), bar.get_y() + bar.get_height())
    assert sum(tops.values()) == len(weight)  # stacked, not over each other


def test_of_a_long_curve_some_points_are_drawn_the_ends_among_them():
    weight, micrograph, _ = quorum_particles(n=50_000)
    ranked, _, _ = axes_of(weights_figure(weight, micrograph))
    drawn = lines(ranked)["particles"].get_ydata()
    assert len(drawn) == MAX_POINTS
    assert (drawn[0], drawn[-1]) == (weight.max(), weight.min())


def test_colours_of_numbers_of_members_differ():
    for largest in (1, 2, 3, 6, 12):
        colors = member_colors(largest)
        assert list(colors) == list(range(1, largest + 1))
        assert len({colors[k] for k in range(2, largest + 1)}) == max(largest - 1, 0)


def test_without_particles_it_says_so():
    figure = weights_figure([], [], n_members=[], chosen=100, title="nothing")
    texts = [text.get_text() for text in figure.findobj(Text) if text.get_text()]
    assert "no particles" in texts
    assert not any(axes.lines for axes in figure.axes)


@pytest.mark.parametrize("weight", [[0.5], [0.0, 0.0], [1e-9] * 4])
def test_few_particles_and_no_weight_are_drawn(weight):
    figure = weights_figure(weight, [0] * len(weight), n_members=[2] * len(weight))
    figure.canvas.draw()
    ranked, _, _ = axes_of(figure)
    assert lines(ranked)["2 pickers"].get_ydata().tolist() == weight


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"weight": [[1.0]]}, r"weight must be numbers, one dimension, got shape \(1, 1\)"),
        ({"weight": [1.0, np.nan]}, "weight must be finite, got 1 NaN or infinite"),
        ({"micrograph": [0]}, r"micrograph must be numbers, one for each of 2 .* \(1,\)"),
        ({"micrograph": [0, -1]}, "micrograph must be whole numbers, 0 or more, got -1"),
        ({"n_members": [2, 2.5]}, "n_members must be whole numbers"),
        ({"n_members": [2]}, "n_members must be numbers, one for each of 2 particles"),
    ],
)
def test_bad_arguments(change, message):
    arguments = {"weight": [1.0, 2.0], "micrograph": [0, 1], **change}
    with pytest.raises(ValueError, match=message):
        weights_figure(**arguments)
