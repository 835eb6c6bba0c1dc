"""The table of the micrographs of a template picking."""

from __future__ import annotations

from typing import Iterable, List, NamedTuple

from repic_plugin.formats.base.csv_tables import (
    COUNT,
    NUMBER,
    TEXT,
    number_cell,
    read_records,
    write_table,
)
from repic_plugin.formats.base.errors import PathLike

DECIMALS = 4
REMEDY = "run the picking again"


class PickedMicrograph(NamedTuple):
    """What was picked on a micrograph, and what was left out.

    Attributes
    ----------
    micrograph : str
    n_picks : int
    min_score : float
        Minimum score, as given or found.
    blank_share, contamination_share : float
        Parts of the micrograph that were masked, 0 to 1.
    """

    micrograph: str
    n_picks: int
    min_score: float
    blank_share: float
    contamination_share: float


KINDS = {"micrograph": TEXT, "n_picks": COUNT, "min_score": NUMBER}
KINDS.update(dict.fromkeys(("blank_share", "contamination_share"), NUMBER))


def write_picked_micrographs(path: PathLike, rows: Iterable[PickedMicrograph]) -> None:
    """Write the rows as CSV.

    Raises
    ------
    OSError
        If the file cannot be written.
    """
    cells = (
        [row.micrograph, row.n_picks, *(number_cell(value, DECIMALS) for value in row[2:])]
        for row in rows
    )
    write_table(path, PickedMicrograph._fields, cells)


def read_picked_micrographs(path: PathLike) -> List[PickedMicrograph]:
    """The rows of the table; none where it is not there yet.

    Raises
    ------
    FormatError
        If a column is missing or a cell is not of its kind.
    """
    return [PickedMicrograph(**row) for row in read_records(path, KINDS, REMEDY)]
