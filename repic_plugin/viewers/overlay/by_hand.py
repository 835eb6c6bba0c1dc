"""The window of picking by hand."""

from __future__ import annotations

import os
import shutil
from functools import partial
from typing import Any

from pwem.objects import SetOfCoordinates
from pyworkflow.project import Project
from pyworkflow.protocol import MODE_RESUME

from repic_plugin.convert import micrograph_files, open_micrograph, read_micrographs
from repic_plugin.plots import OverlayModel
from repic_plugin.protocols import ProtRepicByHand, output_in_file
from repic_plugin.viewers.overlay.hand_panel import HandSession
from repic_plugin.viewers.overlay.window import OverlayWindow


def hand_window(root: Any, run: ProtRepicByHand) -> OverlayWindow:
    """The window in which picks of a run are added and removed.

    Raises
    ------
    ValueError
        If the micrographs or the box size are missing, or the coordinates to correct are of others.
    """
    micrographs = run.inputMicrographs.get()
    if micrographs is None or not run.box_size_px():
        raise ValueError("micrographs or box size are missing; choose them in the form")
    run.check_coordinates()
    run.makeWorkingDir()  # of a run that was only saved
    table = read_micrographs(micrographs)
    session = HandSession(
        run.hand_picks(),
        table.ids,
        run.journal_file(),
        run.box_size_px(),
        partial(_save, run),
    )

    def load() -> OverlayModel:
        files, pixel_size = micrograph_files(micrographs), table.pixel_size_angstrom
        return OverlayModel(table.labels, files, [session.box_set()], None, pixel_size)

    title = f"{run.getObjLabel() or run.getClassLabel()}: picking by hand"
    return OverlayWindow(root, title, load, open_micrograph, hand=session)


def edited_copy_window(root: Any, project: Project, coordinates: SetOfCoordinates) -> OverlayWindow:
    """The window of a new run, saved but not launched, that corrects a set.

    Raises
    ------
    ValueError
        If the set is no output of a run of the project.
    """
    owner, output = output_in_file(project, coordinates.getFileName())
    run = project.newProtocol(ProtRepicByHand)
    run.inputCoordinates.set(owner)
    run.inputCoordinates.setExtended(output)
    micrographs = coordinates.getMicrographs(asPointer=True)
    run.inputMicrographs.set(micrographs.getObjValue())
    if micrographs.hasExtended():
        run.inputMicrographs.setExtended(micrographs.getExtended())
    run.setObjLabel(f"{owner.getObjLabel()} by hand")
    project.saveProtocol(run)
    return hand_window(root, run)


def _save(run: ProtRepicByHand) -> str:
    """Let a run write its output; a new one if others use the output that it has."""
    project = run.getProject()
    stored = project.getProtocol(run.getObjId())
    if stored.isActive():
        raise ValueError("the run is still writing; save again when it has finished")
    if stored.is_used():
        stored = _copy(stored)
    stored.runMode.set(MODE_RESUME)  # the other one would delete the changes
    project.launchProtocol(stored)
    return str(stored.getObjLabel())


def _copy(run: ProtRepicByHand) -> ProtRepicByHand:
    """A new run with the same inputs and changes."""
    project = run.getProject()
    new = project.copyProtocol(run)
    project.saveProtocol(new)
    new.makeWorkingDir()
    if os.path.exists(run.journal_file()):
        shutil.copyfile(run.journal_file(), new.journal_file())
    return new
