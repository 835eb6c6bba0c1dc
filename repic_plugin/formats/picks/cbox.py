"""CBOX files of crYOLO: a STAR table with lower corners, one file a micrograph."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from repic_plugin.formats.base.file_ends import check_end
from repic_plugin.formats.base.star_reading import no_table_error, star_tables
from repic_plugin.formats.base.text_tables import (
    read_columns,
    require_columns,
    require_positive,
)
from repic_plugin.formats.picks.table import PickTable, pick_table_from_corners

NAME = "cbox"
SUFFIXES = (".cbox",)
TABLE = "data_cryolo"
CORNER = ("CoordinateX", "CoordinateY")
SIDES = ("Width", "Height")
SCORE = "Confidence"


def read(path: Path) -> PickTable:
    """Read a CBOX file: its table ``data_cryolo``.

    Parameters
    ----------
    path : Path

    Returns
    -------
    PickTable
        With box sizes from ``_Width`` and ``_Height``; ``_Confidence`` is the score.

    Raises
    ------
    FormatError
        If the file cannot be read, has no such table or columns, or a row is wrong.
    """
    tables = star_tables(path)
    table = next((t for t in tables if t.name == TABLE), None)
    if table is None:
        raise no_table_error(path, tables, TABLE)
    require_columns(table, (*CORNER, *SIDES))
    score = table.present([SCORE])
    found = read_columns(table, (*CORNER, *SIDES, *score), may_be_missing=score)
    require_positive(table, found, SIDES)
    columns = found.numbers
    sizes = np.stack([columns[name] for name in SIDES], axis=1)
    corners = np.stack([columns[name] for name in CORNER], axis=1)
    return pick_table_from_corners(corners, sizes, columns.get(SCORE), may_be_cut=check_end(table))
