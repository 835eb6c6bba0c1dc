"""Checks of the arguments that the functions of this room share."""

from __future__ import annotations

from typing import Sequence, Tuple, Union

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = [
    "check_count",
    "check_directions",
    "check_distance",
    "check_euler",
    "check_fraction",
    "check_map",
    "check_not_negative",
    "check_per_picker",
    "check_positive",
    "check_range",
    "check_seed",
]

# Below it a projection has no frequencies to speak of.
SMALLEST_BOX_PX = 8


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


def check_map(volume: ArrayLike) -> NDArray[np.float32]:
    """Density map as a cube of finite float32."""
    array = np.asarray(volume, dtype=np.float32)
    if array.ndim != 3 or len(set(array.shape)) != 1 or array.shape[0] < SMALLEST_BOX_PX:
        raise ValueError(
            f"volume must be a cube of {SMALLEST_BOX_PX} voxels or more a side, got shape "
            f"{array.shape}; cut or pad it"
        )
    if not np.isfinite(array).all():
        raise ValueError("volume must be finite, got nan or infinite voxels; replace them")
    if array.min() == array.max():
        raise ValueError(f"volume must vary, got {array.flat[0]:g} everywhere; give another map")
    return array


def check_euler(euler_deg: ArrayLike) -> NDArray[np.float64]:
    """Euler angles as float64, shape (n, 3)."""
    return _check_triples("euler_deg", euler_deg, "rot, tilt and psi")


def check_directions(directions: ArrayLike) -> NDArray[np.float64]:
    """Vectors as float64 of length 1, shape (n, 3)."""
    vectors = _check_triples("directions", directions, "x, y and z")
    lengths = np.linalg.norm(vectors, axis=1)
    if not (lengths > 0).all():
        row = int(np.flatnonzero(lengths == 0)[0])
        raise ValueError(f"directions must have a length, got 0 in row {row}; remove it")
    unit: NDArray[np.float64] = vectors / lengths[:, None]
    return unit


def _check_triples(name: str, values: ArrayLike, columns: str) -> NDArray[np.float64]:
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != 2 or array.shape[1] != 3 or not np.isfinite(array).all():
        raise ValueError(
            f"{name} must be finite and of shape (n, 3), got shape {array.shape}; "
            f"stack {columns} as columns"
        )
    return array


def check_positive(name: str, value: float, unit: str = "") -> float:
    """Number as a finite float above 0."""
    if not (np.isfinite(value) and value > 0):
        raise ValueError(f"{name} must be positive and finite, got {value}{_in(unit)}")
    return float(value)


def check_not_negative(name: str, value: float, unit: str = "") -> float:
    """Number as a finite float, 0 or more."""
    if not (np.isfinite(value) and value >= 0):
        raise ValueError(f"{name} must be 0 or more and finite, got {value}{_in(unit)}")
    return float(value)


def check_fraction(name: str, value: float) -> float:
    """Part of a whole that leaves some of it: a float in [0, 1)."""
    if not 0 <= value < 1:
        raise ValueError(f"{name} must lie in [0, 1), got {value}; give a part, not a percentage")
    return float(value)


def check_range(name: str, bounds: Sequence[float]) -> Tuple[float, float]:
    """Two finite numbers, the lower first."""
    low, high = (float(bound) for bound in bounds)
    if not (np.isfinite(low) and np.isfinite(high) and low <= high):
        raise ValueError(
            f"{name} must be finite, the lower first, got {low:g} and {high:g}; swap them"
        )
    return low, high


def _in(unit: str) -> str:
    return f"; give it in {unit}" if unit else "; choose another"
