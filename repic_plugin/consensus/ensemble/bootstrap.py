"""Candidates drawn with replacement, for intervals of the estimates."""

from __future__ import annotations

from typing import Any, List

import numpy as np
from numpy.typing import NDArray

# Of fewer micrographs candidates are drawn, too: they tell little of how micrographs differ, and
# one nothing, so that its intervals would have no width.
ENOUGH_MICROGRAPHS = 8
INTERVAL = (2.5, 97.5)  # per cent


def times_drawn(
    rng: np.random.Generator, micrograph: NDArray[np.int64], n_micrographs: int, n_drawn: int
) -> NDArray[np.float64]:
    """How often each candidate is drawn: with its micrograph, and of few micrographs by itself.

    Parameters
    ----------
    rng : numpy.random.Generator
    micrograph : ndarray of int64, shape (n_candidates,)
        From 0 to n_micrographs - 1.
    n_micrographs : int
    n_drawn : int
        Number of micrographs drawn.

    Returns
    -------
    ndarray of float64, shape (n_candidates,)
    """
    drawn = rng.integers(0, n_micrographs, n_drawn)
    times = np.bincount(drawn, minlength=n_micrographs)[micrograph].astype(np.float64)
    if n_micrographs >= ENOUGH_MICROGRAPHS:
        return times
    return times * rng.poisson(1.0, len(micrograph))


def interval_of(values: List[Any]) -> NDArray[np.float64]:
    """Interval of the estimates of all samples, lower and upper end along the last axis."""
    return np.moveaxis(np.percentile(np.array(values), INTERVAL, axis=0), 0, -1)
