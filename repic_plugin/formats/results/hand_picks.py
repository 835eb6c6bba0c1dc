"""Picks that are added and removed by hand, with a journal that survives a kill."""

from __future__ import annotations

import errno
import os
from io import FileIO
from typing import Dict, List, Mapping, NamedTuple, Optional, Sequence, Tuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from repic_plugin.formats.base.errors import PathLike, format_error

ADD, REMOVE, UNDO = "add", "remove", "undo"

Place = Tuple[int, int, int]  # micrograph, x and y in px


class Edit(NamedTuple):
    """One change.

    Attributes
    ----------
    kind : {"add", "remove"}
    place : tuple of int
        Id of the micrograph, x and y, px.
    name : str
        Of the micrograph, in one line; empty where it is unknown.
    """

    kind: str
    place: Place
    name: str = ""


def read_edits(path: PathLike) -> List[Edit]:
    """Changes in a journal that were not undone; none if there is no journal.

    A last line without its end, whose writer was killed, does not count. What is undone is the last
    change, or that which the line names: two windows may have written by turns.

    Raises
    ------
    FormatError
        If a complete line is not one of a journal.
    """
    if not os.path.exists(path):
        return []
    with open(path, encoding="utf-8", errors="surrogateescape", newline="\n") as file:
        lines = file.read().split("\n")[:-1]
    edits: List[Edit] = []
    for number, line in enumerate(lines, 1):
        words = line.split()
        if words == [UNDO] and edits:
            edits.pop()
            continue
        try:
            if words[0] == UNDO:
                _take_back(edits, _edit_of(words[1:]))
            else:
                edits.append(_edit_of(words))
        except (ValueError, IndexError, KeyError) as error:
            problem = f"no change by hand: {line[:40]!r}; delete this line"
            raise format_error(str(path), problem, line=number) from error
    return edits


def _edit_of(words: Sequence[str]) -> Edit:
    micrograph, x, y = map(int, words[1:4])
    return Edit({ADD: ADD, REMOVE: REMOVE}[words[0]], (micrograph, x, y), " ".join(words[4:]))


def _take_back(edits: List[Edit], edit: Edit) -> None:
    """Remove the last change that is equal to one, if there is one."""
    for place in reversed(range(len(edits))):
        if edits[place] == edit:
            del edits[place]
            return


def append_edit(path: PathLike, edit: Edit, *, undo: bool = False) -> None:
    """Append a change to a journal, or that it is undone, and wait until it is on the disk.

    Raises
    ------
    OSError
        If it cannot be written; the journal is then as it was.
    """
    words = [UNDO] * undo + [edit.kind, *map(str, edit.place), edit.name]
    line = f"{' '.join(words).rstrip()}\n".encode("utf-8", "surrogateescape")
    with open(path, "ab+", buffering=0) as file:
        end = _cut_torn_line(file)
        try:
            if file.write(line) != len(line):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
            os.fsync(file.fileno())
        except OSError:
            file.truncate(end)
            raise


def _cut_torn_line(file: FileIO) -> int:
    """Remove a last line without its end; the length without it."""
    file.seek(0)
    whole = file.read()
    end = whole.rfind(b"\n") + 1
    if end < len(whole):
        file.truncate(end)
    return end


class HandPicks:
    """Picks of a set with changes by hand.

    Parameters
    ----------
    micrograph, x, y : array_like of int, shape (n,)
        The set before the changes: id of the micrograph, and px.
    edits : sequence of Edit
        Changes so far; one that does not fit the set or the micrographs, because these have
        changed, is left out.
    names : mapping of int to str, optional
        Of the micrographs, by their ids; None if they are unknown.

    Attributes
    ----------
    edits : list of Edit
        Those that were applied.
    n_left_out : int
    """

    def __init__(
        self,
        micrograph: ArrayLike = (),
        x: ArrayLike = (),
        y: ArrayLike = (),
        edits: Optional[List[Edit]] = None,
        names: Optional[Mapping[int, str]] = None,
    ) -> None:
        columns = [np.asarray(column, dtype=np.int64).tolist() for column in (micrograph, x, y)]
        self._rows: Dict[Place, Tuple[int, ...]] = {}  # rows of the set; none for added picks
        for row, place in enumerate(zip(*columns)):
            self._rows[place] = (*self._rows.get(place, ()), row)
        self.edits: List[Edit] = []
        self._undone: List[Tuple[int, ...]] = []  # rows of what each change removed
        self._listed: Optional[NDArray[np.int64]] = None  # until the next change
        known = None if names is None else {k: " ".join(one.split()) for k, one in names.items()}
        self._names = known
        self.replay(edits or [])

    def replay(self, edits: Sequence[Edit]) -> None:
        """Make other changes in place of those so far."""
        while self.undo():
            pass
        done = [self.apply(edit) for edit in edits]
        self.n_left_out = len(done) - sum(done)

    def edit(self, kind: str, place: Place) -> Edit:
        """A change with the name of its micrograph."""
        return Edit(kind, place, (self._names or {}).get(place[0], ""))

    def apply(self, edit: Edit) -> bool:
        """Make a change; whether it changes anything."""
        if not self._is_of_micrographs(edit):
            return False
        if (edit.place in self._rows) == (edit.kind == ADD):
            return False
        if edit.kind == ADD:
            self._rows[edit.place] = ()
            self._undone.append(())
        else:
            self._undone.append(self._rows.pop(edit.place))
        self.edits.append(edit)
        self._listed = None
        return True

    def undo(self) -> bool:
        """Take the last change back; whether there was one."""
        if not self.edits:
            return False
        edit, rows = self.edits.pop(), self._undone.pop()
        self._listed = None
        if edit.kind == ADD:
            del self._rows[edit.place]
        else:
            self._rows[edit.place] = rows
        return True

    def _is_of_micrographs(self, edit: Edit) -> bool:
        if self._names is None:
            return True
        return edit.place[0] in self._names and edit.name in ("", self._names[edit.place[0]])

    def __len__(self) -> int:
        return len(self.places())

    def places(self) -> NDArray[np.int64]:
        """Id of the micrograph, x and y of each pick, shape (n_picks, 3)."""
        if self._listed is None:
            found = [place for place, rows in self._rows.items() for _ in rows or (None,)]
            self._listed = np.array(found, dtype=np.int64).reshape(-1, 3)
            self._listed.setflags(write=False)
        return self._listed

    def kept_rows(self) -> NDArray[np.int64]:
        """Rows of the set that were not removed, ascending."""
        rows = [row for some in self._rows.values() for row in some]
        return np.sort(np.array(rows, dtype=np.int64))

    def added(self) -> NDArray[np.int64]:
        """Picks added by hand, as `places`."""
        found = [place for place, rows in self._rows.items() if not rows]
        return np.array(found, dtype=np.int64).reshape(-1, 3)
