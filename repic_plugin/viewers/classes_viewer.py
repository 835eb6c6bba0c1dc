"""Viewer for 2D classes ("Analyze results")."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, List, Tuple, Union

import numpy as np
from matplotlib.figure import Figure
from pyworkflow.viewer import DESKTOP_TKINTER, View, Viewer

from repic_plugin.formats import ClassTables, ImageStacks, open_stack, read_class_tables
from repic_plugin.plots import (
    MAX_MEMBERS,
    ClassChoice,
    convergence_figure,
    members_figure,
    registered_images,
    size_bars_figure,
)
from repic_plugin.protocols import ProtAckMeans2D, ProtAckMeans2DStream
from repic_plugin.viewers.classes_window import ClassesWindow
from repic_plugin.viewers.figure_window import FigureWindow
from repic_plugin.viewers.files_as_read import FilesAsRead


class RepicClassesViewer(Viewer):  # type: ignore[misc]
    """Averages to choose from, a bar chart of the class sizes, and convergence."""

    _label = "2D classes"
    _environments: ClassVar = [DESKTOP_TKINTER]
    _targets: ClassVar = [ProtAckMeans2D, ProtAckMeans2DStream]

    def _visualize(self, obj: Any, **kwargs: Any) -> List[View]:
        if not hasattr(obj, "outputClasses"):
            return [self.infoMessage(_why_not_yet(obj))]
        return [classes_window(self.getTkRoot(), obj)]


def _why_not_yet(protocol: Any) -> str:
    """What to do while there are no classes."""
    page = Path(protocol.page()) if isinstance(protocol, ProtAckMeans2DStream) else None
    if page is None or not page.is_file():
        return "There are no classes yet; run the protocol first."
    return (
        "The classes can be chosen from at the end of the run. Until then a browser shows them: "
        f"{page.resolve()}"
    )


def classes_window(
    root: Any, protocol: Union[ProtAckMeans2D, ProtAckMeans2DStream]
) -> ClassesWindow:
    """The window of a finished classification."""
    results = _Results(Path(protocol.classes_folder()))

    def create(numbers: List[int], label: str) -> str:
        results.check_unchanged()
        return str(protocol.create_subset(numbers, label=label).getObjLabel())

    pictures = {"sizes": results.sizes_figure}
    if isinstance(protocol, ProtAckMeans2D):  # in a stream there are no iterations to show
        pictures["convergence"] = results.convergence_figure
    return ClassesWindow(
        root,
        f"{protocol.getObjLabel()}: 2D classes",
        open_classes=results.choice,
        open_members=results.members_window,
        create=create,
        pictures=pictures,
    )


class _Results:
    """Files of a classification, read when they are needed."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._averages = folder / "class_averages.mrcs"

    @cached_property
    def tables(self) -> ClassTables:
        return read_class_tables(self._folder)

    def choice(self) -> Tuple[ClassChoice, Any]:
        """Choice among the classes, and their averages."""
        self._as_read = FilesAsRead([str(self._averages)])
        scores = self.tables.scores
        choice = ClassChoice(
            self.tables.sizes,
            is_junk=self.tables.is_junk,
            scores=None if scores is None else scores.score,
            resolutions_angstrom=None if scores is None else scores.resolution_angstrom,
            is_off_centre=None if scores is None else scores.is_off_centre,
        )
        return choice, open_stack(self._averages)

    def check_unchanged(self) -> None:
        """Check that the classes are still those that were read.

        Raises
        ------
        ValueError
            If the classification was run again.
        OSError
            If they are gone.
        """
        self._as_read.check(str(self._averages))

    def sizes_figure(self) -> Figure:
        return size_bars_figure(self.tables.sizes, flagged=self.tables.is_junk, first_number=1)

    def convergence_figure(self) -> Figure:
        return convergence_figure({"particles": self.tables.convergence})

    def members_window(self, root: Any, k: int) -> FigureWindow:
        """Window with the members of a class."""
        return FigureWindow(root, f"class {k + 1}", {"members": lambda: _members(self.tables, k)})


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
