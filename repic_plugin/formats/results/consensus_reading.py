"""Reading of the tables of a consensus."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Dict, Optional, Sequence, Tuple

import numpy as np
from numpy.typing import NDArray

from repic_plugin.consensus import RANKINGS, ranking
from repic_plugin.formats.base.csv_tables import (
    COUNT,
    COUNT_OR_NONE,
    FLAG,
    NUMBER,
    NUMBER_OR_NONE,
    TEXT,
    Kind,
    open_table,
    typed_columns,
)
from repic_plugin.formats.base.errors import PathLike
from repic_plugin.formats.results.consensus_writing import (
    FALSE_AGREEMENT,
    N_COPIES,
    N_PICKS,
    PARTICLE_COLUMNS,
    SUMMARY_COLUMNS,
    TABLE_NAMES,
)

OVERLAP, RANK_BY = "overlap", "rank_by"  # tables of earlier versions have none, nor copies
LATER = (OVERLAP, FALSE_AGREEMENT)  # columns of particles, for the same reason
REMEDY = "run the consensus again"
KINDS = {
    "objective": NUMBER,
    "seconds": NUMBER,
    "is_optimal": FLAG,
    RANK_BY: Kind(" or ".join(RANKINGS), np.object_, values={name: name for name in RANKINGS}),
}


@dataclass(frozen=True, eq=False)
class ConsensusTables:
    """consensus.csv and summary.csv of a consensus.

    Attributes
    ----------
    picker_names : tuple of str, length k
    micrograph_names : tuple of str, length m
        All that were processed.
    micrograph : ndarray of int64, shape (n,)
        Index in `micrograph_names` of each particle.
    x, y : ndarray of float64, shape (n,)
        Centre in px.
    weight, overlap, score : ndarray of float64, shape (n,)
        As in `ConsensusResult`. The overlap is NaN where an earlier version wrote the table.
    members : ndarray of int64, shape (n, k)
        Row (from 1) or id of each picker's pick; -1 where it has none.
    n_picks : ndarray of int64, shape (m, k)
        Picks that entered the graph.
    n_edges, n_cliques, n_selected : ndarray of int64, shape (m,)
        `n_selected` counts before the number of particles was cut.
    objective : ndarray of float64, shape (m,)
    is_optimal : ndarray of bool, shape (m,)
    seconds : ndarray of float64, shape (m,)
    rank_by : {'weight', 'confidence'}
        As in `ConsensusResult`.
    n_copies : ndarray of int64, shape (m, k), or None
        Copies of other picks of their picker, besides `n_picks`; -1 where unknown, and None where
        an earlier version wrote the table.
    false_agreement : ndarray of float64, shape (n,)
        As in `ConsensusResult`; NaN where it was not measured.
    """

    picker_names: Tuple[str, ...]
    micrograph_names: Tuple[str, ...]
    micrograph: NDArray[np.int64]
    x: NDArray[np.float64]
    y: NDArray[np.float64]
    weight: NDArray[np.float64]
    overlap: NDArray[np.float64]
    score: NDArray[np.float64]
    members: NDArray[np.int64]
    n_picks: NDArray[np.int64]
    n_edges: NDArray[np.int64]
    n_cliques: NDArray[np.int64]
    n_selected: NDArray[np.int64]
    objective: NDArray[np.float64]
    is_optimal: NDArray[np.bool_]
    seconds: NDArray[np.float64]
    rank_by: str = RANKINGS[0]
    n_copies: Optional[NDArray[np.int64]] = None
    false_agreement: NDArray[np.float64] = field(default_factory=lambda: np.zeros(0))

    def __len__(self) -> int:
        return len(self.x)

    @property
    def n_members(self) -> NDArray[np.int64]:
        """Number of pickers that found each particle, shape (n,)."""
        return np.asarray((self.members >= 0).sum(axis=1))

    @property
    def ranking(self) -> NDArray[np.float64]:
        """Weight or confidence, by which particles are ranked, shape (n,)."""
        return ranking(self.rank_by, self.weight, self.score)

    @property
    def n_unmatched(self) -> NDArray[np.int64]:
        """Picks of each picker that are in none of the particles, shape (k,)."""
        return np.asarray(self.n_picks.sum(axis=0) - (self.members >= 0).sum(axis=0))

    @property
    def n_cut(self) -> int:
        """Particles that were selected and then cut; their picks count as unmatched here."""
        return int(self.n_selected.sum()) - len(self)


def read_consensus_tables(folder: PathLike) -> ConsensusTables:
    """Read what `write_consensus_table` and `write_summary_table` wrote.

    Raises
    ------
    FormatError
        If a table is missing or damaged, or the two are of different runs.
    """
    particles, summary = (Path(folder) / name for name in TABLE_NAMES)
    counts, pickers = _read_summary(summary)
    names = tuple(counts.pop("micrograph").tolist())
    columns = _read_particles(particles, pickers, names)
    n_particles = len(columns["x_center"])
    rank_by = counts.pop(RANK_BY, np.array(RANKINGS[:1]))
    copies = [counts.pop(name) for name in [*counts] if name.startswith(N_COPIES)]
    return ConsensusTables(
        picker_names=pickers,
        micrograph_names=names,
        micrograph=columns["micrograph"],
        x=columns["x_center"],
        y=columns["y_center"],
        weight=columns["weight"],
        overlap=columns.get(OVERLAP, np.full(n_particles, np.nan)),
        false_agreement=columns.get(FALSE_AGREEMENT, np.full(n_particles, np.nan)),
        score=columns["score"],
        members=_stacked([columns[name] for name in pickers], n_particles),
        n_picks=_stacked([counts.pop(f"{N_PICKS}{name}") for name in pickers], len(names)),
        n_copies=_stacked(copies, len(names)) if len(copies) == len(pickers) else None,
        rank_by=str(rank_by[0]) if len(rank_by) else RANKINGS[0],
        **counts,
    )


def _read_summary(path: Path) -> Tuple[Dict[str, NDArray[Any]], Tuple[str, ...]]:
    """The columns of summary.csv, and the names of the pickers."""
    table = open_table(path, REMEDY)
    is_old = RANK_BY not in table.columns
    known = [name for name in SUMMARY_COLUMNS if name != RANK_BY or not is_old]
    n_counts = max(len(table.columns) - len(known) - 1, 0)
    n_pickers = n_counts if is_old else n_counts // 2
    pickers = tuple(name[len(N_PICKS) :] for name in table.columns[1 : n_pickers + 1])
    copies = {} if is_old else {f"{N_COPIES}{name}": COUNT_OR_NONE for name in pickers}
    kinds = {
        "micrograph": TEXT,
        **{f"{N_PICKS}{name}": COUNT for name in pickers},
        **copies,
        **{name: KINDS.get(name, COUNT) for name in known},
    }
    return typed_columns(table, kinds, is_exact=True), pickers


def _read_particles(
    path: Path, pickers: Sequence[str], names: Sequence[str]
) -> Dict[str, NDArray[Any]]:
    """The columns of consensus.csv, micrographs as indices among `names`."""
    table = open_table(path, REMEDY)
    known = [name for name in PARTICLE_COLUMNS if name not in LATER or name in table.columns]
    kinds = {**dict.fromkeys(known, NUMBER), **dict.fromkeys(pickers, COUNT_OR_NONE)}
    if FALSE_AGREEMENT in kinds:
        kinds[FALSE_AGREEMENT] = NUMBER_OR_NONE
    index = {name: i for i, name in enumerate(names)}
    kinds["micrograph"] = Kind(f"one of {TABLE_NAMES[1]}", np.int64, values=index)
    return typed_columns(table, {**kinds, "n_pickers": COUNT}, is_exact=True)


def _stacked(columns: Sequence[NDArray[np.int64]], n_rows: int) -> NDArray[np.int64]:
    return np.stack(columns, axis=1) if columns else np.empty((n_rows, 0), dtype=np.int64)
