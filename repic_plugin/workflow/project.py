"""A project with a workflow. Set the environment first: importing this loads Scipion."""

from __future__ import annotations

import json
import re
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Any, Dict, List

import psutil
from pwem import Domain
from pyworkflow.object import Pointer, PointerList, Set
from pyworkflow.project import Manager
from pyworkflow.project.project import Project
from pyworkflow.protocol import MODE_RESUME, Protocol

from repic_plugin.workflow.definition import Workflow
from repic_plugin.workflow.processes import Launcher
from repic_plugin.workflow.record import Record, check_same, digest, read_record, write_record
from repic_plugin.workflow.runs import ProjectRuns, seems_dead
from repic_plugin.workflow.switches import how_to_leave_out

# Plugins by the prefixes of their protocols; there is no complete list.
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


# Parameters of Scipion's imports, and the values of our templates that set them.
DURATIONS = {"timeout": "idle=", "fileTimeout": "settled="}
PART_OF_DURATION = r"\d+(\.\d+)?[dhms]?"
DURATION = re.compile(f"{PART_OF_DURATION}( {PART_OF_DURATION})*")


def check_protocols(workflow: Workflow) -> None:
    """Refuse protocols that are not installed, and references to missing protocols.

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
            left_out = how_to_leave_out(one)
            remedy += f", or leave it out with {left_out}" if left_out else ""
            raise ValueError(f"{workflow.source}: protocol {name} is not installed; {remedy}")
        _check_durations(workflow.source, one)
        for parameter, reference in _references(known[name](), one):
            if reference.split(".")[0] not in ids:
                raise ValueError(
                    f"{workflow.source}: {parameter} of {one['object.id']} ({name}) refers to "
                    f"{reference}, which is not in the workflow; export it with all its inputs"
                )


def _check_durations(source: str, values: Dict[str, Any]) -> None:
    """Refuse times of Scipion's imports that are none: Scipion would evaluate them as a program."""
    for name, alias in DURATIONS.items():
        value = values.get(name)
        if isinstance(value, str) and not DURATION.fullmatch(value.strip()):
            raise ValueError(
                f"{source}: {name} ({alias} in the templates) must be a time such as 2h, 90s or "
                f"1h 30m, got {value!r}"
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


class WorkflowProject(ProjectRuns):
    """The runs of a workflow in a project, created or found there.

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
        super().__init__(Manager().loadProject(name))
        self.launcher = Launcher()
        import_module(LAUNCHING).Popen = self.launcher  # type: ignore[attr-defined]
        found = read_record(folder)
        if found is not None:
            check_same(found, workflow, name)
        if found is None or not found.ids:
            found = self._load(workflow, found)
        self.record = found
        self.edges: Dict[int, List[int]] = {}  # runs that each run reads from or waits for
        self.runs()

    def _load(self, workflow: Workflow, half: Any) -> Record:
        """Load the workflow; what a killed call has loaded is removed first."""
        present = self.all()
        if half is not None:
            over = [run for run in present if run.getObjId() not in half.before]
            if over:
                self.project.deleteProtocol(*over)
        else:
            before = [run.getObjId() for run in present]
            half = Record(digest(workflow), workflow.source, workflow.values, before)
            write_record(self.folder, half)
        source = self._workflow_file(workflow)
        try:
            loaded = self.project.loadProtocols(str(source))
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
                self.project.mapper.store(loaded[one["object.id"]])
        self.project.mapper.commit()
        half.ids = {key: run.getObjId() for key, run in loaded.items()}
        write_record(self.folder, half)
        return half

    def _workflow_file(self, workflow: Workflow) -> Path:
        """The workflow as a file in the folder of its relative paths."""
        if workflow.folder is not None:
            return Path(workflow.source)
        path = self.folder / "repic-run-workflow.json"
        path.write_text(json.dumps(workflow.protocols, indent=4), "utf-8")
        return path

    def save(self) -> None:
        """The record, as it is now."""
        write_record(self.folder, self.record)

    def all(self) -> List[Protocol]:
        """Every run in the project's file; those read before are closed."""
        for run in self.project.runs or ():
            run.closeMappers()
        self.project.runs, self.project._runsGraph = super().all(), None
        return list(self.project.runs)

    def runs(self) -> Dict[int, Any]:
        """The workflow's runs by id, in its order, each up to date with its own file."""
        found = {run.getObjId(): run for run in self.all()}
        mine = {number: found[number] for number in self.record.ids.values() if number in found}
        for run in mine.values():
            if run.isActive() or seems_dead(run):
                self.update(run)
        self.edges = {number: self._parents(run) for number, run in mine.items()}
        return mine

    def _parents(self, run: Any) -> List[int]:
        """Runs that a run reads from or waits for."""
        found = [int(one) for one in run.getPrerequisites()]
        for _, pointer in run.iterInputAttributes():
            target = pointer.getObjValue()
            if target is not None:
                mine = isinstance(target, Protocol)
                found.append(target.getObjId() if mine else target.getObjParentId())
        return list(dict.fromkeys(found))

    @staticmethod
    def inputs_are_open(run: Any) -> bool:
        """Whether the inputs from active runs exist and are open.

        The output of a run that is continued stands closed until it has begun: who read it then
        would be done at once.
        """
        return all(
            isinstance(pointer.get(), Set) and pointer.get().isStreamOpen()
            for _, pointer in run.iterInputAttributes()
            if isinstance(pointer.getObjValue(), Protocol) and pointer.getObjValue().isActive()
        )

    def launch(self, run: Protocol, mode: int = MODE_RESUME, *, force: bool = True) -> None:
        """Start or continue a run."""
        # Scipion would give it to its scheduler, which sleeps; all that it waits for has ended
        run.getPrerequisites = list
        try:
            super().launch(run, mode, force=force)
        finally:
            del run.getPrerequisites

    def refuse(self, run: Any, message: str) -> None:
        """Record in the project why a run cannot start."""
        run.setFailed(message)
        self.project._storeProtocol(run)

    def stop(self, run: Any) -> None:
        """Stop a run and its processes."""
        if not run.getPid() and not run.useQueueForProtocol():
            run.setAborted()
            self.project._storeProtocol(run)
            return
        with suppress(psutil.NoSuchProcess):  # it has ended meanwhile
            self.project.stopProtocol(run)
