"""Parts of STAR files as written by RELION 3.1 and later."""

from __future__ import annotations

from pathlib import Path
from typing import Any, List, Mapping, Sequence

from numpy.typing import NDArray

from repic_plugin.formats.base.errors import format_error
from repic_plugin.formats.base.number_rows import Cells, rows_text
from repic_plugin.formats.base.text_tables import raw_words

VERSION = "# version 30001"


def table_header(name: str, labels: Sequence[str]) -> str:
    """The lines above the rows of a table; `name` begins with ``data_``."""
    return f"\n{VERSION}\n\n{name}\n\n{loop_header(labels)}"


def loop_header(labels: Sequence[str]) -> str:
    """The names of a table's columns."""
    lines = [f"_{label} #{number}" for number, label in enumerate(labels, 1)]
    return "\n".join(["loop_", *lines, ""])


def table_rows(columns: Sequence[Sequence[str]]) -> str:
    """The rows of a table from its columns."""
    return "".join(" ".join(row) + "\n" for row in zip(*columns))


def unnamed_table(labels: Sequence[str], columns: Sequence[Cells]) -> bytes:
    """A whole table without a name or a version, as RELION's pickers write it."""
    return f"\ndata_\n\n{loop_header(labels)}".encode() + rows_text(columns, " ") + b"\n"


def table_text(name: str, columns: Mapping[str, Sequence[str]]) -> str:
    """A whole table, columns by their labels, and the blank line that ends it."""
    return f"{table_header(name, [*columns])}{table_rows([*columns.values()])}\n"


def number_cells(column: NDArray[Any]) -> List[str]:
    """Numbers as text: integers as they are, others with six decimals."""
    if column.dtype.kind == "i":
        return list(map(str, column.tolist()))
    return [f"{value:.6f}" for value in column.tolist()]


def quotes_for(file: str, path: Path) -> str:
    """Quotes, mostly none, that the name of a file or of its images needs in a STAR file.

    Raises
    ------
    FormatError
        If no quotes help; it names the file `path` that is being written.
    """
    for quote in ("", '"', "'"):
        name = f"{quote}1@{file}{quote}"
        if file.isprintable() and raw_words(name) == [name]:
            return quote
    raise format_error(path, f"the name {file!r} cannot be written; rename the file")
