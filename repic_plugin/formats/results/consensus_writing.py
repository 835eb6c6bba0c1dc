"""Output tables of a consensus."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import replace
from typing import Iterable, Iterator, List, Optional, Sequence

import numpy as np
from numpy.typing import NDArray

from repic_plugin.consensus import ConsensusResult
from repic_plugin.formats.base.atomic import atomic_open
from repic_plugin.formats.base.csv_tables import csv_text
from repic_plugin.formats.base.errors import PathLike
from repic_plugin.formats.base.number_rows import (
    coordinate_cells,
    fixed_cells,
    rows_text,
    score_cells,
    whole_cells,
    word_cells,
)

TABLE_NAMES = ("consensus.csv", "summary.csv")  # beside the pick files of a consensus
ENSEMBLE_NAMES = ("pickers.csv", "ensemble.npz")  # beside them, of mode probabilistic
AGREEMENT_NAMES = ("agreement.csv", "agreement.npz")  # beside them, where it was measured
PICK_LABELS = "picks.csv"  # beside them on request
# beside those of mode probabilistic with images
CANDIDATE_FILES = (
    *("candidate_images.csv", "image_classes.csv", "picker_classes.csv"),
    "candidate_averages.mrcs",
)
MICROGRAPHS = "micrographs.csv"  # beside them: the quality of each micrograph
RUN_RECORD = "run.csv"  # beside them: mode, version, pixel size
SMALLER = "smaller_groups.csv"  # beside them: groups of fewer pickers than have to agree
TABLES_OF_RUN = (
    *(*TABLE_NAMES, *ENSEMBLE_NAMES, *AGREEMENT_NAMES, *CANDIDATE_FILES),
    *(RUN_RECORD, MICROGRAPHS, SMALLER),
)
PATTERNS, PATTERNS_TABLE = "patterns", "patterns.csv"  # folder beside them, and the table in it
FALSE_AGREEMENT = "false_agreement"
PARTICLE_COLUMNS = (
    *("micrograph", "x_center", "y_center", "weight", "overlap", "score", "n_pickers"),
    FALSE_AGREEMENT,
)
ROWS_AT_A_TIME = 1 << 15  # the texts of millions would fill the memory
N_PICKS, N_COPIES = "n_picks_", "n_copies_"  # and the name of each picker
# after the picks and the copies of each picker
SUMMARY_COLUMNS = (
    *("n_edges", "n_cliques", "n_selected", "objective", "is_optimal"),
    *("rank_by", "seconds"),
)


def write_consensus_table(path: PathLike, result: ConsensusResult, row: NDArray[np.int64]) -> None:
    """Write a CSV row for each particle.

    micrograph, x_center, y_center, weight, overlap, score, n_pickers, false_agreement, and for
    each picker the row of its pick in that picker's file, empty if it has none. The
    false-agreement rate is empty where it was not measured and for picks of a single picker.

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
        parts = (
            (particles, _particle_header, _particle_rows),
            (summary, _summary_header, _summary_rows),
        )
        open_files = [
            (files.enter_context(atomic_open(path)), header, rows)
            for path, header, rows in parts
            if path is not None
        ]
        for number, result in enumerate(results):
            if number == 0:
                check_picker_columns(result.picker_names)
            for file, header, rows in open_files:
                if number == 0:
                    file.write(f"{csv_text(header(result.picker_names))}\n".encode())
                file.writelines(rows(result))


def _particle_header(picker_names: Sequence[str]) -> List[str]:
    return [*PARTICLE_COLUMNS, *picker_names]


def _summary_header(picker_names: Sequence[str]) -> List[str]:
    counts = (f"{count}{name}" for count in (N_PICKS, N_COPIES) for name in picker_names)
    return ["micrograph", *counts, *SUMMARY_COLUMNS]


def _particle_rows(result: ConsensusResult) -> Iterator[bytes]:
    names = [csv_text([name]) for name in result.micrograph_names]
    measured = result.false_agreement
    rates = np.full(len(result), np.nan) if measured is None else measured
    for first in range(0, len(result), ROWS_AT_A_TIME):
        some = slice(first, first + ROWS_AT_A_TIME)
        members = result.members[some]
        columns = [
            word_cells(names, result.micrograph[some]),
            coordinate_cells(result.x[some]),
            coordinate_cells(result.y[some]),
            *(score_cells(one[some]) for one in (result.weight, result.overlap, result.score)),
            whole_cells((members >= 0).sum(axis=1)),
            score_cells(rates[some]),
            *(whole_cells(column, missing=-1) for column in members.T),
        ]
        yield rows_text(columns, ",")


def write_summary_table(path: PathLike, result: ConsensusResult) -> None:
    """Write a CSV row for each micrograph.

    micrograph, n_picks_<picker>..., n_copies_<picker>..., n_edges, n_cliques, n_selected,
    objective, is_optimal, rank_by, seconds. The copies, which are not among the picks, are empty
    where the result does not say them.

    Raises
    ------
    OSError
        If the file cannot be written.
    """
    write_consensus_tables(None, path, [result])


def _summary_rows(result: ConsensusResult) -> Iterator[bytes]:
    counts = result.micrographs
    unknown = np.full_like(counts.n_picks, -1)
    copies = unknown if counts.n_copies is None else counts.n_copies
    numbers = (counts.n_edges, counts.n_cliques, counts.n_selected)
    columns = [
        word_cells([csv_text([name]) for name in counts.names], np.arange(len(counts.names))),
        *map(whole_cells, counts.n_picks.T),
        *(whole_cells(column, missing=-1) for column in copies.T),
        *map(whole_cells, numbers),
        fixed_cells(counts.objective),
        word_cells(("false", "true"), counts.is_optimal),
        word_cells((result.rank_by,), np.zeros(len(counts.names), dtype=np.int64)),
        fixed_cells(counts.seconds),
    ]
    yield rows_text(columns, ",")


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
