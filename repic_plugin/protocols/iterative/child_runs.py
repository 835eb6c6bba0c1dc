"""Protocols that another protocol runs in the user's project.

A child is an ordinary box of the project's graph. Its tag is derived from its task: when the task
recurs, as after a stop or a reboot, the parent finds the child and does not repeat it.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any, Callable, Optional

from pyworkflow.object import Pointer
from pyworkflow.protocol import MODE_RESTART, MODE_RESUME, Protocol

from repic_plugin.workflow import PROJECT_LOCK, ProjectRuns, open_project

# Parameters that do not affect the results.
HOW_IT_RUNS = {
    *("runName", "runMode", "hostName", "numberOfThreads", "numberOfMpi", "binThreads"),
    *("gpuList", "expertLevel"),
}
# Parameters that children of version 0.2.0 did not have: they do not distinguish children while
# they are at their default, so that a run of that version is continued with what it has done.
ADDED = {
    *("checkCoordinates", "copyDistance", "minDistance", "patterns", "rankBy"),
    *("keepMasks", "maskContamination", "particleDiameter"),
    *("lookAtImages", "imageClasses", "maxFalseAgreement"),
    *("streamingSleepOnWait", "endAfterIdle"),
    *("chosenParticles", "classifiedParticles"),
    *("minAgreement", "minExpected", "maxJunk", "minWeight"),
}


class Children(ProjectRuns):
    """The children of one protocol, for one of its steps.

    Parameters
    ----------
    parent : Protocol
    token : str
        Token of the parent's run. A run from scratch has a new token, and new children.
    """

    def __init__(self, parent: Protocol, token: str) -> None:
        # the running protocol's own project is a copy, in which new runs would be lost
        super().__init__(open_project(parent.getProject().path))
        self._parent = parent
        self._token = token

    def run(
        self,
        child: Protocol,
        label: str,
        check: Optional[Callable[[Protocol], Any]] = None,
        about: str = "",
    ) -> Protocol:
        """Run a child to completion, unless it has already run.

        Parameters
        ----------
        child : Protocol
            From `new`, configured.
        label : str
            Label in the project.
        check : callable, optional
            Raises if a finished run lacks its results. Such an earlier run is repeated.
        about : str
            What the child does, a phrase for its comment.

        Returns
        -------
        Protocol
            Finished.

        Raises
        ------
        RunFailed
            If it cannot start or does not finish.
        """
        tag = f"repic-{self._token}-{_fingerprint(child, label)}"
        with PROJECT_LOCK:
            found = next((one for one in self.all() if _has_tag(one, tag)), None)
            if found is None:
                child.setObjLabel(label)
                child.setObjComment(self._comment(about or label, tag))
                self.start(child)
            else:
                child = found
                self.update(child)
                if not (child.isActive() or _is_good(child, check)):
                    self.start(child, MODE_RESTART)
        self.wait(child)
        if check is not None:
            check(child)
        return child

    def start(self, run: Protocol, mode: int = MODE_RESUME) -> None:
        """Launch a child as its parent was launched, in a queue or not."""
        run._useQueue.set(self._parent._useQueue.get())
        run._queueParams.set(self._parent._queueParams.get())
        self._parent.info(f"{run.getObjLabel()}: starting")
        super().start(run, mode)

    def own(self, run_id: int) -> Optional[Protocol]:
        """A run by its id, if it is one of these children."""
        run = self.project.getObject(run_id)
        is_own = run is not None and f"repic-{self._token}-" in str(run.getObjComment())
        return run if is_own else None

    def _comment(self, about: str, tag: str) -> str:
        """Comment of a child: for whom it runs and what it does, and its tag."""
        parent = f"{self._parent.getObjLabel()} (run {self._parent.getObjId()})"
        return f"Started by {parent}: {about}. [{tag}]"

    def target(self, run_id: int, output: str) -> Any:
        """An output of a run of the project, or the run itself if no output is named."""
        return self.output(run_id, output).get()

    def pointer(self, pointer: Pointer) -> Pointer:
        """A pointer as given, to the objects of the project."""
        return self.output(pointer.getObjValue().getObjId(), pointer.getExtended())


def _has_tag(run: Protocol, tag: str) -> bool:
    """Whether a comment ends with a tag; version 0.2.0 wrote nothing else."""
    comment = str(run.getObjComment())
    return comment == tag or comment.endswith(f"[{tag}]")


def _is_good(run: Protocol, check: Optional[Callable[[Protocol], Any]]) -> bool:
    """Whether an earlier run has finished with its results."""
    if not run.isFinished():
        return False
    try:
        if check is not None:
            check(run)
    except ValueError:
        return False
    return True


def _fingerprint(child: Protocol, label: str) -> str:
    """Hash of the task of a child: its class, values and inputs."""
    definition = child.getDefinitionDict()
    asked = {
        name: str(value)
        for name, value in definition.items()
        if name not in HOW_IT_RUNS and not name.startswith(("_", "object."))
        if name not in ADDED or str(value) != str(child.getParam(name).default)
    }
    text = json.dumps([label, child.getClassName(), asked], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
