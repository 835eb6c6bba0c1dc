"""Preparation of micrographs for template matching: reduction, flattening and whitening."""

from __future__ import annotations

from typing import Optional

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import fft, ndimage

from repic_plugin.arguments import check_centers, check_finite
from repic_plugin.template_picking.checks import check_micrograph
from repic_plugin.template_picking.masks import MicrographMask, blank_parts
from repic_plugin.template_picking.reduced import (
    block_means,
    deviation_of,
    level,
    local_mean,
    reduced_box_px,
    reduction,
)

# Slower variations are ice and uneven illumination.
FLAT_BOXES = 1.0
# In median absolute deviations; beyond are hot pixels, crystals and carbon edges.
MAX_DEVIATIONS = 5.0
# Bands with less than this fraction of the mean power are empty and not amplified.
LEAST_POWER = 1e-3

Image = NDArray[np.float32]


def prepare_micrograph(
    micrograph: ArrayLike, box_size_px: int, mask: Optional[MicrographMask] = None
) -> Image:
    """Micrograph reduced, flattened, clipped and whitened for template matching.

    All spatial frequencies then have the same mean power, so that cross-correlation with a
    template is a matched filter (Turin 1960, doi:10.1109/TIT.1960.1057571), and a dark crystal
    no longer resembles a particle. The result is invariant to brightness and (positive) contrast.

    Parameters
    ----------
    micrograph : array_like of float, shape (height, width)
    box_size_px : int
        Box of the particles, in px of the micrograph; determines the reduction.
    mask : MicrographMask, optional
        From `find_mask`. What it excludes is left out of all statistics and becomes 0. By default
        blank parts are found and excluded.

    Returns
    -------
    ndarray of float32, shape (height // reduction, width // reduction)
        Of mean 0 and variance 1 where it is valid; all 0 for a constant micrograph.

    Raises
    ------
    ValueError
        If the micrograph is no finite image, or smaller than a box.
    """
    box_px, factor = reduced_box_px(box_size_px), reduction(box_size_px)
    pixels = check_micrograph(micrograph, box_size_px)
    image = block_means(pixels, factor)
    check_finite("micrograph", image)
    valid = ~(blank_parts(pixels, image, factor) if mask is None else mask.excluded)
    if not valid.any():
        return np.zeros_like(image)
    image = level(image, valid)
    image = image - local_mean(image, valid, FLAT_BOXES * box_px)
    image -= np.median(image[valid])
    deviation = deviation_of(image[valid])
    if deviation == 0:
        return np.zeros_like(image)
    limit = MAX_DEVIATIONS * deviation
    clipped = np.where(valid, np.clip(image, -limit, limit) / np.float32(deviation), 0)
    return _whitened(clipped.astype(np.float32), valid, box_px)


def cut_boxes(prepared: Image, centers: ArrayLike, box_size_px: int) -> Image:
    """Boxes of a prepared micrograph around given centres.

    Parameters
    ----------
    prepared : ndarray of float32, shape (height, width)
        From `prepare_micrograph`.
    centers : array_like of float, shape (n, 2)
        x, y in px of the original micrograph, from the outer edge of the first pixels.
    box_size_px : int
        As given to `prepare_micrograph`.

    Returns
    -------
    ndarray of float32, shape (m, box, box)
        The centre is the pixel (box // 2, box // 2), to the nearest whole pixel. Boxes that extend
        beyond the micrograph are discarded.
    """
    box_px = reduced_box_px(box_size_px)
    pixels = np.floor(check_centers("centers", centers) / reduction(box_size_px)).astype(np.int64)
    corners = pixels - box_px // 2
    inside = (corners >= 0).all(axis=1) & (corners + box_px <= prepared.shape[::-1]).all(axis=1)
    boxes = [prepared[y : y + box_px, x : x + box_px] for x, y in corners[inside].tolist()]
    return np.stack(boxes) if boxes else np.zeros((0, box_px, box_px), np.float32)


def _whitened(image: Image, valid: NDArray[np.bool_], box_px: int) -> Image:
    """Image whitened by the root mean power of Fourier rings, two rings per period."""
    spectrum = fft.rfft2(image)
    y, x = fft.fftfreq(image.shape[0])[:, None], fft.rfftfreq(image.shape[1])
    ring = np.rint(2 * box_px * np.hypot(y, x)).astype(np.int64)
    count = np.maximum(np.bincount(ring.ravel()), 1)
    power = np.bincount(ring.ravel(), np.abs(spectrum).ravel() ** 2) / count
    power = ndimage.gaussian_filter1d(power, 1.0, mode="nearest")
    spectrum /= np.sqrt(np.maximum(power, LEAST_POWER * power.mean()))[ring].astype(np.float32)
    spectrum[0, 0] = 0
    white: Image = np.where(valid, fft.irfft2(spectrum, s=image.shape), np.float32(0))
    white[valid] -= white[valid].mean()
    white /= white[valid].std() or 1
    return white
