"""Reduced micrographs, and statistics of their valid pixels."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from repic_plugin.arguments import check_box_size
from repic_plugin.template_picking.checks import MIN_BOX_PX

# Enough for the 12 rings that distinguish classes; more takes time without finding more.
TARGET_BOX_PX = 36
MAD_TO_STD = 1.4826
# Local means are extended this little into parts without a valid pixel nearby.
LEAST_WEIGHT = 1e-3

Image = NDArray[np.float32]
Mask = NDArray[np.bool_]


def reduction(box_size_px: int) -> int:
    """Factor by which a micrograph is reduced along x and y.

    Parameters
    ----------
    box_size_px : int
        8 or more.

    Returns
    -------
    int

    Raises
    ------
    ValueError
        If the box is smaller or not a whole number.
    """
    return max(1, round(check_box_size("box_size_px", box_size_px, MIN_BOX_PX) / TARGET_BOX_PX))


def reduced_box_px(box_size_px: int) -> int:
    """Side of a box in px of a reduced micrograph, an even number."""
    return 2 * round(box_size_px / reduction(box_size_px) / 2)


def block_means(image: NDArray[Any], factor: int) -> Image:
    """Means of blocks of a micrograph, apart from a constant."""
    height, width = (side // factor for side in image.shape)
    blocks = image[: height * factor, : width * factor]
    # the first pixel is subtracted so that large grey values keep their precision
    first = np.float64(blocks[0, 0])
    means: Image = np.zeros((height, width), np.float32)
    with np.errstate(over="ignore", invalid="ignore"):  # the caller refuses non-finite values
        for row in range(factor):
            for column in range(factor):
                means += (blocks[row::factor, column::factor] - first).astype(np.float32)
    return means / np.float32(factor**2)


def level(image: Image, valid: Mask) -> Image:
    """Image without the plane fitted to its valid pixels, and 0 in the others.

    A local mean does not remove a plane at the border.
    """
    rows, columns = (np.arange(side) - (side - 1) / 2 for side in image.shape)
    y, x = np.meshgrid(rows, columns, indexing="ij", sparse=True)
    design = np.stack([np.broadcast_to(one, image.shape)[valid] for one in (y, x, np.ones(()))])
    slopes = np.linalg.lstsq(design @ design.T, design @ image[valid], rcond=None)[0]
    flat = image - (slopes[0] * y + slopes[1] * x + slopes[2]).astype(np.float32)
    return np.where(valid, flat, np.float32(0))


def local_mean(image: Image, valid: Mask, sigma_px: float) -> Image:
    """Mean of the valid pixels weighted by a Gaussian about each pixel."""
    total = ndimage.gaussian_filter(np.where(valid, image, np.float32(0)), sigma_px, mode="reflect")
    if valid.all():
        smooth: Image = total
        return smooth
    weight = ndimage.gaussian_filter(valid.astype(np.float32), sigma_px, mode="reflect")
    mean: Image = total / np.maximum(weight, np.float32(LEAST_WEIGHT))
    return mean


def deviation_of(values: NDArray[np.float32]) -> float:
    """Robust standard deviation, or the usual one where more than half are equal."""
    middle = np.median(values)
    return MAD_TO_STD * float(np.median(np.abs(values - middle))) or float(values.std())
