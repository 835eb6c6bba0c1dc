"""How a consensus was found, for comparisons with others."""

from __future__ import annotations

import math
from pathlib import Path
from typing import NamedTuple, Optional

from repic_plugin import __version__
from repic_plugin.consensus import MODES
from repic_plugin.formats.base.csv_tables import (
    COUNT,
    FLAG,
    NUMBER_OR_NONE,
    TEXT,
    Kind,
    number_cell,
    read_records,
    write_table,
)
from repic_plugin.formats.base.errors import PathLike, format_error
from repic_plugin.formats.results.consensus_writing import RUN_RECORD

REMEDY = "run the consensus again"
DECIMALS = 5  # of the pixel size
KINDS = {
    "version": TEXT,
    "mode": Kind("one of the consensus modes", object, values={name: name for name in MODES}),
    "quorum": COUNT,
    "images": FLAG,
    "pixel_size_angstrom": NUMBER_OR_NONE,
}


class RunRecord(NamedTuple):
    """How a consensus was found.

    Attributes
    ----------
    mode : {'all', 'quorum', 'probabilistic'}
    quorum : int
        Minimum number of pickers of a particle.
    images : bool
        Whether 2D classes of the candidates were taken into account.
    pixel_size_angstrom : float
        Of the micrographs; NaN where it is not known.
    version : str
        Of this package.
    """

    mode: str
    quorum: int
    images: bool = False
    pixel_size_angstrom: float = math.nan
    version: str = __version__


def write_run_record(folder: PathLike, record: RunRecord) -> None:
    """Write run.csv, a table of one row."""
    pixel_size = number_cell(record.pixel_size_angstrom, DECIMALS)
    images = "true" if record.images else "false"
    row = (record.version, record.mode, record.quorum, images, pixel_size)
    write_table(Path(folder) / RUN_RECORD, [*KINDS], [row])


def read_run_record(folder: PathLike) -> Optional[RunRecord]:
    """What `write_run_record` left; None where there is none, as of earlier versions.

    Raises
    ------
    FormatError
        If the table is damaged.
    """
    path = Path(folder) / RUN_RECORD
    rows = read_records(path, KINDS, REMEDY)
    if path.is_file() and len(rows) != 1:
        raise format_error(path, f"must have one row, got {len(rows)}; {REMEDY}")
    return RunRecord(**rows[0]) if rows else None
