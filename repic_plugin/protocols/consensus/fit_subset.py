"""On which micrographs the pickers of a consensus by probability are judged, and their defocus."""

from __future__ import annotations

from typing import List, Sequence

import numpy as np

# What a model is fitted on is held in memory at once; its intervals are narrow with so many.
FIT_MICROGRAPHS = 400
# With fewer, the recall of a picker is hardly known, and all that comes is judged by it.
LEAST_FITTED = 30


def micrographs_to_fit(ready: Sequence[int], is_last: bool) -> List[int]:
    """Of the micrographs that are ready those to judge the pickers on, evenly spread.

    Parameters
    ----------
    ready : sequence of int
    is_last : bool
        Whether no other will come.

    Returns
    -------
    list of int
        None as long as there are too few.
    """
    if not is_last and len(ready) < LEAST_FITTED:
        return []
    places = np.linspace(0, len(ready) - 1, min(len(ready), FIT_MICROGRAPHS))
    return [ready[place] for place in places.round().astype(int)]
