"""Viewers for Scipion: windows with the figures of `repic_plugin.plots`.

Scipion finds viewers among the names of this package. As they load Scipion and Tk, each is
imported on first use.
"""

from __future__ import annotations

from repic_plugin.lazy import lazy_door

HOMES = {
    "OptionsWindow": "options_window",
    "PreviewWindow": "preview_window",
    "RepicClassesViewer": "classes_viewer",
    "RepicConsensusViewer": "consensus_viewer",
    "RepicFscViewer": "fsc_viewer",
    "RepicIterationsViewer": "iterations_viewer",
    "RepicOverlayViewer": "overlay.viewer",
    "RepicParticlesViewer": "particles_viewer",
    "RepicScoresViewer": "scores_viewer",
    "RepicTemplatesViewer": "particles_viewer",
    "sentence": "messages",
}
__getattr__, __dir__ = lazy_door(__name__, HOMES)
