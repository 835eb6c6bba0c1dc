"""DeepPicker, which has no Scipion plugin: trained and run where the user has it."""

from __future__ import annotations

import os
import shutil
from enum import Enum
from typing import Any, List

from pwem.objects import SetOfCoordinates
from pwem.protocols import EMProtocol, ProtParticlePicking
from pyworkflow import BETA
from pyworkflow.protocol import params
from pyworkflow.protocol.constants import GPU_LIST, LEVEL_ADVANCED, USE_GPU
from pyworkflow.utils import Message

from repic_plugin.convert import append_picks, box_size_on, read_micrographs
from repic_plugin.objects import DeepPickerModel, checkpoint_file
from repic_plugin.protocols.common.params import (
    GpusInUse,
    define_box_size,
    define_micrographs,
    identity,
)
from repic_plugin.protocols.picking.deeppicker_files import (
    SYMBOL,
    fitting_batch_size,
    found_picks,
    held_out,
    lay_out_micrographs,
    usable_labels,
    write_labels,
)

# Folders of a run, in its extra folder, from where the scripts are run: they cut ".mrc" out of the
# paths that they get, and so get none that a user named but those of models.
TRAINING, VALIDATION, MODEL, MICROGRAPHS = "training", "validation", "model", "micrographs"
PICKED = "DeepPicker"  # its name becomes that of the picker
MODEL_NAME = "deeppicker"


class DeepPickerTrainOutput(Enum):
    """What the training leaves."""

    outputModel = DeepPickerModel


class DeepPickerPickOutput(Enum):
    """What the picking leaves."""

    outputCoordinates = SetOfCoordinates


class ProtDeepPickerTrain(GpusInUse, EMProtocol):  # type: ignore[misc]
    """Train DeepPicker on coordinates (Wang et al. 2016, doi:10.1016/j.jsb.2016.07.006).

    Runs train.py of the user's own DeepPicker, as patched by REPIC's authors (DEEPPICKER_HOME and
    DEEPPICKER_ENV_ACTIVATION in scipion.conf). Use it when DeepPicker is one of the pickers of a
    consensus, or through iterative picking, which runs it by itself.

    *Inputs*: micrographs in MRC files, coordinates on them, optionally a model to start from.
    *Output*: outputModel, for DeepPicker picking.
    *Main parameters*: the box size, the batch size, the share of the micrographs that is held back
    for validation, and the GPUs.
    *Look at*: the log, which has train.py's output and the number of labels in each part.
    """

    _label = "DeepPicker training"
    _devStatus = BETA
    _possibleOutputs = DeepPickerTrainOutput

    def _defineParams(self, form: params.Form) -> None:
        form.addSection(label="Input")
        _define_gpu_params(form)
        define_micrographs(form, "MRC files.")
        form.addParam(
            "inputCoordinates",
            params.PointerParam,
            pointerClass="SetOfCoordinates",
            label="Coordinates to learn from",
            important=True,
            help="Those on the micrographs above whose boxes lie within them are used.",
        )
        define_box_size(
            form,
            "Of the particles, in px of the micrographs; 0 takes that of the coordinates.",
        )
        form.addParam(
            "initialModel",
            params.PointerParam,
            pointerClass="DeepPickerModel",
            allowsNull=True,
            label="Model to start from",
            help="By default the pre-trained one (DEEPPICKER_MODEL), if there is one. The train.py "
            "of REPIC's authors takes the name of a model, but begins with random weights.",
        )
        _define_training_params(form)

    def _insertAllSteps(self) -> None:
        arguments = (
            identity(self.inputMicrographs),
            identity(self.inputCoordinates),
            self._boxSize(),
            self.batchSize.get(),
            self.validationPercent.get(),
            self.seed.get(),
            _model_path(self, self.initialModel),
        )
        self._insertFunctionStep(self.trainStep, *arguments, needsGPU=self.usesGpu())

    def trainStep(
        self,
        _micrographs: str,
        _coordinates: str,
        box_size_px: int,
        batch_size: int,
        validation_percent: float,
        seed: int,
        initial_model: str,
    ) -> None:
        """Lay out the folders, train, see whether there is a model."""
        micrographs = self.inputMicrographs.get()
        labels, table = usable_labels(self.inputCoordinates.get(), micrographs, box_size_px)
        held = held_out(labels, validation_percent / 100, random_state=seed)
        for folder, part in ((TRAINING, labels.take(~held)), (VALIDATION, labels.take(held))):
            path = self._getExtraPath(folder)
            lay_out_micrographs(micrographs, path, part.micrograph)
            write_labels(path, part, table, box_size_px)
            self.info(f"{len(part):,} labels for {folder}")
        shutil.rmtree(self._getExtraPath(MODEL), ignore_errors=True)
        os.makedirs(self._getExtraPath(MODEL))
        batch = fitting_batch_size(batch_size, int((~held).sum()), int(held.sum()))
        if batch != batch_size:
            self.info(f"few labels: batches of {batch}")
        arguments = train_arguments(box_size_px, batch, initial_model)
        self.getPlugin().runDeepPicker(self, "train.py", arguments, cwd=self._getExtraPath())
        self._saveModel()

    def _saveModel(self) -> None:
        model = DeepPickerModel(self._getExtraPath(MODEL, MODEL_NAME))
        if checkpoint_file(model.getPath()) is None:
            raise ValueError(
                f"train.py ended without a model in {self._getExtraPath(MODEL)}; its output in "
                "the log says why"
            )
        for folder in (TRAINING, VALIDATION):
            shutil.rmtree(self._getExtraPath(folder))
        self._defineOutputs(outputModel=model)
        self._defineSourceRelation(self.inputMicrographs, model)
        self._defineSourceRelation(self.inputCoordinates, model)

    def _boxSize(self) -> int:
        inputs = (self.inputMicrographs.get(), self.inputCoordinates.get())
        return box_size_on(*inputs, self.boxSize.get())

    def _validate(self) -> List[str]:
        problems: List[str] = self.getPlugin().deepPickerProblems()
        if self.inputMicrographs.get() is None or self.inputCoordinates.get() is None:
            return problems  # scheduled before its input is there, or Scipion says it is missing
        if self._boxSize() < 1:
            problems.append("The coordinates have no box size: give one.")
        if not 0 < self.validationPercent.get() < 100:
            problems.append("The part to validate with must lie between 0 and 100 per cent.")
        return [*problems, *_model_problems(_model_path(self, self.initialModel))]

    def _summary(self) -> List[str]:
        if not hasattr(self, "outputModel"):
            return ["The model is not ready yet."]
        return [f"Model: {self.outputModel.getPath()}"]

    def _methods(self) -> List[str]:
        return self._summary()

    def _citations(self) -> List[str]:
        return ["Wang2016", "Cameron2024"]


class ProtDeepPickerPick(GpusInUse, ProtParticlePicking):
    """Pick particles with DeepPicker (Wang et al. 2016, doi:10.1016/j.jsb.2016.07.006).

    Runs autoPick.py of the user's own DeepPicker, as patched by REPIC's authors (DEEPPICKER_HOME,
    DEEPPICKER_ENV_ACTIVATION and DEEPPICKER_MODEL in scipion.conf).

    *Inputs*: micrographs in MRC files, and a model from DeepPicker training; by default the
    pre-trained one (DEEPPICKER_MODEL).
    *Output*: outputCoordinates, each with its score from 0 to 1.
    *Main parameters*: the box size, and the minimum score. Keep all picks for a consensus, which
    applies a threshold of its own; REPIC's authors use 0.5.
    *Look at*: Analyze results, boxes by score, and the log for autoPick.py's output.
    """

    _label = "DeepPicker picking"
    _devStatus = BETA
    _possibleOutputs = DeepPickerPickOutput

    def _defineParams(self, form: params.Form) -> None:
        form.addSection(label="Input")
        _define_gpu_params(form)
        define_micrographs(form, "MRC files.")
        form.addParam(
            "inputModel",
            params.PointerParam,
            pointerClass="DeepPickerModel",
            allowsNull=True,
            label="Model",
            help="By default the pre-trained one (DEEPPICKER_MODEL).",
        )
        form.addParam(
            "boxSize",
            params.IntParam,
            default=0,
            allowsPointers=True,
            label="Box size (px)",
            important=True,
            help="Of the particles, in px of the micrographs.",
        )
        form.addParam(
            "threshold",
            params.FloatParam,
            default=0.0,
            label="Least score",
            help="Picks above it are kept; scores lie between 0 and 1. A consensus gets all "
            "picks and drops those below 0.5.",
        )

    def _insertAllSteps(self) -> None:
        arguments = (
            identity(self.inputMicrographs),
            _model_path(self, self.inputModel),
            self.boxSize.get(),
            self.threshold.get(),
        )
        self._insertFunctionStep(self.pickStep, *arguments, needsGPU=self.usesGpu())

    def pickStep(self, _micrographs: str, model: str, box_size_px: int, threshold: float) -> None:
        """Lay out the folder, pick, save."""
        table = read_micrographs(self.inputMicrographs.get())
        folder, picked = self._getExtraPath(MICROGRAPHS), self._getExtraPath(PICKED)
        lay_out_micrographs(self.inputMicrographs.get(), folder)
        shutil.rmtree(picked, ignore_errors=True)
        arguments = pick_arguments(model, box_size_px, threshold)
        self.getPlugin().runDeepPicker(self, "autoPick.py", arguments, cwd=self._getExtraPath())
        picks = found_picks(picked, table)
        shutil.rmtree(folder)
        coordinates = self._createSetOfCoordinates(self.inputMicrographs)
        coordinates.setBoxSize(box_size_px)
        append_picks(coordinates, picks, table)
        self._defineOutputs(outputCoordinates=coordinates)
        self._defineSourceRelation(self.inputMicrographs, coordinates)

    def _validate(self) -> List[str]:
        problems: List[str] = self.getPlugin().deepPickerProblems()
        if (self.boxSize.get() or 0) < 1:
            problems.append("The box size must be 1 px or more: give that of the particles.")
        model = _model_path(self, self.inputModel)
        if not model and not self.inputModel.hasValue():
            problems.append(
                "There is no model: choose one, or set DEEPPICKER_MODEL to the pre-trained one in "
                "scipion.conf."
            )
        return [*problems, *_model_problems(model)]

    def _summary(self) -> List[str]:
        if not hasattr(self, "outputCoordinates"):
            return [Message.TEXT_NO_OUTPUT_CO]
        return [f"{self.outputCoordinates.getSize():,} picks."]

    def _methods(self) -> List[str]:
        return self._summary()

    def _citations(self) -> List[str]:
        return ["Wang2016", "Cameron2024"]


def train_arguments(box_size_px: int, batch_size: int, initial_model: str) -> List[object]:
    """What train.py gets, run in the extra folder."""
    start = ["--model_retrain", "--model_load_file", initial_model] if initial_model else []
    return [
        *("--train_type", 1),
        *("--train_inputDir", TRAINING, "--validation_inputDir", VALIDATION),
        *("--particle_size", box_size_px, "--coordinate_symbol", ""),
        *start,
        *("--model_save_dir", f"{MODEL}/", "--model_save_file", MODEL_NAME),
        *("--batch_size", batch_size),
    ]


def pick_arguments(model: str, box_size_px: int, threshold: float) -> List[object]:
    """What autoPick.py gets, run in the extra folder."""
    return [
        *("--inputDir", f"{MICROGRAPHS}/", "--pre_trained_model", model),
        *("--particle_size", box_size_px, "--outputDir", PICKED),
        *("--coordinate_symbol", SYMBOL, "--threshold", threshold),
    ]


def _define_gpu_params(form: params.Form) -> None:
    form.addHidden(USE_GPU, params.BooleanParam, default=True)
    form.addHidden(GPU_LIST, params.StringParam, default="0")


def _define_training_params(form: params.Form) -> None:
    form.addParam(
        "batchSize",
        params.IntParam,
        default=32,
        validators=[params.GE(1)],
        label="Batch size",
        help="Where labels are too few for it, 4 is used.",
    )
    form.addParam(
        "validationPercent",
        params.FloatParam,
        default=20.0,
        expertLevel=LEVEL_ADVANCED,
        label="Micrographs to validate with (%)",
        help="Of those with labels, drawn at random; one at least. The model is saved whenever it "
        "does better on them.",
    )
    form.addParam(
        "seed",
        params.IntParam,
        default=0,
        expertLevel=LEVEL_ADVANCED,
        label="Seed of random draws",
    )


def _model_path(protocol: Any, pointer: Any) -> str:
    """The model that a pointer of the form means; the pre-trained one where it means none."""
    if not pointer.hasValue():
        return str(protocol.getPlugin().getDeepPickerModel())
    model = pointer.get()
    return "" if model is None else os.path.abspath(model.getPath())


def _model_problems(path: str) -> List[str]:
    if path and checkpoint_file(path) is None:
        return [f"{path}: there is no such model; choose another, or train it again."]
    return []
