"""Checks of the arguments that the functions of this room share."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["check_box_size", "check_centers", "check_radius"]


def check_centers(name: str, centers: ArrayLike) -> NDArray[np.float64]:
    """Centres as a float64 array of shape (n, 2); an empty sequence gives shape (0, 2)."""
    array = np.asarray(centers, dtype=np.float64)
    if array.size == 0:
        return np.empty((0, 2))
    if array.ndim != 2 or array.shape[1] != 2:
        raise ValueError(
            f"{name} must have shape (n, 2), got {array.shape}; stack x and y as columns"
        )
    if not np.isfinite(array).all():
        row = int(np.flatnonzero(~np.isfinite(array).all(axis=1))[0])
        raise ValueError(
            f"{name} must be finite, got {array[row].tolist()} in row {row}; remove it"
        )
    return array


def check_box_size(name: str, box_size_px: float) -> int:
    """Box size as a positive int."""
    if box_size_px < 1 or not float(box_size_px).is_integer():
        raise ValueError(
            f"{name} must be a whole number of px, 1 or more, got {box_size_px}; round it"
        )
    return int(box_size_px)


def check_radius(radius_px: float) -> float:
    """Radius as a positive float."""
    if not (np.isfinite(radius_px) and radius_px > 0):
        raise ValueError(
            f"radius_px must be positive and finite, got {radius_px}; a quarter of the box is usual"
        )
    return float(radius_px)
