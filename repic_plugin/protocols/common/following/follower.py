"""The loop of a run that follows growing inputs."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any, List, Sequence

from repic_plugin.formats import atomic_write


class Follower:
    """Checks the inputs, processes micrographs that are ready, in batches, until all close.

    Subclasses say how a batch is processed, what is written, and how a run is resumed.

    Parameters
    ----------
    protocol : Protocol
        With the parameters of `define_following_params`.
    inputs : FollowedInputs
    record : BatchRecord
    """

    def __init__(self, protocol: Any, inputs: Any, record: Any) -> None:
        self.protocol, self.inputs, self.record = protocol, inputs, record
        self._done = set(record.done)
        self._warned: List[str] = []
        self._ended_idle = self._is_last = False

    def run(self) -> None:
        """Process until no more data can arrive, then close the outputs and write the tables."""
        if self.record.is_finished:
            self.protocol.info("nothing has changed since the last run")
            return
        if self.record.is_new:
            self._forget()
        else:
            self.protocol.info(f"continuing after {self._so_far()}")
            self._resume()
        last_news = time.monotonic()  # unaffected by changes of the system time
        while True:
            problems = self.inputs.problems()
            has_news = self.inputs.look()
            if has_news:
                last_news = time.monotonic()
            has_news |= self.inputs.problems() != problems
            self._is_last = self.inputs.are_closed or self._is_idle(last_news)
            waiting = self.inputs.waiting(self._done)
            ready = waiting if self._is_last else self.inputs.ready(waiting)
            worked = self._work_on(ready)
            if self._is_last and worked == len(waiting) and self._conclude():
                break
            self._interim()
            if has_news or worked:
                self._write_facts()
            if not worked:
                time.sleep(self.protocol.streamingSleepOnWait.get())
        self._close()

    def _is_idle(self, last_news: float) -> bool:
        """Whether no new data arrived for the time that the user has set."""
        limit_s = self.protocol.endAfterIdle.get()
        self._ended_idle = bool(limit_s) and time.monotonic() - last_news >= limit_s
        return self._ended_idle

    def _warn(self, message: str) -> None:
        """Log a warning once."""
        if message not in self._warned:
            self._warned.append(message)
            self.protocol.warning(message)

    def _say(self, file: str, text: str, lines: List[str]) -> None:
        """Log new warnings among the lines, and write the text for the summary if it is new."""
        for line in lines:
            if line.startswith("!"):
                self._warn(line[1:].strip())
        path = Path(file)
        if not path.is_file() or path.read_text("utf-8") != text:
            atomic_write(path, text)

    # ------------------------------------------------------ for the subclasses

    def _so_far(self) -> str:
        """What is done, for the log."""
        return f"{len(self._done):,} micrographs"

    def _forget(self) -> None:
        """Remove the results of a run with other values or inputs."""
        raise NotImplementedError

    def _resume(self) -> None:
        """Bring the outputs up to date with the record; they may be behind."""
        raise NotImplementedError

    def _work_on(self, ready: Sequence[int]) -> int:
        """Number of micrographs, or particles, that could be settled."""
        raise NotImplementedError

    def _conclude(self) -> bool:
        """Whether the last things could be done before the outputs are closed."""
        return True

    def _interim(self) -> None:
        """What else is done after each check."""

    def _write_facts(self, is_closed: bool = False) -> None:
        """Update what the summary says."""
        raise NotImplementedError

    def _close(self) -> None:
        """Close the outputs; write tables and summary."""
        raise NotImplementedError
