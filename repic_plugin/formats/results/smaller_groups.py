"""Table of the groups of fewer pickers than have to agree, beside that of the particles."""

from __future__ import annotations

from pathlib import Path
from typing import Optional, Sequence

import numpy as np

from repic_plugin.consensus import SmallerGroups
from repic_plugin.formats.base.csv_tables import (
    COUNT,
    FLAG,
    open_table,
    typed_columns,
    write_table,
)
from repic_plugin.formats.base.errors import PathLike
from repic_plugin.formats.results.consensus_writing import SMALLER

N_GROUPS = "n_groups"


def write_smaller_groups(
    folder: PathLike, groups: SmallerGroups, picker_names: Sequence[str]
) -> None:
    """Write a row for each subset of the pickers: whether each is in it, and how many groups."""
    rows = (
        [*("true" if one else "false" for one in found), count]
        for found, count in zip(groups.found.tolist(), groups.count.tolist())
    )
    write_table(Path(folder) / SMALLER, [*picker_names, N_GROUPS], rows)


def read_smaller_groups(folder: PathLike, picker_names: Sequence[str]) -> Optional[SmallerGroups]:
    """The groups that `write_smaller_groups` left; None where there are none.

    Raises
    ------
    FormatError
        If the table is damaged, or of other pickers.
    """
    file = Path(folder) / SMALLER
    if not file.is_file():
        return None
    table = open_table(file, "run the consensus again")
    kinds = {**dict.fromkeys(picker_names, FLAG), N_GROUPS: COUNT}
    columns = typed_columns(table, kinds, is_exact=True)
    count = columns[N_GROUPS]
    found = np.zeros((len(count), len(picker_names)), dtype=bool)
    for place, name in enumerate(picker_names):
        found[:, place] = columns[name]
    return SmallerGroups(found, count)
