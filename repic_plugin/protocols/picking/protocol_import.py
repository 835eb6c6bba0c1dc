"""Import picks together with their scores."""

from __future__ import annotations

import os
from enum import Enum
from typing import List

from pwem.objects import SetOfCoordinates
from pwem.protocols import ProtParticlePicking
from pyworkflow import NEW
from pyworkflow.protocol import params
from pyworkflow.utils import Message

from repic_plugin.convert import append_picks, picks_on_micrographs, read_micrographs
from repic_plugin.formats import PicksDir, read_picker_folder
from repic_plugin.protocols.common.params import define_box_size, define_micrographs

# More files are read by the step alone: the window would stand still meanwhile.
FILES_READ_AHEAD = 500


class ImportOutput(Enum):
    """What the protocol leaves."""

    outputCoordinates = SetOfCoordinates


class ProtRepicImportPicks(ProtParticlePicking):
    """Import one picker's coordinate files and keep their scores.

    Reads the formats of docs/use/formats.md; files are matched to micrographs by name.
    Use it for pickers that were run outside of Scipion: a consensus weighs picks by their scores.

    *Inputs*: the micrographs, and a folder with the files of one picker: one file for each
    micrograph, named after it, or tables of many micrographs.
    *Output*: outputCoordinates, each with its score on the picker's own scale. Corners of BOX
    files become centres.
    *Main parameter*: the box size; 0 takes the one in the files.
    *Look at*: the number of picks in the summary, and the log, which names every micrograph in the
    files that the input does not have. Analyze results shows the boxes.
    """

    _label = "import scored picks"
    _devStatus = NEW
    _possibleOutputs = ImportOutput

    def _defineParams(self, form: params.Form) -> None:
        form.addSection(label="Input")
        define_micrographs(form)
        form.addParam(
            "picksFolder",
            params.FolderParam,
            label="Folder with pick files",
            important=True,
            help="Of one picker: a file per micrograph, named after it (.box, .cbox, .star, .csv, "
            "EMAN2's .json, Xmipp's .pos, two columns as .coord), or tables of many micrographs "
            "(.star, .csv, Topaz's .txt, cryoSPARC's .cs), or a job folder of RELION.",
        )
        define_box_size(form, "0 takes the size in the files.")

    def _insertAllSteps(self) -> None:
        arguments = (self.picksFolder.get(), self.boxSize.get())
        self._insertFunctionStep(self.importStep, *arguments, needsGPU=False)

    def importStep(self, folder: str, box_size_px: int) -> None:
        """Read, match by name, write."""
        loaded = read_picker_folder(folder)
        table = read_micrographs(self.inputMicrographs.get())
        picks, unknown = picks_on_micrographs(loaded.picks, table)
        for note in loaded.notes:
            self.warning(note)
        for name in unknown:
            self.warning(f"no micrograph is named {name}: its picks are left out")
        coordinates = self._createSetOfCoordinates(self.inputMicrographs)
        coordinates.setBoxSize(box_size_px or _box_size(loaded, folder))
        append_picks(coordinates, picks, table)
        self._defineOutputs(outputCoordinates=coordinates)
        self._defineSourceRelation(self.inputMicrographs, coordinates)

    def _validate(self) -> List[str]:
        if self.inputMicrographs.get() is None:
            return []  # scheduled before its input is there, or Scipion says that it is missing
        if not self.picksFolder.get():
            return ["The folder with the pick files is missing: choose one."]
        if _n_entries(self.picksFolder.get()) > FILES_READ_AHEAD:
            return []
        try:
            loaded = read_picker_folder(self.picksFolder.get())
            picks_on_micrographs(loaded.picks, read_micrographs(self.inputMicrographs.get()))
            if not self.boxSize.get():
                _box_size(loaded, self.picksFolder.get())
        except ValueError as error:
            return [str(error)]
        return []

    def _summary(self) -> List[str]:
        if not hasattr(self, "outputCoordinates"):
            return [Message.TEXT_NO_OUTPUT_CO]
        return [f"{self.outputCoordinates.getSize():,} picks imported from {self.picksFolder}."]

    def _methods(self) -> List[str]:
        return self._summary()


def _n_entries(folder: str) -> int:
    """Files and folders in it; 0 where it cannot be read, which reading it will say better."""
    try:
        return len(os.listdir(folder))
    except OSError:
        return 0


def _box_size(loaded: PicksDir, folder: str) -> int:
    size = loaded.box_size_px[0]
    if size is None:
        raise ValueError(f"{folder}: its files hold no box size; give one in the form")
    return round(size)
