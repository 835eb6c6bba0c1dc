"""Share of agreements that are chance, by target-decoy estimation."""

from __future__ import annotations

from typing import NamedTuple, Tuple

import numpy as np
from numpy.typing import NDArray

FEW = 10  # decoys in the lower half: fewer do not tell how much room is left for chance


class Groups(NamedTuple):
    """Selected groups of picks on some micrographs.

    Attributes
    ----------
    micrograph, n_members : ndarray of int64, shape (n,)
    weight, overlap : ndarray of float64, shape (n,)
    """

    micrograph: NDArray[np.int64]
    n_members: NDArray[np.int64]
    weight: NDArray[np.float64]
    overlap: NDArray[np.float64]


def room_for_chance(
    overlap: NDArray[np.float64], in_decoys: NDArray[np.float64], n_decoys: int
) -> float:
    """Fraction of the decoys' agreements for which there is room beside the true ones.

    A pick with a true partner has no need of one by chance, so that chance meets fewer picks than
    in decoys, where none has a true partner. True partners overlap widely: what overlaps less
    than half of the decoys do is counted as chance (Storey's estimate of the proportion of true
    null hypotheses, Storey 2002, doi:10.1111/1467-9868.00346). Misplaced true partners among
    these make the estimate too large, not too small.

    Parameters
    ----------
    overlap : ndarray of float64, shape (n_observed,)
    in_decoys : ndarray of float64, shape (n_in_decoys,)
        Of all decoys together.
    n_decoys : int

    Returns
    -------
    float
        In [0, 1]; 1 if the decoys are too few to tell.
    """
    if len(in_decoys) == 0:
        return 1.0
    middle = np.median(in_decoys)
    n_low = int((in_decoys <= middle).sum())
    if n_low < FEW:
        return 1.0
    return min(1.0, int((overlap <= middle).sum()) * n_decoys / n_low)


def chance_counts(observed: Groups, decoys: Groups, n_decoys: int) -> NDArray[np.float64]:
    """Number of observed groups for which each group of the decoys stands, shape (n_in_decoys,).

    The room for chance is found for each number of members. It cannot grow with it, as more picks
    have to be without a true partner: in a larger group that overlaps little, two picks may agree
    and a third be there by chance.
    """
    stands_for, room = np.zeros(len(decoys.weight)), 1.0
    for size in np.unique(decoys.n_members).tolist():
        mine = decoys.n_members == size
        seen = observed.overlap[observed.n_members == size]
        room = min(room, room_for_chance(seen, decoys.overlap[mine], n_decoys))
        stands_for[mine] = room / n_decoys
    return stands_for


def false_rates(
    weight: NDArray[np.float64], in_decoys: NDArray[np.float64], stands_for: NDArray[np.float64]
) -> Tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Expected share of chance among the agreements of at least some weight.

    Parameters
    ----------
    weight : ndarray of float64, shape (n_observed,)
    in_decoys, stands_for : ndarray of float64, shape (n_in_decoys,)
        Weights in decoys, and the number of observed groups for which each stands.

    Returns
    -------
    weight : ndarray of float64, shape (n_different,)
        The different weights observed, ascending.
    rate : ndarray of float64, shape (n_different,)
        In [0, 1], not increasing: the smallest share at this or any lower weight.
    """
    levels, counts = np.unique(weight, return_counts=True)
    n_above = np.cumsum(counts[::-1])[::-1]
    order = np.argsort(in_decoys, kind="stable")
    cumulated = np.append(np.cumsum(stands_for[order][::-1])[::-1], 0.0)
    n_chance = cumulated[np.searchsorted(in_decoys[order], levels)]
    share = np.minimum(n_chance / n_above, 1.0)
    return levels, np.minimum.accumulate(share)


def rate_at(
    weight: NDArray[np.float64], levels: NDArray[np.float64], rates: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Rates of groups of some weights; NaN if none was observed.

    Parameters
    ----------
    weight : ndarray of float64, shape (n,)
    levels, rates : ndarray of float64, shape (n_levels,)
        As `false_rates` returns them. Below the lowest level its rate holds.
    """
    if not len(levels):
        return np.full(len(weight), np.nan)
    place = np.searchsorted(levels, weight, side="right") - 1
    return np.asarray(rates[np.maximum(place, 0)])
