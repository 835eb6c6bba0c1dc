"""Calibration of probabilities: of candidates given 0.8, four in five should be true."""

from __future__ import annotations

from typing import NamedTuple, Tuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from repic_plugin.arguments import check_whole_number

N_BINS = 10


class Reliability(NamedTuple):
    """Reliability diagram: binned probabilities and the fraction that is true in each bin.

    Attributes
    ----------
    edges : ndarray of float64, shape (n_bins + 1,)
        Edges of the bins, from 0 to 1; a bin includes its lower edge, the last one both.
    count : ndarray of int64, shape (n_bins,)
    mean_probability, share_true : ndarray of float64, shape (n_bins,)
        Equal if the probabilities are calibrated; nan for an empty bin.
    """

    edges: NDArray[np.float64]
    count: NDArray[np.int64]  # type: ignore[assignment]  # hides tuple.count
    mean_probability: NDArray[np.float64]
    share_true: NDArray[np.float64]


def reliability(probability: ArrayLike, is_true: ArrayLike, n_bins: int = N_BINS) -> Reliability:
    """Reliability diagram of probabilities (Murphy and Winkler 1977, doi:10.2307/2346866).

    Parameters
    ----------
    probability : array_like of float, shape (n,)
        In [0, 1].
    is_true : array_like of bool, shape (n,)
    n_bins : int
        Number of bins of equal width.

    Raises
    ------
    ValueError
        If an argument is malformed.
    """
    values, came_true = _checked(probability, is_true)
    check_whole_number("n_bins", n_bins, 1)
    edges = np.arange(n_bins + 1) / n_bins
    place = np.minimum(np.searchsorted(edges, values, side="right") - 1, n_bins - 1)
    count = np.bincount(place, minlength=n_bins)
    sums = (np.bincount(place, weights, n_bins) for weights in (values, came_true))
    empty = np.full(n_bins, np.nan)
    means = (np.divide(one, count, out=empty.copy(), where=count > 0) for one in sums)
    return Reliability(edges, count, *means)


def _checked(
    probability: ArrayLike, is_true: ArrayLike
) -> Tuple[NDArray[np.float64], NDArray[np.bool_]]:
    values, came_true = np.asarray(probability, np.float64), np.asarray(is_true)
    if values.ndim != 1 or values.shape != came_true.shape:
        raise ValueError(
            "probability and is_true must have one dimension and the same length, got shapes "
            f"{values.shape} and {came_true.shape}"
        )
    wrong = values[~((values >= 0) & (values <= 1))]
    if len(wrong):
        raise ValueError(f"probability must lie in [0, 1], got {wrong[0]:g}")
    return values, came_true.astype(bool)
