"""The table of Fourier shell correlations: a row for each map and shell."""

from __future__ import annotations

from pathlib import Path
from typing import Dict, List, Mapping

import numpy as np

from repic_plugin.evaluation import ShellCorrelation
from repic_plugin.formats.base.errors import PathLike
from repic_plugin.formats.base.text_tables import header_table, read_columns, require_columns
from repic_plugin.formats.results.consensus_writing import write_table

__all__ = ["read_fsc_table", "write_fsc_table"]

NUMBERS = ("frequency_per_angstrom", "correlation", "n_voxels")
COLUMNS = ("map", *NUMBERS)


def write_fsc_table(path: PathLike, curves: Mapping[str, ShellCorrelation]) -> None:
    """Write the curves by the names of their maps as CSV.

    Raises
    ------
    OSError
        If the file cannot be written.
    """
    rows = (
        (name, f"{frequency:.8g}", f"{correlation:.6f}", n)
        for name, curve in curves.items()
        for frequency, correlation, n in zip(
            curve.frequency.tolist(), curve.correlation.tolist(), curve.n_voxels.tolist()
        )
    )
    write_table(path, COLUMNS, rows)


def read_fsc_table(path: PathLike) -> Dict[str, ShellCorrelation]:
    """The curves of a table, in its order.

    Raises
    ------
    FormatError
        If the file cannot be read, or a value is missing or no number.
    """
    table = header_table(Path(path), ",")
    require_columns(table, COLUMNS)
    columns = read_columns(table, NUMBERS, ("map",))
    rows: Dict[str, List[int]] = {}
    for row, name in enumerate(columns.words["map"]):
        rows.setdefault(name, []).append(row)
    frequency, correlation, n_voxels = (columns.numbers[name] for name in NUMBERS)
    return {
        name: ShellCorrelation(
            frequency[mine], correlation[mine], np.rint(n_voxels[mine]).astype(np.int64)
        )
        for name, mine in rows.items()
    }
