"""Boxes of an overlay as text."""

from __future__ import annotations

from typing import List, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from repic_plugin.plots.overlay_sets import SCORE, BoxSet

OVERLAP = "overlap"


def box_in_words(one: BoxSet, row: int, numbers: Mapping[str, NDArray[np.float64]]) -> List[str]:
    """Position, numbers and pickers of a box, a line each.

    Parameters
    ----------
    one : BoxSet
    row : int
    numbers : mapping of str to ndarray of float64, shape (n,)
        Of the set, by their names; those that a box lacks are left out, except its score.
    """
    lines = [f"x {np.asarray(one.x)[row]:.0f}, y {np.asarray(one.y)[row]:.0f} px"]
    for name, column in numbers.items():
        value = float(column[row])
        if np.isfinite(value) and (name != OVERLAP or value):  # 0 is no overlap
            lines.append(f"{name} {_number(column, value)}")
        elif name == SCORE:
            lines.append("no score")
    if one.found_by is not None:
        lines.append(f"found by {one.found_by[row]}")
    return lines


def members_in_words(pickers: Sequence[BoxSet], members: NDArray[np.int64]) -> List[str]:
    """Pick of each picker in a particle, a line each."""
    return [_pick_in_words(one, int(row)) for one, row in zip(pickers, members)]


def _number(column: NDArray[np.float64], value: float) -> str:
    """Whole numbers without decimals, where all are whole and some are not 0 or 1."""
    known = column[np.isfinite(column)]
    if (known == np.round(known)).all() and (known > 1).any():
        return f"{value:,.0f}"
    return short_number(value)


def short_number(value: float) -> str:
    """A number with three decimals, or in powers of ten where these would not show it."""
    return f"{value:.3f}" if not value or 1e-3 <= abs(value) < 1e7 else f"{value:.3e}"


def _pick_in_words(one: BoxSet, row: int) -> str:
    if row < 0:
        return f"{one.name}: not found"
    score = np.nan if one.score is None else float(np.asarray(one.score)[row])
    where = f"at {np.asarray(one.x)[row]:.0f}, {np.asarray(one.y)[row]:.0f}"
    return (
        f"{one.name}: {'no score' if np.isnan(score) else f'score {short_number(score)}'}, {where}"
    )
