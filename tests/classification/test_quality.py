"""Scores of classes on simulated candidates of which some are no particles."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import ndimage

from repic_plugin.classification import classify_particles
from repic_plugin.classification.quality import (
    JUNK_PROBABILITY,
    THRESHOLD_RANGE,
    data_threshold,
    member_probability,
    particle_shares,
)
from tests.classification.particles import classified, particles


def overpicked(seed, snr=0.5, n_per_view=20):
    """Particles of four views among noise, edges and a few spots."""
    found = particles(4, n_per_view, snr, junk_fraction=0.6, random_state=seed)
    images = found.images.copy()
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[-16:16, -16:16]
    strength = 9 * np.sqrt(snr)  # contamination is dense: 9 standard deviations of a particle
    for place, i in enumerate(np.flatnonzero(found.view < 0)):
        turn, offset = rng.uniform(0, 2 * np.pi), rng.uniform(-8, 8)
        if place % 8 == 0:
            images[i] += strength * (np.hypot(x, y) < rng.uniform(2, 5))
        elif place % 2 == 0:
            images[i] += strength / 3 * (x * np.cos(turn) + y * np.sin(turn) > offset)
    return replace(found, images=images)


def weighted_auc(score, is_good, weight):
    """Probability that a good class has a higher score than another, by size."""
    higher = (score[:, None] > score) + 0.5 * (score[:, None] == score)
    pairs = weight[:, None] * weight * is_good[:, None] * ~is_good
    return (higher * pairs).sum() / pairs.sum()


@pytest.fixture(scope="module", params=[0, 1])
def mixed(request):
    found = overpicked(request.param)
    return found, classified(found, 12)


def test_good_classes_score_higher(mixed):
    found, result = mixed
    part = np.bincount(result.labels, found.view >= 0, 12) / result.sizes
    assert weighted_auc(result.quality.score, part > 0.5, result.sizes) >= 0.97


def test_probabilities_say_how_many_are_particles(mixed):
    found, result = mixed
    quality = result.quality
    assert quality.probability[result.labels].mean() == pytest.approx(
        (found.view >= 0).mean(), abs=0.12
    )
    assert quality.member_probability.mean() == pytest.approx((found.view >= 0).mean(), abs=0.12)
    is_right = (quality.member_probability > 0.5) == (found.view >= 0)
    assert is_right.mean() > 0.85


def test_junk_are_the_classes_below_the_threshold(mixed):
    quality, is_junk = mixed[1].quality, mixed[1].is_junk
    assert np.array_equal(is_junk, quality.score < quality.threshold)
    assert np.array_equal(is_junk, quality.probability < 0.5)
    assert 0 < is_junk.sum() < len(is_junk)


@pytest.mark.parametrize("change", [lambda images: -images, lambda images: 50 * images + 7])
def test_neither_contrast_nor_grey_scale_matter(change):
    found = overpicked(2)
    result = classified(found, 10)
    other = classified(replace(found, images=change(found.images)), 10)
    assert np.array_equal(other.labels, result.labels)
    assert other.quality.score == pytest.approx(result.quality.score, abs=0.02)
    assert other.quality.resolution_angstrom == pytest.approx(
        result.quality.resolution_angstrom, nan_ok=True
    )


@pytest.mark.parametrize("n_classes", [2, 6, 12])
def test_noise_is_junk_only(n_classes):
    images = np.random.default_rng(n_classes).normal(size=(180, 32, 32)).astype(np.float32)
    result = classify_particles(images, n_classes)
    assert result.is_junk.all()
    assert result.quality.score.max() < THRESHOLD_RANGE[0]
    assert not result.quality.is_off_centre.any()


def test_classes_between_two_particles_are_off_centre():
    """One of two neighbours is beside the centre, or the centre is between both."""
    found = particles(4, 30, 1.0, max_shift_px=0.0)
    images = found.images.copy()
    beside = np.arange(len(images)) % 3 == 0
    small = np.abs(np.arange(32) - 16) < 11
    cut = np.where(small[:, None] & small, images, 0)
    rest = np.random.default_rng(0).normal(size=images.shape)
    images[beside] = 0.7 * rest[beside] + np.roll(cut, 11, axis=2)[beside]
    images[beside] += np.roll(cut, -11, axis=2)[np.roll(beside, 1)]
    result = classify_particles(images, 6, max_shift_px=2.0, pixel_size_angstrom=8.0)
    part = np.bincount(result.labels, beside, 6) / result.sizes
    assert result.is_junk[part > 0.5].all()
    assert result.quality.is_off_centre[part > 0.9].any()
    assert not result.quality.is_off_centre[part < 0.5].any()


def test_an_empty_class_is_nothing():
    found = particles(4, 20, 1.0)
    result = classified(found, 30, method="kmeans")
    empty = result.sizes == 0
    assert empty.any()
    assert (result.quality.score[empty] == 0).all() or result.quality.score[empty].max() < 1e-12
    assert np.isnan(result.quality.resolution_angstrom[empty]).all()
    assert not result.is_junk[empty].any()


@pytest.mark.parametrize(
    "scores, low, high",
    [
        ([0.05, 0.1, 0.9, 0.95], 0.3, 0.7),
        ([0.2, 0.25, 0.6, 0.65, 0.7], 0.25, 0.6),
        ([0.1, 0.5, 0.55, 0.6], 0.2, 0.5),
    ],
)
def test_the_threshold_lies_between_two_groups(scores, low, high):
    assert low < data_threshold(np.array(scores), np.ones(len(scores), int)) < high


@pytest.mark.parametrize("scores", [[0.01, 0.1, 0.2], [0.8, 0.9], [0.5], [], [0.3, 0.3]])
def test_classes_on_one_side_stay_there(scores):
    scores = np.array(scores)
    found = data_threshold(scores, np.ones(len(scores), int))
    assert THRESHOLD_RANGE[0] <= found <= THRESHOLD_RANGE[1]
    assert len(set(scores >= found)) <= 1


@pytest.mark.parametrize("seed", range(20))
def test_the_threshold_has_the_least_variance_within_the_groups(seed):
    rng = np.random.default_rng(seed)
    scores, sizes = rng.uniform(0.2, 0.8, 9), rng.integers(0, 30, 9)
    values = np.repeat(np.log(scores / (1 - scores)), sizes)
    levels = np.unique(values)

    def within(level):
        groups = values[values < level], values[values >= level]
        return sum(len(one) * one.var() for one in groups)

    best = min(levels[1:], key=within)
    middle = 1 / (1 + np.exp(-(levels[levels < best].max() + best) / 2))
    assert data_threshold(scores, sizes) == pytest.approx(np.clip(middle, *THRESHOLD_RANGE))


def test_the_more_an_image_agrees_with_a_good_class_the_more_probable_it_is():
    labels = np.array([0, 0, 0, 1, 1, 1, -1])
    member = np.array([2.0, 1.0, 0.0, 2.0, 1.0, 0.0, 5.0])
    found = member_probability(np.array([0.9, 0.2]), member, labels)
    assert found[0] > found[1] > found[2]
    assert (found[:3] > found[3:6]).all()
    assert found[6] == 0


@pytest.mark.parametrize("seed", range(3))
def test_noise_among_particles_lies_not_off_centre(seed):
    found = particles(4, 30, 0.5, junk_fraction=0.4, random_state=seed)
    quality = classified(found, 7).quality
    assert not quality.is_off_centre.any()


@pytest.mark.parametrize("seed", range(3))
def test_no_class_of_peaks_of_noise_is_one_of_particles(seed):
    """The negative control: blobs that a detector finds where nothing is."""
    noise = np.random.default_rng(seed).normal(size=(800, 800)).astype(np.float32)
    response = ndimage.gaussian_laplace(noise, 6)
    y, x = np.nonzero(response == ndimage.maximum_filter(response, 24))
    inside = (np.minimum(x, y) >= 16) & (np.maximum(x, y) < 784)
    places = zip(x[inside], y[inside])
    boxes = np.stack([noise[b - 16 : b + 16, a - 16 : a + 16] for a, b in places])
    found = classify_particles(boxes, 8, pixel_size_angstrom=8.0, mask_diameter_px=27)
    assert found.quality.score.max() > THRESHOLD_RANGE[0]  # better than the others, that is all
    assert particle_shares(found.quality.score, found.sizes).max() < 0.5


def test_a_class_of_particles_among_noise_is_found_whatever_the_scores_of_the_others():
    sizes = np.full(4, 40)
    shares = particle_shares(np.array([0.85, 0.55, 0.5, 0.45]), sizes)
    assert shares[0] > 0.9
    assert shares[1:].max() < JUNK_PROBABILITY
