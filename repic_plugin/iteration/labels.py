"""Labels: the particles on which pickers are trained."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from repic_plugin.arguments import check_in_range, check_whole_number

# With fewer labels a picker learns nothing.
LEAST_SAMPLED = 5

Indices = NDArray[np.int64]


def best_of_each(micrograph: ArrayLike, weight: ArrayLike, n_best: int) -> Indices:
    """Indices of the `n_best` particles of largest weight on each micrograph.

    Parameters
    ----------
    micrograph : array_like of int, shape (n,)
    weight : array_like of float, shape (n,)
        Ties are broken by order.
    n_best : int
        0 keeps all.

    Returns
    -------
    ndarray of int64, shape (n_kept,)
        Ascending.

    Raises
    ------
    ValueError
        If the shapes differ or `n_best` is negative.
    """
    groups, weights = np.asarray(micrograph), np.asarray(weight, dtype=np.float64)
    if groups.shape != weights.shape or groups.ndim != 1:
        raise ValueError(
            f"micrograph and weight must be of one length, got {groups.shape} and {weights.shape}"
        )
    check_whole_number("n_best", n_best, 0, "0 keeps all")
    if n_best == 0:
        return np.arange(len(groups))
    order = np.lexsort((-weights, groups))
    first = np.searchsorted(groups[order], groups[order])
    rank = np.arange(len(groups)) - first
    return np.sort(order[rank < n_best])


def sampled(n: int, probability: float, *, random_state: int = 0) -> Indices:
    """Indices of a random sample of n particles; at least five if there are five.

    Parameters
    ----------
    n : int
    probability : float
        Of each particle to be kept, in (0, 1].
    random_state : int
        Seed. A larger probability keeps all that a smaller one keeps.

    Returns
    -------
    ndarray of int64, shape (n_kept,)
        Ascending.

    Raises
    ------
    ValueError
        If the probability is out of range.
    """
    check_in_range("probability", probability, 0, 1, "(]")
    chance = np.random.default_rng(random_state).random(n)
    n_kept = max(int((chance < probability).sum()), min(LEAST_SAMPLED, n))
    return np.sort(np.argsort(chance, kind="stable")[:n_kept])
