"""Pictures: pure functions, data in and a matplotlib Figure out; and what Scipion opens.

Scipion looks for its viewers among the names of this package. They load Scipion, which the pure
functions beside them must not, so both are imported when they are asked for.
"""

from __future__ import annotations

import importlib
from typing import Any, List

SCIPION_VIEWERS = {
    "RepicClassesViewer": "classes_viewer",
    "RepicCoordinatesViewer": "coordinates_viewer",
    "RepicIterationsViewer": "iterations_viewer",
}
PICTURES = {
    "Layer": "overlay",
    "angular_distance_figure": "class_plots",
    "class_sizes_figure": "class_plots",
    "comparison_figure": "class_plots",
    "convergence_figure": "class_plots",
    "iterations_figure": "iteration_plots",
    "montage_figure": "class_montage",
    "overlay_figure": "overlay",
    "size_bars_figure": "class_plots",
}
HOMES = {**SCIPION_VIEWERS, **PICTURES}


def __getattr__(name: str) -> Any:
    if name not in HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{HOMES[name]}"), name)


def __dir__() -> List[str]:
    return sorted([*globals(), *HOMES])
