"""Text of two columns: box centres as x and y, one file a micrograph, as many programs write it."""

from __future__ import annotations

from pathlib import Path

from repic_plugin.formats.base.file_ends import check_end
from repic_plugin.formats.base.text_tables import read_columns, read_text
from repic_plugin.formats.picks.plain_rows import plain_table
from repic_plugin.formats.picks.table import PickTable, pick_table

NAME = "text"
SUFFIXES = (".coord", ".coords", ".plt")
IMAGIC = ".plt"
ROW = "a row begins with x and y"
IMAGIC_ROW = "a row begins with the line and the column, y and x"


def read(path: Path) -> PickTable:
    """Read the two first columns of a text file.

    Parameters
    ----------
    path : Path
        Of XIMDISP, DoG picker and others; a PLT file of IMAGIC has the line first, which is y.

    Returns
    -------
    PickTable
        Without scores. A file without a row is a micrograph without picks.

    Raises
    ------
    FormatError
        If the file cannot be read, or a row has no two numbers.
    """
    is_imagic = path.suffix.lower() == IMAGIC
    names, rule = (("y", "x"), IMAGIC_ROW) if is_imagic else (("x", "y"), ROW)
    table = plain_table(path, read_text(path), names, len(names), rule, takes_more=True)
    columns = read_columns(table, names).numbers
    notes = ("the first column of its .plt files is taken as y, as IMAGIC writes it",)
    return pick_table(
        columns["x"],
        columns["y"],
        None,
        notes=notes if is_imagic else (),
        may_be_cut=check_end(table),
    )
