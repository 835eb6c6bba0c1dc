"""Position files of Xmipp: box centres, one file a micrograph."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from repic_plugin.formats.base.errors import format_error
from repic_plugin.formats.base.file_ends import check_end
from repic_plugin.formats.base.star_reading import no_table_error, star_tables
from repic_plugin.formats.base.text_tables import TextTable, read_columns, read_text
from repic_plugin.formats.picks.table import PickTable, no_picks, pick_table
from repic_plugin.formats.picks.two_columns import read as read_two_columns

NAME = "xmipp"
SUFFIXES = (".pos",)
# Picked by hand or supervised, and picked automatically: both are the picks.
TABLES = ("data_particles", "data_particles_auto")
HEADER = "data_header"
X, Y, SCORE, ENABLED = "xcoor", "ycoor", "cost", "enabled"


def read(path: Path) -> PickTable:
    """Read the tables of particles of a position file, or the two columns of Xmipp 2.4.

    Returns
    -------
    PickTable
        Without the picks that are disabled; ``_cost`` is the score.

    Raises
    ------
    FormatError
        If the file cannot be read, has no such table or columns, or a row is wrong.
    """
    text = read_text(path)
    if "data_" not in text:
        return read_two_columns(path)
    tables = star_tables(path, pairs=True, text=text)
    found = [table for table in tables if table.name in TABLES]
    if not found and not any(table.name == HEADER for table in tables):
        raise no_table_error(path, tables, f"{TABLES[0]} with _{X} and _{Y}")
    rows = [_rows(table) for table in found if table.columns]
    if not rows:
        return no_picks()
    x, y, score, enabled = np.concatenate(rows, axis=1)
    picks = pick_table(x, y, score, may_be_cut=bool(sum(map(check_end, found))))
    kept = enabled > 0
    return replace(
        picks,
        **{name: getattr(picks, name)[kept] for name in ("x", "y", "score", "has_score", "row")},
    )


def _rows(table: TextTable) -> NDArray[np.float64]:
    """x, y, score (NaN: none) and whether enabled of each pick, shape (4, n)."""
    missing = [f"_{name}" for name in (X, Y) if name not in table.columns]
    if missing:
        problem = f"{' and '.join(missing)} is missing in {table.name}; pick again"
        raise format_error(table.path, problem)
    columns = read_columns(table, (X, Y, *table.present((SCORE, ENABLED)))).numbers
    n = len(columns[X])
    score, enabled = columns.get(SCORE, np.full(n, np.nan)), columns.get(ENABLED, np.ones(n))
    return np.stack([columns[X], columns[Y], score, enabled])
