"""How close two picks, or two particles, can be and still be two.

Some networks, and RELION's wrapper of Topaz, write several picks for one particle. Such copies
would be rivals in the graph, and what is left of them would be picks that nobody else found.
"""

from __future__ import annotations

from typing import Optional, Tuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.spatial import cKDTree

from repic_plugin.arguments import check_not_negative
from repic_plugin.compiled import compiled
from repic_plugin.consensus.picks import Picks

# Of the box. On crowded beta-galactosidase (EMPIAR-10017, box 180 px) no two picks of crYOLO,
# DeepPicker or Topaz are closer, and 25 of the experts' 3,954 particles.
CLOSEST = 0.25


def spacing_px(
    name: str, distance_px: Optional[float], sizes_px: NDArray[np.float64]
) -> NDArray[np.float64]:
    """A distance for each picker; by default a quarter of its box.

    Parameters
    ----------
    name : str
        For messages.
    distance_px : float, optional
        0 switches it off.
    sizes_px : ndarray of float64, shape (n_pickers,)
        Side of each picker's boxes.

    Returns
    -------
    ndarray of float64, shape (n_pickers,)

    Raises
    ------
    ValueError
        If the distance is negative or not finite.
    """
    if distance_px is None:
        return CLOSEST * sizes_px
    return np.full(len(sizes_px), check_not_negative(name, distance_px))


def find_copies(
    picks: Picks, distance_px: ArrayLike, is_used: Optional[NDArray[np.bool_]] = None
) -> NDArray[np.int64]:
    """Picks of a picker that lie within a distance of a better one of its own.

    Best first, a pick is kept unless one that was kept lies closer than the distance; the closest
    of these is what it is a copy of.

    Parameters
    ----------
    picks : Picks
        Better is the higher score, a pick with a score before one without.
    distance_px : array_like of float, shape (n_pickers,)
        0 finds no copy.
    is_used : ndarray of bool, shape (n_picks,), optional
        The picks to look at; by default all.

    Returns
    -------
    ndarray of int64, shape (n_picks,)
        Index of the pick that each is a copy of, -1 for those that are none.
    """
    reach = np.asarray(distance_px, dtype=np.float64)
    if not len(picks) or not reach.any():
        return np.full(len(picks), -1)
    group = picks.micrograph * picks.n_pickers + picks.picker
    score = np.where(picks.has_score, picks.score, -np.inf)
    return _dominated(group, picks.x, picks.y, score, reach[picks.picker], is_used)


def too_close(
    micrograph: NDArray[np.int64],
    x: NDArray[np.float64],
    y: NDArray[np.float64],
    weight: NDArray[np.float64],
    distance_px: float,
) -> NDArray[np.bool_]:
    """Particles closer than a distance to a better one that is kept, best first; shape (n,)."""
    reach = np.full(len(x), distance_px)
    return _dominated(micrograph, x, y, weight, reach, None) >= 0


def _dominated(
    group: NDArray[np.int64],
    x: NDArray[np.float64],
    y: NDArray[np.float64],
    score: NDArray[np.float64],
    reach: NDArray[np.float64],
    is_used: Optional[NDArray[np.bool_]],
) -> NDArray[np.int64]:
    """The better point of its group that each point is too close to, -1 where there is none."""
    order = np.arange(len(group)) if is_used is None else np.flatnonzero(is_used)
    if (group[order[1:]] < group[order[:-1]]).any():
        order = order[np.argsort(group[order], kind="stable")]
    starts = np.flatnonzero(np.diff(group[order], prepend=-1, append=-1))
    return np.asarray(_copies(order, starts, x, y, score, reach))


@compiled
def _crowding(group, x, y, far):  # type: ignore[no-untyped-def]
    """How near the others are to each point of a group that is sorted by x; 0 where none is."""
    nearness = np.zeros(len(group))
    for a in range(len(group) - 1):
        b = a + 1
        while b < len(group) and x[group[b]] - x[group[a]] < far:
            d = np.hypot(x[group[b]] - x[group[a]], y[group[b]] - y[group[a]])
            if d < far:
                nearness[a] += far - d
                nearness[b] += far - d
            b += 1
    return nearness


@compiled
def _copies(order, starts, x, y, score, reach):  # type: ignore[no-untyped-def]
    """`_dominated` in groups of points; of equal scores the one amid the others is the better."""
    copy_of = np.full(len(x), -1, np.int64)
    for g in range(len(starts) - 1):
        group = order[starts[g] : starts[g + 1]]
        group = group[np.argsort(y[group], kind="mergesort")]
        group = group[np.argsort(x[group], kind="mergesort")]  # ties do not depend on the order
        far = reach[group[0]]
        nearness = _crowding(group, x, y, far)
        if nearness.max() == 0:
            continue
        kept = np.zeros(len(group), np.bool_)
        best_first = np.argsort(-nearness, kind="mergesort")
        best_first = best_first[np.argsort(-score[group[best_first]], kind="mergesort")]
        for a in best_first:
            nearest = far
            for step in (-1, 1):
                b = a + step
                while 0 <= b < len(group) and abs(x[group[b]] - x[group[a]]) < far:
                    if kept[b]:
                        d = np.hypot(x[group[b]] - x[group[a]], y[group[b]] - y[group[a]])
                        if d < nearest:
                            nearest = d
                            copy_of[group[a]] = group[b]
                    b += step
            kept[a] = copy_of[group[a]] < 0
    return copy_of


def close_pairs(
    points: NDArray[np.float64], distance_px: float, centres: Optional[NDArray[np.int64]] = None
) -> NDArray[np.int64]:
    """Pairs of points of one micrograph that are closer than a distance.

    Parameters
    ----------
    points : ndarray of float64, shape (n, 3)
        Micrograph, x and y in px.
    distance_px : float
    centres : ndarray of int64, optional
        Indices of points of which one must be in a pair; by default all.

    Returns
    -------
    ndarray of int64, shape (n_pairs, 2)
        The lower index first, sorted.
    """
    if distance_px <= 0 or len(points) < 2:
        return np.zeros((0, 2), dtype=np.int64)
    # micrographs lie further apart than the distance
    tree = cKDTree(points * [4 * distance_px, 1, 1])
    if centres is None:
        pairs = tree.query_pairs(distance_px, output_type="ndarray").astype(np.int64)
    else:
        found = tree.query_ball_point(tree.data[centres], distance_px)
        first = np.repeat(centres, [len(one) for one in found])
        pairs = np.column_stack((first, np.concatenate(found).astype(np.int64)))
        pairs = pairs[pairs[:, 0] != pairs[:, 1]]
    steps = points[pairs[:, 0], 1:] - points[pairs[:, 1], 1:]
    close = np.sort(pairs[np.hypot(*steps.T) < distance_px], axis=1)
    return np.asarray(np.unique(close, axis=0))


def with_conflicts(
    members: NDArray[np.int64], n_vertices: int, pairs: NDArray[np.int64]
) -> Tuple[NDArray[np.int64], int]:
    """Cliques of which no two of a pair can be chosen.

    Each pair shares a vertex of its own: what keeps two cliques of one pick apart keeps these.

    Parameters
    ----------
    members : ndarray of int64, shape (n_cliques, n_places)
        Vertices, -1 last.
    n_vertices : int
    pairs : ndarray of int64, shape (n_pairs, 2)
        Of cliques.

    Returns
    -------
    members : ndarray of int64, shape (n_cliques, n_places + n_more)
    n_vertices : int
    """
    shared = n_vertices + np.arange(len(pairs))
    clique = pairs.ravel()
    vertex = np.repeat(shared, 2)
    order = np.argsort(clique, kind="stable")
    clique, vertex = clique[order], vertex[order]
    counts = np.bincount(clique, minlength=len(members))
    column = np.arange(len(clique)) - np.repeat(np.cumsum(counts) - counts, counts)
    more = np.full((len(members), int(counts.max(initial=0))), -1)
    more[clique, column] = vertex
    joined = np.hstack([members, more])
    last = np.argsort(joined < 0, axis=1, kind="stable")
    return np.take_along_axis(joined, last, axis=1), n_vertices + len(pairs)
