"""Output tables of a consensus."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import replace
from typing import Any, Iterable, Iterator, List, Optional, Sequence

import numpy as np
from numpy.typing import NDArray

from repic_plugin.consensus import ConsensusResult
from repic_plugin.formats.base.csv_tables import csv_rows
from repic_plugin.formats.base.errors import PathLike
from repic_plugin.formats.picks.cells import coordinate_texts, score_texts

TABLE_NAMES = ("consensus.csv", "summary.csv")  # beside the pick files of a consensus
ENSEMBLE_NAMES = ("pickers.csv", "ensemble.npz")  # beside them, of mode probabilistic
PICK_LABELS = "picks.csv"  # beside them on request
PARTICLE_COLUMNS = ("micrograph", "x_center", "y_center", "weight", "overlap", "score", "n_pickers")
ROWS_AT_A_TIME = 1 << 15  # the texts of millions would fill the memory
# after the picks of each picker
SUMMARY_COLUMNS = ("n_edges", "n_cliques", "n_selected", "objective", "is_optimal", "seconds")


def write_consensus_table(path: PathLike, result: ConsensusResult, row: NDArray[np.int64]) -> None:
    """Write a CSV row for each particle.

    micrograph, x_center, y_center, weight, overlap, score, n_pickers, and for each picker the row
    of its pick in that picker's file, empty if it has none.

    Parameters
    ----------
    path : str or path
    result : ConsensusResult
    row : ndarray of int64, shape (n_picks,)
        Row in its own file, from 1, of each of the picks that the consensus was made of.

    Raises
    ------
    ValueError
        If a picker is named as one of the other columns.
    OSError
        If the file cannot be written.
    """
    members = np.where(result.members >= 0, np.append(row, -1)[result.members], -1)
    write_consensus_tables(path, None, [replace(result, members=members)])


def write_consensus_tables(
    particles: Optional[PathLike], summary: Optional[PathLike], results: Iterable[ConsensusResult]
) -> None:
    """Write the tables of `write_consensus_table` and `write_summary_table` batch by batch.

    Parameters
    ----------
    particles, summary : str, path or None
        Where; a table with None is not written.
    results : iterable of ConsensusResult
        Of different micrographs and the same pickers, at least one. Members are the rows
        themselves. Only one is held at a time.

    Raises
    ------
    ValueError
        If a picker is named as one of the other columns.
    OSError
        If a file cannot be written.
    """
    with ExitStack() as files:
        paths = (particles, summary)
        writers = [files.enter_context(csv_rows(path)) if path else None for path in paths]
        for number, result in enumerate(results):
            if number == 0:
                _write_headers(writers, result.picker_names)
            for writer, rows in zip(writers, (_particle_rows, _summary_rows)):
                if writer is not None:
                    writer.writerows(rows(result))


def _write_headers(writers: Sequence[Any], picker_names: Sequence[str]) -> None:
    check_picker_columns(picker_names)
    counted = [f"n_picks_{name}" for name in picker_names]
    headers = ([*PARTICLE_COLUMNS, *picker_names], ["micrograph", *counted, *SUMMARY_COLUMNS])
    for writer, header in zip(writers, headers):
        if writer is not None:
            writer.writerow(header)


def _particle_rows(result: ConsensusResult) -> Iterator[Sequence[object]]:
    for first in range(0, len(result), ROWS_AT_A_TIME):
        yield from _some_particle_rows(result, slice(first, first + ROWS_AT_A_TIME))


def _some_particle_rows(result: ConsensusResult, some: slice) -> Iterator[Sequence[object]]:
    columns: List[Sequence[str]] = [
        [result.micrograph_names[m] for m in result.micrograph[some].tolist()],
        coordinate_texts(result.x[some]),
        coordinate_texts(result.y[some]),
        score_texts(result.weight[some]),
        score_texts(result.overlap[some]),
        score_texts(result.score[some]),
        [str(n) for n in (result.members[some] >= 0).sum(axis=1).tolist()],
    ]
    for members in result.members[some].T:
        columns.append(["" if row < 0 else str(row) for row in members.tolist()])
    return zip(*columns)


def write_summary_table(path: PathLike, result: ConsensusResult) -> None:
    """Write a CSV row for each micrograph.

    micrograph, n_picks_<picker>..., n_edges, n_cliques, n_selected, objective, is_optimal,
    seconds.

    Parameters
    ----------
    path : str or path
    result : ConsensusResult

    Raises
    ------
    OSError
        If the file cannot be written.
    """
    write_consensus_tables(None, path, [result])


def _summary_rows(result: ConsensusResult) -> Iterator[Sequence[object]]:
    counts = result.micrographs
    columns: List[Sequence[object]] = [
        counts.names,
        *(column.tolist() for column in counts.n_picks.T),
        counts.n_edges.tolist(),
        counts.n_cliques.tolist(),
        counts.n_selected.tolist(),
        [f"{value:.6f}" for value in counts.objective.tolist()],
        [str(proven).lower() for proven in counts.is_optimal.tolist()],
        [f"{value:.6f}" for value in counts.seconds.tolist()],
    ]
    return zip(*columns)


def check_picker_columns(picker_names: Sequence[str]) -> None:
    """Refuse pickers that `write_consensus_table` could not give a column of their own.

    Raises
    ------
    ValueError
        If a picker is named as one of the other columns, or its name is no UTF-8.
    """
    for name in picker_names:
        if any(0xD800 <= ord(letter) < 0xE000 for letter in name):  # bytes that are no UTF-8
            raise ValueError(f"picker {name!a} has a name that is no UTF-8 text; rename it")
    clash = [name for name in picker_names if name in PARTICLE_COLUMNS]
    if clash:
        raise ValueError(
            f"a picker is named {clash[0]}, as a column of {TABLE_NAMES[0]}; give it another name"
        )
