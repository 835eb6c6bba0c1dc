"""A project with a workflow in it. Importing this loads Scipion: its variables come before."""

from __future__ import annotations

import json
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Any, Dict, List

import psutil
from pwem import Domain
from pyworkflow.object import Pointer, PointerList, Set
from pyworkflow.project import Manager
from pyworkflow.project.project import Project
from pyworkflow.protocol import Protocol
from pyworkflow.utils import getHostFullName

from repic_plugin.workflow.definition import Workflow
from repic_plugin.workflow.processes import Launcher, is_at_work
from repic_plugin.workflow.record import (
    Record,
    check_same,
    digest,
    read_record,
    write_record,
)

__all__ = ["WorkflowProject", "check_protocols", "outputs"]

# Who brings protocols whose names begin so; there is no list of all of them.
PLUGINS = {
    "Xmipp": "scipion-em-xmipp",
    "ProtRelion": "scipion-em-relion",
    "Sphire": "scipion-em-sphire",
    "Topaz": "scipion-em-topaz",
    "ProtCryoSparc": "scipion-em-cryosparc2",
    "Cistem": "scipion-em-cistem",
    "ProtMotionCorr": "scipion-em-motioncorr",
    "ProtGctf": "scipion-em-gctf",
    "Eman": "scipion-em-eman2",
    "Gautomatch": "scipion-em-gautomatch",
}
LAUNCHING = "pyworkflow.protocol.launch"  # the module; a function of the package has its name
LOST = "not found running"  # what Scipion says of a process that it misses


def check_protocols(workflow: Workflow) -> None:
    """Refuse classes that are not installed, and references to what the workflow lacks.

    Raises
    ------
    ValueError
    """
    known = Domain.getProtocols()
    ids = {one["object.id"] for one in workflow.protocols}
    for one in workflow.protocols:
        name = one["object.className"]
        if name not in known:
            brings = next((p for start, p in PLUGINS.items() if name.startswith(start)), None)
            remedy = f"install {brings}" if brings else "install the plugin that brings it"
            raise ValueError(f"{workflow.source}: protocol {name} is not installed; {remedy}")
        for parameter, reference in _references(known[name](), one):
            if reference.split(".")[0] not in ids:
                raise ValueError(
                    f"{workflow.source}: {parameter} of {one['object.id']} ({name}) refers to "
                    f"{reference}, which is not in the workflow; export it with all it needs"
                )


def _references(protocol: Any, values: Dict[str, Any]) -> List[Any]:
    """(parameter, reference) of the pointers of a protocol."""
    found = []
    for parameter, attribute in protocol.iterDefinitionAttributes():
        value = values.get(parameter)
        if isinstance(attribute, (Pointer, PointerList)) and value:
            many = value if isinstance(value, list) else [value]
            found += [(parameter, str(one)) for one in many if one]
    return found


class WorkflowProject:
    """The runs of a workflow in a project, made or found there.

    Parameters
    ----------
    folder : path
        Of the project.
    workflow : Workflow

    Attributes
    ----------
    record : Record
    """

    def __init__(self, folder: Path, workflow: Workflow) -> None:
        self.folder = folder
        name = folder.name
        if not (folder / Project.getDbName()).is_file():
            Manager().createProject(name)
        self._project = Manager().loadProject(name)
        self.launcher = Launcher()
        import_module(LAUNCHING).Popen = self.launcher  # type: ignore[attr-defined]
        found = read_record(folder)
        if found is not None:
            check_same(found, workflow, name)
        if found is None or not found.ids:
            found = self._load(workflow, found)
        self.record = found
        self.edges: Dict[int, List[int]] = {}  # from each run to those it reads from or waits for
        self.runs()

    def _load(self, workflow: Workflow, half: Any) -> Record:
        """Put the workflow in; what a call that was killed has put there is taken out."""
        present = self._all()
        if half is not None:
            over = [run for run in present if run.getObjId() not in half.before]
            if over:
                self._project.deleteProtocol(*over)
        else:
            before = [run.getObjId() for run in present]
            half = Record(digest(workflow), workflow.source, workflow.values, before)
            write_record(self.folder, half)
        source = self._workflow_file(workflow)
        try:
            loaded = self._project.loadProtocols(str(source))
        except Exception as error:  # of any protocol's own reading of its values
            told = " ".join(str(error).split()) or type(error).__name__
            raise ValueError(
                f"{workflow.source}: Scipion cannot load it ({told}); export it again, and give "
                "paths in full"
            ) from error
        for one in workflow.protocols:
            label = one.get("object.label")
            if label:  # else Scipion numbers them
                loaded[one["object.id"]].setObjLabel(label)
                self._project.mapper.store(loaded[one["object.id"]])
        self._project.mapper.commit()
        half.ids = {key: run.getObjId() for key, run in loaded.items()}
        write_record(self.folder, half)
        return half

    def _workflow_file(self, workflow: Workflow) -> Path:
        """A file's own place, which its relative paths begin at; a template becomes a file."""
        if workflow.folder is not None:
            return Path(workflow.source)
        path = self.folder / "repic-run-workflow.json"
        path.write_text(json.dumps(workflow.protocols, indent=4), "utf-8")
        return path

    def save(self) -> None:
        """The record, as it is now."""
        write_record(self.folder, self.record)

    def _all(self) -> List[Any]:
        """Every run, as the project's file has it; getRuns would judge other people's runs too."""
        for run in self._project.runs or ():
            run.closeMappers()
        runs = self._project.mapper.selectAllBatch(
            objectFilter=lambda one: isinstance(one, Protocol)
        )
        for run in runs:
            self._project._setProtocolMapper(run)
        self._project.runs, self._project._runsGraph = runs, None
        return list(runs)

    def runs(self) -> Dict[int, Any]:
        """The workflow's runs by id, in its order, each up to date with its own file."""
        found = {run.getObjId(): run for run in self._all()}
        mine = {number: found[number] for number in self.record.ids.values() if number in found}
        for run in mine.values():
            if run.isActive():
                self._update(run)
        self._project.mapper.commit()  # else its runs wait for the project's database
        self.edges = {number: self._parents(run) for number, run in mine.items()}
        return mine

    def _update(self, run: Any) -> None:
        """Take over what a run has written; whether it is alive is asked before it is judged."""
        project = self._project
        project._updateProtocol(run)
        if run.isFailed() and LOST in run.getErrorMessage():
            self._read_again(run)  # it may have ended between the two looks
        if not run.isActive() or run.isInteractive() or self._is_alive(run):
            return
        self._read_again(run)
        if run.isActive():
            run.setFailed("Its process has ended without a word: see its log.")
            project._storeProtocol(run)

    def _read_again(self, run: Any) -> None:
        run.lastUpdateTimeStamp.set(None)
        self._project._updateProtocol(run)

    def _is_alive(self, run: Any) -> bool:
        """By the name of its process: after a restart its number may be another's."""
        host = run.getHostFullName()
        if run.useQueueForProtocol() or (host and host != getHostFullName()):
            return True
        return is_at_work(self._project.path, run.getDbPath())

    def _parents(self, run: Any) -> List[int]:
        """Runs that it reads from or waits for."""
        found = [int(one) for one in run.getPrerequisites()]
        for _, pointer in run.iterInputAttributes():
            target = pointer.getObjValue()
            if target is not None:
                mine = isinstance(target, Protocol)
                found.append(target.getObjId() if mine else target.getObjParentId())
        return list(dict.fromkeys(found))

    @staticmethod
    def inputs_are_open(run: Any) -> bool:
        """Whether what comes of runs at work is there and open.

        The output of a run that is continued stands closed until it has begun: who read it then
        would be done at once.
        """
        return all(
            isinstance(pointer.get(), Set) and pointer.get().isStreamOpen()
            for _, pointer in run.iterInputAttributes()
            if isinstance(pointer.getObjValue(), Protocol) and pointer.getObjValue().isActive()
        )

    def problems(self, run: Any) -> List[str]:
        """What keeps a run from starting, in words."""
        missing = [
            f"{name}: {pointer.getObjValue().getObjLabel()} has no {pointer.getExtended()}"
            for name, pointer in run.iterInputAttributes()
            if pointer.get() is None and pointer.getObjValue() is not None
        ]
        return missing or [" ".join(str(one).split()) for one in run.validate()]

    def launch(self, run: Any) -> None:
        """Start or continue a run; it goes on where it stopped."""
        run.runMode.set(0)
        # Scipion would give it to its scheduler, which sleeps; all that it waits for has ended
        run.getPrerequisites = list
        try:
            self._project.launchProtocol(run, force=True)
        finally:
            del run.getPrerequisites

    def refuse(self, run: Any, message: str) -> None:
        """Write into the project why a run cannot start."""
        run.setFailed(message)
        self._project._storeProtocol(run)

    def stop(self, run: Any) -> None:
        """End a run and what it has started."""
        if not run.getPid() and not run.useQueueForProtocol():
            run.setAborted()
            self._project._storeProtocol(run)
            return
        with suppress(psutil.NoSuchProcess):  # it has ended meanwhile
            self._project.stopProtocol(run)


def outputs(run: Any) -> List[Dict[str, Any]]:
    """What a run has left: name, class, size where it is a set."""
    return [
        {
            "name": name,
            "class": one.getClassName(),
            "size": one.getSize() if isinstance(one, Set) else None,
        }
        for name, one in run.iterOutputAttributes()
    ]
