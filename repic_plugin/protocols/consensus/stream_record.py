"""The record on disk of a consensus with growing inputs."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any, Dict, Iterator, List, NamedTuple, Optional, Sequence

import numpy as np
from numpy.typing import NDArray

from repic_plugin.consensus import (
    Agreement,
    ConsensusResult,
    EnsembleModel,
    MicrographQuality,
    Picks,
    agreement_from_arrays,
    agreement_to_arrays,
    micrograph_quality,
    model_from_arrays,
    model_to_arrays,
    picks_from_arrays,
    picks_to_arrays,
    result_from_arrays,
    result_to_arrays,
    with_rates,
)
from repic_plugin.convert import ParticleClasses
from repic_plugin.formats import atomic_write, read_arrays, write_arrays
from repic_plugin.protocols.common.following.record import (
    FINISHED,
    MICROGRAPHS,
    REMEDY,
    BatchRecord,
    text_of,
)

SCALES = "scales.json"
MODEL, AGREEMENT = "ensemble.npz", "agreement.npz"
LOOKED = "looked.json"  # number of classes and inputs of the images that were looked at
COUNTS = (MICROGRAPHS, "n_read", "n_particles", "n_unmatched")
N_IN_PATTERNS, SCORES = "n_in_patterns", "median_scores"
UNMATCHED, PATTERN = "unmatched.", "pattern_{}."  # before the names of their arrays


class Scale(NamedTuple):
    """Attribute and transform of a picker's scores, decided once."""

    attribute: Optional[str]
    transform: str


class Batch(NamedTuple):
    """The consensus of some micrographs.

    The members in `result` are ids of picks, and its flags of unmatched picks are absent: these
    picks are in `unmatched` if the user wants them. `patterns` holds the particles of each pattern,
    in the same form, `classes` the 2D classes of the particles of a consensus with images. `scores`
    and `junk` are arguments of `micrograph_quality`.
    """

    micrographs: List[int]
    n_read: NDArray[np.int64]
    result: ConsensusResult
    unmatched: Optional[Picks]
    patterns: List[ConsensusResult]
    classes: Optional[ParticleClasses] = None
    scores: Optional[NDArray[np.float64]] = None
    junk: Optional[NDArray[np.float64]] = None

    @property
    def quality(self) -> MicrographQuality:
        """Quality of the micrographs."""
        return micrograph_quality(self.result, self.scores, self.junk)


class StreamRecord(BatchRecord):
    """The folder of a run's batches, see `BatchRecord`, and what precedes them.

    Parameters
    ----------
    folder, settings, inputs
        As of `BatchRecord`.

    Attributes
    ----------
    n_read : list of ndarray
        Number of picks of each picker on each of them, when they were processed.
    n_picks : int
        Number of picks read.
    n_particles, n_unmatched : list of int
        Numbers by batch.
    n_in_patterns : list of ndarray
        Number of particles of each pattern, by batch.
    scales : dict of str to Scale
        Scales of the pickers for which they are decided.
    ranked_among : dict of str to ndarray
        Scores among which to rank, of the pickers whose scores are ranked.
    model : EnsembleModel or None
        The fitted model, in mode ``probabilistic``.
    agreement : Agreement or None
        Agreement beyond chance, where it is measured before any batch.
    """

    COUNTS = COUNTS

    def __init__(self, folder: str, settings: str, inputs: str = "") -> None:
        self.n_read: List[NDArray[np.int64]] = []
        self.n_picks = 0
        self.n_particles: List[int] = []
        self.n_unmatched: List[int] = []
        self._n_patterns = len(json.loads(settings).get("patterns", ()))
        self.n_in_patterns: List[NDArray[np.int64]] = []
        self.scales: Dict[str, Scale] = {}
        self.ranked_among: Dict[str, NDArray[np.float64]] = {}
        self.model: Optional[EnsembleModel] = None
        self.agreement: Optional[Agreement] = None
        if self._n_patterns:
            self.COUNTS = (*COUNTS, N_IN_PATTERNS)
        super().__init__(folder, settings, inputs)

    def has_looked(self, at: str) -> bool:
        """Whether the images were looked at, with this number of classes and these inputs."""
        return text_of(self.folder / LOOKED) == at

    def finish_looking(self, at: str) -> None:
        """Record that the images were looked at and all results written."""
        atomic_write(self.folder / LOOKED, at)

    def _read(self) -> None:
        scales = self.folder / SCALES
        if scales.is_file():
            known: Dict[str, Any] = json.loads(scales.read_text("utf-8"))
            self.scales = {name: Scale(*one) for name, one in known.items()}
        for number, (name, scale) in enumerate(self.scales.items()):
            if scale.transform == "rank":
                file = self._scores_file(number)
                self.ranked_among[name] = read_arrays(file, remedy=REMEDY)["scores"]
        if (self.folder / MODEL).is_file():
            self.model = model_from_arrays(read_arrays(self.folder / MODEL, remedy=REMEDY))
        if (self.folder / AGREEMENT).is_file():
            arrays = read_arrays(self.folder / AGREEMENT, remedy=REMEDY)
            self.agreement = agreement_from_arrays(arrays)
        super()._read()

    def _count(self, counts: Dict[str, NDArray[Any]]) -> None:
        super()._count(counts)
        self.n_read += [*counts["n_read"]]
        self.n_picks += int(counts["n_read"].sum())
        self.n_particles.append(int(counts["n_particles"]))
        self.n_unmatched.append(int(counts["n_unmatched"]))
        self.n_in_patterns.append(counts.get(N_IN_PATTERNS, np.zeros(0, dtype=np.int64)))

    def decide(self, picker: str, scale: Scale, ranked_among: NDArray[np.float64]) -> None:
        """Record the scale of a picker's scores, and the scores among which to rank, if any."""
        write_arrays(self._scores_file(len(self.scales)), {"scores": ranked_among})
        self.scales[picker] = scale
        if scale.transform == "rank":
            self.ranked_among[picker] = ranked_among
        atomic_write(self.folder / SCALES, json.dumps(self.scales))

    def keep_model(self, model: EnsembleModel) -> None:
        """Record the fitted model, which holds for all batches."""
        write_arrays(self.folder / MODEL, model_to_arrays(model))
        self.model = model

    def keep_agreement(self, agreement: Agreement) -> None:
        """Record the agreement beyond chance."""
        write_arrays(self.folder / AGREEMENT, agreement_to_arrays(agreement))
        self.agreement = agreement

    def _scores_file(self, number: int) -> Path:
        return self.folder / f"scores_{number}.npz"

    def append(
        self,
        micrographs: List[int],
        n_read: NDArray[np.int64],
        result: ConsensusResult,
        ids: NDArray[np.int64],
        unmatched: Optional[Picks],
        patterns: Sequence[ConsensusResult] = (),
        scores: Optional[NDArray[np.float64]] = None,
    ) -> Batch:
        """Record a batch, which is complete once this returns.

        Parameters
        ----------
        micrographs : list of int
            Ids of the micrographs of `result`.
        n_read : ndarray of int64, shape (n_micrographs, n_pickers)
        result : ConsensusResult
        ids : ndarray of int64, shape (n_picks,)
            Ids of the picks to which the members refer.
        unmatched : Picks or None
        patterns : sequence of ConsensusResult
        scores : ndarray of float64, shape (n_micrographs, n_pickers), optional
            See `median_scores`.
        """
        batch = batch_of(micrographs, n_read, result, ids, unmatched, patterns, scores=scores)
        others = batch.patterns
        counts = {
            MICROGRAPHS: np.array(micrographs, dtype=np.int64),
            "n_read": n_read,
            "n_particles": np.array(len(result)),
            "n_unmatched": np.array(0 if unmatched is None else len(unmatched)),
            N_IN_PATTERNS: np.array([len(one) for one in others], dtype=np.int64),
        }
        arrays = {**counts, **result_to_arrays(batch.result)}
        if scores is not None:
            arrays[SCORES] = scores
        if unmatched is not None:
            arrays.update(_prefixed(UNMATCHED, picks_to_arrays(unmatched)))
        for number, one in enumerate(others):
            arrays.update(_prefixed(PATTERN.format(number), result_to_arrays(one)))
        self.write(arrays)
        return batch

    def batches(self, first: int = 0) -> Iterator[Batch]:
        """The batches in order, one at a time in memory."""
        for number in range(first, len(self)):
            arrays = self.read(number)
            left = _with_prefix(UNMATCHED, arrays)
            prefixes = [PATTERN.format(number) for number in range(self._n_patterns)]
            yield Batch(
                arrays[MICROGRAPHS].tolist(),
                arrays["n_read"],
                result_from_arrays(arrays),
                picks_from_arrays(left) if left else None,
                [result_from_arrays(_with_prefix(one, arrays)) for one in prefixes],
                scores=arrays.get(SCORES),  # earlier versions recorded none
            )


def rated(result: ConsensusResult, agreement: Optional[Agreement]) -> ConsensusResult:
    """Result with false-agreement rates by its weights, unless it has them or probabilities."""
    is_weighed = result.ensemble is None and result.false_agreement is None
    return with_rates(result, agreement) if agreement is not None and is_weighed else result


def batch_of(
    micrographs: List[int],
    n_read: NDArray[np.int64],
    result: ConsensusResult,
    ids: NDArray[np.int64],
    unmatched: Optional[Picks],
    patterns: Sequence[ConsensusResult],
    classes: Optional[ParticleClasses] = None,
    *,
    scores: Optional[NDArray[np.float64]] = None,
    junk: Optional[NDArray[np.float64]] = None,
) -> Batch:
    """Batch of results whose members are still indices of picks, with parameters as of `append`."""
    kept, *others = (_with_ids(one, ids) for one in (result, *patterns))
    return Batch(micrographs, n_read, kept, unmatched, others, classes, scores, junk)


def _with_ids(result: ConsensusResult, ids: NDArray[np.int64]) -> ConsensusResult:
    """Result with ids of picks as its members, without flags of the picks and the agreement."""
    members = np.where(result.members >= 0, np.append(ids, -1)[result.members], -1)
    return replace(result, members=members, is_unmatched=np.zeros(0, dtype=bool), agreement=None)


def _prefixed(prefix: str, arrays: Dict[str, NDArray[Any]]) -> Dict[str, NDArray[Any]]:
    return {f"{prefix}{name}": array for name, array in arrays.items()}


def _with_prefix(prefix: str, arrays: Dict[str, NDArray[Any]]) -> Dict[str, NDArray[Any]]:
    """Arrays that have a prefix, by their names without it."""
    return {name[len(prefix) :]: array for name, array in arrays.items() if name.startswith(prefix)}


def inputs_when_finished(folder: str) -> Optional[str]:
    """Contents of the inputs when the run whose batches are in a folder was complete, if it is."""
    return text_of(Path(folder) / FINISHED)
