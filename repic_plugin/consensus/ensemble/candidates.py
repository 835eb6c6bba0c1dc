"""Candidate particles: groups of picks, and single picks."""

from __future__ import annotations

from typing import Sequence, Tuple

import numpy as np
from numpy.typing import NDArray

from repic_plugin.consensus.ensemble.latent_class import Cells
from repic_plugin.consensus.picks import Picks

MOST_BINS, PICKS_PER_BIN = 12, 50
MOST_PICKERS = 16  # their bins must fit into one 64-bit integer


def score_edges(picks: Picks, is_used: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Edges of the bins of each picker's scores, on its own scale: quantiles.

    Parameters
    ----------
    picks : Picks
    is_used : ndarray of bool, shape (n_picks,)

    Returns
    -------
    ndarray of float64, shape (n_pickers, n_bins - 1)
        Ascending; nan for a picker without scores.
    """
    is_used = is_used & picks.has_score
    counts = np.bincount(picks.picker[is_used], minlength=picks.n_pickers)
    scored = counts[counts > 0]
    least = int(scored.min()) if len(scored) else 0
    n_bins = int(np.clip(least // PICKS_PER_BIN, 2, MOST_BINS))
    edges = np.full((picks.n_pickers, n_bins - 1), np.nan)
    for picker in np.flatnonzero(counts):
        mine = picks.score[is_used & (picks.picker == picker)]
        edges[picker] = np.quantile(mine, np.arange(1, n_bins) / n_bins)
    return edges


def score_bins(picks: Picks, edges: NDArray[np.float64]) -> NDArray[np.int64]:
    """Bin of each pick's score, -1 without one, shape (n_picks,)."""
    bins = np.full(len(picks), -1, dtype=np.int64)
    for picker, mine_end in enumerate(edges):
        if np.isfinite(mine_end).all():
            mine = np.flatnonzero((picks.picker == picker) & picks.has_score)
            bins[mine] = np.searchsorted(mine_end, picks.score[mine], side="right")
    return bins


def as_cells(
    members: NDArray[np.int64], bins: NDArray[np.int64], n_bins: int
) -> Tuple[Cells, NDArray[np.intp]]:
    """Cells of candidates with equal members' bins, and the cell of each candidate.

    Parameters
    ----------
    members : ndarray of int64, shape (n_candidates, n_pickers)
    bins : ndarray of int64, shape (n_picks,)
    n_bins : int

    Returns
    -------
    Cells
    ndarray of intp, shape (n_candidates,)
        Cell of each candidate.

    Raises
    ------
    ValueError
        If there are too many pickers.
    """
    k = members.shape[1]
    if k > MOST_PICKERS:
        raise ValueError(
            f"mode probabilistic takes up to {MOST_PICKERS} pickers, got {k}; leave some out"
        )
    base = n_bins + 2
    code = np.zeros(len(members), dtype=np.int64)
    for column in members.T:
        code = code * base + np.where(column >= 0, np.append(bins, 0)[column] + 2, 0)
    values, cell, count = np.unique(code, return_inverse=True, return_counts=True)
    digits = _digits(values, base, k)
    return Cells(digits > 0, np.maximum(digits - 2, -1), count.astype(np.float64)), cell


def _digits(values: NDArray[np.int64], base: int, n: int) -> NDArray[np.int64]:
    powers: Sequence[int] = [base**i for i in range(n - 1, -1, -1)]
    return np.asarray(np.stack([values // power % base for power in powers], axis=1))
