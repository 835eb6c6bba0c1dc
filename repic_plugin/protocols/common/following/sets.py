"""Sets that other runs are still writing, on the micrographs of one of them."""

from __future__ import annotations

import os
from functools import partial
from typing import Any, Callable, Dict, List, Optional, Sequence

from pwem.objects import SetOfCoordinates
from pyworkflow.object import Pointer
from pyworkflow.protocol import Protocol, getProtocolFromDb

from repic_plugin.convert import (
    GrowingCtfs,
    GrowingMicrographs,
    GrowingPicks,
    Span,
    UnreadableSetError,
    find_micrographs,
)
from repic_plugin.formats import addition_note, match_names

# Consecutive checks at which a file may be locked or damaged before the run fails.
MAX_UNREADABLE = 60
NOTHING = Span(0, 0, 0)


class FollowedSet:
    """A set of another run, looked at again and again.

    Parameters
    ----------
    name : str
        For messages.
    files : sequence of GrowingMicrographs, GrowingPicks or GrowingCtfs
        The set, and others that are read with it.
    is_at_work : callable
        Whether the run that writes the set is active, by its own record.

    Attributes
    ----------
    is_closed : bool
        Whether no more items will arrive.
    is_interrupted : bool
        Whether it is closed although its run has not ended: it was killed, Scipion closed its set,
        and it may be continued.
    problem : str or None
        Why its files could not be read at the last check.
    name_notes : list of str
        What was cut from names of micrographs for them to meet.
    n_resets : int
        How often it was found to be smaller than before, or rewritten.
    """

    def __init__(self, name: str, files: Sequence[Any], is_at_work: Callable[[], bool]) -> None:
        self.name, self._files = name, files
        self.name_notes: List[str] = []
        self.problem: Optional[str] = None
        self._n_problems = 0
        self._is_at_work, self.is_closed = is_at_work, False
        self.is_interrupted = False

    def look(self) -> bool:
        """Whether there is new data.

        Raises
        ------
        UnreadableSetError
            If the files were unreadable at too many consecutive checks.
        ValueError
            As `match`.
        """
        changed = False
        try:
            for one in self._files:
                changed |= one.look()
        except UnreadableSetError as error:
            self._n_problems += 1
            if self._n_problems > MAX_UNREADABLE:
                raise
            self.problem = str(error)
            return False
        self.problem, self._n_problems = None, 0
        was_closed, self.is_closed = self.is_closed, self._files[0].is_closed
        if not self._files[0].has_state:
            self.is_closed = not self._is_at_work()
        if changed or self.is_interrupted:
            self.is_interrupted = self.is_closed and self._is_at_work()
        return changed or self.is_closed != was_closed

    def match(self) -> None:
        """Match its micrographs with those of the reference, see `match_names`.

        Raises
        ------
        ValueError
            If a name is ambiguous.
        """

    def check_met(self) -> None:
        """Refuse a set that has no micrograph in common with the reference, once it is closed.

        Raises
        ------
        ValueError
            If so.
        """

    def has(self, micrograph: int) -> bool:
        """Whether it has what it will have of a micrograph of the reference."""
        return self.is_closed

    @property
    def n_items(self) -> int:
        """Number of items."""
        raise NotImplementedError

    @property
    def n_resets(self) -> int:
        """How often it was found to be smaller than before, or rewritten."""
        return int(getattr(self._files[0], "n_resets", 0))


class FollowedMicrographs(FollowedSet):
    """The micrographs of the reference themselves, where they are an input."""

    def __init__(self, name: str, micrographs: GrowingMicrographs, pointer: Pointer) -> None:
        super().__init__(name, [micrographs], partial(is_at_work, pointer))

    def has(self, micrograph: int) -> bool:
        """True: the micrographs that are asked for are those of the set."""
        return True

    @property
    def n_items(self) -> int:
        """Number of micrographs."""
        return len(self._files[0].names)


class FollowedPicks(FollowedSet):
    """One set of coordinates, on the micrographs of the reference.

    Parameters
    ----------
    name : str
    coordinates : SetOfCoordinates
    reference : GrowingMicrographs
    scale : float
        From px of its own micrographs to px of the reference.
    is_at_work : callable
        Whether the run that writes the set is active; used while the set is empty.

    Attributes
    ----------
    picks : GrowingPicks
    """

    def __init__(
        self,
        name: str,
        coordinates: SetOfCoordinates,
        reference: GrowingMicrographs,
        scale: float,
        is_at_work: Callable[[], bool],
    ) -> None:
        self.scale, self._reference = scale, reference
        self.picks = GrowingPicks(coordinates.getFileName())
        file = coordinates.getMicrographs().getFileName()
        is_same = os.path.realpath(file) == os.path.realpath(reference.file_name)
        self._micrographs = reference if is_same else GrowingMicrographs(file)
        self._own_ids: Dict[int, int] = {}
        files = [self.picks] if is_same else [self.picks, self._micrographs]
        super().__init__(name, files, is_at_work)

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

    def check_met(self) -> None:
        """Refuse a set that has no micrograph in common with the reference, once it is closed.

        Raises
        ------
        ValueError
            If so.
        """
        if self._micrographs is not self._reference and not self._own_ids:
            names = self._micrographs.table.known_as
            find_micrographs(names, self._reference.table, self.name)

    @property
    def n_items(self) -> int:
        """Number of picks."""
        return self.picks.n_picks

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
        """Whether it has picked a micrograph of the reference, or its run has ended."""
        has_ended = self.is_closed and not self.is_interrupted
        return has_ended or self.n_picks(micrograph) > 0


class FollowedCtfs(FollowedSet):
    """The CTFs of the micrographs of the reference.

    Parameters
    ----------
    pointer : Pointer
        To the SetOfCTF.
    reference : GrowingMicrographs

    Attributes
    ----------
    ids : dict of int to int
        Id of the CTF of each micrograph that has one.
    """

    def __init__(self, pointer: Pointer, reference: GrowingMicrographs) -> None:
        self.ctfs, self._reference = GrowingCtfs(pointer.get().getFileName()), reference
        self.ids: Dict[int, int] = {}
        super().__init__("the set of CTFs", [self.ctfs], partial(is_at_work, pointer))

    def match(self) -> None:
        """Match the micrographs of the CTFs with those of the reference, see `match_names`.

        Raises
        ------
        ValueError
            If a name is ambiguous.
        """
        names, reference = self.ctfs.names, self._reference.table
        try:
            places = match_names([*names.values()], reference.known_as).place.tolist()
        except ValueError as error:
            raise ValueError(f"{self.name}: {error}") from None
        self.ids = {reference.ids[at]: i for i, at in zip(names, places) if at >= 0}

    def check_met(self) -> None:
        """Refuse a set that has no micrograph in common with the reference, once it is closed.

        Raises
        ------
        ValueError
            If so.
        """
        if not self.ids:
            find_micrographs([*self.ctfs.names.values()], self._reference.table, self.name)

    @property
    def n_items(self) -> int:
        """Number of CTFs."""
        return len(self.ctfs.names)

    def has(self, micrograph: int) -> bool:
        """Whether there is a CTF of a micrograph."""
        return micrograph in self.ids


def is_at_work(pointer: Pointer) -> bool:
    """Whether the run that a pointer refers to is active, according to its own record."""
    run = pointer.getObjValue()
    if not isinstance(run, Protocol):
        return bool(pointer.get().isStreamOpen())
    if not os.path.isfile(run.getDbPath()):  # from the project's folder, where jobs run
        return bool(run.isActive())
    return bool(getProtocolFromDb(os.getcwd(), run.getDbPath(), run.getObjId()).isActive())
