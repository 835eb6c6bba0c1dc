"""CSV tables: box centres of one micrograph or many, under a header."""

from __future__ import annotations

from pathlib import Path
from typing import Dict, Mapping, Optional, Sequence

import numpy as np
from numpy.typing import ArrayLike

from repic_plugin.formats.base.atomic import atomic_write
from repic_plugin.formats.base.csv_tables import quoted_cell
from repic_plugin.formats.base.errors import PathLike
from repic_plugin.formats.base.file_ends import check_end
from repic_plugin.formats.base.number_rows import (
    Cells,
    coordinate_cells,
    rows_text,
    score_cells,
    word_cells,
)
from repic_plugin.formats.base.text_tables import (
    header_table,
    read_columns,
    read_micrographs,
    require_columns,
    require_positive,
)
from repic_plugin.formats.picks.cells import checked_box_size, checked_centers, checked_column
from repic_plugin.formats.picks.table import PickTable, pick_table

NAME = "csv"
SUFFIXES = (".csv",)
MICROGRAPH, X, Y, SCORE, BOX_SIZE = "micrograph", "x_center", "y_center", "score", "box_size_px"
# What others call them: short, and CryoPPP's. Its Diameter is the particle's, not the box's side.
X_NAMES, Y_NAMES = (X, "x", "X-Coordinate"), (Y, "y", "Y-Coordinate")
MICROGRAPH_NAMES = (MICROGRAPH, "Micrographs Filename")


def read(path: Path) -> PickTable:
    """Read a CSV table.

    Its columns are x_center and y_center (or x and y, or CryoPPP's X-Coordinate and Y-Coordinate,
    box centres too), and, where they are there, score, micrograph (CryoPPP: Micrographs Filename)
    and box_size_px. Others are passed over; so is ``weight``, which a consensus
    has beside its score and which is on no picker's scale.

    Returns
    -------
    PickTable
        An empty cell of the score means that the pick has none.

    Raises
    ------
    FormatError
        If the file cannot be read, a column is missing, or a row is wrong.
    """
    table = header_table(path, ",")
    x, y = (next(iter(table.present(names)), names[0]) for names in (X_NAMES, Y_NAMES))
    require_columns(table, (x, y))
    score, sizes = (table.present([name]) for name in (SCORE, BOX_SIZE))
    names = table.present(MICROGRAPH_NAMES)[:1]
    columns = read_columns(table, (x, y, *score, *sizes), names, may_be_missing=score)
    require_positive(table, columns, sizes)
    return pick_table(
        columns.numbers[x],
        columns.numbers[y],
        columns.numbers.get(SCORE),
        micrograph=read_micrographs(table, columns, names[0]) if names else None,
        box_size_px=columns.numbers.get(BOX_SIZE),
        may_be_cut=check_end(table, names),
    )


def write(
    path: PathLike,
    x: ArrayLike,
    y: ArrayLike,
    *,
    box_size_px: float,
    score: Optional[ArrayLike] = None,
    micrograph: Optional[Sequence[str]] = None,
    extra: Optional[Mapping[str, ArrayLike]] = None,
) -> None:
    """Write a CSV table: [micrograph,] x_center, y_center, box_size_px[, score][, extra columns].

    Parameters
    ----------
    path : str or path
    x, y : array_like of float, shape (n,)
        Box centres, px, written to four decimals.
    box_size_px : float
        Side of the boxes.
    score : array_like of float, shape (n,), optional
        To nine digits.
    micrograph : sequence of str, length n, optional
        Name of each pick's micrograph.
    extra : mapping of str to array_like of float, shape (n,), optional
        Further columns by name, to nine digits.

    Raises
    ------
    ValueError
        If lengths differ, a number is not finite, the box size is below 1 px, or a name is
        unusable.
    OSError
        If the file cannot be written.
    """
    centers = checked_centers(x, y)
    n = len(centers)
    columns: Dict[str, Cells] = {}
    if micrograph is not None:
        columns[MICROGRAPH] = _name_cells(micrograph, n)
    columns[X], columns[Y] = (coordinate_cells(column) for column in centers.T)
    columns[BOX_SIZE] = score_cells(np.full(n, checked_box_size(box_size_px)))
    if score is not None:
        columns[SCORE] = score_cells(checked_column("score", score, n))
    for name, values in (extra or {}).items():
        if name in columns:
            raise ValueError(f"extra column {name!r} already exists; choose another")
        columns[quoted_cell(name)] = score_cells(checked_column(name, values, n))
    header = ",".join(columns) + "\n"
    atomic_write(path, header.encode() + rows_text([*columns.values()], ","))


def _name_cells(names: Sequence[str], n_picks: int) -> Cells:
    if len(names) != n_picks:
        raise ValueError(
            f"micrograph must have one name for each of {n_picks} picks, got {len(names)}"
        )
    place = {name: i for i, name in enumerate(dict.fromkeys(map(str, names)))}
    return word_cells([quoted_cell(name) for name in place], [place[str(name)] for name in names])
