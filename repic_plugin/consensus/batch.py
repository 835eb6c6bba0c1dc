"""The consensus of a batch of micrographs: graph, cliques, packing."""

from __future__ import annotations

import time
from typing import Optional, Tuple

import numpy as np
from numpy.typing import NDArray

from repic_plugin.consensus.cliques import Cliques, find_cliques
from repic_plugin.consensus.graph import keep_largest_component, overlap_graph
from repic_plugin.consensus.packing import Spacing, pack
from repic_plugin.consensus.records import BatchConsensus, BatchPicks, Settings
from repic_plugin.consensus.result import ranking
from repic_plugin.consensus.solvers import get_solver

POSITIONS = ("member", "mean")


def solve_batch(picks: BatchPicks, settings: Settings) -> BatchConsensus:
    """Consensus of a batch: cliques of its graph, selected by total weight.

    Micrographs are independent: the result does not depend on how they are batched.
    """
    start = time.perf_counter()
    n, k = len(picks.starts) - 1, len(settings.sizes_px)
    boxes = (picks.x, picks.y, picks.picker, settings.sizes_px[picks.picker], picks.starts)
    graph = overlap_graph(*boxes, settings.min_overlap, settings.reach_px)
    if settings.largest_component:
        graph = keep_largest_component(graph, picks.x, picks.y, picks.starts)
    cliques = find_cliques(graph, picks, k, settings.quorum)
    solver = get_solver(settings.solver)
    x, y = _positions(picks, cliques, settings.position)
    spaced = Spacing(x, y, settings.min_distance_px)
    packing = pack(cliques, graph.n_vertices, n, solver, settings.time_limit_s, spaced)
    selected = np.flatnonzero(packing.is_selected)
    micrograph = cliques.micrograph[selected]
    n_selected = np.bincount(micrograph, minlength=n)
    is_free = _free_of(cliques.members[selected], picks)
    ranked = _ranked(selected, cliques, settings.rank_by)
    kept = ranked[best_of_each(n_selected, settings.num_particles)]
    return BatchConsensus(
        micrograph=cliques.micrograph[kept],
        x=x[kept],
        y=y[kept],
        weight=cliques.weight[kept],
        overlap=cliques.overlap[kept],
        score=cliques.score[kept],
        members=_by_picker(cliques.members[kept], picks),
        unmatched=picks.pick[is_free],
        in_clique=picks.pick[is_free & ~_free_of(cliques.members, picks)],
        n_picks=np.bincount(picks.micrograph * k + picks.picker, minlength=n * k).reshape(n, k),
        n_edges=np.diff(graph.starts[picks.starts]),
        n_cliques=np.bincount(cliques.micrograph, minlength=n),
        n_selected=n_selected,
        objective=np.bincount(micrograph, cliques.weight[selected], n).astype(np.float64),
        is_optimal=packing.is_optimal,
        seconds=_shares(time.perf_counter() - start, packing.program_seconds, picks.starts),
    )


def _ranked(selected: NDArray[np.intp], cliques: Cliques, rank_by: str) -> NDArray[np.intp]:
    """Selected cliques by micrograph, best first; they are given by decreasing weight.

    Cliques of equal confidence remain in that order.
    """
    value = ranking(rank_by, cliques.weight[selected], cliques.score[selected])
    order = np.lexsort((-value, cliques.micrograph[selected]))
    return np.asarray(selected[order])


def best_of_each(n_selected: NDArray[np.int64], num_particles: Optional[int]) -> NDArray[np.intp]:
    """Mask of the best selected cliques on each micrograph, given by micrograph and best first."""
    place = np.arange(n_selected.sum())
    if num_particles is None:
        return place
    place_in_micrograph = place - np.repeat(np.cumsum(n_selected) - n_selected, n_selected)
    return np.flatnonzero(place_in_micrograph < num_particles)


def _positions(
    picks: BatchPicks, cliques: Cliques, position: str
) -> Tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Where each clique would be a particle."""
    if position == "member":
        return picks.x[cliques.representative], picks.y[cliques.representative]
    members = cliques.members
    share = np.where(members >= 0, picks.score[members], 0.0)
    share[share.sum(axis=1) == 0] = 1.0  # all scores zero: the plain mean
    share[members < 0] = 0.0
    share /= share.sum(axis=1, keepdims=True)
    return (picks.x[members] * share).sum(axis=1), (picks.y[members] * share).sum(axis=1)


def _by_picker(members: NDArray[np.int64], picks: BatchPicks) -> NDArray[np.int64]:
    """Members as indices of the given picks, each in its picker's column."""
    if (members >= 0).all():  # one member of each picker, ascending by picker
        return picks.pick[members]
    result = np.full(members.shape, -1, dtype=np.int64)
    row, place = np.nonzero(members >= 0)
    vertex = members[row, place]
    result[row, picks.picker[vertex]] = picks.pick[vertex]
    return result


def _free_of(members: NDArray[np.int64], picks: BatchPicks) -> NDArray[np.bool_]:
    """Which picks are in none of some cliques."""
    is_free = np.ones(len(picks.pick) + 1, dtype=bool)
    is_free[members] = False  # the last entry takes the filler, -1
    free: NDArray[np.bool_] = is_free[:-1]
    return free


def _shares(
    total_s: float, program_s: NDArray[np.float64], starts: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Seconds of each micrograph: its integer programs, and a share of the rest by its picks."""
    n_picks = np.diff(starts)
    rest: NDArray[np.float64] = (total_s - program_s.sum()) * n_picks / max(n_picks.sum(), 1)
    return program_s + rest
