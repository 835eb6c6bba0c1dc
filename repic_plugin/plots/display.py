"""Micrographs for display: reduced, slightly blurred, with stretched contrast."""

from __future__ import annotations

from typing import Any, Tuple

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

# Grey values beyond these percentiles are shown as black and white.
CONTRAST_PERCENTILES = (0.5, 99.5)
# Low-pass for display, in displayed pixels: particles stand out of the noise, boxes stay sharp.
DISPLAY_BLUR = 1.2
# Pixels read and averaged at a time: a block that fits the processor's cache.
BLOCK_PX = 1 << 18


def for_display(
    image: NDArray[Any], size_px: int
) -> Tuple[NDArray[np.float32], Tuple[float, float, float, float]]:
    """Blocks averaged to about the shown size, and blurred.

    Parameters
    ----------
    image : ndarray, shape (height, width)
        Real grey values; of a memory map only some rows are held at a time.
    size_px : int
        About the longer side wanted.

    Returns
    -------
    shown : ndarray of float32, shape (n_rows, n_columns)
    extent : tuple of float
        Where the blocks lie: left, right, bottom, top, px of the micrograph.
    """
    step = max(1, round(max(image.shape) / size_px))
    rows, columns = image.shape[0] // step, image.shape[1] // step
    if not (rows and columns):  # a strip thinner than one block
        step, (rows, columns) = 1, image.shape
    shown = _binned(image, step, rows, columns)
    # The blur would spread a nan over its neighbours; a dead pixel is shown as an average one.
    finite = np.isfinite(shown)
    if not finite.all():
        shown = np.where(finite, shown, shown[finite].mean() if finite.any() else np.float32(0))
    shown = gaussian_filter(shown, DISPLAY_BLUR)
    return shown, (0.0, float(columns * step), float(rows * step), 0.0)


def contrast(shown: NDArray[np.float32]) -> Tuple[float, float]:
    """The grey values to show as black and as white."""
    low, high = np.percentile(shown, CONTRAST_PERCENTILES)
    return (float(low), float(high)) if high > low else (float(low) - 1.0, float(low) + 1.0)


def _binned(image: NDArray[Any], step: int, rows: int, columns: int) -> NDArray[np.float32]:
    """Means of blocks of `step` x `step` px, some rows of blocks at a time."""
    shown = np.empty((rows, columns), np.float32)
    n_at_once = max(1, BLOCK_PX // (step * step * columns))
    for first in range(0, rows, n_at_once):
        last = min(first + n_at_once, rows)
        part = image[first * step : last * step, : columns * step]
        # along rows first: adding whole rows to each other is what numpy does fastest
        sums = part.reshape(last - first, step, -1).sum(axis=1, dtype=np.float32)
        shown[first:last] = sums.reshape(last - first, columns, step).sum(axis=2)
    shown /= step * step
    return shown
