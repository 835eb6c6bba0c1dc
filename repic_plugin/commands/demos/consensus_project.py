"""The demo's Scipion project. Set the environment first: importing this loads Scipion."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, Callable, Dict, List

from repic_plugin import constants
from repic_plugin.commands.demos.records import ConsensusRun, Material
from repic_plugin.consensus import default_quorum
from repic_plugin.convert import PickerInput, read_picks
from repic_plugin.formats import header_table, micrograph_name, read_columns, read_consensus_tables
from repic_plugin.workflow import ScipionProject


def run_project(name: str, material: Material, progress: Callable[[], None]) -> List[ConsensusRun]:
    """Results of the consensus of all pickers, of a quorum and, for three or more, probabilistic.

    Where the truth is known the micrographs show particles, and the last is with images, too.
    `progress` is called after each protocol; a ValueError is raised if one fails.
    """
    project = ScipionProject(name)
    micrographs = project.micrographs(material.micrographs_dir, material.pixel_size_angstrom)
    progress()
    pickers = []
    for picker in material.loaded.picks.picker_names:
        folder = material.picks_dir / picker
        pickers.append(project.picks(picker, folder, micrographs, material.box_size_px))
        progress()
    k = len(pickers)
    ways: Dict[str, Dict[str, Any]] = {
        f"consensus of all {k}": {"mode": 0},
        f"consensus of at least {default_quorum(k)}": {"mode": 1},
    }
    if k > 2:  # two would need scores
        ways["probabilistic consensus"] = {"mode": 2}
    if k > 2 and material.truth is not None:
        ways["the same, with images"] = {"mode": 2, "lookAtImages": True}
    results = []
    for label, values in ways.items():
        run = project.run("ProtRepicConsensus", label, {"inputCoordinates": pickers}, **values)
        results.append(_result(label, run, material))
        progress()
    return results


def _result(label: str, protocol: Any, material: Material) -> ConsensusRun:
    source = PickerInput(label, protocol.outputCoordinates, constants.SCORE)
    particles = read_picks([source])[0]
    named = tuple(micrograph_name(name) for name in particles.micrograph_names)
    table = header_table(Path(protocol._getExtraPath("summary.csv")), ",")
    cells = read_columns(table, (), table.columns).words
    summary = [dict(zip(cells, row)) for row in zip(*cells.values())]
    found = read_consensus_tables(protocol._getExtraPath())
    agreed = (found.members >= 0).sum(axis=0).tolist()
    n_agreed = dict(zip(found.picker_names, agreed))
    return ConsensusRun(label, replace(particles, micrograph_names=named), summary, n_agreed)
