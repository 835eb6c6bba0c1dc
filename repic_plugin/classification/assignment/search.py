"""Poses of images in fixed classes: everywhere coarsely, then finely in the most similar."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from repic_plugin.classification.assignment.contrast_prior import NO_SPREAD, ContrastPrior
from repic_plugin.classification.averages import Alignment, aligned_coefficients
from repic_plugin.classification.candidates import (
    coarse_shifts,
    likely_poses,
    near_shifts,
    search_shifts,
)
from repic_plugin.classification.correlation import PairSearch, shift_grid
from repic_plugin.classification.multi_reference import Comparison, moved_averages
from repic_plugin.classification.polar import PolarGrid
from repic_plugin.classification.preparation import PolarImages
from repic_plugin.classification.refinement import refine_against
from repic_plugin.classification.threads import for_each_chunk

# Classes in which the shifts between those of the first search are searched.
N_FINE = 6
IMAGES_PER_CHUNK = 128

Samples = NDArray[np.complex64]
Single = NDArray[np.float32]
Labels = NDArray[np.int64]


class Placed(NamedTuple):
    """Images in their classes.

    Attributes
    ----------
    labels : ndarray of int64, shape (n,)
        The class of smallest dissimilarity.
    compared : ndarray of float32, shape (n, k)
        Dissimilarity to each class.
    alignment : Alignment
        To the class of each image.
    """

    labels: Labels
    compared: Single
    alignment: Alignment


def fine_shifts(grid: PolarGrid, max_shift_px: float) -> NDArray[np.float64]:
    """Shifts searched in the most similar classes, those of the first search among them."""
    local = search_shifts(grid, max_shift_px).local
    radius = float(np.hypot(*local.T).max())
    half_step = float(np.abs(local[local != 0]).min(initial=1.0))
    return shift_grid(max_shift_px + radius, half_step)


class PoseSearch:
    """Comparison of images with fixed averages at all rotations and shifts.

    As in the iterations of a classification, all classes are compared coarsely and the likely ones
    fully (see `candidates`) at the shifts of the global search; the images have not been centred
    before, so those between are searched in the N_FINE most similar classes, and those between
    these in the class of each image.

    Parameters
    ----------
    grid : PolarGrid
    averages : ndarray of complex64, shape (k, n_coefficients)
    max_shift_px : float
    mirror : bool
    prior : ContrastPrior
    """

    def __init__(
        self,
        grid: PolarGrid,
        averages: Samples,
        max_shift_px: float,
        mirror: bool = False,
        prior: ContrastPrior = NO_SPREAD,
    ) -> None:
        self.grid, self.averages, self.prior = grid, averages, prior
        shifts = search_shifts(grid, max_shift_px)
        self._everywhere = moved_averages(grid, averages, shifts.everywhere, mirror)
        self._some = coarse_shifts(grid, shifts.everywhere, mirror)
        self._near = near_shifts(shifts.everywhere, mirror)
        self._n_everywhere = len(shifts.everywhere)
        self._fine_shifts = fine_shifts(grid, max_shift_px)
        self._finely = PairSearch(grid, moved_averages(grid, averages, self._fine_shifts, mirror))
        self._finely_near = near_shifts(self._fine_shifts, mirror, len(shifts.local))
        apart = np.hypot(*(shifts.everywhere[:, None] - self._fine_shifts).T)
        self._as_fine = np.argmin(apart, axis=0)
        self._finest_step_px = shifts.finest_step_px
        self._power = grid.power(averages).T

    def __call__(self, images: PolarImages, n_threads: int = 1) -> Placed:
        """Class and pose of each image, independent of the others and of the number of threads."""
        found = self.compared(images, n_threads)
        labels = found.dissimilarity.argmin(axis=1)

        def own(rows: slice) -> Samples:
            mine: Samples = self.averages[labels[rows]]
            return mine

        alignment, _ = refine_against(
            images, own, found.alignment(labels), self._finest_step_px, n_threads
        )
        return Placed(labels, found.dissimilarity, alignment)

    def compared(self, images: PolarImages, n_threads: int = 1) -> Comparison:
        """Dissimilarity and pose of each image in each class; estimates for the unlikely ones."""
        weighted = aligned_coefficients(images, None, n_threads)

        def norms(rows: slice) -> Single:
            squares: Single = images.weight[rows] ** 2 @ self._power
            return squares

        poses = likely_poses(
            self.grid,
            weighted,
            self._everywhere,
            self._some,
            self._near,
            norms,
            n_threads=n_threads,
        )
        wanted = np.zeros(poses.score.shape, np.bool_)
        n_fine = min(N_FINE, wanted.shape[1])
        before = poses.score.copy()

        def choose(rows: slice) -> None:
            distance = self.prior.distance(poses.score[rows], norms(rows))
            nearest = np.argpartition(distance, n_fine - 1, axis=1)[:, :n_fine]
            np.put_along_axis(wanted[rows], nearest, True, axis=1)
            candidate, angle = np.divmod(poses.place[rows], self.grid.n_angles)
            mirrored, shift = np.divmod(candidate, self._n_everywhere)
            fine = mirrored * len(self._fine_shifts) + self._as_fine[shift]
            poses.place[rows] = fine * self.grid.n_angles + angle

        def finish(rows: slice) -> None:
            score = poses.score[rows]
            gain = np.where(wanted[rows], score - before[rows], np.inf)
            score += np.where(wanted[rows], 0, gain.min(axis=1)[:, None])
            score[:] = self.prior.distance(score, norms(rows)) + images.energy[rows, None]

        for_each_chunk(choose, len(images), IMAGES_PER_CHUNK, n_threads)
        self._finely(weighted, wanted, self._finely_near, poses, n_threads)
        for_each_chunk(finish, len(images), IMAGES_PER_CHUNK, n_threads)
        return Comparison(self.grid, poses.score, poses.place, self._fine_shifts)
