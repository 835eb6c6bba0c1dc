"""The minimum score from the scores of noise."""

import numpy as np
import pytest
from scipy import fft

from repic_plugin.template_picking.thresholds import (
    MAX_FALSE_RATIO,
    min_score_from_null,
    phase_randomised,
)


def peaks(n_true, n_false=300, seed=0):
    """Scores of particles and of noise, and a null of the same noise."""
    rng = np.random.default_rng(seed)
    false, null = 0.1 + 0.03 * rng.normal(size=(2, n_false))
    return np.concatenate([0.25 + 0.05 * rng.normal(size=n_true), false]), null, false


@pytest.mark.parametrize("n_true", [20, 100, 400])
def test_about_a_fifth_is_false(n_true):
    rates, losses = [], []
    for seed in range(20):
        scores, null, false = peaks(n_true, seed=seed)
        level = min_score_from_null(scores, null)
        rates.append((false >= level).sum() / (scores >= level).sum())
        losses.append((scores[:n_true] < level).mean())
    assert np.mean(rates) < 1.5 * MAX_FALSE_RATIO
    assert np.mean(losses) < 0.1


def test_the_lowest_level_with_the_ratio_is_taken():
    scores, null, _ = peaks(100)
    level = min_score_from_null(scores, null)
    for other in np.sort(scores):
        few = (null >= other).sum() <= MAX_FALSE_RATIO * (scores >= other).sum()
        assert few == (other >= level) or other > level


def test_of_noise_alone_about_one_peak_remains():
    kept = []
    for seed in range(200):
        scores, null, _ = peaks(0, seed=seed)
        kept.append((scores >= min_score_from_null(scores, null)).sum())
    assert np.mean(kept) < 2


def test_few_particles_that_stand_out_are_kept():
    scores, null, false = peaks(0)
    assert min_score_from_null(np.append(scores, [0.5, 0.6]), null) <= 0.5
    assert false.max() < 0.3


@pytest.mark.parametrize(("scores", "null"), [([], []), ([], [0.4]), ([0.2], [0.4])])
def test_where_nothing_stands_out_nothing_is_kept(scores, null):
    level = min_score_from_null(np.array(scores), np.array(null))
    assert not (np.array(scores) >= level).any()
    assert level <= 1


def test_random_phases_keep_the_spectrum_and_nothing_else():
    image = np.random.default_rng(0).normal(size=(90, 121)).astype(np.float32)
    image[30:50, 40:80] -= 4
    random = phase_randomised(image)
    assert random.shape == image.shape
    power = [np.abs(fft.rfft2(one)) for one in (image, random)]
    np.testing.assert_allclose(power[1][1:, 1:-1], power[0][1:, 1:-1], rtol=0.02, atol=2)
    alike = [
        np.corrcoef(image.ravel(), phase_randomised(image, seed).ravel())[0, 1]
        for seed in range(20)
    ]
    assert abs(np.mean(alike)) < 0.2
    np.testing.assert_array_equal(random, phase_randomised(image))
