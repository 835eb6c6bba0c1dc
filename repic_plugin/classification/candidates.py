"""Search for the best poses with candidate classes: all classes coarsely, the likely ones fully.

The lowest orders of the circular harmonics, on all rings, suffice to tell which classes an image
may belong to, at a fraction of the work: fewer sums and fewer angles. Each image is then compared
with its most similar classes, and with its own, at full angular resolution.

Nothing is remembered from one iteration to the next, so that a course can be resumed from its
state alone, and images do not depend on each other.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Callable, NamedTuple, Optional

import numpy as np
from numpy.typing import NDArray

from repic_plugin.classification.correlation import (
    Poses,
    best_poses,
    search_pairs,
    shift_grid,
)
from repic_plugin.classification.polar import PolarGrid
from repic_plugin.classification.threads import for_each_chunk

# Classes that each image is fully compared with.
N_CANDIDATES = 16
# Fraction of the orders used to find them.
COARSE_ORDERS = 0.2
# Shifts: step as a fraction of the finest wavelength, and local search range in global steps.
GLOBAL_STEP, LOCAL_RADIUS = 0.375, 0.75
# Every second shift is searched coarsely if steps are below this fraction of the finest wavelength.
FINE_STEP = 0.25
# Shifts searched fully: the one found coarsely and its four neighbours on the grid.
N_NEAR = 5
IMAGES_PER_CHUNK = 128  # divides IMAGES_PER_BLOCK of `ranks`

Samples = NDArray[np.complex64]
Single = NDArray[np.float32]
Labels = NDArray[np.int64]


class SearchShifts(NamedTuple):
    """Shifts of the searches, and the step of the final refinement.

    Attributes
    ----------
    everywhere : ndarray of float64, shape (n_shifts, 2)
        Of the global search, px.
    local : ndarray of float64, shape (n_local, 2)
        Around those found, in half the steps.
    finest_step_px : float
    """

    everywhere: NDArray[np.float64]
    local: NDArray[np.float64]
    finest_step_px: float


def search_shifts(grid: PolarGrid, max_shift_px: float) -> SearchShifts:
    """Shifts up to a maximum, in steps that follow the finest wavelength compared."""
    wavelength = grid.box_size_px / float(grid.rings[-1])
    step = max(1.0, float(np.rint(GLOBAL_STEP * wavelength)))
    if max_shift_px > 0:  # the search must not be coarser than its range
        step = min(step, max_shift_px)
    return SearchShifts(
        shift_grid(max_shift_px, step),
        shift_grid(min(LOCAL_RADIUS * step, max_shift_px), step / 2),
        min(step / 4, max_shift_px),
    )


def likely_poses(
    grid: PolarGrid,
    images: Samples,
    references: Samples,
    some: NDArray[np.int64],
    near: NDArray[np.int64],
    norms: Callable[[slice], Single],
    labels: Optional[Labels] = None,
    n_threads: int = 1,
) -> Poses:
    """Best poses for each image and its candidate references, and estimates for the others.

    With fewer than 2 N_CANDIDATES references all are fully searched.

    Parameters
    ----------
    grid : PolarGrid
    images, references : ndarrays of complex64
        See `best_poses`.
    some : ndarray of int64, shape (n_coarse,)
        Candidates of the coarse search, see `coarse_shifts`.
    near : ndarray of int64, shape (n_candidates, n_near)
        Candidates to search fully where the coarse search found this one, see `near_shifts`.
    norms : callable
        Given a slice of the images, the squared norms of the references as compared with them,
        shape (n, n_references). Candidates are those of smallest norm - 2 score.
    labels : ndarray of int64, shape (n_images,), optional
        A reference of each image that is always among its candidates; none if negative.
    n_threads : int

    Returns
    -------
    Poses
        Those of the candidates are the best ones near the coarse ones. For the others the pose is
        that of the coarse search, and the score is its score plus the smallest amount by which the
        full search raised the score of a candidate of the same image: high orders add less to
        references that resemble the image less.
    """
    if references.shape[0] < 2 * N_CANDIDATES:
        return best_poses(grid, images, references, n_threads)
    coarse = coarse_grid(grid)
    low = slice(coarse.n_coefficients)
    poses = best_poses(coarse, images[:, low], references[:, some, low], n_threads)
    rough = poses.score.copy()
    wanted = np.zeros(rough.shape, np.bool_)

    def choose(rows: slice) -> None:
        wanted[rows] = _most_similar(norms(rows) - 2 * rough[rows])
        if labels is not None:
            i = rows.start + np.flatnonzero(labels[rows] >= 0)
            wanted[i, labels[i]] = True
        candidate, angle = np.divmod(poses.place[rows], coarse.n_angles)
        fine = np.rint(angle * (grid.n_angles / coarse.n_angles)).astype(np.int32)
        poses.place[rows] = some[candidate] * grid.n_angles + fine % grid.n_angles

    def raise_others(rows: slice) -> None:
        gain = np.where(wanted[rows], poses.score[rows] - rough[rows], np.inf)
        poses.score[rows] += np.where(wanted[rows], 0, gain.min(axis=1)[:, None])

    for_each_chunk(choose, len(images), IMAGES_PER_CHUNK, n_threads)
    search_pairs(grid, images, references, wanted, near, poses, n_threads)
    for_each_chunk(raise_others, len(images), IMAGES_PER_CHUNK, n_threads)
    return poses


def coarse_shifts(
    grid: PolarGrid, shifts_px: NDArray[np.float64], mirror: bool
) -> NDArray[np.int64]:
    """Shifts of the coarse search: all, or of fine steps the black squares of the chessboard.

    Parameters
    ----------
    grid : PolarGrid
    shifts_px : ndarray of float64, shape (n_shifts, 2)
        From `shift_grid`.
    mirror : bool
        Whether as many candidates with mirrored references follow.

    Returns
    -------
    ndarray of int64, shape (n,)
    """
    step_px = np.abs(shifts_px[shifts_px != 0]).min(initial=np.inf)
    steps = np.rint(shifts_px / step_px).astype(np.int64)
    is_fine = step_px <= FINE_STEP * grid.box_size_px / float(grid.rings[-1])
    some = np.flatnonzero((steps.sum(axis=1) % 2 == 0) | (not is_fine))
    return np.concatenate((some, some + len(shifts_px))) if mirror else some


def near_shifts(
    shifts_px: NDArray[np.float64], mirror: bool, n_near: int = N_NEAR
) -> NDArray[np.int64]:
    """Each shift of a grid and its nearest neighbours.

    Parameters
    ----------
    shifts_px : ndarray of float64, shape (n_shifts, 2)
    mirror : bool
        Whether as many candidates with mirrored references follow.
    n_near : int

    Returns
    -------
    ndarray of int64, shape (n_shifts or 2 n_shifts, at most n_near)
        Ascending in each row.
    """
    distance = np.hypot(*(shifts_px[:, None] - shifts_px).T)
    near = np.sort(np.argsort(distance, axis=1, kind="stable")[:, :n_near], axis=1)
    return np.concatenate((near, near + len(near))) if mirror else near


def coarse_grid(grid: PolarGrid) -> PolarGrid:
    """Grid of the lowest orders, whose coefficients are the first ones of `grid`."""
    n_orders = max(1, int(np.ceil(COARSE_ORDERS * (grid.n_orders - 1))))
    n_coefficients = int(grid.starts[n_orders])
    return replace(
        grid,
        n_angles=4 * ((n_orders - 1) // 2 + 1),
        order=grid.order[:n_coefficients],
        ring=grid.ring[:n_coefficients],
        starts=grid.starts[: n_orders + 1],
        scale=grid.scale[:n_coefficients],
    )


def _most_similar(dissimilarity: Single) -> NDArray[np.bool_]:
    """Mask of the N_CANDIDATES smallest values of each row."""
    mask = np.zeros(dissimilarity.shape, np.bool_)
    nearest = np.argpartition(dissimilarity, N_CANDIDATES - 1, axis=1)[:, :N_CANDIDATES]
    np.put_along_axis(mask, nearest, True, axis=1)
    return mask
