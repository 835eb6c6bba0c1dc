"""On which micrographs the pickers of a consensus by probability are judged, and their defocus."""

from __future__ import annotations

from typing import List, Optional, Sequence

import numpy as np
from numpy.typing import NDArray
from pwem.objects import SetOfCTF

from repic_plugin.consensus import MODES
from repic_plugin.convert import read_item_columns
from repic_plugin.formats import micrograph_name

__all__ = ["LEAST_FITTED", "PROBABILISTIC", "defocus_of", "micrographs_to_fit"]

PROBABILISTIC = MODES[2]
# What a model is fitted on is held in memory at once; its intervals are narrow with so many.
FIT_MICROGRAPHS = 400
# With fewer, the recall of a picker is hardly known, and all that comes is judged by it.
LEAST_FITTED = 30
DEFOCUS = ("_defocusU", "_defocusV", "_micObj._micName")


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


def defocus_of(ctfs: Optional[SetOfCTF], names: Sequence[str]) -> Optional[NDArray[np.float64]]:
    """Mean defocus of micrographs, found by their names.

    Parameters
    ----------
    ctfs : SetOfCTF or None
    names : sequence of str

    Returns
    -------
    ndarray of float64, shape (n_micrographs,), or None
        Angstrom; nan where it is not known. None where no CTF is given.

    Raises
    ------
    ValueError
        If the set cannot be read.
    """
    if ctfs is None:
        return None
    rows = read_item_columns(ctfs.getFileName(), DEFOCUS)
    known = {_key(str(name)): (float(u) + float(v)) / 2 for u, v, name in rows}
    return np.array([known.get(_key(name), np.nan) for name in names])


def _key(name: str) -> str:
    """What a micrograph is known by: Scipion drops spaces when it imports micrographs."""
    return "".join(micrograph_name(name).split())
