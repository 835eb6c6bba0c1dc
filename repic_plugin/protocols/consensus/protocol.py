"""Consensus picking, of finished sets of coordinates and of growing ones."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, ClassVar, Dict, List, Optional, Sequence, Tuple

from pwem.objects import SetOfCoordinates, SetOfMicrographs
from pwem.protocols import ProtParticlePicking
from pyworkflow import NEW
from pyworkflow.object import Pointer
from pyworkflow.protocol import Protocol, params

from repic_plugin.convert import (
    PickerInput,
    match_micrographs,
)
from repic_plugin.plots import OverlayModel
from repic_plugin.protocols.common.consensus_mode import (
    check_image_classes,
    is_probabilistic,
    looks_at_images,
)
from repic_plugin.protocols.common.following.form import is_open, size_at_rest
from repic_plugin.protocols.common.form_values import FormProtocol
from repic_plugin.protocols.common.picker_names import picker_names
from repic_plugin.protocols.common.report_step import WritesReport, define_report_param
from repic_plugin.protocols.common.unfinished_files import remove_unfinished
from repic_plugin.protocols.consensus.chosen import check_chosen, chosen_identity
from repic_plugin.protocols.consensus.form import (
    define_graph_params,
    define_input_params,
    define_judging_params,
    define_score_params,
    define_streaming_params,
)
from repic_plugin.protocols.consensus.overlays import of_consensus
from repic_plugin.protocols.consensus.settings import (
    FORM_PARAMS,
    check_settings,
    consensus_settings,
    has_chosen,
    stream_settings,
)
from repic_plugin.protocols.consensus.stream import ConsensusStream
from repic_plugin.protocols.consensus.stream_chosen import ConsensusChosen
from repic_plugin.protocols.consensus.stream_images import ConsensusImages
from repic_plugin.protocols.consensus.stream_outputs import (
    ACCEPTED,
    PARTICLES,
    REJECTED,
    UNMATCHED,
)
from repic_plugin.protocols.consensus.subsets import launch_found_by


class ProtRepicConsensus(FormProtocol, WritesReport, ProtParticlePicking):  # type: ignore[misc]
    """Find the particles that several pickers agree on (REPIC).

    Overlapping boxes of different pickers are joined into groups, and the disjoint groups with the
    highest total weight (overlap times score) are selected. Use it when two or more pickers have
    picked the same micrographs, or are still picking them.

    *Inputs*: two or more sets of coordinates, one from each picker. Micrographs are matched by
    identity or name; pixel sizes may differ. With CTFs, pickers are also described by defocus.
    *Outputs*: outputCoordinates, each with its weight or probability, overlap, score and the names
    of its pickers; optionally outputUnmatched, the picks that belong to no particle, and
    outputPattern1 and so on, what some pickers found and others did not; with thresholds in *Judge
    micrographs*, outputMicrographs and outputMicrographsRejected. Tables are in the run's extra
    folder (consensus.csv, summary.csv, micrographs.csv; probabilistic also pickers.csv; with images
    also image_classes.csv and picker_classes.csv).
    *Main parameters*: the consensus mode. All pickers: few false positives, but a weak picker costs
    many particles. Quorum: at least a minimum number of pickers. Probabilistic: the precision and
    recall of each picker are estimated from agreement and scores, without labels; a target
    precision determines how many particles are kept; with *Look at the images*, the 2D classes of
    the candidates decide what a particle is, or classes that you chose decide.
    *Look at*: the summary (contribution of each picker, whether the optimum is proven, warnings)
    and, in Analyze results, the boxes with a threshold on the weight.

    *Reference*: Cameron et al. 2024, doi:10.1038/s42003-024-07045-0.
    """

    _label = "consensus picking"
    _devStatus = NEW
    FORM_PARAMS: ClassVar = FORM_PARAMS
    # not an Enum, whose members of equal value would be one member
    _possibleOutputs: ClassVar = {
        **{PARTICLES: SetOfCoordinates, UNMATCHED: SetOfCoordinates},
        **{ACCEPTED: SetOfMicrographs, REJECTED: SetOfMicrographs},
    }

    @classmethod
    def worksInStreaming(cls) -> bool:
        """True, so that Scipion starts the run while its inputs are open."""
        return True

    # ------------------------------------------------------------------ form

    def _defineParams(self, form: params.Form) -> None:
        form.addSection(label="Input")
        define_input_params(form)
        define_score_params(form)
        define_graph_params(form)
        define_judging_params(form)
        define_report_param(form)
        define_streaming_params(form)
        form.addParallelSection(threads=1, mpi=0)

    # ----------------------------------------------------------------- steps

    def _insertAllSteps(self) -> None:
        remove_unfinished(self)
        settings = json.dumps(stream_settings(self, self._pickerNames()), sort_keys=True)
        inputs = json.dumps([size_at_rest(pointer.get()) for pointer in self.inputCoordinates])
        self._insertFunctionStep(self.consensusStep, settings, inputs, needsGPU=False)
        if looks_at_images(self):
            n_classes = self.imageClasses.get()
            self._insertFunctionStep(self.imagesStep, settings, inputs, n_classes, needsGPU=False)
            settings = json.dumps([settings, n_classes])  # for the report, which shows them
        elif has_chosen(self):
            chosen = chosen_identity(self)
            self._insertFunctionStep(self.chosenStep, settings, inputs, chosen, needsGPU=False)
            settings = json.dumps([settings, chosen])
        self._insertReportStep(settings)

    def consensusStep(self, settings: str, inputs: str) -> None:
        """Process the data of the inputs until they are closed."""
        with self.labelled_errors():
            ConsensusStream(self, json.loads(settings), inputs).run()

    def imagesStep(self, settings: str, _inputs: str, n_classes: int) -> None:
        """Judge the candidates by their images, and write the outputs."""
        with self.labelled_errors():
            ConsensusImages(self, json.loads(settings), n_classes).run()

    def chosenStep(self, settings: str, _inputs: str, chosen: str) -> None:
        """Judge the candidates by the classes or particles that the user chose."""
        with self.labelled_errors():
            ConsensusChosen(self, json.loads(settings), chosen).run()

    def overlay_model(self) -> OverlayModel:
        """Overlay of the result and the input picks, see `of_consensus`."""
        return of_consensus(self)

    def create_subset(
        self, found_by: Sequence[str], *, in_consensus: bool = True, wait: bool = False
    ) -> Protocol:
        """Start a run whose output is what exactly some pickers found.

        Parameters
        ----------
        found_by : sequence of str
            Names of pickers, as in the attribute ``_repicPickers``.
        in_consensus : bool
            Particles of the consensus, or the unmatched picks of one picker.
        wait : bool
            Whether to return only after the run.

        Raises
        ------
        ValueError
            If there is no such particle, or no such output.
        """
        output = PARTICLES if in_consensus else UNMATCHED
        if not hasattr(self, output):
            remedy = "run it first" if in_consensus else f"set {self.label('unmatchedOutput')}"
            raise ValueError(f"this run has no {output}; {remedy}")
        return launch_found_by(self, output, found_by, wait=wait)

    def _newSet(self, suffix: str, box_size_px: int) -> SetOfCoordinates:
        micrographs = self.inputCoordinates[0].get().getMicrographs(asPointer=True)
        coordinates = self._createSetOfCoordinates(micrographs, suffix)
        coordinates.setBoxSize(box_size_px)
        return coordinates

    # ------------------------------------------------------------------ info

    def _check(self) -> None:
        check_image_classes(self)
        if is_probabilistic(self):
            check_chosen(self)
        if any(is_open(pointer.get()) for pointer in self.inputCoordinates):
            check_settings(stream_settings(self, self._pickerNames()))
            return  # the picks are not known yet
        settings = self.run_settings()
        check_settings(settings)
        match_micrographs(self.picker_inputs(settings["score_attributes"]))

    def _summary(self) -> List[str]:
        lines = self._facts().get("summary", ["The consensus is not ready yet."])
        return lines + self._valueLines()

    def _methods(self) -> List[str]:
        return self._facts().get("methods", [])

    def _citations(self) -> List[str]:
        cited = ["Cameron2024", "Huangfu2018"]  # the method, and the solver that is always there
        cited += ["DawidSkene1979"] * is_probabilistic(self)
        return [*cited, "Xu2016"] if looks_at_images(self) else cited

    def _automatic(self) -> Dict[str, str]:
        values: Dict[str, str] = self._facts().get("values", {})
        return values

    def _isAutomatic(self, name: str) -> bool:
        if name in ("copyDistance", "minDistance"):
            return getattr(self, name).get() in (None, -1)
        return super()._isAutomatic(name)

    def solver_and_transforms(self) -> Tuple[str, List[str]]:
        """Solver and transforms of scores of a result; empty where they were not recorded."""
        facts = self._facts()
        return facts.get("solver", ""), facts.get("score_transforms", [])

    # --------------------------------------------------------------- helpers

    def getInputMicrographs(self) -> Optional[SetOfMicrographs]:
        """The micrographs of the output, which are those of the first set."""
        first = self.inputCoordinates[0].get() if len(self.inputCoordinates) else None
        return first.getMicrographs() if first is not None else None

    def getInputMicrographsPointer(self) -> Optional[Pointer]:
        """A pointer to the micrographs of the output."""
        first = self.inputCoordinates[0].get() if len(self.inputCoordinates) else None
        return first.getMicrographs(asPointer=True) if first is not None else None

    def _summaryFile(self) -> str:
        return self._getExtraPath("summary.json")

    def _facts(self) -> Dict[str, Any]:
        """Summary, methods and values, once they hold for the output."""
        file = Path(self._summaryFile())
        if not file.is_file() or not (hasattr(self, PARTICLES) or self.isActive()):
            return {}
        facts: Dict[str, Any] = json.loads(file.read_text("utf-8"))
        return facts

    def picker_inputs(self, attributes: List[Optional[str]]) -> List[PickerInput]:
        """The inputs with the names of their pickers and the attributes that hold their scores."""
        sets = [pointer.get() for pointer in self.inputCoordinates]
        return [PickerInput(*one) for one in zip(self._pickerNames(), sets, attributes)]

    def _pickerNames(self) -> List[str]:
        return picker_names(self.inputCoordinates)

    def run_settings(self) -> Dict[str, Any]:
        """Settings on which the result depends, see `consensus_settings`.

        Raises
        ------
        ValueError
            If a value in the form is invalid.
        """
        with self.labelled_errors():
            return consensus_settings(self, self._pickerNames())
