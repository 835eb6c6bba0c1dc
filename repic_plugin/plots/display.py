"""Micrographs for display: reduced, with a low-pass, with stretched contrast."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Optional, Tuple

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

# Grey values beyond these percentiles are shown as black and white.
CONTRAST_PERCENTILES = (0.5, 99.5)
# Grey values from which the percentiles are taken, about.
N_SAMPLED = 200_000
# Low-pass of pictures without one of their own, in displayed pixels: boxes stay sharp.
DISPLAY_BLUR = 1.2
# The default low-pass of a window: half amplitude at this fraction of the box, which removes most
# noise at 5 Å/px and keeps the outline of a particle that fills half of its box.
LOW_PASS_OF_BOX = 0.25
# Standard deviation, px, of the Gaussian whose amplitude is 1/2 at a period of 1 px.
SIGMA_OF_PERIOD = float(np.sqrt(np.log(2) / 2) / np.pi)
# Pixels read and averaged at a time: a block that fits the processor's cache.
BLOCK_PX = 1 << 18

Extent = Tuple[float, float, float, float]


@dataclass(frozen=True)
class ReducedMicrograph:
    """Means of blocks of a micrograph.

    Attributes
    ----------
    pixels : ndarray of float32, shape (n_rows, n_columns)
        All finite.
    step : int
        Side of a block, px of the micrograph.
    """

    pixels: NDArray[np.float32]
    step: int

    @property
    def extent(self) -> Extent:
        """Where the blocks lie: left, right, bottom, top, px of the micrograph."""
        rows, columns = self.pixels.shape
        return 0.0, float(columns * self.step), float(rows * self.step), 0.0


def reduced_micrograph(image: NDArray[Any], size_px: int) -> ReducedMicrograph:
    """Blocks averaged to about the shown size.

    Parameters
    ----------
    image : ndarray, shape (height, width)
        Real grey values; of a memory map only some rows are held at a time.
    size_px : int
        About the longer side wanted.
    """
    step = max(1, round(max(image.shape) / size_px))
    rows, columns = image.shape[0] // step, image.shape[1] // step
    if not (rows and columns):  # a strip thinner than one block
        step, (rows, columns) = 1, image.shape
    return ReducedMicrograph(_all_finite(_binned(image, step, rows, columns)), step)


def reduced_part(
    image: NDArray[Any], limits: Tuple[int, int, int, int], step: int, ground: float
) -> ReducedMicrograph:
    """Blocks of a part of a micrograph; its extent counts from the corner of the part.

    Parameters
    ----------
    image : ndarray, shape (height, width)
        Of a memory map only the part is read.
    limits : tuple of int
        Left, right, bottom and top, px; width and height are multiples of the step.
    step : int
        Side of a block, px.
    ground : float
        In place of what is not finite.
    """
    left, right, bottom, top = limits
    part = image[top:bottom, left:right]
    shown = _binned(part, step, (bottom - top) // step, (right - left) // step)
    return ReducedMicrograph(_all_finite(shown, ground), step)


def low_passed(micrograph: ReducedMicrograph, low_pass_px: float) -> NDArray[np.float32]:
    """Pixels after a Gaussian low-pass, shape (n_rows, n_columns).

    Parameters
    ----------
    micrograph : ReducedMicrograph
    low_pass_px : float
        Period, in px of the micrograph, at which half of the amplitude is left; 0 for none.
    """
    sigma = SIGMA_OF_PERIOD * low_pass_px / micrograph.step
    return gaussian_filter(micrograph.pixels, sigma) if sigma > 0 else micrograph.pixels


def default_low_pass_px(box_size_px: float) -> float:
    """Low-pass that follows the box, px."""
    return LOW_PASS_OF_BOX * box_size_px


def for_display(
    image: NDArray[Any], size_px: int, low_pass_px: Optional[float] = None
) -> Tuple[NDArray[np.float32], Extent]:
    """A reduced micrograph with a low-pass.

    Parameters
    ----------
    image, size_px
        As of `reduced_micrograph`.
    low_pass_px : float, optional
        As of `low_passed`; by default a slight blur of the displayed pixels.

    Returns
    -------
    shown : ndarray of float32, shape (n_rows, n_columns)
    extent : tuple of float
        Where the blocks lie: left, right, bottom, top, px of the micrograph.
    """
    micrograph = reduced_micrograph(image, size_px)
    if low_pass_px is None:
        return gaussian_filter(micrograph.pixels, DISPLAY_BLUR), micrograph.extent
    return low_passed(micrograph, low_pass_px), micrograph.extent


def contrast(
    shown: NDArray[np.float32], stretch: float = 1.0, brightness: float = 0.0
) -> Tuple[float, float]:
    """The grey values to show as black and as white.

    Parameters
    ----------
    shown : ndarray of float32
    stretch : float
        Factor of the contrast: 2 halves the range of grey values shown.
    brightness : float
        How much lighter the picture is, as a fraction of the range.
    """
    values = shown.ravel()
    some = values[:: max(1, len(values) // N_SAMPLED)]
    low, high = (float(one) for one in np.percentile(some, CONTRAST_PERCENTILES))
    if high <= low:
        low, high = low - 1.0, low + 1.0
    middle, half = (low + high) / 2 - brightness * (high - low), (high - low) / 2 / stretch
    return middle - half, middle + half


def grey_tile(
    image: NDArray[Any],
    center: Tuple[float, float],
    side_px: float,
    shown_px: int,
    *,
    low_pass_px: float,
    greys: Tuple[float, float],
) -> NDArray[np.uint8]:
    """A square of a micrograph as an image, shape (shown_px, shown_px).

    What lies beyond the micrograph is middle grey.

    Parameters
    ----------
    image : ndarray, shape (height, width)
    center : tuple of float
        x and y, px.
    side_px : float
    shown_px : int
    low_pass_px : float
        As of `low_passed`.
    greys : tuple of float
        Shown as black and as white.
    """
    side = max(2, round(side_px))
    left, top = (round(at - side / 2) for at in center)
    part = image[max(top, 0) : max(top + side, 0), max(left, 0) : max(left + side, 0)]
    ground = np.full((side, side), np.mean(greys), np.float32)
    y, x = max(-top, 0), max(-left, 0)
    ground[y : y + part.shape[0], x : x + part.shape[1]] = part
    filtered = low_passed(reduced_micrograph(ground, max(shown_px, 1)), low_pass_px)
    place = np.minimum(np.arange(shown_px) * len(filtered) // shown_px, len(filtered) - 1)
    low, high = greys
    scaled = np.clip((filtered[np.ix_(place, place)] - low) / (high - low), 0, 1)
    tile: NDArray[np.uint8] = np.uint8(255 * scaled)
    return tile


def _all_finite(shown: NDArray[np.float32], ground: Optional[float] = None) -> NDArray[np.float32]:
    """Blocks of which those that are not finite are the ground, by default the mean of the others.

    A low-pass would spread a nan over its neighbours; a dead pixel is shown as an average one.
    """
    finite = np.isfinite(shown)
    if finite.all():
        return shown
    if ground is None:
        ground = float(shown[finite].mean()) if finite.any() else 0.0
    return np.where(finite, shown, np.float32(ground))


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
