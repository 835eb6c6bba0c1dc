"""Pictures: pure functions, data in and a matplotlib Figure out; and what Scipion opens.

Scipion looks for its viewers among the names of this package. They load Scipion, which the pure
functions beside them must not, so they are imported when they are asked for.
"""

from __future__ import annotations

import importlib
from typing import Any, List

SCIPION_VIEWERS = {"RepicCoordinatesViewer": "coordinates_viewer"}


def __getattr__(name: str) -> Any:
    if name not in SCIPION_VIEWERS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{SCIPION_VIEWERS[name]}"), name)


def __dir__() -> List[str]:
    return sorted([*globals(), *SCIPION_VIEWERS])
