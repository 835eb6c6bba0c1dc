"""Probability of candidates from who picked them and from their 2D classes.

The model of `latent_class` with one more observation: the 2D class of a candidate. Given whether
it is a particle, its class does not depend on who picked it. Without the images, what several
pickers take for a particle is one (Dawid and Skene 1979). Here the share of particles in each class
has a prior of its own, the class's score, so that pickers that agree on the same junk cannot outvote
what the averages show; expectation-maximisation starts from this prior.

Patterns of agreement are not assumed to be independent within particles and junk: their frequencies
are estimated, shrunk to those of independent pickers (as many as `PATTERN_PRIOR` candidates), for
the classes tell junk that pickers share from particles that they share. Particles that no picker
found are still estimated from independent pickers (Otis et al. 1978, model M_t).
"""

from __future__ import annotations

from typing import NamedTuple, Optional, Tuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit

from repic_plugin.consensus.ensemble.latent_class import (
    LEAST,
    MOST,
    Cells,
    population,
    score_distributions,
)

# Weight of a class's score against the candidates in it, as a part of their number ...
SCORE_WEIGHT = 1.0
# ... and of a choice made by eye, whose classes hold this share of particles or of junk.
CHOICE_WEIGHT, CHOSEN_SHARE = 10.0, 0.95
PATTERN_PRIOR = 20.0
MAX_ITERATIONS, TOLERANCE = 500, 1e-6  # of every class's share

Floats = NDArray[np.float64]
Labels = NDArray[np.int64]


class ImageClasses(NamedTuple):
    """2D classes of candidates.

    Attributes
    ----------
    label : ndarray of int64, shape (n_candidates,)
        -1 for candidates without an image.
    probability : ndarray of float64, shape (n_classes,)
        That a member is a particle, by the images alone.
    evidence : ndarray of float64, shape (n_candidates,)
        Logarithm of how much likelier each image is for a particle of its class than for junk
        in it; 0 if unknown.
    is_good : ndarray of bool, shape (n_classes,), or None
        The classes that a person chose; they decide instead of the probability.
    """

    label: Labels
    probability: Floats
    evidence: Floats
    is_good: Optional[NDArray[np.bool_]] = None

    def prior(self) -> Tuple[Floats, float]:
        """Share of particles in each class before agreement is looked at, and its weight."""
        if self.is_good is not None:
            return np.where(self.is_good, CHOSEN_SHARE, 1 - CHOSEN_SHARE), CHOICE_WEIGHT
        return np.clip(self.probability, LEAST, MOST), SCORE_WEIGHT


class ImageFit(NamedTuple):
    """Fit of the model with images.

    Attributes
    ----------
    probability : ndarray of float64, shape (n_candidates,)
    class_share : ndarray of float64, shape (n_classes,)
        Share of particles in each class.
    n_particles : float
        Including those that no picker found.
    recall, precision : ndarray of float64, shape (n_pickers,)
    has_converged : bool
    """

    probability: Floats
    class_share: Floats
    n_particles: float
    recall: Floats
    precision: Floats
    has_converged: bool


def fit_with_images(cells: Cells, cell: NDArray[np.intp], n_bins: int, classes: ImageClasses) -> ImageFit:
    """Most probable parameters, and the probability of each candidate.

    Parameters
    ----------
    cells : Cells
    cell : ndarray of intp, shape (n_candidates,)
    n_bins : int
        Of the scores.
    classes : ImageClasses

    Returns
    -------
    ImageFit
    """
    prior, weight = classes.prior()
    n_classes, label = len(prior), classes.label
    size = np.bincount(label + 1, minlength=n_classes + 1)[1:].astype(np.float64)
    has_image = label >= 0
    _, pattern = np.unique(cells.found, axis=0, return_inverse=True)
    pattern = pattern.ravel()
    share = prior
    probability = np.where(has_image, expit(logit(prior[label]) + classes.evidence), np.nan)
    probability[~has_image] = np.nanmean(probability) if has_image.any() else 0.5
    has_converged = False
    for _ in range(MAX_ITERATIONS):
        particles = np.bincount(cell, probability, len(cells.n))
        log_ratio = _log_ratio(cells, particles, pattern, n_bins)
        members = np.bincount(label + 1, probability, n_classes + 1)[1:]
        new = (members + weight * size * prior) / np.maximum(size * (1 + weight), LEAST)
        new = np.clip(new, LEAST, MOST)
        overall = np.clip(particles.sum() / len(cell), LEAST, MOST)
        by_class = np.where(has_image, logit(new[label]) + classes.evidence, logit(overall))
        probability = expit(log_ratio[cell] + by_class)
        change = np.abs(new - share)[size > 0].max(initial=0.0)
        share = new
        if change < TOLERANCE:
            has_converged = True
            break
    particles = np.bincount(cell, probability, len(cells.n))
    n_seen, n_found = particles.sum(), cells.found.T @ particles
    n_picks = cells.found.T @ cells.n
    n_particles = population(n_seen, n_found + LEAST, np.inf)
    return ImageFit(
        probability,
        share,
        float(n_particles),
        np.clip(n_found / max(n_particles, LEAST), LEAST, MOST),
        np.where(n_picks > 0, n_found / np.maximum(n_picks, 1), np.nan),
        has_converged,
    )


def _log_ratio(cells: Cells, particles: Floats, pattern: NDArray[np.intp], n_bins: int) -> Floats:
    """Logarithm of how much likelier each cell is for a particle than for junk."""
    junk = np.maximum(cells.n - particles, 0.0)
    n_patterns = int(pattern.max()) + 1
    result = np.zeros(len(cells.n))
    for sign, mine in ((1, particles), (-1, junk)):
        count = np.bincount(pattern, mine, n_patterns)
        expected = np.bincount(pattern, _independent(cells, mine), n_patterns)
        expected /= np.bincount(pattern, minlength=n_patterns)
        frequency = (count + PATTERN_PRIOR * expected) / (count.sum() + PATTERN_PRIOR)
        result += sign * np.log(np.maximum(frequency, LEAST))[pattern]
    scores = score_distributions(cells, particles, junk, n_bins)
    for picker, ratio in enumerate(np.log(scores[0]) - np.log(scores[1])):
        result += np.append(ratio, 0.0)[cells.score_bin[:, picker]]  # the last entry is for -1
    return result


def _independent(cells: Cells, count: Floats) -> Floats:
    """Frequency of each cell's pattern if pickers found these sites independently."""
    rate = (cells.found.T @ count + 0.5) / (population(count.sum(), cells.found.T @ count + LEAST, np.inf) + 1)
    rate = np.clip(rate, LEAST, MOST)
    chance = np.where(cells.found, rate, 1 - rate).prod(axis=1)
    return np.asarray(chance / (1 - np.prod(1 - rate)))
