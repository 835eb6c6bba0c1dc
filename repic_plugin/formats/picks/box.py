"""BOX files: x, y of the lower corner, width, height and a score, one file a micrograph."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Optional

import numpy as np
from numpy.typing import ArrayLike

from repic_plugin.formats.base.atomic import atomic_write
from repic_plugin.formats.base.errors import PathLike
from repic_plugin.formats.base.file_ends import check_end
from repic_plugin.formats.base.number_rows import coordinate_cells, rows_text, score_cells
from repic_plugin.formats.base.text_tables import read_columns, read_text, require_positive
from repic_plugin.formats.picks.cells import checked_box_size, checked_centers, checked_column
from repic_plugin.formats.picks.plain_rows import plain_table
from repic_plugin.formats.picks.table import (
    PickTable,
    corners_from_centers,
    pick_table_from_corners,
)

NAME = "box"
SUFFIXES = (".box",)
COLUMNS = ("x", "y", "width", "height", "score")
N_WITHOUT_SCORE = 4
EMAN_MODES = (-1, -2, -3)  # in the fifth column: ends of a helix, a single particle
BOX_ROW = "a BOX row is x, y, width, height[, score]"


def read(path: Path) -> PickTable:
    """Read a BOX file.

    A first line of words is taken as a header; blank lines and what follows ``#`` are skipped. A
    file without a row, even of zero bytes, is a micrograph without picks.

    Returns
    -------
    PickTable
        With the box sizes of the file; the fifth column, where there is one, is the score.

    Raises
    ------
    FormatError
        If the file cannot be read or a row is wrong.
    """
    text = read_text(path)
    if "#" in text:
        text = re.sub("#[^\n]*", "", text)
    table = plain_table(path, text, COLUMNS, N_WITHOUT_SCORE, BOX_ROW)
    found = read_columns(table, table.columns)
    require_positive(table, found, ("width", "height"))
    x, y, width, height = (found.numbers[name] for name in COLUMNS[:N_WITHOUT_SCORE])
    score = found.numbers.get("score")
    if score is not None and score.max(initial=-1) < 0 and np.isin(score, EMAN_MODES).all():
        score = None
    return pick_table_from_corners(x, y, width, height, score, may_be_cut=check_end(table))


def write(
    path: PathLike,
    x: ArrayLike,
    y: ArrayLike,
    *,
    box_size_px: float,
    score: Optional[ArrayLike] = None,
) -> None:
    """Write a BOX file in REPIC's layout: x, y, width, height[, score], tabs, no header.

    Parameters
    ----------
    path : str or path
    x, y : array_like of float, shape (n,)
        Box centres, px. The file holds the lower corners, to four decimals.
    box_size_px : float
        Side of the boxes.
    score : array_like of float, shape (n,), optional
        Fifth column, to nine digits.

    Raises
    ------
    ValueError
        If lengths differ, a number is not finite or the box size is below 1 px.
    OSError
        If the file cannot be written.
    """
    centers = checked_centers(x, y)
    side = checked_box_size(box_size_px)
    corners = corners_from_centers(centers, side)
    sides = np.full(len(corners), side)
    cells = [coordinate_cells(column) for column in (*corners.T, sides, sides)]
    if score is not None:
        cells.append(score_cells(checked_column("score", score, len(corners))))
    atomic_write(path, rows_text(cells, "\t"))
