"""Pickers whose picks hardly meet the others', by an error that no usual correction explains."""

from __future__ import annotations

from dataclasses import dataclass
from typing import List, Tuple

import numpy as np
from numpy.typing import NDArray

from repic_plugin.consensus.geometry import (
    MEETING,
    MIN_CORRECTED,
    MIN_PICKS,
    Points,
    compared_micrographs,
    meetings,
    together,
)
from repic_plugin.consensus.picks import Picks

# A picker with a tenth of the others' agreement has no place in their consensus. Weak ones have
# more (DeepPicker on EMPIAR-10017: 0.4); those in other coordinates have 0.00 to 0.02.
MAX_AGREEMENT = 0.1


@dataclass(frozen=True)
class Stranger:
    """A picker that hardly coincides with others which agree with each other.

    Attributes
    ----------
    picker : str
    share, others : float
        Fractions of its picks that coincide with the others', and of the others' picks with each
        other, beyond chance.
    reach_px, others_px : (float, float)
        Largest coordinates of its picks and of the others'.
    """

    picker: str
    share: float
    others: float
    reach_px: Tuple[float, float]
    others_px: Tuple[float, float]

    def __str__(self) -> str:
        x, y = self.reach_px
        of_others = "{:,.0f}, {:,.0f}".format(*self.others_px)
        return (
            f"{self.share:.0%} of {self.picker}'s picks meet those of the other pickers, of the "
            f"others' {self.others:.0%}; its coordinates reach {x:,.0f}, {y:,.0f} px, the others' "
            f"{of_others}: check whether it has another pixel size, orientation or data set"
        )


def find_strangers(picks: Picks, sizes_px: NDArray[np.float64]) -> List[Stranger]:
    """Pickers that meet the others less than `MAX_AGREEMENT` of how often those meet each other.

    Parameters
    ----------
    picks : Picks
    sizes_px : ndarray of float64, shape (n_pickers,)
        Side of each picker's boxes.

    Returns
    -------
    list of Stranger
        None with two pickers, of which nothing tells which is wrong.
    """
    part = picks.on_micrographs(compared_micrographs(picks))
    points = [[part.centers[rows] for rows in of_picker] for of_picker in part.rows_by_group()]
    found = []
    for i, name in enumerate(picks.picker_names if picks.n_pickers > 2 else ()):
        others = [one for k, one in enumerate(points) if k != i]
        theirs, n = together(others), sum(map(len, points[i]))
        if min(n, sum(map(len, theirs))) < MIN_PICKS:
            continue
        reach_px = MEETING * float(sizes_px.min())
        share, expected = meetings(points[i], theirs, reach_px).share, _agreement(others, reach_px)
        if expected >= MIN_CORRECTED and share < MAX_AGREEMENT * expected:
            found.append(Stranger(name, share, expected, _largest(points[i]), _largest(theirs)))
    return found


def _agreement(pickers: List[Points], reach_px: float) -> float:
    """Best share of the picks of one of several pickers that coincide with the rest's."""
    rest = [together([o for o in pickers if o is not one]) for one in pickers]
    return max(meetings(*pair, reach_px).share for pair in zip(pickers, rest))


def _largest(points: Points) -> Tuple[float, float]:
    x, y = np.concatenate(points).max(axis=0).tolist()
    return x, y
