"""Precision and recall by particles matched to a reference."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import maximum_bipartite_matching
from scipy.spatial import cKDTree

from repic_plugin.arguments import check_centers, check_positive
from repic_plugin.evaluation.scores import Scores


def match_scores(centers: ArrayLike, reference_centers: ArrayLike, radius_px: float) -> Scores:
    """Scores of picks matched one to one with reference particles on one micrograph.

    The matching has maximum cardinality (Hopcroft and Karp 1973, doi:10.1137/0202019), so the
    result depends neither on the order of the picks nor on greedy choices. A second pick on a
    matched particle is a false positive.

    Parameters
    ----------
    centers, reference_centers : array_like of float, shape (n, 2)
        Centres x, y in px.
    radius_px : float
        Maximum distance between the centres of a pair, inclusive.

    Returns
    -------
    Scores
        Numbers of pairs, unmatched picks and unmatched reference particles.

    Raises
    ------
    ValueError
        If an argument is malformed.
    """
    found = check_centers("centers", centers)
    wanted = check_centers("reference_centers", reference_centers)
    radius = check_positive("radius_px", radius_px, "a quarter of the box is usual")
    n_pairs = int(
        max_pairs_by_group(
            found, np.zeros(len(found), int), wanted, np.zeros(len(wanted), int), 1, radius
        )[0]
    )
    return Scores(n_pairs, len(found) - n_pairs, len(wanted) - n_pairs)


def max_pairs_by_group(
    found: NDArray[np.float64],
    found_group: NDArray[np.int64],
    wanted: NDArray[np.float64],
    wanted_group: NDArray[np.int64],
    n_groups: int,
    radius_px: float,
) -> NDArray[np.int64]:
    """Maximum number of pairs on each of several micrographs, shape (n_groups,)."""
    if not (len(found) and len(wanted)):
        return np.zeros(n_groups, dtype=np.int64)
    apart_px = 2 * radius_px + 1  # a third coordinate separates the micrographs
    trees = [
        cKDTree(np.column_stack([centers, group * apart_px]))
        for centers, group in ((found, found_group), (wanted, wanted_group))
    ]
    near = trees[0].sparse_distance_matrix(trees[1], radius_px, output_type="ndarray")
    links = csr_matrix(
        (np.ones(len(near), dtype=np.int8), (near["i"], near["j"])), shape=(len(found), len(wanted))
    )
    is_paired = maximum_bipartite_matching(links, perm_type="column") >= 0
    return np.bincount(found_group[is_paired], minlength=n_groups)
