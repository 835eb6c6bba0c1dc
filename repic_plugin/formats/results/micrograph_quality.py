"""Table of the micrographs of a consensus: their quality, and which are accepted."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple, Optional

import numpy as np
from numpy.typing import NDArray

from repic_plugin.consensus import MicrographQuality, Thresholds, accepted
from repic_plugin.formats.base.atomic import atomic_open
from repic_plugin.formats.base.csv_tables import (
    COUNT,
    FLAG,
    NUMBER,
    NUMBER_OR_NONE,
    TEXT,
    csv_text,
    open_table,
    typed_columns,
)
from repic_plugin.formats.base.errors import PathLike
from repic_plugin.formats.base.number_rows import rows_text, score_cells, whole_cells, word_cells
from repic_plugin.formats.results.consensus_writing import MICROGRAPHS

# Columns by the attributes of `MicrographQuality`; the median scores of the pickers follow.
COLUMNS = {
    "agreement": "agreement",
    "n_particles": "n_particles",
    "n_expected": "expected_particles",
    "precision": "expected_precision",
    "junk": "share_of_junk",
}
IS_ACCEPTED, MEDIAN_SCORE = "is_accepted", "median_score_"
REMEDY = "run the consensus again"


class JudgedMicrographs(NamedTuple):
    """Quality of the micrographs, in the order of acquisition, and the thresholds."""

    quality: MicrographQuality
    thresholds: Thresholds
    is_accepted: NDArray[np.bool_]


def write_micrograph_quality(
    folder: PathLike, quality: MicrographQuality, thresholds: Optional[Thresholds] = None
) -> None:
    """Write a CSV row for each micrograph, in the order of acquisition.

    Empty cells are not known. The thresholds, 0 where one is not used, are repeated in each row.

    Raises
    ------
    OSError
        If the file cannot be written.
    """
    used, n = thresholds or Thresholds(), len(quality.names)
    scores = [f"{MEDIAN_SCORE}{name}" for name in quality.picker_names]
    header = ["micrograph", *COLUMNS.values(), IS_ACCEPTED, *Thresholds._fields, *scores]
    columns = [
        word_cells([csv_text([name]) for name in quality.names], np.arange(n)),
        score_cells(quality.agreement),
        whole_cells(quality.n_particles),
        *map(score_cells, (quality.n_expected, quality.precision, quality.junk)),
        word_cells(("false", "true"), accepted(quality, used)),
        *(score_cells(np.full(n, value, np.float64)) for value in used),
        *map(score_cells, quality.score.T),
    ]
    with atomic_open(Path(folder) / MICROGRAPHS) as file:
        file.write(f"{csv_text(header)}\n".encode())
        file.write(rows_text(columns, ","))


def read_micrograph_quality(folder: PathLike) -> Optional[JudgedMicrographs]:
    """What `write_micrograph_quality` left; None where there is none, as of earlier versions.

    Raises
    ------
    FormatError
        If the table is damaged.
    """
    path = Path(folder) / MICROGRAPHS
    if not path.is_file():
        return None
    table = open_table(path, REMEDY)
    scores = [name for name in table.columns if name.startswith(MEDIAN_SCORE)]
    kinds = {"micrograph": TEXT, **dict.fromkeys(COLUMNS.values(), NUMBER_OR_NONE)}
    kinds.update({COLUMNS["n_particles"]: COUNT, IS_ACCEPTED: FLAG})
    kinds.update(dict.fromkeys(Thresholds._fields, NUMBER))
    kinds.update(dict.fromkeys(scores, NUMBER_OR_NONE))
    found = typed_columns(table, kinds, is_exact=True)
    names = tuple(found["micrograph"].tolist())
    quality = MicrographQuality(
        names=names,
        picker_names=tuple(name[len(MEDIAN_SCORE) :] for name in scores),
        score=np.stack([found[name] for name in scores], axis=1),
        **{attribute: found[column] for attribute, column in COLUMNS.items()},
    )
    used = (float(found[name][0]) if names else 0.0 for name in Thresholds._fields)
    return JudgedMicrographs(quality, Thresholds(*used), found[IS_ACCEPTED])
