"""Whether a text file was cut off within its last number."""

from __future__ import annotations

from typing import Sequence

from repic_plugin.formats.base.errors import format_error, shown
from repic_plugin.formats.base.text_tables import TextTable, n_lines

SIDES = ("width", "height")  # of boxes, which are square
MIN_ROWS_OF_A_KIND = 3  # to say how many decimals the numbers of a column have


def check_end(table: TextTable, words: Sequence[str] = ()) -> bool:
    """Whether the file may be cut within the last number of a table.

    A last line without a line end may be whole: it is where its last value has as many decimals as
    all others of that column, or is the same as all of them.

    Parameters
    ----------
    table : TextTable
    words : sequence of str
        Columns of names.

    Raises
    ------
    FormatError
        If it is cut: its last value is shorter than all others of a column of one kind.
    """
    last = table.unfinished_row
    if not last.strip():
        return False
    rows = table.rows()
    if not rows or rows[-1] != last:
        return True  # within the header
    cells = [row.split(table.delimiter) for row in rows]
    *before, end = (row[-1].strip() for row in cells)
    is_square = table.columns[-2:] == SIDES
    before += [row[-2] for row in cells if is_square]
    is_known = len(before) > 1 or is_square
    if len(set(before)) == 1 and is_known and table.columns[-1] not in words:
        if end == before[0]:
            return len(cells) == 1  # a score may have stood behind it
        is_short = before[0].startswith(end)
    else:
        kinds = {len(one.partition(".")[2]) for one in before}
        if len(kinds) > 1 or kinds <= {0} or len(before) < MIN_ROWS_OF_A_KIND:
            return True
        if len(end.partition(".")[2]) in kinds:
            return False
        is_short = len(end.partition(".")[2]) < min(kinds)
    if is_short:
        problem = f"{table.columns[-1]} is cut off, got {shown(end)} where all others are as "
        remedy = f"{shown(before[0])}, and the line has no end; copy or write the file again"
        raise format_error(table.path, problem + remedy, line=n_lines(table.text))
    return True
