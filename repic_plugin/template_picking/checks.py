"""Checks of the arguments that the functions of this room share."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = [
    "check_box_size",
    "check_centers",
    "check_count",
    "check_finite",
    "check_images",
    "check_micrograph",
    "check_number",
]

MIN_BOX_PX = 16  # what can still be told apart in 2D classes


def check_box_size(box_size_px: int) -> int:
    """A box as an int of at least 16."""
    return check_count("box_size_px", box_size_px, MIN_BOX_PX, "give the box in px")


def check_count(name: str, value: int, smallest: int, remedy: str = "choose another") -> int:
    """Count as an int of at least `smallest`."""
    if not float(value).is_integer() or value < smallest:
        raise ValueError(
            f"{name} must be a whole number, {smallest} or more, got {value}; {remedy}"
        )
    return int(value)


def check_number(name: str, value: float, low: float, high: float) -> float:
    """Number as a float from `low` to `high`."""
    if not low <= value <= high:
        raise ValueError(f"{name} must lie in [{low:g}, {high:g}], got {value}; choose another")
    return float(value)


def check_finite(name: str, array: NDArray[Any]) -> None:
    """Refuse nan and infinite numbers."""
    if not np.isfinite(array).all():
        raise ValueError(f"{name} must be finite, got nan or infinite numbers; mend the file")


def check_micrograph(micrograph: ArrayLike, box_size_px: int) -> NDArray[Any]:
    """An image that holds a box, in its own dtype."""
    image = np.asarray(micrograph)
    if image.ndim != 2 or image.dtype.kind not in "biuf":
        raise ValueError(
            f"micrograph must be an image of real numbers, got shape {image.shape} of "
            f"{image.dtype}; give one micrograph at a time"
        )
    if min(image.shape) < box_size_px:
        height, width = image.shape
        raise ValueError(
            f"box_size_px must not exceed the micrograph of {width} x {height} px, got "
            f"{box_size_px}; give a smaller box"
        )
    return image


def check_centers(centers: ArrayLike) -> NDArray[np.float64]:
    """Points as float64, shape (n, 2)."""
    points = np.asarray(centers, dtype=np.float64)
    if points.size == 0:
        return np.empty((0, 2))
    if points.ndim != 2 or points.shape[1] != 2 or not np.isfinite(points).all():
        raise ValueError(
            f"centers must be finite and of shape (n, 2), got shape {points.shape}; "
            "stack x and y as columns and remove nan"
        )
    return points


def check_images(name: str, images: ArrayLike) -> NDArray[np.float32]:
    """Finite square images as float32, shape (k, side, side), at least one."""
    array = np.asarray(images, dtype=np.float32)
    if array.ndim != 3 or array.shape[1] != array.shape[2] or not array.size:
        raise ValueError(
            f"{name} must be of shape (k, side, side), one image at least, got shape {array.shape}"
        )
    check_finite(name, array)
    return array
