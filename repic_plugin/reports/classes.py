"""Report of a 2D classification."""

from __future__ import annotations

from pathlib import Path
from typing import List

import numpy as np

from repic_plugin.formats import open_stack, read_class_tables
from repic_plugin.plots import convergence_figure, montage_figure, size_bars_figure
from repic_plugin.reports.document import Block, Table, Warnings
from repic_plugin.reports.pictures import Picture

MARKER, TITLE = "classes.csv", "2D classes"
FEW = 5  # members; an average of fewer shows little


def blocks(folder: Path) -> List[Block]:
    """Class averages with their sizes, and convergence."""
    found = read_class_tables(folder)
    sizes = found.sizes
    n_aside = int((found.labels < 0).sum())
    spread = float(sizes.std() / sizes.mean()) if sizes.sum() else 0.0
    facts = Table(
        ["particles", "classes", "smallest", "largest", "variation", "junk classes"],
        [
            [
                len(found.labels),
                len(sizes),
                int(sizes.min()),
                int(sizes.max()),
                spread,
                int(found.is_junk.sum()),
            ]
        ],
        "variation: coefficient of variation of the class sizes",
    )
    warnings = []
    if n_aside:
        warnings.append(f"Empty images, excluded: {n_aside:,}.")
    if (sizes < FEW).any():
        warnings.append(f"Classes with under {FEW} members: {np.count_nonzero(sizes < FEW)}.")
    averages = open_stack(folder / "class_averages.mrcs")
    montage = montage_figure(
        averages,
        sizes,
        flagged=found.is_junk,
        scores=None if found.scores is None else found.scores.score,
        pixel_size_angstrom=averages.pixel_size_angstrom,
        first_number=1,
    )
    bars = size_bars_figure(sizes, flagged=found.is_junk, first_number=1)
    shown: List[Block] = [
        facts,
        Warnings(warnings),
        Picture(
            montage,
            "Class averages, the highest score first, with number of members and score.",
            True,
        ),
        Picture(bars, "Members of each class."),
    ]
    if len(found.convergence["iteration"]):  # none where particles were assigned to given classes
        course = convergence_figure({"particles": found.convergence})
        text = "Convergence: fraction of particles that changed class, and class sizes."
        shown.append(Picture(course, text))
    return shown
