"""Agreement of the members of a class with its average, beyond that of noise aligned to noise.

On ring r the leave-one-out correlation of a class is

    rho(r) = sum over members of <x, |c| mu> / sqrt(sum of |x|^2 * sum of |c mu|^2),

in which mu is the average of the other members. Noise that is aligned to an average correlates
with it too. Its inner product with the average, summed over all rings, has a standard deviation
sd; the largest of M independent poses and classes lies z = sqrt(2 ln M) of them above 0, and ring
r contributes in proportion to its part of the variance. This gives the correlation by chance on
each ring without a simulation:

    rho0(r) = z |mu(r)| s(r) / (sd sqrt(N(r))),    sd^2 = sum over rings of |mu(r)|^2 s(r)^2,

with s(r)^2 the power of an image for each of the N(r) degrees of freedom of the ring. A mask of m
boxes correlates neighbouring rings, which leaves fewer of them: N(r) is multiplied by m. Where
averages follow their members from iteration to iteration z is larger by a factor; pure noise of 14
and 40 classes, 36 members, 11 to 23 rings and masks of 0.4 to 0.84 boxes gave 1.12 to 1.27.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import List, Tuple

import numpy as np
from numpy.typing import NDArray

from repic_plugin.classification.averages import ClassSums
from repic_plugin.classification.exact_sums import steady
from repic_plugin.classification.polar import PolarGrid
from repic_plugin.classification.preparation import PolarImages
from repic_plugin.classification.ranks import ALONE, Ranks
from repic_plugin.classification.threads import for_each_chunk

IMAGES_PER_CHUNK = 128  # divides IMAGES_PER_BLOCK of `ranks`
CHANCE_FACTOR = 1.2
TINY = 1e-30

Samples = NDArray[np.complex64]
Single = NDArray[np.float32]
Floats = NDArray[np.float64]
Labels = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Agreement:
    """Agreement of k classes on R rings, and of their n members.

    Attributes
    ----------
    rings : ndarray of int64, shape (R,)
        In Fourier pixels of the box.
    correlation : ndarray of float64, shape (k, R)
        Leave-one-out correlation of the members with their average; 0 for empty classes.
    chance : ndarray of float64, shape (k, R)
        The correlation expected of noise aligned to noise.
    explained : ndarray of float64, shape (k,)
        Mean inner product of a member with the average of the others, in squared grey values.
    member : ndarray of float64, shape (n,)
        Inner product of each image with the average of the others, over that of aligned noise.
    white_chance : float
        The correlation expected of white noise aligned to white noise, on any ring.
    """

    rings: Labels
    correlation: Floats
    chance: Floats
    explained: Floats
    member: Floats
    white_chance: float

    def ratio(self) -> Floats:
        """Correlation over that of aligned noise, fitted to all rings, shape (k,)."""
        norm = np.maximum((self.chance**2).sum(axis=1), TINY)
        return np.asarray((self.correlation * self.chance).sum(axis=1) / norm)

    def excess(self) -> Floats:
        """Correlation beyond that of aligned noise, not below 0, shape (k, R)."""
        return np.maximum(self.correlation - self.chance, 0.0)


def class_agreement(
    images: PolarImages,
    members: Samples,
    sums: ClassSums,
    labels: Labels,
    *,
    n_poses: float,
    mask_fraction: float,
    n_threads: int = 1,
    ranks: Ranks = ALONE,
) -> Agreement:
    """Agreement of the members of each class with the average of the others.

    Parameters
    ----------
    images : PolarImages
        Images of this rank.
    members : ndarray of complex64, shape (n, n_coefficients)
        From `aligned_coefficients`, as added to the sums.
    sums : ClassSums
    labels : ndarray of int64, shape (n,)
    n_poses : float
        Number of independent poses and classes that were compared, see `independent_poses`.
    mask_fraction : float
        Diameter of the mask, in boxes.
    n_threads : int
    ranks : Ranks
        Processes that hold the other images; the result is that of all, but for `member`.

    Returns
    -------
    Agreement
    """
    grid = images.grid
    cross, own, other = _by_ring(images, members, sums, labels, n_threads)
    chance = CHANCE_FACTOR * np.sqrt(2 * np.log(max(n_poses, 2.0)))
    freedom = mask_fraction * (2 * np.bincount(grid.ring, minlength=len(grid.rings)) - 1)
    deviation = np.sqrt((other.astype(np.float64) * own / freedom).sum(axis=1))
    n_classes = len(sums.total)
    total, power, average = (
        _class_totals(values, labels, n_classes, ranks) for values in (cross, own, other)
    )
    spread = np.sqrt(average * power / freedom)
    norm = np.sqrt((spread**2).sum(axis=1, keepdims=True))
    sizes = ranks.sum(np.bincount(labels, minlength=n_classes))
    return Agreement(
        rings=grid.rings,
        correlation=total / np.sqrt(np.maximum(power * average, TINY)),
        chance=chance * spread / np.maximum(norm * np.sqrt(freedom), TINY),
        explained=total.sum(axis=1) / np.maximum(sizes, 1),
        member=cross.sum(axis=1, dtype=np.float64) / np.maximum(chance * deviation, TINY),
        white_chance=min(float(chance / np.sqrt(freedom.sum())), 1.0),
    )


def independent_poses(
    grid: PolarGrid, n_classes: int, max_shift_px: float, mirror: bool = False
) -> float:
    """Number of independent poses in all classes: rotations, and shifts half a wave apart."""
    half_wave = grid.box_size_px / (2.0 * float(grid.rings[-1]))
    n_shifts = max(1.0, np.pi * (max_shift_px / half_wave) ** 2)
    return float(n_classes * grid.n_angles * n_shifts * (2 if mirror else 1))


def _by_ring(
    images: PolarImages, members: Samples, sums: ClassSums, labels: Labels, n_threads: int
) -> Tuple[Single, Single, Single]:
    """Inner products with the other members' average, powers of image and average, (n, R) each."""
    grid = images.grid
    found = [np.empty(images.weight.shape, np.float32) for _ in range(3)]
    member = (grid.ring[:, None] == np.arange(len(grid.rings))).astype(np.float32)

    def compare(rows: slice) -> None:
        weight = images.weight[rows]
        others = sums.averages_without(members[rows], weight, labels[rows])
        found[0][rows] = (members[rows] * others.conj()).real @ member
        found[1][rows] = grid.power(grid.coefficients(images.samples[rows]))
        found[2][rows] = grid.power(others) * weight**2

    for_each_chunk(compare, len(labels), IMAGES_PER_CHUNK, n_threads)
    return found[0], found[1], found[2]


def _class_totals(values: Single, labels: Labels, n_classes: int, ranks: Ranks) -> Floats:
    """Sums over the members of each class on all ranks, shape (n_classes, R)."""
    totals: List[Floats] = [
        np.bincount(labels, steady(column, ranks), n_classes).astype(np.float64)
        for column in values.T
    ]
    return np.asarray(ranks.sum(np.stack(totals, axis=1)))
