"""Growing inputs of a consensus: the micrographs that are ready, and their picks."""

from __future__ import annotations

import os
import time
from functools import partial
from typing import Any, Callable, Dict, List, NamedTuple, Optional, Sequence

import numpy as np
from numpy.typing import NDArray
from pwem.objects import SetOfCoordinates
from pyworkflow.object import Pointer
from pyworkflow.protocol import Protocol, getProtocolFromDb

from repic_plugin.consensus import Picks
from repic_plugin.convert import GrowingMicrographs, GrowingPicks, Span, UnreadableSetError
from repic_plugin.formats import addition_note, match_names

# Consecutive checks at which a file may be locked or damaged before the run fails.
MAX_UNREADABLE = 60
NOTHING = Span(0, 0, 0)


class BatchInput(NamedTuple):
    """Picks of some micrographs.

    `micrographs` holds the ids of the micrographs that the picks are indexed by, `ids` the id of
    each pick in its own set, `n_read` the picks of each micrograph (row) and picker (column).
    """

    micrographs: List[int]
    picks: Picks
    ids: NDArray[np.int64]
    n_read: NDArray[np.int64]


class StreamPicker:
    """One picker's set, on the micrographs of the first picker.

    Parameters
    ----------
    name : str
    coordinates : SetOfCoordinates
    reference : GrowingMicrographs
        The micrographs of the first picker.
    scale : float
        From px of its own micrographs to px of the reference.
    is_at_work : callable
        Whether the run that writes the set is active; used while the set is empty.

    Attributes
    ----------
    picks : GrowingPicks
    is_closed : bool
        Whether no more picks will arrive.
    problem : str or None
        Why its files could not be read at the last check.
    name_notes : list of str
        What was cut from names of micrographs for them to meet.
    """

    def __init__(
        self,
        name: str,
        coordinates: SetOfCoordinates,
        reference: GrowingMicrographs,
        scale: float,
        is_at_work: Callable[[], bool],
    ) -> None:
        self.name, self.scale, self._reference = name, scale, reference
        self.picks = GrowingPicks(coordinates.getFileName())
        file = coordinates.getMicrographs().getFileName()
        is_same = os.path.realpath(file) == os.path.realpath(reference.file_name)
        self._micrographs = reference if is_same else GrowingMicrographs(file)
        self._own_ids: Dict[int, int] = {}
        self.name_notes: List[str] = []
        self.problem: Optional[str] = None
        self._n_problems = 0
        self._is_at_work, self.is_closed = is_at_work, False

    def look(self) -> bool:
        """Whether there is new data.

        Raises
        ------
        UnreadableSetError
            If the files were unreadable at too many consecutive checks.
        ValueError
            As `match`.
        """
        try:
            changed = self.picks.look()
            if self._micrographs is not self._reference:
                changed |= self._micrographs.look()
        except UnreadableSetError as error:
            self._n_problems += 1
            if self._n_problems > MAX_UNREADABLE:
                raise
            self.problem = str(error)
            return False
        self.problem, self._n_problems = None, 0
        was_closed, self.is_closed = self.is_closed, self.picks.is_closed
        if not self.picks.has_state:
            self.is_closed = not self._is_at_work()
        return changed or self.is_closed != was_closed

    def match(self) -> None:
        """Match its own micrographs with those of the reference, see `match_names`.

        Raises
        ------
        ValueError
            If a name is ambiguous.
        """
        if self._micrographs is self._reference:
            return
        mine, reference = self._micrographs.table, self._reference.table
        try:
            found = match_names(mine.known_as, reference.known_as)
        except ValueError as error:
            raise ValueError(f"{self.name}: {error}") from None
        self._own_ids = {reference.ids[at]: i for i, at in zip(mine.ids, found.place) if at >= 0}
        self.name_notes = [
            addition_note(cut, self.name, "the first set's") for cut in found.additions
        ]

    def own_id(self, micrograph: int) -> int:
        """Id in its own set of a micrograph of the reference; -1 if it is absent."""
        if self._micrographs is self._reference:
            return micrograph
        return self._own_ids.get(micrograph, -1)

    def n_picks(self, micrograph: int) -> int:
        """Number of picks on a micrograph of the reference."""
        return self.picks.spans.get(self.own_id(micrograph), NOTHING).n

    def n_left_out(self) -> int:
        """Number of picks on micrographs that the reference lacks."""
        known = {self.own_id(one) for one in self._reference.names}
        return sum(span.n for one, span in self.picks.spans.items() if one not in known)

    def has(self, micrograph: int) -> bool:
        """Whether it has picked a micrograph of the reference, or is closed."""
        return self.is_closed or self.n_picks(micrograph) > 0


class StreamInputs:
    """The growing sets of all pickers.

    Parameters
    ----------
    names : sequence of str
    pointers : sequence of Pointer
        To their sets of coordinates.
    quorum : int
        Minimum number of pickers that must agree.
    late_after_s : float or None
        How long a micrograph that a quorum has picked waits for the other pickers.

    Attributes
    ----------
    pickers : list of StreamPicker
    micrographs : GrowingMicrographs
        The micrographs of the first picker.
    """

    def __init__(
        self,
        names: Sequence[str],
        pointers: Sequence[Pointer],
        quorum: int,
        late_after_s: Optional[float],
    ) -> None:
        sets = [pointer.get() for pointer in pointers]
        for name, one in zip(names, sets):
            if one.getMicrographs() is None:
                raise ValueError(f"the micrographs of {name} are unknown; pick or import it again")
        first = sets[0].getMicrographs()
        self.micrographs = GrowingMicrographs(first.getFileName())
        pixel_sizes = [one.getMicrographs().getSamplingRate() for one in sets]
        self.pickers = [
            StreamPicker(
                name,
                pointer.get(),
                self.micrographs,
                pixel_size / pixel_sizes[0],
                partial(_is_at_work, pointer),
            )
            for name, pointer, pixel_size in zip(names, pointers, pixel_sizes)
        ]
        self._quorum, self._late_after_s = quorum, late_after_s
        self._since: Dict[int, float] = {}  # when a quorum had picked a micrograph
        self._n_problems = 0

    def look(self) -> bool:
        """Whether there is new data.

        Raises
        ------
        ValueError
            As `StreamPicker.look`.
        """
        changed = [picker.look() for picker in self.pickers]  # their micrographs are older
        try:
            changed.append(self.micrographs.look())
        except UnreadableSetError:
            self._n_problems += 1
            if self._n_problems > MAX_UNREADABLE:
                raise
            return False
        self._n_problems = 0
        for picker in self.pickers if any(changed) else ():
            picker.match()
        return any(changed)

    @property
    def are_closed(self) -> bool:
        """Whether no more data will arrive."""
        return all(picker.is_closed for picker in self.pickers)

    @property
    def is_read(self) -> bool:
        """Whether all files could be read at the last check."""
        return not (self._n_problems or self.problems())

    def problems(self) -> List[str]:
        """Files that are unreadable at present."""
        return [f"{one.name}: {one.problem}" for one in self.pickers if one.problem]

    def ready(self, waiting: Sequence[int]) -> List[int]:
        """Those of some micrographs that can be processed."""
        now = time.monotonic()  # unaffected by changes of the system time
        return [one for one in waiting if self._is_ready(one, now)]

    def _is_ready(self, micrograph: int, now: float) -> bool:
        n_have = sum(picker.has(micrograph) for picker in self.pickers)
        if n_have == len(self.pickers):
            return True
        if self._late_after_s is None or n_have < self._quorum:
            return False
        return now - self._since.setdefault(micrograph, now) >= self._late_after_s

    def unseen(self, micrographs: Sequence[int]) -> NDArray[np.bool_]:
        """Pickers (columns) that lack some micrographs (rows), or may pick them later."""
        rows = [
            [picker.own_id(one) < 0 or not picker.has(one) for picker in self.pickers]
            for one in micrographs
        ]
        return np.array(rows, dtype=bool).reshape(len(rows), len(self.pickers))

    def lacking(self, waiting: Sequence[int]) -> Dict[str, int]:
        """Number of some micrographs that each picker has still to pick."""
        counts = {
            picker.name: sum(not picker.has(one) for one in waiting) for picker in self.pickers
        }
        return {name: n for name, n in counts.items() if n}

    def read(self, micrographs: Sequence[int], attributes: Sequence[Optional[str]]) -> BatchInput:
        """The picks on some micrographs, in px of the reference.

        Raises
        ------
        UnreadableSetError
            If a file is unreadable at present.
        ValueError
            If a set lacks the attribute that holds its scores.
        """
        place = {one: i for i, one in enumerate(micrographs)}
        columns: List[NDArray[Any]] = []
        for number, (picker, attribute) in enumerate(zip(self.pickers, attributes)):
            own = {picker.own_id(one): i for one, i in place.items() if picker.own_id(one) >= 0}
            found = picker.picks.read(list(own), attribute)
            where = np.array([own[int(i)] for i in found[:, 1]], dtype=np.float64)
            who = np.full(len(found), float(number))
            centres = found[:, 2:4] * picker.scale
            columns.append(np.column_stack([where, who, centres, found[:, 4], found[:, 0]]))
        where, who, x, y, score, ids = np.concatenate(columns).T
        k = len(self.pickers)
        group = (where * k + who).astype(np.int64)
        picks = Picks.from_columns(
            where.astype(np.int64),
            who.astype(np.int64),
            x,
            y,
            np.nan_to_num(score),
            has_score=~np.isnan(score),
            micrograph_names=self.names(micrographs),
            picker_names=[picker.name for picker in self.pickers],
        )
        n_read = np.bincount(group, minlength=len(place) * k).reshape(len(place), k)
        return BatchInput(list(micrographs), picks, ids.astype(np.int64), n_read)

    def read_one(self, number: int, attribute: Optional[str]) -> Picks:
        """All present picks of one picker, as picks of that picker alone.

        Raises
        ------
        UnreadableSetError, ValueError
            As `read`.
        """
        picker = self.pickers[number]
        found = picker.picks.read(list(picker.picks.spans), attribute)
        nobody = np.zeros(len(found), dtype=np.int64)
        return Picks.from_columns(
            nobody,
            nobody,
            *(found[:, 2:4] * picker.scale).T,
            np.nan_to_num(found[:, 4]),
            has_score=~np.isnan(found[:, 4]),
            picker_names=[picker.name],
        )

    def names(self, micrographs: Sequence[int]) -> List[str]:
        """Names of some micrographs, as in `MicrographTable.labels`."""
        table = self.micrographs.table
        every = dict(zip(table.ids, table.labels))
        return [every[one] for one in micrographs]

    def n_picks(self, micrographs: Sequence[int]) -> NDArray[np.int64]:
        """Number of present picks, as `BatchInput.n_read`."""
        rows = [[picker.n_picks(one) for picker in self.pickers] for one in micrographs]
        return np.array(rows, dtype=np.int64).reshape(len(rows), len(self.pickers))


def _is_at_work(pointer: Pointer) -> bool:
    """Whether the run that a pointer refers to is active, according to its own record."""
    run = pointer.getObjValue()
    if not isinstance(run, Protocol):
        return bool(pointer.get().isStreamOpen())
    if not os.path.isfile(run.getDbPath()):  # from the project's folder, where jobs run
        return bool(run.isActive())
    return bool(getProtocolFromDb(os.getcwd(), run.getDbPath(), run.getObjId()).isActive())
