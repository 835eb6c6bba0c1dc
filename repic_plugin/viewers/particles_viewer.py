"""Viewers for templates and extracted particles ("Analyze results")."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Callable, ClassVar, List, Tuple

import numpy as np
from matplotlib.figure import Figure
from pyworkflow.viewer import DESKTOP_TKINTER, View, Viewer

from repic_plugin import constants
from repic_plugin.convert import read_micrographs
from repic_plugin.formats import open_stack
from repic_plugin.plots import ParticlePage, ParticlePages, montage_figure
from repic_plugin.protocols import ProtRepicExtract, ProtTemplateTrain
from repic_plugin.viewers.figure_window import FigureWindow
from repic_plugin.viewers.particles_window import ParticlesWindow


class RepicTemplatesViewer(Viewer):  # type: ignore[misc]
    """Templates as averages, with the number of particles of each."""

    _label = "templates"
    _environments: ClassVar = [DESKTOP_TKINTER]
    _targets: ClassVar = [ProtTemplateTrain]

    def _visualize(self, obj: Any, **kwargs: Any) -> List[View]:
        if not hasattr(obj, "outputAverages"):
            return [self.infoMessage("There are no templates yet; run the protocol first.")]
        title = f"{obj.getObjLabel()}: templates"
        return [FigureWindow(self.getTkRoot(), title, {"templates": lambda: templates_figure(obj)})]


class RepicParticlesViewer(Viewer):  # type: ignore[misc]
    """Particles as a montage by micrograph, with paging."""

    _label = "particles by micrograph"
    _environments: ClassVar = [DESKTOP_TKINTER]
    _targets: ClassVar = [ProtRepicExtract]

    def _visualize(self, obj: Any, **kwargs: Any) -> List[View]:
        if not hasattr(obj, "outputParticles"):
            return [self.infoMessage("There are no particles yet; run the protocol first.")]
        return [particles_window(self.getTkRoot(), obj)]


def templates_figure(protocol: ProtTemplateTrain) -> Figure:
    """Montage of the templates of a finished training, the largest first."""
    averages = protocol.outputAverages
    sizes = [getattr(item, constants.CLASS_SIZE).get() for item in averages]
    return montage_figure(
        open_stack(averages.getFirstItem().getFileName()),
        np.array(sizes, dtype=np.int64),
        pixel_size_angstrom=averages.getSamplingRate(),
        title=f"Templates {averages.getObjComment()}",
        first_number=1,
    )


def particles_window(root: Any, protocol: ProtRepicExtract) -> ParticlesWindow:
    """The window of an extraction, which may still be running."""
    table = read_micrographs(protocol.micrographs())
    files = [Path(protocol.stack(one)) for one in table.ids]

    def open_pages() -> Tuple[ParticlePages, Callable[[int], str]]:
        counts = [len(open_stack(file)) if file.is_file() else 0 for file in files]
        return ParticlePages(table.names, counts), table.names.__getitem__

    def read(page: ParticlePage) -> Any:
        return np.asarray(open_stack(files[page.micrograph])[page.first : page.last], np.float32)

    title = f"{protocol.getObjLabel()}: particles by micrograph"
    return ParticlesWindow(root, title, open_pages=open_pages, read=read)
