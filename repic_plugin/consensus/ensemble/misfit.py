"""Test whether two latent classes are sufficient to explain the picks.

If pickers share errors (particles hard for all of them, contamination that attracts several), the
candidates fall into more classes than particles and junk. A third latent class then improves the
fit by more than its parameters cost in the Bayesian information criterion (Schwarz 1978,
doi:10.1214/aos/1176344136).
"""

from __future__ import annotations

from typing import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp

from repic_plugin.consensus.ensemble.latent_class import (
    JUNK_PRIOR,
    LEAST,
    MOST,
    SCORE_PRIOR,
    Cells,
    log_expected,
    population,
)

MAX_ITERATIONS, TOLERANCE = 300, 1e-4
BLUR = 0.05  # of a start: no cell belongs to one class with certainty


def gain_of_third_class(
    cells: Cells, probability: NDArray[np.float64], n_bins: int, n_places: float
) -> float:
    """Gain of three latent classes over two by the Bayesian information criterion.

    Parameters
    ----------
    cells : Cells
    probability : ndarray of float64, shape (n_cells,)
        Probability to be particles, from the two-class model.
    n_bins : int
        Of the scores.
    n_places : float
        As in `fit_latent_classes`.

    Returns
    -------
    float
        In units of log-likelihood; above 0 three classes are preferred.
    """
    junk, n_found = 1 - probability, cells.found.sum(axis=1)
    usual = np.average(n_found, weights=cells.n * probability + LEAST)
    easy, met = n_found > usual, n_found >= 2
    starts = (
        (probability * easy, probability * ~easy, junk),  # some particles are hard
        (probability, junk * met, junk * ~met),  # some junk attracts several pickers
    )
    three = max(_log_likelihood(cells, start, n_bins, n_places) for start in starts)
    two = _log_likelihood(cells, (probability, junk), n_bins, n_places)
    n_scored = int((cells.score_bin >= 0).any(axis=0).sum())
    n_parameters = 1 + cells.found.shape[1] + n_scored * (n_bins - 1)
    cost = n_parameters / 2 * float(np.log(cells.n.sum()))
    return three - two - cost


def _log_likelihood(
    cells: Cells, start: Sequence[NDArray[np.float64]], n_bins: int, n_places: float
) -> float:
    """Log-likelihood at the end of expectation-maximisation from these class shares of each cell.

    The size of the first class is free, the others are bounded by the number of sites.
    """
    share = np.stack(start, axis=1) + BLUR
    share /= share.sum(axis=1, keepdims=True)
    before, likelihood = np.zeros(1), -np.inf
    for _ in range(MAX_ITERATIONS):
        logs, rates, seen = [], [], 0.0
        for number in range(share.shape[1]):
            counts = cells.n * share[:, number]
            n_found = cells.found.astype(np.float64).T @ counts
            most = np.inf if number == 0 else max(n_places, counts.sum())
            n = max(population(counts.sum(), n_found + LEAST, most), LEAST)
            rate = np.clip((n_found + JUNK_PRIOR[0]) / (n + sum(JUNK_PRIOR)), LEAST, MOST)
            logs.append(log_expected(cells, n, rate, _histograms(cells, counts, n_bins)))
            rates.append(rate)
            seen += n * (1 - np.prod(1 - rate))
        together = logsumexp(logs, axis=0)
        likelihood = float(cells.n @ together) - seen
        share = np.exp(np.stack(logs, axis=1) - together[:, None])
        now = np.concatenate(rates)
        if before.shape == now.shape and np.abs(now - before).max() < TOLERANCE:
            break
        before = now
    return likelihood


def _histograms(cells: Cells, counts: NDArray[np.float64], n_bins: int) -> NDArray[np.float64]:
    """Distribution of each picker's scores, shape (n_pickers, n_bins)."""
    rows = []
    for score_bin in cells.score_bin.T:
        is_scored = score_bin >= 0
        row = np.bincount(score_bin[is_scored], counts[is_scored], n_bins) + SCORE_PRIOR / n_bins
        rows.append(row / row.sum())
    return np.array(rows)
