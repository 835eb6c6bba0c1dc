"""Two latent classes of picked sites: particles and junk.

Dawid and Skene 1979 (doi:10.2307/2346806) estimate the error rates of observers from their answers
alone. Here the observers are pickers, each site holds a particle or junk, and sites that nobody
picked are not observed: their number is also estimated, as in capture-recapture (Otis et al.
1978). The model and its assumptions: docs/understand/probabilistic.md.
"""

from __future__ import annotations

from typing import List, NamedTuple, Tuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit

from repic_plugin.compiled import compiled

# The prior: Beta(2, 2) for a recall, Beta(1.1, 1.9) for a junk rate, and this many pseudo-
# candidates spread evenly over a picker's score bins in each class.
RECALL_PRIOR = (1.0, 1.0)
JUNK_PRIOR = (0.1, 0.9)
SCORE_PRIOR = 2.0

START_SHIFTS = (0.0, -1.0, 1.0)  # on the recalls' logits
MAX_ITERATIONS, TOLERANCE = 2000, 1e-6  # of every recall
LARGEST_POPULATION = 1e3  # times the observed number
LEAST, MOST = 1e-6, 1 - 1e-4  # of a probability


class Cells(NamedTuple):
    """Counts of candidates with equal pickers and score bins.

    Attributes
    ----------
    found : ndarray of bool, shape (n_cells, n_pickers)
        Which pickers found the candidates; at least one in each row.
    score_bin : ndarray of int64, shape (n_cells, n_pickers)
        From 0, higher for better scores; -1 without a pick or a score.
    n : ndarray of float64, shape (n_cells,)
        Number of candidates.
    """

    found: NDArray[np.bool_]
    score_bin: NDArray[np.int64]
    n: NDArray[np.float64]


class LatentClasses(NamedTuple):
    """Parameters of the model for a data set.

    Attributes
    ----------
    n_particles, n_junk : float
        Number of sites of each class, including those that nobody picked.
    recall, junk_rate : ndarray of float64, shape (n_pickers,)
        Fraction of the particles, and of the junk, that a picker picks.
    particle_scores, junk_scores : ndarray of float64, shape (n_pickers, n_bins)
        Distribution of a picker's scores in each class.
    log_likelihood : float
    has_converged : bool
    """

    n_particles: float
    recall: NDArray[np.float64]
    n_junk: float
    junk_rate: NDArray[np.float64]
    particle_scores: NDArray[np.float64]
    junk_scores: NDArray[np.float64]
    log_likelihood: float = -np.inf
    has_converged: bool = False


def fit_latent_classes(
    cells: Cells, n_bins: int, n_places: float, junk_is_free: bool
) -> Tuple[LatentClasses, List[LatentClasses]]:
    """Most probable two latent classes, from several initialisations.

    Parameters
    ----------
    cells : Cells
    n_bins : int
        Of the scores.
    n_places : float
        Number of boxes that fit side by side without being joined: an upper bound of particles
        plus junk.
    junk_is_free : bool
        Whether the number of junk sites is estimated, below `n_places`; otherwise it is all sites
        without a particle, which is right if false picks of different pickers coincide only by
        chance.

    Returns
    -------
    LatentClasses
        The best.
    list of LatentClasses
        The result of each initialisation.
    """
    starts = [_start(cells, n_bins, n_places, shift) for shift in START_SHIFTS]
    fits = [fit_from(start, cells, n_places, junk_is_free) for start in starts]
    return max(fits, key=lambda fit: fit.log_likelihood), fits


def fit_from(
    start: LatentClasses,
    cells: Cells,
    n_places: float,
    junk_is_free: bool,
    *,
    fixed_scores: bool = False,
    max_iterations: int = MAX_ITERATIONS,
    tolerance: float = TOLERANCE,
) -> LatentClasses:
    """Latent classes by expectation-maximisation from a start until no recall changes.

    Parameters
    ----------
    start : LatentClasses
    cells, n_places, junk_is_free
        As in `fit_latent_classes`.
    fixed_scores : bool
        Keep the score distributions fixed.
    max_iterations : int
    tolerance : float
        Of every recall.
    """
    fit = start
    for _ in range(max_iterations):
        particle, junk = log_weights(fit, cells)
        likelihood = _log_likelihood(fit, cells, particle, junk)
        new = _maximised(fit, cells, expit(particle - junk), n_places, junk_is_free, fixed_scores)
        change = np.abs(new.recall - fit.recall).max()
        fit = new._replace(log_likelihood=likelihood)
        if change < tolerance:
            return fit._replace(has_converged=True)
    return fit


def posterior(fit: LatentClasses, cells: Cells) -> NDArray[np.float64]:
    """Probability that the candidates of each cell are particles, shape (n_cells,)."""
    particle, junk = log_weights(fit, cells)
    return np.asarray(expit(particle - junk))


def picker_precision(cells: Cells, probability: NDArray[np.float64]) -> NDArray[np.float64]:
    """Precision of each picker, given the probability of each cell; nan without picks."""
    n_picks = cells.found.T @ cells.n
    n_true = cells.found.T @ (cells.n * probability)
    return np.where(n_picks > 0, n_true / np.maximum(n_picks, 1e-12), np.nan)


def log_weights(
    fit: LatentClasses, cells: Cells
) -> Tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Logarithms of the expected number of candidates of each class in each cell."""
    return (
        log_expected(cells, fit.n_particles, fit.recall, fit.particle_scores),
        log_expected(cells, fit.n_junk, fit.junk_rate, fit.junk_scores),
    )


def log_expected(
    cells: Cells, n: float, rate: NDArray[np.float64], scores: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Logarithm of the expected number in each cell of one class of `n` sites with these rates."""
    result = np.full(len(cells.n), np.log(n) + np.log1p(-rate).sum())
    # picker by picker: a cell has the same bits whatever the other cells
    for picker, (log_odds, density) in enumerate(zip(logit(rate), np.log(scores))):
        result += np.where(cells.found[:, picker], log_odds, 0.0)
        result += np.append(density, 0.0)[cells.score_bin[:, picker]]  # the last entry is for -1
    return result


def _log_likelihood(
    fit: LatentClasses, cells: Cells, particle: NDArray[np.float64], junk: NDArray[np.float64]
) -> float:
    """Logarithm of the likelihood of the Poisson counts."""
    seen = fit.n_particles * (1 - np.prod(1 - fit.recall))
    seen += fit.n_junk * (1 - np.prod(1 - fit.junk_rate))
    return float(cells.n @ np.logaddexp(particle, junk) - seen)


def _maximised(
    fit: LatentClasses,
    cells: Cells,
    probability: NDArray[np.float64],
    n_places: float,
    junk_is_free: bool,
    fixed_scores: bool,
) -> LatentClasses:
    """Parameters that maximise the likelihood, given the probability of each cell."""
    particles = cells.n * probability
    junk = cells.n - particles
    found = cells.found.astype(np.float64)
    n_seen, n_found = particles.sum(), found.T @ particles
    n_particles = population(n_seen, n_found + LEAST, np.inf)
    n_false_seen, n_false = junk.sum(), found.T @ junk
    most = max(n_places, n_false_seen)
    if junk_is_free:
        n_junk = population(n_false_seen, n_false, most)
    else:
        n_junk = max(most - n_particles, n_false_seen)
    recall = (n_found + RECALL_PRIOR[0]) / (n_particles + sum(RECALL_PRIOR))
    junk_rate = (n_false + JUNK_PRIOR[0]) / (n_junk + sum(JUNK_PRIOR))
    scores, n_bins = (fit.particle_scores, fit.junk_scores), fit.particle_scores.shape[1]
    return LatentClasses(
        max(n_particles, LEAST),
        np.clip(recall, LEAST, MOST),
        max(n_junk, LEAST),
        np.clip(junk_rate, LEAST, MOST),
        *(scores if fixed_scores else score_distributions(cells, particles, junk, n_bins)),
    )


@compiled
def population(n_seen, n_found, most):  # type: ignore[no-untyped-def]
    """Population size, given that `n_seen` were found in all and `n_found` by each picker.

    Pickers find them independently: n_seen = N (1 - prod(1 - n_found / N)), which has one solution
    (Otis et al. 1978, model M_t).
    """
    low = max(n_seen, n_found.max(), LEAST)
    most = min(most, low * LARGEST_POPULATION)
    if n_found.sum() <= n_seen * (1 + LEAST):  # no recaptures
        return most
    high = low
    for _ in range(100):
        is_doubling = high < most and high * (1 - np.prod(1 - n_found / high)) < n_seen
        if not is_doubling:
            break
        low, high = high, 2 * high
    for _ in range(50):
        middle = (low + high) / 2
        if middle * (1 - np.prod(1 - n_found / middle)) < n_seen:
            low = middle
        else:
            high = middle
    return min(high, most)


def score_distributions(
    cells: Cells, particles: NDArray[np.float64], junk: NDArray[np.float64], n_bins: int
) -> Tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Histograms whose ratio rises with the score: a better score never counts against a pick."""
    result: Tuple[List[NDArray[np.float64]], List[NDArray[np.float64]]] = ([], [])
    for score_bin in cells.score_bin.T:
        is_scored = score_bin >= 0
        good = np.bincount(score_bin[is_scored], particles[is_scored], n_bins)
        bad = np.bincount(score_bin[is_scored], junk[is_scored], n_bins)
        total = good + bad
        share = rising(good / np.maximum(total, LEAST), np.maximum(total, LEAST))
        for density, counts in zip(result, (share * total, (1 - share) * total)):
            smooth = counts + SCORE_PRIOR / n_bins
            density.append(smooth / smooth.sum())
    return np.array(result[0]), np.array(result[1])


def rising(values: NDArray[np.float64], weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """Nearest non-decreasing values (isotonic regression; Barlow et al. 1972)."""
    blocks: List[Tuple[float, float, int]] = []
    for value, weight in zip(values.tolist(), weights.tolist()):
        blocks.append((value, weight, 1))
        while len(blocks) > 1 and blocks[-2][0] > blocks[-1][0]:
            (a, wa, na), (b, wb, nb) = blocks[-2:]
            blocks[-2:] = [((a * wa + b * wb) / (wa + wb), wa + wb, na + nb)]
    return np.repeat([block[0] for block in blocks], [block[2] for block in blocks])


def _start(cells: Cells, n_bins: int, n_places: float, shift: float) -> LatentClasses:
    """Initial classes: what others agree on is particles, the rest of a picker's picks is junk."""
    k = cells.found.shape[1]
    n_others = cells.found.sum(axis=1)[:, None] - cells.found
    is_agreed = (n_others >= min(2, k - 1)) * cells.n[:, None]
    share = (is_agreed * cells.found).sum(axis=0) / np.maximum(is_agreed.sum(axis=0), 1)
    recall = np.clip(expit(logit(np.clip(share, 0.01, 0.99)) + shift), 0.02, 0.99)
    n_agreed = cells.n[cells.found.sum(axis=1) >= 2].sum()
    n_particles = n_agreed / max(_at_least_two(recall), 1e-3)
    n_particles = min(max(n_particles, 1.0), 0.9 * max(n_places, cells.n.sum()))
    n_junk = max(n_places - n_particles, 0.1 * n_places, 1.0)
    n_picks = cells.found.T @ cells.n
    junk_rate = np.clip((n_picks - n_particles * recall) / n_junk, 0.05 * n_picks / n_junk, 0.5)
    even = np.full((k, n_bins), 1 / n_bins)
    return LatentClasses(
        n_particles, recall, n_junk, np.clip(junk_rate, LEAST, MOST), even, even.copy()
    )


def _at_least_two(rate: NDArray[np.float64]) -> float:
    """Probability that two or more pickers find a site."""
    none = np.prod(1 - rate)
    return float(1 - none - (none * rate / (1 - rate)).sum())
