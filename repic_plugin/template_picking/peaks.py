"""Peaks of a score map with a minimum distance."""

from __future__ import annotations

from typing import Tuple

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial import cKDTree

# A peak is the maximum within this fraction of the minimum distance, to skip ripples.
REACH = 1 / 3

Floats = NDArray[np.float64]


def find_peaks(
    scores: NDArray[np.float32], min_distance_px: float, min_score: float
) -> Tuple[Floats, Floats]:
    """Local maxima of a score map, best first, without those too close to a better one.

    Parameters
    ----------
    scores : ndarray of float32, shape (height, width)
    min_distance_px : float
        Minimum distance between two peaks.
    min_score : float

    Returns
    -------
    peaks : ndarray of float64, shape (n, 2)
        x, y of the maxima of parabolas through a pixel and its neighbours; the centre of the first
        pixel is (0, 0).
    heights : ndarray of float64, shape (n,)
        Scores of the pixels.
    """
    size = 2 * max(1, int(REACH * min_distance_px)) + 1
    is_peak = (scores == ndimage.maximum_filter(scores, size)) & (scores >= min_score)
    is_peak &= scores > ndimage.minimum_filter(scores, 3)  # no peak where everything is blank
    rows, columns = np.nonzero(is_peak)
    heights = scores[rows, columns].astype(np.float64)
    order = np.argsort(-heights, kind="stable")
    rows, columns, heights = rows[order], columns[order], heights[order]
    padded = np.pad(scores.astype(np.float64), 1, mode="reflect")
    along_x = _top(*(padded[rows + 1, columns + step] for step in range(3)))
    along_y = _top(*(padded[rows + step, columns + 1] for step in range(3)))
    peaks = np.column_stack([columns + along_x, rows + along_y])
    kept = _apart(peaks, min_distance_px)
    return peaks[kept], heights[kept]


def _top(left: Floats, middle: Floats, right: Floats) -> Floats:
    """Position of the maximum of a parabola through three values, -0.5 to 0.5; 0 if flat."""
    bend = 2 * middle - left - right
    top: Floats = np.divide(right - left, 2 * bend, out=np.zeros_like(bend), where=bend > 0)
    return np.clip(top, -0.5, 0.5)


def _apart(points: Floats, distance: float) -> NDArray[np.int64]:
    """Mask of the points that are not too close to an earlier accepted one."""
    free = np.ones(len(points), dtype=bool)
    if len(points):
        pairs = cKDTree(points).query_pairs(np.nextafter(distance, 0), output_type="ndarray")
        pairs = pairs[np.lexsort((pairs[:, 1], pairs[:, 0]))]
        for earlier, later in pairs.tolist():
            if free[earlier]:
                free[later] = False
    return np.flatnonzero(free)
