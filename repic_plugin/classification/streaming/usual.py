"""What is usual of particles that their classes explain, and what is not.

A particle of a view that has no class goes to the nearest one, and fits it better than noise would:
the `fit` of an assignment does not tell it. It shows less of the class than a member would
(`shortfall`), and the average leaves more of it than noise (`residual`). The sum of both, each in
units of its usual spread, is the misfit. What is usual is measured in particles that had no part in
the averages.
"""

from __future__ import annotations

from typing import NamedTuple, Tuple

import numpy as np
from numpy.typing import NDArray

from repic_plugin.classification.assignment import Assignment

# Of the particles that classes are made of this part, at least so many and at most an eighth, has
# no share in the averages: what is usual is measured in them.
HELD_OUT, LEAST_HELD_OUT, MOST_HELD_OUT = 16, 200, 8
# A misfit is unusual beyond this many times the spread of the better half, of which normally
# distributed ones exceed 2.3 %.
UNUSUAL = 2.0
# Noise has a fit of 0.9 to its class, and in 3 % more than this.
FIT_OF_NOISE = 1.2
# Unexplained particles that every class is taken to have had among the first ones, besides its own.
PRIOR = 5.0
ONE_DEVIATION = 0.1587  # of a normal distribution lies beyond
TINY = 1e-12

Floats = NDArray[np.float64]


class Usual(NamedTuple):
    """Misfit of particles whose view has a class.

    Attributes
    ----------
    centre, scale : ndarray of float64, shape (2,)
        Of shortfall and residual: median, and its distance to the lower 16th percentile.
    limit : float
        Largest usual misfit.
    share : ndarray of float64, shape (k,)
        Part of the members of each class that is not explained.
    """

    centre: Floats
    scale: Floats
    limit: float
    share: Floats

    def misfit(self, found: Assignment) -> Floats:
        """Misfit of each particle, shape (n,)."""
        both = np.stack([found.shortfall, found.residual], axis=1)
        return np.asarray(((both - self.centre) / self.scale).sum(axis=1))

    def is_explained(self, found: Assignment) -> NDArray[np.bool_]:
        """Whether the class of each particle explains it; never of noise and empty images."""
        is_usual = (found.labels >= 0) & (self.misfit(found) <= self.limit)
        return np.asarray(is_usual & (found.fit > FIT_OF_NOISE))

    @property
    def typical_share(self) -> float:
        """Median of the shares of the classes."""
        return float(np.median(self.share))

    def followed_by(self, n_new: int) -> Usual:
        """The same with more classes, of typical share."""
        return self._replace(share=np.append(self.share, np.full(n_new, self.typical_share)))


def held_out_rows(n: int) -> NDArray[np.int64]:
    """Some of n particles, evenly spread."""
    n_held = min(max(n // HELD_OUT, LEAST_HELD_OUT), n // MOST_HELD_OUT)
    return np.unique(np.linspace(0, n - 1, n_held).astype(np.int64))


def usual_misfit(found: Assignment, held_out: NDArray[np.int64]) -> Usual:
    """Misfit of particles that had no part in the averages, and its part beyond the limit.

    The members of averages fit them better, so that only the proportions of the classes' shares are
    taken from them.

    Parameters
    ----------
    found : Assignment
        Of the first particles.
    held_out : ndarray of int64, shape (m,)
        Those that had no part.
    """
    rows = held_out[found.labels[held_out] >= 0]
    both = np.stack([found.shortfall[rows], found.residual[rows]])
    centre, scale = np.array([_middle(values) for values in both]).T
    misfit = ((both - centre[:, None]) / scale[:, None]).sum(axis=0)
    middle, spread = _middle(misfit)
    usual = Usual(centre, scale, middle + UNUSUAL * spread, np.zeros(0))
    lost = (found.labels >= 0) & ~usual.is_explained(found)
    share = float(lost[rows].mean()) if len(rows) else 0.0
    n_lost = np.bincount(found.labels[lost], minlength=len(found.sizes))
    expected = found.sizes * (n_lost.sum() / max(found.sizes.sum(), 1))
    of_class = share * (n_lost + PRIOR) / (expected + PRIOR)
    return usual._replace(share=np.minimum(of_class, 1.0))


def _middle(values: Floats) -> Tuple[float, float]:
    """Median, and the spread of the lower half: junk is among the upper."""
    if not len(values):
        return 0.0, 1.0
    low, middle = np.quantile(values, (ONE_DEVIATION, 0.5))
    return float(middle), max(float(middle - low), TINY)
