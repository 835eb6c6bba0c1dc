"""Checks of arguments shared by the functions of this package."""

from __future__ import annotations

from typing import Sequence, Tuple, Union

import numpy as np
from numpy.typing import ArrayLike, NDArray

from repic_plugin.arguments import check_map, check_varied

# Smaller projections have hardly any frequencies.
SMALLEST_BOX_PX = 8


def check_per_picker(
    name: str,
    value: Union[float, Sequence[float]],
    n_pickers: int,
    bounds: Tuple[float, float],
    *,
    open_below: bool = False,
) -> NDArray[np.float64]:
    """One number for each picker, within `bounds` (excluding the lower one if `open_below`)."""
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


def check_volume(volume: ArrayLike) -> NDArray[np.float32]:
    """Non-constant density map as a cube of finite float32."""
    density = check_map("volume", volume, SMALLEST_BOX_PX)
    check_varied("volume", density)
    return density


def check_room(box_size_px: int, micrograph_size_px: Tuple[int, int]) -> None:
    """Refuse a box that is larger than the micrograph."""
    if box_size_px > min(micrograph_size_px):
        raise ValueError(
            f"box_size_px must not exceed the micrograph's sides {micrograph_size_px}, got "
            f"{box_size_px}; give a smaller box or a larger micrograph_size_px"
        )


def check_euler(euler_deg: ArrayLike) -> NDArray[np.float64]:
    """Euler angles as float64, shape (n, 3)."""
    return _check_triples("euler_deg", euler_deg, "rot, tilt and psi")


def check_directions(directions: ArrayLike) -> NDArray[np.float64]:
    """Unit vectors as float64, shape (n, 3)."""
    vectors = _check_triples("directions", directions, "x, y and z")
    lengths = np.linalg.norm(vectors, axis=1)
    if not (lengths > 0).all():
        row = int(np.flatnonzero(lengths == 0)[0])
        raise ValueError(f"directions must not be zero, got 0 in row {row}; remove it")
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


def check_range(name: str, bounds: Sequence[float]) -> Tuple[float, float]:
    """Two finite numbers in ascending order."""
    low, high = (float(bound) for bound in bounds)
    if not (np.isfinite(low) and np.isfinite(high) and low <= high):
        raise ValueError(
            f"{name} must be finite, the lower first, got {low:g} and {high:g}; swap them"
        )
    return low, high
