"""The picker of this plugin's own: templates from labels, particles from templates."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from enum import Enum
from pathlib import Path
from typing import Any, Iterator, List, Optional

import mrcfile
import numpy as np
from numpy.typing import NDArray
from pwem.objects import Particle, SetOfAverages, SetOfCoordinates
from pwem.protocols import EMProtocol, ProtParticlePicking
from pyworkflow.protocol import params
from pyworkflow.protocol.constants import LEVEL_ADVANCED
from pyworkflow.utils import Message

from repic_plugin.consensus import Picks
from repic_plugin.convert import (
    PickerInput,
    append_picks,
    micrograph_files,
    micrograph_pixels,
    picks_on_micrographs,
    read_micrographs,
    read_picks,
)
from repic_plugin.formats import read_arrays, write_arrays, write_stack
from repic_plugin.template_picking import (
    FoundParticles,
    TemplateMatcher,
    cut_boxes,
    fitted_templates,
    learn_templates,
    prepare_micrograph,
    reduction,
)

__all__ = ["ProtTemplatePick", "ProtTemplateTrain", "TemplatePickOutput", "TemplateTrainOutput"]

TEMPLATES = "templates.mrcs"
# Micrographs to a step: what a kill costs.
BATCH = 50


class TemplateTrainOutput(Enum):
    """What training leaves."""

    outputAverages = SetOfAverages


class TemplatePickOutput(Enum):
    """What picking leaves."""

    outputCoordinates = SetOfCoordinates


class ProtTemplateTrain(EMProtocol):  # type: ignore[misc]
    """Average particles that look alike, to find more of them with (ACK-means).

    The templates are averages of aligned particles of reduced and whitened micrographs.
    """

    _label = "template training"
    _possibleOutputs = TemplateTrainOutput

    def _defineParams(self, form: params.Form) -> None:
        form.addSection(label="Input")
        _define_micrographs(form)
        form.addParam(
            "inputCoordinates",
            params.PointerParam,
            pointerClass="SetOfCoordinates",
            label="Particles to learn from",
            important=True,
        )
        _define_box_size(form, "0 takes that of the coordinates.")
        form.addParam(
            "numberOfTemplates",
            params.IntParam,
            default=0,
            label="Number of templates",
            help="0: one for 30 particles, 12 at most.",
        )
        form.addParam(
            "seed",
            params.IntParam,
            default=0,
            expertLevel=LEVEL_ADVANCED,
            label="Seed of the first averages",
        )
        form.addParallelSection(threads=2, mpi=0)

    def _insertAllSteps(self) -> None:
        arguments = (_identity(self.inputCoordinates), self._box_size())
        self._insertFunctionStep(
            self.trainStep,
            *arguments,
            self.numberOfTemplates.get(),
            self.seed.get(),
            needsGPU=False,
        )

    def trainStep(self, _coordinates: str, box_size_px: int, n_templates: int, seed: int) -> None:
        """Cut out the particles, average them, save."""
        boxes = np.concatenate([*self._boxes(box_size_px)])
        self.info(f"averaging {len(boxes):,} particles")
        learnt = learn_templates(
            boxes, n_templates, random_state=seed, n_threads=self.numberOfThreads.get()
        )
        pixel_size = self.inputMicrographs.get().getSamplingRate() * reduction(box_size_px)
        path = self._getExtraPath(TEMPLATES)
        write_stack(path, learnt.images, pixel_size)
        averages = self._createSetOfAverages()
        averages.setSamplingRate(pixel_size)
        for number in range(1, len(learnt.images) + 1):
            item = Particle()
            item.setLocation(number, path)
            item.setSamplingRate(pixel_size)
            averages.append(item)
        self._defineOutputs(outputAverages=averages)
        self._defineSourceRelation(self.inputCoordinates, averages)

    def _boxes(self, box_size_px: int) -> Iterator[NDArray[np.float32]]:
        """The labelled particles of one micrograph after another."""
        table = read_micrographs(self.inputMicrographs.get())
        files = micrograph_files(self.inputMicrographs.get())
        source = PickerInput("labels", self.inputCoordinates.get(), None)
        labels = picks_on_micrographs(read_picks([source])[0], table)[0]
        for place in np.unique(labels.micrograph).tolist():
            mine = labels.micrograph == place
            prepared = prepare_micrograph(micrograph_pixels(files[place]), box_size_px)
            centers = np.column_stack([labels.x[mine], labels.y[mine]])
            yield cut_boxes(prepared, centers, box_size_px)

    def _box_size(self) -> int:
        return int(self.boxSize.get() or self.inputCoordinates.get().getBoxSize() or 0)

    def _validate(self) -> List[str]:
        if self.inputCoordinates.get() is None or self.inputMicrographs.get() is None:
            return []  # scheduled before its input is there, or Scipion says that it is missing
        if not self._box_size():
            return ["The coordinates have no box size; give one in the form."]
        return []

    def _summary(self) -> List[str]:
        if not hasattr(self, "outputAverages"):
            return ["The templates are not ready yet."]
        return [f"{self.outputAverages.getSize()} templates."]

    def _methods(self) -> List[str]:
        return self._summary()

    def _citations(self) -> List[str]:
        return ["Xu2016"]


class ProtTemplatePick(ProtParticlePicking):
    """Find particles that resemble templates, by normalised cross-correlation."""

    _label = "template picking"
    _possibleOutputs = TemplatePickOutput

    def _defineParams(self, form: params.Form) -> None:
        form.addSection(label="Input")
        _define_micrographs(form)
        form.addParam(
            "inputAverages",
            params.PointerParam,
            pointerClass="SetOfAverages",
            allowsNull=True,
            label="Templates",
            help="From template training. Without them a dark blob of half the box is looked for.",
        )
        _define_box_size(form, "Of the particles, in px of the micrographs.")
        form.addParam(
            "maxPerMicrograph",
            params.IntParam,
            default=0,
            label="Particles to keep on each micrograph",
            help="The best; 0 keeps all.",
        )
        form.addParam(
            "minScore",
            params.FloatParam,
            default=0.0,
            label="Least score",
            help="The correlation coefficient with the best template, -1 to 1.",
        )
        form.addParam(
            "minDistance",
            params.FloatParam,
            default=0.5,
            expertLevel=LEVEL_ADVANCED,
            label="Least distance of two picks (boxes)",
        )
        form.addParam(
            "angularStep",
            params.FloatParam,
            default=15.0,
            expertLevel=LEVEL_ADVANCED,
            label="Angular step (degrees)",
        )
        form.addParallelSection(threads=2, mpi=0)

    def _insertAllSteps(self) -> None:
        settings = (
            _identity(self.inputAverages),
            self.boxSize.get(),
            self.maxPerMicrograph.get(),
            self.minScore.get(),
            self.minDistance.get(),
            self.angularStep.get(),
        )
        identity = _identity(self.inputMicrographs)
        n = self.inputMicrographs.get().getSize()
        for first in range(0, n, BATCH):
            last = min(first + BATCH, n)
            self._insertFunctionStep(
                self.pickStep, identity, first, last, *settings, needsGPU=False
            )
        self._insertFunctionStep(self.createOutputStep, identity, n, *settings, needsGPU=False)

    def pickStep(self, _micrographs: str, first: int, last: int, *_settings: Any) -> None:
        """Find the particles of some micrographs."""
        matcher = TemplateMatcher(
            self._templates(),
            box_size_px=self.boxSize.get(),
            angular_step_deg=self.angularStep.get(),
        )
        files = micrograph_files(self.inputMicrographs.get())[first:last]

        def pick(file: str) -> FoundParticles:
            return matcher.pick(
                micrograph_pixels(file),
                min_score=self.minScore.get(),
                max_particles=self.maxPerMicrograph.get(),
                min_distance_boxes=self.minDistance.get(),
            )

        with ThreadPoolExecutor(self.numberOfThreads.get()) as threads:
            found = list(threads.map(pick, files))
        write_arrays(
            self._batchFile(first),
            {
                "micrograph": np.repeat(np.arange(first, last), [len(one) for one in found]),
                "centers": np.concatenate([one.centers for one in found]),
                "scores": np.concatenate([one.scores for one in found]),
            },
        )
        self.info(f"micrographs {first + 1} to {last}: {sum(map(len, found)):,} particles")

    def createOutputStep(self, _micrographs: str, n_micrographs: int, *_settings: Any) -> None:
        """Write the coordinates with their scores."""
        table = read_micrographs(self.inputMicrographs.get())
        firsts = range(0, n_micrographs, BATCH)
        coordinates = self._createSetOfCoordinates(self.inputMicrographs)
        coordinates.setBoxSize(self.boxSize.get())
        append_picks(coordinates, _picks([self._batchFile(first) for first in firsts]), table)
        self._defineOutputs(outputCoordinates=coordinates)
        self._defineSourceRelation(self.inputMicrographs, coordinates)
        for first in firsts:
            Path(self._batchFile(first)).unlink()

    def _templates(self) -> Optional[NDArray[np.float32]]:
        """In reduced px; None without a set of them."""
        averages = self.inputAverages.get()
        if averages is None:
            return None
        images = np.stack([_image(item) for item in averages])
        reduced = self.inputMicrographs.get().getSamplingRate() * reduction(self.boxSize.get())
        return fitted_templates(images, averages.getSamplingRate() / reduced, self.boxSize.get())

    def _batchFile(self, first: int) -> str:
        return self._getExtraPath(f"picks_{first:07d}.npz")

    def _validate(self) -> List[str]:
        if self.inputMicrographs.get() is None:
            return []  # scheduled before its input is there, or Scipion says that it is missing
        try:
            TemplateMatcher(
                box_size_px=self.boxSize.get() or 0, angular_step_deg=self.angularStep.get()
            )
        except ValueError as error:
            return [str(error)]
        return []

    def _summary(self) -> List[str]:
        if not hasattr(self, "outputCoordinates"):
            return [Message.TEXT_NO_OUTPUT_CO]
        return [f"{self.outputCoordinates.getSize():,} particles found."]

    def _methods(self) -> List[str]:
        return self._summary()


def _define_micrographs(form: params.Form) -> None:
    form.addParam(
        "inputMicrographs",
        params.PointerParam,
        pointerClass="SetOfMicrographs",
        label=Message.LABEL_INPUT_MIC,
        important=True,
    )


def _define_box_size(form: params.Form, help_text: str) -> None:
    form.addParam(
        "boxSize",
        params.IntParam,
        default=0,
        allowsPointers=True,
        label="Box size (px)",
        help=help_text,
    )


def _identity(pointer: Any) -> str:
    """What a step depends on."""
    items = pointer.get()
    return "" if items is None else f"{items.getFileName()} {items.getSize()}"


def _image(item: Particle) -> NDArray[np.float32]:
    number, path = item.getLocation()
    with mrcfile.mmap(path, mode="r", permissive=True) as mrc:
        stack = mrc.data if mrc.data.ndim == 3 else mrc.data[None]
        return np.array(stack[max(number, 1) - 1], dtype=np.float32)


def _picks(files: List[str]) -> Picks:
    """What the steps found."""
    batches = [read_arrays(file) for file in files]
    micrograph, centers, scores = (
        np.concatenate([batch[name] for batch in batches])
        for name in ("micrograph", "centers", "scores")
    )
    nobody = np.zeros(len(scores), dtype=np.int64)
    return Picks.from_columns(
        micrograph, nobody, *centers.reshape(-1, 2).T, scores, picker_names=["template"]
    )
