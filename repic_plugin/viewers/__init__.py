"""Pictures: pure functions, data in and a matplotlib Figure out; and what Scipion opens.

Scipion looks for its viewers among the names of this package. They load Scipion, which the pure
functions beside them must not, so both are imported when they are asked for.
"""

from __future__ import annotations

import importlib
from typing import Any, List

SCIPION_VIEWERS = {
    "RepicClassesViewer": "classes_viewer",
    "RepicConsensusViewer": "consensus_viewer",
    "RepicFscViewer": "fsc_viewer",
    "RepicIterationsViewer": "iterations_viewer",
    "RepicOverlayViewer": "overlay_viewer",
    "RepicScoresViewer": "scores_viewer",
}
PICTURES = {
    "BoxSet": "overlay_model",
    "ConsensusDetails": "overlay_model",
    "Layer": "overlay",
    "OverlayModel": "overlay_model",
    "agreement_figure": "agreement_plots",
    "angular_distance_figure": "class_plots",
    "class_at": "class_members",
    "class_sizes_figure": "class_plots",
    "comparison_figure": "class_plots",
    "convergence_figure": "class_plots",
    "evaluation_figure": "score_plots",
    "fsc_figure": "fsc_plots",
    "iterations_figure": "iteration_plots",
    "members_figure": "class_members",
    "montage_figure": "class_montage",
    "overlap_figure": "agreement_plots",
    "overlay_figure": "overlay",
    "per_micrograph_figure": "score_plots",
    "pickers_figure": "ensemble_plots",
    "precision_recall_figure": "score_plots",
    "registered_images": "class_members",
    "reliability_figure": "reliability_plots",
    "score_bars_figure": "score_plots",
    "size_bars_figure": "class_plots",
    "weights_figure": "weight_plots",
}
HOMES = {**SCIPION_VIEWERS, **PICTURES}


def __getattr__(name: str) -> Any:
    if name not in HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{HOMES[name]}"), name)


def __dir__() -> List[str]:
    return sorted([*globals(), *HOMES])
