"""Peaks of a map of scores that keep their distance."""

from __future__ import annotations

from typing import Tuple

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial import cKDTree

# A peak is the highest pixel within this part of the least distance: not every ripple is tried.
REACH = 1 / 3

Floats = NDArray[np.float64]


def find_peaks(
    scores: NDArray[np.float32], min_distance_px: float, min_score: float
) -> Tuple[Floats, Floats]:
    """Local maxima of a map, the best first; those too near a better one are left out.

    Parameters
    ----------
    scores : ndarray of float32, shape (height, width)
    min_distance_px : float
        Between two peaks.
    min_score : float

    Returns
    -------
    peaks : ndarray of float64, shape (n, 2)
        x, y of the tops of parabolas through a pixel and its neighbours, where the centre of the
        first pixel is (0, 0).
    heights : ndarray of float64, shape (n,)
        Scores of the pixels.
    """
    size = 2 * max(1, int(REACH * min_distance_px)) + 1
    is_peak = (scores == ndimage.maximum_filter(scores, size)) & (scores >= min_score)
    is_peak &= scores > ndimage.minimum_filter(scores, 3)  # where all is blank there is no peak
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
    """Where a parabola through three values is highest, from -0.5 to 0.5; 0 where it is flat."""
    bend = 2 * middle - left - right
    top: Floats = np.divide(right - left, 2 * bend, out=np.zeros_like(bend), where=bend > 0)
    return np.clip(top, -0.5, 0.5)


def _apart(points: Floats, distance: float) -> NDArray[np.int64]:
    """Leave out each point that is nearer to an earlier one that is kept."""
    free = np.ones(len(points), dtype=bool)
    if len(points):
        pairs = cKDTree(points).query_pairs(np.nextafter(distance, 0), output_type="ndarray")
        pairs = pairs[np.lexsort((pairs[:, 1], pairs[:, 0]))]
        for earlier, later in pairs.tolist():
            if free[earlier]:
                free[later] = False
    return np.flatnonzero(free)
