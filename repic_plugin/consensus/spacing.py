"""Minimum distances of picks of one picker, and of particles.

Some networks, and RELION's wrapper of Topaz, write several picks for one particle. Such copies
would compete in the graph, and the losers would count as picks that no other picker found.
"""

from __future__ import annotations

from typing import Optional, Tuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from repic_plugin.arguments import check_not_negative
from repic_plugin.compiled import compiled
from repic_plugin.consensus.picks import Picks

# Of the box. On crowded beta-galactosidase (EMPIAR-10017, box 180 px) no two picks of crYOLO,
# DeepPicker or Topaz are closer, and 25 of the experts' 3,954 particles.
CLOSEST = 0.25


def spacing_px(
    name: str, distance_px: Optional[float], sizes_px: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Distance for each picker, px; by default a quarter of its box.

    Parameters
    ----------
    name : str
        Name of the argument, for the message.
    distance_px : float, optional
        0 disables it.
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
    """Copies: picks within a distance of a better pick of the same picker.

    Best first, a pick is kept unless a kept one is closer than the distance; it is then a copy of
    the closest of these.

    Parameters
    ----------
    picks : Picks
        A higher score is better, and a pick with a score is better than one without.
    distance_px : array_like of float, shape (n_pickers,)
        0 finds no copies.
    is_used : ndarray of bool, shape (n_picks,), optional
        Picks to consider; all by default.

    Returns
    -------
    ndarray of int64, shape (n_picks,)
        Index of the pick of which each is a copy, -1 for picks that are not copies.
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
    """Mask of particles closer than a distance to a better one that is kept, shape (n,)."""
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
    """Better point of the same group to which each point is too close, -1 if none."""
    order = np.arange(len(group)) if is_used is None else np.flatnonzero(is_used)
    if (group[order[1:]] < group[order[:-1]]).any():
        order = order[np.argsort(group[order], kind="stable")]
    starts = np.flatnonzero(np.diff(group[order], prepend=-1, append=-1))
    return np.asarray(_copies(order, starts, x, y, score, reach))


@compiled
def _order(first, second):  # type: ignore[no-untyped-def]
    """Indices that sort by `first`, then by `second`, then by place; numpy's compile slowly."""
    n, width = len(first), 1
    order, merged = np.arange(n), np.empty(n, np.int64)
    while width < n:
        for begin in range(0, n, 2 * width):
            middle, end = min(begin + width, n), min(begin + 2 * width, n)
            a, b = begin, middle
            for at in range(begin, end):
                takes_left = b == end
                if a < middle and b < end:
                    i, j = order[a], order[b]
                    is_tie = first[i] == first[j]
                    takes_left = second[i] <= second[j] if is_tie else first[i] < first[j]
                if takes_left:
                    merged[at] = order[a]
                    a += 1
                else:
                    merged[at] = order[b]
                    b += 1
        order, merged = merged, order
        width *= 2
    return order


@compiled
def _crowding(group, x, y, far):  # type: ignore[no-untyped-def]
    """Crowding of each point by the others of a group sorted by x; 0 for an isolated point."""
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
    """`_dominated` in groups of points; of equal scores the most crowded one is better."""
    copy_of = np.full(len(x), -1, np.int64)
    for g in range(len(starts) - 1):
        group = order[starts[g] : starts[g + 1]]
        group = group[_order(x[group], y[group])]  # ties do not depend on the given order
        far = reach[group[0]]
        nearness = _crowding(group, x, y, far)
        most = 0.0
        for one in nearness:
            most = max(most, one)
        if most == 0:
            continue
        kept = np.zeros(len(group), np.bool_)
        for a in _order(-score[group], -nearness):
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
    """Pairs of points of the same micrograph that are closer than a distance.

    Parameters
    ----------
    points : ndarray of float64, shape (n, 3)
        Micrograph, x and y in px.
    distance_px : float
    centres : ndarray of int64, optional
        Points of which at least one must be in each pair; all by default.

    Returns
    -------
    ndarray of int64, shape (n_pairs, 2)
        The lower index first, sorted.
    """
    if distance_px <= 0 or len(points) < 2:
        return np.zeros((0, 2), dtype=np.int64)
    micrograph, x, y = np.ascontiguousarray(points.T)
    is_centre = np.full(len(points), centres is None)
    is_centre[[] if centres is None else centres] = True
    order = np.lexsort((x, micrograph))
    first, second = _close_pairs(order, micrograph, x, y, is_centre, float(distance_px))
    # one number for each pair: numpy compares rows slowly
    pairs = np.sort(np.minimum(first, second) * len(points) + np.maximum(first, second))
    return np.stack(np.divmod(pairs, len(points)), axis=1)


@compiled
def _close_pairs(order, micrograph, x, y, is_centre, far):  # type: ignore[no-untyped-def]
    """`close_pairs` of points in the order of their micrographs, then of x."""
    n_pairs = np.int64(0)
    first, second = np.empty(len(order), np.int64), np.empty(len(order), np.int64)
    for a in range(len(order)):
        i, b = order[a], a + 1
        while b < len(order) and micrograph[order[b]] == micrograph[i] and x[order[b]] - x[i] < far:
            j = order[b]
            b += 1
            is_wanted = (is_centre[i] | is_centre[j]) & (abs(y[j] - y[i]) < far)
            if is_wanted and np.hypot(x[j] - x[i], y[j] - y[i]) < far:
                if n_pairs == len(first):
                    first = np.concatenate((first, np.empty_like(first)))
                    second = np.concatenate((second, np.empty_like(second)))
                first[n_pairs], second[n_pairs] = i, j
                n_pairs += 1
    return first[:n_pairs], second[:n_pairs]


def with_conflicts(
    members: NDArray[np.int64], n_vertices: int, pairs: NDArray[np.int64]
) -> Tuple[NDArray[np.int64], int]:
    """Cliques with an additional common vertex for each pair, so that only one can be selected.

    Parameters
    ----------
    members : ndarray of int64, shape (n_cliques, n_places)
        Vertices, -1 last.
    n_vertices : int
    pairs : ndarray of int64, shape (n_pairs, 2)
        Pairs of cliques.

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
