"""Growing sets, written by other runs and read incrementally."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from typing import Any, Dict, List, NamedTuple, Optional, Sequence, Tuple

import numpy as np
from numpy.typing import NDArray
from pyworkflow.object import Set

from repic_plugin.convert.coordinates import MicrographTable
from repic_plugin.convert.sets import column_names, open_set_file, why_unreadable

CTF_NAME = "_micObj._micName"
Stamp = Tuple[int, int, int]


class UnreadableSetError(ValueError):
    """A set's file is locked, truncated or damaged; it may be readable at the next check."""


class Span(NamedTuple):
    """Location of a micrograph's picks: `n` of the ids from `first` to `last`."""

    first: int
    last: int
    n: int


def stream_state(file_name: str) -> Optional[int]:
    """Stream state in a set's file: STREAM_OPEN, STREAM_CLOSED, or None if there is none.

    Raises
    ------
    UnreadableSetError
        If the file is unreadable at present.
    """
    if not os.path.isfile(file_name):
        return None
    try:
        with closing(open_set_file(file_name)) as connection:
            return _property(connection, "_streamState") or None
    except (ValueError, sqlite3.Error) as error:
        raise _unreadable(file_name, error) from error


def _unreadable(file_name: str, error: Exception) -> UnreadableSetError:
    is_named = isinstance(error, ValueError) and str(error).startswith(file_name)
    return UnreadableSetError(str(error) if is_named else f"{file_name}: {why_unreadable(error)}")


class _Growing:
    """A set's file, read again when it has changed.

    Scipion writes nothing into the file of an empty set, not even its stream state: `has_state` is
    False then.
    """

    def __init__(self, file_name: str) -> None:
        self.file_name = file_name
        self.is_closed = self.has_state = False
        self._stamp: Optional[Stamp] = None

    def look(self) -> bool:
        """Read new data; return whether the file has changed.

        Raises
        ------
        UnreadableSetError
            If the file is unreadable at present. Data read before are kept.
        """
        try:
            found = os.stat(self.file_name)
            stamp = (found.st_mtime_ns, found.st_size, found.st_ino)
            if stamp == self._stamp:
                return False
            with closing(open_set_file(self.file_name)) as connection:
                connection.execute("BEGIN")  # a consistent snapshot
                self._read(connection, self._stamp is not None and stamp[2] != self._stamp[2])
                state = _property(connection, "_streamState")
                self.has_state, self.is_closed = bool(state), state == Set.STREAM_CLOSED
        except (OSError, ValueError, sqlite3.Error) as error:
            raise _unreadable(self.file_name, error) from error
        self._stamp = stamp
        return True

    def _read(self, connection: sqlite3.Connection, is_other_file: bool) -> None:
        raise NotImplementedError


class GrowingMicrographs(_Growing):
    """The micrographs of a set.

    Attributes
    ----------
    names, files, paths : dict of int to str
        Names and files by id, in the order of the set; `files` with links resolved, `paths` as
        the set has them.
    is_closed : bool
    """

    def __init__(self, file_name: str) -> None:
        super().__init__(file_name)
        self.names: Dict[int, str] = {}
        self.files: Dict[int, str] = {}
        self.paths: Dict[int, str] = {}

    def _read(self, connection: sqlite3.Connection, is_other_file: bool) -> None:
        columns = column_names(connection)
        if not columns:
            self.names, self.files, self.paths = {}, {}, {}
            return
        wanted = f"id, {columns['_micName']}, {columns['_filename']}"
        rows = connection.execute(f"SELECT {wanted} FROM Objects ORDER BY id").fetchall()
        self.names = {int(row[0]): str(row[1]) for row in rows}
        self.paths = {int(row[0]): str(row[2]) for row in rows}
        known = {} if is_other_file else self.files
        self.files = {int(i): known.get(i) or os.path.realpath(file) for i, _, file in rows}

    @property
    def table(self) -> MicrographTable:
        """The present micrographs."""
        ids = tuple(self.names)
        names, files = (tuple(one[i] for i in ids) for one in (self.names, self.files))
        return MicrographTable(os.path.realpath(self.file_name), ids, names, 0.0, files)


class GrowingCtfs(_Growing):
    """The CTFs of a set.

    Attributes
    ----------
    names : dict of int to str
        Names of their micrographs by id of the CTF, in the order of the set.
    is_closed : bool
    """

    def __init__(self, file_name: str) -> None:
        super().__init__(file_name)
        self.names: Dict[int, str] = {}

    def _read(self, connection: sqlite3.Connection, is_other_file: bool) -> None:
        columns = column_names(connection)
        if not columns:
            self.names = {}
            return
        _check_attribute(columns, CTF_NAME, self.file_name, "CTFs")
        rows = connection.execute(f"SELECT id, {columns[CTF_NAME]} FROM Objects ORDER BY id")
        self.names = {int(i): str(name) for i, name in rows}


class GrowingParticles(_Growing):
    """The particles of a set. Their ids follow no order: the time of creation does.

    Attributes
    ----------
    n_items : int
        Number of particles, as the set told at the last look.
    is_closed : bool
    n_resets : int
        How often the set was found to be smaller than before.
    """

    def __init__(self, file_name: str) -> None:
        super().__init__(file_name)
        self.n_items = self.n_resets = 0

    def _read(self, connection: sqlite3.Connection, is_other_file: bool) -> None:
        n_now = _property(connection, "_size") if column_names(connection) else 0
        self.n_resets += n_now < self.n_items
        self.n_items = n_now

    def ids(self) -> NDArray[np.int64]:
        """Ids of the enabled particles at present, in the order in which they were made.

        Raises
        ------
        UnreadableSetError
            If the file is unreadable at present.
        """
        command = "SELECT id FROM Objects WHERE enabled ORDER BY creation, id"
        try:
            with closing(open_set_file(self.file_name)) as connection:
                if not column_names(connection):
                    return np.zeros(0, np.int64)
                return np.fromiter((i for (i,) in connection.execute(command)), np.int64)
        except (ValueError, sqlite3.Error) as error:
            raise _unreadable(self.file_name, error) from error


class GrowingPicks(_Growing):
    """The coordinates of a set.

    Attributes
    ----------
    spans : dict of int to Span
        Spans by id of the micrograph.
    attributes : tuple of str
        Attributes of the coordinates; none as long as the set is empty.
    is_closed : bool
    n_resets : int
        How often the set was found to be smaller than before, or rewritten.
    """

    def __init__(self, file_name: str) -> None:
        super().__init__(file_name)
        self.spans: Dict[int, Span] = {}
        self.attributes: Tuple[str, ...] = ()
        self.n_resets = 0
        self._last_id = 0

    @property
    def n_picks(self) -> int:
        """Coordinates seen so far."""
        return sum(span.n for span in self.spans.values())

    def _read(self, connection: sqlite3.Connection, is_other_file: bool) -> None:
        columns = column_names(connection)
        last = connection.execute("SELECT MAX(id) FROM Objects").fetchone()[0] if columns else 0
        n_now = _property(connection, "_size")
        if is_other_file or n_now < self.n_picks or (last or 0) < self._last_id:
            self.n_resets += bool(self.spans)
            self.spans, self._last_id = {}, 0
        self.attributes = tuple(columns)
        if not columns:
            return
        rows = connection.execute(
            f"SELECT {columns['_micId']}, MIN(id), MAX(id), COUNT(*) FROM Objects WHERE id > ? "
            f"GROUP BY {columns['_micId']}",
            (self._last_id,),
        )
        for micrograph, first, last, n in rows:
            before = self.spans.get(micrograph, Span(first, last, 0))
            self.spans[micrograph] = Span(before.first, last, before.n + n)
            self._last_id = max(self._last_id, last)

    def score_range(self, score_attribute: Optional[str]) -> Optional[Tuple[float, float]]:
        """Minimum and maximum of the present scores; None without scores.

        Raises
        ------
        UnreadableSetError
            If the file is unreadable at present.
        ValueError
            If the coordinates lack the attribute.
        """
        try:
            with closing(open_set_file(self.file_name)) as connection:
                columns = column_names(connection)
                if score_attribute is None or not columns:
                    return None
                _check_attribute(columns, score_attribute, self.file_name)
                column = columns[score_attribute]
                found = connection.execute(f"SELECT MIN({column}), MAX({column}) FROM Objects")
                least, largest = found.fetchone()
        except sqlite3.Error as error:
            raise _unreadable(self.file_name, error) from error
        return None if least is None else (float(least), float(largest))

    def read(self, micrographs: Sequence[int], score_attribute: Optional[str]) -> NDArray[Any]:
        """The coordinates on some micrographs.

        Parameters
        ----------
        micrographs : sequence of int
            Ids; those without coordinates are skipped.
        score_attribute : str or None

        Returns
        -------
        ndarray of float64, shape (n, 5)
            Id, id of the micrograph, x, y, score (NaN without a score).

        Raises
        ------
        UnreadableSetError
            If the file is unreadable at present.
        ValueError
            If the coordinates lack the attribute, or have values that are not finite.
        """
        rows: List[Tuple[Any, ...]] = []
        try:
            with closing(open_set_file(self.file_name)) as connection:
                columns = column_names(connection)
                statement = _selection(columns, score_attribute, self.file_name)
                for micrograph in micrographs:
                    span = self.spans.get(micrograph)
                    if span is not None:
                        place = (span.first, span.last, micrograph)
                        rows += connection.execute(statement, place).fetchall()
        except sqlite3.Error as error:
            raise _unreadable(self.file_name, error) from error
        found = np.array(rows, dtype=np.float64).reshape(len(rows), 5)
        if np.isnan(found[:, :4]).any() or np.isinf(found).any():
            raise ValueError(
                f"{self.file_name}: a position or score is not finite; remove that coordinate"
            )
        return found


def _check_attribute(
    columns: Dict[str, str], name: Optional[str], file_name: str, what: str = "coordinates"
) -> None:
    if columns and name is not None and name not in columns:
        raise ValueError(
            f"{file_name}: its {what} have no attribute {name}; they have "
            f"{', '.join(sorted(columns))}"
        )


def _selection(columns: Dict[str, str], score_attribute: Optional[str], file_name: str) -> str:
    _check_attribute(columns, score_attribute, file_name)
    known = {name: columns.get(name, "NULL") for name in ("_micId", "_x", "_y")}
    score = "NULL" if score_attribute is None else columns.get(score_attribute, "NULL")
    return (
        f"SELECT id, {', '.join(known.values())}, {score} FROM Objects "
        f"WHERE id BETWEEN ? AND ? AND {known['_micId']} = ? ORDER BY id"
    )


def _property(connection: sqlite3.Connection, key: str) -> int:
    """A numeric property of a set; 0 if it is missing."""
    tables = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
    if ("Properties",) not in tables.fetchall():
        return 0
    row = connection.execute("SELECT value FROM Properties WHERE key = ?", (key,)).fetchone()
    return int(row[0]) if row else 0
