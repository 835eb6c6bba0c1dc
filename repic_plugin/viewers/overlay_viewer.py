"""What "Analyze results" opens for sets of coordinates."""

from __future__ import annotations

import os
from typing import Any, Callable, ClassVar, List, Optional, Tuple

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

__all__ = ["RepicOverlayViewer"]


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
            model = self._model(obj)
        except ValueError as error:
            return [self.infoMessage(_sentence(error), "Coordinates")]
        title = f"{obj.getObjLabel() or 'coordinates'}: boxes on their micrographs"
        return [OverlayWindow(self.getTkRoot(), title, model, open_micrograph, _plots(obj))]

    def _model(self, obj: Any) -> OverlayModel:
        """What to show; a set that is opened alone comes with those that its run left with it."""
        source = self._source(obj) if isinstance(obj, SetOfCoordinates) else obj
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

    def _source(self, coordinates: SetOfCoordinates) -> Any:
        """The protocol that a consensus comes from, where it is the one that is looked at."""
        if not isinstance(self.protocol, (ProtRepicConsensus, ProtRepicIterative)):
            return None
        outputs = _outputs(self.protocol)
        if isinstance(self.protocol, ProtRepicConsensus):
            outputs = [(name, one) for name, one in outputs if name == "outputCoordinates"]
        mine = {os.path.realpath(one.getFileName()) for _, one in outputs}
        return self.protocol if os.path.realpath(coordinates.getFileName()) in mine else None


def _plots(obj: Any) -> Optional[Callable[[Any], View]]:
    """The other pictures of a consensus protocol."""
    if not isinstance(obj, ProtRepicConsensus):
        return None
    return lambda root: consensus_window(root, obj)


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
