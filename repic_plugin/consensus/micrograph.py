"""The consensus of one micrograph: graph, cliques, packing."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, NamedTuple, Optional, Tuple

import numpy as np
from numpy.typing import NDArray

from repic_plugin.consensus.boxes import BoxSize, box_sizes, largest_reach
from repic_plugin.consensus.cliques import Cliques, find_cliques
from repic_plugin.consensus.graph import (
    keep_largest_component,
    overlap_graph,
    to_networkx,
)
from repic_plugin.consensus.packing import pack
from repic_plugin.consensus.picks import Picks
from repic_plugin.consensus.solvers import get_solver

if TYPE_CHECKING:
    import networkx

__all__ = [
    "POSITIONS",
    "MicrographConsensus",
    "MicrographPicks",
    "Settings",
    "micrograph_graph",
    "solve_micrograph",
]

POSITIONS = ("member", "mean")


class Settings(NamedTuple):
    """What holds for every micrograph."""

    quorum: int
    min_overlap: float
    sizes_px: NDArray[np.float64]
    reach_px: float
    position: str
    num_particles: Optional[int]
    time_limit_s: Optional[float]
    largest_component: bool = False
    solver: str = "highs"


class MicrographPicks(NamedTuple):
    """The picks of one micrograph, by picker; `index` leads back to the given picks.

    `score` is comparable between pickers, in [0, 1].
    """

    index: NDArray[np.int64]
    x: NDArray[np.float64]
    y: NDArray[np.float64]
    picker: NDArray[np.int64]
    score: NDArray[np.float64]


class MicrographConsensus(NamedTuple):
    """The particles of one micrograph, best weight first, and how they came about.

    The columns are those of `ConsensusResult`; `unmatched` holds indices of given picks.
    """

    x: NDArray[np.float64]
    y: NDArray[np.float64]
    weight: NDArray[np.float64]
    overlap: NDArray[np.float64]
    score: NDArray[np.float64]
    members: NDArray[np.int64]
    unmatched: NDArray[np.int64]
    n_edges: int
    n_cliques: int
    n_selected: int
    objective: float
    is_optimal: bool
    seconds: float


def solve_micrograph(picks: MicrographPicks, settings: Settings) -> MicrographConsensus:
    """Build the graph, find its cliques, choose among them.

    Parameters
    ----------
    picks : MicrographPicks
    settings : Settings

    Returns
    -------
    MicrographConsensus
    """
    start = time.perf_counter()
    size = settings.sizes_px[picks.picker]
    graph = overlap_graph(
        picks.x, picks.y, picks.picker, size, settings.min_overlap, settings.reach_px
    )
    if settings.largest_component:
        graph = keep_largest_component(graph)
    cliques = find_cliques(graph, picks, len(settings.sizes_px), settings.quorum)
    packing = pack(
        cliques.members,
        cliques.weight,
        graph.n_vertices,
        get_solver(settings.solver),
        settings.time_limit_s,
    )
    selected = np.flatnonzero(packing.is_selected)
    kept = selected[: settings.num_particles]
    x, y = _positions(picks, cliques, kept, settings.position)
    return MicrographConsensus(
        x,
        y,
        cliques.weight[kept],
        cliques.overlap[kept],
        cliques.score[kept],
        _by_picker(cliques.members[kept], picks),
        _unmatched(cliques.members[selected], picks),
        graph.n_edges,
        len(cliques.weight),
        len(selected),
        float(cliques.weight[selected].sum()),
        packing.is_optimal,
        time.perf_counter() - start,
    )


def micrograph_graph(
    picks: Picks, micrograph: int, box_size_px: BoxSize, min_overlap: float = 0.3
) -> networkx.Graph:
    """The graph of one micrograph, to look at.

    Parameters
    ----------
    picks : Picks
    micrograph : int
    box_size_px : float, sequence of float or mapping of picker name to float
    min_overlap : float

    Returns
    -------
    networkx.Graph
        Nodes are indices in `picks`, with attributes ``picker`` (its name), ``x``, ``y`` (px) and
        ``score`` (the picker's own scale); edges have the Jaccard index as ``weight``.
    """
    import networkx  # noqa: PLC0415 - half a second, and only for who asks

    mine = np.flatnonzero(picks.micrograph == micrograph)
    mine = mine[np.argsort(picks.picker[mine], kind="stable")]
    sizes_px = box_sizes(box_size_px, picks.picker_names)
    reach_px = largest_reach(sizes_px, min_overlap, picks.picker_names, all_pairs=False)
    columns = (picks.x[mine], picks.y[mine], picks.picker[mine])
    graph = overlap_graph(*columns, sizes_px[columns[2]], min_overlap, reach_px)
    named = networkx.relabel_nodes(to_networkx(graph), dict(enumerate(mine.tolist())))
    for node, data in named.nodes(data=True):
        data["picker"] = picks.picker_names[picks.picker[node]]
        data["x"], data["y"] = float(picks.x[node]), float(picks.y[node])
        data["score"] = float(picks.score[node]) if picks.has_score[node] else None
    return named


def _positions(
    picks: MicrographPicks, cliques: Cliques, kept: NDArray[np.int64], position: str
) -> Tuple[NDArray[np.float64], NDArray[np.float64]]:
    if position == "member":
        chosen = cliques.representative[kept]
        return picks.x[chosen], picks.y[chosen]
    members = cliques.members[kept]
    share = np.where(members >= 0, picks.score[members], 0.0)
    share[share.sum(axis=1) == 0] = 1.0  # all scores zero: the plain mean
    share[members < 0] = 0.0
    share /= share.sum(axis=1, keepdims=True)
    return (picks.x[members] * share).sum(axis=1), (picks.y[members] * share).sum(axis=1)


def _by_picker(members: NDArray[np.int64], picks: MicrographPicks) -> NDArray[np.int64]:
    """Members as indices of the given picks, each in its picker's column."""
    result = np.full(members.shape, -1, dtype=np.int64)
    row, place = np.nonzero(members >= 0)
    vertex = members[row, place]
    result[row, picks.picker[vertex]] = picks.index[vertex]
    return result


def _unmatched(members: NDArray[np.int64], picks: MicrographPicks) -> NDArray[np.int64]:
    is_free = np.ones(len(picks.index), dtype=bool)
    is_free[members[members >= 0]] = False
    return picks.index[is_free]
