"""Selection of the cliques with the largest total weight, with each pick in at most one of them.

This is weighted set packing. It is split into connected components, which is exact: cliques of
different components share no pick. Almost all components of real data have a handful of cliques
and are searched exhaustively (`search`). The few large ones go to an integer program (`solvers`).
"""

from __future__ import annotations

import time
from typing import Dict, List, NamedTuple, Optional, Tuple

import numpy as np
from numpy.typing import NDArray

from repic_plugin.compiled import compiled
from repic_plugin.consensus.cliques import Cliques
from repic_plugin.consensus.search import search_components
from repic_plugin.consensus.solvers import Solver
from repic_plugin.consensus.spacing import close_pairs, with_conflicts

SMALL_COMPONENT = 62  # cliques; a set of them fits the bits of one signed integer
MIN_WEIGHT = 1e-300  # all weights zero: nothing to scale by
MAX_ROUNDS = 20  # of added conflicts; two or three suffice
# Integer programs look at the clock rarely: one that is larger than this, for each second that it
# may take, is not begun.
PROGRAM_CLIQUES_PER_S = 4_000
SEARCH_NODES = 20_000  # some ms; beyond it an integer program is faster


class Packing(NamedTuple):
    """Selection of cliques.

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
    """Positions of the cliques as particles, px, and the minimum distance of particles."""

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
    """Cliques with the largest total weight, no two of which share a member or are too close.

    Cameron et al. 2024, Online Methods, without the minimum distance. Few selections violate the
    distance, so its constraints are added only around violations, until there is none. The last
    selection is optimal under all constraints because it is optimal under a subset of them.

    Parameters
    ----------
    cliques : Cliques
        Weights not negative, best first. A clique of weight zero is added if it shares no member
        with a selected one.
    n_vertices, n_micrographs : int
    solver : callable
        For components too large for the exhaustive search (`solvers.get_solver`).
    time_limit_s : float, optional
        Limit for all integer programs of a micrograph together.
    spacing : Spacing, optional
        Minimum distance of particles; none by default.
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
    """Pairs of cliques that are too close: among the selected ones, and all around these."""
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
    """Selection without the worse of cliques still too close, not claimed to be optimal."""
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
    """Best selection without a minimum distance; the time is added to `spent_s`."""
    members, weight = cliques.members, cliques.weight
    component = _components(members, n_vertices)
    is_selected, is_open = search_components(
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
    """Mask of each clique, in the given order, that shares no member with an earlier one.

    Returns
    -------
    ndarray of bool, shape (n_cliques,)
    """
    selected: NDArray[np.bool_] = _extended(members, np.zeros(len(members), np.bool_), n_vertices)
    return selected


def _groups(component: NDArray[np.int64], is_open: NDArray[np.bool_]) -> List[NDArray[np.intp]]:
    """Open cliques of each component, in their order."""
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
    """Solver's selection, or the greedy one if the time ran out before a better was found."""
    if time_limit_s is not None and len(members) > PROGRAM_CLIQUES_PER_S * max(time_limit_s, 0):
        return greedy_packing(*_compressed(members)), False
    local = _renumbered(members)
    fallback = greedy_packing(local, local.max() + 1)
    # solvers stop at absolute gaps, so weights must be of order one
    selected, proven = solver(local, weight / max(weight.max(), MIN_WEIGHT), time_limit_s)
    if not proven and weight[selected].sum() < weight[fallback].sum():
        selected = fallback
    return selected, proven


def _compressed(members: NDArray[np.int64]) -> Tuple[NDArray[np.int64], int]:
    """Members with their vertices numbered from 0, and the number of vertices."""
    vertices, number = np.unique(members, return_inverse=True)
    local = number.reshape(members.shape) - int(vertices[0] < 0)  # the filler stays -1
    return local.astype(np.int64), len(vertices)


def _renumbered(members: NDArray[np.int64]) -> NDArray[np.int64]:
    """Members renumbered from 0, in the order of the cliques that contain them.

    Which of several equal optima a solver finds depends on the order of its rows, which must not
    depend on the numbering of the picks.
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
    """Selection extended by each further clique, in order, whose members are all free."""
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
