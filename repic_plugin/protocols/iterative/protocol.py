"""Iterative picking: cycles of training, picking and consensus."""

from __future__ import annotations

import json
import threading
from typing import Any, ClassVar, Dict, List

from pwem.objects import SetOfCoordinates
from pwem.protocols import ProtParticlePicking
from pyworkflow import NEW
from pyworkflow.protocol import STEPS_PARALLEL, params

from repic_plugin.formats import read_ensemble, read_iterations
from repic_plugin.protocols.common.consensus_mode import is_probabilistic, looks_at_images
from repic_plugin.protocols.common.form_values import FormProtocol
from repic_plugin.protocols.common.params import define_gpus
from repic_plugin.protocols.common.report_step import WritesReport, define_report_param
from repic_plugin.protocols.iterative.form import (
    MANUAL,
    define_consensus_params,
    define_input_params,
    define_picker_params,
    define_run_params,
)
from repic_plugin.protocols.iterative.methods import automatic_values, methods_text
from repic_plugin.protocols.iterative.picker_choice import PickerChoice
from repic_plugin.protocols.iterative.settings import (
    FORM_PARAMS,
    check_form,
    iterative_settings,
    needs_gpu,
    picker_lines,
)
from repic_plugin.protocols.iterative.stages import CONSENSUS, PARTICLES, Stages
from repic_plugin.protocols.iterative.state import RunState
from repic_plugin.protocols.iterative.summary import stage_lines, summary_lines


class ProtRepicIterative(FormProtocol, WritesReport, ProtParticlePicking):
    """Train pickers on their consensus, pick again, and repeat (iterative REPIC).

    The pickers are trained and run by their own plugins. Each stage is a separate run in the
    project, such as "iter 2 - Topaz train"; after a stop or a failure, Continue resumes with the
    unfinished stage. Use it when pre-trained pickers perform poorly on an unlabelled data set.

    *Inputs*: micrographs; optionally CTFs, the pickers' coordinates, manual picks, models of other
    data, and a reference for evaluation, which is not used for training.
    *Outputs*: outputCoordinates, the last consensus; outputCoordinates_PICKER and
    outputModel_PICKER of each picker. extra/iterations.csv has a row for each iteration, picker
    and subset of the micrographs.
    *Main parameters*: the start (automatic, manual picks, models), two or more pickers with their
    options, the number of iterations, the expected particles per micrograph, and the consensus
    mode (see consensus picking). With *Look at the images* (mode probabilistic) 2D classes of the
    candidates decide what is trained on, so that junk which all pickers share does not take over.
    *Look at*: the summary while it runs; in Analyze results the curves by iteration, on the testing
    micrographs, and the boxes. Stop when the agreement no longer rises.

    *Reference*: Cameron et al. 2024, doi:10.1038/s42003-024-07045-0.
    """

    _label = "iterative picking"
    _devStatus = NEW
    FORM_PARAMS: ClassVar = FORM_PARAMS
    _possibleOutputs: ClassVar = {PARTICLES: SetOfCoordinates}
    stepsExecutionMode = STEPS_PARALLEL

    # ------------------------------------------------------------------ form

    def _defineParams(self, form: params.Form) -> None:
        define_gpus(form)
        form.addSection(label="Input")
        define_input_params(form)
        form.addSection(label="Pickers")
        define_picker_params(form)
        form.addSection(label="Consensus")
        define_consensus_params(form)
        form.addSection(label="Run")
        define_run_params(form)
        define_report_param(form)
        form.addParallelSection(threads=1, mpi=0, binThreads=2)

    # ----------------------------------------------------------------- steps

    def _insertAllSteps(self) -> None:
        settings = json.dumps(iterative_settings(self), sort_keys=True)
        lines = picker_lines(self)
        ready = [self._after([], False, self.subsetsStep, settings)]
        if self.initialisation.get() == MANUAL:
            ready = [self._after(ready, False, self.manualLabelsStep, settings)]
        else:
            picked = [
                self._after(ready, line.picker.uses_gpu, self.startStep, line.place, settings)
                for line in lines
            ]
            ready = self._insertAgreement(0, picked, settings)
        for iteration in range(1, self.numIterations.get() + 1):
            picked = []
            for line in lines:
                gpu, which = line.picker.uses_gpu, (iteration, line.place, settings)
                trained = self._after(ready, gpu, self.trainStep, *which)
                picked.append(self._after([trained], gpu, self.pickStep, *which))
            ready = self._insertAgreement(iteration, picked, settings)
        last = self._after(ready, False, self.createOutputStep, self.numIterations.get(), settings)
        self._insertReportStep(settings, prerequisites=[last])

    def _insertAgreement(self, iteration: int, picked: List[int], settings: str) -> List[int]:
        """Consensus, labels and scores of an iteration."""
        agreed = self._after(picked, False, self.consensusStep, iteration, settings)
        labelled = self._after([agreed], False, self.labelsStep, iteration, settings)
        return [self._after([labelled], False, self.scoreStep, iteration, settings)]

    def _after(self, ready: List[int], gpu: bool, step: Any, *arguments: Any) -> int:
        index: int = self._insertFunctionStep(
            step, *arguments, prerequisites=ready, needsGPU=gpu and self.usesGpu()
        )
        return index

    def subsetsStep(self, _settings: str) -> None:
        """Draw the micrographs for training, validation and testing."""
        self._state.begin()
        with Stages(self) as stages:
            stages.draw_subsets()

    def manualLabelsStep(self, _settings: str) -> None:
        """Use the manual picks on training micrographs as labels."""
        with Stages(self) as stages:
            stages.take_manual_labels()

    def startStep(self, place: int, _settings: str) -> None:
        """Use the given coordinates of a picker, or pick with it pre-trained."""
        with Stages(self) as stages:
            stages.start(place)

    def trainStep(self, iteration: int, place: int, _settings: str) -> None:
        """Train a picker on the labels of the previous iteration."""
        with Stages(self) as stages:
            stages.train(iteration, place)

    def pickStep(self, iteration: int, place: int, _settings: str) -> None:
        """Pick all micrographs with the new model of a picker."""
        with Stages(self) as stages:
            stages.pick(iteration, place)

    def consensusStep(self, iteration: int, _settings: str) -> None:
        """Find the consensus of the pickers."""
        with Stages(self) as stages:
            stages.agree(iteration)

    def labelsStep(self, iteration: int, _settings: str) -> None:
        """Use the best of the consensus on training micrographs as labels."""
        with Stages(self) as stages:
            stages.label(iteration)

    def scoreStep(self, iteration: int, _settings: str) -> None:
        """Evaluate the iteration, check for convergence, clean up."""
        with Stages(self) as stages:
            stages.score(iteration)

    def createOutputStep(self, n_iterations: int, _settings: str) -> None:
        """Copy the last consensus, the pickers' last coordinates and their models."""
        with Stages(self) as stages:
            outputs = stages.outputs(n_iterations)
        self._defineOutputs(**outputs)
        for output in outputs.values():
            self._defineSourceRelation(self.inputMicrographs, output)

    # ------------------------------------------------------------------ info

    def _check(self) -> List[str]:
        return check_form(self)

    def _warnings(self) -> List[str]:
        micrographs = self.inputMicrographs.get()
        if micrographs is not None and micrographs.isStreamOpen():
            return ["The set of micrographs is still growing: later ones will be ignored."]
        return []

    def _summary(self) -> List[str]:
        rows = read_iterations(self.table_file())
        model = read_ensemble(self._getExtraPath()) if self._is_probable() else None
        lines = summary_lines(rows, self._state.dropped, hasattr(self, PARTICLES), model)
        lines += self._valueLines() if rows else []
        return lines + stage_lines(self._state.outputs())

    def _automatic(self) -> Dict[str, str]:
        return automatic_values(self)

    def _whose(self, name: str) -> str:
        labels = {f"threshold{one.place}": one.label for one in picker_lines(self, gpus="")}
        return labels.get(name, "")

    def _methods(self) -> List[str]:
        if not hasattr(self, PARTICLES):
            return []
        rows = read_iterations(self.table_file())
        state = self._state
        found = state.latest(CONSENSUS, max((row.iteration for row in rows), default=0))
        run = None if found is None else self.getProject().getObject(found[0])
        treatment = ("", []) if run is None else run.solver_and_transforms()
        n_particles = len(self.outputCoordinates)
        return [methods_text(self, rows, n_particles, treatment, state.dropped)]

    def _citations(self) -> List[str]:
        cited = ["Cameron2024", "Huangfu2018"]
        cited += ["DawidSkene1979"] * self._is_probable()
        return [*cited, "Xu2016"] if looks_at_images(self) else cited

    # --------------------------------------------------------------- helpers

    def processImportDict(self, importDict: Dict[str, Any], importDir: str) -> Dict[str, Any]:
        """A workflow with numbers of pickers as texts, which are those of version 0.2.0."""
        numbers = {
            name: str(value)
            for name, value in super().processImportDict(importDict, importDir).items()
            if isinstance(getattr(self, name, None), PickerChoice) and isinstance(value, int)
        }
        return {**importDict, **numbers}

    def _is_probable(self) -> bool:
        return is_probabilistic(self)

    @property
    def _state(self) -> RunState:
        return RunState(self._getExtraPath("state.json"))

    def table_file(self) -> str:
        """The table of the iterations."""
        return self._getExtraPath("iterations.csv")

    def getGpuText(self) -> str:
        """Numbers of the GPUs of a step, or all; empty if none is to be used."""
        if not self.usesGpu():
            return ""
        # concurrent steps share the GPUs among their threads
        shared_out = hasattr(threading.current_thread(), "needsGPU")
        executor = self.getExecutor()
        # the GPUs of a queued job have other numbers than those in the form
        all_gpus = getattr(executor, "gpuList", None) or super().getGpuList()
        gpus = executor.getGpuList() if shared_out else all_gpus
        return " ".join(map(str, gpus or all_gpus))

    def getGpuList(self) -> List[int]:
        """GPUs to request from a queue; none if no picker uses one."""
        gpus: List[int] = super().getGpuList() if needs_gpu(self) else []
        return gpus

    def getSubmitDict(self) -> Dict[str, Any]:
        """Resources to request from a queue: the pickers run in the job of this protocol."""
        at_once = max(1, self.numberOfThreads.get() - 1)
        cores = at_once * max(1, self.getBinThreads())
        asked: Dict[str, Any] = super().getSubmitDict()
        return {**asked, "JOB_THREADS": cores, "JOB_CORES": cores, **self.getQueueParams()[1]}
