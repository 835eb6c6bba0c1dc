"""Tables that give each micrograph a value, such as its defocus."""

from __future__ import annotations

from pathlib import Path, PurePosixPath
from typing import Sequence

import numpy as np
from numpy.typing import NDArray

from repic_plugin.formats.base.errors import PathLike, format_error, listed
from repic_plugin.formats.base.text_tables import (
    header_table,
    read_columns,
    read_micrographs,
    require_columns,
)
from repic_plugin.formats.picks.names import match_names

MICROGRAPH = "micrograph"


def read_quality(path: PathLike, micrograph_names: Sequence[str]) -> NDArray[np.float64]:
    """Read a CSV table with a row for each micrograph.

    Its columns are ``micrograph`` and one with the values, under any name; further ones are passed
    over, and so are micrographs of other names. Folders and endings of names do not count.

    Returns
    -------
    ndarray of float64, shape (n_micrographs,)
        In the order of `micrograph_names`; nan for those that are not in the table or have an
        empty cell.

    Raises
    ------
    FormatError
        If the file cannot be read, a value is no number, a micrograph is there twice or none of
        them is.
    """
    file = Path(path)
    table = header_table(file, ",")
    require_columns(table, (MICROGRAPH,))
    others = [name for name in table.columns if name != MICROGRAPH]
    if not others:
        problem = f"must have a column of values, such as defocus, beside {MICROGRAPH}; add it"
        raise format_error(file, problem, line=table.start)
    columns = read_columns(table, others[:1], (MICROGRAPH,), may_be_missing=others[:1])
    values = np.full(len(micrograph_names), np.nan)
    written = read_micrographs(table, columns, MICROGRAPH).tolist()
    known_as = [(name, PurePosixPath(name).stem) for name in written]
    if len(set(written)) < len(written):
        row = next(i for i, name in enumerate(written) if written.index(name) < i)
        raise table.row_error(row, f"micrograph {written[row]} occurs twice; remove one of them")
    try:
        places = match_names(known_as, micrograph_names).place
    except ValueError as error:
        raise format_error(file, str(error)) from None
    is_known = places >= 0
    values[places[is_known]] = columns.numbers[others[0]][is_known]
    if not is_known.any():
        problem = (
            f"contains no micrograph of the picks, got {listed(written[:2])} for "
            f"{listed(micrograph_names[:2])}; make the names the same"
        )
        raise format_error(file, problem)
    return values
