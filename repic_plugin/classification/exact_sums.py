"""Sums that do not depend on the order of their terms.

Terms are rounded to multiples of a power of two that is small enough to be negligible, and large
enough for a double to hold any sum of them exactly, as with integers.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from repic_plugin.classification.ranks import ALONE, Ranks


def steadying(bound: float) -> float:
    """Constant that rounds a number when it is added and subtracted again.

    Parameters
    ----------
    bound : float
        Upper bound of the sum of absolute values.

    Returns
    -------
    float
        1.5 times a power of two above the bound. Its sum with any of the numbers has the same
        last bit, 2**-52 of that power.
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
    """
    return float(ranks.sum(np.array([steady(values, ranks).sum()]))[0])
