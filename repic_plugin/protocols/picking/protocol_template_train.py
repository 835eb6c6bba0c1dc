"""Template training: templates from labelled particles."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar, Dict, List

import numpy as np
from numpy.typing import NDArray
from pwem.objects import Particle, SetOfAverages
from pwem.protocols import EMProtocol
from pyworkflow import NEW
from pyworkflow.object import Integer
from pyworkflow.protocol import params

from repic_plugin import constants
from repic_plugin.arguments import check_seed, check_whole_number
from repic_plugin.convert import box_size_on, micrograph_files
from repic_plugin.formats import read_arrays, write_arrays, write_stack
from repic_plugin.protocols.common.form_values import SOFTWARE, FormProtocol, with_angstrom
from repic_plugin.protocols.common.micrograph_batches import (
    batches,
    labels_on,
    on_each_micrograph,
)
from repic_plugin.protocols.common.params import identity
from repic_plugin.protocols.common.unfinished_files import remove_unfinished
from repic_plugin.protocols.picking.template_form import define_train_params
from repic_plugin.template_picking import (
    LearntTemplates,
    cut_boxes,
    learn_templates,
    prepare_micrograph,
    reduction,
)
from repic_plugin.wording import counted

NOISE_REMEDY = (
    "they agree no better between two halves of the particles than noise does; check the "
    "coordinates and the box size, label more particles, or use motion-corrected micrographs"
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
        self.info(f"half-set correlation {_agreement_text(learnt)}")
        if learnt.is_noise.any():
            self.warning(f"{_noise_text(learnt)}: {NOISE_REMEDY}")
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
        comment = _used_text(int(learnt.sizes.sum()), learnt.n_left_out)
        if learnt.is_noise.any():
            comment += f"; {_noise_text(learnt)}"
        averages.setObjComment(comment)
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


def _agreement_text(learnt: LearntTemplates) -> str:
    """Half-set correlation of each template, and what noise reaches."""
    if np.isnan(learnt.agreement).any():
        return "is not known: too few particles"
    values = ", ".join(f"{value:.2f}" for value in learnt.agreement)
    return f"of the templates: {values}; of noise at most {learnt.noise_agreement.max():.2f}"


def _used_text(n_used: int, n_left_out: int) -> str:
    """The particles that the templates are averages of, and those that are in none."""
    text = f"of {counted(n_used, 'particle')}"
    if n_left_out:
        text += f"; {n_left_out:,} {'is' if n_left_out == 1 else 'are'} ignored"
    return text


def _noise_text(learnt: LearntTemplates) -> str:
    """The templates that are noise, by number."""
    numbers = np.flatnonzero(learnt.is_noise) + 1
    if len(numbers) == len(learnt.sizes):
        return "all of them seem to be noise"
    return (
        f"number {', '.join(map(str, numbers))} seem{'s' if len(numbers) == 1 else ''} to be noise"
    )
