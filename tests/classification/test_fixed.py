"""Images that stay as they were aligned: plain distances."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from repic_plugin.classification import fixed
from repic_plugin.classification.averages import Alignment, ClassSums, class_sums
from repic_plugin.classification.fixed import Fixed
from repic_plugin.classification.polar import polar_grid
from tests.classification.pictures import noisy_images, random_poses

GRID = polar_grid(32, 4, 16.0)


def made(labels, n_classes=3, seed=0, n_threads=1):
    """The setting, the class sums, the aligned images and their classes."""
    labels = np.asarray(labels)
    images = noisy_images(GRID, len(labels), seed)
    rotation, shift, mirror = random_poses(len(labels), seed, max_shift_px=0.0)
    setting = Fixed(images, Alignment(np.deg2rad(rotation), shift, mirror), n_threads)
    members = setting.aligned(setting.common)
    return setting, class_sums(images, members, labels, n_classes), members, labels


def distance(images, members, i, average):
    """Squared, of an image from an average as the image shows it; both in the common frame."""
    weight = images.weight[i, GRID.ring].astype(float)
    return np.square(np.abs(members[i] / weight - weight * average)).sum()


@given(st.lists(st.integers(-1, 2), min_size=1, max_size=15), st.integers(1, 6), st.integers(0, 99))
def test_dissimilarity_is_the_squared_distance(labels, per_chunk, seed):
    setting, sums, members, labels = made(labels, seed=seed)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fixed, "IMAGES_PER_CHUNK", per_chunk)
        whole = setting.compare(sums).dissimilarity
        found = setting.compare(sums, members, labels).dissimilarity
    assert whole.shape == found.shape == (len(labels), 3)
    averages = sums.averages()
    slack = 1e-4 * setting.images.energy.max()
    for i, own in enumerate(labels):
        for k in range(3):
            expected = distance(setting.images, members, i, averages[k])
            assert whole[i, k] == pytest.approx(expected, abs=slack)
            if k == own:
                rest = (labels == k) & (np.arange(len(labels)) != i)
                weight = (setting.images.weight[rest] ** 2).sum(axis=0) + sums.prior
                average = members[rest].sum(axis=0) / weight[GRID.ring]
                expected = distance(setting.images, members, i, average)
            assert found[i, k] == pytest.approx(expected, abs=slack)


def test_nothing_is_turned_whatever_the_class():
    setting, sums, members, labels = made([0, 1, 2, 0])
    found = setting.compare(sums, members, labels)
    for chosen in (labels, np.array([2, 2, 2, 2])):
        assert found.alignment(chosen) is setting.common
    other = Alignment(np.ones(4), np.ones((4, 2)), np.zeros(4, dtype=bool))
    assert setting.aligned(other) is setting.weighted


def test_an_average_of_nothing_is_as_far_as_the_image_is_large():
    setting, _, _, _ = made([0, 1, 2, 0])
    rings = len(GRID.rings)
    nothing = ClassSums(
        GRID,
        np.zeros((2, GRID.n_coefficients), np.complex64),
        np.zeros((2, rings), np.float32),
        np.ones(rings, np.float32),
    )
    found = setting.compare(nothing).dissimilarity
    assert np.allclose(found, setting.images.energy[:, None], rtol=1e-6)


def test_any_number_of_threads_finds_the_same(monkeypatch):
    monkeypatch.setattr(fixed, "IMAGES_PER_CHUNK", 7)
    one, three = (made(np.arange(40) % 4 - 1, n_threads=n) for n in (1, 3))
    found = [setting.compare(*rest).dissimilarity for setting, *rest in (one, three)]
    assert np.array_equal(*found)
