"""Expected precision and recall of a consensus by probability."""

from __future__ import annotations

import math
from typing import NamedTuple, Tuple

import numpy as np
from numpy.typing import ArrayLike

from repic_plugin.consensus.ensemble.model import EnsembleModel


class ExpectedScores(NamedTuple):
    """Expected precision and recall of the selected particles.

    Attributes
    ----------
    n_particles : float
        Estimated number on the micrographs, including those that no picker found; at least
        `n_true`.
    n_particles_interval : (float, float)
        95 per cent interval, which contains it.
    n_true : float
        Expected number of true particles among those selected.
    precision, recall : float
        The precision is nan if none is kept.
    """

    n_particles: float
    n_particles_interval: Tuple[float, float]
    n_true: float
    precision: float
    recall: float


def expected_scores(
    probability: ArrayLike, model: EnsembleModel, n_micrographs: int
) -> ExpectedScores:
    """Expected precision and recall of the selected particles.

    The selected particles are there: their expected number of true ones, the sum of their
    probabilities, is the minimum of the estimated total. The model's own total is below it where
    the probabilities are higher than in the fit, as on micrographs it was not fitted to. The number
    selected is no such minimum, as some of them are false: ten thousand candidates of probability
    0.01 are a hundred particles.

    Parameters
    ----------
    probability : array_like of float, shape (n,)
        Probability of each to be a particle: `ConsensusResult.weight`.
    model : EnsembleModel
        May have been fitted on more or fewer micrographs.
    n_micrographs : int
        Number of micrographs processed, including those without particles.
    """
    values = np.asarray(probability, np.float64)
    n_true = float(values.sum())
    share = n_micrographs / max(model.n_micrographs, 1)
    n_particles = max(model.n_particles * share, n_true)
    low, high = (model.n_particles_interval * share).tolist()
    interval = (min(low, n_particles), max(high, n_particles))  # nan stays
    precision = n_true / len(values) if len(values) else math.nan
    recall = n_true / max(n_particles, 1e-12)
    return ExpectedScores(n_particles, interval, n_true, precision, recall)
