"""Topaz tables: box centres of many micrographs, tab separated."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from repic_plugin.formats.base.file_ends import check_end
from repic_plugin.formats.base.text_tables import (
    header_table,
    read_columns,
    read_micrographs,
    require_columns,
)
from repic_plugin.formats.picks.plain_rows import is_number
from repic_plugin.formats.picks.table import PickTable, pick_table
from repic_plugin.formats.picks.two_columns import read as read_two_columns

NAME = "topaz"
SUFFIXES = (".txt", ".tsv", ".tab")
COLUMNS = ("x", "y")  # all that a .txt file of other programs has, without a header
MICROGRAPH, X, Y, SCORE = "image_name", "x_coord", "y_coord", "score"


def read(path: Path) -> PickTable:
    """Read a Topaz table: image_name, x_coord, y_coord and, where there is one, score.

    Two columns of numbers are read as those of `two_columns`.

    Returns
    -------
    PickTable
        With the coordinates as they stand: a table of scaled-down images is scaled by the caller.

    Raises
    ------
    FormatError
        If the file cannot be read, a column is missing, or a row is wrong.
    """
    table = header_table(path, "\t")
    words = " ".join(table.columns).split()
    if len(words) == len(COLUMNS) and all(map(is_number, words)):
        return read_two_columns(path)
    require_columns(table, (MICROGRAPH, X, Y))
    score = table.present([SCORE])
    columns = read_columns(table, (X, Y, *score), [MICROGRAPH], may_be_missing=score)
    table_of_picks = pick_table(
        columns.numbers[X],
        columns.numbers[Y],
        columns.numbers.get(SCORE),
        micrograph=read_micrographs(table, columns, MICROGRAPH),
        may_be_cut=check_end(table, [MICROGRAPH]),
    )
    return replace(table_of_picks, score_transform="logistic")  # log-likelihood ratios
