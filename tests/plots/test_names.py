"""Names are drawn as they are: matplotlib would hide some and read others as formulas."""

import numpy as np
import pytest

from repic_plugin.iteration import IterationRow
from repic_plugin.plots import evaluation_figure, fsc_figure, iterations_figure
from repic_plugin.plots.overlay import Layer, overlay_figure
from tests.plots.test_fsc import curve
from tests.plots.test_scores import curve_of, scores_of

NAMES = ("_topaz", "a$^{$b", "$x$", "plain")


def scores_figure():
    return evaluation_figure(scores_of(*NAMES), [curve_of(one, [(1, 0.5, 0.5)]) for one in NAMES])


def iterative_figure():
    rows = [IterationRow(k, one, "all", 3, 9, 0.5, 0.5, 0.5, 0.5) for k in (0, 1) for one in NAMES]
    return iterations_figure(rows, subset="all")


def boxes_figure():
    image = np.random.default_rng(0).normal(size=(60, 60)).astype("f4")
    layers = [Layer(one, np.array([[30.0, 30.0]]), 20) for one in NAMES]
    return overlay_figure(image, layers, title="$^{$")


def shells_figure():
    return fsc_figure({one: curve(0.1) for one in NAMES}, title="$^{$")


@pytest.mark.parametrize("make", [scores_figure, iterative_figure, boxes_figure, shells_figure])
def test_every_name_is_in_the_legend_as_it_is(make):
    figure = make()
    figure.canvas.draw()  # a name that is no formula would fail here
    legends = [*figure.legends, *(one.legend_ for one in figure.axes if one.legend_)]
    for sub in figure.subfigs:
        legends += [*sub.legends, *(one.legend_ for one in sub.axes if one.legend_)]
    assert legends
    for legend in legends:
        texts = [text.get_text().strip() for text in legend.get_texts()]
        assert len(texts) == len(NAMES)
        for name, text in zip(NAMES, texts):
            assert text.startswith(name)
        assert not any(text.get_parse_math() for text in legend.get_texts())
