"""Class averages on polar rings, with and without one of their members."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Optional

import numpy as np
from numpy.typing import NDArray

from repic_plugin.classification.polar import PolarGrid
from repic_plugin.classification.preparation import PolarImages
from repic_plugin.classification.threads import for_each_chunk

__all__ = ["Alignment", "ClassSums", "aligned_coefficients", "class_sums", "noise_over_signal"]

# The least signal that is assumed on a ring, as a part of what one class average resolves.
MIN_SIGNAL = 1e-4
# The least noise, as a part of the power of the images.
MIN_NOISE = 0.05
IMAGES_PER_CHUNK = 256

Samples = NDArray[np.complex64]
Single = NDArray[np.float32]
Floats = NDArray[np.float64]
Labels = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Alignment:
    """How each image is brought onto its class average: shifted, then mirrored, then turned.

    Attributes
    ----------
    angle : ndarray of float64, shape (n,)
        Radians. Orders m of the coefficients are multiplied by exp(i m angle), which turns the
        content by -angle.
    shift_px : ndarray of float64, shape (n, 2)
        x and y.
    mirror : ndarray of bool, shape (n,)
        Whether x becomes -x.
    """

    angle: NDArray[np.float64]
    shift_px: NDArray[np.float64]
    mirror: NDArray[np.bool_]

    def take(self, rows: Any) -> Alignment:
        """Of some of the images."""
        return Alignment(self.angle[rows], self.shift_px[rows], self.mirror[rows])

    def copy(self) -> Alignment:
        """Arrays of its own."""
        return Alignment(self.angle.copy(), self.shift_px.copy(), self.mirror.copy())

    def put(self, rows: Any, other: Alignment) -> None:
        """Replace that of some of the images, in place."""
        self.angle[rows] = other.angle
        self.shift_px[rows] = other.shift_px
        self.mirror[rows] = other.mirror


@dataclass(frozen=True, eq=False)
class ClassSums:
    """What class averages are made of.

    Attributes
    ----------
    grid : PolarGrid
    total : ndarray of complex64, shape (n_classes, n_coefficients)
        Sum of the weighted images.
    weight : ndarray of float32, shape (n_classes, n_rings)
        Sum of the squared weights.
    prior : ndarray of float32, shape (n_rings,)
        Noise over signal: what the weight is increased by, so that rings without signal vanish
        (Wiener's filter).
    """

    grid: PolarGrid
    total: Samples
    weight: Single
    prior: Single

    def averages(self) -> Samples:
        """Averages, shrunk by how well each ring is known; shape (n_classes, n_coefficients)."""
        return self.total / (self.weight + self.prior)[:, self.grid.ring]

    def averages_without(self, members: Samples, weight: Single, labels: Labels) -> Samples:
        """The average of each image's class as it would be without the image.

        Parameters
        ----------
        members : ndarray of complex64, shape (n, n_coefficients)
            Images as they went into the sums.
        weight : ndarray of float32, shape (n, n_rings)
        labels : ndarray of int64, shape (n,)

        Returns
        -------
        ndarray of complex64, shape (n, n_coefficients)
        """
        left = np.maximum(self.weight[labels] - weight**2, 0) + self.prior
        return (self.total[labels] - members) / left[:, self.grid.ring]


def aligned_coefficients(
    images: PolarImages,
    alignment: Optional[Alignment] = None,
    n_threads: int = 1,
) -> Samples:
    """Weighted coefficients of the images in the frames of their classes.

    Parameters
    ----------
    images : PolarImages
    alignment : Alignment, optional
        As they are, if not given.
    n_threads : int

    Returns
    -------
    ndarray of complex64, shape (n, n_coefficients)
    """
    grid = images.grid
    found = np.empty((len(images), grid.n_coefficients), np.complex64)

    def align(rows: slice) -> None:
        samples = images.samples[rows] * images.weight[rows, :, None]
        if alignment is None:
            found[rows] = grid.coefficients(samples)
            return
        samples *= grid.shift_phases(alignment.shift_px[rows])
        values = grid.coefficients(samples)
        mirror = alignment.mirror[rows]
        values[mirror] = values[mirror].conj()
        turns = np.exp(1j * np.outer(alignment.angle[rows], np.arange(grid.n_orders)))
        found[rows] = values * turns.astype(np.complex64)[:, grid.order]

    for_each_chunk(align, len(images), IMAGES_PER_CHUNK, n_threads)
    return found


def class_sums(images: PolarImages, aligned: Samples, labels: Labels, n_classes: int) -> ClassSums:
    """Add up the images of each class.

    Noise and signal are estimated on each ring, see `noise_over_signal`.

    Parameters
    ----------
    images : PolarImages
    aligned : ndarray of complex64, shape (n, n_coefficients)
        From `aligned_coefficients`.
    labels : ndarray of int64, shape (n,)
        -1 for images in no class.
    n_classes : int

    Returns
    -------
    ClassSums
    """
    grid = images.grid
    n_rings = len(grid.rings)
    total = np.zeros((n_classes, grid.n_coefficients), np.complex64)
    weight, (power, own) = np.zeros((n_classes, n_rings)), np.zeros((2, n_rings))
    order = np.argsort(labels, kind="stable")
    starts = np.searchsorted(labels[order], np.arange(n_classes + 1))
    for k in range(n_classes):
        for first in range(starts[k], starts[k + 1], IMAGES_PER_CHUNK):
            rows = order[first : min(first + IMAGES_PER_CHUNK, starts[k + 1])]
            members, squares = aligned[rows], images.weight[rows] ** 2
            total[k] += members.sum(axis=0)
            weight[k] += squares.sum(axis=0)
            power += grid.power(members).sum(axis=0)
            own += (squares**2).sum(axis=0)
    n_coefficients = np.bincount(grid.ring, minlength=n_rings)
    prior = noise_over_signal(
        power / n_coefficients,
        grid.power(total).sum(axis=0, dtype=np.float64) / n_coefficients,
        own,
        weight.sum(axis=0),
        (weight**2).sum(axis=0),
        weight.mean(axis=0),
    )
    return ClassSums(grid, total, weight.astype(np.float32), prior)


def noise_over_signal(
    power: Floats, excess: Floats, own: Floats, lone: Floats, pairs: Floats, typical: Floats
) -> Single:
    """Noise over signal of a coefficient on each ring, from how class sums exceed sums of noise.

    An image i with weight w is expected to have the power w^2 (w^2 signal + noise) once weighted,
    and a sum over a class, with W the sum of w^2, the power W^2 signal + W noise.

    Parameters
    ----------
    power : ndarray of float64, shape (n_rings,)
        Power of a coefficient, summed over all weighted images.
    excess : ndarray of float64, shape (n_rings,)
        The same, summed over all class sums.
    own, lone, pairs : ndarray of float64, shape (n_rings,)
        Sum of w^4 over the images; sums of W and of W^2 over the classes.
    typical : ndarray of float64, shape (n_rings,)
        Mean W.

    Returns
    -------
    ndarray of float32, shape (n_rings,)
        Positive.
    """
    together = pairs - own  # nothing is known of the signal if each image has a class of its own
    known = together > 1e-6 * pairs
    signal = np.where(known, (excess - power) / np.maximum(together, 1e-12), 0.0)
    noise = np.maximum(power - own * np.maximum(signal, 0), MIN_NOISE * power)
    noise = noise / np.maximum(lone, 1e-12)
    floor = MIN_SIGNAL * noise / np.maximum(typical, 1e-12)
    ratio = noise / np.maximum(np.maximum(signal, floor), 1e-30)
    tiny = np.finfo(np.float32).tiny  # empty rings of empty classes are 0, not 0 / 0
    return np.asarray(np.maximum(ratio, tiny), dtype=np.float32)
