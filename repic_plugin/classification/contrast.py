"""Contrast of each image: how strongly it shows the particle, relative to the others.

An image is a w mu + noise, with mu its class average and w its CTF. Given the average of the other
members, the estimate of a has variance noise / P, where P is the power of w mu. What varies beyond
that is the spread of the contrast; the posterior mean shrinks each estimate accordingly (empirical
Bayes, see Efron and Morris 1973, J Am Stat Assoc 68:117). Where contrasts do not vary beyond the
noise, all are 1, so that clean data lose nothing.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from repic_plugin.classification.averages import ClassSums
from repic_plugin.classification.exact_sums import steady_sum
from repic_plugin.classification.preparation import PolarImages
from repic_plugin.classification.ranks import ALONE, Ranks
from repic_plugin.classification.threads import for_each_chunk

# A smaller spread is not corrected: where all contrasts are equal, members that differ from their
# average in view and pose spread by 0.1 to 0.2 at any signal-to-noise ratio.
MIN_SPREAD = 0.2
LOWEST, HIGHEST = 0.25, 4.0
IMAGES_PER_CHUNK = 128  # divides IMAGES_PER_BLOCK of `ranks`

Samples = NDArray[np.complex64]
Floats = NDArray[np.float64]
Labels = NDArray[np.int64]


def contrasts(
    images: PolarImages,
    sums: ClassSums,
    members: Samples,
    labels: Labels,
    *,
    n_threads: int = 1,
    ranks: Ranks = ALONE,
) -> Floats:
    """Contrast of each image, of mean about 1; all 1 where they do not vary beyond the noise.

    Parameters
    ----------
    images : PolarImages
    sums : ClassSums
    members : ndarray of complex64, shape (n, n_coefficients)
        The aligned images in `sums`.
    labels : ndarray of int64, shape (n,)
    n_threads : int
    ranks : Ranks

    Returns
    -------
    ndarray of float64, shape (n,)
        From 0.25 to 4.
    """
    n = len(labels)
    score, power = np.zeros(n), np.zeros(n)

    def project(rows: slice) -> None:
        others = sums.averages_without(members[rows], images.weight[rows], labels[rows])
        score[rows] = np.einsum("ic,ic->i", members[rows], others.conj()).real
        power[rows] = np.einsum("ir,ir->i", images.weight[rows] ** 2, images.grid.power(others))

    for_each_chunk(project, n, IMAGES_PER_CHUNK, n_threads)
    # the noise of a pixel of normalised images is 1, so power is how well each is known
    total = steady_sum(power, ranks)
    if total <= 0:
        return np.ones(n)
    level = steady_sum(score, ranks) / total
    if level <= 0:
        return np.ones(n)
    estimate = score / np.maximum(level * power, np.finfo(np.float32).tiny)
    deviation = power * (np.clip(estimate, 0, HIGHEST) - 1) ** 2
    variance = (steady_sum(deviation, ranks) - ranks.count(n) / level**2) / total
    if variance < MIN_SPREAD**2:
        return np.ones(n)
    prior = 1 / (level**2 * variance)
    found = (score / level + prior) / (power + prior)
    return np.clip(found, LOWEST, HIGHEST)
