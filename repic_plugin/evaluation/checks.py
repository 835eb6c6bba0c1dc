"""Checks of arguments shared by the functions of this package."""

from __future__ import annotations

from typing import Optional, Tuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from repic_plugin.arguments import check_map

# Headers round the voxel size; at this tolerance a box of 500 px is wrong by half a voxel.
MAX_PIXEL_SIZE_DIFFERENCE = 1e-3
SMALLEST_BOX_PX = 4  # of a map: two shells and the mean


def check_volume(
    name: str, volume: ArrayLike, box_size_px: Optional[int] = None
) -> NDArray[np.float32]:
    """Map as a cube of finite float32, of the given size if any."""
    array = check_map(name, volume, SMALLEST_BOX_PX)
    if box_size_px is not None and len(array) != box_size_px:
        raise ValueError(
            f"{name} must have the box of {box_size_px} px of the other map, got {len(array)} px; "
            "resample, cut or pad one of them"
        )
    return array


def check_same_grid(
    names: Tuple[str, str], boxes_px: Tuple[int, int], pixel_sizes_angstrom: Tuple[float, float]
) -> None:
    """Refuse a map and its reference, given in this order, with different grids.

    Parameters
    ----------
    names : (str, str)
        Names of the two maps, for the message.
    boxes_px : (int, int)
    pixel_sizes_angstrom : (float, float)

    Raises
    ------
    ValueError
        If the boxes or the pixel sizes differ.
    """
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
