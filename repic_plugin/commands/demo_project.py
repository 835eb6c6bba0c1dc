"""The demo's Scipion project. Importing this loads Scipion: its variables have to be set before."""

from __future__ import annotations

import csv
from dataclasses import replace
from typing import Any, Callable, List

from pwem import Domain
from pyworkflow.object import Pointer
from pyworkflow.project import Manager

from repic_plugin import constants
from repic_plugin.commands.demo_material import ConsensusRun, Material
from repic_plugin.consensus import default_quorum
from repic_plugin.convert import PickerInput, read_picks
from repic_plugin.formats import micrograph_name

__all__ = ["run_project"]


def run_project(
    name: str, material: Material, pixel_size_angstrom: float, progress: Callable[[], None]
) -> List[ConsensusRun]:
    """Make a project, import micrographs and picks, run the consensus in both modes.

    Parameters
    ----------
    name : str
    material : Material
    pixel_size_angstrom : float
    progress : callable
        Called after each protocol.

    Returns
    -------
    list of ConsensusRun
        Of all pickers, and of a quorum.

    Raises
    ------
    ValueError
        If a protocol fails.
    """
    protocols = Domain.getProtocols()
    Manager().createProject(name)
    project = Manager().loadProject(name)

    def new(class_name: str, label: str, **values: Any) -> Any:
        protocol = project.newProtocol(protocols[class_name], **values)
        protocol.setObjLabel(label)
        return protocol

    def run(protocol: Any) -> Any:
        project.launchProtocol(protocol, wait=True)
        if not protocol.isFinished():
            raise ValueError(f"{protocol.getObjLabel()} failed: {protocol.getErrorMessage()}")
        progress()
        return project.getProtocol(protocol.getObjId())

    micrographs = run(
        new(
            "ProtImportMicrographs",
            "micrographs",
            filesPath=str(material.micrographs_dir),
            filesPattern="*.mrc",
            samplingRate=pixel_size_angstrom,
        )
    )
    pickers = []
    for picker in material.loaded.picks.picker_names:
        one = new(
            "ProtRepicImportPicks",
            picker,
            picksFolder=str(material.picks_dir / picker),
            boxSize=material.box_size_px,
        )
        one.inputMicrographs.set(micrographs)
        one.inputMicrographs.setExtended("outputMicrographs")
        pickers.append(run(one))
    k = len(pickers)
    names = [f"consensus of all {k}", f"consensus of at least {default_quorum(k)}"]
    results = []
    for mode, label in enumerate(names):
        one = new("ProtRepicConsensus", label, mode=mode)
        for picker in pickers:
            one.inputCoordinates.append(Pointer(picker, extended="outputCoordinates"))
        results.append(_result(label, run(one), material))
    return results


def _result(label: str, protocol: Any, material: Material) -> ConsensusRun:
    """Read back what the protocol left in the project."""
    source = PickerInput(label, protocol.outputCoordinates, constants.SCORE)
    particles = read_picks([source])[0]
    named = tuple(micrograph_name(name) for name in particles.micrograph_names)
    with open(protocol._getExtraPath("summary.csv"), encoding="utf-8", newline="") as file:
        summary = list(csv.DictReader(file))
    with open(protocol._getExtraPath("consensus.csv"), encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    pickers = material.loaded.picks.picker_names
    n_agreed = {name: sum(row[name] != "" for row in rows) for name in pickers}
    return ConsensusRun(label, replace(particles, micrograph_names=named), summary, n_agreed)
