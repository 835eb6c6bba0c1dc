"""Class averages on polar rings, including and excluding a member."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Callable, Optional

import numpy as np
from numpy.typing import NDArray

from repic_plugin.classification.exact_sums import steadying
from repic_plugin.classification.polar import PolarGrid
from repic_plugin.classification.preparation import PolarImages
from repic_plugin.classification.ranks import ALONE, Ranks
from repic_plugin.classification.threads import for_each_chunk
from repic_plugin.compiled import compiled

# Minimum signal assumed on a ring, as a fraction of what one class average resolves.
MIN_SIGNAL = 1e-4
# Minimum noise, as a fraction of the power of the images.
MIN_NOISE = 0.05
IMAGES_PER_CHUNK = 128  # divides IMAGES_PER_BLOCK of `ranks`

Samples = NDArray[np.complex64]
Single = NDArray[np.float32]
Floats = NDArray[np.float64]
Labels = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Alignment:
    """Alignment of each image to its class average: shift, then mirror, then rotation.

    Attributes
    ----------
    angle : ndarray of float64, shape (n,)
        Radians. Coefficients of order m are multiplied by exp(i m angle), which rotates the
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
        """Alignment of some of the images."""
        return Alignment(self.angle[rows], self.shift_px[rows], self.mirror[rows])

    def carried(self, carry: Callable[[NDArray[Any]], NDArray[Any]]) -> Alignment:
        """Alignment with `carry` applied to each column."""
        return Alignment(carry(self.angle), carry(self.shift_px), carry(self.mirror))

    def copy(self) -> Alignment:
        """Copy of the alignment with new arrays."""
        return self.carried(np.copy)

    def put(self, rows: Any, other: Alignment) -> None:
        """Replace the alignment of some of the images, in place."""
        self.angle[rows] = other.angle
        self.shift_px[rows] = other.shift_px
        self.mirror[rows] = other.mirror


@dataclass(frozen=True, eq=False)
class ClassSums:
    """Sums from which class averages are computed.

    Attributes
    ----------
    grid : PolarGrid
    total : ndarray of complex64, shape (n_classes, n_coefficients)
        Sum of the weighted images.
    weight : ndarray of float32, shape (n_classes, n_rings)
        Sum of the squared weights.
    prior : ndarray of float32, shape (n_rings,)
        Noise-to-signal ratio, which is added to the weight (Wiener filter).
    """

    grid: PolarGrid
    total: Samples
    weight: Single
    prior: Single

    def averages(self) -> Samples:
        """Wiener-filtered class averages, shape (n_classes, n_coefficients)."""
        return self.total / (self.weight + self.prior)[:, self.grid.ring]

    def averages_without(self, members: Samples, weight: Single, labels: Labels) -> Samples:
        """Average of each image's class without the image.

        Parameters
        ----------
        members : ndarray of complex64, shape (n, n_coefficients)
            Images as added to the sums.
        weight : ndarray of float32, shape (n, n_rings)
        labels : ndarray of int64, shape (n,)

        Returns
        -------
        ndarray of complex64, shape (n, n_coefficients)
        """
        left = np.maximum(self.weight[labels] - weight**2, 0) + self.prior
        return (self.total[labels] - members) / left[:, self.grid.ring]


def aligned_coefficients(
    images: PolarImages, alignment: Optional[Alignment] = None, n_threads: int = 1
) -> Samples:
    """Weighted coefficients of the images in the frames of their classes.

    Parameters
    ----------
    images : PolarImages
    alignment : Alignment, optional
        No alignment by default.
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


def class_sums(
    images: PolarImages, aligned: Samples, labels: Labels, n_classes: int, ranks: Ranks = ALONE
) -> ClassSums:
    """Sums of the images of each class over all ranks.

    The sums do not depend on the order of the images. Noise and signal are estimated on each ring,
    see `noise_over_signal`.

    Parameters
    ----------
    images : PolarImages
    aligned : ndarray of complex64, shape (n, n_coefficients)
        From `aligned_coefficients`.
    labels : ndarray of int64, shape (n,)
        -1 for images in no class.
    n_classes : int
    ranks : Ranks
    """
    grid = images.grid
    n_rings = len(grid.rings)
    summed = np.zeros((n_classes, 2 * grid.n_coefficients + n_rings))
    rings = np.zeros((2, n_rings))
    parts = aligned.view(np.float32)
    _add_up(
        parts,
        images.weight,
        labels,
        grid.ring,
        _steadying(parts, images.weight, len(grid.ring), ranks),
        summed,
        rings,
    )
    summed, (power, own) = ranks.sum(summed), ranks.sum(rings)
    weight = summed[:, 2 * grid.n_coefficients :]
    total = summed[:, : 2 * grid.n_coefficients].astype(np.float32).view(np.complex64)
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


def _steadying(parts: Single, weight: Single, n_coefficients: int, ranks: Ranks) -> Floats:
    """Constants from `steadying` for the images, their power, w^2 and w^4."""
    largest = [max(v.max(initial=0.0), -v.min(initial=0.0)) for v in (parts, weight)]
    value, shown = ranks.largest(np.array(largest, np.float64)).tolist()
    n = ranks.count(len(parts))
    bounds = (value, 2 * n_coefficients * value**2, shown**2, shown**4)
    return np.array([steadying(n * bound) for bound in bounds])


@compiled
def _add_up(images, weight, labels, ring, steadying, summed, rings):  # type: ignore[no-untyped-def]
    """Add images and squared weights to the class sums, power and w^4 to the ring sums."""
    n_images, n_values = images.shape
    n_rings = weight.shape[1]
    power = np.empty(n_rings)
    value_shift, power_shift, square_shift, fourth_shift = steadying
    for i in range(n_images):
        k = labels[i]
        if k < 0:
            continue
        power[:] = 0.0
        for j in range(n_values):
            value = np.float64(images[i, j])
            summed[k, j] += (value + value_shift) - value_shift
            power[ring[j // 2]] += value * value
        for r in range(n_rings):
            square = np.float64(weight[i, r]) ** 2
            summed[k, n_values + r] += (square + square_shift) - square_shift
            rings[0, r] += (power[r] + power_shift) - power_shift
            rings[1, r] += (square * square + fourth_shift) - fourth_shift


def noise_over_signal(
    power: Floats, excess: Floats, own: Floats, lone: Floats, pairs: Floats, typical: Floats
) -> Single:
    """Noise-to-signal ratio per coefficient on each ring, from the excess of class sums over noise.

    The expected power of a weighted image is w^2 (w^2 signal + noise), and that of a class sum,
    with W the sum of w^2, is W^2 signal + W noise.

    Parameters
    ----------
    power : ndarray of float64, shape (n_rings,)
        Power per coefficient, summed over all weighted images.
    excess : ndarray of float64, shape (n_rings,)
        Power per coefficient, summed over all class sums.
    own, lone, pairs : ndarray of float64, shape (n_rings,)
        Sum of w^4 over the images; sums of W and of W^2 over the classes.
    typical : ndarray of float64, shape (n_rings,)
        Mean W.

    Returns
    -------
    ndarray of float32, shape (n_rings,)
        Positive.
    """
    together = pairs - own  # the signal is unknown if each image has its own class
    known = together > 1e-6 * pairs
    signal = np.where(known, (excess - power) / np.maximum(together, 1e-12), 0.0)
    noise = np.maximum(power - own * np.maximum(signal, 0), MIN_NOISE * power)
    noise = noise / np.maximum(lone, 1e-12)
    floor = MIN_SIGNAL * noise / np.maximum(typical, 1e-12)
    ratio = noise / np.maximum(np.maximum(signal, floor), 1e-30)
    tiny = np.finfo(np.float32).tiny  # empty rings of empty classes are 0, not 0 / 0
    return np.asarray(np.maximum(ratio, tiny), dtype=np.float32)
