"""Multi-reference alignment, one of three ways to compare images with averages."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Optional, Tuple

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from repic_plugin.classification.averages import Alignment, ClassSums, aligned_coefficients
from repic_plugin.classification.candidates import coarse_shifts, likely_poses, near_shifts
from repic_plugin.classification.polar import PolarGrid
from repic_plugin.classification.preparation import PolarImages
from repic_plugin.classification.threads import for_each_chunk

IMAGES_PER_CHUNK = 128  # divides IMAGES_PER_BLOCK of `ranks`

Samples = NDArray[np.complex64]
Single = NDArray[np.float32]
Labels = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Comparison:
    """Comparison of all images with all class averages.

    Attributes
    ----------
    dissimilarity : ndarray of float32, shape (n, n_classes)
        Squared distance, at the best rotation and shift, between an image and the average
        multiplied by the image's CTF.
    place : ndarray of int32, shape (n, n_classes)
        Position of the best rotation and shift, see `Poses`.
    """

    grid: PolarGrid
    dissimilarity: Single
    place: NDArray[np.int32]
    shifts_px: NDArray[np.float64]

    def alignment(self, labels: Labels) -> Alignment:
        """Alignment of the images to the averages of the given classes."""
        place = self.place[np.arange(len(labels)), np.maximum(labels, 0)]
        candidate, angle = np.divmod(place, self.grid.n_angles)
        turn = 2 * np.pi * angle / self.grid.n_angles
        mirror = candidate >= len(self.shifts_px)
        # The average was shifted by u in its own frame. Mirrored images were compared as
        # conj(a) exp(i m phi), whose correlation with b is that of a exp(-i m phi) with conj(b).
        turn = np.where(mirror, -turn, turn)
        u = self.shifts_px[candidate % len(self.shifts_px)]
        cos, sin = np.cos(turn), np.sin(turn)
        shift = -np.column_stack((cos * u[:, 0] - sin * u[:, 1], sin * u[:, 0] + cos * u[:, 1]))
        shift[mirror, 0] *= -1
        return Alignment(turn, shift, mirror)


class MultiReference:
    """Multi-reference alignment (MRA): comparison at all rotations and shifts.

    Parameters
    ----------
    images : PolarImages
    shifts_px : ndarray of float64, shape (n_shifts, 2)
        Shifts to search.
    mirror : bool
        Whether to search mirrored images as well.
    n_threads : int
    """

    def __init__(
        self,
        images: PolarImages,
        shifts_px: NDArray[np.float64],
        *,
        mirror: bool = False,
        n_threads: int = 1,
    ) -> None:
        self.images = images
        self.shifts_px = shifts_px
        self.mirror = mirror
        self.n_threads = n_threads
        self.weighted = aligned_coefficients(images, None, n_threads)

    def take(self, rows: Labels) -> MultiReference:
        """Multi-reference alignment of some of the images."""
        part = copy.copy(self)
        part.images = self.images.take(rows)
        part.weighted = self.weighted[rows]
        return part

    def aligned(self, alignment: Alignment) -> Samples:
        """Weighted coefficients of the images in the frames of their classes."""
        return aligned_coefficients(self.images, alignment, self.n_threads)

    def compare(
        self, sums: ClassSums, members: Optional[Samples] = None, labels: Optional[Labels] = None
    ) -> Comparison:
        """Comparison of each image with each average.

        Parameters
        ----------
        sums : ClassSums
        members, labels : ndarrays, optional
            The aligned images in `sums` and their classes: the dissimilarity to an image's own
            class is then computed with the average of the others. Otherwise an image matches its
            own noise there, and hardly ever changes class.
        """
        grid = self.images.grid
        averages = self._seen(sums.averages())
        moved = moved_averages(grid, averages, self.shifts_px, self.mirror)
        power = grid.power(averages).T

        def norms(rows: slice) -> Single:
            squares: Single = self.images.weight[rows] ** 2 @ power
            return squares

        some = coarse_shifts(grid, self.shifts_px, self.mirror)
        near = near_shifts(self.shifts_px, self.mirror)
        poses = likely_poses(grid, self.weighted, moved, some, near, norms, labels, self.n_threads)
        found = Comparison(grid, poses.score, poses.place, self.shifts_px)

        def subtract(rows: slice) -> None:  # in place: there may be a million rows
            found.dissimilarity[rows] *= -2
            found.dissimilarity[rows] += norms(rows)
            found.dissimilarity[rows] += self.images.energy[rows, None]

        for_each_chunk(subtract, len(self.images), IMAGES_PER_CHUNK, self.n_threads)
        if members is not None and labels is not None:
            self._leave_one_out(found, sums, members, labels)
        return found

    def _seen(self, averages: Samples) -> Samples:
        """Averages in the form used for the comparison."""
        return averages

    def _leave_one_out(
        self, found: Comparison, sums: ClassSums, members: Samples, labels: Labels
    ) -> None:
        """Compare each image with its class average without the image, in place.

        At the shift found with the whole average; all rotations are searched again.
        """
        images, grid = self.images, self.images.grid
        phases = grid.shift_phases(self.shifts_px)

        def correct(rows: slice) -> None:
            i = rows.start + np.flatnonzero(labels[rows] >= 0)
            k = labels[i]
            others = self._seen(sums.averages_without(members[i], images.weight[i], k))
            candidate = found.place[i, k] // grid.n_angles
            moved = grid.coefficients(grid.samples(others) * phases[candidate % len(phases)])
            mirror = candidate >= len(phases)
            moved[mirror] = moved[mirror].conj()
            score, angle = best_rotations(grid, self.weighted[i] * moved.conj())
            norm = np.einsum("ir,ir->i", images.weight[i] ** 2, grid.power(others))
            found.dissimilarity[i, k] = images.energy[i] + norm - 2 * score
            found.place[i, k] = candidate * grid.n_angles + angle

        for_each_chunk(correct, len(labels), IMAGES_PER_CHUNK, self.n_threads)


def moved_averages(
    grid: PolarGrid, averages: Samples, shifts_px: NDArray[np.float64], mirror: bool
) -> Samples:
    """Averages under all shifts, followed by the mirrored ones.

    Parameters
    ----------
    grid : PolarGrid
    averages : ndarray of complex64, shape (n_classes, n_coefficients)
    shifts_px : ndarray of float64, shape (n_shifts, 2)
    mirror : bool

    Returns
    -------
    ndarray of complex64, shape (n_classes, n_shifts or 2 n_shifts, n_coefficients)
    """
    samples = grid.samples(averages)
    phases = grid.shift_phases(shifts_px)
    moved = np.stack([grid.coefficients(samples * phase) for phase in phases], axis=1)
    return np.concatenate((moved, moved.conj()), axis=1) if mirror else moved


def best_rotations(
    grid: PolarGrid, products: Samples, finer: int = 1
) -> Tuple[Single, NDArray[np.int64]]:
    """Maximum correlation over all angles, and its angle, for one reference per image.

    Parameters
    ----------
    grid : PolarGrid
    products : ndarray of complex64, shape (n, n_coefficients)
        Image times conjugate reference.
    finer : int
        Angles are searched in steps of a turn / (finer * n_angles).

    Returns
    -------
    score : ndarray of float32, shape (n,)
    angle : ndarray of int64, shape (n,)
        In steps.
    """
    sums = np.add.reduceat(products, grid.starts[:-1], axis=1)
    spectrum = np.zeros((len(sums), finer * grid.n_angles), np.complex64)
    spectrum[:, : grid.n_orders] = sums
    curve = fft.ifft(spectrum, axis=1, overwrite_x=True, norm="forward").real
    angle = curve.argmax(axis=1)
    return curve[np.arange(len(curve)), angle], angle
