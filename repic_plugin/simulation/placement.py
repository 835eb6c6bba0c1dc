"""Random points in a rectangle with a minimum distance."""

from __future__ import annotations

from typing import Optional, Tuple

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree
from scipy.spatial.distance import cdist

# Candidates drawn together: enough to fill a typical micrograph in one round, few enough to keep
# the table of their mutual distances small.
LARGEST_BATCH = 512
# Rounds without a new point after which the rectangle counts as full.
MAX_BARREN_ROUNDS = 20

Region = Tuple[Tuple[float, float], Tuple[float, float]]


def place_apart(
    n_points: int,
    region: Region,
    min_distance_px: float,
    rng: np.random.Generator,
    *,
    keep_clear: Optional[NDArray[np.float64]] = None,
    what: str = "n_particles",
) -> NDArray[np.float64]:
    """Random points placed one after another, uniformly in the free area.

    Random sequential addition: a uniform candidate is accepted if it is at least
    `min_distance_px` from all points accepted before.

    Parameters
    ----------
    n_points : int
    region : ((x_low, y_low), (x_high, y_high))
        Rectangle, px.
    min_distance_px : float
    rng : numpy.random.Generator
    keep_clear : ndarray of float64, shape (n, 2), optional
        Existing points, which keep the same distance.
    what : str
        Name of the number of points, for the message.

    Returns
    -------
    ndarray of float64, shape (n_points, 2)
        x, y in px.

    Raises
    ------
    ValueError
        If the points do not fit.
    """
    placed = np.empty((0, 2))
    fixed = np.empty((0, 2)) if keep_clear is None else keep_clear
    barren = 0
    while len(placed) < n_points:
        n_missing = n_points - len(placed)
        batch = rng.uniform(*region, size=(min(2 * n_missing + 16, LARGEST_BATCH), 2))
        batch = _clear_of(batch, np.concatenate([fixed, placed]), min_distance_px)
        new = _first_come(batch, min_distance_px)[:n_missing]
        placed = np.concatenate([placed, new])
        barren = 0 if len(new) else barren + 1
        if barren == MAX_BARREN_ROUNDS:
            raise ValueError(
                f"{what} must fit into the micrograph, got {n_points} points at least "
                f"{min_distance_px:g} px apart of which {len(placed)} fit; ask for fewer, "
                "for a smaller distance or box, or for a larger micrograph"
            )
    return placed


def _clear_of(
    points: NDArray[np.float64], others: NDArray[np.float64], distance_px: float
) -> NDArray[np.float64]:
    if not len(others):
        return points
    nearest, _ = cKDTree(others).query(points)
    clear: NDArray[np.float64] = points[nearest >= distance_px]
    return clear


def _first_come(points: NDArray[np.float64], distance_px: float) -> NDArray[np.float64]:
    """Mask of the points that are not too close to an earlier accepted one."""
    far = cdist(points, points) >= distance_px
    free = np.ones(len(points), dtype=bool)
    kept = []
    for i in range(len(points)):
        if free[i]:
            kept.append(i)
            free &= far[i]
    return points[kept]
