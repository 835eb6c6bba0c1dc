"""Protocols that another protocol runs in the user's project.

A child is an ordinary box of the project's graph. It carries a tag that follows from what it is
asked to do: asked again for the same, as after a stop or a reboot, the parent finds the child and
does not repeat it.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any, Callable, Optional

from pyworkflow.object import Pointer
from pyworkflow.protocol import MODE_RESTART, MODE_RESUME, Protocol

from repic_plugin.workflow import PROJECT_LOCK, ProjectRuns, open_project

# Parameters that do not change what comes out.
HOW_IT_RUNS = {
    *("runName", "runMode", "hostName", "numberOfThreads", "numberOfMpi", "binThreads"),
    *("gpuList", "expertLevel"),
}


class Children(ProjectRuns):
    """The children of one protocol, as one of its steps sees them.

    Parameters
    ----------
    parent : Protocol
    token : str
        Of the parent's run. One that starts from scratch has a new one, and new children.
    """

    def __init__(self, parent: Protocol, token: str) -> None:
        # the running protocol's own project is a copy, and what is made there is lost
        super().__init__(open_project(parent.getProject().path))
        self._parent = parent
        self._token = token

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
        RunFailed
            If it cannot start or does not finish.
        """
        tag = f"repic-{self._token}-{_fingerprint(child, label)}"
        with PROJECT_LOCK:
            found = next((one for one in self.all() if one.getObjComment() == tag), None)
            if found is None:
                child.setObjLabel(label)
                child.setObjComment(tag)
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
        """Launch a child where its parent runs: in a queue or not."""
        run._useQueue.set(self._parent._useQueue.get())
        run._queueParams.set(self._parent._queueParams.get())
        self._parent.info(f"{run.getObjLabel()}: starting")
        super().start(run, mode)

    def own(self, run_id: int) -> Optional[Protocol]:
        """A run by its id, if it is one of these children."""
        run = self.project.getObject(run_id)
        is_own = run is not None and str(run.getObjComment()).startswith(f"repic-{self._token}-")
        return run if is_own else None

    def target(self, run_id: int, output: str) -> Any:
        """An output of a run of the project; the object itself where no output is named."""
        return self.output(run_id, output).get()

    def pointer(self, pointer: Pointer) -> Pointer:
        """The same pointer, to the project's own objects."""
        return self.output(pointer.getObjValue().getObjId(), pointer.getExtended())


def _is_good(run: Protocol, check: Optional[Callable[[Protocol], Any]]) -> bool:
    """Whether a run from before has finished and left what it should."""
    if not run.isFinished():
        return False
    try:
        if check is not None:
            check(run)
    except ValueError:
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
