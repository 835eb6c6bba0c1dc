"""The table of what became of each pick."""

from __future__ import annotations

from typing import Iterator, List, Sequence

import numpy as np
from numpy.typing import NDArray

from repic_plugin.consensus import FATES, ConsensusResult, Picks
from repic_plugin.formats.base.csv_tables import csv_rows
from repic_plugin.formats.base.errors import PathLike
from repic_plugin.formats.picks.cells import coordinate_texts, score_texts

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
    OSError
        If the file cannot be written.
    """
    with csv_rows(path) as writer:
        writer.writerow([*COLUMNS, "found_by", "copy_of"])
        for first in range(0, len(picks), ROWS_AT_A_TIME):
            some = slice(first, first + ROWS_AT_A_TIME)
            writer.writerows(_rows(picks, result, row, some))


def _rows(
    picks: Picks, result: ConsensusResult, row: NDArray[np.int64], some: slice
) -> Iterator[Sequence[str]]:
    particle = np.zeros(len(picks) + 1, dtype=np.int64)
    particle[result.members] = np.arange(1, len(result) + 1)[:, None]
    particle = particle[:-1][some]  # the last entry was for the filler, -1
    found_by = ["", *_patterns(result)]
    copied = np.zeros(0) if result.copy_of is None else result.copy_of[some]
    fate = np.zeros(0) if result.fate is None else result.fate[some]
    score = score_texts(picks.score[some])
    columns: List[Sequence[str]] = [
        [picks.picker_names[i] for i in picks.picker[some].tolist()],
        [picks.micrograph_names[m] for m in picks.micrograph[some].tolist()],
        [str(n) for n in row[some].tolist()],
        coordinate_texts(picks.x[some]),
        coordinate_texts(picks.y[some]),
        [text if has else "" for text, has in zip(score, picks.has_score[some].tolist())],
        [FATES[one] for one in fate.tolist()],
        [str(n) if n else "" for n in particle.tolist()],
        [found_by[n] for n in particle.tolist()],
        ["" if i < 0 else str(row[i]) for i in copied.tolist()],
    ]
    return zip(*columns)


def _patterns(result: ConsensusResult) -> List[str]:
    """Pickers of each particle."""
    patterns, which = np.unique(result.members >= 0, axis=0, return_inverse=True)
    names = ["+".join(np.array(result.picker_names)[one].tolist()) for one in patterns]
    return [names[i] for i in which.ravel().tolist()]
