"""Subsets of an output as runs of Scipion's own subset protocol."""

from __future__ import annotations

from typing import Iterable

from pwem.protocols import EMProtocol, ProtUserSubSet

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
