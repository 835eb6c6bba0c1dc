"""What "Analyze results" opens for sets of coordinates."""

from __future__ import annotations

from typing import Any, ClassVar, List

from pwem.viewers.viewer_coordinates import CoordinateView
from pyworkflow.viewer import DESKTOP_TKINTER, Viewer

from repic_plugin.protocols import ProtRepicConsensus, ProtRepicImportPicks, ProtRepicLabels

__all__ = ["RepicCoordinatesViewer"]


class RepicCoordinatesViewer(Viewer):
    """The micrographs with their boxes, in Scipion's own window.

    Without it Scipion takes Xmipp's Java window, which does not open where Xmipp is not installed
    and does not say so.
    """

    _label = "coordinates on their micrographs"
    _environments: ClassVar = [DESKTOP_TKINTER]
    _targets: ClassVar = [ProtRepicConsensus, ProtRepicImportPicks, ProtRepicLabels]

    def _visualize(self, obj: Any, **kwargs: Any) -> List[CoordinateView]:
        if not hasattr(obj, "outputCoordinates"):
            return [self.infoMessage("There are no coordinates yet: run the protocol first.")]
        return [CoordinateView(self.getTkRoot(), obj.outputCoordinates, obj)]
