"""DeepPicker, which has no Scipion plugin: training and picking with the user's installation."""

from __future__ import annotations

import os
import shutil
from typing import Any, ClassVar, Dict, List

from pwem.objects import SetOfCoordinates
from pwem.protocols import EMProtocol, ProtParticlePicking
from pyworkflow import BETA
from pyworkflow.protocol import params
from pyworkflow.utils import Message

from repic_plugin.convert import append_picks, box_size_on, read_micrographs
from repic_plugin.objects import DeepPickerModel, checkpoint_file
from repic_plugin.protocols.common.form_values import SOFTWARE, FormProtocol, with_angstrom
from repic_plugin.protocols.common.params import (
    Fields,
    GpusInUse,
    define_box_size,
    define_gpus,
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

# Folders of a run inside its extra folder, from which the scripts are run. The scripts delete
# ".mrc" from the paths they are given, so that only models have paths that a user named.
TRAINING, VALIDATION, MODEL, MICROGRAPHS = "training", "validation", "model", "micrographs"
PICKED = "DeepPicker"  # also the name of the picker
MODEL_NAME = "deeppicker"
HELP = {
    "batchSize": "4 is used if there are too few labels.",
    "validationPercent": "Of those with labels, drawn at random, at least one. The model is saved "
    "whenever it improves on them.",
    "inputCoordinates": "Only those whose boxes lie within the micrographs above are used.",
    "initialModel": "By default the pre-trained model (DEEPPICKER_MODEL), if any. The train.py of "
    "REPIC's authors accepts a model, but starts from random weights.",
    "inputModel": "By default the pre-trained one (DEEPPICKER_MODEL).",
    "boxSize": "Of the particles, in px of the micrographs.",
    "threshold": "Picks with higher scores are kept; scores lie between 0 and 1. For a consensus, "
    "keep all picks, as it has its own threshold.",
}


class ProtDeepPickerTrain(FormProtocol, GpusInUse, EMProtocol):  # type: ignore[misc]
    """Train DeepPicker on coordinates (Wang et al. 2016, doi:10.1016/j.jsb.2016.07.006).

    Runs train.py of the user's own DeepPicker, as patched by REPIC's authors (DEEPPICKER_HOME and
    DEEPPICKER_ENV_ACTIVATION in scipion.conf). Use it when DeepPicker is one of the pickers of a
    consensus; iterative picking runs it automatically.

    *Inputs*: micrographs in MRC files, coordinates on them, optionally a model to start from.
    *Output*: outputModel, for DeepPicker picking.
    *Main parameters*: the box size, the batch size, the percentage of the micrographs that is
    reserved for validation, and the GPUs.
    *Look at*: the log, which has train.py's output and the number of labels in each part.
    """

    _label = "DeepPicker training"
    _devStatus = BETA
    _possibleOutputs: ClassVar = {"outputModel": DeepPickerModel}

    def _defineParams(self, form: params.Form) -> None:
        fields = Fields(form, HELP)
        form.addSection(label="Input")
        define_gpus(form)
        define_micrographs(form, "To train on, in MRC files.")
        fields.input("inputCoordinates", "SetOfCoordinates", "Training coordinates", important=True)
        define_box_size(
            form, "Of the particles, in px of the micrographs. 0: that of the coordinates."
        )
        fields.input("initialModel", "DeepPickerModel", "Initial model", allowsNull=True)
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
        """Prepare the folders, train, and check the model."""
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
            self.info(f"few labels: the batch size is {batch}")
        arguments = train_arguments(box_size_px, batch, initial_model)
        self.getPlugin().runDeepPicker(self, "train.py", arguments, cwd=self._getExtraPath())
        self._saveModel()

    def _saveModel(self) -> None:
        model = DeepPickerModel(self._getExtraPath(MODEL, MODEL_NAME))
        if checkpoint_file(model.getPath()) is None:
            raise ValueError(
                f"train.py wrote no model in {self._getExtraPath(MODEL)}; see its output in the log"
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
        if not self._hasInputs():
            return problems
        if self._boxSize() < 1:
            problems.append(f"{self.label('boxSize')} must be given: the coordinates have none.")
        if not 0 < self.validationPercent.get() < 100:
            problems.append(f"{self.label('validationPercent')} must lie between 0 and 100.")
        return [*problems, *_model_problems(_model_path(self, self.initialModel))]

    def _summary(self) -> List[str]:
        if not hasattr(self, "outputModel"):
            return ["The model is not ready yet."]
        return [f"Model: {self.outputModel.getPath()}", *self._valueLines()]

    def _automatic(self) -> Dict[str, str]:
        return {"boxSize": str(self._boxSize())}

    def _methods(self) -> List[str]:
        if not hasattr(self, "outputModel"):
            return []
        box = with_angstrom(self._boxSize(), self.inputMicrographs.get().getSamplingRate())
        return [
            f"DeepPicker [Wang2016], as modified for REPIC [Cameron2024], was trained in boxes of "
            f"{box} through {SOFTWARE} (batch size {self.batchSize}, {self.validationPercent} per "
            f"cent of the micrographs for validation, random seed {self.seed})."
        ]

    def _citations(self) -> List[str]:
        return ["Wang2016", "Cameron2024"]


class ProtDeepPickerPick(FormProtocol, GpusInUse, ProtParticlePicking):
    """Pick particles with DeepPicker (Wang et al. 2016, doi:10.1016/j.jsb.2016.07.006).

    Runs autoPick.py of the user's own DeepPicker, as patched by REPIC's authors (DEEPPICKER_HOME,
    DEEPPICKER_ENV_ACTIVATION and DEEPPICKER_MODEL in scipion.conf).

    *Inputs*: micrographs in MRC files, and a model from DeepPicker training; by default the
    pre-trained one (DEEPPICKER_MODEL).
    *Output*: outputCoordinates, each with its score from 0 to 1.
    *Main parameters*: the box size, and the minimum score. Keep all picks for a consensus, which
    applies its own threshold; REPIC's authors use 0.5.
    *Look at*: Analyze results, boxes by score, and the log for autoPick.py's output.
    """

    _label = "DeepPicker picking"
    _devStatus = BETA
    _possibleOutputs: ClassVar = {"outputCoordinates": SetOfCoordinates}

    def _defineParams(self, form: params.Form) -> None:
        fields = Fields(form, HELP)
        form.addSection(label="Input")
        define_gpus(form)
        define_micrographs(form, "To pick on, in MRC files.")
        fields.input("inputModel", "DeepPickerModel", "Model", allowsNull=True)
        fields.value("boxSize", 0, "Box size (px)", allowsPointers=True, important=True)
        fields.value("threshold", 0.0, "Minimum score")

    def _insertAllSteps(self) -> None:
        arguments = (
            identity(self.inputMicrographs),
            _model_path(self, self.inputModel),
            self.boxSize.get(),
            self.threshold.get(),
        )
        self._insertFunctionStep(self.pickStep, *arguments, needsGPU=self.usesGpu())

    def pickStep(self, _micrographs: str, model: str, box_size_px: int, threshold: float) -> None:
        """Prepare the folder, pick, and write the coordinates."""
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
            problems.append(f"{self.label('boxSize')} must be 1 or more, got {self.boxSize}.")
        model = _model_path(self, self.inputModel)
        if not model and not self.inputModel.hasValue():
            problems.append(
                "There is no model: choose one, or set DEEPPICKER_MODEL in scipion.conf to the "
                "pre-trained one."
            )
        return [*problems, *_model_problems(model)]

    def _summary(self) -> List[str]:
        if not hasattr(self, "outputCoordinates"):
            return [Message.TEXT_NO_OUTPUT_CO]
        return [f"{self.outputCoordinates.getSize():,} picks."]

    def _methods(self) -> List[str]:
        output = getattr(self, "outputCoordinates", None)
        if output is None:
            return []
        box = with_angstrom(self.boxSize.get(), self.inputMicrographs.get().getSamplingRate())
        return [
            f"{output.getSize():,} particles were picked by DeepPicker [Wang2016], as modified for "
            f"REPIC [Cameron2024], in boxes of {box} through {SOFTWARE} (scores above "
            f"{self.threshold})."
        ]

    def _citations(self) -> List[str]:
        return ["Wang2016", "Cameron2024"]


def train_arguments(box_size_px: int, batch_size: int, initial_model: str) -> List[object]:
    """Arguments of train.py, which is run in the extra folder."""
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
    """Arguments of autoPick.py, which is run in the extra folder."""
    return [
        *("--inputDir", f"{MICROGRAPHS}/", "--pre_trained_model", model),
        *("--particle_size", box_size_px, "--outputDir", PICKED),
        *("--coordinate_symbol", SYMBOL, "--threshold", threshold),
    ]


def _define_training_params(form: params.Form) -> None:
    fields = Fields(form, HELP)
    fields.value("batchSize", 32, "Batch size", validators=[params.GE(1)])
    fields.value("validationPercent", 20.0, "Micrographs for validation (%)", advanced=True)
    fields.value("seed", 0, "Random seed", advanced=True)


def _model_path(protocol: Any, pointer: Any) -> str:
    """The model that a pointer of the form refers to, or the pre-trained one."""
    if not pointer.hasValue():
        return str(protocol.getPlugin().getDeepPickerModel())
    model = pointer.get()
    return "" if model is None else os.path.abspath(model.getPath())


def _model_problems(path: str) -> List[str]:
    if path and checkpoint_file(path) is None:
        return [f"{path}: there is no such model; choose another, or repeat its training."]
    return []
