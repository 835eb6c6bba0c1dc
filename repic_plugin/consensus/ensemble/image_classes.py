"""Quality of pickers and probability of candidates, from agreement and 2D classes.

The model of `latent_class` with one more observation, the 2D class of a candidate, which given what
the candidate is does not depend on who picked it. Without images, what several pickers pick is a
particle (Dawid and Skene 1979, doi:10.2307/2346806), and pickers that share their mistakes outvote
a better one. Here the share of particles in each class is given, by the class's score or by a
person's choice, and not changed by agreement: the classes decide what a particle is, and the
patterns of agreement and the scores are learnt from them and judge the members of each class.
Only how pure the best classes are is estimated: of some limits of the shares, `PURITIES`, the one
of the largest likelihood is taken. Pickers that resemble each other score a particle alike, which
two kinds of members explain better than one, although all are particles: then the likelihood rises
beyond any purity that a good class can have, `TOO_IMPURE`, and it says nothing of junk.

Patterns of agreement need not be independent within particles or junk: their frequencies are
estimated, shrunk to those of independent pickers with a weight of `PATTERN_PRIOR` candidates.
Particles that no picker found are estimated from independent pickers (Otis et al. 1978, model M_t).
"""

from __future__ import annotations

from typing import List, NamedTuple, Optional, Tuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit

from repic_plugin.consensus.ensemble.bootstrap import interval_of, times_drawn
from repic_plugin.consensus.ensemble.latent_class import (
    LEAST,
    MOST,
    Cells,
    picker_precision,
    population,
    score_distributions,
)

PATTERN_PRIOR = 20.0
# Limits of the share of particles in a class, and that of the share of junk as a part of what is
# left. Candidates without an image have the mean share.
PURITIES, JUNK_PURITY = (0.999, 0.95, 0.9, 0.8, 0.7), 0.2
TOO_IMPURE, USUAL_PURITY = 0.6, 0.98
MAX_ITERATIONS, TOLERANCE = 200, 1e-5  # of the probability of any kind of candidate
N_REPLICATES = 50

Floats = NDArray[np.float64]
Labels = NDArray[np.int64]


class ImageFit(NamedTuple):
    """Fit of the model.

    Attributes
    ----------
    probability : ndarray of float64, shape (n_candidates,)
    n_particles : float
        Including those that no picker found.
    recall, precision : ndarray of float64, shape (n_pickers,)
    n_particles_interval : ndarray of float64, shape (2,)
        95 per cent, from a bootstrap over micrographs; so are the other intervals.
    recall_interval, precision_interval : ndarray of float64, shape (n_pickers, 2)
    """

    probability: Floats
    n_particles: float
    recall: Floats
    precision: Floats
    n_particles_interval: Floats
    recall_interval: Floats
    precision_interval: Floats


class _Kinds(NamedTuple):
    """Candidates of one cell and class, counted together."""

    cells: Cells
    pattern: NDArray[np.intp]
    log_odds: Floats  # of a particle, by the class alone


def fit_with_images(
    cells: Cells,
    cell: NDArray[np.intp],
    n_bins: int,
    label: Labels,
    share: Floats,
    micrograph: Labels,
    *,
    random_state: int = 0,
) -> ImageFit:
    """Probability of each candidate, and quality of the pickers.

    Parameters
    ----------
    cells : Cells
    cell : ndarray of intp, shape (n_candidates,)
    n_bins : int
        Of the scores.
    label : ndarray of int64, shape (n_candidates,)
        2D class; -1 for candidates without an image.
    share : ndarray of float64, shape (n_classes,)
        Share of particles in each class.
    micrograph : ndarray of int64, shape (n_candidates,)
    random_state : int
        Seed of the bootstrap.

    Returns
    -------
    ImageFit
    """
    codes, kind = np.unique(cell * (len(share) + 1) + label + 1, return_inverse=True)
    kind = kind.ravel()
    of_cell, of_class = np.divmod(codes, len(share) + 1)
    count = np.bincount(kind).astype(np.float64)

    def fitted(most_share: float) -> Tuple[_Kinds, Floats]:
        kinds = _kinds(cells, of_cell, of_class - 1, share, count, most_share)
        return kinds, _fitted(kinds, count, n_bins)

    tried = [fitted(most_share) for most_share in (*PURITIES, TOO_IMPURE)]
    likelihood = [_log_likelihood(kinds, count, n_bins, fit) for kinds, fit in tried]
    best = int(np.argmax(likelihood))
    kinds, probability = tried[best] if best < len(PURITIES) else fitted(USUAL_PURITY)
    described = _described(kinds, count, probability)
    rng = np.random.default_rng(random_state)
    present, place = np.unique(micrograph, return_inverse=True)
    place, n = place.ravel().astype(np.int64), len(present)
    drawn = []
    for _ in range(N_REPLICATES):
        weight = np.bincount(kind, times_drawn(rng, place, n, n), len(count)).astype(np.float64)
        drawn.append(_described(kinds, weight, _fitted(kinds, weight, n_bins, probability)))
    ends = [interval_of([one[i] for one in drawn]) for i in range(3)]
    return ImageFit(probability[kind], *described, *ends)


def _kinds(
    cells: Cells,
    of_cell: NDArray[np.intp],
    of_class: Labels,
    share: Floats,
    count: Floats,
    most_share: float,
) -> _Kinds:
    """Kinds of candidates; those without an image are as probable as the others on average."""
    has_image = of_class >= 0
    limited = np.clip(share, JUNK_PURITY * (1 - most_share), most_share)[of_class]
    mean = np.average(limited[has_image], weights=count[has_image]) if has_image.any() else 0.5
    found = cells.found[of_cell]
    _, pattern = np.unique(found, axis=0, return_inverse=True)
    return _Kinds(
        Cells(found, cells.score_bin[of_cell], count),
        pattern.ravel(),
        logit(np.where(has_image, limited, mean)),
    )


def _fitted(kinds: _Kinds, count: Floats, n_bins: int, start: Optional[Floats] = None) -> Floats:
    """Probability of each kind, by expectation-maximisation from the classes' shares."""
    probability = expit(kinds.log_odds) if start is None else start
    for _ in range(MAX_ITERATIONS):
        particle, junk = _log_frequencies(kinds, count, probability, n_bins)
        new = expit(kinds.log_odds + particle - junk)
        change = np.abs(new - probability).max(initial=0.0)
        probability = new
        if change < TOLERANCE:
            break
    return np.asarray(probability)


def _log_likelihood(kinds: _Kinds, count: Floats, n_bins: int, probability: Floats) -> float:
    """Logarithm of the likelihood of the patterns and scores, given the classes."""
    particle, junk = _log_frequencies(kinds, count, probability, n_bins)
    prior = expit(kinds.log_odds)
    return float(count @ np.logaddexp(particle + np.log(prior), junk + np.log1p(-prior)))


def _log_frequencies(
    kinds: _Kinds, count: Floats, probability: Floats, n_bins: int
) -> Tuple[Floats, Floats]:
    """Logarithm of the frequency of each kind's picks among particles, and among junk."""
    particles = count * probability
    both = particles, count - particles
    cells = kinds.cells._replace(n=count)
    densities = score_distributions(cells, *both, n_bins)
    result: List[Floats] = []
    for mine, density in zip(both, densities):
        found = np.bincount(kinds.pattern, mine)
        alike = np.bincount(kinds.pattern)
        expected = np.bincount(kinds.pattern, _independent(cells, mine)) / np.maximum(alike, 1)
        frequency = (found + PATTERN_PRIOR * expected) / (found.sum() + PATTERN_PRIOR)
        total = np.log(np.maximum(frequency, LEAST))[kinds.pattern]
        for picker, of_bin in enumerate(np.log(density)):
            total += np.append(of_bin, 0.0)[cells.score_bin[:, picker]]  # the last is for -1
        result.append(total)
    return result[0], result[1]


def _independent(cells: Cells, count: Floats) -> Floats:
    """Frequency of each kind's pattern if the pickers found these sites independently."""
    n_found = cells.found.T @ count
    n_sites = population(count.sum(), n_found + LEAST, np.inf)
    rate = np.clip((n_found + 0.5) / (n_sites + 1), LEAST, MOST)
    chance = np.where(cells.found, rate, 1 - rate).prod(axis=1)
    return np.asarray(chance / (1 - np.prod(1 - rate)))


def _described(kinds: _Kinds, count: Floats, probability: Floats) -> Tuple[float, Floats, Floats]:
    """Number of particles, and the pickers' recall and precision."""
    particles = count * probability
    n_found = kinds.cells.found.T @ particles
    n_particles = float(population(particles.sum(), n_found + LEAST, np.inf))
    precision = picker_precision(kinds.cells._replace(n=count), probability)
    return n_particles, np.clip(n_found / max(n_particles, LEAST), LEAST, MOST), precision
