"""The tables of a STAR file.

A parser of our own: emtable 0.0.14 ends a table at its first blank line, takes each column's type
from the first row alone, names no line when a row is wrong and starts a new table at a row whose
first value begins with ``data_``; rows would be lost without a word.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import List, Optional, Tuple, Type

from repic_plugin.formats.base.errors import FormatError, format_error, listed
from repic_plugin.formats.base.text_tables import TextTable, empty_error, read_text

_KEYWORD = re.compile(r"^[ \t]*(data_\S*|loop_)[ \t]*(?:#.*)?$", re.MULTILINE)
_LABEL = re.compile(r"\s*_(\S+)\s*(?:#.*)?$")
_PAIR = re.compile(r"""\s*_(\S+)\s+("[^"]*"|'[^']*'|[^\s#]\S*)\s*(?:#.*)?$""")


def star_tables(path: Path, *, pairs: bool = False, text: Optional[str] = None) -> List[TextTable]:
    """The tables of a STAR file that have columns (``loop_``), in the order of the file.

    Parameters
    ----------
    path : Path
    pairs : bool
        Whether to return blocks of names and values without ``loop_`` too, as tables of one row.
    text : str, optional
        What the file holds, where it was read already.

    Returns
    -------
    list of TextTable
        Named ``data_...`` as in the file; columns without their underscore.

    Raises
    ------
    FormatError
        If the file is empty or no text.
    """
    text = read_text(path) if text is None else text
    if not text.strip():
        raise empty_error(path)
    lines = text.split("\n")
    tables = []
    name, position, line = "", 0, 0
    keywords = []
    for match in _KEYWORD.finditer(text):
        line += text.count("\n", position, match.start())
        position = match.start()
        keywords.append((match.group(1), line))
    ends = [line for _, line in keywords[1:]] + [len(lines)]
    for (keyword, line), stop in zip(keywords, ends):
        if keyword == "loop_":
            columns, start = _labels(lines, line + 1, stop)
            tables.append(TextTable(path, columns, text, start, stop, name=name))
        else:
            name = keyword
            if pairs:
                tables += _pairs(path, lines, line + 1, stop, name)
    return tables


def no_table_error(
    path: Path, tables: List[TextTable], wanted: str, kind: Type[FormatError] = FormatError
) -> FormatError:
    """The error for a file without the wanted table: lists the tables and columns there are."""
    found = [f"{t.name} ({listed('_' + c for c in t.columns)})" for t in tables]
    remedy = "it is of another kind" if found else "the file may be cut off or of another kind"
    return format_error(
        path, f"no loop_ table {wanted}, found {'; '.join(found) or 'none'}; {remedy}", kind=kind
    )


def _pairs(path: Path, lines: List[str], start: int, stop: int, name: str) -> List[TextTable]:
    """The block of names and values between two lines as a table of one row; none without any."""
    found = [_PAIR.match(line) for line in lines[start:stop]]
    columns = tuple(match.group(1) for match in found if match)
    if not columns:
        return []
    # The row stands in the place of the first pair, for the messages to name a line of the block.
    first = start + next(number for number, match in enumerate(found) if match)
    row = " ".join(match.group(2) for match in found if match)
    end = "" if stop == len(lines) and lines[-1].strip() else "\n"  # the line's own end
    text = "\n" * first + row + end
    return [TextTable(path, columns, text, first, first + 1, name=name)]


def _labels(lines: List[str], start: int, stop: int) -> Tuple[Tuple[str, ...], int]:
    """The column names below a ``loop_``, and the index of the line after them."""
    labels = []
    after = start
    for number in range(start, stop):
        match = _LABEL.match(lines[number])
        if match:
            labels.append(match.group(1))
            after = number + 1
        elif lines[number].strip() and not lines[number].lstrip().startswith("#"):
            break
    return tuple(labels), after
