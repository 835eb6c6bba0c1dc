"""Viewer for iterative picking ("Analyze results")."""

from __future__ import annotations

from functools import partial
from typing import Any, ClassVar, List

from pyworkflow.viewer import DESKTOP_TKINTER, View, Viewer

from repic_plugin.formats import read_iterations
from repic_plugin.plots import iterations_figure
from repic_plugin.protocols import ProtRepicIterative
from repic_plugin.viewers.figure_window import FigureWindow
from repic_plugin.viewers.overlay.viewer import overlay_window

SUBSETS = ("testing", "validation", "training", "all")


class RepicIterationsViewer(Viewer):  # type: ignore[misc]
    """Particles, agreement, precision and recall by iteration, also during the run."""

    _label = "iterations"
    _environments: ClassVar = [DESKTOP_TKINTER]
    _targets: ClassVar = [ProtRepicIterative]

    def _visualize(self, obj: Any, **kwargs: Any) -> List[View]:
        rows = read_iterations(obj.table_file())
        if not rows:
            return [
                self.infoMessage("No iteration has been completed yet; wait, or run the protocol.")
            ]
        present = {row.subset for row in rows}
        pictures = {
            f"{subset} micrographs": partial(iterations_figure, rows, subset=subset)
            for subset in SUBSETS
            if subset in present
        }
        title = f"{obj.getObjLabel()}: iterations"
        more = {"Boxes on their micrographs...": lambda root: overlay_window(root, obj)}
        return [FigureWindow(self.getTkRoot(), title, pictures, more=more)]
