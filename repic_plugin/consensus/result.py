"""Result of a consensus, and the recommended number of particles."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any, Dict, Mapping, Optional, Tuple

import numpy as np
from numpy.typing import NDArray

from repic_plugin.consensus.chance.record import (
    Agreement,
    agreement_from_arrays,
    agreement_to_arrays,
)
from repic_plugin.consensus.ensemble.model import (
    EnsembleModel,
    model_from_arrays,
    model_to_arrays,
)
from repic_plugin.consensus.smaller import (
    SmallerGroups,
    smaller_from_arrays,
    smaller_to_arrays,
)

RANKINGS = ("weight", "confidence")
RECOMMENDED_SHARE = 0.7  # of the cumulative weight or confidence: REPIC's rule


@dataclass(frozen=True)
class MicrographCounts:
    """Counts for each processed micrograph, with or without picks.

    Attributes
    ----------
    names : tuple of str, length n_micrographs
    n_picks : ndarray of int64, shape (n_micrographs, n_pickers)
        Picks that entered the graph: those above the thresholds and not dropped at an edge.
    n_edges, n_cliques, n_selected : ndarray of int64, shape (n_micrographs,)
        `n_selected` is the number before the cut by `num_particles`.
    objective : ndarray of float64, shape (n_micrographs,)
        Sum of the weights of the selected cliques.
    is_optimal : ndarray of bool, shape (n_micrographs,)
        Whether the selection is proven optimal.
    seconds : ndarray of float64, shape (n_micrographs,)
        Processing time.
    n_copies : ndarray of int64, shape (n_micrographs, n_pickers), or None
        Picks that were copies of others of their picker. None in results of version 0.2.0.
    """

    names: Tuple[str, ...]
    n_picks: NDArray[np.int64]
    n_edges: NDArray[np.int64]
    n_cliques: NDArray[np.int64]
    n_selected: NDArray[np.int64]
    objective: NDArray[np.float64]
    is_optimal: NDArray[np.bool_]
    seconds: NDArray[np.float64]
    n_copies: Optional[NDArray[np.int64]] = None


@dataclass(frozen=True)
class ConsensusResult:
    """Consensus particles of a data set, by micrograph and best first, see `ranking`.

    Attributes
    ----------
    micrograph : ndarray of int64, shape (n_particles,)
        Index in `micrograph_names`.
    x, y : ndarray of float64, shape (n_particles,)
        Centre in px.
    weight : ndarray of float64, shape (n_particles,)
        ``overlap * score``, plus 1 for each member above the quorum: what the selection maximises.
    overlap, score : ndarray of float64, shape (n_particles,)
        Medians of the members' Jaccard indices and of their comparable scores, in [0, 1].
    members : ndarray of int64, shape (n_particles, n_pickers)
        Index in the given picks of each picker's pick; -1 if the picker has none.
    is_unmatched : ndarray of bool, shape (n_picks,)
        The given picks that entered the graph and are in no selected clique.
    micrographs : MicrographCounts
        A row for each processed micrograph.
    micrograph_names, picker_names : tuple of str
        Those of the given picks.
    score_transforms : tuple of str
        Transform applied to each picker's scores.
    solver : str
        Solver for components too large for exhaustive search.
    quorum : int
        Minimum number of pickers in a group.
    ensemble : EnsembleModel or None
        Estimated quality of the pickers, in mode ``probabilistic``; `weight` is then the
        probability of being a particle, and a particle may have one member.
    fate : ndarray of int8, shape (n_picks,), or None
        Outcome of each given pick, as an index in `fates.FATES`; not stored with the result.
    copy_of : ndarray of int64, shape (n_picks,), or None
        Index of the pick of the same picker of which a pick is a copy, -1 if it is not a copy.
    rank_by : {'weight', 'confidence'}
        What makes a particle better than another, see `find_consensus`.
    agreement : Agreement or None
        Agreement of the pickers beyond chance, unless it was not asked for.
    false_agreement : ndarray of float64, shape (n_particles,), or None
        Expected share of chance among the groups of at least a particle's weight (in mode
        ``probabilistic``, its weight as a group); NaN for the pick of a single picker.
    smaller : SmallerGroups or None
        Groups of fewer pickers than the quorum, if they were asked for and can exist.
    """

    micrograph: NDArray[np.int64]
    x: NDArray[np.float64]
    y: NDArray[np.float64]
    weight: NDArray[np.float64]
    overlap: NDArray[np.float64]
    score: NDArray[np.float64]
    members: NDArray[np.int64]
    is_unmatched: NDArray[np.bool_]
    micrographs: MicrographCounts
    micrograph_names: Tuple[str, ...]
    picker_names: Tuple[str, ...]
    score_transforms: Tuple[str, ...]
    solver: str
    quorum: int
    ensemble: Optional[EnsembleModel] = None
    fate: Optional[NDArray[np.int8]] = None
    copy_of: Optional[NDArray[np.int64]] = None
    rank_by: str = RANKINGS[0]
    agreement: Optional[Agreement] = None
    false_agreement: Optional[NDArray[np.float64]] = None
    smaller: Optional[SmallerGroups] = None

    def __len__(self) -> int:
        return len(self.x)

    @property
    def n_members(self) -> NDArray[np.int64]:
        """Number of pickers that found each particle, shape (n_particles,)."""
        return np.asarray((self.members >= 0).sum(axis=1))

    @property
    def ranking(self) -> NDArray[np.float64]:
        """Weight, or confidence, by which particles are ranked, shape (n_particles,)."""
        return ranking(self.rank_by, self.weight, self.score)

    @property
    def is_optimal(self) -> bool:
        """Whether the selection on every micrograph is proven optimal."""
        return bool(self.micrographs.is_optimal.all())


PARTICLE_COLUMNS = ("micrograph", "x", "y", "weight", "overlap", "score", "members")
# or stored in another way
NOT_STORED = (
    *("micrographs", "ensemble", "fate", "copy_of", "agreement", "false_agreement"),
    "smaller",
)
RESULT_FIELDS = tuple(f.name for f in fields(ConsensusResult) if f.name not in NOT_STORED)


def at_rows(result: ConsensusResult, rows: NDArray[np.intp]) -> ConsensusResult:
    """Result with some of its particles, by their indices."""
    columns = {name: getattr(result, name)[rows] for name in PARTICLE_COLUMNS}
    if result.false_agreement is not None:
        columns["false_agreement"] = result.false_agreement[rows]
    return replace(result, **columns)


def recommended_num_particles(result: ConsensusResult) -> int:
    """Recommended number of particles per micrograph.

    The best particles of the data set that together reach 70 per cent of the cumulative weight or
    confidence, averaged over the micrographs that have any (Cameron et al. 2024, Online Methods;
    REPIC's code ranks by confidence).

    Returns
    -------
    int
        Rounded up; 0 without particles.
    """
    return recommended_number(result.ranking, result.micrograph)


def ranking(
    rank_by: str, weight: NDArray[np.float64], score: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Values by which particles are ranked, the highest first.

    Parameters
    ----------
    rank_by : {'weight', 'confidence'}
    weight, score : ndarray of float64, shape (n,)
        As in `ConsensusResult`; the confidence is the median score of the members.

    Returns
    -------
    ndarray of float64, shape (n,)
    """
    return score if rank_by == RANKINGS[1] else weight


def recommended_number(rank_value: NDArray[np.float64], micrograph: NDArray[np.int64]) -> int:
    """Recommended number of particles per micrograph, see `recommended_num_particles`.

    Parameters
    ----------
    rank_value : ndarray of float64, shape (n,)
        Weight or confidence of each particle.
    micrograph : ndarray of int64, shape (n,)
        Index of each particle's micrograph.

    Returns
    -------
    int
        Rounded up; 0 without particles.
    """
    if len(rank_value) == 0:
        return 0
    cumulated = np.cumsum(np.sort(rank_value)[::-1])
    n_best = int(np.searchsorted(cumulated, RECOMMENDED_SHARE * cumulated[-1])) + 1
    return -(-n_best // len(np.unique(micrograph)))


def result_to_arrays(result: ConsensusResult) -> Dict[str, NDArray[Any]]:
    """Result as arrays of numbers and strings, which can be stored without pickle."""
    arrays = {name: np.asarray(getattr(result, name)) for name in RESULT_FIELDS}
    for f in fields(MicrographCounts):
        if getattr(result.micrographs, f.name) is not None:
            arrays[f"micrographs.{f.name}"] = np.asarray(getattr(result.micrographs, f.name))
    if result.ensemble is not None:
        arrays.update(model_to_arrays(result.ensemble))
    if result.agreement is not None:
        arrays.update(agreement_to_arrays(result.agreement))
    if result.false_agreement is not None:
        arrays["false_agreement"] = result.false_agreement
    if result.smaller is not None:
        arrays.update(smaller_to_arrays(result.smaller))
    return arrays


def result_from_arrays(arrays: Mapping[str, NDArray[Any]]) -> ConsensusResult:
    """Result from the arrays of `result_to_arrays`.

    Raises
    ------
    KeyError
        If an array is missing.
    """
    counts: Dict[str, Any] = {
        f.name: arrays[f"micrographs.{f.name}"]
        for f in fields(MicrographCounts)
        if f.name != "n_copies" or f"micrographs.{f.name}" in arrays
    }
    rank_by = arrays.get("rank_by", RANKINGS[0])  # absent in results of version 0.2.0
    values: Dict[str, Any] = {name: arrays[name] for name in RESULT_FIELDS if name != "rank_by"}
    values["rank_by"] = str(rank_by)
    for name in ("micrograph_names", "picker_names", "score_transforms"):
        values[name] = tuple(values[name].tolist())
    values["solver"] = str(values["solver"])
    values["quorum"] = int(values["quorum"])
    counts["names"] = tuple(counts["names"].tolist())
    return ConsensusResult(
        micrographs=MicrographCounts(**counts),
        ensemble=model_from_arrays(arrays),
        agreement=agreement_from_arrays(arrays),
        false_agreement=arrays.get("false_agreement"),
        smaller=smaller_from_arrays(arrays),
        **values,
    )
