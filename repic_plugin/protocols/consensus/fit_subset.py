"""Micrographs from which what holds for all is learnt: the model, the agreement."""

from __future__ import annotations

from typing import List, Sequence

import numpy as np

# The fit holds all of them in memory; with so many, its intervals are narrow.
FIT_MICROGRAPHS = 400
# With fewer, recall is poorly known, and the model holds for all later micrographs.
MIN_FITTED = 30


def micrographs_to_fit(
    ready: Sequence[int], is_last: bool, most: int = FIT_MICROGRAPHS
) -> List[int]:
    """The micrographs to fit the model to, evenly spread over those that are ready.

    Parameters
    ----------
    ready : sequence of int
    is_last : bool
        Whether no more will arrive.
    most : int

    Returns
    -------
    list of int
        Empty as long as there are too few.
    """
    if not is_last and len(ready) < MIN_FITTED:
        return []
    places = np.linspace(0, len(ready) - 1, min(len(ready), most))
    return [ready[place] for place in places.round().astype(int)]
