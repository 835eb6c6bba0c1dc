"""One-shot consensus picking."""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Any, ClassVar, Dict, List, Optional, Tuple

import numpy as np
from pwem.objects import SetOfCoordinates, SetOfMicrographs
from pwem.protocols import ProtParticlePicking
from pyworkflow.object import Pointer, Set
from pyworkflow.protocol import params

from repic_plugin.consensus import (
    ConsensusResult,
    Picks,
    find_consensus,
    join_results,
    picks_from_arrays,
    picks_to_arrays,
    result_from_arrays,
    result_to_arrays,
)
from repic_plugin.convert import (
    PickerInput,
    append_particles,
    append_picks,
    count_items,
    match_micrographs,
    read_micrographs,
    read_picks,
    stream_state,
)
from repic_plugin.formats import (
    atomic_write,
    read_arrays,
    write_arrays,
    write_consensus_table,
    write_summary_table,
)
from repic_plugin.protocols.consensus_facts import ConsensusTotals, consensus_facts, proof
from repic_plugin.protocols.consensus_form import (
    define_graph_params,
    define_input_params,
    define_score_params,
    define_streaming_params,
)
from repic_plugin.protocols.consensus_settings import (
    check_settings,
    consensus_settings,
    stream_settings,
)
from repic_plugin.protocols.consensus_stream import PARTICLES, STREAM, UNMATCHED, ConsensusStream
from repic_plugin.protocols.picker_names import picker_names
from repic_plugin.protocols.report_step import WritesReport, define_report_param

__all__ = ["ProtRepicConsensus"]

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
        define_streaming_params(form)
        form.addParallelSection(threads=1, mpi=0)

    # ----------------------------------------------------------------- steps

    def _insertAllSteps(self) -> None:
        if self._isStream():
            settings = json.dumps(self._streamSettings(), sort_keys=True)
            self._insertFunctionStep(self.streamStep, settings, self._inputsNow(), needsGPU=False)
            self._insertReportStep(settings)
            return
        settings = json.dumps(self._settings(), sort_keys=True)
        self._insertFunctionStep(self.loadStep, settings, needsGPU=False)
        for first, last in _steps(self.getInputMicrographs().getSize()):
            self._insertFunctionStep(self.consensusStep, first, last, settings, needsGPU=False)
        self._insertFunctionStep(self.createOutputStep, settings, needsGPU=False)
        self._insertReportStep(settings)

    def streamStep(self, settings: str, _inputs: str) -> None:
        """Follow the inputs until they are closed."""
        ConsensusStream(self, json.loads(settings)).run()

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
        totals = ConsensusTotals()
        totals.add(result)
        atomic_write(self._summaryFile(), json.dumps(consensus_facts(totals, len(picks))))
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
        coordinates.setObjComment(proof(int((~result.micrographs.is_optimal).sum())))
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
            if self._isStream():  # what the pickers will find is not known
                check_settings(self._streamSettings())
                return []
            settings = self._settings()
            check_settings(settings)
            match_micrographs(self._pickerInputs(settings["score_attributes"]))
        except ValueError as error:
            return [str(error)]
        return []

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

    def _isStream(self) -> bool:
        """Whether the inputs are still growing, or were when this run began."""
        sets = [pointer.get() for pointer in self.inputCoordinates]
        was = Path(self._getExtraPath(STREAM)).is_dir()
        return was or any(one is not None and _is_open(one) for one in sets)

    def _inputsNow(self) -> str:
        """A finished run has something to do again if its inputs have grown since."""
        sets = [pointer.get() for pointer in self.inputCoordinates]
        return json.dumps(
            [None if _is_open(one) else count_items(one.getFileName()) for one in sets]
        )

    def _picksFile(self) -> str:
        return self._getExtraPath("picks.npz")

    def _batchFile(self, first: int) -> str:
        return self._getExtraPath(f"consensus_{first:07d}.npz")

    def _summaryFile(self) -> str:
        return self._getExtraPath("summary.json")

    def _facts(self) -> Dict[str, List[str]]:
        """Summary and methods, once they are true."""
        file = Path(self._summaryFile())
        if not file.is_file() or not (hasattr(self, PARTICLES) or self.isActive()):
            return {}
        facts: Dict[str, List[str]] = json.loads(file.read_text("utf-8"))
        return facts

    def _pickerInputs(self, attributes: List[Optional[str]]) -> List[PickerInput]:
        sets = [pointer.get() for pointer in self.inputCoordinates]
        return [PickerInput(*one) for one in zip(self._pickerNames(), sets, attributes)]

    def _pickerNames(self) -> List[str]:
        return picker_names(self.inputCoordinates)

    def _streamSettings(self) -> Dict[str, Any]:
        return stream_settings(self, self._pickerNames())

    def _settings(self) -> Dict[str, Any]:
        return consensus_settings(self, self._pickerNames())


def _is_open(coordinates: SetOfCoordinates) -> bool:
    """As its file says, which the project may be behind of; where it says nothing, the project."""
    state = stream_state(coordinates.getFileName())
    return coordinates.isStreamOpen() if state is None else state == Set.STREAM_OPEN


def _steps(n_micrographs: int) -> List[Tuple[int, int]]:
    """First and last micrograph of each step."""
    firsts = range(0, n_micrographs, MICROGRAPHS_PER_STEP)
    return [(first, min(first + MICROGRAPHS_PER_STEP, n_micrographs)) for first in firsts]
