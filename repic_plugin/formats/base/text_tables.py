"""Tables in text files: from lines to checked columns, with the line of whatever is wrong."""

from __future__ import annotations

import csv
import math
import re
from array import array
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Dict, Iterator, List, Mapping, Optional, Sequence, Tuple

import numpy as np
from numpy.typing import NDArray

from repic_plugin.formats.base.errors import (
    FormatError,
    NoCoordinatesError,
    format_error,
    listed,
    shown,
)
from repic_plugin.formats.base.opening import open_input
from repic_plugin.formats.base.plain_numbers import read_plain_rows
from repic_plugin.formats.picks.names import micrograph_path

MISSING = ("", "<NA>")  # an empty CSV cell; what crYOLO writes for a value it does not have
_WORD = re.compile(r""""[^"]*"(?=\s|$)|'[^']*'(?=\s|$)|\S+""")
_MIN_QUOTED = 2


@dataclass(frozen=True)
class TextTable:
    """The header and the data lines of one table of a text file.

    Attributes
    ----------
    path : Path
        The file.
    columns : tuple of str
        Name of each column.
    text : str
        The whole file, as from `read_text`.
    start, stop : int
        The table's data lines are among these of all lines, counted from 0.
    delimiter : str or None
        Separator of values; None for white space.
    name : str
        The table's name where a file holds several.
    remedy : str
        Remedy in errors; by default one for files of any program.
    has_comments : bool
        Whether lines that begin with ``#`` are comments.
    """

    path: Path
    columns: Tuple[str, ...]
    text: str
    start: int
    stop: int
    delimiter: Optional[str] = None
    name: str = ""
    remedy: str = ""
    has_comments: bool = True

    def present(self, names: Sequence[str]) -> List[str]:
        """Those of some columns that the table has."""
        return [name for name in names if name in self.columns]

    def numbered_rows(self) -> Iterator[Tuple[int, str]]:
        """Number in the file, from 1, and text of each data line."""
        end = -1
        for number in range(1, self.stop + 1):
            begin, end = end + 1, self.text.find("\n", end + 1)
            line = self.text[begin : None if end < 0 else end] if number > self.start else ""
            row = line.lstrip()
            if row and not (self.has_comments and row.startswith("#")):
                yield number, line

    def rows(self) -> List[str]:
        """The data lines."""
        return [line for _, line in self.numbered_rows()]

    def first(self, n: int) -> TextTable:
        """The table with its first n rows, of one or more."""
        return replace(self, stop=self._numbered(n - 1)[0])

    def row_error(self, row: int, problem: str) -> FormatError:
        """The error for a data row, counted from 0."""
        return format_error(self.path, problem, line=self._numbered(row)[0])

    def cell(self, row: int, column: str) -> str:
        """Cell of a column in a data row, counted from 0."""
        return _split(self, *self._numbered(row))[self.columns.index(column)]

    @property
    def unfinished_row(self) -> str:
        """The last line of the file, where it is the table's and has no line end; else nothing."""
        is_last = self.stop == n_lines(self.text)
        text = self.text[self.text.rfind("\n") + 1 :] if is_last else ""
        return "" if self.has_comments and text.lstrip().startswith("#") else text

    @property
    def last_number(self) -> int:
        """Number in the file, from 1, of the last line with anything in it."""
        return n_lines(self.text.rstrip() or self.text)

    def _numbered(self, row: int) -> Tuple[int, str]:
        return next(islice(self.numbered_rows(), row, None))


@dataclass(frozen=True)
class Columns:
    """Columns of a table: finite numbers (NaN: a missing value that may be missing) and words."""

    numbers: Dict[str, NDArray[np.float64]]
    words: Dict[str, List[str]]


def read_text(path: Path) -> str:
    """The text of a file with line feeds as its only line ends.

    Raises
    ------
    FormatError
        If it is no file, cannot be opened or is no text.
    """
    try:
        with open_input(path) as file:
            data = file.read()
    except FileNotFoundError:
        raise format_error(path, "no such file; check the name") from None
    except OSError as exc:
        raise format_error(path, f"cannot be read ({exc.strerror}); check the file") from exc
    if b"\0" in data:
        line = data.count(b"\n", 0, data.index(b"\0")) + 1
        raise format_error(
            path, "must be text, got a zero byte; check that it is not an image", line=line
        )
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as exc:
        line = data.count(b"\n", 0, exc.start) + 1
        problem = f"must be UTF-8 text, got byte {data[exc.start]:#04x}; convert the file"
        raise format_error(path, problem, line=line) from exc
    return text.replace("\r\n", "\n").replace("\r", "\n") if "\r" in text else text


def n_lines(text: str) -> int:
    """The number of lines of a text; what follows its last line feed is one."""
    return text.count("\n") + 1


def empty_error(path: Path) -> FormatError:
    """The error for a file that must have a header and has nothing."""
    return format_error(
        path,
        "the file is empty, but must have a header even without rows; the program that wrote it "
        "was probably interrupted: run it again or remove the file",
    )


def header_table(
    path: Path, delimiter: str, *, remedy: str = "", has_comments: bool = True
) -> TextTable:
    """The table of a file whose first line, comments apart, names the columns."""
    text = read_text(path)
    everything = TextTable(
        path, (), text, 0, n_lines(text), delimiter, remedy=remedy, has_comments=has_comments
    )
    for number, line in everything.numbered_rows():
        names = _split(everything, number, line)
        if has_comments:  # anybody may have written it, with spaces after the commas
            names = [name.strip() for name in names]
        return replace(everything, columns=tuple(names), start=number)
    raise empty_error(path)


def require_columns(table: TextTable, names: Sequence[str]) -> None:
    """Raise a FormatError unless the table has these columns, each once.

    A `NoCoordinatesError` where it has none of them, and its header was not cut off: then it is a
    text of another purpose.
    """
    missing = [name for name in names if name not in table.columns]
    if missing:
        problem = f"column {listed(missing)} is missing, found {listed(table.columns)}"
        remedy = table.remedy or "check that the suffix fits the format"
        is_other = len(missing) == len(names) and "\n" in table.text
        kind = NoCoordinatesError if is_other else FormatError
        raise format_error(table.path, f"{problem}; {remedy}", line=table.start or None, kind=kind)


def require_positive(
    table: TextTable, columns: Columns, names: Sequence[str], remedy: str = "correct the box size"
) -> None:
    """Raise a FormatError unless the values of these columns, where they are, exceed 0."""
    for name in names:
        values = columns.numbers[name]
        if values.min(initial=1) <= 0:
            row = int(np.argmax(values <= 0))
            raise table.row_error(row, f"{name} must be > 0, got {values[row]:g}; {remedy}")


def read_columns(
    table: TextTable,
    numbers: Sequence[str],
    words: Sequence[str] = (),
    may_be_missing: Sequence[str] = (),
    rules: Optional[Mapping[str, str]] = None,
) -> Columns:
    """Columns of a table, checked.

    Parameters
    ----------
    table : TextTable
    numbers, words : sequence of str
        Columns to read as numbers and as they stand. All must exist.
    may_be_missing : sequence of str
        Those of `numbers` in which a value may be missing: it becomes NaN.
    rules : mapping of str to str, optional
        What errors say that the values of a column must be.

    Raises
    ------
    FormatError
        At the first line with a wrong number of values, or a value that is no finite number.
    """
    for name in (*numbers, *words):
        if table.columns.count(name) > 1:
            raise format_error(table.path, f"column {name} occurs twice; remove one of them")
    fast = _read_fast(table, numbers, words, may_be_missing)
    if fast is None:
        return _read_carefully(table, numbers, words, may_be_missing, rules or {})
    return fast


def raw_words(row: str) -> List[str]:
    """The values of a line of a white-space table as they stand there, with their quotes."""
    return _WORD.findall(row) if '"' in row or "'" in row else row.split()


def read_micrographs(table: TextTable, columns: Columns, column: str) -> NDArray[np.object_]:
    """The micrographs of a column, shape (n,), see `micrograph_path`; each str is there once."""
    written = columns.words[column]
    name_of = {text: micrograph_path(text) for text in set(written)}
    names = [name_of[text] for text in written]
    if "" in names:
        row = names.index("")
        problem = f"{column} must name a micrograph, got {shown(written[row])}; fill the column"
        raise table.row_error(row, problem)
    return np.array(names, dtype=object)


def _read_fast(
    table: TextTable, numbers: Sequence[str], words: Sequence[str], may_be_missing: Sequence[str]
) -> Optional[Columns]:
    """All rows at once; None if anything is unusual, or wrong: the careful way finds the line."""
    data = table.text.encode() + b"\n"
    n_lines = max(table.stop - table.start, 0)
    found = np.empty((len(numbers), n_lines))
    places = np.empty((len(words), n_lines, 2), dtype=np.int64)
    columns = table.columns
    n_rows = read_plain_rows(
        np.frombuffer(data, dtype=np.uint8),
        table.start,
        table.stop,
        ord(table.delimiter or "\0"),
        table.has_comments,
        np.array([numbers.index(name) if name in numbers else -1 for name in columns]),
        np.array([words.index(name) if name in words else -1 for name in columns]),
        np.array([name in may_be_missing for name in columns]),
        found,
        places,
    )
    if n_rows < 0:
        return None
    return Columns(
        {name: column[:n_rows] for name, column in zip(numbers, found)},
        {name: _texts(data, place[:n_rows]) for name, place in zip(words, places)},
    )


def _texts(data: bytes, places: NDArray[np.int64]) -> List[str]:
    """Texts between begins and ends; equal ones are one object."""
    cells = [data[begin:end] for begin, end in places.tolist()]
    text_of = {cell: cell.decode() for cell in set(cells)}
    return [text_of[cell] for cell in cells]


def _read_carefully(
    table: TextTable,
    numbers: Sequence[str],
    words: Sequence[str],
    may_be_missing: Sequence[str],
    rules: Mapping[str, str],
) -> Columns:
    """Line by line: finds the line that is wrong, and reads what is unusual but right."""
    values = {name: array("d") for name in numbers}
    texts: Dict[str, List[str]] = {name: [] for name in words}
    places = [(values[n], table.columns.index(n), n, n in may_be_missing) for n in numbers]
    for number, line in table.numbered_rows():
        cells = _split(table, number, line)
        _check_count(table, number, cells)
        for column, place, name, optional in places:
            cell = cells[place].strip()
            missing = optional and cell in MISSING
            column.append(
                math.nan if missing else _number(table, number, name, cell, rules.get(name, ""))
            )
        for name, column_texts in texts.items():
            column_texts.append(cells[table.columns.index(name)])
    return Columns({name: np.array(values[name], np.float64) for name in numbers}, texts)


def _split(table: TextTable, number: int, line: str) -> List[str]:
    if table.delimiter is None:
        words = _WORD.findall(line)
        return [w[1:-1] if _is_quoted(w) else w for w in words]
    if table.delimiter == "\t":
        return line.split("\t")
    try:
        return next(csv.reader([line], delimiter=table.delimiter, strict=True))
    except csv.Error as exc:
        problem = f"cannot be split into cells ({exc}); {table.remedy or 'check the quotes'}"
        raise format_error(table.path, problem, line=number) from exc


def _is_quoted(word: str) -> bool:
    return len(word) >= _MIN_QUOTED and word[0] in "\"'" and word[0] == word[-1]


def _check_count(table: TextTable, number: int, cells: Sequence[str]) -> None:
    expected = len(table.columns)
    if len(cells) == expected:
        return
    remedy = "remove the excess values"
    if len(cells) < expected:
        is_last = number >= table.last_number
        remedy = "the file may be cut off: write it again" if is_last else "complete the row"
    problem = f"a row must have {expected} values, got {len(cells)} for {listed(table.columns)}"
    raise format_error(table.path, f"{problem}; {table.remedy or remedy}", line=number)


def _number(table: TextTable, number: int, name: str, cell: str, rule: str) -> float:
    try:
        # Python takes 1_000 for a number; no program that writes picks does.
        value = float(cell.replace("_", "?"))
    except ValueError:
        rule, remedy = rule or "a number", "correct or remove the row"
    else:
        if math.isfinite(value):
            return value
        rule, remedy = rule or "finite", "remove the row"
    problem = f"{name} must be {rule}, got {shown(cell)}; {table.remedy or remedy}"
    raise format_error(table.path, problem, line=number)
