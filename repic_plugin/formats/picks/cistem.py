"""STAR files of cisTEM: positions in angstrom, of many micrographs."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from repic_plugin.formats.base.errors import format_error
from repic_plugin.formats.base.file_ends import check_end
from repic_plugin.formats.base.star_reading import no_table_error, star_tables
from repic_plugin.formats.base.text_tables import read_columns, read_micrographs, require_positive
from repic_plugin.formats.picks.table import PickTable, pick_table

NAME = "cistem"
SUFFIXES = (".star",)
X, Y = "cisTEMOriginalXPosition", "cisTEMOriginalYPosition"
MARKS = (f"_{X}",)
PIXEL_SIZE, MICROGRAPH, SCORE = "cisTEMPixelSize", "cisTEMOriginalImageFilename", "cisTEMScore"


def read(path: Path) -> PickTable:
    """Read the positions of a STAR file of cisTEM, divided by the pixel size of each row.

    Returns
    -------
    PickTable
        ``_cisTEMScore`` is the score.

    Raises
    ------
    FormatError
        If the file cannot be read, has no pixel size, or a row is wrong.
    """
    tables = star_tables(path, pairs=True)
    table = next((t for t in tables if X in t.columns and Y in t.columns), None)
    if table is None:
        raise no_table_error(path, tables, f"with _{X} and _{Y}")
    if PIXEL_SIZE not in table.columns:
        problem = f"_{X} is in Å, and without a column _{PIXEL_SIZE} it cannot be made px"
        raise format_error(path, f"{problem}; write the file again with its pixel size")
    score, names = table.present([SCORE]), table.present([MICROGRAPH])
    found = read_columns(table, (X, Y, PIXEL_SIZE, *score), names)
    require_positive(table, found, [PIXEL_SIZE], remedy="correct the pixel size")
    columns = found.numbers
    picks = pick_table(
        columns[X] / columns[PIXEL_SIZE],
        columns[Y] / columns[PIXEL_SIZE],
        columns.get(SCORE),
        micrograph=read_micrographs(table, found, MICROGRAPH) if names else None,
        notes=(f"positions in Å are divided by _{PIXEL_SIZE}, taken as that of the micrographs",),
        may_be_cut=check_end(table, [MICROGRAPH]),
    )
    return replace(picks, score_transform="rank")  # a correlation, as a percentage or a ratio
