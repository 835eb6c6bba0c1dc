"""Model of a probabilistic consensus: a table of the pickers, and the complete model."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Iterator, List, Optional

from repic_plugin.consensus import EnsembleModel, model_from_arrays, model_to_arrays
from repic_plugin.formats.base.arrays import write_arrays
from repic_plugin.formats.base.csv_tables import number_cell, write_table
from repic_plugin.formats.base.errors import PathLike
from repic_plugin.formats.results.consensus_writing import ENSEMBLE_NAMES
from repic_plugin.formats.results.stored import read_stored

COLUMNS = (
    *("picker", "group", "from", "to", "precision", "precision_low", "precision_high"),
    *("recall", "recall_low", "recall_high", "f1"),
)
ALL, QUALITY = "all", "quality"
DECIMALS = 4


def write_ensemble(folder: PathLike, model: EnsembleModel) -> None:
    """Write the table of the pickers and the model.

    The table has a row for each picker, and one for each group of micrographs by quality.
    """
    write_table(Path(folder) / ENSEMBLE_NAMES[0], COLUMNS, _rows(model))
    write_arrays(Path(folder) / ENSEMBLE_NAMES[1], model_to_arrays(model))


def read_ensemble(folder: PathLike) -> Optional[EnsembleModel]:
    """The model that `write_ensemble` left; None where there is none.

    Raises
    ------
    FormatError
        If it is damaged.
    """
    file = Path(folder) / ENSEMBLE_NAMES[1]
    return read_stored(file, model_from_arrays, "find the consensus again")


def _rows(model: EnsembleModel) -> Iterator[List[str]]:
    ends = zip(model.precision_interval, model.recall_interval)
    for number, ((low, high), (least, most)) in enumerate(ends):
        precision, recall = model.precision[number], model.recall[number]
        values = (precision, low, high, recall, least, most, model.f1[number])
        yield [model.picker_names[number], ALL, "", "", *map(_cell, values)]
    nothing = math.nan
    for group, edges in enumerate(zip(model.quality_edges, model.quality_edges[1:])):
        for number, name in enumerate(model.picker_names):
            precision = model.quality_precision[group, number]
            recall = model.quality_recall[group, number]
            f1 = 2 * precision * recall / max(precision + recall, 1e-12)
            values = (precision, nothing, nothing, recall, nothing, nothing, f1)
            yield [name, QUALITY, *(f"{edge:.6g}" for edge in edges), *map(_cell, values)]


def _cell(value: float) -> str:
    return number_cell(value, DECIMALS)
