"""Agreement beyond chance: a table of the pairs of pickers, and the complete measure."""

from __future__ import annotations

from pathlib import Path
from typing import Iterator, List, Optional

from repic_plugin.consensus import Agreement, agreement_from_arrays, agreement_to_arrays
from repic_plugin.formats.base.arrays import write_arrays
from repic_plugin.formats.base.csv_tables import number_cell, write_table
from repic_plugin.formats.base.errors import PathLike, format_error
from repic_plugin.formats.results.consensus_writing import AGREEMENT_NAMES
from repic_plugin.formats.results.stored import read_stored

COLUMNS = ("picker", "other", "overlap_from", "overlap_to", "partners", "by_chance")
DECIMALS = 2


def write_agreement(folder: PathLike, agreement: Agreement) -> None:
    """Write the table of the pairs of pickers and the measure.

    The table has a row for each pair, and one for each range of overlap in which it has partners.
    """
    write_table(Path(folder) / AGREEMENT_NAMES[0], COLUMNS, _rows(agreement))
    write_arrays(Path(folder) / AGREEMENT_NAMES[1], agreement_to_arrays(agreement))


def read_agreement(folder: PathLike) -> Optional[Agreement]:
    """The measure that `write_agreement` left; None where there is none.

    Raises
    ------
    FormatError
        If it is damaged.
    """
    file = Path(folder) / AGREEMENT_NAMES[1]
    found = read_stored(file, agreement_from_arrays, "run the consensus again")
    if found is None and file.is_file():
        raise format_error(file, "holds no agreement; run the consensus again")
    return found


def _rows(agreement: Agreement) -> Iterator[List[str]]:
    names, n_bins = agreement.picker_names, agreement.partners.shape[1]
    columns = (agreement.pairs.tolist(), agreement.partners, agreement.chance_partners)
    for (low, high), seen, by_chance in zip(*columns):
        pair = [names[low], names[high]]
        yield [*pair, "", "", *_cells(seen.sum(), by_chance.sum())]
        for place in range(n_bins):
            if seen[place] or by_chance[place]:
                ends = (place / n_bins, (place + 1) / n_bins)
                yield [*pair, *_cells(*ends), *_cells(seen[place], by_chance[place])]


def _cells(*values: float) -> List[str]:
    return [number_cell(float(value), DECIMALS) for value in values]
