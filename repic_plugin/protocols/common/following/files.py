"""Files that a run follows, beside sets that are still being written."""

from __future__ import annotations

import time
from typing import Any, Dict, List

from repic_plugin.convert import GrowingMicrographs
from repic_plugin.formats import FormatError, match_names, micrograph_name
from repic_plugin.protocols.common.following.sets import (
    MAX_UNREADABLE,
    FollowedMicrographs,
    FollowedSet,
)


class FollowedFiles(FollowedSet):
    """Files that tell something of each micrograph, while micrographs may still be arriving.

    They are closed once the micrographs are, and each of them is in the files or nothing has come
    or changed for a time.

    Parameters
    ----------
    name : str
        For messages.
    files : WatchedFolder or WatchedCtfs
    micrographs : GrowingMicrographs
    followed : FollowedMicrographs
        The same, which says whether they are complete; looked at before.
    interval_s, wait_s : float
        Time between two looks, and how long to wait for files once the micrographs are complete.

    Attributes
    ----------
    files : WatchedFolder or WatchedCtfs
    """

    def __init__(
        self,
        name: str,
        files: Any,
        micrographs: GrowingMicrographs,
        followed: FollowedMicrographs,
        interval_s: float,
        wait_s: float,
    ) -> None:
        self.files = files
        super().__init__(name, [files], lambda: True)
        self._micrographs, self._followed = micrographs, followed
        self._interval_s, self._wait_s = interval_s, wait_s
        self._names: Dict[int, str] = {}
        self._last_look = -interval_s
        self._last_news = time.monotonic()

    def look(self) -> bool:
        """Whether there is new data; what is asked again too soon is not looked at.

        Raises
        ------
        FormatError
            If the folder was unreadable at too many consecutive checks.
        """
        now = time.monotonic()  # unaffected by changes of the system time
        if now - self._last_look < self._interval_s:
            return False
        self._last_look = now
        try:
            has_news = self.files.look()
        except FormatError as error:
            self._n_problems += 1
            if self._n_problems > MAX_UNREADABLE:
                raise
            self.problem = str(error)
            return False
        self.problem, self._n_problems = None, 0
        if has_news or not self._followed.is_closed:
            self._last_news = now
        was_closed, self.is_closed = self.is_closed, self._is_over(now)
        return has_news or self.is_closed != was_closed

    def _is_over(self, now: float) -> bool:
        if not self._followed.is_closed:
            return False
        return not self.lacking() or now - self._last_news >= self._wait_s

    def match(self) -> None:
        """Match the names in the files with the micrographs, see `match_names`.

        As long as either may grow, names that only meet without an addition such as _DW count where
        none meets as it is: another micrograph, still to come, may have such a name.

        Raises
        ------
        ValueError
            If a name is ambiguous.
        """
        names, table = self.files.micrographs, self._micrographs.table
        try:
            places = match_names(names, table.known_as).place.tolist()
        except ValueError as error:
            raise ValueError(f"{self.name}: {error}") from None
        found = {table.ids[at]: name for name, at in zip(names, places) if at >= 0}
        known = {one: micrograph_name(name) for one, name in self._micrographs.names.items()}
        exact = {i: name for i, name in found.items() if micrograph_name(name) == known[i]}
        self._names = found if self.is_closed or not exact else exact

    def has(self, micrograph: int) -> bool:
        """Whether a micrograph is in the files, be it with nothing on it."""
        return micrograph in self._names

    def lacking(self) -> List[int]:
        """Micrographs that are not in the files."""
        return [one for one in self._micrographs.names if one not in self._names]

    def read(self, micrograph: int) -> Any:
        """What the files have of a micrograph.

        Raises
        ------
        FormatError
            If the file has been removed or damaged since.
        """
        return self.files.read(self._names[micrograph])

    @property
    def n_items(self) -> str:  # type: ignore[override]
        """The state of the files, by which a change of them is seen."""
        return str(self.files.stamp())
