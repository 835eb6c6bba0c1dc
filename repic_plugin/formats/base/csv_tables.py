"""CSV tables of this plugin: typed columns by name, written atomically."""

from __future__ import annotations

import csv
import io
import math
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Dict, Iterable, Iterator, List, Mapping, Optional, Sequence, TextIO

import numpy as np
from numpy.typing import NDArray

from repic_plugin.formats.base.atomic import atomic_open
from repic_plugin.formats.base.errors import FormatError, PathLike, format_error, listed, shown
from repic_plugin.formats.base.text_tables import (
    TextTable,
    header_table,
    n_lines,
    read_columns,
    require_columns,
)

EXACT = 2.0**53  # above, not every whole number is a float
NONE = -1  # a whole number that is missing


@dataclass(frozen=True)
class Kind:
    """Kind of the cells of a column.

    Attributes
    ----------
    rule : str
        What a cell must be, for errors.
    dtype : type
        Of the column: float64, int64, bool or object.
    may_be_missing : bool
        Whether a number's cell may be empty: NaN, or -1 for whole numbers.
    values : mapping of str to object, optional
        Allowed cells and their meanings.
    least : float
        Smallest whole number allowed.
    """

    rule: str
    dtype: type
    may_be_missing: bool = False
    values: Optional[Mapping[str, Any]] = None
    least: float = -math.inf

    @property
    def is_number(self) -> bool:
        """Whether its cells are read as numbers."""
        return self.values is None and self.dtype is not np.object_


NUMBER = Kind("a finite number", np.float64)
NUMBER_OR_NONE = Kind("a finite number or empty", np.float64, may_be_missing=True)
COUNT = Kind("a whole number", np.int64)
COUNT_OR_NONE = Kind("a whole number or empty", np.int64, may_be_missing=True)
FLAG = Kind("true or false", np.bool_, values={"true": True, "false": False})
TEXT = Kind("text", np.object_)


def open_table(path: PathLike, remedy: str) -> TextTable:
    """A table of this plugin, complete, with its rows still as text.

    Raises
    ------
    FormatError
        If the file cannot be read, is empty or ends within a line.
    """
    table = header_table(Path(path), ",", remedy=remedy, has_comments=False)
    if not table.text.endswith("\n"):
        raise format_error(table.path, f"ends within a line; {remedy}", line=n_lines(table.text))
    return table


def typed_columns(
    table: TextTable, kinds: Mapping[str, Kind], *, is_exact: bool = False
) -> Dict[str, NDArray[Any]]:
    """Columns of a table by name, each of its kind.

    Parameters
    ----------
    table : TextTable
    kinds : mapping of str to Kind
        Of the columns to read.
    is_exact : bool
        Whether the table must have these columns only, in this order.

    Raises
    ------
    FormatError
        If a column is missing or a cell is not of its kind: one line with the file, the line, the
        rule, the value and the remedy.
    """
    if is_exact and table.columns != tuple(kinds):
        problem = f"columns must be {listed(kinds)}, got {listed(table.columns)}; {table.remedy}"
        raise format_error(table.path, problem, line=table.start)
    require_columns(table, [*kinds])
    numbers = [name for name, kind in kinds.items() if kind.is_number]
    texts = [name for name, kind in kinds.items() if not kind.is_number]
    missing = [name for name in numbers if kinds[name].may_be_missing]
    rules = {name: kind.rule for name, kind in kinds.items()}
    found = read_columns(table, numbers, texts, missing, rules)
    return {
        name: _whole(table, name, kind, found.numbers.pop(name))
        if kind.is_number
        else _meant(table, name, kind, found.words.pop(name))
        for name, kind in kinds.items()
    }


def read_csv(path: PathLike, kinds: Mapping[str, Kind], remedy: str) -> Dict[str, NDArray[Any]]:
    """Columns of a table of this plugin, as from `typed_columns`."""
    return typed_columns(open_table(path, remedy), kinds)


def read_records(path: PathLike, kinds: Mapping[str, Kind], remedy: str) -> List[Dict[str, Any]]:
    """The rows of a small table, values by column; none where there is no file yet."""
    if not Path(path).is_file():
        return []
    columns = read_csv(path, kinds, remedy)
    rows = zip(*(column.tolist() for column in columns.values()))
    return [dict(zip(columns, row)) for row in rows]


def _whole(table: TextTable, name: str, kind: Kind, values: NDArray[np.float64]) -> NDArray[Any]:
    """A column of numbers in its dtype; they must be whole where that is one of whole numbers."""
    if kind.dtype is np.float64:
        return values
    values[np.isnan(values)] = NONE
    is_whole = (values == np.floor(values)) & (abs(values) < EXACT)
    bad = np.flatnonzero(~is_whole | (values < kind.least))
    if len(bad):
        raise _cell_error(table, name, kind, int(bad[0]))
    return values.astype(kind.dtype)


def _meant(table: TextTable, name: str, kind: Kind, cells: Sequence[str]) -> NDArray[Any]:
    """Values of the texts of a column."""
    if kind.values is None:
        return np.array(cells, dtype=kind.dtype)
    meant = kind.values
    try:
        return np.array([meant[cell] for cell in cells], dtype=kind.dtype)
    except KeyError:
        bad = next(row for row, cell in enumerate(cells) if cell not in meant)
        raise _cell_error(table, name, kind, bad) from None


def _cell_error(table: TextTable, name: str, kind: Kind, row: int) -> FormatError:
    problem = f"{name} must be {kind.rule}, got {shown(table.cell(row, name))}"
    return table.row_error(row, f"{problem}; {table.remedy or 'correct the row'}")


def write_table(path: PathLike, header: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Write a CSV table in one step.

    Parameters
    ----------
    path : str or path
    header : sequence of str
    rows : iterable of sequences
        Cells are written as `str` gives them.
    """
    with csv_rows(path) as writer:
        writer.writerow(header)
        writer.writerows(rows)


@contextmanager
def csv_rows(path: PathLike) -> Iterator[Any]:
    """A `csv.writer` that streams rows to a file, which appears when complete."""
    with _atomic_text(path) as text:
        yield csv.writer(text, lineterminator="\n")


def csv_text(cells: Iterable[object]) -> str:
    """A line of a table, quoted where it must be."""
    line = io.StringIO()
    csv.writer(line, lineterminator="\n").writerow([*cells])
    return line.getvalue()[:-1]


def quoted_cell(name: str) -> str:
    """A name as one cell, quoted if it would be read as a comment or as several cells.

    Raises
    ------
    ValueError
        If it is empty or cannot be printed.
    """
    if not name.strip() or not name.isprintable():
        raise ValueError(f"a name must be printable text, got {name!r}; rename it")
    plain = not any(c in name for c in ',"#')
    return name if plain else '"' + name.replace('"', '""') + '"'


def number_cell(value: float, decimals: int) -> str:
    """A number, or an empty text for NaN."""
    return "" if math.isnan(value) else f"{value:.{decimals}f}"


@contextmanager
def _atomic_text(path: PathLike) -> Iterator[TextIO]:
    """A text file that is streamed to the disk and appears when complete."""
    with atomic_open(path) as file:
        text = io.TextIOWrapper(file, encoding="utf-8", newline="")
        try:
            yield text
        finally:
            text.detach()  # writes the rest; the file below is closed by who opened it
