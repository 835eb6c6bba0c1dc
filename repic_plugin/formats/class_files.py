"""The files that a 2D classification leaves."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from repic_plugin.classification import Classification
from repic_plugin.formats.class_star import write_classes_star
from repic_plugin.formats.errors import PathLike
from repic_plugin.formats.particles import ParticleTable
from repic_plugin.formats.reports import write_table
from repic_plugin.formats.stack_writing import write_stack

__all__ = ["CLASS_FILES", "write_class_files"]

CLASS_FILES = ("assignments.csv", "class_averages.mrcs", "classes.star", "convergence.csv")
ASSIGNMENT_COLUMNS = ("particle", "class", "rotation_deg", "shift_x_px", "shift_y_px", "mirror")


def write_class_files(folder: PathLike, table: ParticleTable, found: Classification) -> None:
    """Write assignments.csv, class_averages.mrcs, classes.star, classes.csv and convergence.csv.

    Parameters
    ----------
    folder : str or path
        Must exist.
    table : ParticleTable
    found : Classification
        Of these particles.

    Raises
    ------
    OSError
        If a file cannot be written.
    """
    folder = Path(folder)
    x, y = found.shift_px.T
    columns = (
        table.names,
        found.labels.tolist(),
        *([f"{value:.4f}" for value in column.tolist()] for column in (found.rotation_deg, x, y)),
        found.mirror.astype(int).tolist(),
        ["" if np.isnan(value) else f"{value:.6g}" for value in found.dissimilarity.tolist()],
    )
    header = (*ASSIGNMENT_COLUMNS, "dissimilarity")
    write_table(folder / "assignments.csv", header, zip(*columns))
    write_stack(folder / "class_averages.mrcs", found.averages, table.pixel_size_angstrom)
    write_classes_star(
        folder / "classes.star", table, found.labels, found.rotation_deg, x, y, found.mirror
    )
    write_table(
        folder / "classes.csv",
        ("class", "size", "explained", "is_junk"),
        zip(
            range(len(found.sizes)),
            found.sizes.tolist(),
            [f"{value:.6g}" for value in found.explained.tolist()],
            found.is_junk.astype(int).tolist(),
        ),
    )
    write_table(
        folder / "convergence.csv",
        ("iteration", "stage", "fraction_changed", "objective", "smallest", "largest"),
        (
            (
                r.iteration,
                r.stage,
                f"{r.fraction_changed:.6f}",
                f"{r.objective:.6g}",
                r.smallest,
                r.largest,
            )
            for r in found.records
        ),
    )
