"""Fourier shell correlation of two maps, and the resolution derived from it.

Harauz and van Heel 1986, "Exact filters for general geometry three dimensional reconstruction",
Optik 73:146-156. The shells are RELION's, so that curves of both programs are comparable.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Optional, Tuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import fft

from repic_plugin.arguments import check_in_range, check_positive, check_whole_number
from repic_plugin.evaluation.checks import check_volume

# Rosenthal and Henderson 2003, doi:10.1016/j.jmb.2003.07.013: two maps of half of the particles
# each agree this well where the map of all of them agrees by 0.5 with the truth.
HALF_MAP_THRESHOLD = 0.143
REFERENCE_THRESHOLD = 0.5
MASK_ROUNDING = 1e-3  # tolerance beyond 0 and 1, for interpolated masks
# Number of voxel radii held in memory at a time.
_BLOCK_VOXELS = 1 << 21

Floats = NDArray[np.float64]
Counts = NDArray[np.int64]
Volume = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class ShellCorrelation:
    """Fourier shell correlation of two maps.

    Attributes
    ----------
    frequency : ndarray of float64, shape (n_shells,)
        1/Å, from 0 to the Nyquist frequency (just below it in a box of odd size).
    correlation : ndarray of float64, shape (n_shells,)
        -1 to 1; 0 in a shell in which one of the maps is 0. The first shell depends only on the
        means and says nothing about resolution.
    n_voxels : ndarray of int64, shape (n_shells,)
        Number of Fourier voxels of each shell in the half transform.
    """

    frequency: Floats
    correlation: Floats
    n_voxels: Counts

    def resolution(self, threshold: float) -> float:
        """Resolution at which the curve first falls below a threshold, by linear interpolation.

        Parameters
        ----------
        threshold : float
            Between 0 and 1: 0.143 for two half maps, 0.5 for a map against a reference.

        Returns
        -------
        float
            Å. Infinite if the first shell after the mean is already below: nothing agrees. The
            Nyquist limit, 1 / the last frequency, if no shell is below: the true value may be
            finer.

        Raises
        ------
        ValueError
            If the threshold does not lie between 0 and 1.
        """
        check_in_range("threshold", threshold, 0, 1, "()", "0.143 and 0.5 are usual")
        below = np.flatnonzero(self.correlation[1:] < threshold)
        if not len(below):
            return float(1 / self.frequency[-1])
        if below[0] == 0:
            return math.inf
        after = int(below[0]) + 1
        (high, low), frequencies = self.correlation[after - 1 : after + 1], self.frequency
        part = (high - threshold) / (high - low)
        step = frequencies[after] - frequencies[after - 1]
        return float(1 / (frequencies[after - 1] + part * step))


def resolution_text(curve: ShellCorrelation, threshold: float, *, unit: str = "") -> str:
    """Resolution as text: a number, ``none``, or the Nyquist limit ``or finer``.

    Parameters
    ----------
    curve : ShellCorrelation
    threshold : float
        Between 0 and 1.
    unit : str
        Appended to the number.

    Raises
    ------
    ValueError
        If the threshold does not lie between 0 and 1.
    """
    resolution = curve.resolution(threshold)
    if math.isinf(resolution):
        return "none"
    is_finest = not (curve.correlation[1:] < threshold).any()
    return f"{resolution:.2f}{unit}{' or finer' if is_finest else ''}"


def fourier_shell_correlation(
    volume: ArrayLike,
    reference: ArrayLike,
    *,
    pixel_size_angstrom: float,
    mask: Optional[ArrayLike] = None,
    n_threads: int = 1,
) -> ShellCorrelation:
    """Fourier shell correlation of two maps (Harauz and van Heel 1986, Optik 73:146-156).

    A shell holds the Fourier voxels whose distance from the origin rounds to its number, up to
    half the box. As in RELION, the sums extend over the half transform, which holds one voxel of
    each conjugate pair, and both in the plane where the last frequency is 0.

    Parameters
    ----------
    volume, reference : array_like of float, shape (box, box, box)
        z, y, x; on the same grid.
    pixel_size_angstrom : float
        Side of a voxel.
    mask : array_like of float, shape (box, box, box), optional
        From 0 to 1; both maps are multiplied by it. A tight or sharp mask inflates the
        correlation, which is not corrected here: use a wide, soft one (see `soft_mask`).
    n_threads : int
        Threads of the Fourier transforms.

    Returns
    -------
    ShellCorrelation
        With box // 2 + 1 shells.

    Raises
    ------
    ValueError
        If the maps are not cubes of one size, hold numbers that are not finite, or an argument is
        out of range.

    Notes
    -----
    Transforms are in single precision, sums in double. Besides the maps, two half transforms and
    one masked map are held in memory: 1.5 GiB for a box of 512 px.
    """
    first = check_volume("volume", volume)
    second = check_volume("reference", reference, len(first))
    weights = None if mask is None else check_volume("mask", mask, len(first))
    if weights is not None:
        _check_mask(weights)
    check_positive("pixel_size_angstrom", pixel_size_angstrom, "give the side of a voxel")
    check_whole_number("n_threads", n_threads, 1)
    transforms = [_half_transform(one, weights, n_threads) for one in (first, second)]
    cross, power, counts = _shell_sums(transforms[0], transforms[1])
    norm = np.sqrt(power[0] * power[1])
    correlation = np.divide(cross, norm, out=np.zeros_like(cross), where=norm > 0)
    frequency = np.arange(len(cross)) / (len(first) * pixel_size_angstrom)
    return ShellCorrelation(frequency, np.clip(correlation, -1.0, 1.0), counts)


def _check_mask(mask: Volume) -> None:
    low, high = float(mask.min()), float(mask.max())
    if low < -MASK_ROUNDING or high > 1 + MASK_ROUNDING or high <= 0:
        raise ValueError(
            f"mask must lie from 0 to 1 and not be 0 everywhere, got {low:g} to {high:g}; scale it"
        )


def _half_transform(
    volume: Volume, mask: Optional[Volume], n_threads: int
) -> NDArray[np.complex64]:
    masked = volume if mask is None else volume * mask
    transform: NDArray[np.complex64] = fft.rfftn(masked, workers=n_threads)
    return transform


def _shell_sums(
    first: NDArray[np.complex64], second: NDArray[np.complex64]
) -> Tuple[Floats, Floats, Counts]:
    """Shell sums of the products (n_shells,) and of both powers (2, n_shells), and voxel counts."""
    box_px, n_shells = first.shape[0], first.shape[2]
    squares = np.rint(fft.fftfreq(box_px) * box_px) ** 2
    plane = squares[:, None] + np.arange(n_shells) ** 2
    cross, counts = np.zeros(n_shells), np.zeros(n_shells, dtype=np.int64)
    power = np.zeros((2, n_shells))
    step = max(1, _BLOCK_VOXELS // plane.size)
    for start in range(0, box_px, step):
        rows = slice(start, start + step)
        radius = np.rint(np.sqrt(squares[rows, None, None] + plane)).astype(np.int64)
        inside = radius < n_shells
        shell = radius[inside]
        one, other = (
            transform[rows][inside].astype(np.complex128) for transform in (first, second)
        )
        products = one.real * other.real + one.imag * other.imag
        counts += np.bincount(shell, minlength=n_shells)
        cross += np.bincount(shell, products, minlength=n_shells)
        for i, values in enumerate((one, other)):
            squared = values.real**2 + values.imag**2
            power[i] += np.bincount(shell, squared, minlength=n_shells)
    return cross, power, counts
