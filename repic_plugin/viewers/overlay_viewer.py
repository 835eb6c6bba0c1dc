"""What "Analyze results" opens for sets of coordinates."""

from __future__ import annotations

import os
from typing import Any, ClassVar, Dict, List, Tuple

from pwem.objects import SetOfCoordinates
from pyworkflow.viewer import DESKTOP_TKINTER, View, Viewer

from repic_plugin.protocols import (
    ProtDeepPickerPick,
    ProtRepicConsensus,
    ProtRepicImportPicks,
    ProtRepicIterative,
    ProtRepicLabels,
    ProtTemplatePick,
)
from repic_plugin.viewers.consensus_viewer import consensus_window
from repic_plugin.viewers.overlay_data import of_consensus, of_coordinates, open_micrograph
from repic_plugin.viewers.overlay_model import OverlayModel
from repic_plugin.viewers.overlay_window import OverlayWindow
from repic_plugin.viewers.view_button import MakeView

__all__ = ["RepicOverlayViewer", "overlay_window"]


class RepicOverlayViewer(Viewer):  # type: ignore[misc]
    """Boxes on their micrographs, those of several sets together.

    Scipion takes viewers of a class by their names in alphabetical order: for iterative picking
    this one comes after `RepicIterationsViewer`, and for a SetOfCoordinates after those of Scipion
    and before Xmipp's. ``VIEWERS={"SetOfCoordinates": ["RepicOverlayViewer"]}`` in Scipion's
    configuration makes it the first for all of them.
    """

    _label = "boxes on their micrographs"
    _name = "Boxes on their micrographs (REPIC)"
    _environments: ClassVar = [DESKTOP_TKINTER]
    _targets: ClassVar = [
        ProtDeepPickerPick,
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
            return [self.infoMessage(_sentence(error), "Coordinates")]


def overlay_window(root: Any, obj: Any, protocol: Any = None) -> OverlayWindow:
    """The window of a protocol, or of a set of coordinates that was opened beside a protocol.

    Raises
    ------
    ValueError
        If there are no coordinates yet, or they cannot be read.
    """
    title = f"{obj.getObjLabel() or 'coordinates'}: boxes on their micrographs"
    return OverlayWindow(root, title, _model(obj, protocol), open_micrograph, _more(obj))


def _model(obj: Any, protocol: Any) -> OverlayModel:
    """What to show; a set that is opened alone comes with those that its run left with it."""
    source = _source(obj, protocol) if isinstance(obj, SetOfCoordinates) else obj
    if source is None:
        return of_coordinates([(obj.getObjLabel() or "coordinates", obj)])
    if isinstance(source, ProtRepicConsensus):
        return of_consensus(source)
    outputs = _outputs(source)
    if not outputs:
        raise ValueError("there are no coordinates yet; run the protocol first")
    if len(outputs) == 1:
        return of_coordinates([(source.getObjLabel() or "coordinates", outputs[0][1])])
    return of_coordinates([(_short(name), one) for name, one in outputs])


def _source(coordinates: SetOfCoordinates, protocol: Any) -> Any:
    """The protocol that a consensus comes from, where it is the one that is looked at."""
    if not isinstance(protocol, (ProtRepicConsensus, ProtRepicIterative)):
        return None
    outputs = _outputs(protocol)
    if isinstance(protocol, ProtRepicConsensus):
        outputs = [(name, one) for name, one in outputs if name == "outputCoordinates"]
    mine = {os.path.realpath(one.getFileName()) for _, one in outputs}
    return protocol if os.path.realpath(coordinates.getFileName()) in mine else None


def _more(obj: Any) -> Dict[str, MakeView]:
    """The other pictures of a consensus protocol."""
    if not isinstance(obj, ProtRepicConsensus):
        return {}
    return {"Weights and agreement...": lambda root: consensus_window(root, obj)}


def _outputs(protocol: Any) -> List[Tuple[str, SetOfCoordinates]]:
    """Sets of coordinates that a protocol left, by name."""
    return [
        (name, one)
        for name, one in protocol.iterOutputAttributes()
        if isinstance(one, SetOfCoordinates)
    ]


def _short(output: str) -> str:
    """outputCoordinates_Topaz is Topaz's, outputCoordinates what they agree on."""
    return output.partition("_")[2] or "consensus"


def _sentence(error: ValueError) -> str:
    text = str(error)
    return f"{text[:1].upper()}{text[1:]}."
