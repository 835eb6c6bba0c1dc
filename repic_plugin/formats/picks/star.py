"""STAR files of RELION: box centres, for one micrograph or many."""

from __future__ import annotations

from pathlib import Path
from typing import List, Optional

import numpy as np
from numpy.typing import ArrayLike

from repic_plugin.formats.base.atomic import atomic_write
from repic_plugin.formats.base.errors import PathLike, format_error, listed
from repic_plugin.formats.base.file_ends import check_end
from repic_plugin.formats.base.star_reading import no_table_error, star_tables
from repic_plugin.formats.base.star_writing import loop_header, table_rows
from repic_plugin.formats.base.text_tables import (
    Columns,
    TextTable,
    read_columns,
    read_micrographs,
)
from repic_plugin.formats.picks.cells import (
    checked_box_size,
    checked_centers,
    checked_column,
    score_texts,
)
from repic_plugin.formats.picks.table import PickTable, pick_table

NAME = "star"
SUFFIXES = (".star",)
# What pickers put after the micrograph's name: RELION's two, and DeepPicker's usual symbol.
STEM_ENDINGS = ("_autopick", "_manualpick", "_deeppicker")
X, Y = "rlnCoordinateX", "rlnCoordinateY"
SCORE = "rlnAutopickFigureOfMerit"
MICROGRAPH = "rlnMicrographName"
NO_VALUE = -999.0  # what RELION's manual picker writes where it has no value


def read(path: Path) -> PickTable:
    """Read the tables with coordinates of a RELION STAR file, 3.0 or later.

    Parameters
    ----------
    path : Path

    Returns
    -------
    PickTable
        ``_rlnAutopickFigureOfMerit`` is the score, except for RELION's -999;
        ``_rlnMicrographName`` names the micrographs, which there must be in a file of several
        such tables.

    Raises
    ------
    FormatError
        If the file cannot be read, no table has the coordinates, or a row is wrong.
    """
    tables = star_tables(path)
    found = [table for table in tables if X in table.columns and Y in table.columns]
    if not found:
        raise no_table_error(path, tables, f"with _{X} and _{Y}")
    has_names = all(MICROGRAPH in table.columns for table in found)
    if len(found) > 1 and not has_names:
        raise format_error(
            path,
            f"has coordinates in {len(found)} tables ({listed(t.name for t in found)}) without "
            f"_{MICROGRAPH} in each; write a file for each micrograph",
        )
    parts = [_columns(table) for table in found]
    x, y, score = (np.concatenate([part.numbers[name] for part in parts]) for name in (X, Y, SCORE))
    names = [read_micrographs(*both, MICROGRAPH) for both in zip(found, parts) if has_names]
    return pick_table(
        x,
        y,
        np.where(score == NO_VALUE, np.nan, score),
        micrograph=np.concatenate(names) if has_names else None,
        may_be_cut=check_end(found[-1], [MICROGRAPH]),
    )


def _columns(table: TextTable) -> Columns:
    """Coordinates, scores (NaN where there are none) and names of a table."""
    score, names = table.present([SCORE]), table.present([MICROGRAPH])
    columns = read_columns(table, (X, Y, *score), names, may_be_missing=score)
    columns.numbers.setdefault(SCORE, np.full(len(columns.numbers[X]), np.nan))
    return columns


def write(
    path: PathLike,
    x: ArrayLike,
    y: ArrayLike,
    *,
    box_size_px: float,
    score: Optional[ArrayLike] = None,
) -> None:
    """Write the coordinate file of one micrograph as RELION's pickers do.

    Parameters
    ----------
    path : str or path
    x, y : array_like of float, shape (n,)
        Box centres, px, written to six decimals.
    box_size_px : float
        Checked, but not in the file: RELION has no column for it.
    score : array_like of float, shape (n,), optional
        ``_rlnAutopickFigureOfMerit``, to nine digits.

    Raises
    ------
    ValueError
        If lengths differ, a number is not finite or the box size is below 1 px.
    OSError
        If the file cannot be written.
    """
    checked_box_size(box_size_px)
    centers = checked_centers(x, y)
    cells = [[f"{value:.6f}" for value in column.tolist()] for column in centers.T]
    labels = [X, Y]
    if score is not None:
        labels.append(SCORE)
        cells.append(_with_point(score_texts(checked_column("score", score, len(centers)))))
    # RELION and Scipion's import of RELION coordinates both take the first table, whatever its
    # name; RELION's pickers write it unnamed and without optics, so that versions 3.0 to 5 agree.
    atomic_write(path, f"\ndata_\n\n{loop_header(labels)}{table_rows(cells)}\n")


def _with_point(numbers: List[str]) -> List[str]:
    # Scipion's reader takes a column's type from its first row: 1 would make an integer column,
    # in which the next row's 0.5 is an error.
    return [text if "." in text or "e" in text else f"{text}.0" for text in numbers]
