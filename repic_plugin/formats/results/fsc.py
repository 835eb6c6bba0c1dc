"""The table of Fourier shell correlations: a row for each map and shell."""

from __future__ import annotations

from typing import TYPE_CHECKING, Dict, List, Mapping

from repic_plugin.formats.base.csv_tables import COUNT, NUMBER, TEXT, read_csv, write_table
from repic_plugin.formats.base.errors import PathLike

if TYPE_CHECKING:
    from repic_plugin.evaluation import ShellCorrelation

COLUMNS = {"map": TEXT, "frequency_per_angstrom": NUMBER, "correlation": NUMBER, "n_voxels": COUNT}


def write_fsc_table(path: PathLike, curves: Mapping[str, ShellCorrelation]) -> None:
    """Write the curves by the names of their maps as CSV."""
    rows = (
        (name, f"{frequency:.8g}", f"{correlation:.6f}", n)
        for name, curve in curves.items()
        for frequency, correlation, n in zip(
            curve.frequency.tolist(), curve.correlation.tolist(), curve.n_voxels.tolist()
        )
    )
    write_table(path, [*COLUMNS], rows)


def read_fsc_table(path: PathLike) -> Dict[str, ShellCorrelation]:
    """The curves of a table, in its order.

    Raises
    ------
    FormatError
        If the file cannot be read, or a value is missing or no number.
    """
    from repic_plugin.evaluation import ShellCorrelation  # noqa: PLC0415 - loads slowly

    names, *columns = read_csv(path, COLUMNS, "write the table again").values()
    rows: Dict[str, List[int]] = {}
    for row, name in enumerate(names.tolist()):
        rows.setdefault(name, []).append(row)
    return {name: ShellCorrelation(*(one[mine] for one in columns)) for name, mine in rows.items()}
