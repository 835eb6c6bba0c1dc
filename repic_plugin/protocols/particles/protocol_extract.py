"""Extraction of particle images from micrographs."""

from __future__ import annotations

import json
from typing import Any, ClassVar, Dict, List

import numpy as np
from pwem.objects import SetOfMicrographs, SetOfParticles
from pwem.protocols import ProtParticles
from pyworkflow import NEW
from pyworkflow.protocol import params

from repic_plugin.convert import box_size_on
from repic_plugin.protocols.common.following.by_micrograph import remark_lines
from repic_plugin.protocols.common.following.form import define_following_params, size_at_rest
from repic_plugin.protocols.common.form_values import SOFTWARE, FormProtocol, with_angstrom
from repic_plugin.protocols.common.params import Fields, define_box_size
from repic_plugin.protocols.common.unfinished_files import remove_unfinished
from repic_plugin.protocols.particles.stream import ExtractionStream
from repic_plugin.template_picking import extract_particles

HELP = {
    "inputCoordinates": "Centres of the boxes, such as a consensus.",
    "inputMicrographs": "Micrographs to extract from, such as dose-weighted ones; matched by "
    "name, at any pixel size. By default those of the coordinates.",
    "inputCTFs": "Each particle is assigned the CTF of its micrograph; micrographs without one "
    "are skipped. While CTFs are still arriving, each micrograph waits for its own. Phases are not "
    "flipped.",
    "imageSize": "Even side of the images after Fourier cropping. 0: the box size.",
    "invert": "Particles are dark in micrographs but bright in images for RELION and cryoSPARC.",
    "streamingSleepOnWait": "Inputs that are still growing when the run starts are followed until "
    "they are closed. A micrograph is processed once it has coordinates and, with CTFs, a CTF.",
    "normalise": "Subtract the slope of the background, outside a circle with a diameter of 75 "
    "per cent of the box, and scale it to mean 0 and standard deviation 1.",
}


class ProtRepicExtract(FormProtocol, ProtParticles):  # type: ignore[misc]
    """Extract particles from micrographs and normalise them as RELION does.

    There is one stack per micrograph. Boxes that extend beyond a micrograph are skipped. Inputs
    that are still growing are followed.
    Use it to go from a consensus to 2D classes without another plugin.

    *Inputs*: coordinates; optionally other micrographs to extract from (such as dose-weighted ones,
    matched by name, at any pixel size) and CTFs, assigned to particles by micrograph.
    *Output*: outputParticles, with their coordinates. Phases are not flipped.
    *Main parameters*: the box size, the size after downscaling (by Fourier cropping), and whether
    the contrast is inverted and the background normalised (outside a circle with a diameter of 75
    per cent of the box: no slope, mean 0, standard deviation 1).
    *Look at*: the summary, which counts the skipped boxes, and the log for micrographs that could
    not be read.
    """

    _label = "extract particles"
    _devStatus = NEW
    FORM_PARAMS: ClassVar = {"box_size_px": "boxSize", "side_px": "imageSize"}
    _possibleOutputs: ClassVar = {"outputParticles": SetOfParticles}

    @classmethod
    def worksInStreaming(cls) -> bool:
        """True, so that Scipion starts the run while its inputs are open."""
        return True

    # ------------------------------------------------------------------ form

    def _defineParams(self, form: params.Form) -> None:
        fields = Fields(form, HELP)
        form.addSection(label="Input")
        fields.input("inputCoordinates", "SetOfCoordinates", "Coordinates", important=True)
        fields.input("inputMicrographs", "SetOfMicrographs", "Other micrographs", allowsNull=True)
        fields.input("inputCTFs", "SetOfCTF", "CTF of the micrographs", allowsNull=True)
        define_box_size(
            form,
            "In px of the micrographs to extract from, rounded up to an even number. 0: that of "
            "the coordinates.",
        )
        fields.value("imageSize", 0, "Downscale to (px)")
        fields.value("invert", True, "Invert contrast")
        fields.value("normalise", True, "Normalise")
        define_following_params(form, HELP)
        form.addParallelSection(threads=2, mpi=0)

    # ----------------------------------------------------------------- steps

    def _insertAllSteps(self) -> None:
        remove_unfinished(self)
        sets = (self.inputCoordinates, self.inputMicrographs, self.inputCTFs)
        settings = {
            "inputs": [one.get() and one.get().getFileName() for one in sets],
            **self.extraction_options(),
        }
        followed = (self.inputCoordinates, self.inputCTFs, self.inputMicrographs)
        inputs = [size_at_rest(one.get()) for one in followed if one.get() is not None]
        texts = json.dumps(settings, sort_keys=True), json.dumps(inputs)
        self._insertFunctionStep(self.extractStep, *texts, needsGPU=False)

    def extractStep(self, settings: str, inputs: str) -> None:
        """Extract the particles of micrographs that are ready, until the inputs are closed."""
        with self.labelled_errors():
            ExtractionStream(self, settings, inputs).run()

    # --------------------------------------------------------------- helpers

    def micrographs(self) -> SetOfMicrographs:
        """The micrographs to extract from."""
        other = self.inputMicrographs.get()
        return self.inputCoordinates.get().getMicrographs() if other is None else other

    def extraction_options(self) -> Dict[str, Any]:
        """Options of `extract_particles`."""
        return {
            "box_size_px": self._box_size(),
            "side_px": self._side(),
            "invert": self.invert.get(),
            "normalise": self.normalise.get(),
        }

    def no_particles(self) -> str:
        """The message where there is nothing to extract."""
        with_ctf = " with a CTF" if self.inputCTFs.get() is not None else ""
        return (
            f"no box of {self._box_size()} px around the coordinates lies within a micrograph"
            f"{with_ctf}; decrease {self.label('boxSize')}"
        )

    def _box_size(self) -> int:
        coordinates = self.inputCoordinates.get()
        box_px = box_size_on(self.micrographs(), coordinates, self.boxSize.get())
        return 2 * ((box_px + 1) // 2)

    def _side(self) -> int:
        return int(self.imageSize.get() or self._box_size())

    def pixel_size(self) -> float:
        """Pixel size of the images in angstrom."""
        return float(self.micrographs().getSamplingRate() * self._box_size() / self._side())

    def stack(self, micrograph: int) -> str:
        """Stack of a micrograph, named by id: names may hold any character, and repeat."""
        return str(self._getExtraPath(f"particles_{micrograph:06d}.mrcs"))

    # ------------------------------------------------------------------ info

    def _check(self) -> None:
        box, side = self._box_size(), self._side()
        if not box:
            raise ValueError("box_size_px must be given: the coordinates have none")
        extract_particles(np.zeros((box, box)), np.zeros((0, 2)), box, side_px=side)

    def _summary(self) -> List[str]:
        particles = getattr(self, "outputParticles", None)
        if particles is None:
            return ["The particles are not ready yet.", *remark_lines(self)]
        so_far = " so far" if particles.isStreamOpen() else ""
        lines = [
            f"*{particles.getSize():,} particles*{so_far} of {self._side()} px, "
            f"{particles.getSamplingRate():.3f} Å/px."
        ]
        lines += [f"Skipped: {one}." for one in (particles.getObjComment(),) if one]
        return [*lines, *remark_lines(self), *self._valueLines()]

    def _automatic(self) -> Dict[str, str]:
        return {"boxSize": str(self._box_size()), "imageSize": str(self._side())}

    def _methods(self) -> List[str]:
        particles = getattr(self, "outputParticles", None)
        if particles is None:
            return []
        box_px, side_px = self._box_size(), self._side()
        pixel_size = self.micrographs().getSamplingRate()
        scaled = f"downscaled to {side_px} px by Fourier cropping" if side_px < box_px else ""
        background = "outside 75 per cent of the box normalised to mean 0 and standard deviation 1"
        done = [
            scaled or "not downscaled",
            f"contrast {'' if self.invert.get() else 'not '}inverted",
            f"background {background}" if self.normalise.get() else "background not normalised",
            "CTFs assigned by micrograph" if particles.hasCTF() else "no CTFs assigned",
        ]
        return [
            f"{particles.getSize():,} particles were extracted in boxes of "
            f"{with_angstrom(box_px, pixel_size)} with {SOFTWARE} "
            f"({', '.join(done)}; {particles.getSamplingRate():.3f} Å/px, phases not flipped)."
        ]
