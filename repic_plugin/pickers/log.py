"""RELION's Laplacian-of-Gaussian picker, through scipion-em-relion."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any, ClassVar, List, Mapping, Optional

from pyworkflow.object import Pointer

from repic_plugin.pickers.base import PICK, NewProtocol, Picker, PickerFailed
from repic_plugin.pickers.environments import plugin_of

HOME = "RELION_HOME"
PROGRAM = "relion_autopick"
# Diameters to look for, as parts of the box: a box is 1.3 to 2 times a particle as a rule.
LEAST_DIAMETER, LARGEST_DIAMETER = 0.5, 0.8
# The plugin's own; no finer than pixels can show.
RESOLUTION_ANGSTROM = 20.0
BATCH_SIZE = 32


class LogPicker(Picker):
    """RELION's Laplacian of Gaussian: finds blobs of a size, and learns nothing.

    The options ``minDiameter`` and ``maxDiameter`` (in angstrom) say more than the box does, and
    ``numberOfMpi`` makes it faster where mpirun works.
    """

    name = "log"
    title = "LoG (RELION)"
    trainable = False
    score_attribute = "_rlnAutopickFigureOfMerit"
    score_transform = "rank"
    protocols: ClassVar[Mapping[str, str]] = {PICK: "ProtRelionAutopickLoG"}
    plugin = "scipion-em-relion"

    def problems(self) -> List[str]:
        """Why it cannot run here."""
        return super().problems() or [
            f"{self.settings.label}: {one}" for one in self._program_problems()
        ]

    def training(self, new: NewProtocol, micrographs: Pointer, labels: Pointer) -> Any:
        """There is none."""
        raise PickerFailed(f"{self.settings.label} cannot be trained; use it as it comes")

    def picking(self, new: NewProtocol, micrographs: Pointer, model: Optional[Pointer]) -> Any:
        """A protocol that picks; it takes no model."""
        pixel = self.settings.pixel_size_angstrom
        box_angstrom = self.settings.box_size_px * pixel
        protocol = self._protocol(
            new,
            PICK,
            boxSize=self.settings.box_size_px,
            minDiameter=round(LEAST_DIAMETER * box_angstrom),
            maxDiameter=round(LARGEST_DIAMETER * box_angstrom),
            maxResolution=max(RESOLUTION_ANGSTROM, 2 * pixel),
            numberOfMpi=1,
            streamingBatchSize=BATCH_SIZE,
        )
        protocol.inputMicrographs.copy(micrographs)
        return protocol

    def _program_problems(self) -> List[str]:
        plugin = plugin_of(self.protocols[PICK])
        home = Path(plugin.getVar(HOME) or "")
        remedy = f"run: scipion installb relion, or set {HOME} in scipion.conf"
        if not plugin.getActiveVersion():
            versions = " or ".join(f"relion-{one}" for one in plugin.getSupportedVersions())
            return [
                f"{HOME} is {home}, whose name tells no version that {self.plugin} knows; "
                f"{remedy} to a folder, or a link to one, named {versions}"
            ]
        if shutil.which(PROGRAM, path=plugin.getEnviron()["PATH"]) is None:
            return [f"{HOME} is {home}, and there is no program {PROGRAM}; {remedy} to its folder"]
        return []
