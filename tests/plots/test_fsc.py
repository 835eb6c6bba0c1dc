"""Fourier shell correlations: the data that is drawn."""

import numpy as np
import pytest

from repic_plugin.evaluation import ShellCorrelation
from repic_plugin.plots import fsc_figure
from repic_plugin.plots.colors import picker_color

FREQUENCY = np.arange(11) / 50


def curve(*middle):
    """Falling from 1 to 0, with the crossing of 0.5 at a frequency that is given."""
    (crossing,) = middle
    return ShellCorrelation(
        FREQUENCY, np.clip(1 - 0.5 * FREQUENCY / crossing, 0, 1), np.full(11, 99)
    )


CURVES = {"consensus": curve(0.1), "Topaz": curve(0.05)}


def lines_of(figure):
    (axes,) = figure.axes
    return [line for line in axes.lines if len(line.get_xdata()) > 2]


def labels_of(figure):
    return [text.get_text() for text in figure.legends[0].get_texts()]


def test_the_lines_are_the_curves():
    lines = lines_of(fsc_figure(CURVES))
    assert len(lines) == 2
    for place, (line, one) in enumerate(zip(lines, CURVES.values())):
        # all but the shell of the mean
        np.testing.assert_array_equal(line.get_xdata(), one.frequency[1:])
        np.testing.assert_array_equal(line.get_ydata(), one.correlation[1:])
        assert line.get_color() == picker_color(place)


def test_the_legend_gives_the_resolutions():
    labels = labels_of(fsc_figure(CURVES, thresholds=(0.5, 0.143)))
    assert labels[0].startswith("consensus: 10.00 Å at 0.5, ")
    assert labels[1].startswith("Topaz: 20.00 Å at 0.5, ")
    assert labels[1].endswith(" Å at 0.143")
    assert labels_of(fsc_figure(CURVES, thresholds=())) == ["consensus", "Topaz"]


def test_a_map_that_does_not_agree():
    poor = ShellCorrelation(FREQUENCY, np.full(11, 0.2), np.full(11, 99))
    text = "noise: 5.00 Å or finer at 0.143, none at 0.5"
    assert labels_of(fsc_figure({"noise": poor})) == [text]


@pytest.mark.parametrize("thresholds", [(), (0.5,), (0.143, 0.5)])
def test_the_thresholds_are_drawn(thresholds):
    (axes,) = fsc_figure(CURVES, thresholds=thresholds).axes
    heights = [line.get_ydata()[0] for line in axes.lines if len(line.get_xdata()) == 2]
    assert sorted(heights) == [0, *thresholds]
    assert [text.get_text() for text in axes.texts] == [f"{one:g}" for one in thresholds]


def test_ticks_say_the_resolution():
    figure = fsc_figure(CURVES)
    figure.canvas.draw()
    (axes,) = figure.axes
    texts = [label.get_text() for label in axes.get_xticklabels()]
    assert texts[0] == "0"
    assert "0.1\n10 Å" in texts
    assert axes.get_xlim() == (0, 0.2)


def test_negative_correlations_are_seen():
    opposite = ShellCorrelation(FREQUENCY, np.full(11, -0.9), np.full(11, 99))
    (axes,) = fsc_figure({"opposite": opposite}).axes
    assert axes.get_ylim()[0] < -0.9


def test_long_names_stay_within_the_picture():
    name = "a very long name of a map from a particle set of crYOLO, general model, " * 2
    curves = {f"{name}{i}": curve(0.02 + 0.02 * i) for i in range(6)}
    figure = fsc_figure(curves, title="maps")
    figure.canvas.draw()
    box = figure.legends[0].get_window_extent()
    assert box.x0 >= 0
    assert box.x1 <= figure.bbox.x1
    assert box.y1 < figure.axes[0].get_window_extent().y0
    assert figure.axes[0].get_window_extent().height > 0.35 * figure.bbox.height
    assert figure.axes[0].get_title(loc="left") == "maps"


def test_more_maps_than_colours_differ_by_dashes():
    lines = lines_of(fsc_figure({str(i): curve(0.02 + 0.01 * i) for i in range(7)}))
    assert len({(line.get_color(), line.get_linestyle()) for line in lines}) == 7


def test_no_curves():
    with pytest.raises(ValueError, match="curves must hold one or more maps, got none"):
        fsc_figure({})
