"""What a consensus tells of itself, in words."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Dict, List, Optional

import numpy as np
from numpy.typing import NDArray

from repic_plugin.consensus import ConsensusResult, recommended_number

__all__ = ["ConsensusTotals", "consensus_facts", "proof"]


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
    totals: ConsensusTotals, n_picks: int, *, is_whole: bool = True
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
    """
    result = totals.last
    if result is None:
        return {"summary": [], "methods": []}
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
