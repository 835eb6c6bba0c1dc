"""Viewer for 2D classes ("Analyze results")."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any, ClassVar, List

import numpy as np
from matplotlib.figure import Figure
from pyworkflow.viewer import DESKTOP_TKINTER, View, Viewer

from repic_plugin.formats import ClassTables, ImageStacks, open_stack, read_class_tables
from repic_plugin.plots import (
    MAX_MEMBERS,
    class_at,
    convergence_figure,
    members_figure,
    montage_figure,
    registered_images,
    size_bars_figure,
)
from repic_plugin.protocols import ProtAckMeans2D
from repic_plugin.viewers.figure_window import FigureWindow


class RepicClassesViewer(Viewer):  # type: ignore[misc]
    """Averages with class sizes, a bar chart of the sizes, and convergence.

    A click on an average shows the members of its class.
    """

    _label = "2D classes"
    _environments: ClassVar = [DESKTOP_TKINTER]
    _targets: ClassVar = [ProtAckMeans2D]

    def _visualize(self, obj: Any, **kwargs: Any) -> List[View]:
        if not hasattr(obj, "outputClasses"):
            return [self.infoMessage("There are no classes yet; run the protocol first.")]
        folder = Path(obj.classes_folder())
        found = read_class_tables(folder)
        title = f"{obj.getObjLabel()}: 2D classes (click on an average to see its members)"
        pixel_size = obj.outputClasses.getSamplingRate()
        pictures = {
            "averages": partial(_montage, folder, found, pixel_size),
            "sizes": partial(size_bars_figure, found.sizes, flagged=found.is_junk, first_number=1),
            "convergence": partial(convergence_figure, {"particles": found.convergence}),
        }
        on_click = {"averages": partial(self._showMembers, found)}
        return [FigureWindow(self.getTkRoot(), title, pictures, on_click)]

    def _showMembers(self, found: ClassTables, event: Any) -> None:
        """Open a window with the members of the class that was clicked."""
        k = class_at(event.inaxes, event.xdata, event.ydata)
        if k is None:
            return
        name = f"class {k + 1}"
        window = FigureWindow(self.getTkRoot(), name, {"members": partial(_members, found, k)})
        window.show()


def _montage(folder: Path, found: ClassTables, pixel_size_angstrom: float) -> Figure:
    """Montage of the averages; only those shown are read."""
    return montage_figure(
        open_stack(folder / "class_averages.mrcs"),
        found.sizes,
        flagged=found.is_junk,
        scores=None if found.scores is None else found.scores.score,
        pixel_size_angstrom=pixel_size_angstrom,
        first_number=1,
    )


def _members(found: ClassTables, k: int) -> Figure:
    """The members most similar to the average, read from their stacks."""
    mine = np.flatnonzero(found.labels == k)
    best = mine[np.argsort(found.dissimilarity[mine], kind="stable")][:MAX_MEMBERS]
    title = f"class {k + 1}: {len(mine):,} particles"
    if len(best) < len(mine):
        title += f", the {len(best)} most similar to their average"
    if not len(best):
        return members_figure(np.empty((0, 1, 1)), title=title)
    images = _particles([found.names[i] for i in best])
    placed = registered_images(
        images, found.rotation_deg[best], found.shift_px[best], found.mirror[best]
    )
    return members_figure(placed, title=title)


def _particles(names: List[str]) -> Any:
    """Images named like 000001@stack.mrcs, shape (n, box, box)."""
    parts = [name.partition("@") for name in names]
    paths = list(dict.fromkeys(path for _, _, path in parts))
    stack = [paths.index(path) for _, _, path in parts]
    return ImageStacks(paths, stack, [int(number) - 1 for number, _, _ in parts])[:]
