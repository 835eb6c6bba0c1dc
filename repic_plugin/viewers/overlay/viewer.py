"""Viewer for sets of coordinates ("Analyze results")."""

from __future__ import annotations

import os
import re
from functools import partial
from typing import Any, ClassVar, Dict, List, Sequence, Tuple

from pwem.objects import SetOfCoordinates
from pyworkflow.project import Project
from pyworkflow.protocol import Protocol
from pyworkflow.viewer import DESKTOP_TKINTER, View, Viewer

from repic_plugin.convert import open_micrograph
from repic_plugin.plots import OverlayModel
from repic_plugin.protocols import (
    ProtDeepPickerPick,
    ProtRepicByHand,
    ProtRepicConsensus,
    ProtRepicEvaluate,
    ProtRepicImportPicks,
    ProtRepicIterative,
    ProtRepicLabels,
    ProtTemplatePick,
    launch_subset_of_file,
    of_coordinates,
)
from repic_plugin.viewers.consensus_viewer import consensus_window
from repic_plugin.viewers.files_as_read import FilesAsRead
from repic_plugin.viewers.messages import sentence
from repic_plugin.viewers.overlay.by_hand import edited_copy_window, hand_window
from repic_plugin.viewers.overlay.window import OverlayWindow
from repic_plugin.viewers.view_button import MakeView

EDIT = "Edit a copy by hand..."
CONSENSUS = "outputCoordinates"  # beside those of the pickers


class RepicOverlayViewer(Viewer):  # type: ignore[misc]
    """Boxes of one or more sets on their micrographs.

    Scipion orders the viewers of a class alphabetically: this one comes after
    `RepicIterationsViewer` for iterative picking, and between those of Scipion and Xmipp for a
    SetOfCoordinates, of which ``VIEWERS={"SetOfCoordinates": ["RepicOverlayViewer"]}`` in Scipion's
    configuration makes it the first.
    """

    _label = "boxes on their micrographs"
    _name = "Boxes on their micrographs (REPIC)"
    _environments: ClassVar = [DESKTOP_TKINTER]
    _targets: ClassVar = [
        ProtDeepPickerPick,
        ProtRepicByHand,
        ProtRepicConsensus,
        ProtRepicImportPicks,
        ProtRepicIterative,
        ProtRepicLabels,
        ProtTemplatePick,
        SetOfCoordinates,
    ]

    def _visualize(self, obj: Any, **kwargs: Any) -> List[View]:
        try:
            return [overlay_window(self.getTkRoot(), obj, self.protocol)]
        except ValueError as error:
            return [self.infoMessage(sentence(error), "Coordinates")]


def overlay_window(root: Any, obj: Any, protocol: Any = None) -> OverlayWindow:
    """The window of a protocol, or of a set of coordinates opened from a protocol.

    Raises
    ------
    ValueError
        If there are no coordinates yet.
    """
    if isinstance(obj, ProtRepicByHand):
        return hand_window(root, obj)
    _check_has_boxes(obj)
    title = f"{_label(obj, protocol)}: boxes on their micrographs"
    as_read: List[FilesAsRead] = []

    def load() -> OverlayModel:
        model = _model(obj, protocol)
        as_read.append(FilesAsRead(one.source for one in model.sets if one.source))
        return model

    run = obj if isinstance(obj, Protocol) else protocol
    create = None if run is None else partial(_create_subset, run.getProject(), as_read)
    more = {**_more(obj), **({} if run is None else _edit(obj, run.getProject()))}
    return OverlayWindow(root, title, load, open_micrograph, more, create)


def _create_subset(
    project: Project,
    as_read: Sequence[FilesAsRead],
    file: str,
    ids: Sequence[int],
    label: str,
    comment: str,
) -> str:
    """Start a run with some coordinates of a set; its label."""
    for one in as_read:
        one.check(file)
    run = launch_subset_of_file(project, file, ids, label=label, comment=comment)
    return str(run.getObjLabel())


def _check_has_boxes(obj: Any) -> None:
    """What can be known before anything is read."""
    if not isinstance(obj, (SetOfCoordinates, ProtRepicEvaluate)) and not _outputs(obj):
        raise ValueError("there are no coordinates yet; run the protocol first")


def _model(obj: Any, protocol: Any) -> OverlayModel:
    """Model of the window; a set is shown together with the other outputs of its run."""
    source = _source(obj, protocol) if isinstance(obj, SetOfCoordinates) else obj
    if source is None:
        return of_coordinates([(_label(obj, protocol), obj)])
    if isinstance(source, ProtRepicConsensus):
        return source.overlay_model()
    if isinstance(source, ProtRepicEvaluate):
        return of_coordinates(source.named_sets(), source.referenceCoordinates.get())
    outputs = _outputs(source)
    if len(outputs) == 1:
        return of_coordinates([(_label(source, None), outputs[0][1])])
    pickers = [(_picker(name), one) for name, one in outputs if name != CONSENSUS]
    consensus = [("consensus", one) for name, one in outputs if name == CONSENSUS]
    reference = getattr(source, "referenceCoordinates", None)
    return of_coordinates(pickers + consensus, reference and reference.get())


def _source(coordinates: SetOfCoordinates, protocol: Any) -> Any:
    """The protocol from which a set was opened, if the set is its consensus."""
    if not isinstance(protocol, (ProtRepicConsensus, ProtRepicIterative)):
        return None
    outputs = _outputs(protocol)
    if isinstance(protocol, ProtRepicConsensus):
        outputs = [(name, one) for name, one in outputs if name == CONSENSUS]
    mine = {os.path.realpath(one.getFileName()) for _, one in outputs}
    return protocol if os.path.realpath(coordinates.getFileName()) in mine else None


def _more(obj: Any) -> Dict[str, MakeView]:
    """Further views of a consensus protocol."""
    if not isinstance(obj, ProtRepicConsensus):
        return {}
    return {"Weights and agreement...": lambda root: consensus_window(root, obj)}


def _edit(obj: Any, project: Project) -> Dict[str, MakeView]:
    """Picking by hand, in a copy of a set or of the main output of a run."""
    if isinstance(obj, SetOfCoordinates):
        mine = obj
    else:
        outputs = dict(_outputs(obj))
        mine = outputs.get(CONSENSUS) or next(iter(outputs.values()), None)
    if mine is None:
        return {}
    return {EDIT: lambda root: edited_copy_window(root, project, mine)}


def _outputs(protocol: Any) -> List[Tuple[str, SetOfCoordinates]]:
    """Output sets of coordinates of a protocol, by name."""
    return [
        (name, one)
        for name, one in protocol.iterOutputAttributes()
        if isinstance(one, SetOfCoordinates)
    ]


def _label(obj: Any, protocol: Any) -> str:
    """Label of the opened object, else of its run."""
    return obj.getObjLabel() or (protocol and protocol.getObjLabel()) or "coordinates"


def _picker(output: str) -> str:
    """Name of a picker in plots: Template (2) for outputCoordinates_Template2."""
    return re.sub(r"(?<=\D)(\d+)$", r" (\1)", output.partition("_")[2])
