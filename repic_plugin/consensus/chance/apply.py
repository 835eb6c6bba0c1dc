"""Agreement beyond chance applied to a consensus: rates of its particles, and what they exclude."""

from __future__ import annotations

from dataclasses import replace
from typing import Optional

import numpy as np

from repic_plugin.consensus.chance.record import Agreement
from repic_plugin.consensus.result import ConsensusResult, at_rows


def with_rates(result: ConsensusResult, agreement: Agreement) -> ConsensusResult:
    """Groups with their false-agreement rates, by their weights."""
    return replace(result, agreement=agreement, false_agreement=agreement.rates(result.weight))


def within_rate(result: ConsensusResult, max_rate: float) -> ConsensusResult:
    """Particles whose false-agreement rate is at most `max_rate`.

    Picks of one picker agree with nothing and are excluded, too, and all particles where the
    agreement is not above chance: their rates are 1. All picks keep their flags, as
    those of particles beyond the number to keep.
    """
    rate = np.zeros(0) if result.false_agreement is None else result.false_agreement
    return at_rows(result, np.flatnonzero(rate <= max_rate))


def kept_particles(
    result: ConsensusResult, max_rate: Optional[float], min_weight: Optional[float]
) -> ConsensusResult:
    """Particles within a false-agreement rate and of at least a weight, as far as these are given.

    All picks keep their flags, as in `within_rate`.
    """
    kept = result if max_rate is None else within_rate(result, max_rate)
    return kept if min_weight is None else at_rows(kept, np.flatnonzero(kept.weight >= min_weight))
