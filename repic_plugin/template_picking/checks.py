"""Checks of arguments shared by the functions of this package."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from repic_plugin.arguments import check_finite

MIN_BOX_PX = 16  # minimum for distinguishable 2D classes


def check_micrograph(micrograph: ArrayLike, box_size_px: int) -> NDArray[Any]:
    """Image at least as large as a box, in its own dtype."""
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


def check_images(name: str, images: ArrayLike) -> NDArray[np.float32]:
    """Finite square images, at least one, as float32 of shape (k, side, side)."""
    array = np.asarray(images, dtype=np.float32)
    if array.ndim != 3 or array.shape[1] != array.shape[2] or not array.size:
        raise ValueError(
            f"{name} must hold one image or more, shape (k, side, side), got shape {array.shape}"
        )
    check_finite(name, array)
    return array
