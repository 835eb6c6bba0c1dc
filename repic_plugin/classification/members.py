"""Particles and aligned noise among the members of classes.

Classes of particles attract peaks of noise: what was aligned to an average looks like it. How much
noise agrees by chance is known (see `agreement`), and what agrees no more than that is probably
noise. In each class the agreement of the members is a mixture of two normal distributions: of
junk, the same one in all classes, and of particles, with a mean for each class and a common
standard deviation. They are fitted by expectation-maximisation (McLachlan and Peel 2000, Finite
Mixture Models, section 3.2) with weak priors.
"""

from __future__ import annotations

from typing import NamedTuple, Union

import numpy as np
from numpy.typing import NDArray

JUNK_SHARE = 0.5  # of particles, below which a class is one of junk
# In classes of junk the agreement of noise spreads more than in classes of particles, by 1 /
# JUNK_SPREAD, since averages of noise follow their members.
JUNK_SPREAD = 0.75
LEAST_JUNK, LEAST_SPREAD = 200, 0.04
# Priors, each with its weight in images: share of particles in a class that holds particles, their
# mean in standard deviations of junk above that, and their standard deviation.
SHARE, SHARE_WEIGHT = 0.9, 2.0
MEAN, MEAN_WEIGHT, LEAST_MEAN = 2.5, 3.0, 1.5
SPREAD, SPREAD_WEIGHT = 0.2, 10.0
N_ITERATIONS = 50

Floats = NDArray[np.float64]
Labels = NDArray[np.int64]


class Normal(NamedTuple):
    """Mean and standard deviation of agreements."""

    mean: float
    deviation: float


# Agreement of noise where there is too little junk to measure it.
JUNK = Normal(1.03, 0.09)


class Members(NamedTuple):
    """Agreement of the members of k classes.

    Attributes
    ----------
    junk : Normal
    part : ndarray of float64, shape (k,)
        Of particles among the members of each class, if it holds particles.
    mean : ndarray of float64, shape (k,)
        Agreement of the particles of each class.
    deviation : float
        Of the particles' agreement.
    """

    junk: Normal
    part: Floats
    mean: Floats
    deviation: float

    def probability(self, agreement: Floats, labels: Labels) -> Floats:
        """Probability of images to be particles if their class holds particles, shape (n,)."""
        mean = self.mean[labels]
        return mixed(agreement, self.part[labels], mean, self.deviation, self.junk)


def fit_members(share: Floats, agreement: Floats, labels: Labels) -> Members:
    """Agreement of particles and of noise in the classes of some images.

    Parameters
    ----------
    share : ndarray of float64, shape (k,)
        Probability of each class to hold particles, see `particle_shares`.
    agreement : ndarray of float64, shape (n,)
        See `Agreement.member`.
    labels : ndarray of int64, shape (n,)
        From 0 to k - 1.
    """
    k = len(share)
    junk = level_of_junk(agreement[share[labels] < JUNK_SHARE], JUNK_SPREAD)
    least, usual = (junk.mean + times * junk.deviation for times in (LEAST_MEAN, MEAN))
    size = np.bincount(labels, minlength=k)
    found = Members(
        junk, np.full(k, SHARE), np.maximum(_medians(agreement, labels, k), least), SPREAD
    )
    for _ in range(N_ITERATIONS):
        probability = found.probability(agreement, labels)
        n = np.bincount(labels, probability, k)
        part = (n + SHARE_WEIGHT * SHARE) / (size + SHARE_WEIGHT)
        total = np.bincount(labels, probability * agreement, k)
        mean = np.maximum((total + MEAN_WEIGHT * usual) / (n + MEAN_WEIGHT), least)
        squares = probability @ (agreement - mean[labels]) ** 2
        variance = (squares + SPREAD_WEIGHT * SPREAD**2) / (n.sum() + SPREAD_WEIGHT)
        found = Members(junk, part, mean, float(np.sqrt(variance)))
    return found


def particle_probabilities(share: Floats, agreement: Floats, labels: Labels) -> Floats:
    """Probability of each image to be a particle: of its class, and of itself in the class.

    Parameters
    ----------
    share, agreement, labels
        As in `fit_members`; labels are -1 for images in no class.

    Returns
    -------
    ndarray of float64, shape (n,)
        NaN for images in no class.
    """
    found = np.full(len(labels), np.nan)
    kept = labels >= 0
    own = agreement[kept], labels[kept]
    found[kept] = share[labels[kept]] * fit_members(share, *own).probability(*own)
    return found


def mixed(
    agreement: Floats,
    part: Union[float, Floats],
    mean: Floats,
    deviation: float,
    junk: Normal,
) -> Floats:
    """Probability to be a particle, never lower for more agreement."""
    value = np.clip(agreement, junk.mean, np.maximum(mean, junk.mean))
    particle = part * _normal(value, mean, deviation)
    noise = (1 - part) * _normal(value, junk.mean, junk.deviation)
    return np.asarray(particle / (particle + noise))


def level_of_junk(agreement: Floats, spread: float = 1.0) -> Normal:
    """Agreement of noise, from the lower half of that of junk: contamination raises the upper."""
    if len(agreement) < LEAST_JUNK:
        return JUNK
    low, middle = np.quantile(agreement, (0.1587, 0.5))  # a normal distribution's -1 and 0
    return Normal(float(middle), max(spread * float(middle - low), LEAST_SPREAD))


def _medians(values: Floats, labels: Labels, k: int) -> Floats:
    """Median of each class; 0 for empty ones."""
    found = np.zeros(k)
    for one in np.unique(labels):
        found[one] = np.median(values[labels == one])
    return found


def _normal(value: Floats, mean: Union[float, Floats], deviation: float) -> Floats:
    """Density of a normal distribution times the square root of 2 pi."""
    return np.asarray(np.exp(-0.5 * ((value - mean) / deviation) ** 2) / deviation)
