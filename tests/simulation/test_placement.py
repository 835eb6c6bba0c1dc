"""Points at random, kept apart."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import cdist, pdist
from scipy.stats import chi2

from repic_plugin.simulation.placement import LARGEST_BATCH, place_apart

UNIT = ((0.0, 0.0), (1.0, 1.0))


@settings(deadline=None, max_examples=50)
@given(st.integers(0, 40), st.floats(0, 0.1), st.integers(0, 2**32))
def test_all_points_keep_their_distance(n_points, distance, seed):
    rng = np.random.default_rng(seed)
    fixed = rng.random((5, 2))
    points = place_apart(n_points, UNIT, distance, rng, keep_clear=fixed)
    assert points.shape == (n_points, 2)
    assert np.all((points >= 0) & (points <= 1))
    assert np.all(pdist(points) >= distance)
    assert np.all(cdist(points, fixed) >= distance)


def test_more_points_than_a_batch():
    points = place_apart(3 * LARGEST_BATCH, UNIT, 0.005, np.random.default_rng(0))
    assert len(points) == 3 * LARGEST_BATCH
    assert pdist(points).min() >= 0.005


def test_points_are_uniform_where_distance_is_no_matter():
    points = place_apart(10_000, ((0, 0), (4, 2)), 0.0, np.random.default_rng(1))
    counts, _, _ = np.histogram2d(*points.T, bins=5, range=((0, 4), (0, 2)))
    assert ((counts - 400) ** 2 / 400).sum() < chi2.isf(1e-6, df=24)


def test_a_full_region_is_an_error_that_tells_how_many_fit():
    with pytest.raises(ValueError, match="of which 1 fit; ask for fewer"):
        place_apart(2, UNIT, 2.0, np.random.default_rng(0))
