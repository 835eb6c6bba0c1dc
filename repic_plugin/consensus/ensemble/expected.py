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
        Estimated number on the micrographs, including those that no picker found.
    n_particles_interval : (float, float)
        95 per cent interval.
    precision, recall : float
        The precision is nan if none is kept.
    """

    n_particles: float
    n_particles_interval: Tuple[float, float]
    precision: float
    recall: float


def expected_scores(
    probability: ArrayLike, model: EnsembleModel, n_micrographs: int
) -> ExpectedScores:
    """Expected precision and recall of the selected particles.

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
    n_particles = model.n_particles * share
    low, high = (model.n_particles_interval * share).tolist()
    precision = n_true / len(values) if len(values) else math.nan
    recall = min(n_true / max(n_particles, 1e-12), 1.0)
    return ExpectedScores(n_particles, (low, high), precision, recall)
