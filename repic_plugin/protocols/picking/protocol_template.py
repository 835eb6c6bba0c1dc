"""Template picking: templates from labelled particles, and particles from templates."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any, ClassVar, Dict, List, Optional

import numpy as np
from numpy.typing import NDArray
from pwem.objects import Particle, SetOfAverages, SetOfCoordinates
from pwem.protocols import EMProtocol, ProtParticlePicking
from pyworkflow import NEW
from pyworkflow.object import Integer
from pyworkflow.protocol import params
from pyworkflow.utils import Message

from repic_plugin import constants
from repic_plugin.arguments import check_seed, check_whole_number
from repic_plugin.consensus import Picks
from repic_plugin.convert import append_picks, box_size_on, micrograph_files, read_micrographs
from repic_plugin.formats import read_arrays, write_arrays, write_stack
from repic_plugin.protocols.common.form_values import SOFTWARE, FormProtocol, with_angstrom
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
TRAIN_PARAMS = {
    "box_size_px": "boxSize",
    "n_templates": "numberOfTemplates",
    "random_state": "seed",
}


class ProtTemplateTrain(FormProtocol, EMProtocol):  # type: ignore[misc]
    """Average similar particles to obtain templates for picking (ACK-means).

    The templates are averages of aligned particles from downscaled and whitened micrographs.
    Use it before template picking when some particles are known: a few manual picks, or a
    consensus. It needs no GPU and no other plugin.

    *Inputs*: micrographs, and coordinates on them; ten are enough to start with, a hundred better.
    *Output*: outputAverages, the templates, at the pixel size of the downscaled micrographs.
    *Main parameters*: the box size, and the number of templates (0: one per 30 particles, from 2
    to 12).
    *Look at*: the averages, which should show the particle and not edges of contamination, and the
    number of particles used in the summary.

    *Reference*: Xu et al. 2016, doi:10.1371/journal.pone.0167765.
    """

    _label = "template training"
    _devStatus = NEW
    FORM_PARAMS: ClassVar = TRAIN_PARAMS
    _possibleOutputs: ClassVar = {"outputAverages": SetOfAverages}

    def _defineParams(self, form: params.Form) -> None:
        define_train_params(form)

    def _insertAllSteps(self) -> None:
        remove_unfinished(self)
        # arguments of all steps, as the last one removes the files of the others
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
        """Extract the labelled particles of some micrographs."""
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
        self.info(
            f"micrographs {first + 1} to {last}: {sum(map(len, boxes)):,} particles extracted"
        )

    def averageStep(self, box_size_px: int, n_templates: int, seed: int, *_inputs: Any) -> None:
        """Average similar particles and write the templates."""
        files = [self._boxes_file(first) for first, _ in batches(self._n_micrographs())]
        boxes = [batch["boxes"] for batch in map(read_arrays, files) if batch]
        if not boxes:
            raise ValueError(
                f"no box of {box_size_px} px around the coordinates lies within the micrographs; "
                f"give coordinates on them, or decrease {self.label('boxSize')}"
            )
        self.info(f"averaging {sum(map(len, boxes)):,} particles")
        with self.labelled_errors():
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
        """Remove intermediate files: a separate step, as a killed step is repeated."""
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
        averages.setObjComment(f"of {n_used:,} particles; {learnt.n_left_out:,} are ignored")
        return averages

    def _box_size(self) -> int:
        inputs = (self.inputMicrographs.get(), self.inputCoordinates.get())
        return box_size_on(*inputs, self.boxSize.get())

    def _n_micrographs(self) -> int:
        return int(self.inputMicrographs.get().getSize())

    def _boxes_file(self, first: int) -> str:
        return self._getExtraPath(f"boxes_{first:07d}.npz")

    def _check(self) -> None:
        if not self._box_size():
            raise ValueError("box_size_px must be given: the coordinates have none")
        reduction(self._box_size())
        labels_on(self.inputMicrographs.get(), self.inputCoordinates.get())
        check_whole_number("n_templates", self.numberOfTemplates.get(), 0)
        check_seed(self.seed.get())

    def _summary(self) -> List[str]:
        averages = getattr(self, "outputAverages", None)
        if averages is None:
            return [NO_TEMPLATES]
        return [
            f"*{averages.getSize()} templates* {averages.getObjComment()}.",
            *self._valueLines(),
        ]

    def _automatic(self) -> Dict[str, str]:
        averages = getattr(self, "outputAverages", None)
        n_templates = "" if averages is None else str(averages.getSize())
        return {"boxSize": str(self._box_size()), "numberOfTemplates": n_templates}

    def _methods(self) -> List[str]:
        averages = getattr(self, "outputAverages", None)
        if averages is None:
            return []
        box = with_angstrom(self._box_size(), self.inputMicrographs.get().getSamplingRate())
        return [
            f"{averages.getSize()} templates {averages.getObjComment()} in boxes of {box} of "
            f"whitened micrographs (downscaled to {averages.getSamplingRate():.4g} Å/px) were "
            f"obtained by alignment and averaging with ACK-means [Xu2016] in {SOFTWARE} (random "
            f"seed {self.seed})."
        ]

    def _citations(self) -> List[str]:
        return ["Xu2016"]


class ProtTemplatePick(FormProtocol, ProtParticlePicking):  # type: ignore[misc]
    """Pick particles that resemble templates, by normalised cross-correlation.

    Whitened micrographs are compared with each template at all in-plane rotations. Use it by itself
    or as one of several pickers for a consensus. It needs no GPU and no other plugin.

    *Inputs*: micrographs, and averages from template training or elsewhere; by default a dark blob
    of half the box size is searched for.
    *Output*: outputCoordinates, each with its correlation coefficient as score.
    *Main parameters*: the box size; the minimum score (0: a level that noise exceeds about
    ten times per micrograph); the number of particles to keep; whether to invert the
    templates, as averages of extracted particles, bright on dark, usually require.
    *Look at*: Analyze results, boxes by score: raise the minimum score if contamination is picked.
    """

    _label = "template picking"
    _devStatus = NEW
    FORM_PARAMS: ClassVar = {"box_size_px": "boxSize", "angular_step_deg": "angularStep"}
    _possibleOutputs: ClassVar = {"outputCoordinates": SetOfCoordinates}

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
        """Pick the particles of some micrographs."""
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
        picks = _picks(found, self.getObjLabel())
        append_picks(coordinates, picks, table, constants.CORRELATION)
        n_left_out = sum(int(batch["n_left_out"]) for batch in found)
        if n_left_out:
            coordinates.setObjComment(f"{n_left_out} micrographs could not be used; see the log")
        self._defineOutputs(outputCoordinates=coordinates)
        self._defineSourceRelation(self.inputMicrographs, coordinates)

    def cleanStep(self, *_settings: Any) -> None:
        """Remove intermediate files: a separate step, as a killed step is repeated."""
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
        """Templates in px of the downscaled micrographs; None if no set is given."""
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
        """Box size of the templates, in px of the micrographs.

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

    def _check(self) -> List[str]:
        ranges = {"minScore": (-1, 1), "minDistance": (0, 2), "maxPerMicrograph": (0, np.inf)}
        values = {name: getattr(self, name).get() for name in ranges}
        problems = [
            f"{self.label(name)} must lie in {low:g} to {high:g}, got {values[name]:g}."
            for name, (low, high) in ranges.items()
            if not low <= values[name] <= high
        ]
        if not problems:
            self._matcher()
        return problems

    def _summary(self) -> List[str]:
        coordinates = getattr(self, "outputCoordinates", None)
        if coordinates is None:
            return [Message.TEXT_NO_OUTPUT_CO]
        lines = [f"*{coordinates.getSize():,} particles* found with {self._what()}."]
        lines += [f"{one}." for one in (coordinates.getObjComment(),) if one]
        return lines + self._valueLines()

    def _automatic(self) -> Dict[str, str]:
        size = self.inputMicrographs.get().getDim() or (0, 0)
        n_positions = math.prod(side // reduction(self._box_size()) for side in size[:2])
        level = f"{self._matcher().noise_score(n_positions):.3f}" if n_positions else ""
        return {"boxSize": str(self._box_size()), "maxPerMicrograph": "all", "minScore": level}

    def _methods(self) -> List[str]:
        coordinates = getattr(self, "outputCoordinates", None)
        if coordinates is None:
            return []
        level = self.minScore.get()
        n_best = self.maxPerMicrograph.get()
        kept = [
            f"correlation of at least {level:g}" if level else "correlation above the noise level",
            f"at most {n_best:,} particles per micrograph" if n_best else "",
            f"picks at least {self.minDistance} boxes apart",
        ]
        box = with_angstrom(self._box_size(), self.inputMicrographs.get().getSamplingRate())
        return [
            f"{coordinates.getSize():,} particles were picked with {SOFTWARE} by normalised "
            f"cross-correlation of whitened micrographs with {self._what()} (box size {box}, "
            f"angular step {self.angularStep} degrees; {', '.join(filter(None, kept))})."
        ]

    def _what(self) -> str:
        averages = self.inputAverages.get()
        what = "a round blob" if averages is None else f"{averages.getSize()} templates"
        return f"{what}, inverted" if self.invert.get() else what


def _picks(batches_found: List[Any], picker: str) -> Picks:
    """The picks of all steps."""
    micrograph, centers, scores = (
        np.concatenate([batch[name] for batch in batches_found])
        for name in ("micrograph", "centers", "scores")
    )
    nobody = np.zeros(len(scores), dtype=np.int64)
    micrograph = micrograph.astype(np.int64)
    return Picks.from_columns(micrograph, nobody, *centers.T, scores, picker_names=[picker])
