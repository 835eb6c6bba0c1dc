"""What a consensus tells of itself, in words."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Dict, List, Optional

import numpy as np
from numpy.typing import NDArray

from repic_plugin.consensus import (
    ConsensusResult,
    EnsembleModel,
    expected_scores,
    recommended_number,
)


@dataclass
class ConsensusTotals:
    """Sums over the batches of a consensus.

    Attributes
    ----------
    n_micrographs, n_with : int
        All that were worked on, and those with a particle.
    n_unproven : int
        Micrographs whose optimum is not proven.
    objective : float
    n_used, n_agreed : ndarray of int64, shape (n_pickers,)
        Picks that entered the graph, and those in particles.
    weights : list of ndarray of float64
        Of the particles, by batch.
    last : ConsensusResult or None
    """

    n_micrographs: int = 0
    n_with: int = 0
    n_unproven: int = 0
    objective: float = 0.0
    n_used: NDArray[np.int64] = field(default_factory=lambda: np.zeros(1, dtype=np.int64))
    n_agreed: NDArray[np.int64] = field(default_factory=lambda: np.zeros(1, dtype=np.int64))
    weights: List[NDArray[np.float64]] = field(default_factory=list)
    last: Optional[ConsensusResult] = None

    def add(self, result: ConsensusResult) -> None:
        """Count another batch of micrographs."""
        counts = result.micrographs
        self.n_micrographs += len(counts.names)
        self.n_with += len(np.unique(result.micrograph))
        self.n_unproven += int((~counts.is_optimal).sum())
        self.objective += float(counts.objective.sum())
        self.n_used = self.n_used + counts.n_picks.sum(axis=0)
        self.n_agreed = self.n_agreed + (result.members >= 0).sum(axis=0)
        self.weights.append(result.weight)
        self.last = result

    @property
    def n_particles(self) -> int:
        """Of all batches."""
        return sum(map(len, self.weights))

    @property
    def n_recommended(self) -> int:
        """Particles of a micrograph to keep, see `recommended_num_particles`."""
        if not self.n_particles:
            return 0
        weight = np.concatenate(self.weights)
        # only the number of micrographs with a particle counts, not which is whose
        return recommended_number(weight, np.arange(len(weight)) % self.n_with)


def proof(n_unproven: int) -> str:
    """Whether the optimum is proven."""
    return f"NOT proven optimal on {n_unproven} micrographs" if n_unproven else "proven optimal"


def consensus_facts(
    totals: ConsensusTotals,
    n_picks: int,
    *,
    is_whole: bool = True,
    num_particles: Optional[int] = None,
    target_precision: Optional[float] = None,
) -> Dict[str, List[str]]:
    """What the summary and the methods say.

    Parameters
    ----------
    totals : ConsensusTotals
        Of one batch or more.
    n_picks : int
        That were read.
    is_whole : bool
        Whether no batch is still to come. A number is recommended only then: it takes a sort of
        all weights.
    num_particles, target_precision
        As of `find_consensus`: how a consensus by probability was cut.
    """
    result = totals.last
    if result is None:
        return {"summary": [], "methods": []}
    if result.ensemble is not None:
        kept_by = _kept_by(result.ensemble, num_particles, target_precision)
        return _facts_by_probability(totals, result.ensemble, n_picks, kept_by)
    k, n_particles = len(result.picker_names), totals.n_particles
    who = f"all {k}" if result.quorum == k else f"at least {result.quorum} of {k}"
    proven = proof(totals.n_unproven)
    summary = [
        f"*{n_particles:,} particles* that {who} pickers agree on, on {totals.n_with:,} of "
        f"{totals.n_micrographs:,} micrographs.",
        f"Objective {totals.objective:.4f}, {proven}.",
    ]
    summary += [
        f"{name}: {n_in:,} of {n_used:,} picks are in the consensus (scores: {transform})."
        for name, n_in, n_used, transform in zip(
            result.picker_names, totals.n_agreed, totals.n_used, result.score_transforms
        )
    ]
    if is_whole:
        best = totals.n_recommended
        summary.append(f"Recommended: the best {best} particles of each micrograph.")
    methods = (
        f"Of {n_picks:,} picks of {k} pickers ({', '.join(result.picker_names)}) a consensus of "
        f"{n_particles:,} particles was found with REPIC's method [Cameron2024]: cliques of "
        f"overlapping boxes of {who} pickers, chosen by integer programming ({proven})."
    )
    return {"summary": summary, "methods": [methods]}


def _kept_by(
    model: EnsembleModel, num_particles: Optional[int], target_precision: Optional[float]
) -> str:
    """The rule by which particles were kept."""
    threshold = f"threshold {model.threshold:.3f}, {model.threshold_rule}"
    if num_particles is None:
        return threshold
    best = f"the best {num_particles} of each micrograph"
    return best if target_precision is None else f"{threshold}; {best}"


def _facts_by_probability(
    totals: ConsensusTotals, model: EnsembleModel, n_picks: int, kept_by: str
) -> Dict[str, List[str]]:
    n_particles = totals.n_particles
    expected = expected_scores(np.concatenate(totals.weights), model, totals.n_micrographs)
    low, high = expected.n_particles_interval
    promise = f"expected precision {expected.precision:.3f}, recall {expected.recall:.3f}"
    if not n_particles:
        promise = "no choice of particles is expected to be good enough; ask for less precision"
    summary = [
        f"*{n_particles:,} particles* kept of an estimated {expected.n_particles:,.0f} "
        f"({low:,.0f} to {high:,.0f}), on {totals.n_with:,} of {totals.n_micrographs:,} "
        "micrographs.",
        f"{'' if n_particles else '! '}{promise[0].upper()}{promise[1:]} ({kept_by}).",
        *_picker_lines(totals, model),
    ]
    if totals.n_unproven:
        summary.append(f"The choice of groups is {proof(totals.n_unproven)}.")
    if model.n_micrographs < totals.n_micrographs:
        summary.append(
            f"The pickers were judged on {model.n_micrographs:,} of the micrographs, all "
            "particles by that."
        )
    summary += [f"! Take care: {warning}." for warning in model.warnings]
    methods = (
        f"Of {n_picks:,} picks of {len(model.picker_names)} pickers "
        f"({', '.join(model.picker_names)}) a consensus of {n_particles:,} particles was found by "
        "probability: groups of overlapping boxes were chosen by integer programming as in REPIC "
        f"[Cameron2024] ({proof(totals.n_unproven)}), and a latent-class model of the agreement "
        f"and the scores of the pickers, fitted without labels on {model.n_micrographs:,} "
        "micrographs [DawidSkene1979], gave each group and each pick that stands alone the "
        f"probability of being a particle ({kept_by}; {promise})."
    )
    return {"summary": summary, "methods": [methods]}


def _picker_lines(totals: ConsensusTotals, model: EnsembleModel) -> List[str]:
    """How good each picker is."""
    return [
        f"{name}: precision {_share(precision, precisions)}, recall {_share(recall, recalls)}; "
        f"{n_in:,} of {n_used:,} picks are kept."
        for name, precision, precisions, recall, recalls, n_in, n_used in zip(
            model.picker_names,
            model.precision,
            model.precision_interval,
            model.recall,
            model.recall_interval,
            totals.n_agreed,
            totals.n_used,
        )
    ]


def _share(value: float, interval: NDArray[np.float64]) -> str:
    """An estimate and its interval."""
    if np.isnan(value):
        return "unknown"
    return f"{value:.3f} ({interval[0]:.3f} to {interval[1]:.3f})"
