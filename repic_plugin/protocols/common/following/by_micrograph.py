"""Runs that follow growing inputs, and work on the pixels of one micrograph after the other."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Callable, Dict, List, Sequence

import numpy as np
from numpy.typing import NDArray

from repic_plugin.convert import UnreadableSetError
from repic_plugin.protocols.common.following.follower import Follower
from repic_plugin.protocols.common.following.notes import input_remarks, waiting_line
from repic_plugin.protocols.common.following.record import text_of
from repic_plugin.protocols.common.micrograph_batches import (
    BATCH,
    check_any_usable,
    tried_on_each_micrograph,
)
from repic_plugin.wording import counted

FOLDER, REMARKS = "stream", "remarks.json"
MOST_NAMED = 5


class MicrographFollower(Follower):
    """A micrograph that cannot be used is tried again once the inputs are closed, then left out.

    Parameters
    ----------
    protocol : Protocol
    inputs : FollowedInputs
    record : BatchRecord
    """

    WAITS_FOR = ""  # what a set that micrographs wait for has still to do

    def __init__(self, protocol: Any, inputs: Any, record: Any) -> None:
        super().__init__(protocol, inputs, record)
        self._unusable: Dict[int, str] = {}

    def _work_on(self, ready: List[int]) -> int:
        tried = [one for one in ready if self._is_last or one not in self._unusable]
        n_settled = 0
        for first in range(0, len(tried), BATCH):
            try:
                n_settled += self._process(tried[first : first + BATCH])
            except UnreadableSetError as error:
                self._warn(str(error))
                break
        return n_settled

    def _process(self, micrographs: List[int]) -> int:
        """Number of micrographs of a batch that are settled: done, or left out."""
        work = self._work(micrographs)
        files = [self.inputs.micrographs.paths[one] for one in micrographs]
        threads = self.protocol.numberOfThreads.get()
        found, problems = tried_on_each_micrograph(work, files, threads)
        if self._is_last and (len(micrographs) == BATCH or not self._done):
            check_any_usable(problems, len(files))
        for place, problem in problems.items():
            self._unusable[micrographs[place]] = problem
            self._warn(
                f"{problem}; it is {'skipped' if self._is_last else 'tried again at the end'}"
            )
        done = [place for place in range(len(files)) if place not in problems]
        if done:
            self._settle([micrographs[place] for place in done], [found[place] for place in done])
        return len(micrographs) if self._is_last else len(done)

    def _settle(self, micrographs: List[int], found: List[Any]) -> None:
        """Record what was found on some micrographs, and append it to the output."""
        self._keep(micrographs, found)
        for one in micrographs:
            self._unusable.pop(one, None)
        self._done.update(micrographs)
        self._catch_up()

    def _interim(self) -> None:
        self._is_caught_up()

    def _conclude(self) -> bool:
        for one in self.inputs.sets:
            one.check_met()
        return self._is_caught_up()

    def _is_caught_up(self) -> bool:
        """Whether all that is on record could be appended to the output."""
        try:
            self._catch_up()
        except UnreadableSetError as error:
            self._warn(str(error))
            return False
        return True

    def _left_out(self) -> Dict[str, List[int]]:
        """Micrographs that are left out if nothing more arrives, by what is wrong with them."""
        return {"cannot be used": list(self._unusable)}

    def _write_facts(self, is_closed: bool = False) -> None:
        lines = []
        if not is_closed:
            waiting = self.inputs.waiting(self._done)
            lines.append(waiting_line(self.inputs, waiting, self.WAITS_FOR))
        idle_s = self.protocol.endAfterIdle.get() if self._ended_idle else None
        lines += input_remarks(self.inputs, idle_s)
        left_out = self._left_out() if is_closed else {"cannot be used": list(self._unusable)}
        for what, micrographs in left_out.items():
            lines += self._named(what, micrographs)
        text = json.dumps([line.lstrip("! ") for line in lines])
        self._say(remarks_file(self.protocol), text, lines)

    def _named(self, what: str, micrographs: Sequence[int]) -> List[str]:
        """A line that names the first of some micrographs."""
        if not micrographs:
            return []
        known = [one for one in micrographs if one in self.inputs.micrographs.names]
        names = self.inputs.names(known[:MOST_NAMED])
        more = (
            f" and {len(micrographs) - len(names):,} more" if len(micrographs) > len(names) else ""
        )
        n = counted(len(micrographs), "micrograph")
        return [f"! {n} {what}: {', '.join(names)}{more}."]

    # ------------------------------------------------------ for the subclasses

    def _work(self, micrographs: List[int]) -> Callable[[int, NDArray[np.float32]], Any]:
        """What is done with the number and the pixels of each of some micrographs.

        Raises
        ------
        UnreadableSetError
            If a file is unreadable at present.
        """
        raise NotImplementedError

    def _keep(self, micrographs: List[int], found: List[Any]) -> None:
        """Record what was found on some micrographs."""
        raise NotImplementedError

    def _catch_up(self) -> None:
        """Append what is on record to the output.

        Raises
        ------
        UnreadableSetError
            If a file is unreadable at present.
        """
        raise NotImplementedError


def remarks_file(protocol: Any) -> str:
    """File of the remarks of a run."""
    return str(protocol._getExtraPath(FOLDER, REMARKS))


def remark_lines(protocol: Any) -> List[str]:
    """Lines of the summary."""
    text = text_of(Path(remarks_file(protocol)))
    return list(json.loads(text)) if text else []
