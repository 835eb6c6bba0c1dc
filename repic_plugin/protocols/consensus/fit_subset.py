"""Micrographs from which what holds for all is learnt: the model, the agreement."""

from __future__ import annotations

from typing import List, Optional, Sequence

import numpy as np
from numpy.typing import NDArray
from pwem.objects import SetOfCTF

from repic_plugin.convert import mean_defocus
from repic_plugin.protocols.consensus.stream_inputs import StreamInputs

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


def defocus_of(
    ctfs: Optional[SetOfCTF], inputs: StreamInputs, chosen: Sequence[int]
) -> Optional[NDArray[np.float64]]:
    """Mean defocus of some micrographs, angstrom; None without CTFs."""
    if ctfs is None:
        return None
    table = inputs.micrographs.table
    known = dict(zip(table.ids, mean_defocus(ctfs, table)))
    return np.array([known[one] for one in chosen])
