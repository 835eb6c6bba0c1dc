"""Summary and methods of a consensus."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Dict, List, Optional, Tuple

import numpy as np
from numpy.typing import NDArray

from repic_plugin.consensus import (
    Agreement,
    ConsensusResult,
    EnsembleModel,
    MicrographQuality,
    SmallerGroups,
    agreement_line,
    agreement_warnings,
    expected_scores,
    joined,
    merged,
    none_kept,
    scarce_pickers,
    smaller_line,
)
from repic_plugin.protocols.common.consensus_mode import PROBABILISTIC
from repic_plugin.protocols.consensus.judging import judged_lines
from repic_plugin.protocols.consensus.methods import automatic_values, methods_text
from repic_plugin.protocols.consensus.stream_record import Batch
from repic_plugin.wording import counted


@dataclass
class ConsensusTotals:
    """Sums over the batches of a consensus.

    Attributes
    ----------
    n_selected : int
        Number of particles before those beyond a number or a rate were left out.
    n_micrographs, n_with : int
        Numbers of micrographs processed, and of those with a particle.
    n_unproven : int
        Number of micrographs without a proven optimum.
    objective : float
    n_used, n_agreed, n_copies : ndarray of int64, shape (n_pickers,)
        Numbers of picks in the graph, in particles, and of copies within a picker.
    weights : list of ndarray of float64
        Weights of the particles, by batch.
    n_picks : list of ndarray of int64, shape (n_micrographs, n_pickers)
        Picks in the graph, by batch.
    last : ConsensusResult or None
    ids : list of int
        Of the micrographs.
    qualities : list of MicrographQuality
        By batch.
    smaller : SmallerGroups or None
        Groups of fewer pickers than have to agree; None where a batch of an earlier version has
        not counted them.
    """

    n_selected: int = 0
    n_micrographs: int = 0
    n_with: int = 0
    n_unproven: int = 0
    objective: float = 0.0
    n_used: NDArray[np.int64] = field(default_factory=lambda: np.zeros(1, dtype=np.int64))
    n_agreed: NDArray[np.int64] = field(default_factory=lambda: np.zeros(1, dtype=np.int64))
    n_copies: NDArray[np.int64] = field(default_factory=lambda: np.zeros(1, dtype=np.int64))
    weights: List[NDArray[np.float64]] = field(default_factory=list)
    n_picks: List[NDArray[np.int64]] = field(default_factory=list)
    last: Optional[ConsensusResult] = None
    ids: List[int] = field(default_factory=list)
    qualities: List[MicrographQuality] = field(default_factory=list)
    smaller: Optional[SmallerGroups] = None

    def add(self, batch: Batch) -> None:
        """Add a batch of micrographs."""
        result = batch.result
        self.ids += batch.micrographs
        self.qualities.append(batch.quality)
        counts = result.micrographs
        self.n_micrographs += len(counts.names)
        self.n_selected += int(counts.n_selected.sum())
        self.n_with += len(np.unique(result.micrograph))
        self.n_unproven += int((~counts.is_optimal).sum())
        self.objective += float(counts.objective.sum())
        self.n_used = self.n_used + counts.n_picks.sum(axis=0)
        self.n_agreed = self.n_agreed + (result.members >= 0).sum(axis=0)
        if counts.n_copies is not None:
            self.n_copies = self.n_copies + counts.n_copies.sum(axis=0)
        self._add_smaller(result.smaller)
        self.weights.append(result.weight)
        self.n_picks.append(counts.n_picks)
        self.last = result

    def _add_smaller(self, groups: Optional[SmallerGroups]) -> None:
        """Add groups of fewer pickers; a batch that counted none leaves the total unknown."""
        is_first = len(self.qualities) <= 1
        if groups is None or (self.smaller is None and not is_first):
            self.smaller = None
        else:
            self.smaller = groups if self.smaller is None else merged([self.smaller, groups])

    @property
    def quality(self) -> MicrographQuality:
        """Quality of the micrographs in the order of their ids: that of acquisition."""
        return joined(self.qualities).take(np.argsort(self.ids, kind="stable"))

    @property
    def n_particles(self) -> int:
        """Number of particles in all batches."""
        return sum(map(len, self.weights))


def with_agreement(lines: List[str], agreement: Optional[Agreement]) -> List[str]:
    """Lines of a summary with the agreement beyond chance; first of all where there is none."""
    if agreement is None:
        return lines
    line = f"{agreement_line(agreement)}."
    told = f"{line[0].upper()}{line[1:]}"
    doubts = [f"! {one[0].upper()}{one[1:]}." for one in agreement_warnings(agreement)]
    return [*doubts, *lines] if doubts else [*lines, told]


def proof(n_unproven: int) -> str:
    """Statement on whether the optimum is proven."""
    if not n_unproven:
        return "proven optimal"
    return f"NOT proven optimal on {counted(n_unproven, 'micrograph')}"


def _limits(settings: Dict[str, Any]) -> str:
    """Largest false-agreement rate and smallest weight of the particles; empty without."""
    options, limits = settings["options"], []
    if "max_false_agreement" in options:
        why = none_kept(settings.get("agreement"))
        rate = f"{options['max_false_agreement']:g}{why and f' ({why})'}"
        limits.append(f"false-agreement rate is at most {rate}")
    if "min_weight" in options:
        what = "probability" if options["mode"] == PROBABILISTIC else "weight"
        limits.append(f"{what} is at least {options['min_weight']:g}")
    return " and whose ".join(limits)


def consensus_facts(
    totals: ConsensusTotals, n_picks: int, settings: Dict[str, Any]
) -> Dict[str, Any]:
    """Summary, methods, and the values of parameters that may be automatic.

    Parameters
    ----------
    totals : ConsensusTotals
        Sums over one or more batches.
    n_picks : int
        Number of picks read.
    settings : dict
        As of `stream_settings`, with ``attributes`` of the scores, ``pixel_size_angstrom``,
        ``discards_edges`` and the ``agreement`` beyond chance, if it is known.
    """
    result = totals.last
    if result is None:
        return {"summary": [], "methods": []}
    k, n_particles, proven = len(result.picker_names), totals.n_particles, proof(totals.n_unproven)
    if result.ensemble is not None:
        summary, fit = _probabilistic(totals, result.ensemble, settings["options"])
    else:
        who = f"all {k}" if result.quorum == k else f"at least {result.quorum} of {k}"
        summary, fit = _unanimous_or_quorum(totals, result, who, proven), ""
    summary += [
        f"{name}: {n:,} picks are copies of better ones of its own and do not count."
        for name, n in zip(result.picker_names, totals.n_copies.tolist())
        if n
    ]
    limits = _limits(settings)
    if limits:
        summary.append(f"Kept of {totals.n_selected:,} selected: {n_particles:,} whose {limits}.")
    summary += judged_lines(totals.quality, settings)
    counts = (
        f"Of {n_picks:,} picks of {k} pickers ({', '.join(result.picker_names)}), a consensus of "
        f"{n_particles:,} particles was found"
    )
    return {
        "summary": summary,
        "methods": [methods_text(result, settings, counts, proven, fit)],
        "values": automatic_values(result, settings),
        "solver": result.solver,
        "score_transforms": list(result.score_transforms),
    }


def _unanimous_or_quorum(
    totals: ConsensusTotals, result: ConsensusResult, who: str, proven: str
) -> List[str]:
    summary = [
        f"*{counted(totals.n_particles, 'particle')}* on which {who} pickers agree, on "
        f"{totals.n_with:,} of {counted(totals.n_micrographs, 'micrograph')}.",
        f"Objective {totals.objective:.4f}, {proven}.",
    ]
    return (
        summary
        + [
            f"{name}: {n_in:,} of {n_used:,} picks are in the consensus (scores: {transform})."
            for name, n_in, n_used, transform in zip(
                result.picker_names, totals.n_agreed, totals.n_used, result.score_transforms
            )
        ]
        + _smaller(totals, result)
        + _scarce(totals, result)
    )


def _smaller(totals: ConsensusTotals, result: ConsensusResult) -> List[str]:
    """What a smaller quorum would keep besides."""
    if totals.smaller is None:
        return []
    line = smaller_line(totals.smaller, result.quorum, len(result.picker_names))
    return [line] if line else []


def _scarce(totals: ConsensusTotals, result: ConsensusResult) -> List[str]:
    """Pickers with far fewer picks than the others, where all of them have to agree."""
    if result.quorum < len(result.picker_names):
        return []
    lines = scarce_pickers(np.concatenate(totals.n_picks), result.picker_names)
    return [f"! {line[0].upper()}{line[1:]}." for line in lines]


def _kept_by(
    model: EnsembleModel, num_particles: Optional[int], target_precision: Optional[float]
) -> str:
    """Rule by which particles were kept."""
    threshold = f"threshold {model.threshold:.3f}, {model.threshold_rule}"
    if num_particles is None:
        return threshold
    best = f"the {num_particles} most probable per micrograph"
    return best if target_precision is None else f"{threshold}; {best}"


def _probabilistic(
    totals: ConsensusTotals, model: EnsembleModel, options: Dict[str, Any]
) -> Tuple[List[str], str]:
    """Summary, and the sentence of the methods on the model."""
    n_particles = totals.n_particles
    kept_by = _kept_by(model, options["num_particles"], options["target_precision"])
    expected = expected_scores(np.concatenate(totals.weights), model, totals.n_micrographs)
    low, high = expected.n_particles_interval
    promise = f"expected precision {expected.precision:.3f}, recall {expected.recall:.3f}"
    if not n_particles:
        promise = "no selection reaches the target precision; lower it"
    summary = [
        f"*{counted(n_particles, 'particle')}* kept, on {totals.n_with:,} of "
        f"{counted(totals.n_micrographs, 'micrograph')}; about {expected.n_true:,.0f} of "
        f"them are expected to be true, of an estimated total of {expected.n_particles:,.0f} true "
        f"particles ({low:,.0f} to {high:,.0f}), including those that no picker found.",
        f"{'' if n_particles else '! '}{promise[0].upper()}{promise[1:]} ({kept_by}).",
        f"About {model.n_particles_expected:,} particles per micrograph are expected.",
        *_picker_lines(totals, model),
    ]
    if totals.n_unproven:
        summary.append(f"The selection of groups is {proof(totals.n_unproven)}.")
    if model.n_micrographs < totals.n_micrographs:
        summary.append(
            f"The model was fitted to {model.n_micrographs:,} of the micrographs and applied to "
            "all of them."
        )
    summary += [f"! Caution: {warning}." for warning in model.warnings]
    fit = (
        "A latent-class model [DawidSkene1979] of the agreement and the scores of the pickers, "
        f"fitted without labels to {counted(model.n_micrographs, 'micrograph')}, gave each "
        "selected clique and each unmatched pick the probability of being a particle "
        f"({kept_by}; {promise})."
    )
    return summary, fit


def _picker_lines(totals: ConsensusTotals, model: EnsembleModel) -> List[str]:
    """Precision and recall of each picker."""
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
    """Estimate with its interval."""
    if np.isnan(value):
        return "unknown"
    return f"{value:.3f} ({interval[0]:.3f} to {interval[1]:.3f})"
