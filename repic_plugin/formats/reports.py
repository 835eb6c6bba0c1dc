"""The files that a consensus leaves: a pick file for each micrograph, and two tables."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Iterable, List, Sequence

import numpy as np
from numpy.typing import NDArray

from repic_plugin.consensus import ConsensusResult
from repic_plugin.formats.atomic import atomic_write
from repic_plugin.formats.errors import PathLike
from repic_plugin.formats.files import write_picks_file
from repic_plugin.formats.writing import coordinate_texts, score_texts

__all__ = [
    "TABLE_NAMES",
    "check_picker_columns",
    "write_consensus_table",
    "write_particle_files",
    "write_summary_table",
    "write_table",
]

TABLE_NAMES = ("consensus.csv", "summary.csv")  # beside the pick files of a consensus
PARTICLE_COLUMNS = ("micrograph", "x_center", "y_center", "weight", "overlap", "score", "n_pickers")
# after the picks of each picker
SUMMARY_COLUMNS = ("n_edges", "n_cliques", "n_selected", "objective", "is_optimal", "seconds")


def write_particle_files(
    folder: PathLike, result: ConsensusResult, *, box_size_px: float, format_name: str = "box"
) -> None:
    """Write the particles of each micrograph, best first, to a file named after it.

    A micrograph without a particle gets a file without a row.

    Parameters
    ----------
    folder : str or path
        Must exist.
    result : ConsensusResult
    box_size_px : float
        Side of the particles' boxes.
    format_name : {'box', 'star', 'csv'}
        In a BOX file the columns are x and y of the lower corner, width, height, weight.

    Raises
    ------
    ValueError
        If the format is unknown, or a micrograph's file would have the name of a table.
    OSError
        If a file cannot be written.
    """
    taken = [f"{name}.{format_name}" for name in result.micrographs.names]
    clash = sorted(set(taken) & set(TABLE_NAMES))
    if clash:
        raise ValueError(
            f"the particles of a micrograph would be written to {clash[0]}, which is the name of "
            f"a table; choose another --format"
        )
    order = np.argsort(result.micrograph, kind="stable")
    starts = np.searchsorted(result.micrograph[order], np.arange(len(result.micrograph_names) + 1))
    index = {name: i for i, name in enumerate(result.micrograph_names)}
    for name in result.micrographs.names:
        mine = order[starts[index[name]] : starts[index[name] + 1]]
        write_picks_file(
            Path(folder) / f"{name}.{format_name}",
            result.x[mine],
            result.y[mine],
            box_size_px=box_size_px,
            score=result.weight[mine],
            format_name=format_name,
        )


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
    check_picker_columns(result.picker_names)
    names = [result.micrograph_names[m] for m in result.micrograph.tolist()]
    columns: List[Sequence[str]] = [
        names,
        coordinate_texts(result.x),
        coordinate_texts(result.y),
        score_texts(result.weight),
        score_texts(result.overlap),
        score_texts(result.score),
        [str(n) for n in result.n_members.tolist()],
    ]
    texts = np.append(row, 0).astype(str)
    texts[-1] = ""  # where no pick is, -1 stands
    columns += [texts[members].tolist() for members in result.members.T]
    write_table(path, [*PARTICLE_COLUMNS, *result.picker_names], zip(*columns))


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
    header = ["micrograph", *(f"n_picks_{name}" for name in result.picker_names)]
    write_table(path, [*header, *SUMMARY_COLUMNS], zip(*columns))


def check_picker_columns(picker_names: Sequence[str]) -> None:
    """Refuse pickers that `write_consensus_table` could not give a column of their own.

    Raises
    ------
    ValueError
        If a picker is named as one of the other columns.
    """
    clash = [name for name in picker_names if name in PARTICLE_COLUMNS]
    if clash:
        raise ValueError(
            f"a picker is named {clash[0]}, as a column of {TABLE_NAMES[0]}; give it another name"
        )


def write_table(path: PathLike, header: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Write a CSV table in one step.

    Parameters
    ----------
    path : str or path
    header : sequence of str
    rows : iterable of sequences
        Cells are written as `str` gives them.

    Raises
    ------
    OSError
        If the file cannot be written.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    atomic_write(path, text.getvalue())
