"""Choose the cliques that together weigh most, each pick in at most one of them.

Weighted set packing, split into its connected components, which is exact: cliques of different
components share no pick. Almost all components of real data have a handful of cliques; those
are searched exhaustively here. The few large ones go to an integer program (`solvers`).
"""

from __future__ import annotations

import time
from typing import Dict, List, NamedTuple, Optional, Tuple

import numpy as np
from numpy.typing import NDArray

from repic_plugin.compiled import compiled
from repic_plugin.consensus.cliques import Cliques
from repic_plugin.consensus.solvers import Solver
from repic_plugin.consensus.spacing import close_pairs, with_conflicts

SMALL_COMPONENT = 62  # cliques; a set of them fits the bits of one signed integer
MIN_WEIGHT = 1e-300  # all weights zero: nothing to scale by
EXCESS = 1 + 1e-12  # what is better by less is equal: sums differ by the order of their terms
MAX_ROUNDS = 20  # of conflicts; two or three do
SEARCH_NODES = 20_000  # some ms; past it an integer program is the better tool


class Packing(NamedTuple):
    """Which cliques were chosen.

    Attributes
    ----------
    is_selected : ndarray of bool, shape (n_cliques,)
    is_optimal : ndarray of bool, shape (n_micrographs,)
        False where a time limit ended the search before the optimum was proven.
    program_seconds : ndarray of float64, shape (n_micrographs,)
        Time spent in integer programs.
    """

    is_selected: NDArray[np.bool_]
    is_optimal: NDArray[np.bool_]
    program_seconds: NDArray[np.float64]


class Spacing(NamedTuple):
    """Where cliques would be particles, px, and the distance below which two cannot be."""

    x: NDArray[np.float64]
    y: NDArray[np.float64]
    min_distance_px: float


def pack(
    cliques: Cliques,
    n_vertices: int,
    n_micrographs: int,
    solver: Solver,
    time_limit_s: Optional[float] = None,
    spacing: Optional[Spacing] = None,
) -> Packing:
    """Choose the cliques of greatest total weight, no two with a common member or too close.

    Cameron et al. 2024, Online Methods, but for the distance. Few selections break that rule: they
    are made without it, and again with conflicts about the particles that break it until none
    does. The last one is the best of all that keep the rule, for it is the best of more.

    Parameters
    ----------
    cliques : Cliques
        Weights not negative, best first. A clique of weight zero is added where nothing stands
        in its way.
    n_vertices, n_micrographs : int
    solver : callable
        For the components that are too large for the search (`solvers.get_solver`).
    time_limit_s : float, optional
        For all integer programs of a micrograph together.
    spacing : Spacing, optional
        By default particles may lie as close as their members allow.

    Returns
    -------
    Packing
    """
    spent_s = np.zeros(n_micrographs)
    packing = _packed(cliques, n_vertices, spent_s, solver, time_limit_s)
    if spacing is None:
        return packing
    members = cliques.members
    for _ in range(MAX_ROUNDS):
        pairs = _conflicts(cliques, spacing, packing.is_selected)
        if not len(pairs):
            return packing
        members, n_vertices = with_conflicts(members, n_vertices, pairs)
        again = np.isin(cliques.micrograph, cliques.micrograph[pairs])
        part = Cliques._make(column[again] for column in cliques)
        found = _packed(
            part._replace(members=members[again]), n_vertices, spent_s, solver, time_limit_s
        )
        packing.is_selected[again] = found.is_selected
        packing.is_optimal[part.micrograph] = found.is_optimal[part.micrograph]
    return _thinned(cliques, spacing, packing)


def _conflicts(
    cliques: Cliques, spacing: Spacing, is_selected: NDArray[np.bool_]
) -> NDArray[np.int64]:
    """Pairs of cliques that are too close: of those that were selected, and all about these."""
    chosen = np.flatnonzero(is_selected)
    wrong = close_pairs(_at(cliques, spacing, chosen), spacing.min_distance_px)
    if not len(wrong):
        return wrong
    centres = np.unique(chosen[wrong])
    near = np.flatnonzero(np.isin(cliques.micrograph, cliques.micrograph[centres]))
    places = np.searchsorted(near, centres)
    pairs = near[close_pairs(_at(cliques, spacing, near), spacing.min_distance_px, places)]
    first, second = cliques.members[pairs[:, 0]], cliques.members[pairs[:, 1]]
    shared = (first[:, :, None] == second[:, None, :]) & (first[:, :, None] >= 0)
    return np.asarray(pairs[~shared.any(axis=(1, 2))])


def _at(cliques: Cliques, spacing: Spacing, some: NDArray[np.int64]) -> NDArray[np.float64]:
    """Micrograph, x and y of some cliques, shape (n, 3)."""
    return np.column_stack((cliques.micrograph[some], spacing.x[some], spacing.y[some]))


def _thinned(cliques: Cliques, spacing: Spacing, packing: Packing) -> Packing:
    """The better ones of what is still too close; no optimum is claimed there."""
    for first, second in _conflicts(cliques, spacing, packing.is_selected):
        if packing.is_selected[first] and packing.is_selected[second]:
            packing.is_selected[max(first, second)] = False  # they are sorted, best first
            packing.is_optimal[cliques.micrograph[first]] = False
    return packing


def _packed(
    cliques: Cliques,
    n_vertices: int,
    spent_s: NDArray[np.float64],
    solver: Solver,
    time_limit_s: Optional[float],
) -> Packing:
    """The best selection, whatever the distances; `spent_s` of each micrograph grows."""
    members, weight = cliques.members, cliques.weight
    component = _components(members, n_vertices)
    is_selected, is_open = _search_components(
        members, weight, component, n_vertices, SMALL_COMPONENT, SEARCH_NODES
    )
    is_optimal = np.ones(len(spent_s), dtype=bool)
    for mine in _groups(component, is_open):
        start = time.perf_counter()
        micrograph = cliques.micrograph[mine[0]]
        left_s = None if time_limit_s is None else time_limit_s - spent_s[micrograph]
        is_selected[mine], proven = _solve_component(members[mine], weight[mine], solver, left_s)
        is_optimal[micrograph] &= proven
        spent_s[micrograph] += time.perf_counter() - start
    return Packing(_extended(members, is_selected, n_vertices), is_optimal, spent_s)


def greedy_packing(members: NDArray[np.int64], n_vertices: int) -> NDArray[np.bool_]:
    """Take each clique, in the order given, that shares no member with one taken before.

    Returns
    -------
    ndarray of bool, shape (n_cliques,)
    """
    selected: NDArray[np.bool_] = _extended(members, np.zeros(len(members), np.bool_), n_vertices)
    return selected


def _groups(component: NDArray[np.int64], is_open: NDArray[np.bool_]) -> List[NDArray[np.intp]]:
    """The open cliques of each component, in their order."""
    left = np.flatnonzero(is_open)
    if len(left) == 0:
        return []
    by_component = left[np.argsort(component[left], kind="stable")]
    return np.split(by_component, np.flatnonzero(np.diff(component[by_component])) + 1)


def _solve_component(
    members: NDArray[np.int64],
    weight: NDArray[np.float64],
    solver: Solver,
    time_limit_s: Optional[float],
) -> Tuple[NDArray[np.bool_], bool]:
    """The solver's choice, or the greedy one where the time ran out before a better was found."""
    local = _renumbered(members)
    fallback = greedy_packing(local, local.max() + 1)
    if time_limit_s is not None and time_limit_s <= 0:
        return fallback, False
    # solvers stop at absolute gaps, so that weights have to be of the order of one
    selected, proven = solver(local, weight / max(weight.max(), MIN_WEIGHT), time_limit_s)
    if not proven and weight[selected].sum() < weight[fallback].sum():
        selected = fallback
    return selected, proven


def _renumbered(members: NDArray[np.int64]) -> NDArray[np.int64]:
    """Vertices numbered from 0, by the cliques that hold them.

    Which of several equal optima a solver meets depends on the order of its rows, and that must
    not depend on how the picks were numbered.
    """
    clique, place = np.nonzero(members >= 0)
    held: Dict[int, List[int]] = {}
    for c, v in zip(clique.tolist(), members[clique, place].tolist()):
        held.setdefault(v, []).append(c)
    number = {v: i for i, v in enumerate(sorted(held, key=lambda v: held[v]))}
    result = np.full(members.shape, -1, dtype=np.int64)
    result[clique, place] = [number[v] for v in members[clique, place].tolist()]
    return result


@compiled
def _components(members, n_vertices):  # type: ignore[no-untyped-def]
    """Label of each clique's connected component, by union-find over the vertices."""
    parent = np.arange(n_vertices)
    n_cliques, widest = members.shape
    for c in range(n_cliques):
        root = members[c, 0]
        while parent[root] != root:
            parent[root] = parent[parent[root]]
            root = parent[root]
        for i in range(1, widest):
            v = members[c, i]
            if v < 0:
                break
            while parent[v] != v:
                parent[v] = parent[parent[v]]
                v = parent[v]
            parent[v] = root
    label = np.empty(n_cliques, np.int64)
    for c in range(n_cliques):
        v = members[c, 0]
        while parent[v] != v:
            v = parent[v]
        label[c] = v
    return label


@compiled
def _extended(members, is_selected, n_vertices):  # type: ignore[no-untyped-def]
    """`is_selected` and every further clique, in order, whose members are all free."""
    result = is_selected.copy()
    taken = np.zeros(n_vertices, np.bool_)
    n_cliques, widest = members.shape
    for c in range(n_cliques):
        if result[c]:
            for i in range(widest):
                if members[c, i] >= 0:
                    taken[members[c, i]] = True
    for c in range(n_cliques):
        if result[c]:
            continue
        free = True
        for i in range(widest):
            if members[c, i] >= 0 and taken[members[c, i]]:
                free = False
        if free:
            result[c] = True
            for i in range(widest):
                if members[c, i] >= 0:
                    taken[members[c, i]] = True
    return result


@compiled
def _most_that_fit(alive, weight, holds, n):  # type: ignore[no-untyped-def]
    """Upper bound: cover the cliques by picks; of the cliques that hold a pick one can be chosen.

    Each clique, best first, that no pick covers yet is charged its weight, and covered by the
    pick of its own that covers most of the others.
    """
    bound = 0.0
    for c in range(n):
        if not (alive >> c) & 1:
            continue
        bound += weight[c]
        covered = np.int64(0)
        most = -1
        for i in range(holds.shape[1]):
            these = holds[c, i] & alive
            count = 0
            rest = these
            while rest:
                rest &= rest - 1
                count += 1
            if count > most:
                most = count
                covered = these
        alive &= ~covered
        alive &= ~(np.int64(1) << c)
        if alive == 0:
            break
    return bound


@compiled
def _search(weight, conflicts, holds, n, max_nodes):  # type: ignore[no-untyped-def]
    """Branch and bound over at most 62 cliques; sets are bits. -1 if `max_nodes` did not do."""
    alive = np.empty(2 * n + 2, np.int64)
    chosen = np.empty(2 * n + 2, np.int64)
    value = np.empty(2 * n + 2, np.float64)
    alive[0] = (np.int64(1) << n) - 1
    chosen[0] = 0
    value[0] = 0.0
    top = 1
    best = 0.0
    answer = np.int64(0)
    nodes = 0
    while top > 0:
        top -= 1
        left, picked, total = alive[top], chosen[top], value[top]
        if left == 0:
            if total > best * EXCESS:
                best = total
                answer = picked
            continue
        nodes += 1
        if nodes > max_nodes:
            return np.int64(-1)
        if total + _most_that_fit(left, weight, holds, n) <= best * EXCESS:
            continue
        c = 0
        while not (left >> c) & 1:
            c += 1
        bit = np.int64(1) << c
        rivals = conflicts[c] & left
        if rivals != bit:  # leaving out a clique that has no rival gains nothing
            alive[top], chosen[top], value[top] = left & ~bit, picked, total
            top += 1
        alive[top], chosen[top], value[top] = left & ~rivals, picked | bit, total + weight[c]
        top += 1
    return answer


@compiled
def _grouped(component, n_vertices):  # type: ignore[no-untyped-def]
    """Cliques by component, best first in each, and where each component starts."""
    starts = np.zeros(n_vertices + 1, np.int64)
    for label in component:
        starts[label + 1] += 1
    for v in range(n_vertices):
        starts[v + 1] += starts[v]
    filled = starts.copy()
    order = np.empty(len(component), np.int64)
    for c in range(len(component)):
        order[filled[component[c]]] = c
        filled[component[c]] += 1
    return order, starts


@compiled
def _best_of_component(group, members, weight, held_by, max_nodes):  # type: ignore[no-untyped-def]
    """Bits of the cliques of a small component to choose, or -1 if the search took too long.

    `held_by`, an array of zeros for all vertices, is used and left as it was.
    """
    n = len(group)
    n_places = members.shape[1]
    conflicts = np.empty(n, np.int64)
    holds = np.zeros((n, n_places), np.int64)  # for each member of a clique, who holds it too
    for at in range(n):
        for v in members[group[at]]:
            if v >= 0:
                held_by[v] |= np.int64(1) << at
    for at in range(n):
        conflicts[at] = np.int64(1) << at
        for place in range(n_places):
            v = members[group[at], place]
            if v >= 0:
                holds[at, place] = held_by[v]
                conflicts[at] |= held_by[v]
    for c in group:
        for v in members[c]:
            if v >= 0:
                held_by[v] = 0
    return _search(weight[group], conflicts, holds, n, max_nodes)


@compiled
def _search_components(  # type: ignore[no-untyped-def]
    members, weight, component, n_vertices, small, max_nodes
):
    """The exhaustive search in every small component; which cliques are chosen, which left open."""
    is_selected = np.zeros(len(members), np.bool_)
    is_open = np.zeros(len(members), np.bool_)
    held_by = np.zeros(n_vertices, np.int64)
    order, starts = _grouped(component, n_vertices)
    for v in range(n_vertices):
        group = order[starts[v] : starts[v + 1]]
        if len(group) == 1:
            is_selected[group[0]] = True
        elif len(group) > small:
            is_open[group] = True
        elif len(group) > 1:
            answer = _best_of_component(group, members, weight, held_by, max_nodes)
            for at in range(len(group)):
                is_selected[group[at]] = answer >= 0 and (answer >> at) & 1
                is_open[group[at]] = answer < 0
    return is_selected, is_open
