"""Template picking: particles that resemble templates."""

from __future__ import annotations

import json
from typing import Any, ClassVar, Dict, List, Optional

import numpy as np
from numpy.typing import NDArray
from pwem.objects import SetOfCoordinates
from pwem.protocols import ProtParticlePicking
from pyworkflow import NEW
from pyworkflow.protocol import params
from pyworkflow.utils import Message

from repic_plugin.formats import read_picked_micrographs
from repic_plugin.protocols.common.following.by_micrograph import remark_lines
from repic_plugin.protocols.common.following.form import size_at_rest
from repic_plugin.protocols.common.form_values import SOFTWARE, FormProtocol, with_angstrom
from repic_plugin.protocols.common.micrograph_batches import average_images
from repic_plugin.protocols.common.params import identity
from repic_plugin.protocols.common.unfinished_files import remove_unfinished
from repic_plugin.protocols.picking.picking_texts import level_text, masked_text
from repic_plugin.protocols.picking.stream import PickingStream
from repic_plugin.protocols.picking.template_form import define_pick_params
from repic_plugin.template_picking import TemplateMatcher, fitted_templates, reduction


class ProtTemplatePick(FormProtocol, ProtParticlePicking):  # type: ignore[misc]
    """Pick particles that resemble templates, by normalised cross-correlation.

    Whitened micrographs are compared with each template at all in-plane rotations. Use it by itself
    or as one of several pickers for a consensus. It needs no GPU and no other plugin. Micrographs
    that are still arriving are followed.

    *Inputs*: micrographs, and averages from template training or elsewhere; by default a dark blob
    of half the box size is searched for.
    *Output*: outputCoordinates, each with its correlation coefficient as score; the number of
    picks, minimum score and masked shares of each micrograph in extra/micrographs.csv.
    *Main parameters*: the box size; the particle diameter (0: measured from the templates); the
    minimum score (0: found on each micrograph, with noise as null); the number of particles to
    keep; whether to invert the templates, as averages of extracted particles, bright on dark,
    usually require.
    *Look at*: Analyze results, boxes by score: raise the minimum score if contamination is picked.
    """

    _label = "template picking"
    _devStatus = NEW
    FORM_PARAMS: ClassVar = {
        "box_size_px": "boxSize",
        "particle_diameter_px": "particleDiameter",
        "angular_step_deg": "angularStep",
    }
    _possibleOutputs: ClassVar = {"outputCoordinates": SetOfCoordinates}

    @classmethod
    def worksInStreaming(cls) -> bool:
        """True, so that Scipion starts the run while its inputs are open."""
        return True

    def _defineParams(self, form: params.Form) -> None:
        define_pick_params(form)

    def _insertAllSteps(self) -> None:
        remove_unfinished(self)
        settings = {
            "micrographs": self.inputMicrographs.get().getFileName(),
            "averages": identity(self.inputAverages),
            "box_size_px": self.box_size(),
            "invert": self.invert.get(),
            "angular_step_deg": self.angularStep.get(),
            "particle_diameter": self.particleDiameter.get(),
            "masks": self.keepMasks.get(),
            **self.picking_options(),
        }
        inputs = [size_at_rest(self.inputMicrographs.get())]
        texts = json.dumps(settings, sort_keys=True), json.dumps(inputs)
        self._insertFunctionStep(self.pickStep, *texts, needsGPU=False)

    def pickStep(self, settings: str, inputs: str) -> None:
        """Pick the particles of micrographs as they arrive, until their set is closed."""
        with self.labelled_errors():
            PickingStream(self, settings, inputs).run()

    def picking_options(self) -> Dict[str, Any]:
        """Options of `TemplateMatcher.pick`."""
        return {
            "min_score": self.minScore.get() or None,
            "max_particles": self.maxPerMicrograph.get(),
            "min_distance_boxes": self.minDistance.get() or None,
            "mask_contamination": self.maskContamination.get(),
        }

    def table_file(self) -> str:
        """The table of micrographs."""
        return str(self._getExtraPath("micrographs.csv"))

    def matcher(self) -> TemplateMatcher:
        """What finds the particles of a micrograph."""
        templates = self._templates()
        return TemplateMatcher(
            templates,
            box_size_px=self.box_size(),
            particle_diameter_px=self._given_diameter_px(),
            angular_step_deg=self.angularStep.get(),
            invert=self.invert.get(),
        )

    def _given_diameter_px(self) -> Optional[float]:
        given = self.particleDiameter.get()
        return given / self.inputMicrographs.get().getSamplingRate() if given else None

    def _templates(self) -> Optional[NDArray[np.float32]]:
        """Templates in px of the downscaled micrographs; None if no set is given."""
        averages = self.inputAverages.get()
        if averages is None:
            return None
        box_size_px = self.box_size()
        reduced = self.inputMicrographs.get().getSamplingRate() * reduction(box_size_px)
        scale = averages.getSamplingRate() / reduced
        return fitted_templates(average_images(averages), scale, box_size_px)

    def box_size(self) -> int:
        """Box size in px of the micrographs; 0 if it is unknown."""
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

    def _check(self) -> List[str]:
        ranges = {"minScore": (-1, 1), "minDistance": (0, 2), "maxPerMicrograph": (0, np.inf)}
        values = {name: getattr(self, name).get() for name in ranges}
        problems = [
            f"{self.label(name)} must lie in {low:g} to {high:g}, got {values[name]:g}."
            for name, (low, high) in ranges.items()
            if not low <= values[name] <= high
        ]
        if not problems:
            self.matcher()
        return problems

    def _summary(self) -> List[str]:
        coordinates = getattr(self, "outputCoordinates", None)
        if coordinates is None:
            return [Message.TEXT_NO_OUTPUT_CO, *remark_lines(self)]
        so_far = " so far" if coordinates.isStreamOpen() else ""
        lines = [f"*{coordinates.getSize():,} particles* found{so_far} with {self._what()}."]
        lines += [f"{one}." for one in (coordinates.getObjComment(),) if one]
        rows = read_picked_micrographs(self.table_file())
        if rows:
            lines.append(f"{masked_text([row[3:] for row in rows]).capitalize()}.")
        return [*lines, *remark_lines(self), *self._valueLines()]

    def _automatic(self) -> Dict[str, str]:
        matcher, rows = self.matcher(), read_picked_micrographs(self.table_file())
        pixel = self.inputMicrographs.get().getSamplingRate()
        return {
            "boxSize": str(self.box_size()),
            "particleDiameter": f"{matcher.particle_diameter_px * pixel:.0f} Å",
            "maxPerMicrograph": "all",
            "minScore": level_text([row.min_score for row in rows]) if rows else "",
            "minDistance": f"{self._distance_boxes():.2f}",
        }

    def _distance_boxes(self) -> float:
        """Minimum distance, as given or from the diameter of the particle."""
        given = float(self.minDistance.get())
        return given or self.matcher().min_distance_px / self.box_size()

    def _methods(self) -> List[str]:
        coordinates = getattr(self, "outputCoordinates", None)
        if coordinates is None:
            return []
        level = self.minScore.get()
        n_best = self.maxPerMicrograph.get()
        kept = [
            f"correlation of at least {level:g}"
            if level
            else "correlation above a level that noise reaches a fifth as often",
            f"at most {n_best:,} particles per micrograph" if n_best else "",
            f"picks at least {self._distance_boxes():.2g} boxes apart",
        ]
        box = with_angstrom(self.box_size(), self.inputMicrographs.get().getSamplingRate())
        return [
            f"{coordinates.getSize():,} particles were picked with {SOFTWARE} by normalised "
            f"cross-correlation of whitened micrographs with {self._what()} (box size {box}, "
            f"angular step {self.angularStep} degrees; {', '.join(filter(None, kept))})."
        ]

    def _what(self) -> str:
        averages = self.inputAverages.get()
        what = "a round blob" if averages is None else f"{averages.getSize()} templates"
        return f"{what}, inverted" if self.invert.get() else what
