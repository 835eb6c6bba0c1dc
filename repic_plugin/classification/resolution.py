"""Resolution of class averages, from the Fourier ring correlation of their halves."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from repic_plugin.classification.agreement import Agreement

# The correlation of halves at which the signal-to-noise ratio of the whole average is 1, as in
# RELION's estimate for 2D classes: FRC = s / (s + 2) for the ratio s of the whole.
LIMIT = 1 / 3

Floats = NDArray[np.float64]


def estimated_resolution(
    ring_correlation: Floats,
    agreement: Agreement,
    sizes: NDArray[np.int64],
    box_size_angstrom: float,
) -> Floats:
    """Resolution at which the signal-to-noise ratio of each average falls below 1.

    The halves of a class share an alignment, so that their noise agrees on the rings that were
    compared. What white noise aligned to white noise would give, f0, is taken off,
    (f - f0) / (1 - f0), as for resolutions after noise substitution (Chen et al. 2013,
    Ultramicroscopy 135:24). The last ring is the one up to which the sum of (f - limit) is
    largest: a dip of a few rings, as where the CTF is weak, does not end it.

    Parameters
    ----------
    ring_correlation : ndarray of float64, shape (k, n)
        Of the halves, for ring 0 and those that follow.
    agreement : Agreement
        Of the k classes.
    sizes : ndarray of int64, shape (k,)
    box_size_angstrom : float

    Returns
    -------
    ndarray of float64, shape (k,)
        In angstrom; NaN where the ratio is below 1 on all rings compared.
    """
    chance = np.zeros_like(ring_correlation)
    chance[:, agreement.rings] = _of_halves(agreement.white_chance, sizes)[:, None]
    real = (ring_correlation - chance) / np.maximum(1 - chance, 1e-6)
    beyond = np.cumsum(real[:, agreement.rings[0] :] - LIMIT, axis=1)
    last = agreement.rings[0] + beyond.argmax(axis=1)
    return np.where(beyond.max(axis=1) > 0, box_size_angstrom / last, np.nan)


def _of_halves(correlation: float, sizes: NDArray[np.int64]) -> Floats:
    """Correlation of the halves' averages from that of an image with the others' average.

    Both follow from the correlation c of two images. With n images, rho^2 (1 + (n - 2) c) =
    c^2 (n - 1), and halves have (n / 2) c / (1 + (n / 2 - 1) c).
    """
    n = np.maximum(sizes, 2).astype(np.float64)
    square = min(correlation, 0.999) ** 2
    slope = square * (n - 2)
    pair = (slope + np.sqrt(slope**2 + 4 * (n - 1) * square)) / (2 * (n - 1))
    return np.asarray(n / 2 * pair / (1 + (n / 2 - 1) * pair))
