"""Scipion's sets whose weights are probabilities, and what a reference says of them."""

from __future__ import annotations

from pathlib import Path
from typing import List, Tuple

import numpy as np
from numpy.typing import NDArray
from pwem.objects import SetOfCoordinates

from repic_plugin import constants
from repic_plugin.convert import item_labels
from repic_plugin.evaluation import confirmed_picks
from repic_plugin.formats import ENSEMBLE_NAMES
from repic_plugin.protocols import ProtRepicEvaluate

__all__ = ["has_probabilities", "outcomes", "probable_sets"]


def has_probabilities(coordinates: SetOfCoordinates) -> bool:
    """Whether a probabilistic consensus left the set: its run then left what it fitted, too."""
    file = coordinates.getFileName()
    if not file or constants.WEIGHT not in item_labels(file):
        return False
    return (Path(file).parent / "extra" / ENSEMBLE_NAMES[1]).is_file()


def probable_sets(protocol: ProtRepicEvaluate) -> List[str]:
    """Names of the evaluated sets whose weights are probabilities."""
    if any(pointer.get() is None for pointer in protocol.inputCoordinates):
        return []  # an input was deleted since
    return [name for name, one in protocol.named_sets() if has_probabilities(one)]


def outcomes(
    protocol: ProtRepicEvaluate, name: str
) -> Tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Probabilities of an evaluated set, and whether the reference has each particle, shape (n,).

    Raises
    ------
    ValueError
        If an input of the evaluation is not there any more.
    """
    pointers = [*protocol.inputCoordinates, protocol.referenceCoordinates]
    if any(pointer.get() is None for pointer in pointers):
        raise ValueError("an input of the evaluation was deleted; evaluate the picks again")
    settings = protocol._settings()
    sets, reference = protocol._loaded(settings)
    place = settings["names"].index(name)
    picks = sets[place]
    box_px, radius_px = settings["box_sizes_px"][place], settings["radius_px"]
    found = confirmed_picks(picks, reference, box_px, radius_px=radius_px)
    used = found.is_compared & picks.has_score
    return picks.score[used], found.is_confirmed[used]
