"""Agreement beyond chance: the data that is drawn."""

import warnings

import numpy as np
import pytest

from repic_plugin.consensus import Picks, find_consensus
from repic_plugin.plots import chance_figure
from repic_plugin.plots.chance import MAX_PAIRS
from repic_plugin.simulation import simulate_picks


def measured(n_pickers=3, **values):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        picks = simulate_picks(4, n_pickers, recall=0.5, precision=0.5, **values).picks
        return find_consensus(picks, 180, mode="quorum", quorum=2).agreement


def test_partners_and_chance_of_each_pair_are_drawn():
    agreement = measured()
    left, _ = chance_figure(agreement).axes
    lines, areas = left.patches[::2], left.patches[1::2]
    order = np.argsort(-agreement.partners.sum(axis=1), kind="stable")
    for row, line, area in zip(order, lines, areas):
        np.testing.assert_array_equal(line.get_data().values, agreement.partners[row])
        np.testing.assert_array_equal(area.get_data().values, agreement.chance_partners[row])
    labels = [text.get_text() for text in left.get_legend().get_texts()]
    first, second = agreement.pairs[order[0]]
    assert labels[0].startswith(f"picker_{first + 1}, picker_{second + 1}: ")
    assert f"{agreement.partners[order[0]].sum():,.0f}" in labels[0]


def test_the_rate_is_drawn_by_weight():
    agreement = measured()
    _, right = chance_figure(agreement).axes
    np.testing.assert_array_equal(right.lines[0].get_xdata(), agreement.weight)
    np.testing.assert_array_equal(right.lines[0].get_ydata(), agreement.rate)
    assert right.get_ylim()[1] >= agreement.rate.max()


def test_the_title_says_how_much_is_beyond_chance():
    figure = chance_figure(measured())
    assert figure._suptitle.get_text().startswith("Agreement beyond chance: ")
    assert chance_figure(measured(), title="Mine")._suptitle.get_text() == "Mine"


def test_of_many_pickers_some_pairs_are_drawn():
    agreement = measured(5, picker_names=["$a$", "_b", "c" * 60, "d", "e"])
    figure = chance_figure(agreement)
    left, _ = figure.axes
    assert len(left.get_legend().get_texts()) == MAX_PAIRS
    figure.canvas.draw()


@pytest.mark.filterwarnings("ignore:.*have no score")
def test_without_an_agreement():
    picks = Picks.from_columns([0, 0], [0, 1], [0, 900], [0, 900])
    figure = chance_figure(find_consensus(picks, 180).agreement)
    assert [axes.texts[0].get_text() for axes in figure.axes] == ["no partners", "no particles"]
    figure.canvas.draw()
