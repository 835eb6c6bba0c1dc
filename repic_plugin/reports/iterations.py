"""Report of iterative picking."""

from __future__ import annotations

from pathlib import Path
from typing import List

from repic_plugin.formats import read_iterations
from repic_plugin.plots import iterations_figure
from repic_plugin.reports.document import Block, Table
from repic_plugin.reports.pictures import Picture
from repic_plugin.wording import counted

MARKER, TITLE = "iterations.csv", "iterative picking"
# Most meaningful first: no picker was trained on the test micrographs.
SUBSETS = ("testing", "validation", "all", "training")


def blocks(folder: Path) -> List[Block]:
    """Table and curves of the most meaningful subset of micrographs."""
    rows = read_iterations(folder / MARKER)
    if not rows:
        return ["No iteration is complete yet."]
    present = {row.subset for row in rows}
    if not present & {*SUBSETS}:
        raise ValueError(
            f"{folder / MARKER}: subset must be one of {', '.join(SUBSETS)}, got "
            f"{', '.join(sorted(present))}; continue the run: it writes the table again"
        )
    subset = next(one for one in SUBSETS if one in present)
    chosen = [row for row in rows if row.subset == subset]
    n_micrographs = chosen[-1].n_micrographs
    table = Table(
        ["iteration", "set", "particles", "agreement", "precision", "recall", "F1"],
        [
            [row.iteration, row.name, row.n_particles, row.agreement, row.precision, row.recall,
             row.f1]
            for row in chosen
        ],
        "all micrographs"
        if subset == "all"
        else f"{counted(n_micrographs, 'micrograph')} ({subset})",
    )  # fmt: skip
    figure = iterations_figure(rows, subset=subset)
    return [table, Picture(figure, f"Results by iteration ({subset} micrographs).")]
