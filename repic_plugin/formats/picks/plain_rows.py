"""Files of numbers without named columns, of which the first row tells how many there are."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Sequence

from repic_plugin.formats.base.errors import format_error, shown
from repic_plugin.formats.base.text_tables import TextTable, n_lines


def plain_table(
    path: Path,
    text: str,
    columns: Sequence[str],
    n_required: int,
    rule: str,
    *,
    takes_more: bool = False,
) -> TextTable:
    """The rows of numbers of a file; a first line of words is taken as a header.

    Parameters
    ----------
    path : Path
    text : str
        The whole file, as from `read_text`.
    columns : sequence of str
        Names for the columns, in their order.
    n_required : int
        How many of them a row must have.
    rule : str
        What an error says of a row.
    takes_more : bool
        Whether rows may have further columns.

    Returns
    -------
    TextTable
        With as many columns as the first row has; all of `columns` that are required if there is
        none.

    Raises
    ------
    FormatError
        If the first row has too few columns, or too many.
    """
    start = 0
    everything = TextTable(path, tuple(columns), text, 0, n_lines(text))
    for number, line in everything.numbered_rows():
        words = line.split()
        fits = n_required <= len(words) and (takes_more or len(words) <= len(columns))
        if start == 0 and fits and not any(map(is_number, words)):
            start = number
            continue
        if not fits:
            raise format_error(path, f"{rule}, got {shown(line)}; correct the row", line=number)
        further = [f"column {i + 1}" for i in range(len(columns), len(words))]
        names = (*columns[: len(words)], *further)
        return replace(everything, columns=names, start=start)
    return replace(everything, columns=tuple(columns[:n_required]), start=start)


def is_number(word: str) -> bool:
    """Whether a word is a number, NaN and infinity included."""
    try:
        float(word)
    except ValueError:
        return False
    return True
