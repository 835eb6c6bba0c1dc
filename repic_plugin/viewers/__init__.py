"""What Scipion opens: windows around the figures of `repic_plugin.plots`.

Scipion looks for its viewers among the names of this package. They load Scipion and Tk, so each
is imported when it is asked for.
"""

from __future__ import annotations

from repic_plugin.lazy import lazy_door

HOMES = {
    "PreviewWindow": "preview_window",
    "RepicClassesViewer": "classes_viewer",
    "RepicConsensusViewer": "consensus_viewer",
    "RepicFscViewer": "fsc_viewer",
    "RepicIterationsViewer": "iterations_viewer",
    "RepicOverlayViewer": "overlay_viewer",
    "RepicScoresViewer": "scores_viewer",
    "sentence": "messages",
}
__getattr__, __dir__ = lazy_door(__name__, HOMES)
