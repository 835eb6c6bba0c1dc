"""Choose the cliques that together weigh most, each pick in at most one of them.

Weighted set packing, split into its connected components, which is exact: cliques of different
components share no pick. Almost all components of real data have a handful of cliques; those
are searched exhaustively here. The few large ones go to an integer program (`solvers`).
"""

from __future__ import annotations

import time
from typing import NamedTuple, Optional

import numpy as np
from numpy.typing import NDArray

from repic_plugin.consensus._compiled import compiled
from repic_plugin.consensus.solvers import Solver

__all__ = ["Packing", "greedy_packing", "pack"]

SMALL_COMPONENT = 62  # cliques; a set of them fits the bits of one signed integer
SEARCH_NODES = 20_000  # some ms; past it an integer program is the better tool


class Packing(NamedTuple):
    """Which cliques were chosen.

    Attributes
    ----------
    is_selected : ndarray of bool, shape (n_cliques,)
    is_optimal : bool
        False if a time limit ended the search before the optimum was proven.
    n_programs : int
        Components that were left to the integer program.
    """

    is_selected: NDArray[np.bool_]
    is_optimal: bool
    n_programs: int


def pack(
    members: NDArray[np.int64],
    weight: NDArray[np.float64],
    n_vertices: int,
    solver: Solver,
    time_limit_s: Optional[float] = None,
) -> Packing:
    """Choose cliques of greatest total weight, none sharing a member (Cameron et al. 2024, eq. 3).

    Parameters
    ----------
    members : ndarray of int64, shape (n_cliques, n_pickers)
        Vertices of each clique, filled up with -1.
    weight : ndarray of float64, shape (n_cliques,)
        Not negative, best first. A clique of weight zero is added where nothing stands in its way.
    n_vertices : int
    solver : callable
        Solves the components that are too large for the search (`solvers.get_solver`).
    time_limit_s : float, optional
        For all integer programs of this call together.

    Returns
    -------
    Packing
    """
    component = _components(members, n_vertices)
    is_selected, is_open = _search_components(
        members, weight, component, n_vertices, SMALL_COMPONENT, SEARCH_NODES
    )
    is_optimal, n_programs = True, 0
    deadline = None if time_limit_s is None else time.perf_counter() + time_limit_s
    for label in np.unique(component[is_open]):
        mine = np.flatnonzero(component == label)
        left_s = None if deadline is None else max(deadline - time.perf_counter(), 0.0)
        vertices, rows = np.unique(members[mine], return_inverse=True)
        local = rows.reshape(len(mine), -1) - int(vertices[0] < 0)
        is_selected[mine], proven = _solve_component(local, weight[mine], solver, left_s)
        is_optimal &= proven
        n_programs += 1
    return Packing(_extended(members, is_selected, n_vertices), is_optimal, n_programs)


def greedy_packing(
    members: NDArray[np.int64], n_vertices: int
) -> NDArray[np.bool_]:
    """Take each clique, in the order given, that shares no member with one taken before.

    Returns
    -------
    ndarray of bool, shape (n_cliques,)
    """
    selected: NDArray[np.bool_] = _extended(members, np.zeros(len(members), np.bool_), n_vertices)
    return selected


def _solve_component(members, weight, solver, time_limit_s):  # type: ignore[no-untyped-def]
    """The solver's choice, or the greedy one where the time ran out before a better was found."""
    fallback = greedy_packing(members, members.max() + 1)
    if time_limit_s is not None and time_limit_s <= 0:
        return fallback, False
    selected, proven = solver(members, weight, time_limit_s)
    if not proven and weight[selected].sum() < weight[fallback].sum():
        selected = fallback
    return selected, proven


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
    best = -1.0
    answer = np.int64(-1)
    nodes = 0
    while top > 0:
        top -= 1
        left, picked, total = alive[top], chosen[top], value[top]
        if left == 0:
            if total > best:
                best = total
                answer = picked
            continue
        nodes += 1
        if nodes > max_nodes:
            return np.int64(-1)
        if total + _most_that_fit(left, weight, holds, n) <= best + 1e-12:
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
def _search_components(  # type: ignore[no-untyped-def]
    members, weight, component, n_vertices, small, max_nodes
):
    """The exhaustive search in every small component; which cliques are chosen, which left open."""
    n_cliques, widest = members.shape
    is_selected = np.zeros(n_cliques, np.bool_)
    is_open = np.zeros(n_cliques, np.bool_)
    size = np.zeros(n_vertices + 1, np.int64)
    for c in range(n_cliques):
        size[component[c] + 1] += 1
    for v in range(n_vertices):
        size[v + 1] += size[v]
    filled = size.copy()
    grouped = np.empty(n_cliques, np.int64)
    for c in range(n_cliques):  # keeps the order, best first, in every group
        grouped[filled[component[c]]] = c
        filled[component[c]] += 1
    conflicts = np.empty(small, np.int64)
    holds = np.empty((small, widest), np.int64)
    held_by = np.zeros(n_vertices, np.int64)  # of each vertex, the local cliques that hold it
    local_weight = np.empty(small, np.float64)
    for v in range(n_vertices):
        group = grouped[size[v] : size[v + 1]]
        n = len(group)
        if n == 0:
            continue
        if n == 1:
            is_selected[group[0]] = weight[group[0]] > 0
            continue
        if n > small:
            is_open[group] = True
            continue
        n_positive = 0
        for c in group:
            if weight[c] > 0:
                local_weight[n_positive] = weight[c]
                for i in range(widest):
                    if members[c, i] >= 0:
                        held_by[members[c, i]] |= np.int64(1) << n_positive
                n_positive += 1
        for at in range(n_positive):
            conflicts[at] = np.int64(1) << at
            for i in range(widest):
                u = members[group[at], i]
                holds[at, i] = held_by[u] if u >= 0 else 0
                conflicts[at] |= holds[at, i]
        answer = _search(local_weight, conflicts, holds, n_positive, max_nodes)
        for at in range(n_positive):
            if answer >= 0 and (answer >> at) & 1:
                is_selected[group[at]] = True
        for c in group:
            is_open[c] = answer < 0
            for i in range(widest):
                if members[c, i] >= 0:
                    held_by[members[c, i]] = 0
    return is_selected, is_open
