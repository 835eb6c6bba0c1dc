"""Sudden falls of a quantity over a session, as change points in the order of acquisition.

At each place the values before and after are compared by their ranks (Mann and Whitney 1947, as
Pettitt 1979, doi:10.2307/2346729, scans for a change). The largest difference counts if few
permutations of the values reach it, and both sides are then searched again (binary segmentation,
Vostrikova 1981). Micrographs of one grid square resemble each other, which permutations ignore: the
difference is reduced by what the correlation of neighbours adds to its variance.
"""

from __future__ import annotations

from typing import Iterator, List, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.ndimage import median_filter

Floats = NDArray[np.float64]

FALSE_ALARMS = 0.01  # share of sessions without a change in which one is found
LEAST_SIDE = 10  # micrographs on either side of a change
LEAST_EFFECT = 0.8  # probability that a value after a fall is below one before it
LEAST_DROP = 0.2  # of the value before: grid squares differ, too
LEAST_Z = 2.5  # never the largest of 20 or more in one of 100 sessions without a change
NEIGHBOURS = 61  # micrographs: what lasts longer than half of them is a change, no correlation
CERTAIN_Z = 10.0  # no permutation reaches it, unless nearly all values are equal
CHUNK = 1 << 20  # numbers that are permuted at a time


class Fall(NamedTuple):
    """A sudden fall.

    Attributes
    ----------
    place : int
        Index of the first value after it.
    before, after : float
        Medians of the values up to the changes beside it.
    """

    place: int
    before: float
    after: float


def sudden_falls(
    values: ArrayLike, *, false_alarms: float = FALSE_ALARMS, random_state: int = 0
) -> List[Fall]:
    """Falls of a quantity, in their order.

    A slow fall is found, too, at about its middle. Rises divide the session, but are not returned.

    Parameters
    ----------
    values : array_like of float, shape (m,)
        In the order of acquisition, 0 or more; NaN where unknown.
    false_alarms : float
        Probability of finding a change where there is none.
    random_state : int
        Seed of the permutations.

    Returns
    -------
    list of Fall
    """
    given = np.asarray(values, np.float64)
    known = np.flatnonzero(~np.isnan(given))
    column = given[known]
    rng = np.random.default_rng(random_state)
    ends = [0, *sorted(_changes(column, 0, false_alarms, rng)), len(column)]
    found = []
    for first, rough, last in zip(ends, ends[1:], ends[2:]):
        place = first + _refined(column[first:last], rough - first)
        before, after = column[first:place], column[place:last]
        fall = Fall(int(known[place]), float(np.median(before)), float(np.median(after)))
        is_large = fall.after <= (1 - LEAST_DROP) * fall.before > 0
        if is_large and _effect(before, after) >= LEAST_EFFECT:
            found.append(fall)
    return found


def running_median(values: ArrayLike, width: int = NEIGHBOURS) -> Floats:
    """Median of each value and its neighbours, shape (m,); NaN where the value is unknown.

    Parameters
    ----------
    values : array_like of float, shape (m,)
        NaN where unknown: left out.
    width : int
        Number of values, at most a third of all.
    """
    given = np.asarray(values, np.float64)
    known = ~np.isnan(given)
    result = np.full(given.shape, np.nan)
    width = min(width, known.sum() // 3) // 2 * 2 + 1
    result[known] = median_filter(given[known], size=width, mode="reflect")
    return result


def _changes(
    values: Floats, first: int, false_alarms: float, rng: np.random.Generator
) -> Iterator[int]:
    """Places of changes, up or down."""
    if len(values) < 2 * LEAST_SIDE:
        return
    ranks = _centred_ranks(values)
    z = np.abs(_differences(ranks[None]))[0]
    place = int(z.argmax()) + LEAST_SIDE
    largest = float(z.max()) / np.sqrt(_inflation(ranks))
    if largest < LEAST_Z or not _is_rare(largest, ranks, false_alarms, rng):
        return
    yield first + place
    yield from _changes(values[:place], first, false_alarms, rng)
    yield from _changes(values[place:], first + place, false_alarms, rng)


def _refined(values: Floats, place: int) -> int:
    """Place at which most values lie on their side of the middle between the medians."""
    before, after = np.median(values[:place]), np.median(values[place:])
    side = np.sign(values - (before + after) / 2) * np.sign(before - after)
    inner = np.cumsum(side)[LEAST_SIDE - 1 : len(values) - LEAST_SIDE]
    return int(inner.argmax()) + LEAST_SIDE


def _centred_ranks(values: Floats) -> Floats:
    """Ranks about their mean; equal values share one."""
    _, place, count = np.unique(values, return_inverse=True, return_counts=True)
    rank = np.cumsum(count) - (count - 1) / 2
    return np.asarray(rank[place.ravel()] - (len(values) + 1) / 2)


def _differences(ranks: Floats) -> Floats:
    """Sum of the ranks before each place in its standard deviations, positive for a fall.

    Parameters
    ----------
    ranks : ndarray of float64, shape (n_rows, n)
        Centred.

    Returns
    -------
    ndarray of float64, shape (n_rows, n - 2 * LEAST_SIDE + 1)
    """
    n = ranks.shape[1]
    before = np.arange(LEAST_SIDE, n - LEAST_SIDE + 1)
    variance = np.square(ranks[0]).mean() * before * (n - before) / (n - 1)
    scale = np.divide(1, np.sqrt(variance), out=np.zeros(len(before)), where=variance > 0)
    sums = np.cumsum(ranks, axis=1)[:, LEAST_SIDE - 1 : n - LEAST_SIDE]
    sums *= scale
    return np.asarray(sums)


def _inflation(ranks: Floats) -> float:
    """Factor by which the correlation of neighbours increases the variance of a sum.

    Correlations of the ranks about their running median, which follows changes, are summed up to
    the first that is not positive (Geyer 1992).
    """
    rest = ranks - running_median(ranks)
    rest -= rest.mean()
    power = np.square(np.abs(np.fft.rfft(rest, 2 * len(rest))))
    products = np.fft.irfft(power)[: NEIGHBOURS // 2]
    if products[0] <= 0:
        return 1.0
    correlation = products[1:] / products[0]
    n_positive = int(np.append(correlation <= 0, True).argmax())
    return float(1 + 2 * correlation[:n_positive].sum())


def _is_rare(largest: float, ranks: Floats, false_alarms: float, rng: np.random.Generator) -> bool:
    """Whether at most this share of permutations has so large a difference somewhere."""
    if largest >= CERTAIN_Z:
        return True
    left = int(np.ceil(1 / false_alarms)) - 1
    while left > 0:
        n_rows = min(left, max(1, CHUNK // len(ranks)))
        permuted = rng.permuted(np.broadcast_to(ranks, (n_rows, len(ranks))), axis=1)
        if np.abs(_differences(permuted)).max() >= largest:
            return False
        left -= n_rows
    return True


def _effect(before: Floats, after: Floats) -> float:
    """Probability that a value after is below one before; equal values count half."""
    ordered = np.sort(before)
    below, above = (np.searchsorted(ordered, after, side) for side in ("left", "right"))
    return float(1 - (below + above).mean() / (2 * len(before)))
