"""Tables in text files: from lines to checked columns, with the line of whatever is wrong."""

from __future__ import annotations

import csv
import math
import re
from array import array
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any, Dict, Iterator, List, Mapping, Optional, Sequence, Tuple

import numpy as np
from numpy.typing import NDArray

from repic_plugin.formats.base.errors import FormatError, format_error, listed, shown
from repic_plugin.formats.base.opening import open_input
from repic_plugin.formats.picks.names import micrograph_path

MISSING = ("", "<NA>")  # an empty CSV cell; what crYOLO writes for a value it does not have
_WORD = re.compile(r""""[^"]*"(?=\s|$)|'[^']*'(?=\s|$)|\S+""")
_MIN_QUOTED = 2
_HIDDEN = re.compile(r'"[^"\n]*(,,|\t\t)[^"\n]*"')  # an empty cell, or a part of a quoted one
_PLACEHOLDER = "-1e300"  # for an empty cell, where all rows are read at once
_CHUNK = 1 << 14  # rows whose empty cells are filled at a time


@dataclass(frozen=True)
class TextTable:
    """The header and the data lines of one table of a text file.

    Attributes
    ----------
    path : Path
        The file.
    columns : tuple of str
        Name of each column.
    lines : sequence of str
        Every line of the file.
    start, stop : int
        The table's data lines are among ``lines[start:stop]``.
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
    lines: Sequence[str]
    start: int
    stop: int
    delimiter: Optional[str] = None
    name: str = ""
    remedy: str = ""
    has_comments: bool = True

    def present(self, names: Sequence[str]) -> List[str]:
        """Those of some columns that the table has."""
        return [name for name in names if name in self.columns]

    def rows(self) -> List[str]:
        """The data lines, without blank lines and comments."""
        rows = list(filter(str.strip, self.lines[self.start : self.stop]))
        if self.has_comments and "#" in "".join(rows):
            rows = [row for row in rows if not row.lstrip().startswith("#")]
        return rows

    def numbered_rows(self) -> Iterator[Tuple[int, str]]:
        """Number in the file, from 1, and text of each data line."""
        for number in range(self.start, self.stop):
            text = self.lines[number].lstrip()
            if text and not (self.has_comments and text.startswith("#")):
                yield number + 1, self.lines[number]

    def row_error(self, row: int, problem: str) -> FormatError:
        """The error for a data row, counted from 0."""
        return format_error(self.path, problem, line=self._numbered(row)[0])

    def cell(self, row: int, column: str) -> str:
        """Cell of a column in a data row, counted from 0."""
        return _split(self, *self._numbered(row))[self.columns.index(column)]

    @property
    def unfinished_row(self) -> str:
        """The last line of the file, where it is the table's and has no line end; else nothing."""
        text = self.lines[-1] if self.stop == len(self.lines) else ""
        return "" if self.has_comments and text.lstrip().startswith("#") else text

    @property
    def last_number(self) -> int:
        """Number in the file, from 1, of the last line with anything in it."""
        n_blank = next((i for i, one in enumerate(reversed(self.lines)) if one.strip()), 0)
        return len(self.lines) - n_blank

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
    lines = read_text(path).split("\n")
    everything = TextTable(path, (), lines, 0, len(lines), delimiter, "", remedy, has_comments)
    for number, line in everything.numbered_rows():
        names = _split(everything, number, line)
        if has_comments:  # anybody may have written it, with spaces after the commas
            names = [name.strip() for name in names]
        return replace(everything, columns=tuple(names), start=number)
    raise empty_error(path)


def require_columns(table: TextTable, names: Sequence[str]) -> None:
    """Raise a FormatError unless the table has these columns, each once."""
    missing = [name for name in names if name not in table.columns]
    if missing:
        problem = f"column {listed(missing)} is missing, found {listed(table.columns)}"
        remedy = table.remedy or "check that the suffix fits the format"
        raise format_error(table.path, f"{problem}; {remedy}", line=table.start or None)


def require_positive(
    table: TextTable, columns: Columns, names: Sequence[str], remedy: str = "correct the box size"
) -> None:
    """Raise a FormatError unless the values of these columns, where they are, exceed 0."""
    for name in names:
        bad = np.flatnonzero(columns.numbers[name] <= 0)
        if len(bad):
            value = columns.numbers[name][bad[0]]
            raise table.row_error(bad[0], f"{name} must be > 0, got {value:g}; {remedy}")


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
    rows = table.rows()
    fast = _read_fast(table, rows, numbers, words, may_be_missing)
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
    table: TextTable,
    rows: List[str],
    numbers: Sequence[str],
    words: Sequence[str],
    may_be_missing: Sequence[str],
) -> Optional[Columns]:
    """All rows at once; None if anything is unusual."""
    if not rows:
        return Columns({name: np.zeros(0) for name in numbers}, {name: [] for name in words})
    if table.delimiter is None and "'" in "".join(rows):
        return None
    # Columns that nobody asked for are cut to a character, but counted.
    kinds = {**dict.fromkeys(numbers, "f8"), **dict.fromkeys(words, "O")}
    dtype = np.dtype([(f"c{i}", kinds.get(name, "U1")) for i, name in enumerate(table.columns)])
    found = _loaded(rows, dtype, table.delimiter)
    is_filled = found is None and bool(may_be_missing)
    if is_filled and table.delimiter:
        found = _loaded(_filled(rows, table.delimiter), dtype, table.delimiter)
    # An open quote joins lines: then, and for NaN and infinity, the careful way finds the line.
    if found is None or len(found) != len(rows):
        return None
    at = {name: f"c{table.columns.index(name)}" for name in (*numbers, *words)}
    columns = Columns(
        {name: np.ascontiguousarray(found[at[name]]) for name in numbers},
        {name: found[at[name]].tolist() for name in words},
    )
    finite = all(np.isfinite(column).all() for column in columns.numbers.values())
    return columns if finite and (not is_filled or _emptied(columns, may_be_missing)) else None


def _emptied(columns: Columns, may_be_missing: Sequence[str]) -> bool:
    """Turn placeholders into NaN; return whether all are where numbers may be missing."""
    if any(_PLACEHOLDER in cells for cells in columns.words.values()):
        return False
    for name, column in columns.numbers.items():
        missing = column == float(_PLACEHOLDER)
        if missing.any() and name not in may_be_missing:
            return False
        column[missing] = np.nan
    return True


def _loaded(rows: Any, dtype: np.dtype[Any], delimiter: Optional[str]) -> Optional[NDArray[Any]]:
    """Rows as a structured array; None where a cell is not of its kind."""
    quotechar = '"' if delimiter != "\t" else None
    try:
        return np.loadtxt(
            rows, dtype, comments=None, delimiter=delimiter, quotechar=quotechar, ndmin=1
        )
    except ValueError:
        return None


def _filled(rows: Sequence[str], delimiter: str) -> Iterator[str]:
    """The rows with a placeholder in their empty cells; a ValueError where that is unsafe."""
    for first in range(0, len(rows), _CHUNK):
        text = "\n".join(["", *rows[first : first + _CHUNK], ""])
        if _PLACEHOLDER in text or _HIDDEN.search(text):
            raise ValueError("an apparently empty cell may be part of another")
        for _ in range(2):  # of three in a row the middle one is in no pair at first
            text = text.replace(delimiter * 2, f"{delimiter}{_PLACEHOLDER}{delimiter}")
        text = text.replace(f"{delimiter}\n", f"{delimiter}{_PLACEHOLDER}\n")
        yield from text.replace(f"\n{delimiter}", f"\n{_PLACEHOLDER}{delimiter}")[1:-1].split("\n")


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
