"""Particles that another program classified, or of which it wrote the chosen ones: STAR files."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple, Optional, Tuple

import numpy as np
from numpy.typing import NDArray

from repic_plugin.formats.base.errors import PathLike, format_error
from repic_plugin.formats.base.star_reading import no_table_error, star_tables
from repic_plugin.formats.base.text_tables import read_columns, read_micrographs
from repic_plugin.formats.images.class_star import CLASS
from repic_plugin.formats.images.stacks import ImageStacks, open_stack
from repic_plugin.formats.picks.star import MICROGRAPH, X, Y

MOST_CLASSES = 10_000
# Averages beside a file: RELION's run_it025_classes.mrcs, those of `repic-plugin classify`.
DATA_ENDING, CLASSES_ENDING, AVERAGES = "_data", "_classes.mrcs", "class_averages.mrcs"


class ClassifiedParticles(NamedTuple):
    """Particles of a STAR file.

    Attributes
    ----------
    micrograph : ndarray of object, shape (n,)
        Names with the folders that the file gives, see `micrograph_path`.
    centers : ndarray of float64, shape (n, 2)
        Where the particles were extracted, px of their micrographs: shifts of an alignment are
        not applied.
    number : ndarray of int64, shape (n,), or None
        Class of each as the file writes it; 0 without a class. None if the file has no classes.
    """

    micrograph: NDArray[np.object_]
    centers: NDArray[np.float64]
    number: Optional[NDArray[np.int64]]


def read_classified_particles(path: PathLike) -> ClassifiedParticles:
    """Read micrograph, coordinates and class of the particles of a STAR file.

    Parameters
    ----------
    path : str or path
        As RELION's ``run_it025_data.star`` or ``particles.star`` of a selection, the
        ``classes.star`` of `repic-plugin classify`, or an export of cryoSPARC's particles.

    Raises
    ------
    FormatError
        If the file cannot be read or has no such columns, no particle, or a row is wrong.
    """
    file = Path(path)
    tables = star_tables(file, pairs=True)
    needed = (MICROGRAPH, X, Y)
    table = next((t for t in tables if {*needed} <= {*t.columns}), None)
    if table is None:
        raise no_table_error(file, tables, f"with _{MICROGRAPH}, _{X} and _{Y}")
    columns = read_columns(table, (X, Y, *table.present([CLASS])), (MICROGRAPH,))
    centers = np.column_stack([columns.numbers[X], columns.numbers[Y]])
    if not len(centers):
        raise format_error(file, f"{table.name} has no particles; select some")
    number = columns.numbers.get(CLASS)
    if number is not None:
        wrong = np.flatnonzero((number < 0) | (number > MOST_CLASSES) | (number % 1 != 0))
        if len(wrong):
            row = int(wrong[0])
            rule = f"a whole number from 0 to {MOST_CLASSES:,}"
            raise table.row_error(row, f"{CLASS} must be {rule}, got {number[row]:g}; correct it")
    names = read_micrographs(table, columns, MICROGRAPH)
    whole = None if number is None else number.astype(np.int64)
    return ClassifiedParticles(names, centers, whole)


def averages_beside(path: PathLike, n_classes: int) -> Optional[Tuple[NDArray[np.float32], float]]:
    """Averages of the classes of a STAR file, where the program that wrote it left them beside it.

    Parameters
    ----------
    path : str or path
    n_classes : int
        Averages are those of classes 1 to `n_classes`; a stack of fewer images is not taken.

    Returns
    -------
    (ndarray of float32, shape (n_classes, side, side); float) or None
        The averages and their pixel size, Å.
    """
    file = Path(path)
    stem = file.stem[: -len(DATA_ENDING)] if file.stem.endswith(DATA_ENDING) else file.stem
    for name in (f"{stem}{CLASSES_ENDING}", AVERAGES):
        if file.with_name(name).is_file():
            stack: ImageStacks = open_stack(file.with_name(name))
            if len(stack) >= n_classes:
                return stack[:n_classes], stack.pixel_size_angstrom
    return None
