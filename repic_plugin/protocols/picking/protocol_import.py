"""Import of picks with their scores."""

from __future__ import annotations

import os
from typing import Any, ClassVar, Dict, List, Tuple

from pwem.objects import SetOfCoordinates
from pwem.protocols import ProtParticlePicking
from pyworkflow import NEW
from pyworkflow.protocol import params
from pyworkflow.utils import Message

from repic_plugin.consensus import Picks, choose_transforms, corrected, stated_transform
from repic_plugin.constants import CORRELATION, PICK_SCORE, TOPAZ_SCORE
from repic_plugin.convert import (
    append_picks,
    name_notes,
    picks_on_micrographs,
    read_micrographs,
)
from repic_plugin.formats import PicksDir, low_scores, read_picker_folder
from repic_plugin.protocols.common.corrections import (
    LABELS,
    correction_of,
    correction_values,
    define_corrections,
)
from repic_plugin.protocols.common.form_values import SOFTWARE, FormProtocol, with_angstrom
from repic_plugin.protocols.common.params import define_box_size, define_micrographs

# More files are read only by the step, so that the form does not freeze.
FILES_READ_AHEAD = 500
MOST_OUTSIDE = 0.5
# attributes that say of the scores what their files do
SCORED_AS = {"logistic": TOPAZ_SCORE, "rank": CORRELATION}


class ProtRepicImportPicks(FormProtocol, ProtParticlePicking):  # type: ignore[misc]
    """Import one picker's coordinate files and keep their scores.

    Reads the formats of docs/use/formats.md; files are matched to micrographs by name.
    Use it for pickers that were run outside Scipion: a consensus weights picks by their scores.

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

    def _insertAllSteps(self) -> None:
        arguments = (self.picksFolder.get(), self.boxSize.get(), *correction_values(self))
        self._insertFunctionStep(self.importStep, *arguments, needsGPU=False)

    def importStep(self, folder: str, box_size_px: int, *correction: Any) -> None:
        """Read the files, match micrographs by name, write the set."""
        loaded = read_picker_folder(folder)
        table = read_micrographs(self.inputMicrographs.get())
        picks, unknown = picks_on_micrographs(loaded.picks, table)
        size_px = self.inputMicrographs.get().getDim()[:2]
        picks = corrected(picks, {picks.picker_names[0]: correction_of(correction, size_px)})
        notes = [*loaded.notes, *name_notes(loaded.picks, table), *_outside(picks, size_px)]
        notes += [
            f"{low}; give the consensus the expected number of particles per micrograph, or "
            f"minimum scores of {low.threshold:g}, which discard them"
            for low in low_scores(loaded)
        ]
        if unknown:
            notes.append(
                f"{len(unknown):,} micrographs of the files are not in the input, such as "
                f"{unknown[0]}: their picks are ignored"
            )
        known = loaded.score_transforms[0]
        names = f"{self.getObjLabel()} {loaded.picks.picker_names[0]}"
        stated = stated_transform(names, known)
        if stated == "auto" and choose_transforms(loaded.picks)[0] == "logistic":
            stated = "logistic"
        if stated == "logistic" and known != stated:
            notes.append(
                "the scores are taken as Topaz's, log-likelihood ratios, by the name of the run or "
                "of the folder"
            )
        for note in notes:
            self.warning(note)
        coordinates = self._createSetOfCoordinates(self.inputMicrographs)
        coordinates.setBoxSize(box_size_px or _box_size(loaded, folder))
        coordinates.setObjComment("; ".join(notes))
        append_picks(coordinates, picks, table, SCORED_AS.get(stated, PICK_SCORE))
        self._defineOutputs(outputCoordinates=coordinates)
        self._defineSourceRelation(self.inputMicrographs, coordinates)

    def _check(self) -> None:
        if not self.picksFolder.get():
            raise ValueError(f"{self.label('picksFolder')} is missing: choose one")
        if _n_entries(self.picksFolder.get()) > FILES_READ_AHEAD:
            return
        loaded = read_picker_folder(self.picksFolder.get())
        picks_on_micrographs(loaded.picks, read_micrographs(self.inputMicrographs.get()))
        if not self.boxSize.get():
            _box_size(loaded, self.picksFolder.get())

    def _summary(self) -> List[str]:
        if not hasattr(self, "outputCoordinates"):
            return [Message.TEXT_NO_OUTPUT_CO]
        found = f"{self.outputCoordinates.getSize():,} picks imported from {self.picksFolder}."
        notes = self.outputCoordinates.getObjComment()
        return [found, *self._valueLines(), *([f"{notes}."] if notes else [])]

    def _automatic(self) -> Dict[str, str]:
        output = getattr(self, "outputCoordinates", None)
        return {} if output is None else {"boxSize": str(output.getBoxSize())}

    def _methods(self) -> List[str]:
        output = getattr(self, "outputCoordinates", None)
        if output is None:
            return []
        box = with_angstrom(output.getBoxSize(), self.inputMicrographs.get().getSamplingRate())
        return [f"{output.getSize():,} picks in boxes of {box} were imported with {SOFTWARE}."]


def _outside(picks: Picks, size_px: Tuple[int, int]) -> List[str]:
    """Picks outside the micrographs, as a note.

    Raises
    ------
    ValueError
        If most are: then they are of other micrographs, or in another unit.
    """
    width, height = size_px
    is_inside = (picks.x >= 0) & (picks.x <= width) & (picks.y >= 0) & (picks.y <= height)
    n_outside = int((~is_inside).sum())
    if not n_outside:
        return []
    text = (
        f"{n_outside:,} of {len(picks):,} picks lie outside the micrographs of {width} x {height} "
        f"px, up to {picks.x.max():.0f}, {picks.y.max():.0f}"
    )
    if n_outside > MOST_OUTSIDE * len(picks):
        raise ValueError(f'{text}; correct them, for instance by "{LABELS["scale"]}"')
    return [text]


def _n_entries(folder: str) -> int:
    """Number of entries in a folder; 0 if unreadable, which reading it will report."""
    try:
        return len(os.listdir(folder))
    except OSError:
        return 0


def _box_size(loaded: PicksDir, folder: str) -> int:
    size = loaded.box_size_px[0]
    if size is None:
        raise ValueError(f"box_size_px must be given: the files in {folder} have none")
    return round(size)
