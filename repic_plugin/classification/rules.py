"""Rules that assign images to classes by their dissimilarities.

All share one interface: ``assign(dissimilarity, labels, random_state, ranks)`` returns new labels,
given the dissimilarity of each image to each class average and the labels used for the averages.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Callable, Dict, Tuple

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from repic_plugin.classification.ranks import ALONE, Ranks
from repic_plugin.compiled import compiled

# Number of images that set the scale of the constraint (Xu et al. 2016, Methods).
N_SCALE_IMAGES = 10

Labels = NDArray[np.int64]
Floats = NDArray[Any]


class Rule:
    """Interface of all rules; `penalty` is added to the inertia to give the objective."""

    def assign(
        self, dissimilarity: Floats, labels: Labels, random_state: Generator, ranks: Ranks = ALONE
    ) -> Tuple[Labels, float]:
        """New labels of all images, and the penalty.

        Parameters
        ----------
        dissimilarity : ndarray of float, shape (n_images, n_classes)
        labels : ndarray of int64, shape (n_images,)
            Labels of the previous iteration.
        random_state : numpy.random.Generator
        ranks : Ranks
            Processes that hold the other images.

        Returns
        -------
        labels : ndarray of int64, shape (n_images,)
        penalty : float
            Term of the objective besides the sum of the dissimilarities.
        """
        raise NotImplementedError


class NearestRule(Rule):
    """Traditional K-means: the class of smallest dissimilarity."""

    def assign(
        self, dissimilarity: Floats, labels: Labels, random_state: Generator, ranks: Ranks = ALONE
    ) -> Tuple[Labels, float]:
        """See `Rule.assign`."""
        return dissimilarity.argmin(axis=1), 0.0


@dataclass(frozen=True)
class AdaptiveRule(Rule):
    """ACK-means: dissimilarity plus a constraint that grows with the size of the class.

    One image after the other goes to ``argmin_h d(x_i, mu_h) + 2 lambda s'_h``, s' being the class
    sizes without it, with ``2 lambda = beta d_c / floor(n / k)`` (Xu et al. 2016). d_c is the mean,
    over 10 random images, of the difference between the greatest and the smallest dissimilarity.

    Parameters
    ----------
    beta : float
        0 is K-means, 0.5 the paper's choice.
    """

    beta: float = 0.5

    def assign(
        self, dissimilarity: Floats, labels: Labels, random_state: Generator, ranks: Ranks = ALONE
    ) -> Tuple[Labels, float]:
        """See `Rule.assign`."""
        n, k = ranks.count(len(dissimilarity)), dissimilarity.shape[1]
        some = random_state.choice(n, min(n, N_SCALE_IMAGES), replace=False)
        price = self.beta * _contrast(dissimilarity, some, ranks) / (n // k)
        new = labels.copy()
        sizes = ranks.in_turn(
            ranks.sum(np.bincount(labels, minlength=k)),
            lambda sizes: _assign_in_turn(dissimilarity, price, new, sizes),
        )
        return new, price / 2 * float((sizes.astype(np.float64) ** 2).sum())


class EqualRule(Rule):
    """EQK-means: pairs of smallest dissimilarity first, with equal class sizes.

    The size is n / k, rounded up for the first n mod k classes to reach it. For one rank only,
    since all pairs are sorted.
    """

    def assign(
        self, dissimilarity: Floats, labels: Labels, random_state: Generator, ranks: Ranks = ALONE
    ) -> Tuple[Labels, float]:
        """See `Rule.assign`."""
        new = np.full(len(dissimilarity), -1, dtype=np.int64)
        _fill_equally(dissimilarity, np.argsort(dissimilarity, axis=None, kind="stable"), new)
        return new, 0.0


class SizeFactorRule(Rule):
    """SPIDER's K-means, whose size factor excludes an image from its own class average.

    Images are assigned one after the other. The dissimilarity is scaled by s / (s - 1) for an
    image's own class of s members, and by s / (s + 1) for another: the changes of the sum of
    squares when the image leaves and when it joins (Hartigan 1975, Clustering Algorithms, chapter
    4). The only member of a class stays, and an empty class takes the next image. Xu et al. 2016
    compare with a rule of these two factors; which of them applies to which class is Hartigan's.
    """

    def assign(
        self, dissimilarity: Floats, labels: Labels, random_state: Generator, ranks: Ranks = ALONE
    ) -> Tuple[Labels, float]:
        """See `Rule.assign`."""
        new = labels.copy()
        ranks.in_turn(
            ranks.sum(np.bincount(labels, minlength=dissimilarity.shape[1])),
            lambda sizes: _assign_by_size_factor(dissimilarity, new, sizes),
        )
        return new, 0.0


RULES: Dict[str, Callable[[float], Rule]] = {
    "ack": AdaptiveRule,
    "kmeans": lambda _beta: NearestRule(),
    "eqk": lambda _beta: EqualRule(),
    "spider": lambda _beta: SizeFactorRule(),
}


def _contrast(dissimilarity: Floats, some: Labels, ranks: Ranks) -> float:
    """Mean difference of the largest and smallest dissimilarity, over some of all images."""
    first = ranks.first_row(len(dissimilarity))
    mine = (some >= first) & (some < first + len(dissimilarity))
    contrast = np.zeros(len(some), dissimilarity.dtype)
    contrast[mine] = np.ptp(dissimilarity[some[mine] - first], axis=1)
    return float(ranks.sum(contrast).mean())


@compiled
def _assign_in_turn(dissimilarity, price, labels, sizes):  # type: ignore[no-untyped-def]
    n, k = dissimilarity.shape
    for i in range(n):
        sizes[labels[i]] -= 1
        best, least = 0, np.inf
        for h in range(k):
            cost = dissimilarity[i, h] + price * sizes[h]
            if cost < least:
                best, least = h, cost
        labels[i] = best
        sizes[best] += 1


@compiled
def _assign_by_size_factor(dissimilarity, labels, sizes):  # type: ignore[no-untyped-def]
    n, k = dissimilarity.shape
    for i in range(n):
        own = labels[i]
        if sizes[own] == 1:
            continue
        best, least = own, dissimilarity[i, own] * sizes[own] / (sizes[own] - 1)
        for h in range(k):
            cost = dissimilarity[i, h] * sizes[h] / (sizes[h] + 1)
            if h != own and cost < least:
                best, least = h, cost
        sizes[own] -= 1
        sizes[best] += 1
        labels[i] = best


@compiled
def _fill_equally(dissimilarity, order, labels):  # type: ignore[no-untyped-def]
    n, k = dissimilarity.shape
    share, n_larger = n // k, n % k
    sizes = np.zeros(k, np.int64)
    for pair in order:
        i, h = pair // k, pair % k
        if labels[i] < 0 and (sizes[h] < share or (sizes[h] == share and n_larger > 0)):
            if sizes[h] == share:
                n_larger -= 1
            labels[i] = h
            sizes[h] += 1
