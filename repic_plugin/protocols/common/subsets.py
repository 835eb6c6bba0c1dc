"""Subsets of an output as runs of Scipion's own subset protocol."""

from __future__ import annotations

import os
from hashlib import sha256
from typing import Iterable, Sequence, Tuple

from pwem.objects import EMSet
from pwem.protocols import EMProtocol, ProtUserSubSet
from pyworkflow.project import Project

from repic_plugin.formats import atomic_write


def launch_subset(
    protocol: EMProtocol,
    output: str,
    ids: Iterable[int],
    *,
    name: str,
    label: str,
    class_name: str = "",
    comment: str = "",
    wait: bool,
) -> ProtUserSubSet:
    """A run of Scipion's own subset protocol, with some items of an output.

    Parameters
    ----------
    protocol : EMProtocol
        Of a project.
    output : str
        Its output, of which the run makes a subset.
    ids : iterable of int
        Of the items; of a set of classes, those of the classes.
    name : str
        Of the file with the ids, in the protocol's extra folder. The run reads it again when it
        is restarted, so that each selection needs its own.
    label, comment : str
        Of the run.
    class_name : str
        Of the set that the run makes, if not that of the output.
    wait : bool
        Whether to return only after the run.
    """
    source = getattr(protocol, output)
    selection = protocol._getExtraPath(f"{output}_{name}.txt")
    atomic_write(selection, " ".join(map(str, ids)))  # one line, as the subset protocol reads it
    project = protocol.getProject()
    run = project.newProtocol(
        ProtUserSubSet,
        sqliteFile=f"{selection},",
        outputClassName=class_name or source.getClassName(),
        other="",
    )
    run.inputObject.set(protocol)
    run.inputObject.setExtended(output)
    run.setObjLabel(label)
    run.setObjComment(comment)
    project.launchProtocol(run, wait=wait)
    return run


def launch_subset_of_file(
    project: Project, file: str, ids: Sequence[int], *, label: str, comment: str, wait: bool = False
) -> ProtUserSubSet:
    """A subset of the output that is in a file, see `launch_subset`.

    Parameters
    ----------
    project : Project
    file : str
    ids : sequence of int
    label, comment : str
    wait : bool

    Raises
    ------
    ValueError
        If no run of the project has this output, or there is no item.
    """
    if not len(ids):
        raise ValueError("the subset would be empty; show some boxes of the set")
    protocol, output = output_in_file(project, file)
    name = sha256(" ".join(map(str, ids)).encode()).hexdigest()[:12]
    return launch_subset(protocol, output, ids, name=name, label=label, comment=comment, wait=wait)


def output_in_file(project: Project, file: str) -> Tuple[EMProtocol, str]:
    """The run of a project, and its output, whose set is in a file.

    Raises
    ------
    ValueError
        If there is none.
    """
    wanted = os.path.realpath(file)
    for run in project.getRuns():
        for name, one in run.iterOutputAttributes(EMSet):
            if os.path.realpath(one.getFileName()) == wanted:
                return run, name
    raise ValueError(f"{file} is no output of a run of this project; open the set from its run")
