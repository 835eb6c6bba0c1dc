"""The table of an iterative run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Iterable, List

from repic_plugin.formats.base.csv_tables import (
    COUNT,
    NUMBER_OR_NONE,
    TEXT,
    number_cell,
    read_records,
    write_table,
)
from repic_plugin.formats.base.errors import PathLike

if TYPE_CHECKING:
    from repic_plugin.iteration import IterationRow

DECIMALS = 4
KINDS = {"name": TEXT, "subset": TEXT, "iteration": COUNT, "n_micrographs": COUNT}
KINDS["n_particles"] = COUNT
REMEDY = "continue the run, which writes the table again"


def write_iterations(path: PathLike, rows: Iterable[IterationRow]) -> None:
    """Write the rows as CSV; what is not known is empty."""
    from repic_plugin.iteration import ITERATION_COLUMNS  # noqa: PLC0415 - loads slowly

    write_table(path, ITERATION_COLUMNS, ([_cell(value) for value in row] for row in rows))


def read_iterations(path: PathLike) -> List[IterationRow]:
    """The rows of the table; none where it is not there yet.

    Raises
    ------
    FormatError
        If a column is missing or a cell is not of its kind.
    """
    from repic_plugin.iteration import ITERATION_COLUMNS, IterationRow  # noqa: PLC0415 - loads slowly

    kinds = {name: KINDS.get(name, NUMBER_OR_NONE) for name in ITERATION_COLUMNS}
    return [IterationRow(**row) for row in read_records(path, kinds, REMEDY)]


def _cell(value: object) -> str:
    return number_cell(value, DECIMALS) if isinstance(value, float) else str(value)
