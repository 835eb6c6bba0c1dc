"""Probability of each image to be a particle, from its class and its agreement with the class.

Classes of particles attract peaks of noise: what was aligned to an average looks like it. How much
noise agrees by chance is known (see `agreement`), and what agrees no more than that is probably
noise. In each class the agreement of the members is a mixture of two normal distributions: of
junk, the same one in all classes, and of particles, with a mean for each class and a common
standard deviation. They are fitted by expectation-maximisation (McLachlan and Peel 2000, Finite
Mixture Models, section 3.2) with weak priors.
"""

from __future__ import annotations

from typing import Tuple

import numpy as np
from numpy.typing import NDArray

# Agreement of noise where too few images lie in classes of junk: mean and standard deviation. In
# classes of junk it spreads more than in classes of particles by 1 / JUNK_SPREAD, since averages of
# noise follow their members.
JUNK, JUNK_SPREAD, LEAST_JUNK, LEAST_SPREAD = (1.03, 0.09), 0.75, 200, 0.04
JUNK_SHARE = 0.5  # of particles, below which a class is one of junk
# Priors, each with its weight in images: share of particles in a class that holds particles, their
# mean in standard deviations of junk above that, and their standard deviation.
SHARE, SHARE_WEIGHT = 0.9, 2.0
MEAN, MEAN_WEIGHT, LEAST_MEAN = 2.5, 3.0, 1.5
SPREAD, SPREAD_WEIGHT = 0.2, 10.0
N_ITERATIONS = 50

Floats = NDArray[np.float64]
Labels = NDArray[np.int64]


def particle_probabilities(share: Floats, agreement: Floats, labels: Labels) -> Floats:
    """Probability of each image to be a particle: of its class, and of itself in the class.

    Parameters
    ----------
    share : ndarray of float64, shape (k,)
        Probability of each class to hold particles, see `particle_shares`.
    agreement : ndarray of float64, shape (n,)
        See `Agreement.member`.
    labels : ndarray of int64, shape (n,)
        -1 for images in no class.

    Returns
    -------
    ndarray of float64, shape (n,)
        NaN for images in no class.
    """
    found = np.full(len(labels), np.nan)
    kept = labels >= 0
    label, value = labels[kept], agreement[kept]
    junk = _junk(value, share[label])
    found[kept] = share[label] * _in_classes(value, label, len(share), junk)
    return found


def _junk(agreement: Floats, share: Floats) -> Tuple[float, float]:
    """Mean and standard deviation of the agreement of junk.

    From the lower half of that in classes of junk: contamination raises the upper one.
    """
    values = agreement[share < JUNK_SHARE]
    if len(values) < LEAST_JUNK:
        return JUNK
    low, middle = np.quantile(values, (0.1587, 0.5))  # a normal distribution's -1 and 0
    return float(middle), max(JUNK_SPREAD * float(middle - low), LEAST_SPREAD)


def _in_classes(agreement: Floats, label: Labels, k: int, junk: Tuple[float, float]) -> Floats:
    """Probability to be a particle in a class that holds particles."""
    middle, deviation = junk
    least, usual = middle + LEAST_MEAN * deviation, middle + MEAN * deviation
    size = np.bincount(label, minlength=k)
    part, mean = np.full(k, SHARE), np.maximum(_medians(agreement, label, k), least)
    spread = SPREAD
    probability = np.zeros(len(label))
    for _ in range(N_ITERATIONS):
        value = np.clip(agreement, middle, mean[label])  # the ratio is monotonic
        particle = part[label] * _normal(value, mean[label], spread)
        noise = (1 - part[label]) * _normal(value, middle, deviation)
        probability = particle / (particle + noise)
        n = np.bincount(label, probability, k)
        part = (n + SHARE_WEIGHT * SHARE) / (size + SHARE_WEIGHT)
        total = np.bincount(label, probability * agreement, k)
        mean = np.maximum((total + MEAN_WEIGHT * usual) / (n + MEAN_WEIGHT), least)
        squares = probability @ (agreement - mean[label]) ** 2
        spread = np.sqrt((squares + SPREAD_WEIGHT * SPREAD**2) / (n.sum() + SPREAD_WEIGHT))
    return probability


def _medians(values: Floats, label: Labels, k: int) -> Floats:
    """Median of each class; 0 for empty ones."""
    found = np.zeros(k)
    for one in np.unique(label):
        found[one] = np.median(values[label == one])
    return found


def _normal(value: Floats, mean: Floats, deviation: float) -> Floats:
    """Density of a normal distribution times the square root of 2 pi."""
    return np.asarray(np.exp(-0.5 * ((value - mean) / deviation) ** 2) / deviation)
