"""The project of the iterative demo. Set the environment first: importing this loads Scipion."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Callable, List, Sequence

from repic_plugin.formats import read_iterations
from repic_plugin.iteration import IterationRow
from repic_plugin.workflow import ScipionProject

# The same picker with three settings, in place of three pickers with different errors.
OPTIONS = ("", "train.numberOfTemplates=1", "angularStep=30; train.numberOfTemplates=12")


def run_iterations(
    name: str,
    micrographs_dir: Path,
    truth_dir: Path,
    pixel_size_angstrom: float,
    n_expected: int,
    n_iterations: int,
    report: Callable[[Sequence[IterationRow]], None],
) -> List[IterationRow]:
    """Rows of all iterations of a new project; `report` gets those of each iteration as it ends.

    Expects `n_expected` particles per micrograph; raises a ValueError if a protocol fails.
    """
    project = ScipionProject(name)
    micrographs = project.micrographs(micrographs_dir, pixel_size_angstrom)
    truth = project.picks("truth", truth_dir, micrographs)
    lines = {f"picker{i}": "template" for i in range(1, len(OPTIONS) + 1)}
    lines.update({f"options{i}": text for i, text in enumerate(OPTIONS, 1)})
    n_reported = 0

    def looked(run: Any) -> None:
        nonlocal n_reported
        rows = read_iterations(run.table_file())
        for iteration in sorted({row.iteration for row in rows})[n_reported:]:
            report([row for row in rows if row.iteration == iteration])
            n_reported += 1

    run = project.run(
        "ProtRepicIterative",
        "iterative picking",
        {"inputMicrographs": micrographs, "referenceCoordinates": truth},
        looked,
        numIterations=n_iterations,
        numParticles=n_expected,
        numValidation=3,
        trainingPercent=25,
        mode=1,
        **lines,
    )
    return read_iterations(run.table_file())
