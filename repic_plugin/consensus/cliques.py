"""Cliques of a micrograph's graph, and the weight of each as a particle."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from repic_plugin.compiled import compiled
from repic_plugin.consensus.graph import OverlapGraph
from repic_plugin.consensus.records import BatchPicks

MAX_CLIQUES = 5_000_000  # on one micrograph; far beyond any reasonable overlap

EQUAL_OVERLAP = 1e-12  # sums of the same overlaps in another order differ by less


class Cliques(NamedTuple):
    """Cliques of a batch of micrographs, in an order independent of the order of the picks.

    Attributes
    ----------
    micrograph : ndarray of int64, shape (n_cliques,)
        Index in the batch, ascending.
    members : ndarray of int64, shape (n_cliques, n_pickers)
        Vertices, ascending; -1 fills the row of a clique with fewer members than pickers.
    n_members : ndarray of int64, shape (n_cliques,)
    overlap, score : ndarray of float64, shape (n_cliques,)
        Medians of the edges' overlaps and of the members' scores.
    weight : ndarray of float64, shape (n_cliques,)
        ``overlap * score``, plus 1 for every member above the quorum (docs/understand/method.md).
    representative : ndarray of int64, shape (n_cliques,)
        The member with the highest total overlap with the others.
    """

    micrograph: NDArray[np.int64]
    members: NDArray[np.int64]
    n_members: NDArray[np.int64]
    overlap: NDArray[np.float64]
    score: NDArray[np.float64]
    weight: NDArray[np.float64]
    representative: NDArray[np.int64]


def find_cliques(graph: OverlapGraph, picks: BatchPicks, n_pickers: int, quorum: int) -> Cliques:
    """All cliques of at least `quorum` members, not only the maximal ones.

    Cameron et al. 2024, Online Methods; a clique of a k-partite graph has at
    most one member for each picker.

    Parameters
    ----------
    graph : OverlapGraph
    picks : BatchPicks
        The vertices; their positions break ties.
    n_pickers, quorum : int
        Largest and smallest number of members.

    Returns
    -------
    Cliques
        By micrograph, best weight first.

    Raises
    ------
    ValueError
        If there are more than `MAX_CLIQUES`.
    """
    starts, neighbours, overlaps = graph
    members, is_complete = _cliques(
        starts, neighbours, picks.picker, picks.micrograph, n_pickers, quorum, MAX_CLIQUES
    )
    if not is_complete:
        raise ValueError(
            f"more than {MAX_CLIQUES:,} cliques on one micrograph: its picks are too crowded for "
            f"these settings; raise min_overlap or the quorum, or lower the box size"
        )
    n_members, overlap, score, representative = _described(
        members, starts, neighbours, overlaps, picks.score, picks.x, picks.y
    )
    weight = overlap * score + (n_members - quorum)
    micrograph = picks.micrograph[members[:, 0]]
    order = _canonical_order(micrograph, members, weight, picks)
    columns = (micrograph, members, n_members, overlap, score, weight, representative)
    return Cliques(*(column[order] for column in columns))


def _canonical_order(
    micrograph: NDArray[np.int64],
    members: NDArray[np.int64],
    weight: NDArray[np.float64],
    picks: BatchPicks,
) -> NDArray[np.intp]:
    """Order by micrograph, then decreasing weight, ties by the positions of the members.

    Equal optima are common (integer coordinates, picks without scores); a search that sees the
    cliques in this order finds the same one for any numbering of the picks.
    """
    order: NDArray[np.intp] = np.lexsort((-weight, micrograph))
    equal = (np.diff(weight[order]) == 0) & (np.diff(micrograph[order]) == 0)
    tied = np.flatnonzero(np.append(equal, False) | np.append(False, equal))
    if len(tied):
        cliques = order[tied]
        ranks = _ranks_of_places(members[cliques], picks)
        order[tied] = cliques[np.lexsort((*ranks.T[::-1], -weight[cliques], micrograph[cliques]))]
    return order


def _ranks_of_places(members: NDArray[np.int64], picks: BatchPicks) -> NDArray[np.int64]:
    """Ranks of the members by x, y and score, ascending in each row; ties share a rank."""
    n = len(picks.x)
    is_member = np.zeros(n + 1, dtype=bool)
    is_member[members] = True  # the last entry is for the filler, -1
    used = np.flatnonzero(is_member[:n])
    by_place = used[np.lexsort((picks.score[used], picks.y[used], picks.x[used]))]
    changes = np.zeros(len(by_place) - 1, dtype=bool)
    for column in (picks.x, picks.y, picks.score):
        changes |= np.diff(column[by_place]) != 0
    rank = np.full(n + 1, n)
    rank[by_place] = np.append(0, np.cumsum(changes))
    ranks: NDArray[np.int64] = np.sort(rank[members], axis=1)
    return ranks


@compiled
def _sort(values, n):  # type: ignore[no-untyped-def]
    """Insertion sort of the first n values in place; n is small."""
    for i in range(1, n):
        value = values[i]
        at = i
        while at > 0 and values[at - 1] > value:
            values[at] = values[at - 1]
            at -= 1
        values[at] = value


@compiled
def _common(a, b, out):  # type: ignore[no-untyped-def]
    """Number of values common to two ascending arrays, which are written to `out`."""
    n = i = j = 0
    while i < len(a) and j < len(b):
        if a[i] < b[j]:
            i += 1
        elif a[i] > b[j]:
            j += 1
        else:
            out[n] = a[i]
            n += 1
            i += 1
            j += 1
    return n


@compiled
def _cliques(  # type: ignore[no-untyped-def]  # noqa: PLR0912
    starts, neighbours, picker, micrograph, n_pickers, quorum, most
):
    """Members of every clique, extended by common upward neighbours, and whether they are complete.

    The search stops when a micrograph has more than `most`.
    """
    n = len(starts) - 1
    widest = 0
    for u in range(n):
        widest = max(widest, starts[u + 1] - starts[u])
    common = np.empty((n_pickers + 1, widest), np.int64)  # candidates for a clique of d members
    n_common = np.zeros(n_pickers + 1, np.int64)
    tried = np.zeros(n_pickers + 1, np.int64)
    clique = np.full(n_pickers, -1, np.int64)
    found = np.empty((max(n, 1), n_pickers), np.int64)
    n_found = n_before = 0  # before this micrograph
    for u in range(n):
        if u > 0 and micrograph[u] != micrograph[u - 1]:
            n_before = n_found
        if n_pickers - picker[u] < quorum:
            continue  # too few pickers remain above this one
        depth = 1
        clique[0] = u
        n_common[1] = starts[u + 1] - starts[u]
        for i in range(n_common[1]):
            common[1, i] = neighbours[starts[u] + i]
        tried[1] = 0
        while depth > 0:
            if tried[depth] == n_common[depth]:
                depth -= 1
                clique[depth] = -1
                continue
            v = common[depth, tried[depth]]
            tried[depth] += 1
            if depth + n_pickers - picker[v] < quorum:
                tried[depth] = n_common[depth]
                continue
            clique[depth] = v
            depth += 1
            if depth >= quorum:
                if n_found - n_before == most:
                    return found, False
                if n_found == len(found):
                    found = np.concatenate((found, np.empty_like(found)))
                for i in range(n_pickers):
                    found[n_found, i] = clique[i]
                n_found += 1
            n_common[depth] = 0
            if depth < n_pickers:
                n_common[depth] = _common(
                    common[depth - 1, tried[depth - 1] : n_common[depth - 1]],
                    neighbours[starts[v] : starts[v + 1]],
                    common[depth],
                )
            tried[depth] = 0
    return found[:n_found].copy(), True


@compiled
def _overlap(u, v, starts, neighbours, overlaps):  # type: ignore[no-untyped-def]
    """Overlap of edge (u, v), u < v, by bisection of row u."""
    low, high = starts[u], starts[u + 1] - 1
    while low < high:
        middle = (low + high) // 2
        if neighbours[middle] < v:
            low = middle + 1
        else:
            high = middle
    return overlaps[low]


@compiled
def _best_member(members, total, score, x, y):  # type: ignore[no-untyped-def]
    """Member with the largest total overlap.

    Ties (as in every pair) are broken by score, then by position.
    """
    best = 0
    for i in range(1, len(total)):
        u, v = members[i], members[best]
        gain = total[i] - total[best]
        if abs(gain) <= EQUAL_OVERLAP:
            gain = score[u] - score[v]
        if gain == 0:
            gain = x[v] - x[u]
        if gain == 0:
            gain = y[v] - y[u]
        if gain > 0:
            best = i
    return members[best]


@compiled
def _described(members, starts, neighbours, overlaps, score, x, y):  # type: ignore[no-untyped-def]
    """Number of members, median overlap, median score and representative of every clique."""
    n_cliques, n_pickers = members.shape
    sizes = np.empty(n_cliques, np.int64)
    edge_median = np.empty(n_cliques, np.float64)
    score_median = np.empty(n_cliques, np.float64)
    representative = np.empty(n_cliques, np.int64)
    edges = np.empty(n_pickers * (n_pickers - 1) // 2, np.float64)
    scores = np.empty(n_pickers, np.float64)
    total = np.empty(n_pickers, np.float64)
    for c in range(n_cliques):
        size = 0
        while size < n_pickers and members[c, size] >= 0:
            scores[size] = score[members[c, size]]
            total[size] = 0.0
            size += 1
        n_edges = 0
        for i in range(size):
            for j in range(i + 1, size):
                overlap = _overlap(members[c, i], members[c, j], starts, neighbours, overlaps)
                edges[n_edges] = overlap
                n_edges += 1
                total[i] += overlap
                total[j] += overlap
        _sort(edges, n_edges)
        _sort(scores, size)
        sizes[c] = size
        edge_median[c] = (edges[(n_edges - 1) // 2] + edges[n_edges // 2]) / 2
        score_median[c] = (scores[(size - 1) // 2] + scores[size // 2]) / 2
        representative[c] = _best_member(members[c, :size], total[:size], score, x, y)
    return sizes, edge_median, score_median, representative
