"""Decoys: picks moved so that different pickers can agree only by chance."""

from __future__ import annotations

from typing import Optional

import numpy as np
from numpy.typing import NDArray

from repic_plugin.consensus.extent import usual_range
from repic_plugin.consensus.records import BatchPicks

# Distance in the circle of micrographs between those whose picks two successive pickers get.
STEPS = (1, -1, 2, -2)
N_DECOYS = len(STEPS)
# Fractions of width and height by which picks are shifted: multiples of these are spread evenly
# in the unit square (Roberts' R2 sequence, of the plastic number), so none is small.
SHIFT = (0.7548776662466927, 0.5698402909980532)


def decoy(
    picks: BatchPicks,
    rank: NDArray[np.int64],
    number: int,
    size_px: Optional[NDArray[np.float64]] = None,
) -> BatchPicks:
    """Picks of a batch, those of each picker moved elsewhere.

    The picker of rank j gets the picks of the micrograph j steps further in a circle of the
    micrographs of one size, see `circle`: what places have in common on all micrographs remains.
    Where there are too few micrographs for all pickers to get different ones, the picks of each
    picker are shifted cyclically in the plane instead.

    Parameters
    ----------
    picks : BatchPicks
    rank : ndarray of int64, shape (n_pickers,)
        0 to k - 1, one for each picker.
    number : int
        0 to ``N_DECOYS - 1``.
    size_px : ndarray of float64, shape (n_micrographs, 2), optional
        Width and height of the batch's micrographs; one size that holds the picks by default.

    Returns
    -------
    BatchPicks
        With the same number of micrographs. The picks of the picker of rank 0 are where they were.
    """
    n = len(picks.starts) - 1
    sizes = np.zeros((n, 2)) if size_px is None else size_px
    place, x, y = picks.micrograph.copy(), picks.x.copy(), picks.y.copy()
    _, group = np.unique(sizes, axis=0, return_inverse=True)
    group = group.reshape(-1)
    for one in range(int(group.max(initial=-1)) + 1):
        around = circle(np.diff(picks.starts), np.flatnonzero(group == one))
        mine = np.flatnonzero(group[picks.micrograph] == one)
        who = rank[picks.picker[mine]]
        if _can_swap(len(around), len(rank), number):
            position = np.empty(n, dtype=np.int64)
            position[around] = np.arange(len(around))
            target = position[picks.micrograph[mine]] - who * STEPS[number]
            place[mine] = around[target % len(around)]
        elif len(mine):
            times = who * (number + 1)
            size = (None, None) if size_px is None else sizes[around[0]]
            x[mine] = _turned(x[mine], times * SHIFT[0], size[0])
            y[mine] = _turned(y[mine], times * SHIFT[1], size[1])
    return _arranged(picks, place, x, y)


def circle(n_picks: NDArray[np.int64], micrographs: NDArray[np.int64]) -> NDArray[np.int64]:
    """Micrographs in a circle in which neighbours have similar numbers of picks.

    By number of picks, every second one on the way up and the others on the way down. A swap of
    crowded micrographs for empty ones would understate what happens by chance.

    Parameters
    ----------
    n_picks : ndarray of int64, shape (n_micrographs,)
    micrographs : ndarray of int64, shape (n,)
        Indices of those to arrange.
    """
    ranked = micrographs[np.argsort(n_picks[micrographs], kind="stable")]
    return np.concatenate([ranked[::2], ranked[1::2][::-1]])


def _can_swap(n_micrographs: int, n_pickers: int, number: int) -> bool:
    """Whether all pickers get different micrographs, in a way that no earlier decoy has."""
    step = abs(STEPS[number])
    is_repeated = n_pickers == 2 and STEPS[number] < 0 and 2 * step == n_micrographs
    return step * (n_pickers - 1) < n_micrographs and not is_repeated


def _turned(
    values: NDArray[np.float64], turns: NDArray[np.float64], size_px: Optional[float]
) -> NDArray[np.float64]:
    """Coordinates shifted cyclically by some fractions of the width or height."""
    low, high = usual_range(values) if size_px is None else (0.0, size_px)
    shifted = low + (values - low + turns * (high - low)) % max(high - low, 1.0)
    return np.asarray(np.where(turns == 0, values, shifted))


def _arranged(
    picks: BatchPicks,
    place: NDArray[np.int64],
    x: NDArray[np.float64],
    y: NDArray[np.float64],
) -> BatchPicks:
    """Batch whose picks are on other micrographs, by micrograph and picker again."""
    order = np.lexsort((picks.picker, place))
    return BatchPicks(
        starts=np.searchsorted(place[order], np.arange(len(picks.starts))),
        pick=np.arange(len(order)),
        micrograph=place[order],
        picker=picks.picker[order],
        x=x[order],
        y=y[order],
        score=picks.score[order],
    )


def evenly_spread(n: int, n_wanted: int) -> NDArray[np.int64]:
    """Indices of some of n things, evenly spread."""
    return np.unique(np.linspace(0, max(n - 1, 0), min(n, n_wanted)).round().astype(np.int64))
