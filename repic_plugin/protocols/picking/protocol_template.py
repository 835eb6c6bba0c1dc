"""The picker of this plugin's own: templates from labels, particles from templates."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Any, List, Optional

import numpy as np
from numpy.typing import NDArray
from pwem.objects import Particle, SetOfAverages, SetOfCoordinates
from pwem.protocols import EMProtocol, ProtParticlePicking
from pyworkflow import NEW
from pyworkflow.object import Integer
from pyworkflow.protocol import params
from pyworkflow.utils import Message

from repic_plugin import constants
from repic_plugin.consensus import Picks
from repic_plugin.convert import append_picks, box_size_on, micrograph_files, read_micrographs
from repic_plugin.formats import read_arrays, write_arrays, write_stack
from repic_plugin.protocols.common.micrograph_batches import (
    average_images,
    batches,
    labels_on,
    on_each_micrograph,
)
from repic_plugin.protocols.common.params import identity
from repic_plugin.protocols.common.unfinished_files import remove_unfinished
from repic_plugin.protocols.picking.template_form import define_pick_params, define_train_params
from repic_plugin.template_picking import (
    FoundParticles,
    LearntTemplates,
    TemplateMatcher,
    cut_boxes,
    fitted_templates,
    learn_templates,
    prepare_micrograph,
    reduction,
)

NO_TEMPLATES = "The templates are not ready yet."


class TemplateTrainOutput(Enum):
    """What training leaves."""

    outputAverages = SetOfAverages


class TemplatePickOutput(Enum):
    """What picking leaves."""

    outputCoordinates = SetOfCoordinates


class ProtTemplateTrain(EMProtocol):  # type: ignore[misc]
    """Average particles that look alike, to find more of them with (ACK-means).

    The templates are averages of aligned particles of reduced and whitened micrographs.
    Use it before template picking when some particles are known: a few picked by hand, or a
    consensus. It needs no GPU and no other plugin.

    *Inputs*: micrographs, and coordinates on them; ten are enough to begin with, a hundred better.
    *Output*: outputAverages, the templates, at the pixel size of the reduced micrographs.
    *Main parameters*: the box size, and the number of templates (0: one for 30 particles, from 2
    to 12).
    *Look at*: the averages: they should show the particle, not edges of contamination; and in the
    summary how many particles were used.

    *Reference*: Xu et al. 2016, doi:10.1371/journal.pone.0167765.
    """

    _label = "template training"
    _devStatus = NEW
    _possibleOutputs = TemplateTrainOutput

    def _defineParams(self, form: params.Form) -> None:
        define_train_params(form)

    def _insertAllSteps(self) -> None:
        remove_unfinished(self)
        # of all steps: those before the last leave files that the last one removes
        settings = (
            self._box_size(),
            self.numberOfTemplates.get(),
            self.seed.get(),
            identity(self.inputMicrographs),
            identity(self.inputCoordinates),
        )
        for first, last in batches(self._n_micrographs()):
            self._insertFunctionStep(self.cutStep, first, last, *settings, needsGPU=False)
        self._insertFunctionStep(self.averageStep, *settings, needsGPU=False)
        self._insertFunctionStep(self.cleanStep, *settings, needsGPU=False)

    def cutStep(self, first: int, last: int, box_size_px: int, *_settings: Any) -> None:
        """Cut the labelled particles out of some micrographs."""
        labels = labels_on(self.inputMicrographs.get(), self.inputCoordinates.get())
        files = micrograph_files(self.inputMicrographs.get())
        places = [place for place in range(first, last) if len(labels[place])]

        def cut(place: int, micrograph: NDArray[np.float32]) -> NDArray[np.float32]:
            prepared = prepare_micrograph(micrograph, box_size_px)
            return cut_boxes(prepared, labels[places[place]], box_size_px)

        found = on_each_micrograph(
            cut, [files[place] for place in places], self.numberOfThreads.get(), self.warning
        )
        boxes = [one for one in found if one is not None and len(one)]
        write_arrays(self._boxes_file(first), {"boxes": np.concatenate(boxes)} if boxes else {})
        self.info(f"micrographs {first + 1} to {last}: {sum(map(len, boxes)):,} particles cut out")

    def averageStep(self, box_size_px: int, n_templates: int, seed: int, *_inputs: Any) -> None:
        """Load the particles, average those that look alike, save."""
        files = [self._boxes_file(first) for first, _ in batches(self._n_micrographs())]
        boxes = [batch["boxes"] for batch in map(read_arrays, files) if batch]
        if not boxes:
            raise ValueError(
                f"no box of {box_size_px} px around the coordinates lies within the micrographs; "
                "give coordinates on them, or a smaller box"
            )
        self.info(f"averaging {sum(map(len, boxes)):,} particles")
        learnt = learn_templates(
            np.concatenate(boxes),
            n_templates,
            random_state=seed,
            n_threads=self.numberOfThreads.get(),
        )
        averages = self._written(learnt, box_size_px)
        self._defineOutputs(outputAverages=averages)
        self._defineSourceRelation(self.inputCoordinates, averages)

    def cleanStep(self, *_settings: Any) -> None:
        """Remove what no step needs any more: a step of its own, for what is killed runs again."""
        for first, _ in batches(self._n_micrographs()):
            Path(self._boxes_file(first)).unlink(missing_ok=True)

    def _written(self, learnt: LearntTemplates, box_size_px: int) -> SetOfAverages:
        """The templates as a set."""
        pixel_size = self.inputMicrographs.get().getSamplingRate() * reduction(box_size_px)
        path = self._getExtraPath("templates.mrcs")
        write_stack(path, learnt.images, pixel_size)
        averages = self._createSetOfAverages()
        averages.setSamplingRate(pixel_size)
        averages.getAcquisition().copyInfo(self.inputMicrographs.get().getAcquisition())
        for number, size in enumerate(learnt.sizes.tolist(), 1):
            item = Particle()
            item.setLocation(number, path)
            item.setSamplingRate(pixel_size)
            setattr(item, constants.CLASS_SIZE, Integer(size))
            averages.append(item)
        n_used = int(learnt.sizes.sum())
        averages.setObjComment(f"of {n_used:,} particles; {learnt.n_left_out:,} are left out")
        return averages

    def _box_size(self) -> int:
        inputs = (self.inputMicrographs.get(), self.inputCoordinates.get())
        return box_size_on(*inputs, self.boxSize.get())

    def _n_micrographs(self) -> int:
        return int(self.inputMicrographs.get().getSize())

    def _boxes_file(self, first: int) -> str:
        return self._getExtraPath(f"boxes_{first:07d}.npz")

    def _validate(self) -> List[str]:
        if self.inputCoordinates.get() is None or self.inputMicrographs.get() is None:
            return []  # scheduled before its input is there, or Scipion says that it is missing
        try:
            if not self._box_size():
                raise ValueError("The coordinates have no box size; give one in the form.")
            reduction(self._box_size())
            labels_on(self.inputMicrographs.get(), self.inputCoordinates.get())
        except ValueError as error:
            return [_in_words(error)]
        if self.numberOfTemplates.get() < 0:
            return [f"The number of templates must be 0 or more, got {self.numberOfTemplates}."]
        return []

    def _summary(self) -> List[str]:
        averages = getattr(self, "outputAverages", None)
        if averages is None:
            return [NO_TEMPLATES]
        return [f"*{averages.getSize()} templates* {averages.getObjComment()}."]

    def _methods(self) -> List[str]:
        averages = getattr(self, "outputAverages", None)
        if averages is None:
            return []
        return [
            f"Particles were aligned and averaged with ACK-means [Xu2016] to {averages.getSize()} "
            "templates."
        ]

    def _citations(self) -> List[str]:
        return ["Xu2016"]


class ProtTemplatePick(ProtParticlePicking):
    """Find particles that resemble templates, by normalised cross-correlation.

    Whitened micrographs are compared with each template at all rotations in the plane. Use it as a
    picker of its own or as one of several for a consensus. It needs no GPU and no other plugin.

    *Inputs*: micrographs, and averages from template training or elsewhere. Without averages a
    dark blob of half the box is looked for.
    *Output*: outputCoordinates, each with its correlation coefficient as score.
    *Main parameters*: the box size; the minimum score (0 takes what noise alone reaches about ten
    times on a micrograph); the number of particles to keep; whether to invert the templates, which
    averages of extracted particles, light on dark, mostly need.
    *Look at*: Analyze results, boxes by score: raise the minimum score if contamination is picked.
    """

    _label = "template picking"
    _devStatus = NEW
    _possibleOutputs = TemplatePickOutput

    def _defineParams(self, form: params.Form) -> None:
        define_pick_params(form)

    def _insertAllSteps(self) -> None:
        remove_unfinished(self)
        settings = (
            identity(self.inputMicrographs),
            identity(self.inputAverages),
            self._box_size(),
            self.maxPerMicrograph.get(),
            self.minScore.get(),
            self.invert.get(),
            self.minDistance.get(),
            self.angularStep.get(),
        )
        for first, last in batches(self.inputMicrographs.get().getSize()):
            self._insertFunctionStep(self.pickStep, first, last, *settings, needsGPU=False)
        self._insertFunctionStep(self.createOutputStep, *settings, needsGPU=False)
        self._insertFunctionStep(self.cleanStep, *settings, needsGPU=False)

    def pickStep(self, first: int, last: int, *_settings: Any) -> None:
        """Find the particles of some micrographs."""
        matcher = self._matcher()

        def pick(_place: int, micrograph: NDArray[np.float32]) -> FoundParticles:
            return matcher.pick(
                micrograph,
                min_score=self.minScore.get() or None,
                max_particles=self.maxPerMicrograph.get(),
                min_distance_boxes=self.minDistance.get(),
            )

        files = micrograph_files(self.inputMicrographs.get())[first:last]
        found = on_each_micrograph(pick, files, self.numberOfThreads.get(), self.warning)
        used = [(first + place, one) for place, one in enumerate(found) if one is not None]
        write_arrays(
            self._picks_file(first),
            {
                "micrograph": np.repeat(
                    [place for place, _ in used], [len(one) for _, one in used]
                ),
                "centers": np.concatenate([one.centers for _, one in used]),
                "scores": np.concatenate([one.scores for _, one in used]),
                "n_left_out": np.array(len(files) - len(used)),
            },
        )
        n_found = sum(len(one) for _, one in used)
        self.info(f"micrographs {first + 1} to {last}: {n_found:,} particles")

    def createOutputStep(self, *_settings: Any) -> None:
        """Write the coordinates with their scores."""
        table = read_micrographs(self.inputMicrographs.get())
        files = [self._picks_file(first) for first, _ in batches(len(table.names))]
        found = [read_arrays(file) for file in files]
        coordinates = self._createSetOfCoordinates(self.inputMicrographs)
        coordinates.setBoxSize(self._box_size())
        append_picks(coordinates, _picks(found, self.getObjLabel()), table)
        n_left_out = sum(int(batch["n_left_out"]) for batch in found)
        if n_left_out:
            coordinates.setObjComment(f"{n_left_out} micrographs could not be used: see the log")
        self._defineOutputs(outputCoordinates=coordinates)
        self._defineSourceRelation(self.inputMicrographs, coordinates)

    def cleanStep(self, *_settings: Any) -> None:
        """Remove what no step needs any more: a step of its own, for what is killed runs again."""
        for first, _ in batches(self.inputMicrographs.get().getSize()):
            Path(self._picks_file(first)).unlink(missing_ok=True)

    def _matcher(self) -> TemplateMatcher:
        templates = self._templates()
        return TemplateMatcher(
            templates,
            box_size_px=self._box_size(),
            angular_step_deg=self.angularStep.get(),
            invert=self.invert.get(),
        )

    def _templates(self) -> Optional[NDArray[np.float32]]:
        """In reduced px; None without a set of them."""
        averages = self.inputAverages.get()
        if averages is None:
            return None
        box_size_px = self._box_size()
        reduced = self.inputMicrographs.get().getSamplingRate() * reduction(box_size_px)
        scale = averages.getSamplingRate() / reduced
        return fitted_templates(average_images(averages), scale, box_size_px)

    def _box_size(self) -> int:
        if self.boxSize.get() or self.inputAverages.get() is None:
            return int(self.boxSize.get() or 0)
        return self.templates_box_size()

    def templates_box_size(self) -> int:
        """Of the set of templates, in px of the micrographs.

        Raises
        ------
        ValueError
            If the set is empty.
        """
        averages = self.inputAverages.get()
        if not averages.getSize():
            raise ValueError("the set of templates is empty; choose another, or none")
        ratio = averages.getSamplingRate() / self.inputMicrographs.get().getSamplingRate()
        return round(averages.getDim()[0] * ratio)

    def _picks_file(self, first: int) -> str:
        return self._getExtraPath(f"picks_{first:07d}.npz")

    def _validate(self) -> List[str]:
        if self.inputMicrographs.get() is None:
            return []  # scheduled before its input is there, or Scipion says that it is missing
        if self.inputAverages.hasValue() and self.inputAverages.get() is None:
            return []  # the templates are still to come
        problems = [
            f"{words} must lie between {low:g} and {high:g}, got {value:g}."
            for words, value, low, high in (
                ("The least score", self.minScore.get(), -1, 1),
                ("The least distance of two picks", self.minDistance.get(), 0, 2),
                ("The number of particles to keep", self.maxPerMicrograph.get(), 0, np.inf),
            )
            if not low <= value <= high
        ]
        try:
            self._matcher()
        except ValueError as error:
            problems.append(_in_words(error))
        return problems

    def _summary(self) -> List[str]:
        coordinates = getattr(self, "outputCoordinates", None)
        if coordinates is None:
            return [Message.TEXT_NO_OUTPUT_CO]
        lines = [f"*{coordinates.getSize():,} particles* found with {self._what()}."]
        return lines + [f"{one}." for one in (coordinates.getObjComment(),) if one]

    def _methods(self) -> List[str]:
        coordinates = getattr(self, "outputCoordinates", None)
        if coordinates is None:
            return []
        return [
            f"{coordinates.getSize():,} particles were picked by normalised cross-correlation of "
            f"whitened micrographs with {self._what()}."
        ]

    def _what(self) -> str:
        averages = self.inputAverages.get()
        return "a round blob" if averages is None else f"{averages.getSize()} templates"


def _in_words(error: ValueError) -> str:
    """A message with the form's words for the arguments that it names."""
    words = {"box_size_px": "the box size", "angular_step_deg": "the angular step"}
    message = str(error)
    for name, word in words.items():
        message = message.replace(name, word)
    return message


def _picks(batches_found: List[Any], picker: str) -> Picks:
    """What the steps found."""
    micrograph, centers, scores = (
        np.concatenate([batch[name] for batch in batches_found])
        for name in ("micrograph", "centers", "scores")
    )
    nobody = np.zeros(len(scores), dtype=np.int64)
    micrograph = micrograph.astype(np.int64)
    return Picks.from_columns(micrograph, nobody, *centers.T, scores, picker_names=[picker])
