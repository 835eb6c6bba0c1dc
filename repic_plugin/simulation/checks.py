"""Checks of the arguments that the functions of this room share."""

from __future__ import annotations

from typing import Sequence, Tuple, Union

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "check_count",
    "check_distance",
    "check_per_picker",
    "check_seed",
]


def check_count(name: str, value: int, smallest: int) -> int:
    """Count as an int of at least `smallest`."""
    if not float(value).is_integer() or value < smallest:
        raise ValueError(f"{name} must be a whole number, {smallest} or more, got {value}")
    return int(value)


def check_distance(name: str, value: float, *, zero: bool = False) -> float:
    """Length in px as a finite float, positive or (with `zero`) at least 0."""
    if not np.isfinite(value) or value < 0 or (value == 0 and not zero):
        rule = "0 or more" if zero else "positive"
        raise ValueError(f"{name} must be {rule} and finite, got {value}; give it in px")
    return float(value)


def check_per_picker(
    name: str,
    value: Union[float, Sequence[float]],
    n_pickers: int,
    bounds: Tuple[float, float],
    *,
    open_below: bool = False,
) -> NDArray[np.float64]:
    """One number for each picker, within `bounds` (the lower one left out if `open_below`)."""
    array = np.asarray(value, dtype=np.float64)
    if array.shape not in ((), (n_pickers,)):
        raise ValueError(
            f"{name} must be one number or one for each of the {n_pickers} pickers, "
            f"got shape {array.shape}"
        )
    low, high = bounds
    good = (array > low if open_below else array >= low) & (array <= high) & np.isfinite(array)
    if not good.all():
        bracket = "(" if open_below else "["
        closing = "]" if np.isfinite(high) else ")"
        bad = np.atleast_1d(array)[~np.atleast_1d(good)][0]
        raise ValueError(f"{name} must lie in {bracket}{low:g}, {high:g}{closing}, got {bad:g}")
    return np.broadcast_to(array, (n_pickers,))


def check_seed(random_state: int) -> int:
    """Seed as an int of at least 0."""
    if not isinstance(random_state, (int, np.integer)) or random_state < 0:
        raise ValueError(
            f"random_state must be a whole number, 0 or more, got {random_state!r}; "
            "the same number gives the same output"
        )
    return int(random_state)
