"""The outputs of a classification in a stream: particles of good and other classes, averages."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any, Sequence

import numpy as np
from numpy.typing import NDArray
from pwem.objects import SetOfAverages, SetOfParticles
from pyworkflow.object import Pointer, Set

from repic_plugin.convert import (
    ClassMembers,
    ClassSummary,
    UnreadableSetError,
    append_averages,
    append_members,
    count_items,
    item_ids,
    item_labels,
    read_item_columns,
)
from repic_plugin.protocols.common.following.output import GrowingOutput

AVERAGES = "outputAverages"
GOOD, REJECTED = "outputParticles", "outputRejected"
AT_ONCE = 900  # ids in one command


class ChosenParticles(GrowingOutput):
    """Particles of some of the classes, with class and 2D transform.

    Parameters
    ----------
    protocol : ProtAckMeans2DStream
    name : str
        GOOD or REJECTED.
    """

    SET_CLASS = SetOfParticles

    def __init__(self, protocol: Any, name: str) -> None:
        suffix = "" if name == GOOD else "_rejected"
        super().__init__(protocol, name, protocol._getPath(f"particles{suffix}.sqlite"))

    def append(self, members: ClassMembers) -> None:
        """Append those particles that are not in the set, which stays open.

        Raises
        ------
        UnreadableSetError
            If the file of the input cannot be read at present.
        """
        new = members.take(~np.isin(members.ids, self._ids(members.ids)))
        if not len(new.ids):
            return
        items = self._opened()
        try:
            append_members(items, self.protocol.inputParticles.get(), new)
        except (sqlite3.Error, UnreadableSetError) as error:
            items.close()
            raise UnreadableSetError(f"{self.name}: {error}; it is tried again") from error
        self._register(items, Set.STREAM_OPEN)

    def make_equal(self, members: ClassMembers, has_changed: bool) -> None:
        """Make the set that of these particles; rows that are right stay as they are.

        Parameters
        ----------
        members : ClassMembers
        has_changed : bool
            Whether all rows have changed.
        """
        if has_changed or not self._is_whole():
            self._file.unlink(missing_ok=True)
        else:
            self._remove_others(members)
        self.append(members)

    def close(self) -> None:
        """Close the set; one that never had a particle is no output."""
        if self.is_registered or self._file.is_file():
            self.update(Set.STREAM_CLOSED)

    def _is_whole(self) -> bool:
        """Whether there is a set with particles that Scipion knows."""
        try:
            return self.is_registered and bool(count_items(str(self._file)))
        except ValueError:
            return False

    def _ids(self, among: NDArray[np.int64]) -> NDArray[np.int64]:
        """Ids in the set, from the smallest to the largest of these."""
        if not (len(among) and self._file.is_file() and item_labels(str(self._file))):
            return np.zeros(0, np.int64)
        return np.array(item_ids(str(self._file), int(among.min()), int(among.max())), np.int64)

    def _remove_others(self, members: ClassMembers) -> None:
        """Remove particles that are in other classes now."""
        rows = np.array(read_item_columns(str(self._file), ["id", "_classId"]), np.int64)
        wanted = dict(zip(members.ids.tolist(), members.number.tolist()))
        others = [i for i, number in rows.tolist() if wanted.get(i) != number]
        with closing(sqlite3.connect(self._file)) as connection, connection:
            for first in range(0, len(others), AT_ONCE):
                some = others[first : first + AT_ONCE]
                marks = ", ".join("?" for _ in some)
                connection.execute(f"DELETE FROM Objects WHERE id IN ({marks})", some)
            connection.execute(
                "UPDATE Properties SET value = (SELECT COUNT(*) FROM Objects) WHERE key = '_size'"
            )

    def _new(self) -> SetOfParticles:
        items = SetOfParticles(filename=str(self._file))
        items.copyInfo(self.protocol.inputParticles.get())
        items.setAlignment2D()
        return items

    def _link(self, items: SetOfParticles) -> None:
        items.copyAttributes(self.protocol.inputParticles.get(), "_coordsPointer")

    def _sources(self) -> Sequence[Pointer]:
        return [self.protocol.inputParticles]


class StreamAverages(GrowingOutput):
    """The averages of all classes, written again whenever they have changed.

    Parameters
    ----------
    protocol : ProtAckMeans2DStream
    """

    SET_CLASS = SetOfAverages

    def __init__(self, protocol: Any) -> None:
        super().__init__(protocol, AVERAGES, protocol._getPath("averages.sqlite"))

    def write(self, summary: ClassSummary) -> None:
        """Replace the set, which stays open."""
        particles = self.protocol.inputParticles.get()
        unfinished = Path(f"{self._file}.new")
        unfinished.unlink(missing_ok=True)
        items = SetOfAverages(filename=str(unfinished))
        items.setSamplingRate(particles.getSamplingRate())
        items.getAcquisition().copyInfo(particles.getAcquisition())
        append_averages(items, particles, summary)
        items._mapperPath.set(f"{self._file}, ")  # written into the file, and believed by readers
        items.write()
        items.close()
        os.replace(unfinished, self._file)
        self.update(Set.STREAM_OPEN)

    def _new(self) -> SetOfAverages:
        return SetOfAverages(filename=str(self._file))

    def _link(self, items: SetOfAverages) -> None:
        """Averages have no pointers."""

    def _sources(self) -> Sequence[Pointer]:
        return [self.protocol.inputParticles]
