"""Consensus picking, of sets that are there and of sets that are still growing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, ClassVar, Dict, List, Optional

from pwem.objects import SetOfCoordinates, SetOfMicrographs
from pwem.protocols import ProtParticlePicking
from pyworkflow import NEW
from pyworkflow.object import Pointer, Set
from pyworkflow.protocol import params

from repic_plugin.convert import (
    PickerInput,
    UnreadableSetError,
    count_items,
    match_micrographs,
    stream_state,
)
from repic_plugin.plots import OverlayModel
from repic_plugin.protocols.common.consensus_mode import is_probabilistic
from repic_plugin.protocols.common.picker_names import picker_names
from repic_plugin.protocols.common.report_step import WritesReport, define_report_param
from repic_plugin.protocols.common.unfinished_files import remove_unfinished
from repic_plugin.protocols.consensus.form import (
    define_graph_params,
    define_input_params,
    define_score_params,
    define_streaming_params,
)
from repic_plugin.protocols.consensus.overlays import of_consensus
from repic_plugin.protocols.consensus.settings import (
    check_settings,
    consensus_settings,
    stream_settings,
)
from repic_plugin.protocols.consensus.stream import PARTICLES, UNMATCHED, ConsensusStream


class ProtRepicConsensus(WritesReport, ProtParticlePicking):  # type: ignore[misc]
    """Find the particles that several pickers agree on (REPIC).

    Boxes of different pickers that overlap are joined into groups, and of all groups those are
    chosen that together have the greatest weight (overlap times score), no pick in two of them.
    Use it when two or more pickers have seen the same micrographs, also while they still pick.

    *Inputs*: two or more sets of coordinates, one of each picker. Micrographs are matched by
    identity or name, pixel sizes may differ. CTFs describe the pickers by defocus too.
    *Outputs*: outputCoordinates, each with its weight or probability, overlap, score and the names
    of its pickers; on request outputUnmatched, the picks that are in no particle. Tables are in
    the run's extra folder (consensus.csv, summary.csv; by probability also pickers.csv).
    *Main parameters*: the mode. All pickers: few false particles, but a weak picker costs many. A
    quorum: at least so many pickers. By probability: how good each picker is, is estimated from
    agreement and scores without labels; a precision to reach decides how many particles are kept.
    *Look at*: the summary (share of each picker in the consensus, whether the optimum is proven,
    warnings), and in Analyze results the boxes, with a threshold on the weight.

    *Reference*: Cameron et al. 2024, doi:10.1038/s42003-024-07045-0.
    """

    _label = "consensus picking"
    _devStatus = NEW
    # not an Enum: its two members would have one value, and be one
    _possibleOutputs: ClassVar = {
        PARTICLES: SetOfCoordinates,
        UNMATCHED: SetOfCoordinates,
    }

    @classmethod
    def worksInStreaming(cls) -> bool:
        """Scipion refuses open inputs otherwise, and starts it when they are closed."""
        return True

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
        remove_unfinished(self)
        settings = json.dumps(stream_settings(self, self._pickerNames()), sort_keys=True)
        inputs = json.dumps([_size_at_rest(pointer.get()) for pointer in self.inputCoordinates])
        self._insertFunctionStep(self.consensusStep, settings, inputs, needsGPU=False)
        self._insertReportStep(settings)

    def consensusStep(self, settings: str, inputs: str) -> None:
        """Work on what the inputs hold, and on what comes until they are closed."""
        ConsensusStream(self, json.loads(settings), inputs).run()

    def overlay_model(self) -> OverlayModel:
        """The result over what the pickers found, see `of_consensus`."""
        return of_consensus(self)

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
            if any(_is_open(pointer.get()) for pointer in self.inputCoordinates):
                check_settings(stream_settings(self, self._pickerNames()))
                return []  # what the pickers will find is not known
            settings = self.run_settings()
            check_settings(settings)
            match_micrographs(self.picker_inputs(settings["score_attributes"]))
        except ValueError as error:
            return [str(error)]
        return []

    def _summary(self) -> List[str]:
        return self._facts().get("summary", ["The consensus is not ready yet."])

    def _methods(self) -> List[str]:
        return self._facts().get("methods", [])

    def _citations(self) -> List[str]:
        cited = ["Cameron2024", "Huangfu2018"]  # the method, and the solver that is always there
        return [*cited, "DawidSkene1979"] if is_probabilistic(self) else cited

    # --------------------------------------------------------------- helpers

    def getInputMicrographs(self) -> Optional[SetOfMicrographs]:
        """The micrographs that the output refers to: the first set's."""
        first = self.inputCoordinates[0].get() if len(self.inputCoordinates) else None
        return first.getMicrographs() if first is not None else None

    def getInputMicrographsPointer(self) -> Optional[Pointer]:
        """A pointer to the same."""
        first = self.inputCoordinates[0].get() if len(self.inputCoordinates) else None
        return first.getMicrographs(asPointer=True) if first is not None else None

    def _summaryFile(self) -> str:
        return self._getExtraPath("summary.json")

    def _facts(self) -> Dict[str, List[str]]:
        """Summary and methods, once they are true."""
        file = Path(self._summaryFile())
        if not file.is_file() or not (hasattr(self, PARTICLES) or self.isActive()):
            return {}
        facts: Dict[str, List[str]] = json.loads(file.read_text("utf-8"))
        return facts

    def picker_inputs(self, attributes: List[Optional[str]]) -> List[PickerInput]:
        """The inputs by the pickers' names, with the attributes that hold their scores."""
        sets = [pointer.get() for pointer in self.inputCoordinates]
        return [PickerInput(*one) for one in zip(self._pickerNames(), sets, attributes)]

    def _pickerNames(self) -> List[str]:
        return picker_names(self.inputCoordinates)

    def run_settings(self) -> Dict[str, Any]:
        """All that the result depends on, see `consensus_settings`.

        Raises
        ------
        ValueError
            If a value in the form is wrong.
        """
        return consensus_settings(self, self._pickerNames())


def _is_open(coordinates: SetOfCoordinates) -> bool:
    """As its file says, which the project may be behind of; where it says nothing, the project."""
    try:
        state = stream_state(coordinates.getFileName())
    except UnreadableSetError:
        state = None
    return coordinates.isStreamOpen() if state is None else state == Set.STREAM_OPEN


def _size_at_rest(coordinates: SetOfCoordinates) -> Optional[int]:
    """Of a set that is closed and can be read."""
    try:
        return None if _is_open(coordinates) else count_items(coordinates.getFileName())
    except ValueError:
        return None  # it is waited for
