"""Class averages at full resolution."""

from __future__ import annotations

from typing import Any, NamedTuple, Optional, Sequence, Tuple

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from repic_plugin.classification.averages import noise_over_signal
from repic_plugin.classification.ctf import CtfParameters, contrast_transfer
from repic_plugin.classification.normalisation import Normaliser, finite
from repic_plugin.classification.preparation import centred, soft_mask
from repic_plugin.classification.ranks import ALONE, Ranks
from repic_plugin.classification.threads import for_each_chunk
from repic_plugin.compiled import compiled

IMAGES_PER_CHUNK = 64

Floats = NDArray[np.float64]
Labels = NDArray[np.int64]
Single = NDArray[np.float32]


class FullAverages(NamedTuple):
    """Averages of k classes, and the agreement of their halves.

    Attributes
    ----------
    averages : ndarray of float32, shape (k, box, box)
        All zeros for an empty class.
    ring_correlation : ndarray of float64, shape (k, box // 2 + 1)
        Fourier ring correlation of the averages of two halves of each class, within the mask; 0
        for classes of fewer than two images. The halves share their alignment.
    """

    averages: Single
    ring_correlation: Floats


class AverageSums(NamedTuple):
    """Sums over the members of k classes, from which averages follow; sums of parts add up.

    Attributes
    ----------
    total : ndarray of float64, shape (k, box, box)
        Of the weighted images in the frames of their classes.
    weight, own, power : ndarray of float64, shape (k, box // 2 + 1)
        Sums over the members of the squared weight w^2, of w^4, and of the power, on each ring.
    """

    total: Floats
    weight: Floats
    own: Floats
    power: Floats

    def plus(self, other: AverageSums) -> AverageSums:
        """Sums over the members of both."""
        return AverageSums(*(a + b for a, b in zip(self, other)))

    def followed_by(self, other: AverageSums) -> AverageSums:
        """The classes of both, one after the other."""
        return AverageSums(*map(np.concatenate, zip(self, other)))

    def averages(self) -> Single:
        """Wiener-filtered averages, shape (k, box, box); all zeros for an empty class."""
        box = self.total.shape[-1]
        ring = _rings(box)
        n_members = _ring_sums(np.ones((1, *ring.shape)), ring, self.weight.shape[1])[0]
        spectra = fft.rfft2(self.total)
        excess = _ring_sums(np.abs(spectra) ** 2, ring, self.weight.shape[1]).sum(axis=0)
        prior = noise_over_signal(
            self.power.sum(axis=0) / n_members,
            excess / n_members,
            self.own.sum(axis=0),
            self.weight.sum(axis=0),
            (self.weight**2).sum(axis=0),
            self.weight.mean(axis=0),
        )
        spectra /= np.maximum(self.weight + prior, 1e-12)[:, ring]
        return np.asarray(fft.irfft2(spectra, s=(box, box)), dtype=np.float32)


def full_averages(
    images: Any,
    labels: Labels,
    rotation_deg: Floats,
    shift_px: Floats,
    mirror: NDArray[np.bool_],
    n_classes: int,
    *,
    mask: Optional[Tuple[float, float]] = None,
    pixel_size_angstrom: float = 1.0,
    ctf: Optional[CtfParameters] = None,
    flip: bool = True,
    weight: bool = False,
    normaliser: Optional[Normaliser] = None,
    factor: Optional[Single] = None,
    n_threads: int = 1,
    rows: Optional[Labels] = None,
    ranks: Ranks = ALONE,
) -> FullAverages:
    """Averages of the images of each class in the poses of a `Classification`.

    The mean of each image is subtracted. Shifts are applied in Fourier space, rotations by cubic
    interpolation (Keys 1981, IEEE Trans Acoust 29:1153); values beyond 2 px from the border of an
    image are taken as 0. The sum is divided by the sum of squared weights plus the noise-to-signal
    ratio (Wiener filter), ring by ring.

    Parameters
    ----------
    images : array_like of float, shape (n, box, box)
        Any object that returns arrays when indexed with an array.
    labels : ndarray of int64, shape (n,)
        -1 for images in no class.
    rotation_deg, shift_px, mirror
        As in `Classification`.
    n_classes : int
    mask : (float, float), optional
        Radius and edge of the mask of the halves, px; none by default.
    pixel_size_angstrom, ctf, flip, weight, n_threads
        As in `prepare_images`.
    normaliser : Normaliser, optional
        Images are not normalised by default.
    factor : ndarray of float32, shape (n,), optional
        By which the images are multiplied; see `energy_factors`.
    rows : ndarray of int64, shape (n,), optional
        Indices of the n images in `images`; all by default.
    ranks : Ranks
        Each holds the poses of its own images, and averages some of the classes.

    Returns
    -------
    FullAverages
        Empty on ranks other than the first.
    """
    rows = np.arange(len(labels)) if rows is None else rows
    factor = np.ones(len(labels), np.float32) if factor is None else factor
    poses = (rows, labels, rotation_deg, shift_px, mirror, factor)
    first, stop = (n_classes * rank // ranks.size for rank in (ranks.rank, ranks.rank + 1))
    own_poses = _of_own_classes(poses, n_classes, ranks)
    with ranks.agreement():
        sums, correlation = average_sums(
            images,
            own_poses,
            (first, stop),
            mask=mask,
            pixel_size_angstrom=pixel_size_angstrom,
            ctf=ctf,
            flip=flip,
            weight=weight,
            normaliser=normaliser,
            n_threads=n_threads,
        )
    sums, correlation = AverageSums(*map(ranks.collect, sums)), ranks.collect(correlation)
    if not ranks.is_first:
        return FullAverages(np.zeros((0, *images.shape[1:]), np.float32), correlation)
    return FullAverages(sums.averages(), correlation)


def average_sums(
    images: Any,
    poses: Sequence[NDArray[Any]],
    classes: Tuple[int, int],
    *,
    mask: Optional[Tuple[float, float]] = None,
    pixel_size_angstrom: float = 1.0,
    ctf: Optional[CtfParameters] = None,
    flip: bool = True,
    weight: bool = False,
    normaliser: Optional[Normaliser] = None,
    n_threads: int = 1,
) -> Tuple[AverageSums, Floats]:
    """Sums over the members of some classes, and the correlation of their halves.

    Parameters
    ----------
    images : array_like of float, shape (N, box, box)
    poses : sequence of ndarray, shape (n,)
        Indices in `images`, labels, rotations, shifts, mirrors and factors of n images.
    classes : (int, int)
        The first class, and the one after the last.
    mask, pixel_size_angstrom, ctf, flip, weight, normaliser, n_threads
        As for `full_averages`.

    Returns
    -------
    AverageSums
        Of these classes.
    ndarray of float64, shape (k, box // 2 + 1)
        See `FullAverages`.
    """
    rows, labels, rotation_deg, shift_px, mirror, factor = poses
    (first, stop), box = classes, images.shape[-1]
    ring = _rings(box)
    n_rings = int(ring.max()) + 1
    n_members = _ring_sums(np.ones((1, *ring.shape)), ring, n_rings)[0]
    totals = np.zeros((stop - first, box, box))
    correlation = np.zeros((stop - first, n_rings))
    shown_part = np.ones((box, box)) if mask is None else soft_mask(box, *mask)
    lone, own, power = (np.zeros((stop - first, n_rings)) for _ in range(3))
    order = np.argsort(labels, kind="stable")
    starts = np.searchsorted(labels[order], np.arange(first, stop + 1))

    def add_class(one: slice) -> None:
        k = one.start
        halves = np.zeros((2, box, box))
        for start in range(starts[k], starts[k + 1], IMAGES_PER_CHUNK):
            some = np.sort(order[start : min(start + IMAGES_PER_CHUNK, starts[k + 1])])
            chunk = _grey_values(images, rows[some], normaliser)
            transform = fft.rfft2(chunk * factor[some, None, None])
            mine = None if ctf is None else ctf.take(rows[some])
            squares = np.ones((len(some), n_rings))
            if mine is not None:
                shown = _correct(transform, mine, pixel_size_angstrom, flip, weight)
                if weight:
                    squares = _ring_sums(shown**2, ring, n_rings) / n_members
            lone[k] += squares.sum(axis=0)
            own[k] += (squares**2).sum(axis=0)
            power[k] += _ring_sums(np.abs(transform) ** 2, ring, n_rings).sum(axis=0)
            transform *= _shift_phases(shift_px[some], box)
            moved = fft.irfft2(transform, s=(box, box))
            for half in range(2):  # chunks are even, so that every other member is in a half
                own_rows = some[half::2]
                turns = np.deg2rad(rotation_deg[own_rows])
                images_of_half = np.ascontiguousarray(moved[half::2])
                _add_turned(images_of_half, turns, mirror[own_rows], halves[half])
        totals[k] = halves[0] + halves[1]
        correlation[k] = _ring_correlation(halves * shown_part, ring, n_rings)

    for_each_chunk(add_class, stop - first, 1, n_threads)
    return AverageSums(totals, lone, own, power), correlation


def _ring_correlation(halves: Floats, ring: NDArray[np.int64], n_rings: int) -> Floats:
    """Fourier ring correlation of two images; 0 where one is 0."""
    a, b = fft.rfft2(halves)
    products = np.stack([(a * b.conj()).real, np.abs(a) ** 2, np.abs(b) ** 2])
    cross, one, other = _ring_sums(products, ring, n_rings)
    return np.asarray(cross / np.sqrt(np.maximum(one * other, 1e-300)))


def _grey_values(images: Any, rows: Labels, normaliser: Optional[Normaliser]) -> Single:
    """Some of the images, of mean 0, normalised if there is a normaliser."""
    chunk = finite(images, rows)
    if normaliser is not None:
        chunk, _ = normaliser(chunk)
    return centred(chunk)


def _of_own_classes(
    columns: Tuple[NDArray[Any], ...], n_classes: int, ranks: Ranks
) -> Tuple[NDArray[Any], ...]:
    """Columns of the members of the classes that this rank averages; the second holds labels."""
    if ranks.size == 1:
        return columns
    ends = [n_classes * rank // ranks.size for rank in range(1, ranks.size)]
    home = np.where(columns[1] < 0, -1, np.searchsorted(ends, columns[1], side="right"))
    going = [np.flatnonzero(home == rank) for rank in range(ranks.size)]
    return tuple(
        np.concatenate(ranks.exchange([column[mine] for mine in going])) for column in columns
    )


def _rings(box: int) -> NDArray[np.int64]:
    """Ring of each Fourier pixel; the corners belong to the last ring."""
    y, x = fft.fftfreq(box)[:, None] * box, fft.rfftfreq(box)[None, :] * box
    ring: NDArray[np.int64] = np.minimum(np.rint(np.hypot(x, y)), box // 2).astype(np.int64)
    return ring


def _ring_sums(values: Floats, ring: NDArray[np.int64], n_rings: int) -> Floats:
    """Sum over each ring, with the multiplicity of each half-plane pixel in the full plane."""
    times = np.full(ring.shape[1], 2.0)
    times[0] = 1
    if ring.shape[0] % 2 == 0:
        times[-1] = 1
    flat = (values * times).reshape(len(values), -1)
    sums = [np.bincount(ring.ravel(), row, n_rings) for row in flat]
    return np.array(sums, dtype=np.float64)


def _correct(
    transform: NDArray[np.complex64],
    ctf: CtfParameters,
    pixel_size_angstrom: float,
    flip: bool,
    weight: bool,
) -> Single:
    """Contrast transfer functions, by which `transform` is flipped or weighted in place."""
    box = transform.shape[1]
    x = fft.rfftfreq(box, pixel_size_angstrom)[None, :]
    y = fft.fftfreq(box, pixel_size_angstrom)[:, None]
    values = contrast_transfer(ctf, *np.broadcast_arrays(x, y), dtype=np.float32)
    if weight:
        transform *= values if flip else np.abs(values)
    elif flip:
        transform *= np.where(values < 0, np.float32(-1), np.float32(1))
    return values


def _shift_phases(shift_px: Floats, box: int) -> NDArray[np.complex64]:
    x = np.exp(-2j * np.pi * np.outer(shift_px[:, 0], fft.rfftfreq(box)))
    y = np.exp(-2j * np.pi * np.outer(shift_px[:, 1], fft.fftfreq(box)))
    phases: NDArray[np.complex64] = (y[:, :, None] * x[:, None, :]).astype(np.complex64)
    return phases


@compiled
def _add_turned(images, angles, mirror, total):  # type: ignore[no-untyped-def]
    """Add each image, mirrored and rotated about the pixel (box // 2, box // 2), to `total`."""
    n, box, _ = images.shape
    middle = box // 2
    weight_x, weight_y = np.empty(4), np.empty(4)
    for i in range(n):
        cos, sin = np.cos(angles[i]), np.sin(angles[i])
        for row in range(box):
            for column in range(box):
                u, v = column - middle, row - middle
                x = cos * u + sin * v
                y = -sin * u + cos * v + middle
                x = (-x if mirror[i] else x) + middle
                left, top = int(np.floor(x)), int(np.floor(y))
                if left < 1 or top < 1 or left > box - 3 or top > box - 3:
                    continue
                for axis in range(2):
                    t = x - left if axis == 0 else y - top
                    weights = weight_x if axis == 0 else weight_y
                    weights[0] = t * (-0.5 + t * (1 - 0.5 * t))
                    weights[1] = 1 + t * t * (-2.5 + 1.5 * t)
                    weights[2] = t * (0.5 + t * (2 - 1.5 * t))
                    weights[3] = t * t * (-0.5 + 0.5 * t)
                value = 0.0
                for a in range(4):
                    line = 0.0
                    for b in range(4):
                        line += weight_x[b] * images[i, top - 1 + a, left - 1 + b]
                    value += weight_y[a] * line
                total[row, column] += value
