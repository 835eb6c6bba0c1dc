"""Partners: picks of two pickers that overlap each other more than any other."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from repic_plugin.consensus.graph import overlap_graph
from repic_plugin.consensus.records import BatchPicks, Settings


class Partners(NamedTuple):
    """Pairs of picks of different pickers; a pick has at most one partner of each picker.

    Attributes
    ----------
    low, high : ndarray of int64, shape (n_pairs,)
        The two pickers, ``low < high``.
    overlap : ndarray of float64, shape (n_pairs,)
        Jaccard index.
    """

    low: NDArray[np.int64]
    high: NDArray[np.int64]
    overlap: NDArray[np.float64]


def find_partners(picks: BatchPicks, settings: Settings) -> Partners:
    """Picks of two pickers, each of which overlaps no pick of the other's picker more.

    Parameters
    ----------
    picks : BatchPicks
    settings : Settings
        Of which the sizes, the minimum overlap and the reach count.
    """
    sizes_px = settings.sizes_px
    boxes = (picks.x, picks.y, picks.picker, sizes_px[picks.picker], picks.starts)
    graph = overlap_graph(*boxes, settings.min_overlap, settings.reach_px)
    order = np.argsort(-graph.overlaps, kind="stable")
    low, high = graph.rows[order], graph.neighbours[order]
    k = len(sizes_px)
    is_best = _is_first(low * k + picks.picker[high]) & _is_first(high * k + picks.picker[low])
    low, high, overlap = low[is_best], high[is_best], graph.overlaps[order][is_best]
    return Partners(picks.picker[low], picks.picker[high], overlap)


def _is_first(key: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Which entries are the first of their value."""
    found = np.zeros(len(key), dtype=bool)
    found[np.unique(key, return_index=True)[1]] = True
    return found
