"""Quality of pickers and probability of candidates, from agreement and 2D classes.

The model of `latent_class` with one more observation, the image of a candidate, which given what
the candidate is does not depend on who picked it. Without images, what several pickers pick is a
particle (Dawid and Skene 1979, doi:10.2307/2346806), and pickers that share their mistakes outvote
a better one. Here the probability of each candidate by its image alone is given, from the score of
its class, or a person's choice, and its agreement with the class. It is not changed by agreement of
the pickers: the images decide what a particle is, and the patterns of agreement and the scores are
learnt from them and judge what the images leave open.

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
# Limits of the probability by the image. Candidates without one have the mean probability.
LEAST_BY_IMAGE, MOST_BY_IMAGE = 2e-4, 0.999
N_GRADES, LEAST_GRADE = 24, 1e-3  # of the images' probabilities, which are counted together
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
    """Candidates of one cell and grade, counted together."""

    cells: Cells
    pattern: NDArray[np.intp]
    log_odds: Floats  # of a particle, by the image alone


def fit_with_images(
    cells: Cells,
    cell: NDArray[np.intp],
    n_bins: int,
    image: Floats,
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
    image : ndarray of float64, shape (n_candidates,)
        Probability of each to be a particle by its image alone; NaN for candidates without one.
    micrograph : ndarray of int64, shape (n_candidates,)
    random_state : int
        Seed of the bootstrap.

    Returns
    -------
    ImageFit
    """
    grade, value = _grades(image)
    codes, kind = np.unique(cell * len(value) + grade, return_inverse=True)
    kind = kind.ravel()
    of_cell, of_grade = np.divmod(codes, len(value))
    count = np.bincount(kind).astype(np.float64)
    kinds = _kinds(cells, of_cell, value[of_grade], count)
    probability = _fitted(kinds, count, n_bins)
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


def _grades(image: Floats) -> Tuple[Labels, Floats]:
    """Grade of each probability, evenly spaced on the logistic scale, and the mean of each."""
    limit = logit(LEAST_GRADE)
    scaled = (logit(np.clip(image, LEAST_GRADE, 1 - LEAST_GRADE)) / limit + 1) / 2
    has_image = ~np.isnan(image)
    grade = np.where(has_image, np.minimum(scaled * N_GRADES, N_GRADES - 1), N_GRADES)
    grade = grade.astype(np.int64)
    n = np.bincount(grade, minlength=N_GRADES + 1)
    total = np.bincount(grade, np.where(has_image, image, 0.0), N_GRADES + 1)
    value = np.divide(total, n, out=np.zeros(N_GRADES + 1), where=n > 0)
    value[N_GRADES] = np.nan
    return grade, value


def _kinds(cells: Cells, of_cell: NDArray[np.intp], image: Floats, count: Floats) -> _Kinds:
    """Kinds of candidates; those without an image are as probable as the others on average."""
    has_image = ~np.isnan(image)
    limited = np.clip(image, LEAST_BY_IMAGE, MOST_BY_IMAGE)
    mean = np.average(limited[has_image], weights=count[has_image]) if has_image.any() else 0.5
    found = cells.found[of_cell]
    _, pattern = np.unique(found, axis=0, return_inverse=True)
    return _Kinds(
        Cells(found, cells.score_bin[of_cell], count),
        pattern.ravel(),
        logit(np.where(has_image, limited, mean)),
    )


def _fitted(kinds: _Kinds, count: Floats, n_bins: int, start: Optional[Floats] = None) -> Floats:
    """Probability of each kind, by expectation-maximisation from that of the images."""
    probability = expit(kinds.log_odds) if start is None else start
    for _ in range(MAX_ITERATIONS):
        particle, junk = _log_frequencies(kinds, count, probability, n_bins)
        new = expit(kinds.log_odds + particle - junk)
        change = np.abs(new - probability).max(initial=0.0)
        probability = new
        if change < TOLERANCE:
            break
    return np.asarray(probability)


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
