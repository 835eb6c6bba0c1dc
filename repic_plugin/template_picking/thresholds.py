"""Minimum score from a micrograph's own scores, with scores of noise as the null."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import fft

# Highest ratio of peaks of the null to peaks of the scores that are kept. About half of them would
# be false, as particles cover a part of the micrograph; 0.1 loses faint ones.
MAX_FALSE_RATIO = 0.2

Floats = NDArray[np.float64]
Image = NDArray[np.float32]


def min_score_from_null(heights: Floats, null_heights: Floats) -> float:
    """Lowest score from which the null has at most a fifth as many peaks.

    As the competition of targets with decoys (Elias & Gygi 2007, doi:10.1038/nmeth1019): the null
    has as many peaks as what is no particle, so that the ratio estimates the false discovery rate.

    Parameters
    ----------
    heights, null_heights : ndarray of float, shape (n,), (m,)
        Peaks of the scores and of the null, found in the same way on the same micrograph.

    Returns
    -------
    float
        At most 1; above the highest peak of the null where no lower score will do, so that of a
        micrograph without particles about one peak remains on average.
    """
    levels, null = np.sort(heights), np.sort(null_heights)
    n_kept = len(levels) - np.arange(len(levels))
    n_false = len(null) - np.searchsorted(null, levels)
    fit = levels[n_false <= MAX_FALSE_RATIO * n_kept]
    if len(fit):
        return float(fit[0])
    return min(1.0, float(np.nextafter(null.max(initial=-1.0), 1.0)))


def phase_randomised(image: Image, random_state: int = 0) -> Image:
    """Gaussian noise of the same power spectrum as an image.

    Parameters
    ----------
    image : ndarray of float32, shape (height, width)
    random_state : int

    Returns
    -------
    ndarray of float32, shape (height, width)
    """
    noise = np.random.default_rng(random_state).normal(size=image.shape).astype(np.float32)
    phases = fft.rfft2(noise)
    phases /= np.maximum(np.abs(phases), np.finfo(np.float32).tiny)
    random: Image = fft.irfft2(np.abs(fft.rfft2(image)) * phases, s=image.shape)
    return random.astype(np.float32)
