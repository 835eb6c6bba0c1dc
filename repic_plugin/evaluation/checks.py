"""Checks of the arguments that the functions of this room share."""

from __future__ import annotations

from typing import Optional, Tuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = [
    "check_box_size",
    "check_centers",
    "check_radius",
    "check_same_grid",
    "check_threads",
    "check_volume",
]

# Headers round the size of a voxel; this much more, and a box of 500 px is wrong by half a voxel.
MAX_PIXEL_SIZE_DIFFERENCE = 1e-3
SMALLEST_BOX_PX = 4  # of a map: two shells and the mean


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


def check_threads(n_threads: int) -> int:
    """Number of threads as a positive int."""
    if n_threads < 1 or int(n_threads) != n_threads:
        raise ValueError(f"n_threads must be a whole number, 1 or more, got {n_threads}")
    return int(n_threads)


def check_volume(
    name: str, volume: ArrayLike, box_size_px: Optional[int] = None
) -> NDArray[np.float32]:
    """Map as a cube of finite float32, of a given size where one is given."""
    array = np.asarray(volume, dtype=np.float32)
    if array.ndim != 3 or len(set(array.shape)) != 1 or array.shape[0] < SMALLEST_BOX_PX:
        raise ValueError(
            f"{name} must be a cube of {SMALLEST_BOX_PX} voxels or more a side, got shape "
            f"{array.shape}; cut or pad it"
        )
    if box_size_px is not None and len(array) != box_size_px:
        raise ValueError(
            f"{name} must have the box of {box_size_px} px of the other map, got {len(array)} px; "
            "resample, cut or pad one of them"
        )
    if not np.isfinite(array).all():
        raise ValueError(f"{name} must be finite, got nan or infinite voxels; replace them")
    return array


def check_same_grid(
    names: Tuple[str, str],
    boxes_px: Tuple[int, int],
    pixel_sizes_angstrom: Tuple[float, float],
) -> None:
    """Raise a ValueError unless a map and its reference, the second, have the same voxels."""
    name, reference = names
    if boxes_px[0] != boxes_px[1]:
        raise ValueError(
            f"{name}: must have the box of {reference}, {boxes_px[1]} px, got {boxes_px[0]} px; "
            "resample, cut or pad one of them"
        )
    size, expected = pixel_sizes_angstrom
    if abs(size - expected) > MAX_PIXEL_SIZE_DIFFERENCE * expected:
        raise ValueError(
            f"{name}: must have the pixel size of {reference}, {expected:g} angstrom, got "
            f"{size:g}; resample one of them, or correct the pixel size that is wrong"
        )
