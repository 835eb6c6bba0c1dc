"""Peaks of a map that keep their distance."""

import numpy as np
import pytest
from scipy import ndimage
from scipy.spatial.distance import pdist

from repic_plugin.template_picking.peaks import find_peaks


def smooth_map(seed, shape=(80, 90)):
    noise = np.random.default_rng(seed).normal(size=shape)
    return ndimage.gaussian_filter(noise, 2).astype(np.float32)


def bumps(centers, heights, shape=(60, 70), width=3.0):
    y, x = np.mgrid[: shape[0], : shape[1]]
    return np.sum(
        [
            h * np.exp(-((x - u) ** 2 + (y - v) ** 2) / width**2)
            for (u, v), h in zip(centers, heights)
        ],
        axis=0,
    ).astype(np.float32)


@pytest.mark.parametrize("distance", [1, 4, 9.5, 30])
def test_peaks_keep_their_distance_and_the_best_come_first(distance):
    scores = smooth_map(0)
    peaks, heights = find_peaks(scores, distance, -1)
    assert (np.diff(heights) <= 0).all()
    assert len(peaks) < 2 or pdist(peaks).min() >= distance
    assert heights[0] == scores.max()


def test_what_is_left_out_is_too_near_a_better_one():
    scores = smooth_map(1)
    peaks, heights = find_peaks(scores, 12, -1)
    tops, of_tops = find_peaks(scores, 1, -1)
    size = 2 * (12 // 3) + 1
    highest_around = ndimage.maximum_filter(scores, size)
    for top, height in zip(tops, of_tops):
        x, y = np.rint(top).astype(int)
        if scores[y, x] < highest_around[y, x]:
            continue  # a ripple beside a peak
        gap = np.linalg.norm(peaks - top, axis=1)
        assert gap.min() == 0 or (heights[gap < 12] > height).any()


def test_tops_lie_between_pixels():
    centers = [(20.3, 15.2), (50.0, 40.45)]
    peaks, _ = find_peaks(bumps(centers, [1.0, 0.8]), 5, 0.1)
    np.testing.assert_allclose(peaks, centers, atol=0.05)


def test_only_peaks_that_are_high_enough():
    scores = bumps([(20, 15), (50, 40)], [1.0, 0.5])
    assert len(find_peaks(scores, 5, 0.4)[0]) == 2
    assert len(find_peaks(scores, 5, 0.6)[0]) == 1
    assert len(find_peaks(scores, 5, 1.1)[0]) == 0


def test_a_flat_map_has_no_peak():
    assert len(find_peaks(np.zeros((200, 200), np.float32), 5, -1)[0]) == 0
