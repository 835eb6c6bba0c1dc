"""The table of what became of each pick."""

from __future__ import annotations

from typing import List, Tuple

import numpy as np
from numpy.typing import NDArray

from repic_plugin.consensus import FATES, ConsensusResult, Picks
from repic_plugin.formats.base.atomic import atomic_open
from repic_plugin.formats.base.csv_tables import csv_text
from repic_plugin.formats.base.errors import PathLike
from repic_plugin.formats.base.number_rows import (
    coordinate_cells,
    rows_text,
    score_cells,
    whole_cells,
    word_cells,
)

COLUMNS = ("picker", "micrograph", "row", "x_center", "y_center", "score", "label", "particle")
ROWS_AT_A_TIME = 100_000


def write_pick_labels(
    path: PathLike, picks: Picks, result: ConsensusResult, row: NDArray[np.int64]
) -> None:
    """Write a CSV row for each pick, in the order of the picks.

    picker, micrograph, row (of the pick in its own file, from 1), x_center, y_center, score, label
    (one of `FATES`), particle (row of consensus.csv, from 1, of a pick in a particle), found_by
    (the pickers of that particle, joined by +) and copy_of (row of the pick that a copy is of).

    Parameters
    ----------
    path : str or path
    picks : Picks
    result : ConsensusResult
        Of these picks.
    row : ndarray of int64, shape (n_picks,)

    Raises
    ------
    ValueError
        If the result does not have the outcome of each pick.
    OSError
        If the file cannot be written.
    """
    if result.fate is None or result.copy_of is None:
        raise ValueError("result must be as from find_consensus, with the outcome of each pick")
    particle = np.zeros(len(picks) + 1, dtype=np.int64)
    particle[result.members] = np.arange(1, len(result) + 1)[:, None]  # the last takes the filler
    patterns, found_by = _patterns(result)
    pickers = [csv_text([name]) for name in picks.picker_names]
    micrographs = [csv_text([name]) for name in picks.micrograph_names]
    copied_row = np.where(result.copy_of >= 0, row[result.copy_of], 0)
    with atomic_open(path) as file:
        file.write(f"{csv_text([*COLUMNS, 'found_by', 'copy_of'])}\n".encode())
        for first in range(0, len(picks), ROWS_AT_A_TIME):
            part = np.arange(first, min(first + ROWS_AT_A_TIME, len(picks)))
            some = picks.take(part)
            columns = [
                word_cells(pickers, some.picker),
                word_cells(micrographs, some.micrograph),
                whole_cells(row[part]),
                coordinate_cells(some.x),
                coordinate_cells(some.y),
                score_cells(np.where(some.has_score, some.score, np.nan)),
                word_cells(FATES, result.fate[part]),
                whole_cells(particle[part], missing=0),
                word_cells(patterns, found_by[particle[part]]),
                whole_cells(copied_row[part], missing=0),
            ]
            file.write(rows_text(columns, ","))


def _patterns(result: ConsensusResult) -> Tuple[List[str], NDArray[np.int64]]:
    """Sets of pickers, none first, and the set of each particle after a 0."""
    patterns, which = np.unique(result.members >= 0, axis=0, return_inverse=True)
    names = [csv_text(["+".join(np.array(result.picker_names)[one].tolist())]) for one in patterns]
    return ["", *names], np.append(0, which.ravel() + 1)
