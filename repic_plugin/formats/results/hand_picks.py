"""Picks that are added and removed by hand, with a journal that survives a kill."""

from __future__ import annotations

import os
from typing import BinaryIO, Dict, List, NamedTuple, Optional, Tuple

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
    """

    kind: str
    place: Place


def read_edits(path: PathLike) -> List[Edit]:
    """Changes in a journal that were not undone; none if there is no journal.

    A last line without its end, whose writer was killed, does not count.

    Raises
    ------
    FormatError
        If a complete line is not one of a journal.
    """
    if not os.path.exists(path):
        return []
    with open(path, encoding="utf-8") as file:
        lines = file.read().split("\n")[:-1]
    edits: List[Edit] = []
    for number, line in enumerate(lines, 1):
        words = line.split()
        if words == [UNDO] and edits:
            edits.pop()
            continue
        try:
            kind, (micrograph, x, y) = words[0], map(int, words[1:])
            edits.append(Edit({ADD: ADD, REMOVE: REMOVE}[kind], (micrograph, x, y)))
        except (ValueError, IndexError, KeyError) as error:
            problem = f"no change by hand: {line[:40]!r}; delete this line"
            raise format_error(str(path), problem, line=number) from error
    return edits


def append_edit(path: PathLike, edit: Optional[Edit]) -> None:
    """Append a change to a journal, and wait until it is on the disk; None undoes the last one."""
    line = UNDO if edit is None else f"{edit.kind} {' '.join(map(str, edit.place))}"
    with open(path, "ab+") as file:
        _cut_torn_line(file)
        file.write(f"{line}\n".encode())
        file.flush()
        os.fsync(file.fileno())


def _cut_torn_line(file: BinaryIO) -> None:
    """Remove a last line without its end."""
    file.seek(0)
    whole = file.read()
    if not whole.endswith(b"\n"):
        file.truncate(whole.rfind(b"\n") + 1)


class HandPicks:
    """Picks of a set with changes by hand.

    Parameters
    ----------
    micrograph, x, y : array_like of int, shape (n,)
        The set before the changes: id of the micrograph, and px.
    edits : sequence of Edit
        Changes so far; one that does not fit the set, because that has changed, is left out.

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
    ) -> None:
        columns = [np.asarray(column, dtype=np.int64).tolist() for column in (micrograph, x, y)]
        self._rows: Dict[Place, Tuple[int, ...]] = {}  # rows of the set; none for added picks
        for row, place in enumerate(zip(*columns)):
            self._rows[place] = (*self._rows.get(place, ()), row)
        self.edits: List[Edit] = []
        self._undone: List[Tuple[int, ...]] = []  # rows of what each change removed
        done = [self.apply(edit) for edit in edits or []]
        self.n_left_out = len(done) - sum(done)

    def apply(self, edit: Edit) -> bool:
        """Make a change; whether it changes anything."""
        if (edit.place in self._rows) == (edit.kind == ADD):
            return False
        if edit.kind == ADD:
            self._rows[edit.place] = ()
            self._undone.append(())
        else:
            self._undone.append(self._rows.pop(edit.place))
        self.edits.append(edit)
        return True

    def undo(self) -> bool:
        """Take the last change back; whether there was one."""
        if not self.edits:
            return False
        edit, rows = self.edits.pop(), self._undone.pop()
        if edit.kind == ADD:
            del self._rows[edit.place]
        else:
            self._rows[edit.place] = rows
        return True

    def __len__(self) -> int:
        return len(self.places())

    def places(self) -> NDArray[np.int64]:
        """Id of the micrograph, x and y of each pick, shape (n_picks, 3)."""
        found = [place for place, rows in self._rows.items() for _ in range(max(1, len(rows)))]
        return np.array(found, dtype=np.int64).reshape(-1, 3)

    def kept_rows(self) -> NDArray[np.int64]:
        """Rows of the set that were not removed, ascending."""
        rows = [row for some in self._rows.values() for row in some]
        return np.sort(np.array(rows, dtype=np.int64))

    def added(self) -> NDArray[np.int64]:
        """Picks added by hand, as `places`."""
        found = [place for place, rows in self._rows.items() if not rows]
        return np.array(found, dtype=np.int64).reshape(-1, 3)
