"""The project of the iterative demo. Importing this loads Scipion: its variables come before."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any, Callable, List, Sequence

from pwem import Domain
from pyworkflow.project import Manager

from repic_plugin.formats import read_iterations
from repic_plugin.iteration import IterationRow
from repic_plugin.pickers import PICKERS

__all__ = ["run_iterations"]

# The same picker with three settings, as three pickers that err in different ways.
OPTIONS = ("", "train.numberOfTemplates=1", "angularStep=30; train.numberOfTemplates=12")
POLL_SECONDS = 1.0


def run_iterations(
    name: str,
    micrographs_dir: Path,
    truth_dir: Path,
    pixel_size_angstrom: float,
    n_expected: int,
    n_iterations: int,
    told: Callable[[Sequence[IterationRow]], None],
) -> List[IterationRow]:
    """Make a project, import micrographs and truth, run the iterations.

    Parameters
    ----------
    name : str
    micrographs_dir, truth_dir : path
    pixel_size_angstrom : float
    n_expected : int
        Particles in a micrograph.
    n_iterations : int
    told : callable
        Gets the rows of each iteration when it has ended.

    Returns
    -------
    list of IterationRow

    Raises
    ------
    ValueError
        If a protocol fails.
    """
    protocols = Domain.getProtocols()
    Manager().createProject(name)
    project = Manager().loadProject(name)

    def launch(class_name: str, label: str, wait: bool, inputs: Any, **values: Any) -> Any:
        protocol = project.newProtocol(protocols[class_name], **values)
        protocol.setObjLabel(label)
        for pointer, (source, output) in inputs.items():
            getattr(protocol, pointer).set(source)
            getattr(protocol, pointer).setExtended(output)
        project.launchProtocol(protocol, wait=wait)
        return _finished(protocol) if wait else protocol

    def _finished(protocol: Any) -> Any:
        if not protocol.isFinished():
            raise ValueError(f"{protocol.getObjLabel()} failed: {protocol.getErrorMessage()}")
        return project.getProtocol(protocol.getObjId())

    imported = {"filesPath": str(micrographs_dir), "filesPattern": "*.mrc"}
    micrographs = launch(
        "ProtImportMicrographs",
        "micrographs",
        True,
        {},
        **imported,
        samplingRate=pixel_size_angstrom,
    )
    mics = (micrographs, "outputMicrographs")
    truth = launch(
        "ProtRepicImportPicks",
        "truth",
        True,
        {"inputMicrographs": mics},
        picksFolder=str(truth_dir),
    )
    number = 1 + list(PICKERS).index("template")
    lines = {f"picker{i}": number for i in range(1, len(OPTIONS) + 1)}
    lines.update({f"options{i}": text for i, text in enumerate(OPTIONS, 1)})
    run = launch(
        "ProtRepicIterative",
        "iterative picking",
        False,
        {"inputMicrographs": mics, "referenceCoordinates": (truth, "outputCoordinates")},
        numIterations=n_iterations,
        numParticles=n_expected,
        numValidation=3,
        trainingPercent=25,
        mode=1,
        **lines,
    )
    n_told = 0
    while True:
        project._updateProtocol(run)
        project.mapper.commit()  # else the runs that it makes wait for the project's database
        rows = read_iterations(run.table_file())
        for iteration in sorted({row.iteration for row in rows})[n_told:]:
            told([row for row in rows if row.iteration == iteration])
            n_told += 1
        if not run.isActive():
            _finished(run)
            return rows
        time.sleep(POLL_SECONDS)
