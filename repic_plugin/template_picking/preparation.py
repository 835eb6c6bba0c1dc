"""Preparation of micrographs for template matching: reduction, flattening and whitening."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import fft, ndimage

from repic_plugin.arguments import check_box_size, check_centers, check_finite
from repic_plugin.template_picking.checks import MIN_BOX_PX, check_micrograph

# Enough for the 12 rings that distinguish classes; more takes time without finding more.
TARGET_BOX_PX = 36
# Slower variations are ice and uneven illumination.
FLAT_BOXES = 1.0
# In median absolute deviations; beyond are hot pixels, crystals and carbon edges.
MAX_DEVIATIONS = 5.0
MAD_TO_STD = 1.4826
# Bands with less than this fraction of the mean power are empty and not amplified.
LEAST_POWER = 1e-3

Image = NDArray[np.float32]


def reduction(box_size_px: int) -> int:
    """Factor by which a micrograph is reduced along x and y.

    Parameters
    ----------
    box_size_px : int
        8 or more.

    Raises
    ------
    ValueError
        If the box is smaller or not a whole number.
    """
    return max(1, round(check_box_size("box_size_px", box_size_px, MIN_BOX_PX) / TARGET_BOX_PX))


def reduced_box_px(box_size_px: int) -> int:
    """Side of a box in px of a reduced micrograph, an even number."""
    return 2 * round(box_size_px / reduction(box_size_px) / 2)


def prepare_micrograph(micrograph: ArrayLike, box_size_px: int) -> Image:
    """Micrograph reduced, flattened, clipped and whitened for template matching.

    All spatial frequencies then have the same mean power, so that cross-correlation with a
    template is a matched filter (Turin 1960, doi:10.1109/TIT.1960.1057571), and a dark crystal
    no longer resembles a particle. The result is invariant to brightness and (positive) contrast.

    Parameters
    ----------
    micrograph : array_like of float, shape (height, width)
    box_size_px : int
        Box of the particles, in px of the micrograph; determines the reduction.

    Returns
    -------
    ndarray of float32, shape (height // reduction, width // reduction)
        Of mean 0 and variance 1; all 0 for a constant micrograph.

    Raises
    ------
    ValueError
        If the micrograph is no finite image, or smaller than a box.
    """
    box_px = reduced_box_px(box_size_px)
    image = _block_means(check_micrograph(micrograph, box_size_px), reduction(box_size_px))
    check_finite("micrograph", image)
    image = _level(image)
    image -= ndimage.gaussian_filter(image, FLAT_BOXES * box_px, mode="reflect")
    image -= np.median(image)
    # more than half of a micrograph may be blank
    deviation = MAD_TO_STD * float(np.median(np.abs(image))) or float(image.std())
    if deviation == 0:
        return image
    limit = MAX_DEVIATIONS * deviation
    return _whitened(np.clip(image, -limit, limit) / np.float32(deviation), box_px)


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


def _block_means(image: NDArray[Any], factor: int) -> Image:
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


def _level(image: Image) -> Image:
    """Image without its best-fitting plane, which a local mean does not remove at the border."""
    for axis in (0, 1):
        place = np.arange(image.shape[axis]) - (image.shape[axis] - 1) / 2
        slope = image.mean(axis=1 - axis, dtype=np.float64) @ place / (place @ place)
        image = image - np.expand_dims(slope * place, 1 - axis).astype(np.float32)
    return image


def _whitened(image: Image, box_px: int) -> Image:
    """Image whitened by the root mean power of Fourier rings, two rings per period."""
    spectrum = fft.rfft2(image)
    y, x = fft.fftfreq(image.shape[0])[:, None], fft.rfftfreq(image.shape[1])
    ring = np.rint(2 * box_px * np.hypot(y, x)).astype(np.int64)
    count = np.maximum(np.bincount(ring.ravel()), 1)
    power = np.bincount(ring.ravel(), np.abs(spectrum).ravel() ** 2) / count
    power = ndimage.gaussian_filter1d(power, 1.0, mode="nearest")
    spectrum /= np.sqrt(np.maximum(power, LEAST_POWER * power.mean()))[ring].astype(np.float32)
    spectrum[0, 0] = 0
    white: Image = fft.irfft2(spectrum, s=image.shape)
    white /= white.std()
    return white
