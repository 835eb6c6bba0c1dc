"""Whether pickers agree more than by chance."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from repic_plugin.consensus.chance.rates import Groups

SIGNIFICANT = 3.5  # standard deviations: one of some thousand sets without agreement
FEW = 20  # groups as closeness has them in theory, even, beside those in the decoys
SMALL_SHARE = 0.3  # of the picks: if even so few may agree, the set is too small to tell


def closeness(overlap: NDArray[np.float64], min_overlap: float) -> NDArray[np.float64]:
    """Share of the chance partners of a box that overlap it less, shape as `overlap`.

    The centres of boxes of one size whose Jaccard index with a given one exceeds t cover an area
    proportional to ``1 - u + u ln u`` with ``u = 2 t / (1 + t)``; by chance they lie anywhere in
    it.

    Parameters
    ----------
    overlap : ndarray of float64
        Jaccard indices above `min_overlap`.
    min_overlap : float
    """
    least = _area(np.array([min_overlap]))[0]
    return np.asarray(np.clip(1 - _area(overlap) / least, 0.0, 1.0))


def _area(overlap: NDArray[np.float64]) -> NDArray[np.float64]:
    u = 2 * overlap / (1 + overlap)
    return np.asarray(1 - u + u * np.log(np.where(u > 0, u, 1.0)))


class Evidence(NamedTuple):
    """Evidence of agreement beyond chance.

    In crowded micrographs chance partners are as many as true ones, but true ones are closer;
    elsewhere they are fewer. Two quantities are compared, therefore.

    Attributes
    ----------
    excess, deviation : float
        Sum of the closeness of the observed groups less that in a decoy, and its standard
        deviation without agreement, at least 1.
    closer : float
        Difference of their mean closeness, in standard deviations.
    """

    excess: float
    deviation: float
    closer: float


def evidence(
    observed: Groups, decoys: Groups, n_decoys: int, n_micrographs: int, min_overlap: float
) -> Evidence:
    """Evidence of agreement beyond chance.

    Parameters
    ----------
    observed, decoys : Groups
        The micrographs of the decoys count on: those of the second follow those of the first.
    n_decoys, n_micrographs : int
    min_overlap : float
    """
    near, by_chance = (closeness(one.overlap, min_overlap) for one in (observed, decoys))
    theirs = np.bincount(decoys.micrograph, by_chance, n_decoys * n_micrographs)
    theirs = theirs.reshape(n_decoys, n_micrographs)
    variance = max((by_chance**2).sum() / n_decoys, theirs.var(axis=0, ddof=1).sum(), 1.0)
    excess = near.sum() - theirs.sum() / n_decoys
    return Evidence(
        float(excess), float(np.sqrt(variance * (1 + 1 / n_decoys))), _closer(near, by_chance)
    )


def _closer(near: NDArray[np.float64], by_chance: NDArray[np.float64]) -> float:
    """Difference of the means in standard deviations."""
    if not len(near):
        return 0.0
    among = np.append(by_chance, np.linspace(0, 1, FEW))
    variance = among.var() * (1 / len(near) + 1 / len(among))
    return float((near.mean() - among.mean()) / np.sqrt(variance))
