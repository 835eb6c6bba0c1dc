"""The cliques of a micrograph's graph and what each would be worth as a particle."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from repic_plugin.consensus._compiled import compiled
from repic_plugin.consensus.graph import OverlapGraph

if TYPE_CHECKING:
    from repic_plugin.consensus.micrograph import MicrographPicks

__all__ = ["Cliques", "find_cliques"]

MAX_CLIQUES = 20_000_000  # for one micrograph; about 2 GB, and far beyond any sensible overlap


class Cliques(NamedTuple):
    """The cliques of one micrograph, in an order that does not depend on that of the picks.

    Attributes
    ----------
    members : ndarray of int64, shape (n_cliques, n_pickers)
        Vertices, ascending; -1 fills the row of a clique with fewer members than pickers.
    n_members : ndarray of int64, shape (n_cliques,)
    overlap, score : ndarray of float64, shape (n_cliques,)
        Medians of the edges' overlaps and of the members' scores.
    weight : ndarray of float64, shape (n_cliques,)
        ``overlap * score``, plus 1 for every member above the quorum (docs/method.md).
    representative : ndarray of int64, shape (n_cliques,)
        The member with the highest total overlap with the others.
    """

    members: NDArray[np.int64]
    n_members: NDArray[np.int64]
    overlap: NDArray[np.float64]
    score: NDArray[np.float64]
    weight: NDArray[np.float64]
    representative: NDArray[np.int64]


def find_cliques(
    graph: OverlapGraph, picks: MicrographPicks, n_pickers: int, quorum: int
) -> Cliques:
    """All cliques of at least `quorum` members, not only the maximal ones.

    Cameron et al. 2024, Online Methods, "clique finding"; a clique of a k-partite graph has at
    most one member for each picker.

    Parameters
    ----------
    graph : OverlapGraph
    picks : MicrographPicks
        The vertices; positions settle ties.
    n_pickers, quorum : int
        Largest and smallest number of members.

    Returns
    -------
    Cliques
        Best weight first.

    Raises
    ------
    ValueError
        If there are more than `MAX_CLIQUES`.
    """
    starts, neighbours, overlaps = graph
    members = _cliques(starts, neighbours, picks.picker, n_pickers, quorum, MAX_CLIQUES)
    if len(members) > MAX_CLIQUES:
        raise ValueError(
            f"more than {MAX_CLIQUES:,} cliques on one micrograph: its picks are too crowded for "
            f"these settings; raise min_overlap or the quorum, or lower the box size"
        )
    n_members, overlap, score, representative = _described(
        members, starts, neighbours, overlaps, picks.score, picks.x, picks.y
    )
    weight = overlap * score + (n_members - quorum)
    order = _canonical_order(members, weight, picks)
    columns = (members, n_members, overlap, score, weight, representative)
    return Cliques(*(column[order] for column in columns))


def _canonical_order(
    members: NDArray[np.int64], weight: NDArray[np.float64], picks: MicrographPicks
) -> NDArray[np.intp]:
    """Best weight first, ties by where the members lie.

    Equal optima are common (integer coordinates, picks without scores); a search that sees the
    cliques in this order ends at the same one however the picks were numbered.
    """
    n = len(picks.x)
    in_cliques = np.zeros(n + 1, dtype=bool)
    in_cliques[members] = True  # the last entry answers for the filler, -1
    used = np.flatnonzero(in_cliques[:n])
    by_place = used[np.lexsort((picks.score[used], picks.y[used], picks.x[used]))]
    changes = np.zeros(max(len(by_place) - 1, 0), dtype=bool)
    for column in (picks.x, picks.y, picks.score):
        changes |= np.diff(column[by_place]) != 0
    rank = np.full(n + 1, n)
    rank[by_place] = np.concatenate(([0], np.cumsum(changes)))[: len(by_place)]
    ranks = np.sort(rank[members], axis=1)
    return np.lexsort((*ranks.T[::-1], -weight))


@compiled
def _cliques(starts, neighbours, picker, n_pickers, quorum, most):  # type: ignore[no-untyped-def]
    """Members of every clique, grown by the common upward neighbours of those already in it."""
    n = len(starts) - 1
    widest = 0
    for u in range(n):
        widest = max(widest, starts[u + 1] - starts[u])
    common = np.empty((n_pickers + 1, widest), np.int64)  # who may join a clique of d members
    n_common = np.zeros(n_pickers + 1, np.int64)
    tried = np.zeros(n_pickers + 1, np.int64)
    clique = np.full(n_pickers, -1, np.int64)
    found = np.empty((max(n, 1), n_pickers), np.int64)
    n_found = 0
    for u in range(n):
        if n_pickers - picker[u] < quorum:
            break  # too few pickers are left above this one
        depth = 1
        clique[0] = u
        n_common[1] = starts[u + 1] - starts[u]
        common[1, : n_common[1]] = neighbours[starts[u] : starts[u + 1]]
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
                if n_found == len(found):
                    if n_found > most:
                        return found
                    found = np.concatenate((found, np.empty_like(found)))
                found[n_found] = clique
                n_found += 1
            # the candidates after v that v knows as well; both lists ascend
            n_both = 0
            a = tried[depth - 1]
            b = starts[v]
            while depth < n_pickers and a < n_common[depth - 1] and b < starts[v + 1]:
                if common[depth - 1, a] < neighbours[b]:
                    a += 1
                elif common[depth - 1, a] > neighbours[b]:
                    b += 1
                else:
                    common[depth, n_both] = neighbours[b]
                    n_both += 1
                    a += 1
                    b += 1
            n_common[depth] = n_both
            tried[depth] = 0
    return found[:n_found].copy()


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
                low, high = starts[members[c, i]], starts[members[c, i] + 1] - 1
                while low < high:
                    middle = (low + high) // 2
                    if neighbours[middle] < members[c, j]:
                        low = middle + 1
                    else:
                        high = middle
                edges[n_edges] = overlaps[low]
                total[i] += overlaps[low]
                total[j] += overlaps[low]
                n_edges += 1
        best = 0
        for i in range(1, size):
            # equal totals (every pair has them) are settled by score, then by place
            u, v = members[c, i], members[c, best]
            gain = total[i] - total[best]
            if abs(gain) <= 1e-12:
                gain = score[u] - score[v]
            if gain == 0:
                gain = x[v] - x[u]
            if gain == 0:
                gain = y[v] - y[u]
            if gain > 0:
                best = i
        sizes[c] = size
        edge_median[c] = np.median(edges[:n_edges])
        score_median[c] = np.median(scores[:size])
        representative[c] = members[c, best]
    return sizes, edge_median, score_median, representative
