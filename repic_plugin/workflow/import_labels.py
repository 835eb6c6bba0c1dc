"""Labels of imports of picks: the names of their folders, which tables then name the pickers by."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Dict, List, Sequence, Set, Tuple

from repic_plugin.workflow.corrections import FOLDER, IMPORT

LABEL = "object.label"


def with_import_labels(protocols: List[Dict[str, Any]]) -> List[Dict[str, Any]]:
    """The protocols, with labels for the imports of picks that have none.

    Parameters
    ----------
    protocols : list of dict
    """
    nameless = [
        place
        for place, one in enumerate(protocols)
        if one["object.className"] == IMPORT and one.get(FOLDER) and not one.get(LABEL)
    ]
    taken = {str(one[LABEL]) for one in protocols if one.get(LABEL)}
    labels = _names([Path(str(protocols[place][FOLDER])).parts for place in nameless], taken)
    found = [dict(one) for one in protocols]
    for place, label in zip(nameless, labels):
        found[place][LABEL] = label
    return found


def _names(paths: Sequence[Tuple[str, ...]], taken: Set[str]) -> List[str]:
    """The last part of the paths that is different in all; numbers where there is none."""
    for depth in range(1, min(map(len, paths), default=0)):  # the first part is the root
        names = [parts[-depth] for parts in paths]
        if len(set(names)) == len(names) and not taken & set(names):
            return names
    return [f"picker {number}" for number in range(1, len(paths) + 1)]
