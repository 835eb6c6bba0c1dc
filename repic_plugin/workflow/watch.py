"""Start each run when its inputs are available, and report its state."""

from __future__ import annotations

import json
import sqlite3
import time
from datetime import datetime
from pathlib import Path
from typing import Any, Callable, Dict, List, Optional, Set

from repic_plugin.formats import atomic_write
from repic_plugin.workflow.project import WorkflowProject
from repic_plugin.workflow.runs import failure, outputs

FINISHED, FAILED, TIMED_OUT = 0, 1, 124
POLL_SECONDS = 1.0
LOOK_SECONDS = 15.0  # at the latest, also where no file has changed
MOST_LOCKED = 20  # looks
DEAD = {"failed": "failed", "aborted": "was stopped", "interactive": "needs user interaction"}
BLOCKED = "not started"
NO_FILES = "no files matching"  # what an import says of a folder that is still empty

Runs = Dict[int, Any]


class Watch:
    """The runs of a workflow from the first to the last.

    Scipion's own scheduler is not used: it keeps a process for each run that waits, looks every 15
    to 120 seconds, and waits for ever where the run before has failed. The rules are its own: a
    run that works on growing inputs starts as soon as they are there, any other when the runs
    before it have finished.

    Parameters
    ----------
    project : WorkflowProject
    tell : callable
        Called with a line for each change.
    summaries : list of path
        JSON files, written at each change.
    timeout_seconds : float, optional
    """

    def __init__(
        self,
        project: WorkflowProject,
        tell: Callable[[str], None],
        summaries: List[Path],
        timeout_seconds: Optional[float] = None,
    ) -> None:
        self._project, self._tell, self._summaries = project, tell, summaries
        self._deadline = None if timeout_seconds is None else time.monotonic() + timeout_seconds
        self._n_locked = 0
        self._said: Dict[int, str] = {}
        self._blocked: Dict[int, str] = {}
        self._awaiting: Set[int] = set()  # runs that wait for their first file
        runs = project.runs()
        outdated = set(project.record.outdated)
        self._pending: Set[int] = {
            number
            for number, run in runs.items()
            if number in outdated or not (run.isFinished() or run.isActive())
        }
        self._again = {n for n in self._pending if runs[n].isFailed() or runs[n].isAborted()}

    def run(self) -> int:
        """Run until all have ended.

        Returns
        -------
        int
            0 if all finished, 1 if not, 124 after the timeout.
        """
        stamps: Any = None
        looked = 0.0
        while True:
            now = time.monotonic()
            fresh = self._stamps()
            if self._project.launcher.reap() or fresh != stamps or now - looked > LOOK_SECONDS:
                stamps, looked = fresh, now
                if self._looked_safely():
                    return self._end()
            if self._deadline is not None and now > self._deadline:
                self._tell("--timeout reached: stopping all protocols")
                self.stop_all()
                self.write_summary(TIMED_OUT)
                return TIMED_OUT
            time.sleep(POLL_SECONDS)

    def stop_all(self) -> None:
        """Stop all active runs."""
        for run in self._project.runs().values():
            if run.isActive():
                self._project.stop(run)
        self._announce(self._project.runs())

    def write_summary(self, exit_code: Optional[int] = None) -> None:
        """Write the state of all runs as JSON; the exit code is null while they run."""
        runs = self._project.runs()
        record = self._project.record
        text = json.dumps(
            {
                "project": str(self._project.folder),
                "workflow": record.source,
                "values": record.values,
                "exit_code": exit_code,
                "protocols": [
                    self._row(name, runs[number])
                    for name, number in record.ids.items()
                    if number in runs
                ],
            },
            indent=1,
        )
        for file in self._summaries:
            atomic_write(file, text + "\n")

    def _end(self) -> int:
        states = {self._state(run) for run in self._project.runs().values()}
        code = FINISHED if states == {"finished"} else FAILED
        self.write_summary(code)
        return code

    def _stamps(self) -> List[int]:
        """Times of the last change of the runs' own files."""
        files = [
            file
            for number in self._project.record.ids.values()
            for file in self._project.folder.glob(f"Runs/{number:06d}_*/logs/run.db")
        ]
        return [file.stat().st_mtime_ns for file in files]

    def _looked_safely(self) -> bool:
        """As `_look`, with some retries if the project's file is locked."""
        try:
            over = self._look()
        except sqlite3.OperationalError as error:
            self._n_locked += 1
            if self._n_locked > MOST_LOCKED:
                raise ValueError(
                    f"{self._project.folder}: the project cannot be used ({error}); close other "
                    "programs that use it, check the disk, and run the command again"
                ) from error
            return False
        self._n_locked = 0
        return over

    def _look(self) -> bool:
        """Start the runs that can start; return whether all have ended."""
        started = True
        while started:  # what has just started may be an input already
            runs = self._project.runs()
            self._announce(runs)
            started = any(self._decide(runs, n) for n in runs if n in self._pending)
        for number, run in runs.items():
            if run.isScheduled() and self._obstacle(runs, number):
                self._project.stop(run)  # scheduled in the window: it would wait for ever
                return False
        if self._awaiting:
            return False
        # of the states that all was decided on: a run may have ended since
        if any(run.isActive() and not run.isInteractive() for run in runs.values()):
            return False
        for number in sorted(self._pending):  # they wait for each other
            self._blocked[number] = "circular inputs: waits for runs that wait for it"
        self._pending.clear()
        self._announce(runs)
        return True

    def _decide(self, runs: Runs, number: int) -> bool:
        """Start a run or mark it as blocked; return whether either was done."""
        run = runs[number]
        obstacle = self._obstacle(runs, number)
        if obstacle:
            self._blocked[number] = obstacle
            self._pending.discard(number)
            return True
        parents = [runs[one] for one in self._project.edges[number] if one in runs]
        if any(one.getObjId() in self._pending for one in parents):
            return False
        finished = all(one.isFinished() for one in parents)
        if not (finished or self._can_grow(runs, run)):
            return False
        problems = self._project.problems(run)
        if problems and not finished:
            return False  # its inputs are still to come
        if problems and self._awaits_files(run, problems):
            return False
        self._awaiting.discard(number)
        self._pending.discard(number)
        if problems:
            self._project.refuse(run, "; ".join(problems))
        else:
            self._start(runs, number)
        return True

    def _awaits_files(self, run: Any, problems: List[str]) -> bool:
        """Whether a run imports files as they come, and none has come yet."""
        if not getattr(run, "dataStreaming", False) or NO_FILES not in " ".join(problems):
            return False
        if run.getObjId() not in self._awaiting:
            self._awaiting.add(run.getObjId())
            now, problem = f"{datetime.now():%Y-%m-%d %H:%M:%S}", "; ".join(problems)
            self._tell(f"{now}  {_name(run)}: waits for a first file: {problem}")
        return True

    def _can_grow(self, runs: Runs, run: Any) -> bool:
        """Whether a run streams, and its incomplete inputs grow."""
        waits_for = [int(one) for one in run.getPrerequisites()]
        return bool(
            run.worksInStreaming()
            and all(runs[one].isFinished() for one in waits_for if one in runs)
            and self._project.inputs_are_open(run)
        )

    def _start(self, runs: Runs, number: int) -> None:
        record = self._project.record
        if number in self._again:  # what it adds, the runs behind it have not seen
            behind = [one for one in self._behind(number) if self._saw_part(runs[one])]
            record.outdated = list(dict.fromkeys(record.outdated + behind))
            self._pending.update(behind)
            self._project.save()
        self._project.launch(runs[number])
        if number in record.outdated:
            record.outdated.remove(number)
            self._project.save()

    @staticmethod
    def _saw_part(run: Any) -> bool:
        return bool(run.isFinished() and run.worksInStreaming())

    def _behind(self, number: int) -> List[int]:
        """Runs that depend on a run."""
        found: List[int] = []
        for one, parents in self._project.edges.items():
            if number in parents and one != number:
                found += [one, *self._behind(one)]
        return list(dict.fromkeys(found))

    def _obstacle(self, runs: Runs, number: int) -> str:
        """Why a run cannot get its inputs; empty if it may."""
        for one in self._project.edges[number]:
            if one in self._pending or one not in runs:
                continue
            if one in self._blocked:
                return self._blocked[one]  # the first cause
            state = str(runs[one].getStatus())
            if state in DEAD:
                return f"waits for {_name(runs[one])}, which {DEAD[state]}"
        return ""

    def _state(self, run: Any) -> str:
        number = run.getObjId()
        if number in self._blocked:
            return BLOCKED
        return "waiting" if number in self._pending else str(run.getStatus())

    def _announce(self, runs: Runs) -> None:
        """Report each run that changed its state, and update the summary."""
        changed = False
        for number, run in runs.items():
            state = self._state(run)
            if self._said.get(number) == state:
                continue
            self._said[number], changed = state, True
            if state != "waiting":
                detail = self._detail(run, state)
                self._tell(f"{datetime.now():%Y-%m-%d %H:%M:%S}  {_name(run)}: {state}{detail}")
        if changed:
            self.write_summary()

    def _detail(self, run: Any, state: str) -> str:
        if state == BLOCKED:
            return f": {self._blocked[run.getObjId()]}"
        if state == "failed":
            return f": {failure(run)}"
        if state != "finished":
            return ""
        left = [
            one["name"] + ("" if one["size"] is None else f" of {one['size']:,}")
            for one in outputs(run)
        ]
        return f": {', '.join(left)}" if left else ""

    def _row(self, name: str, run: Any) -> Dict[str, Any]:
        state = self._state(run)
        error = self._blocked.get(run.getObjId()) or failure(run)
        return {
            "id": run.getObjId(),
            "workflow_id": name,
            "label": run.getObjLabel(),
            "class": run.getClassName(),
            "status": state,
            "start": run.initTime.get(),
            "end": run.endTime.get(),
            "error": error if state in (*DEAD, BLOCKED) and error else None,
            "outputs": outputs(run),
        }


def _name(run: Any) -> str:
    return f"{run.getObjId()} {run.getObjLabel()}"
