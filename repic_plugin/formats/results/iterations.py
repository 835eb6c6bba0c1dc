"""The table of an iterative run."""

from __future__ import annotations

import csv
import math
from pathlib import Path
from typing import Any, Dict, Iterable, List

from repic_plugin.formats.base.errors import PathLike
from repic_plugin.formats.results.consensus_writing import write_table
from repic_plugin.iteration import ITERATION_COLUMNS, IterationRow

__all__ = ["read_iterations", "write_iterations"]

DECIMALS = 4
WORDS, COUNTS = ("name", "subset"), ("iteration", "n_micrographs", "n_particles")


def write_iterations(path: PathLike, rows: Iterable[IterationRow]) -> None:
    """Write the rows as CSV; what is not known is empty.

    Raises
    ------
    OSError
        If the file cannot be written.
    """
    write_table(path, ITERATION_COLUMNS, ([_cell(value) for value in row] for row in rows))


def read_iterations(path: PathLike) -> List[IterationRow]:
    """The rows of the table; none where it is not there yet."""
    if not Path(path).is_file():
        return []
    with open(path, encoding="utf-8", newline="") as file:
        return [IterationRow(**_values(record)) for record in csv.DictReader(file)]


def _cell(value: object) -> str:
    if isinstance(value, float):
        return "" if math.isnan(value) else f"{value:.{DECIMALS}f}"
    return str(value)


def _values(record: Dict[str, str]) -> Dict[str, Any]:
    values: Dict[str, Any] = {}
    for name, text in record.items():
        if name in WORDS:
            values[name] = text
        elif name in COUNTS:
            values[name] = int(text)
        else:
            values[name] = float(text) if text else math.nan
    return values
