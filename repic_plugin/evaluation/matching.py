"""Precision and recall counted over particles that pair with a reference particle."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import maximum_bipartite_matching
from scipy.spatial import cKDTree

from repic_plugin.evaluation.checks import check_centers, check_radius
from repic_plugin.evaluation.scores import Scores

__all__ = ["match_scores"]


def match_scores(centers: ArrayLike, reference_centers: ArrayLike, radius_px: float) -> Scores:
    """Pair picks with reference particles, one to one, on one micrograph.

    As many pairs are made as can be (maximum-cardinality matching), so the result depends
    neither on the order of the picks nor on a greedy choice. A second pick on a particle that
    already has one is a false positive.

    Parameters
    ----------
    centers, reference_centers : array_like of float, shape (n, 2)
        Centres x, y in px.
    radius_px : float
        Largest distance between the centres of a pair, itself included.

    Returns
    -------
    Scores
        Numbers of particles: pairs, picks without a partner, reference particles without one.

    Raises
    ------
    ValueError
        If an argument is malformed.

    Notes
    -----
    Hopcroft and Karp 1973, doi:10.1137/0202019, as implemented in scipy.
    """
    found = check_centers("centers", centers)
    wanted = check_centers("reference_centers", reference_centers)
    n_pairs = _max_pairs(found, wanted, check_radius(radius_px))
    return Scores(n_pairs, len(found) - n_pairs, len(wanted) - n_pairs)


def _max_pairs(found: NDArray[np.float64], wanted: NDArray[np.float64], radius_px: float) -> int:
    if not (len(found) and len(wanted)):
        return 0
    near = cKDTree(found).sparse_distance_matrix(cKDTree(wanted), radius_px, output_type="ndarray")
    links = csr_matrix(
        (np.ones(len(near), dtype=np.int8), (near["i"], near["j"])),
        shape=(len(found), len(wanted)),
    )
    return int(np.count_nonzero(maximum_bipartite_matching(links, perm_type="column") >= 0))
