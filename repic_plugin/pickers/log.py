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
# Diameters to search for, as fractions of the box, which is usually 1.3 to 2 particles wide.
MIN_DIAMETER, MAX_DIAMETER = 0.5, 0.8
# The plugin's default, limited by the pixel size.
RESOLUTION_ANGSTROM = 20.0
BATCH_SIZE = 32


class LogPicker(Picker):
    """RELION's Laplacian of Gaussian, which finds blobs of a given size and cannot be trained.

    The options ``minDiameter`` and ``maxDiameter`` (angstrom) are more precise than the box size;
    ``numberOfMpi`` makes it faster if mpirun is available.
    """

    name = "log"
    title = "LoG (RELION)"
    trainable = False
    score_attribute = "_rlnAutopickFigureOfMerit"
    score_transform = "rank"
    protocols: ClassVar[Mapping[str, str]] = {PICK: "ProtRelionAutopickLoG"}
    plugin = "scipion-em-relion"

    def problems(self) -> List[str]:
        """Reasons why it cannot run here."""
        return super().problems() or [
            f"{self.settings.label}: {one}" for one in self._program_problems()
        ]

    def training(self, new: NewProtocol, micrographs: Pointer, labels: Pointer) -> Any:
        """Raise an error, as there is none."""
        raise PickerFailed(f"{self.settings.label} cannot be trained; use it without training")

    def picking(self, new: NewProtocol, micrographs: Pointer, model: Optional[Pointer]) -> Any:
        """A protocol that picks, without a model."""
        pixel = self.settings.pixel_size_angstrom
        box_angstrom = self.settings.box_size_px * pixel
        protocol = self._protocol(
            new,
            PICK,
            boxSize=self.settings.box_size_px,
            minDiameter=round(MIN_DIAMETER * box_angstrom),
            maxDiameter=round(MAX_DIAMETER * box_angstrom),
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
                f"{HOME} is {home}, whose name has no version that {self.plugin} supports; "
                f"{remedy} to a folder, or a link to one, named {versions}"
            ]
        if shutil.which(PROGRAM, path=plugin.getEnviron()["PATH"]) is None:
            return [f"{HOME} is {home}, without the program {PROGRAM}; {remedy} to its folder"]
        return []
