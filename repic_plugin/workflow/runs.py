"""Runs of a Scipion project, driven from outside: created, launched, awaited and judged.

What becomes of a run stands in a file of its own, ``run.db``. The project's file holds copies,
written by whoever looked: a window that read a run while it was active can write that older state
after the run has ended. So a run is judged by its own file and by its process.

Set the environment first: importing this loads Scipion.
"""

from __future__ import annotations

import re
import threading
import time
from contextlib import closing
from typing import Any, Callable, Dict, List

from pwem import Domain
from pyworkflow import Config
from pyworkflow.object import Pointer, Set
from pyworkflow.project import Project
from pyworkflow.protocol import MODE_RESTART, MODE_RESUME, Protocol
from pyworkflow.utils import getHostFullName

from repic_plugin.workflow.processes import is_at_work

# Two threads must not write a project's file at once.
PROJECT_LOCK = threading.RLock()
# Short runs are noticed soon, long ones are not looked at all the time.
FIRST_POLL_SECONDS, LAST_POLL_SECONDS, POLL_GROWTH = 0.1, 5.0, 1.2
# What Scipion says of a process or a job that it misses, and what we say when we do.
LOST = "not found running"
ENDED = "Its process or job has ended without a message; see its log."
# What a run says that was valid when it was launched and not when it began: somebody wrote an
# older state of its inputs into the project in between.
SAW_LESS, RELAUNCHES = "Protocol has validation errors", 3
# Scipion writes its messages for a terminal.
COLOURS, PREFIX = re.compile(r"\x1b\[[0-9;]*m"), "Protocol failed: "


class RunFailed(ValueError):
    """A run could not start, or ended without success."""


class ProjectRuns:
    """The runs of a project.

    Parameters
    ----------
    project : pyworkflow.project.Project
        Loaded.
    """

    def __init__(self, project: Project) -> None:
        self.project = project

    def new(self, class_name: str, **values: Any) -> Protocol:
        """A protocol of the project, not launched yet."""
        return self.project.newProtocol(Domain.getProtocols()[class_name], **values)

    def all(self) -> List[Protocol]:
        """Every run, as the project's file has it.

        The project's own list of runs would judge each that is active, also those of others, by
        the number that its process once had.
        """
        runs = self.project.mapper.selectAllBatch(
            objectFilter=lambda one: isinstance(one, Protocol)
        )
        for run in runs:
            self.project._setProtocolMapper(run)
        return list(runs)

    def problems(self, run: Protocol) -> List[str]:
        """Problems that prevent a run from starting, one line each."""
        missing = [
            f"{name}: {pointer.getObjValue().getObjLabel()} has no {pointer.getExtended()}"
            for name, pointer in run.iterInputAttributes()
            if pointer.get() is None and pointer.getObjValue() is not None
        ]
        return missing or [" ".join(str(one).split()) for one in run.validate()]

    def start(self, run: Protocol, mode: int = MODE_RESUME) -> None:
        """Check a run and launch it.

        Raises
        ------
        RunFailed
            If it cannot start.
        """
        problems = self.problems(run)
        if problems:
            raise RunFailed(f"{run.getObjLabel()} cannot run: {'; '.join(problems)}")
        self.launch(run, mode)

    def launch(self, run: Protocol, mode: int = MODE_RESUME, *, force: bool = False) -> None:
        """Launch a run that can start; `force` if others have used its earlier outputs."""
        with PROJECT_LOCK:
            self._restore_inputs(run)
            run.runMode.set(mode)
            self.project.launchProtocol(run, force=force)

    def wait(self, run: Protocol, looked: Callable[[Protocol], None] = lambda _: None) -> None:
        """Wait until a launched run has finished.

        Parameters
        ----------
        run : Protocol
            Up to date afterwards.
        looked : callable
            Called with it after each check.

        Raises
        ------
        RunFailed
            If it ends without success.
        """
        self._wait(run, looked)
        for _ in range(RELAUNCHES):
            if run.isFinished() or SAW_LESS not in failure(run):
                break
            self.start(run, MODE_RESTART)
            self._wait(run, looked)
        if not run.isFinished():
            reason = failure(run) or f"its status is {run.getStatus()}"
            label, log = run.getObjLabel(), run.getStderrLog()
            raise RunFailed(f"{label} did not finish: {reason}; log: {log}")

    def _wait(self, run: Protocol, looked: Callable[[Protocol], None]) -> None:
        pause = FIRST_POLL_SECONDS
        while run.isActive():
            time.sleep(pause)
            pause = min(POLL_GROWTH * pause, LAST_POLL_SECONDS)
            self.update(run)
            looked(run)

    def update(self, run: Protocol) -> None:
        """Update a run from its own file and judge its state.

        One that has died, or seems to, is read a second time: Scipion looks for its process after
        it has read its file, and the run may have ended between the two looks.
        """
        with PROJECT_LOCK:
            self._read(run)
            if not (run.isFailed() or self._is_gone(run)):
                return
            self._read(run, again=True)
            if seems_dead(run) or self._is_gone(run):
                run.setFailed(ENDED)
                self.project._storeProtocol(run)

    def _read(self, run: Protocol, *, again: bool = False) -> None:
        """Read a run's own file; `again` even where it seems to be no newer.

        Scipion notes the time of that file after it has read it.
        """
        with PROJECT_LOCK:
            if again:
                run.lastUpdateTimeStamp.set(None)
            self.project._updateProtocol(run)
            self.project.mapper.commit()  # else other runs wait for the project's file

    def _is_gone(self, run: Protocol) -> bool:
        """Whether an active run has no process; by its name: its number may be another's by now."""
        if not run.isActive() or run.isInteractive():
            return False
        if run.useQueueForProtocol():
            return not (run.getPid() or len(run.getJobIds()))  # it was never handed over
        is_here = run.getHostFullName() in (None, "", getHostFullName())
        return is_here and not is_at_work(self.project.path, run.getDbPath())

    def output(self, run_id: int, output: str) -> Pointer:
        """A pointer to an output of a run, to the run itself where no output is named.

        An output that the project's file has lost to an older state is found in the run's own.
        """
        pointer = Pointer(self.project.getObject(run_id), extended=output)
        if pointer.get() is None and isinstance(pointer.getObjValue(), Protocol):
            self._read(pointer.getObjValue(), again=True)
            pointer = Pointer(self.project.getObject(run_id), extended=output)
        return pointer

    def _restore_inputs(self, run: Protocol) -> None:
        """Restore the inputs of a run that the project's file has lost.

        By a project that is opened for it: this one remembers the outputs, and would update rows
        that are gone.
        """
        with closing(ProjectRuns(open_project(self.project.path))) as on_disk:
            for _, pointer in run.iterInputAttributes():
                source = pointer.getObjValue()
                if isinstance(source, Protocol):
                    on_disk.output(source.getObjId(), pointer.getExtended())

    def close(self) -> None:
        """Close the project's file."""
        self.project.closeMapper()


def open_project(path: str) -> Project:
    """The project in a folder, loaded; the working folder stays."""
    project = Project(Config.getDomain(), path)
    project.load(chdir=False)
    return project


def failure(run: Protocol) -> str:
    """Why a run has failed, on one line; empty if unknown."""
    plain = " ".join(COLOURS.sub("", str(run.getErrorMessage() or "")).split())
    return plain[len(PREFIX) :] if plain.startswith(PREFIX) else plain


def seems_dead(run: Protocol) -> bool:
    """Whether a run was marked failed for its missing process: it may have finished."""
    return bool(run.isFailed() and LOST in failure(run))


def outputs(run: Protocol) -> List[Dict[str, Any]]:
    """Outputs of a run: name, class, and size of a set."""
    return [
        {
            "name": name,
            "class": one.getClassName(),
            "size": one.getSize() if isinstance(one, Set) else None,
        }
        for name, one in run.iterOutputAttributes()
    ]
