"""Viewer for Fourier shell correlations ("Analyze results")."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any, ClassVar, List

from pyworkflow.viewer import DESKTOP_TKINTER, View, Viewer

from repic_plugin.formats import read_fsc_table
from repic_plugin.plots import fsc_figure
from repic_plugin.protocols import ProtRepicCrossFsc
from repic_plugin.viewers.figure_window import FigureWindow


class RepicFscViewer(Viewer):  # type: ignore[misc]
    """Curves of all volumes in one figure, with their resolutions."""

    _label = "Fourier shell correlation"
    _environments: ClassVar = [DESKTOP_TKINTER]
    _targets: ClassVar = [ProtRepicCrossFsc]

    def _visualize(self, obj: Any, **kwargs: Any) -> List[View]:
        file = Path(obj.table_file())
        if not file.is_file():
            return [self.infoMessage("There are no curves yet; run the protocol first.")]
        draw = partial(fsc_figure, read_fsc_table(file), thresholds=obj.thresholds())
        title = obj.getObjLabel()
        return [FigureWindow(self.getTkRoot(), title, {"Fourier shell correlation": draw})]
