"""What "Analyze results" opens for 2D classes."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any, ClassVar, List

import mrcfile
from matplotlib.figure import Figure
from pyworkflow.viewer import DESKTOP_TKINTER, View, Viewer

from repic_plugin.formats import ClassTables, read_class_tables
from repic_plugin.protocols import ProtAckMeans2D
from repic_plugin.viewers.class_montage import montage_figure
from repic_plugin.viewers.class_plots import convergence_figure, size_bars_figure
from repic_plugin.viewers.figure_window import FigureWindow

__all__ = ["RepicClassesViewer"]


class RepicClassesViewer(Viewer):  # type: ignore[misc]
    """The averages with their sizes, the sizes as bars, and how the classes settled."""

    _label = "2D classes"
    _environments: ClassVar = [DESKTOP_TKINTER]
    _targets: ClassVar = [ProtAckMeans2D]

    def _visualize(self, obj: Any, **kwargs: Any) -> List[View]:
        if not hasattr(obj, "outputClasses"):
            return [self.infoMessage("There are no classes yet: run the protocol first.")]
        folder = Path(obj.classes_folder())
        found = read_class_tables(folder)
        title = f"{obj.getObjLabel()}: 2D classes"
        pixel_size = obj.outputClasses.getSamplingRate()
        pictures = {
            "averages": partial(_montage, folder, found, pixel_size),
            "sizes": partial(size_bars_figure, found.sizes, flagged=found.is_junk, first_number=1),
            "convergence": partial(convergence_figure, {"particles": found.convergence}),
        }
        return [FigureWindow(self.getTkRoot(), title, pictures)]


def _montage(folder: Path, found: ClassTables, pixel_size_angstrom: float) -> Figure:
    """Only the averages that are shown are read."""
    with mrcfile.mmap(folder / "class_averages.mrcs", mode="r") as averages:
        return montage_figure(
            averages.data,
            found.sizes,
            flagged=found.is_junk,
            pixel_size_angstrom=pixel_size_angstrom,
            first_number=1,
        )
