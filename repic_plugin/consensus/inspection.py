"""Overlaps of picks for inspection: a graph for networkx, and which pickers found a place."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from repic_plugin.consensus.boxes import BoxSize, box_sizes, largest_reach
from repic_plugin.consensus.find import MIN_JACCARD
from repic_plugin.consensus.graph import overlap_graph, to_networkx
from repic_plugin.consensus.picks import Picks

if TYPE_CHECKING:
    import networkx


def micrograph_graph(
    picks: Picks, micrograph: int, box_size_px: BoxSize, min_overlap: float = MIN_JACCARD
) -> networkx.Graph:
    """Graph of the overlapping boxes on one micrograph.

    Parameters
    ----------
    picks : Picks
    micrograph : int
        Index in `picks.micrograph_names`.
    box_size_px : float, sequence of float or mapping of picker name to float
        Side of the boxes, px.
    min_overlap : float
        Boxes are joined if their Jaccard index is above this, in [0, 1).

    Returns
    -------
    networkx.Graph
        Nodes are indices in `picks`, with attributes ``picker`` (its name), ``x``, ``y`` (px) and
        ``score`` (the picker's own scale, None if missing); edges have the Jaccard index as
        ``weight``.

    Raises
    ------
    ValueError
        If `micrograph` is not one of `picks`, or a size or the minimum overlap is invalid.
    """
    import networkx  # noqa: PLC0415 - half a second, and only for who asks

    if not 0 <= micrograph < picks.n_micrographs:
        raise ValueError(f"micrograph must lie in 0 to {picks.n_micrographs - 1}, got {micrograph}")
    mine = np.flatnonzero(picks.micrograph == micrograph)
    mine = mine[np.argsort(picks.picker[mine], kind="stable")]
    sizes_px = box_sizes(box_size_px, picks.picker_names)
    reach_px = largest_reach(sizes_px, min_overlap, picks.picker_names, all_pairs=False)
    x, y, picker = picks.x[mine], picks.y[mine], picks.picker[mine]
    starts = np.array([0, len(mine)])
    rows = overlap_graph(x, y, picker, sizes_px[picker], starts, min_overlap, reach_px)
    graph = networkx.relabel_nodes(to_networkx(rows), dict(enumerate(mine.tolist())))
    for node, data in graph.nodes(data=True):
        data["picker"] = picks.picker_names[picks.picker[node]]
        data["x"], data["y"] = float(picks.x[node]), float(picks.y[node])
        data["score"] = float(picks.score[node]) if picks.has_score[node] else None
    return graph


def pickers_at(
    picks: Picks, box_size_px: BoxSize, min_overlap: float = MIN_JACCARD
) -> NDArray[np.bool_]:
    """Pickers that have a box which overlaps each pick's, shape (n_picks, n_pickers).

    Parameters
    ----------
    picks : Picks
    box_size_px : float, sequence of float or mapping of picker name to float
        Side of the boxes, px.
    min_overlap : float
        Boxes overlap if their Jaccard index is above this, in [0, 1).

    Raises
    ------
    ValueError
        If a size or the minimum overlap is invalid.
    """
    sizes_px = box_sizes(box_size_px, picks.picker_names)
    reach_px = largest_reach(sizes_px, min_overlap, picks.picker_names, all_pairs=False)
    order = np.lexsort((picks.picker, picks.micrograph))
    starts = np.searchsorted(picks.micrograph[order], np.arange(picks.n_micrographs + 1))
    x, y, picker = picks.x[order], picks.y[order], picks.picker[order]
    graph = overlap_graph(x, y, picker, sizes_px[picker], starts, min_overlap, reach_px)
    found = np.zeros((len(picks), picks.n_pickers), dtype=bool)
    found[np.arange(len(picks)), picks.picker] = True
    for one, other in ((graph.rows, graph.neighbours), (graph.neighbours, graph.rows)):
        found[order[one], picker[other]] = True
    return found
