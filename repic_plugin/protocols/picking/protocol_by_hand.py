"""Picks that are added and removed by hand in the micrograph window."""

from __future__ import annotations

from hashlib import sha256
from typing import ClassVar, Dict, List, Optional

import numpy as np
from pwem.objects import SetOfCoordinates, SetOfMicrographs
from pwem.protocols import ProtParticlePicking
from pyworkflow import NEW
from pyworkflow.protocol import params

from repic_plugin.arguments import check_box_size
from repic_plugin.convert import (
    append_by_hand,
    coordinate_places,
    find_micrographs,
    read_micrographs,
)
from repic_plugin.formats import HandPicks, read_edits
from repic_plugin.protocols.common.form_values import FormProtocol
from repic_plugin.protocols.common.params import Fields, define_box_size, define_micrographs
from repic_plugin.wording import counted

HELP = {
    "inputCoordinates": "These are shown first, and what you do not remove is kept with all its "
    "attributes. If empty, you begin with none.",
}
NOTHING_YET = "Nothing is picked yet: Analyze results opens the window."
NOT_SAVED = "The last changes are not in the output yet; save them in the window."


class ProtRepicByHand(FormProtocol, ProtParticlePicking):  # type: ignore[misc]
    """Pick particles by hand, or correct the picks of others.

    Execute it, then open *Analyze results*: a click adds a pick, shift and click removes one. Each
    change is written to the run's folder at once, so that a killed window loses nothing. *Save as
    output* in the window starts this run again, which then writes the set. Use it for the manual
    picks of iterative picking, for a reference, or to correct a consensus.

    *Inputs*: micrographs; optionally coordinates on them, of which the output is an edited copy.
    *Output*: outputCoordinates. The attribute _repicPickers of what was added says *by hand*;
    picks that were kept have all their attributes.
    *Main parameter*: the box size; 0 takes that of the coordinates.
    *Look at*: the numbers of picks added and removed, in the summary. *Restart* in the form deletes
    the changes; *Continue* keeps them.
    """

    _label = "pick by hand"
    _devStatus = NEW
    FORM_PARAMS: ClassVar = {"box_size_px": "boxSize"}
    _possibleOutputs: ClassVar = {"outputCoordinates": SetOfCoordinates}

    def _defineParams(self, form: params.Form) -> None:
        form.addSection(label="Input")
        define_micrographs(form, "To pick on.")
        fields = Fields(form, HELP)
        fields.input(
            "inputCoordinates", "SetOfCoordinates", "Coordinates to correct", allowsNull=True
        )
        define_box_size(form, "0: the size of the coordinates to correct.")

    def _insertAllSteps(self) -> None:
        inputs = [self._sourceFile(), self.inputMicrographs.get().getFileName()]
        state = repr([read_edits(self.journal_file()), self.box_size_px(), *inputs])
        digest = sha256(state.encode("utf-8", "backslashreplace")).hexdigest()
        self._insertFunctionStep(self.createOutputStep, digest, needsGPU=False)

    def createOutputStep(self, _changes: str) -> None:
        """Write what is picked, if anything is."""
        picks, source = self.hand_picks(), self.inputCoordinates.get()
        if not len(picks):
            if getattr(self, "outputCoordinates", None) is not None:
                raise ValueError(
                    "all picks were removed, and an output cannot be empty: the output is still "
                    "the former one; delete this run, or add a pick in its window"
                )
            self.info(NOTHING_YET)
            return
        if picks.n_left_out:
            self.warning(self._left_out(picks))
        table = read_micrographs(self.inputMicrographs.get())
        coordinates = self._createSetOfCoordinates(self.inputMicrographs)
        coordinates.setBoxSize(self.box_size_px())
        ids = coordinate_places(source)[picks.kept_rows(), 0]
        append_by_hand(coordinates, table, picks.added(), source, ids)
        self._defineOutputs(outputCoordinates=coordinates)
        self._defineSourceRelation(self.inputMicrographs, coordinates)

    def journal_file(self) -> str:
        """File of the changes."""
        return str(self._getExtraPath("changes_by_hand.txt"))

    def hand_picks(self) -> HandPicks:
        """The coordinates to correct, with all changes."""
        _, micrograph, x, y = coordinate_places(self.inputCoordinates.get()).T
        micrographs, edits = self.inputMicrographs.get(), read_edits(self.journal_file())
        if micrographs is None:
            return HandPicks(micrograph, x, y, edits)
        table = read_micrographs(micrographs)
        return HandPicks(micrograph, x, y, edits, dict(zip(table.ids, table.names)))

    @staticmethod
    def _left_out(picks: HandPicks) -> str:
        return (
            f"{picks.n_left_out:,} changes by hand do not fit the micrographs or the coordinates "
            "to correct, which are others now, and are left out."
        )

    def box_size_px(self) -> int:
        """Of the output."""
        source = self.inputCoordinates.get()
        return self.boxSize.get() or int((source and source.getBoxSize()) or 0)

    def is_used(self) -> bool:
        """Whether other runs have the output as their input."""
        return bool(self.getProject()._getProtocolsDependencies([self]))

    def _sourceFile(self) -> Optional[str]:
        source = self.inputCoordinates.get()
        return None if source is None else source.getFileName()

    def _check(self) -> None:
        if not self.box_size_px():
            raise ValueError(
                f"{self.label('boxSize')} is missing: give it, or choose coordinates to correct"
            )
        check_box_size("box_size_px", self.box_size_px())
        self.check_coordinates()

    def check_coordinates(self) -> None:
        """Check that the coordinates to correct are of the micrographs.

        Raises
        ------
        ValueError
            If they are of others.
        """
        source, micrographs = self.inputCoordinates.get(), self.inputMicrographs.get()
        if source is not None and not _is_of(source, micrographs):
            raise ValueError(
                f"{self.label('inputCoordinates')} are of other micrographs; choose those on "
                "which they were picked"
            )

    def _automatic(self) -> Dict[str, str]:
        return {"boxSize": str(self.box_size_px() or "")}

    def _summary(self) -> List[str]:
        if self.inputMicrographs.get() is None:
            return [NOTHING_YET]
        picks, output = self.hand_picks(), getattr(self, "outputCoordinates", None)
        left_out = [self._left_out(picks)] if picks.n_left_out else []
        if not len(picks) and output is None:
            return [NOTHING_YET, *left_out, *self._valueLines()]
        n_removed = len(coordinate_places(self.inputCoordinates.get())) - len(picks.kept_rows())
        changes = f"{len(picks.added()):,} added by hand, {n_removed:,} removed"
        lines = [f"{counted(len(picks), 'pick')}: {changes}.", *left_out]
        if output is None or not _has(output, picks):
            lines.append(NOT_SAVED)
        return [*lines, *self._valueLines()]


def _has(output: SetOfCoordinates, picks: HandPicks) -> bool:
    """Whether an output has these picks and no others."""
    there, wanted = coordinate_places(output)[:, 1:], picks.places()
    return np.array_equal(there[np.lexsort(there.T)], wanted[np.lexsort(wanted.T)])


def _is_of(coordinates: SetOfCoordinates, micrographs: SetOfMicrographs) -> bool:
    """Whether coordinates are of these micrographs, by pixel size, ids and names."""
    mine = coordinates.getMicrographs()
    if mine is None or mine.getSamplingRate() != micrographs.getSamplingRate():
        return False
    theirs, table = read_micrographs(mine), read_micrographs(micrographs)
    if theirs.file_name == table.file_name:
        return True
    try:
        places = find_micrographs(theirs.known_as, table, "the set of coordinates")
    except ValueError:  # none in common
        return False
    same = {one for one, at in zip(theirs.ids, places.tolist()) if at >= 0 and table.ids[at] == one}
    return {int(row[1]) for row in coordinate_places(coordinates)} <= same
