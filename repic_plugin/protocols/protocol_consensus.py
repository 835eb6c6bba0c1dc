"""One-shot consensus picking."""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Any, ClassVar, Dict, List, Optional, Tuple

import numpy as np
from pwem.objects import SetOfCoordinates, SetOfMicrographs
from pwem.protocols import ProtParticlePicking
from pyworkflow.object import Pointer
from pyworkflow.protocol import params

from repic_plugin.consensus import (
    ConsensusResult,
    Picks,
    find_consensus,
    join_results,
    picks_from_arrays,
    picks_to_arrays,
    recommended_num_particles,
    result_from_arrays,
    result_to_arrays,
)
from repic_plugin.convert import (
    PickerInput,
    append_particles,
    append_picks,
    match_micrographs,
    read_micrographs,
    read_picks,
)
from repic_plugin.formats import (
    atomic_write,
    read_arrays,
    write_arrays,
    write_consensus_table,
    write_summary_table,
)
from repic_plugin.protocols.consensus_form import (
    define_graph_params,
    define_input_params,
    define_score_params,
)
from repic_plugin.protocols.consensus_settings import check_settings, consensus_settings
from repic_plugin.protocols.picker_names import picker_names
from repic_plugin.protocols.report_step import WritesReport, define_report_param

__all__ = ["ProtRepicConsensus"]

PARTICLES, UNMATCHED = "outputCoordinates", "outputUnmatched"
MICROGRAPHS_PER_STEP = 500


class ProtRepicConsensus(WritesReport, ProtParticlePicking):  # type: ignore[misc]
    """Find the particles that several pickers agree on (REPIC).

    Boxes of different pickers that overlap are joined into groups, and of all groups those are
    chosen that together have the greatest weight (overlap times score), no pick in two of them.
    """

    _label = "consensus picking"
    # not an Enum: its two members would have one value, and be one
    _possibleOutputs: ClassVar = {
        PARTICLES: SetOfCoordinates,
        UNMATCHED: SetOfCoordinates,
    }

    # ------------------------------------------------------------------ form

    def _defineParams(self, form: params.Form) -> None:
        form.addSection(label="Input")
        define_input_params(form)
        define_score_params(form)
        define_graph_params(form)
        define_report_param(form)
        form.addParallelSection(threads=1, mpi=0)

    # ----------------------------------------------------------------- steps

    def _insertAllSteps(self) -> None:
        settings = json.dumps(self._settings(), sort_keys=True)
        self._insertFunctionStep(self.loadStep, settings, needsGPU=False)
        for first, last in _steps(self.getInputMicrographs().getSize()):
            self._insertFunctionStep(self.consensusStep, first, last, settings, needsGPU=False)
        self._insertFunctionStep(self.createOutputStep, settings, needsGPU=False)
        self._insertReportStep(settings)

    def loadStep(self, settings: str) -> None:
        """Gather the picks of all sets."""
        if Path(self._summaryFile()).is_file():
            Path(self._summaryFile()).unlink()  # of an earlier run with other values
        attributes = json.loads(settings)["score_attributes"]
        picks, ids, left_out = read_picks(self._pickerInputs(attributes))
        write_arrays(self._picksFile(), {"id": ids, **picks_to_arrays(picks)})
        for name, count in zip(picks.picker_names, left_out):
            if count:
                self.warning(f"{count:,} picks of {name} lie on micrographs the first set lacks")
        self.info(f"{len(picks):,} picks of {picks.n_pickers} pickers loaded")

    def consensusStep(self, first: int, last: int, settings: str) -> None:
        """Find the consensus on micrographs `first` to `last`."""
        picks = picks_from_arrays(read_arrays(self._picksFile()))
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            result = find_consensus(
                picks,
                micrographs=np.arange(first, last),
                n_threads=self.numberOfThreads.get(),
                **json.loads(settings)["options"],
            )
        write_arrays(self._batchFile(first), result_to_arrays(result))
        for warning in caught:
            self.warning(str(warning.message))
        self.info(
            f"micrographs {first + 1} to {last} of {picks.n_micrographs}: {len(result):,} particles"
        )

    def createOutputStep(self, settings: str) -> None:
        """Write the particles, the tables and the summary."""
        stored = read_arrays(self._picksFile())
        picks = picks_from_arrays(stored)
        # by name, for an earlier run that failed may have left others
        files = [self._batchFile(first) for first, _ in _steps(picks.n_micrographs)]
        result = join_results([result_from_arrays(read_arrays(file)) for file in files])
        write_consensus_table(self._getExtraPath("consensus.csv"), result, stored["id"])
        write_summary_table(self._getExtraPath("summary.csv"), result)
        outputs = self._written(picks, result, json.loads(settings))
        atomic_write(self._summaryFile(), json.dumps(_facts(picks, result)))
        self._defineOutputs(**outputs)
        for pointer in self.inputCoordinates:
            for output in outputs.values():
                self._defineSourceRelation(pointer, output)
        for file in (*files, self._picksFile()):
            Path(file).unlink()

    def _written(
        self, picks: Picks, result: ConsensusResult, settings: Dict[str, Any]
    ) -> Dict[str, SetOfCoordinates]:
        """The output sets by name."""
        table = read_micrographs(self.getInputMicrographs())
        coordinates = self._newSet("", settings["box_size_px"])
        self.info(f"writing {len(result):,} particles")
        append_particles(coordinates, result, table)
        coordinates.setObjComment(_proof(result))
        if not self.unmatchedOutput:
            return {PARTICLES: coordinates}
        unmatched = self._newSet("_unmatched", settings["box_size_px"])
        self.info(f"writing {result.is_unmatched.sum():,} picks without a partner")
        append_picks(unmatched, picks.take(result.is_unmatched), table)
        return {PARTICLES: coordinates, UNMATCHED: unmatched}

    def _newSet(self, suffix: str, box_size_px: int) -> SetOfCoordinates:
        micrographs = self.inputCoordinates[0].get().getMicrographs(asPointer=True)
        coordinates = self._createSetOfCoordinates(micrographs, suffix)
        coordinates.setBoxSize(box_size_px)
        return coordinates

    # ------------------------------------------------------------------ info

    def _validate(self) -> List[str]:
        if any(pointer.get() is None for pointer in self.inputCoordinates):
            return []  # scheduled before its inputs are there
        try:
            settings = self._settings()
            check_settings(settings)
            match_micrographs(self._pickerInputs(settings["score_attributes"]))
        except ValueError as error:
            return [str(error)]
        return []

    def _warnings(self) -> List[str]:
        sets = (pointer.get() for pointer in self.inputCoordinates)
        return [
            f"{name} is still growing: picks that come after the start will not be in the result."
            for name, one in zip(self._pickerNames(), sets)
            if one is not None and one.isStreamOpen()
        ]

    def _summary(self) -> List[str]:
        return self._facts().get("summary", ["The consensus is not ready yet."])

    def _methods(self) -> List[str]:
        return self._facts().get("methods", [])

    def _citations(self) -> List[str]:
        return ["Cameron2024", "Huangfu2018"]  # the method, and the solver that is always there

    # --------------------------------------------------------------- helpers

    def getInputMicrographs(self) -> Optional[SetOfMicrographs]:
        """The micrographs that the output refers to: the first set's."""
        first = self.inputCoordinates[0].get() if len(self.inputCoordinates) else None
        return first.getMicrographs() if first is not None else None

    def getInputMicrographsPointer(self) -> Optional[Pointer]:
        """A pointer to the same."""
        first = self.inputCoordinates[0].get() if len(self.inputCoordinates) else None
        return first.getMicrographs(asPointer=True) if first is not None else None

    def _picksFile(self) -> str:
        return self._getExtraPath("picks.npz")

    def _batchFile(self, first: int) -> str:
        return self._getExtraPath(f"consensus_{first:07d}.npz")

    def _summaryFile(self) -> str:
        return self._getExtraPath("summary.json")

    def _facts(self) -> Dict[str, List[str]]:
        """Summary and methods, once they are true."""
        file = Path(self._summaryFile())
        if not (hasattr(self, PARTICLES) and file.is_file()):
            return {}
        facts: Dict[str, List[str]] = json.loads(file.read_text("utf-8"))
        return facts

    def _pickerInputs(self, attributes: List[Optional[str]]) -> List[PickerInput]:
        sets = [pointer.get() for pointer in self.inputCoordinates]
        return [PickerInput(*one) for one in zip(self._pickerNames(), sets, attributes)]

    def _pickerNames(self) -> List[str]:
        return picker_names(self.inputCoordinates)

    def _settings(self) -> Dict[str, Any]:
        return consensus_settings(self, self._pickerNames())


def _steps(n_micrographs: int) -> List[Tuple[int, int]]:
    """First and last micrograph of each step."""
    firsts = range(0, n_micrographs, MICROGRAPHS_PER_STEP)
    return [(first, min(first + MICROGRAPHS_PER_STEP, n_micrographs)) for first in firsts]


def _proof(result: ConsensusResult) -> str:
    """Whether the optimum is proven."""
    n_unproven = int((~result.micrographs.is_optimal).sum())
    return f"NOT proven optimal on {n_unproven} micrographs" if n_unproven else "proven optimal"


def _facts(picks: Picks, result: ConsensusResult) -> Dict[str, List[str]]:
    """What the summary and the methods say, in words."""
    counts = result.micrographs
    k, n = len(result.picker_names), len(counts.names)
    agreed = (result.members >= 0).sum(axis=0)
    used = counts.n_picks.sum(axis=0)
    who = f"all {k}" if result.quorum == k else f"at least {result.quorum} of {k}"
    n_with = len(np.unique(result.micrograph))
    summary = [
        f"*{len(result):,} particles* that {who} pickers agree on, on {n_with:,} of {n:,} "
        f"micrographs.",
        f"Objective {counts.objective.sum():.4f}, {_proof(result)}.",
    ]
    summary += [
        f"{name}: {n_in:,} of {n_used:,} picks are in the consensus (scores: {transform})."
        for name, n_in, n_used, transform in zip(
            result.picker_names, agreed, used, result.score_transforms
        )
    ]
    best = recommended_num_particles(result)
    summary.append(f"Recommended: the best {best} particles of each micrograph.")
    methods = (
        f"Of {len(picks):,} picks of {k} pickers ({', '.join(result.picker_names)}) a consensus "
        f"of {len(result):,} particles was found with REPIC's method [Cameron2024]: cliques of "
        f"overlapping boxes of {who} pickers, chosen by integer programming ({_proof(result)})."
    )
    return {"summary": summary, "methods": [methods]}
