"""Reading back the tables that a consensus leaves."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, List, NamedTuple, Optional, Sequence, Tuple

import numpy as np
from numpy.typing import NDArray

from repic_plugin.formats.base.errors import FormatError, PathLike, format_error, listed, shown
from repic_plugin.formats.base.text_tables import empty_error, read_text
from repic_plugin.formats.results.consensus_writing import (
    PARTICLE_COLUMNS,
    SUMMARY_COLUMNS,
    TABLE_NAMES,
)

__all__ = ["ConsensusTables", "read_consensus_tables"]

OVERLAP = "overlap"  # tables of earlier versions have none
N_PICKS = "n_picks_"
REMEDY = "run the consensus again"
CHUNK = 1 << 15  # rows at a time: the texts of a million would fill the memory
EXACT = 2.0**53  # above, not every whole number is a float


class _Kind(NamedTuple):
    """What the cells of a column are."""

    convert: Callable[[str], Any]
    dtype: type
    rule: str
    is_number: bool = False


def _row_or_none(cell: str) -> int:
    return int(cell) if cell else -1


def _flag(cell: str) -> bool:
    return {"true": True, "false": False}[cell]


NUMBER = _Kind(float, np.float64, "a finite number", True)
COUNT = _Kind(int, np.int64, "a whole number", True)
MEMBER = _Kind(_row_or_none, np.int64, "a whole number or empty", True)
FLAG = _Kind(_flag, np.bool_, "true or false")
WORD = _Kind(str, np.object_, "a text")
KINDS = {"objective": NUMBER, "seconds": NUMBER, "is_optimal": FLAG}


@dataclass(frozen=True, eq=False)
class ConsensusTables:
    """consensus.csv and summary.csv of a consensus.

    Attributes
    ----------
    picker_names : tuple of str, length k
    micrograph_names : tuple of str, length m
        All that were worked on.
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

    def __len__(self) -> int:
        return len(self.x)

    @property
    def n_members(self) -> NDArray[np.int64]:
        """Number of pickers that found each particle, shape (n,)."""
        return np.asarray((self.members >= 0).sum(axis=1))

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

    Parameters
    ----------
    folder : str or path

    Returns
    -------
    ConsensusTables

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
    return ConsensusTables(
        picker_names=pickers,
        micrograph_names=names,
        micrograph=columns["micrograph"],
        x=columns["x_center"],
        y=columns["y_center"],
        weight=columns["weight"],
        overlap=columns.get(OVERLAP, np.full(n_particles, np.nan)),
        score=columns["score"],
        members=_stacked([columns[name] for name in pickers], n_particles),
        n_picks=_stacked([counts.pop(f"{N_PICKS}{name}") for name in pickers], len(names)),
        **counts,
    )


def _read_summary(path: Path) -> Tuple[Dict[str, NDArray[Any]], Tuple[str, ...]]:
    """The columns of summary.csv, and the names of the pickers."""
    table = _Table(path)
    n_pickers = max(len(table.header) - len(SUMMARY_COLUMNS) - 1, 0)
    counted = table.header[1 : n_pickers + 1]
    pickers = tuple(name[len(N_PICKS) :] for name in counted)
    wanted = ("micrograph", *(f"{N_PICKS}{name}" for name in pickers), *SUMMARY_COLUMNS)
    table.check_header(wanted)
    kinds = {"micrograph": WORD, **dict.fromkeys(counted, COUNT)}
    kinds.update({name: KINDS.get(name, COUNT) for name in SUMMARY_COLUMNS})
    return table.columns(kinds), pickers


def _read_particles(
    path: Path, pickers: Sequence[str], names: Sequence[str]
) -> Dict[str, NDArray[Any]]:
    """The columns of consensus.csv, micrographs as indices among `names`."""
    table = _Table(path)
    known = [name for name in PARTICLE_COLUMNS if name != OVERLAP or OVERLAP in table.header]
    table.check_header((*known, *pickers))
    index = {name: i for i, name in enumerate(names)}
    micrograph = _Kind(index.__getitem__, np.int64, f"one of {TABLE_NAMES[1]}")
    kinds = {**dict.fromkeys(known, NUMBER), **dict.fromkeys(pickers, MEMBER)}
    return table.columns({**kinds, "micrograph": micrograph, "n_pickers": COUNT})


class _Table:
    """A file, of which some rows at a time are split into cells."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._text = read_text(path)
        self._reader = csv.reader(io.StringIO(self._text), strict=True)
        self.header = tuple(next(self._rows(1), []))
        if not self.header:
            raise empty_error(path)
        if not self._text.endswith("\n"):
            raise self._error("ends within a line", self._text.count("\n") + 1)

    def check_header(self, wanted: Sequence[str]) -> None:
        if self.header != tuple(wanted) or len(set(wanted)) < len(wanted):
            problem = f"columns must be {listed(wanted)}, got {listed(self.header)}"
            raise self._error(problem, 1)

    def columns(self, kinds: Dict[str, _Kind]) -> Dict[str, NDArray[Any]]:
        fast = self._read_fast(kinds)
        return self._read_carefully(kinds) if fast is None else fast

    def _read_fast(self, kinds: Dict[str, _Kind]) -> Optional[Dict[str, NDArray[Any]]]:
        """All rows at once; None where anything is unusual."""
        filled = self._text.replace(",,", ",-1,").replace(",,", ",-1,").replace(",\n", ",-1\n")
        rows = filled.split("\n")[1:-1]
        if not rows or '"' in filled:
            return None
        types = [(f"c{i}", "f8" if kinds[n].is_number else "O") for i, n in enumerate(self.header)]
        try:
            found = np.loadtxt(rows, np.dtype(types), comments=None, delimiter=",", ndmin=1)
        except ValueError:
            return None
        if len(found) != len(rows):
            return None
        try:
            return {n: _checked(found[f"c{i}"], kinds[n]) for i, n in enumerate(self.header)}
        except (ValueError, KeyError):
            return None

    def _read_carefully(self, kinds: Dict[str, _Kind]) -> Dict[str, NDArray[Any]]:
        """Some rows at a time: finds what is wrong, and reads what is unusual but right."""
        parts: Dict[str, List[NDArray[Any]]] = {
            name: [np.empty(0, dtype=kind.dtype)] for name, kind in kinds.items()
        }
        line = 2
        while True:
            rows = list(self._rows(CHUNK))
            if not rows:
                return {name: np.concatenate(part) for name, part in parts.items()}
            self._check_widths(rows, line)
            for name, cells in zip(self.header, zip(*rows)):
                parts[name].append(self._converted(name, cells, kinds[name], line))
            line += len(rows)

    def _rows(self, n: int) -> Iterator[List[str]]:
        try:
            yield from islice(self._reader, n)
        except csv.Error as exc:
            raise self._error(f"cannot be split into cells ({exc})", self._reader.line_num) from exc

    def _check_widths(self, rows: Sequence[Sequence[str]], first_line: int) -> None:
        n = len(self.header)
        if set(map(len, rows)) != {n}:
            place = next(i for i, row in enumerate(rows) if len(row) != n)
            problem = f"a row must have {n} values, got {len(rows[place])}"
            raise self._error(problem, first_line + place)

    def _converted(
        self, name: str, cells: Sequence[str], kind: _Kind, first_line: int
    ) -> NDArray[Any]:
        place = 0
        try:
            values: NDArray[Any] = np.array(list(map(kind.convert, cells)), dtype=kind.dtype)
            if kind is not NUMBER or np.isfinite(values).all():
                return values
            place = int(np.flatnonzero(~np.isfinite(values))[0])
        except (ValueError, KeyError, OverflowError):
            place = next(i for i, cell in enumerate(cells) if not _fits(cell, kind))
        problem = f"{name} must be {kind.rule}, got {shown(cells[place])}"
        raise self._error(problem, first_line + place)

    def _error(self, problem: str, line: int) -> FormatError:
        return format_error(self._path, f"{problem}; {REMEDY}", line=line)


def _checked(values: NDArray[Any], kind: _Kind) -> NDArray[Any]:
    """A column read fast; raises ValueError or KeyError where it may not be what it should."""
    if not kind.is_number:
        return np.array(list(map(kind.convert, values)), dtype=kind.dtype)
    if not np.isfinite(values).all() or (kind is not MEMBER and (values == -1).any()):
        raise ValueError("not finite, or perhaps empty")
    if kind is not NUMBER and not ((values == np.floor(values)) & (abs(values) < EXACT)).all():
        raise ValueError("not whole, or perhaps rounded")
    return np.ascontiguousarray(values, dtype=kind.dtype)


def _fits(cell: str, kind: _Kind) -> bool:
    try:
        np.array([kind.convert(cell)], dtype=kind.dtype)
    except (ValueError, KeyError, OverflowError):
        return False
    return True


def _stacked(columns: Sequence[NDArray[np.int64]], n_rows: int) -> NDArray[np.int64]:
    return np.stack(columns, axis=1) if columns else np.empty((n_rows, 0), dtype=np.int64)
