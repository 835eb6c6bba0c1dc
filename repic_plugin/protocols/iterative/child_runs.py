"""Protocols that another protocol runs in the user's project.

A child is an ordinary box of the project's graph. It carries a tag that follows from what it is
asked to do: asked again for the same, as after a stop or a reboot, the parent finds the child and
does not repeat it.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import threading
import time
from typing import Any, Callable, Optional

from pwem import Domain
from pyworkflow import Config
from pyworkflow.object import Pointer
from pyworkflow.project import Project
from pyworkflow.protocol import MODE_RESTART, MODE_RESUME, Protocol

__all__ = ["ChildFailed", "Children"]

# Short stages are noticed soon, long ones are not looked at all the time.
FIRST_POLL_SECONDS, LAST_POLL_SECONDS, POLL_GROWTH = 0.1, 5.0, 1.2
# What a child says that was valid when it was launched and not when it began: somebody wrote an
# older state of its inputs into the project in between.
SAW_LESS, RELAUNCHES = "Protocol has validation errors", 3
# Parameters that do not change what comes out.
HOW_IT_RUNS = {
    *("runName", "runMode", "hostName", "numberOfThreads", "numberOfMpi", "binThreads"),
    *("gpuList", "expertLevel"),
}
# Scipion writes its messages for a terminal.
COLORS = re.compile("\x1b\\[[0-9;]*m")
# Two steps of one parent must not write the project's database at once.
PROJECT_LOCK = threading.RLock()


class ChildFailed(RuntimeError):
    """A child ended without success."""


class Children:
    """The children of one protocol, as one of its steps sees them.

    Parameters
    ----------
    parent : Protocol
    token : str
        Of the parent's run. One that starts from scratch has a new one, and new children.
    """

    def __init__(self, parent: Protocol, token: str) -> None:
        self._parent = parent
        self._token = token
        # the running protocol's own project is a copy, and what is made there is lost
        self.project = Project(Config.getDomain(), parent.getProject().path)
        self.project.load(chdir=False)

    def new(self, class_name: str, **values: Any) -> Protocol:
        """A protocol of the project, not launched yet."""
        return self.project.newProtocol(Domain.getProtocols()[class_name], **values)

    def run(
        self, child: Protocol, label: str, check: Optional[Callable[[Protocol], Any]] = None
    ) -> Protocol:
        """Run a child to its end, unless it has been.

        Parameters
        ----------
        child : Protocol
            From `new`, configured.
        label : str
            As the user sees it.
        check : callable, optional
            Raises where a run that says "finished" has not left what it should. Such a run from
            before is repeated.

        Returns
        -------
        Protocol
            Finished.

        Raises
        ------
        ChildFailed
            If it did not finish.
        """
        tag = f"repic-{self._token}-{_fingerprint(child, label)}"
        with PROJECT_LOCK:
            found = self.find(tag)
            if found is None:
                child.setObjLabel(label)
                child.setObjComment(tag)
                self._launch(child, MODE_RESUME)
            else:
                child = found
                self._update(child, again=child.isFailed())
                if not (_is_at_work(child) or _is_good(child, check)):
                    self._launch(child, MODE_RESTART)
        self._wait(child)
        for _ in range(RELAUNCHES):
            if child.isFinished() or SAW_LESS not in str(child.getErrorMessage()):
                break
            with PROJECT_LOCK:
                self._launch(child, MODE_RESTART)
            self._wait(child)
        if not child.isFinished():
            told = child.getErrorMessage() or f"its process is gone, its status {child.getStatus()}"
            reason = " ".join(COLORS.sub("", str(told)).split())
            raise ChildFailed(f"{label} did not finish: {reason}; log: {child.getStderrLog()}")
        if check is not None:
            check(child)
        return child

    def find(self, tag: str) -> Optional[Protocol]:
        """The child with this tag.

        Not by the project's list of runs: that would judge the parent too, by what was known of
        its process before it was killed.
        """
        project = self.project
        runs = project.mapper.selectAllBatch(objectFilter=lambda one: isinstance(one, Protocol))
        found: Optional[Protocol] = next((r for r in runs if r.getObjComment() == tag), None)
        if found is not None:
            project._setProtocolMapper(found)
            found.setProject(project)
        return found

    def own(self, run_id: int) -> Optional[Protocol]:
        """A run by its id, if it is one of these children."""
        run = self.project.getObject(run_id)
        is_own = run is not None and str(run.getObjComment()).startswith(f"repic-{self._token}-")
        return run if is_own else None

    def target(self, run_id: int, output: str) -> Any:
        """An output of a run of the project; the object itself where no output is named."""
        return self.output(run_id, output).get()

    def output(self, run_id: int, output: str) -> Pointer:
        """A pointer to the same.

        Whoever looks at the project writes into it what they have read of a run that was active.
        If it ended meanwhile that is less than what stood there, its outputs can be gone: the
        run's own file knows them.
        """
        pointer = Pointer(self.project.getObject(run_id), extended=output)
        if pointer.get() is None and isinstance(pointer.getObjValue(), Protocol):
            self._update(pointer.getObjValue(), again=True)
            pointer = Pointer(self.project.getObject(run_id), extended=output)
        return pointer

    def pointer(self, pointer: Pointer) -> Pointer:
        """The same pointer, to the project's own objects."""
        return self.output(pointer.getObjValue().getObjId(), pointer.getExtended())

    def close(self) -> None:
        """Let go of the project's database."""
        self.project.closeMapper()

    def _launch(self, child: Protocol, mode: int) -> None:
        self._restore_inputs(child)
        problems = child.validate()
        if problems:
            label = child.getObjLabel()
            raise ChildFailed(f"{label} cannot run: {'; '.join(map(str, problems))}")
        child.runMode.set(mode)
        child._useQueue.set(self._parent._useQueue.get())
        child._queueParams.set(self._parent._queueParams.get())
        self._parent.info(f"{child.getObjLabel()}: starting")
        self.project.launchProtocol(child, wait=False)

    def _update(self, child: Protocol, *, again: bool = False) -> None:
        """Read what a child says of itself; `again` even where nothing seems to be new.

        Scipion notes the time of a child's file after it has read it, and asks whether the process
        lives after that: of a child that ends in between it thinks that it died.
        """
        with PROJECT_LOCK:
            if again:
                child.lastUpdateTimeStamp.set(None)
            self.project._updateProtocol(child)
            self.project.mapper.commit()

    def _restore_inputs(self, child: Protocol) -> None:
        """Write again what the children that a child reads from have made; see `output`.

        By a project that is opened for it: this one remembers the outputs, and would update rows
        that are gone.
        """
        on_disk = Children(self._parent, self._token)
        for _, pointer in child.iterInputPointers():
            source = pointer.getObjValue()
            if isinstance(source, Protocol) and on_disk.own(source.getObjId()) is not None:
                on_disk.output(source.getObjId(), pointer.getExtended())
        on_disk.close()

    def _wait(self, child: Protocol) -> None:
        """Until a child has ended."""
        pause = FIRST_POLL_SECONDS
        while child.isActive():
            time.sleep(pause)
            pause = min(POLL_GROWTH * pause, LAST_POLL_SECONDS)
            _reap(child.getPid())
            self._update(child)
        if not child.isFinished():
            self._update(child, again=True)


def _reap(pid: int) -> None:
    """Let the system forget a process of ours that was killed: Scipion would take it for alive."""
    try:
        if pid:
            os.waitpid(pid, os.WNOHANG)
    except ChildProcessError:
        pass  # of an earlier run of the parent, or gone already


def _is_at_work(run: Protocol) -> bool:
    """Whether a run from before still goes on; one that was never started has no process."""
    return bool(run.isActive() and (run.getPid() or len(run.getJobIds())))


def _is_good(run: Protocol, check: Optional[Callable[[Protocol], Any]]) -> bool:
    """Whether a run from before has finished and left what it should."""
    if not run.isFinished():
        return False
    try:
        if check is not None:
            check(run)
    except (ValueError, ChildFailed):
        return False
    return True


def _fingerprint(child: Protocol, label: str) -> str:
    """What a child is asked to do, in short: its class, values and inputs."""
    definition = child.getDefinitionDict()
    asked = {
        name: str(value)
        for name, value in definition.items()
        if name not in HOW_IT_RUNS and not name.startswith(("_", "object."))
    }
    text = json.dumps([label, child.getClassName(), asked], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
