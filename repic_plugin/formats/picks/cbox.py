"""CBOX files of crYOLO: a STAR table with lower corners, one file a micrograph."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from repic_plugin.formats.base.file_ends import check_end
from repic_plugin.formats.base.star_reading import no_table_error, star_tables
from repic_plugin.formats.base.text_tables import (
    read_columns,
    read_text,
    require_columns,
    require_positive,
)
from repic_plugin.formats.picks.plain_rows import is_number, plain_table
from repic_plugin.formats.picks.table import PickTable, pick_table_from_corners

NAME = "cbox"
SUFFIXES = (".cbox",)
TABLE = "data_cryolo"
CORNER = ("CoordinateX", "CoordinateY")
SIDES = ("Width", "Height")
SCORE = "Confidence"
THRESHOLD = 0.3  # of crYOLO, whose other files hold only what is above it
OLD_COLUMNS = (*CORNER, *SIDES, SCORE)  # and estimated width and height
OLD_ROW = "a row of crYOLO before 1.8 is x, y, width, height, confidence, ..."


def read(path: Path) -> PickTable:
    """Read a CBOX file: its table ``data_cryolo``, or the plain columns of crYOLO before 1.8.

    Returns
    -------
    PickTable
        With box sizes from ``_Width`` and ``_Height``; ``_Confidence`` is the score.

    Raises
    ------
    FormatError
        If the file cannot be read, has no such table or columns, or a row is wrong.
    """
    text = read_text(path)
    tables = star_tables(path, text=text)
    table = next((t for t in tables if t.name == TABLE), None)
    if table is None and not tables and is_number(text.split(maxsplit=1)[0]):
        table = plain_table(path, text, OLD_COLUMNS, len(OLD_COLUMNS), OLD_ROW, takes_more=True)
    if table is None:
        raise no_table_error(path, tables, TABLE)
    require_columns(table, (*CORNER, *SIDES))
    score = table.present([SCORE])
    found = read_columns(table, (*CORNER, *SIDES, *score), may_be_missing=score)
    require_positive(table, found, SIDES)
    x, y, width, height = (found.numbers[name] for name in (*CORNER, *SIDES))
    found_picks = pick_table_from_corners(x, y, width, height, found.numbers.get(SCORE))
    return replace(found_picks, threshold=THRESHOLD, may_be_cut=check_end(table))
