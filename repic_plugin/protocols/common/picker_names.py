"""Names of pickers in tables and summaries."""

from __future__ import annotations

from typing import Iterable, List

from pyworkflow.object import Pointer


def picker_names(pointers: Iterable[Pointer]) -> List[str]:
    """Labels of the picking runs, numbered where two are the same."""
    labels = [
        " ".join(pointer.getObjValue().getObjLabel().split()) or f"picker {place}"
        for place, pointer in enumerate(pointers, 1)
    ]
    return [
        label if labels.count(label) == 1 else f"{label} ({place})"
        for place, label in enumerate(labels, 1)
    ]
