"""Import of picks with their scores."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any, ClassVar, Dict, List

from pwem.objects import SetOfCoordinates
from pwem.protocols import ProtParticlePicking
from pyworkflow import NEW
from pyworkflow.protocol import params
from pyworkflow.utils import Message

from repic_plugin.arguments import check_box_size
from repic_plugin.convert import append_picks, picks_on_micrographs, read_micrographs
from repic_plugin.formats import folder_stamp, read_picker_folder
from repic_plugin.protocols.common.corrections import (
    check_corrections,
    correction_values,
    define_corrections,
)
from repic_plugin.protocols.common.following.by_micrograph import FOLDER, remark_lines
from repic_plugin.protocols.common.following.form import (
    define_following_params,
    is_open,
    size_at_rest,
)
from repic_plugin.protocols.common.following.record import FINISHED
from repic_plugin.protocols.common.form_values import SOFTWARE, FormProtocol, with_angstrom
from repic_plugin.protocols.common.params import Fields, define_box_size, define_micrographs
from repic_plugin.protocols.common.unfinished_files import remove_unfinished
from repic_plugin.protocols.picking.import_stream import ImportStream
from repic_plugin.protocols.picking.imported import common_box_size, imported_picks

# More files are read only by the step, so that the form does not freeze.
FILES_READ_AHEAD = 500
HELP = {
    "watchFolder": "Files are taken as they appear, as always while micrographs are still "
    "arriving; Yes: also where all micrographs are there at the start.",
    "waitForPicks": "Where the folder is watched and the micrographs are complete: the time "
    "without a new file after which those that have none are taken to have no picks.",
    "endAfterIdle": "For micrographs that are never closed. 0: wait until they are.",
}


class ProtRepicImportPicks(FormProtocol, ProtParticlePicking):  # type: ignore[misc]
    """Import one picker's coordinate files and keep their scores.

    Reads the formats of docs/use/formats.md; files are matched to micrographs by name.
    Use it for pickers that were run outside Scipion: a consensus weights picks by their scores.
    While micrographs are still arriving the folder is watched, and files are taken as they appear.

    *Inputs*: the micrographs, and a folder with the files of one picker: one file per micrograph,
    named after it, or tables of many micrographs.
    *Output*: outputCoordinates, each with its score on the picker's own scale. The corners in BOX
    files are converted to centres.
    *Main parameter*: the box size; 0 takes that of the files.
    *Look at*: the number of picks in the summary, and the log, which lists the micrographs in the
    files that are missing in the input. Analyze results shows the boxes.
    """

    _label = "import scored picks"
    _devStatus = NEW
    FORM_PARAMS: ClassVar = {"box_size_px": "boxSize"}
    _possibleOutputs: ClassVar = {"outputCoordinates": SetOfCoordinates}

    @classmethod
    def worksInStreaming(cls) -> bool:
        """True, so that Scipion starts the run while its inputs are open."""
        return True

    def _defineParams(self, form: params.Form) -> None:
        form.addSection(label="Input")
        define_micrographs(form, "On which the picks were made; files are matched by name.")
        form.addParam(
            "picksFolder",
            params.FolderParam,
            label="Folder with pick files",
            important=True,
            help="Of one picker: one file per micrograph, named after it (.box, .cbox, .star, "
            ".csv, EMAN2's .json, Xmipp's .pos, two columns as .coord), or tables of many "
            "micrographs (.star, .csv, Topaz's .txt, cryoSPARC's .cs), or a job folder of RELION.",
        )
        define_box_size(form, "0: the size in the files.")
        define_corrections(form)
        define_following_params(form, HELP, self._defineWatching)

    @staticmethod
    def _defineWatching(fields: Fields) -> None:
        fields.value("watchFolder", False, "Watch the folder")
        fields.value("waitForPicks", 600, "Wait for pick files (s)", validators=[params.GE(0)])

    def _insertAllSteps(self) -> None:
        folder, box_size_px, correction = (
            self.picksFolder.get(),
            self.boxSize.get(),
            correction_values(self),
        )
        if not self._isFollowing():
            arguments = (folder, box_size_px, *correction)
            self._insertFunctionStep(self.importStep, *arguments, needsGPU=False)
            return
        remove_unfinished(self)
        settings = {
            "micrographs": self.inputMicrographs.get().getFileName(),
            "folder": folder,
            "box_size_px": box_size_px,
            "correction": correction,
        }
        has_finished = Path(self._getExtraPath(FOLDER, FINISHED)).is_file()
        stamp = folder_stamp(folder) if has_finished else None  # until then it may change
        inputs = [size_at_rest(self.inputMicrographs.get()), stamp]
        texts = json.dumps(settings, sort_keys=True), json.dumps(inputs)
        self._insertFunctionStep(self.followStep, *texts, needsGPU=False)

    def importStep(self, folder: str, box_size_px: int, *correction: Any) -> None:
        """Read the files, match micrographs by name, write the set."""
        loaded = read_picker_folder(folder)
        table = read_micrographs(self.inputMicrographs.get())
        size_px = self.inputMicrographs.get().getDim()[:2]
        found = imported_picks(self.getObjLabel(), loaded, table, size_px, correction)
        for note in found.notes:
            self.warning(note)
        coordinates = self._createSetOfCoordinates(self.inputMicrographs)
        coordinates.setBoxSize(box_size_px or common_box_size(loaded, folder))
        coordinates.setObjComment("; ".join(found.notes))
        append_picks(coordinates, found.picks, table, found.score_attribute)
        self._defineOutputs(outputCoordinates=coordinates)
        self._defineSourceRelation(self.inputMicrographs, coordinates)

    def followStep(self, settings: str, inputs: str) -> None:
        """Import the picks of micrographs as their files appear, until no more can come."""
        with self.labelled_errors():
            ImportStream(self, settings, inputs).run()

    def _isFollowing(self) -> bool:
        """Whether the folder is watched: also where the run has begun to, before a kill."""
        is_begun = Path(self._getExtraPath(FOLDER)).is_dir()
        return bool(self.watchFolder) or is_begun or is_open(self.inputMicrographs.get())

    def _check(self) -> None:
        if not self.picksFolder.get():
            raise ValueError(f"{self.label('picksFolder')} is missing: choose one")
        if self.boxSize.get():
            check_box_size("box_size_px", self.boxSize.get())
        check_corrections(self)
        if self._isFollowing():
            folder_stamp(self.picksFolder.get())  # its files are still to come
            return
        if _n_entries(self.picksFolder.get()) > FILES_READ_AHEAD:
            return
        loaded = read_picker_folder(self.picksFolder.get())
        picks_on_micrographs(loaded.picks, read_micrographs(self.inputMicrographs.get()))
        if not self.boxSize.get():
            common_box_size(loaded, self.picksFolder.get())

    def _summary(self) -> List[str]:
        output = getattr(self, "outputCoordinates", None)
        if output is None:
            return [Message.TEXT_NO_OUTPUT_CO, *remark_lines(self)]
        so_far = " so far" if output.isStreamOpen() else ""
        found = f"{output.getSize():,} picks imported from {self.picksFolder}{so_far}."
        notes = output.getObjComment()
        lines = [found, *remark_lines(self), *self._valueLines()]
        return [*lines, *([f"{notes}."] if notes else [])]

    def _automatic(self) -> Dict[str, str]:
        output = getattr(self, "outputCoordinates", None)
        return {} if output is None else {"boxSize": str(output.getBoxSize())}

    def _methods(self) -> List[str]:
        output = getattr(self, "outputCoordinates", None)
        if output is None:
            return []
        box = with_angstrom(output.getBoxSize(), self.inputMicrographs.get().getSamplingRate())
        return [f"{output.getSize():,} picks in boxes of {box} were imported with {SOFTWARE}."]


def _n_entries(folder: str) -> int:
    """Number of entries in a folder; 0 if unreadable, which reading it will report."""
    try:
        return len(os.listdir(folder))
    except OSError:
        return 0
