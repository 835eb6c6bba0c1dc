"""All inputs that a run follows."""

from __future__ import annotations

from typing import Collection, Dict, List, Sequence

from repic_plugin.convert import GrowingMicrographs, UnreadableSetError
from repic_plugin.protocols.common.following.sets import MAX_UNREADABLE, FollowedSet


class FollowedInputs:
    """Growing sets, on the micrographs of one of them.

    Parameters
    ----------
    micrographs : GrowingMicrographs
        The reference.
    sets : sequence of FollowedSet

    Attributes
    ----------
    micrographs : GrowingMicrographs
    sets : list of FollowedSet
    """

    def __init__(self, micrographs: GrowingMicrographs, sets: Sequence[FollowedSet]) -> None:
        self.micrographs, self.sets = micrographs, list(sets)
        self._n_problems = 0

    def look(self) -> bool:
        """Whether there is new data.

        Raises
        ------
        ValueError
            As `FollowedSet.look`.
        """
        changed = [one.look() for one in self.sets]  # their micrographs are older
        try:
            changed.append(self.micrographs.look())
        except UnreadableSetError:
            self._n_problems += 1
            if self._n_problems > MAX_UNREADABLE:
                raise
            return False
        self._n_problems = 0
        for one in self.sets if any(changed) else ():
            one.match()
        return any(changed)

    @property
    def are_closed(self) -> bool:
        """Whether no more data will arrive."""
        return all(one.is_closed for one in self.sets)

    @property
    def is_read(self) -> bool:
        """Whether all files could be read at the last check."""
        return not (self._n_problems or self.problems())

    def problems(self) -> List[str]:
        """Files that are unreadable at present."""
        return [f"{one.name}: {one.problem}" for one in self.sets if one.problem]

    def waiting(self, done: Collection[int]) -> List[int]:
        """Ids of the micrographs that are still to be processed, in the order of the set."""
        return [one for one in self.micrographs.names if one not in done]

    def ready(self, waiting: Sequence[int]) -> List[int]:
        """Those of some micrographs that can be processed."""
        return [one for one in waiting if all(each.has(one) for each in self.sets)]

    def lacking(self, waiting: Sequence[int]) -> Dict[str, int]:
        """Number of some micrographs that each set has still to bring."""
        counts = {one.name: sum(not one.has(each) for each in waiting) for one in self.sets}
        return {name: n for name, n in counts.items() if n}

    def names(self, micrographs: Sequence[int]) -> List[str]:
        """Names of some micrographs, as in `MicrographTable.labels`."""
        table = self.micrographs.table
        every = dict(zip(table.ids, table.labels))
        return [every[one] for one in micrographs]
