"""What a consensus by probability promises."""

from __future__ import annotations

import math
from typing import NamedTuple, Tuple

import numpy as np
from numpy.typing import ArrayLike

from repic_plugin.consensus.ensemble.model import EnsembleModel


class ExpectedScores(NamedTuple):
    """What is to be expected of the particles that are kept.

    Attributes
    ----------
    n_particles : float
        There are so many on the micrographs, those that no picker found included.
    n_particles_interval : (float, float)
        95 per cent.
    precision, recall : float
        nan for the precision where none is kept.
    """

    n_particles: float
    n_particles_interval: Tuple[float, float]
    precision: float
    recall: float


def expected_scores(
    probability: ArrayLike, model: EnsembleModel, n_micrographs: int
) -> ExpectedScores:
    """Expected precision and recall of the particles that are kept.

    Parameters
    ----------
    probability : array_like of float, shape (n,)
        Of each of them: `ConsensusResult.weight`.
    model : EnsembleModel
        May have been fitted on more or fewer micrographs.
    n_micrographs : int
        That the particles are on, those without any included.

    Returns
    -------
    ExpectedScores
    """
    values = np.asarray(probability, np.float64)
    n_true = float(values.sum())
    share = n_micrographs / max(model.n_micrographs, 1)
    n_particles = model.n_particles * share
    low, high = (model.n_particles_interval * share).tolist()
    precision = n_true / len(values) if len(values) else math.nan
    recall = min(n_true / max(n_particles, 1e-12), 1.0)
    return ExpectedScores(n_particles, (low, high), precision, recall)
