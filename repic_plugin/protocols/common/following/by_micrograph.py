"""Runs that follow growing inputs, and work on the pixels of one micrograph after the other."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Callable, Dict, List, Sequence, Set, Tuple

import numpy as np
from numpy.typing import NDArray

from repic_plugin.convert import UnreadableSetError
from repic_plugin.protocols.common.following.follower import Follower
from repic_plugin.protocols.common.following.notes import input_remarks, waiting_line
from repic_plugin.protocols.common.following.record import MICROGRAPHS, BatchRecord, text_of
from repic_plugin.protocols.common.micrograph_batches import (
    BATCH,
    check_any_usable,
    tried_on_each_micrograph,
)
from repic_plugin.wording import counted

FOLDER, REMARKS = "stream", "remarks.json"
MOST_NAMED = 5
DIGESTS = "digests"
NOTHING = -1  # the digest of no data


class MicrographRecord(BatchRecord):
    """The record of a run whose results belong to one micrograph each.

    Attributes
    ----------
    digests : dict of int to int
        Of what was used of the inputs for each micrograph.
    repeats : set of int
        Numbers of the batches whose micrographs had been processed before.
    """

    COUNTS = (MICROGRAPHS, DIGESTS)

    def __init__(self, folder: str, settings: str, inputs: str) -> None:
        self.digests: Dict[int, int] = {}
        self.repeats: Set[int] = set()
        super().__init__(folder, settings, inputs)

    def _count(self, counts: Dict[str, NDArray[Any]]) -> None:
        if self.digests.keys() & set(counts[MICROGRAPHS].tolist()):
            self.repeats.add(len(self))
        super()._count(counts)
        self.digests.update(zip(counts[MICROGRAPHS].tolist(), counts[DIGESTS].tolist()))

    def keep(self, micrographs: List[int], digests: List[int], found: List[Any]) -> None:
        """Record what was found on some micrographs, in place of what is known of them.

        `found` holds None for a micrograph that has nothing any more.
        """
        self.write(
            {
                MICROGRAPHS: np.array(micrographs, np.int64),
                DIGESTS: np.array(digests, np.int64),
                **self._arrays(found),
            }
        )

    def _arrays(self, found: List[Any]) -> Dict[str, NDArray[Any]]:
        raise NotImplementedError


class MicrographFollower(Follower):
    """A micrograph that cannot be used is tried again once the inputs are closed, then left out.

    One whose inputs have changed since they were used is processed again then.

    Parameters
    ----------
    protocol : Protocol
    inputs : FollowedInputs
    record : MicrographRecord
    at_rest : str
        The contents of those inputs that are closed, as JSON: null for one that may grow.
    """

    WAITS_FOR = ""  # what a set that micrographs wait for has still to do

    def __init__(self, protocol: Any, inputs: Any, record: Any, at_rest: str) -> None:
        super().__init__(protocol, inputs, record)
        self._may_grow = None in json.loads(at_rest)
        self._unusable: Dict[int, str] = {}
        self._n_written = 0  # batches in the output

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
        digests, found, problems = self._tried(micrographs)
        if self._is_last and (len(micrographs) == BATCH or not self._done):
            check_any_usable(problems, len(micrographs))
        for place, problem in problems.items():
            self._unusable[micrographs[place]] = problem
            self._warn(
                f"{problem}; it is {'skipped' if self._is_last else 'tried again at the end'}"
            )
        done = [place for place in range(len(micrographs)) if place not in problems]
        if done:
            self._settle(*([of[place] for place in done] for of in (micrographs, digests, found)))
        return len(micrographs) if self._is_last else len(done)

    def _tried(self, micrographs: List[int]) -> Tuple[List[int], List[Any], Dict[int, str]]:
        """Digest and result of each micrograph; why some cannot be used, by their place.

        Raises
        ------
        UnreadableSetError
            If a file is unreadable at present.
        """
        work, digests = self._work(micrographs)
        files = [self.inputs.micrographs.paths[one] for one in micrographs]
        threads = self.protocol.numberOfThreads.get()
        return (digests, *tried_on_each_micrograph(work, files, threads))

    def _settle(self, micrographs: List[int], digests: List[int], found: List[Any]) -> None:
        """Record what was found on some micrographs, and append it to the output."""
        self.record.keep(micrographs, digests, found)
        first, last = len(self._done) + 1, len(self._done) + len(micrographs)
        of = f"of {len(self.inputs.micrographs.names):,}"
        self.protocol.info(f"micrographs {first:,} to {last:,} {of}: {self._told(found)}")
        for one in micrographs:
            self._unusable.pop(one, None)
        self._done.update(micrographs)
        self._is_caught_up()

    def _interim(self) -> None:
        self._is_caught_up()

    def _conclude(self) -> bool:
        """Whether all is on record, in the output, and still what the inputs say."""
        for one in self.inputs.sets:
            one.check_met()
        try:
            changed = self._changed()
        except UnreadableSetError as error:
            self._warn(str(error))
            return False
        void = [one for one, now in changed.items() if now == NOTHING or one in self._unusable]
        if void:
            self.record.keep(void, [changed[one] for one in void], [None for _ in void])
        again = changed.keys() - set(void)
        self._done -= again
        return self._is_caught_up() and not again

    def _changed(self) -> Dict[int, int]:
        """Digest of each micrograph whose inputs have changed since they were used."""
        digests, names = self.record.digests, self.inputs.micrographs.names
        now = {one: NOTHING for one in digests if one not in names}
        there = [one for one in digests if one in names]
        for first in range(0, len(there), BATCH):
            now.update(self._digests(there[first : first + BATCH]))
        return {one: digest for one, digest in now.items() if digest != digests[one]}

    def _is_caught_up(self) -> bool:
        """Whether all that is on record could be appended to the output."""
        while self._n_written < len(self.record) and self.inputs.is_read:
            try:
                self._append(self._n_written)
            except UnreadableSetError as error:
                self._warn(str(error))
                return False
            self._n_written += 1
        return self._n_written == len(self.record)

    def _finish(self) -> None:
        """Write the last remarks, and record that all is done."""
        self._write_facts(is_closed=True)
        at_rest = [one.n_items for one in self.inputs.sets]
        self.record.finish(json.dumps(at_rest), keep=self._may_grow)

    def _left_out(self) -> Dict[str, List[int]]:
        """Micrographs that are left out if nothing more arrives, by what is wrong with them."""
        return {"cannot be used": list(self._unusable)}

    def _write_facts(self, is_closed: bool = False) -> None:
        lines = []
        if not is_closed:
            waiting = self.inputs.waiting(self._done)
            lines.append(waiting_line(self.inputs, waiting, self.WAITS_FOR))
        idle_s = self.protocol.endAfterIdle.get() if self._ended_idle else None
        lines += [*input_remarks(self.inputs, idle_s), *self._more_remarks()]
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

    def _work(
        self, micrographs: List[int]
    ) -> Tuple[Callable[[int, NDArray[np.float32]], Any], List[int]]:
        """What is done with the number and the pixels of each of some micrographs; digests.

        Raises
        ------
        UnreadableSetError
            If a file is unreadable at present.
        """
        raise NotImplementedError

    def _digests(self, micrographs: List[int]) -> Dict[int, int]:
        """Digests of the inputs of some micrographs; NOTHING where there is nothing to do.

        Raises
        ------
        UnreadableSetError
            If a file is unreadable at present.
        """
        raise NotImplementedError

    def _more_remarks(self) -> List[str]:
        """Further remarks; warnings begin with an exclamation mark."""
        return []

    def _told(self, found: List[Any]) -> str:
        """What was found on some micrographs, for the log."""
        raise NotImplementedError

    def _append(self, number: int) -> None:
        """Append a batch to the output.

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
