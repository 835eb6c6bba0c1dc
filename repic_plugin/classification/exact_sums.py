"""Sums that do not depend on the order in which numbers are added.

Numbers are rounded to multiples of one power of two that is small enough not to matter, and large
enough for any sum of them to be held by a double without rounding. Integers would do the same.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from repic_plugin.classification.ranks import ALONE, Ranks


def steadying(bound: float) -> float:
    """What is added to a number and taken off again to make it steady.

    Parameters
    ----------
    bound : float
        What the sum of the absolute numbers cannot exceed.

    Returns
    -------
    float
        1.5 times a power of two above the bound. The sum of it and a number has the same last bit
        for all of the numbers, 2**-52 of that power.
    """
    if bound <= 0:
        return 0.0
    return 1.5 * 2.0 ** (math.frexp(bound)[1] + 1)


def steady(values: NDArray[Any], ranks: Ranks = ALONE) -> NDArray[np.float64]:
    """Numbers rounded so that their sums over all ranks are exact.

    Parameters
    ----------
    values : ndarray of float, shape (n,)
        Finite.
    ranks : Ranks

    Returns
    -------
    ndarray of float64, shape (n,)
    """
    largest = float(ranks.largest(np.array([np.abs(values).max(initial=0.0)], np.float64))[0])
    shift = steadying(largest * ranks.count(len(values)))
    return np.asarray((values.astype(np.float64) + shift) - shift)


def steady_sum(values: NDArray[Any], ranks: Ranks = ALONE) -> float:
    """Sum over the images of all ranks.

    Parameters
    ----------
    values : ndarray of float, shape (n,)
    ranks : Ranks

    Returns
    -------
    float
    """
    return float(ranks.sum(np.array([steady(values, ranks).sum()]))[0])
