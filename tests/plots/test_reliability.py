"""Reliability diagrams: the data that is drawn."""

import numpy as np
import pytest
from matplotlib.patches import StepPatch
from matplotlib.text import Text

from repic_plugin.evaluation import reliability
from repic_plugin.plots import reliability_figure
from repic_plugin.plots.reliability import share_interval


def outcomes(n=3000, seed=0):
    """Probabilities of which a tenth has none, and outcomes that keep their word."""
    rng = np.random.default_rng(seed)
    probability = rng.random(n)
    probability = probability[(probability < 0.4) | (probability > 0.5)]
    return probability, rng.random(len(probability)) < probability


def words(figure):
    return [text.get_text() for text in figure.findobj(Text)]


def test_points_are_shares_over_mean_probabilities_with_their_intervals():
    probability, is_true = outcomes()
    found = reliability(probability, is_true)
    some = found.count > 0
    assert some.sum() == 9
    figure = reliability_figure(probability, is_true, label="agreed (consensus)")
    upper, lower = figure.axes
    ((line, _, (bars,)),) = upper.containers
    np.testing.assert_allclose(line.get_xdata(), found.mean_probability[some])
    np.testing.assert_allclose(line.get_ydata(), found.share_true[some])
    low, high = share_interval(found.share_true, found.count)
    ends = np.array([segment[:, 1] for segment in bars.get_segments()])
    np.testing.assert_allclose(ends, np.column_stack([low[some], high[some]]))
    assert (ends[:, 0] < line.get_ydata()).all()
    (diagonal,) = (one for one in upper.lines if one.get_label() == "calibrated")
    np.testing.assert_array_equal(diagonal.get_xdata(), diagonal.get_ydata())
    (steps,) = lower.findobj(StepPatch)
    assert steps.get_data()[0].tolist() == found.count.tolist()
    assert "agreed (consensus)" in words(figure)
    told = f"{len(is_true):,} particles, {probability.sum():,.0f} expected to be true, "
    assert f"{told}{is_true.sum():,} are" in words(figure)


def test_intervals_are_wilsons():
    # Brown, Cai and DasGupta 2001, and Wilson's formula by hand
    low, high = share_interval(np.array([0.5, 0.0, 1.0, np.nan]), np.array([10, 10, 10, 0]))
    np.testing.assert_allclose(low, [0.2366, 0.0, 0.7225, np.nan], atol=1e-4)
    np.testing.assert_allclose(high, [0.7634, 0.2775, 1.0, np.nan], atol=1e-4)


def test_without_particles_it_says_so():
    assert "no particles" in words(reliability_figure([], np.zeros(0, bool)))


def test_what_is_no_probability_is_refused():
    with pytest.raises(ValueError, match="probability must lie in"):
        reliability_figure([0.5, 1.5], [True, False])
