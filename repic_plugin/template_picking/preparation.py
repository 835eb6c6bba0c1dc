"""Micrographs made ready for templates: small, flat, and with noise of one strength."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import fft, ndimage

from repic_plugin.arguments import check_box_size, check_centers, check_finite
from repic_plugin.template_picking.checks import MIN_BOX_PX, check_micrograph

# Enough for the 12 rings by which classes are told apart; more costs time and finds no more.
TARGET_BOX_PX = 36
# What changes more slowly is ice and uneven illumination.
FLAT_BOXES = 1.0
# Of the median absolute deviation; beyond are hot pixels, crystals, edges of the carbon.
MAX_DEVIATIONS = 5.0
MAD_TO_STD = 1.4826
# Bands with less than this part of the mean power hold nothing: they are not raised to it.
LEAST_POWER = 1e-3

Image = NDArray[np.float32]


def reduction(box_size_px: int) -> int:
    """How many px of a micrograph, along x and along y, become one.

    Parameters
    ----------
    box_size_px : int
        8 or more.

    Returns
    -------
    int
    """
    return max(1, round(check_box_size("box_size_px", box_size_px, MIN_BOX_PX) / TARGET_BOX_PX))


def reduced_box_px(box_size_px: int) -> int:
    """Side of a box in the px of a reduced micrograph, an even number."""
    return 2 * round(box_size_px / reduction(box_size_px) / 2)


def prepare_micrograph(micrograph: ArrayLike, box_size_px: int) -> Image:
    """Reduce a micrograph, take off slow changes, cut off outliers and whiten it.

    In the result all spatial frequencies have the same power on average, so that a cross-
    correlation with a template is a matched filter (Turin 1960, doi:10.1109/TIT.1960.1057571), and
    a dark crystal no longer resembles a particle. A change of brightness or (positive) contrast
    of the micrograph changes nothing.

    Parameters
    ----------
    micrograph : array_like of float, shape (height, width)
    box_size_px : int
        Of the particles, in px of the micrograph; tells by how much to reduce.

    Returns
    -------
    ndarray of float32, shape (height // reduction, width // reduction)
        Of mean 0 and variance 1; all 0 if nothing is there but one grey value.

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
    """Boxes of a prepared micrograph around some centres.

    Parameters
    ----------
    prepared : ndarray of float32, shape (height, width)
        From `prepare_micrograph`.
    centers : array_like of float, shape (n, 2)
        x, y in px of the micrograph as it was, from the outer edge of the first pixels.
    box_size_px : int
        As given to `prepare_micrograph`.

    Returns
    -------
    ndarray of float32, shape (m, box, box)
        The centre is the pixel (box // 2, box // 2), as exactly as whole pixels allow. Boxes that
        are not wholly inside are left out.
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
    # the first pixel is taken off so that large grey values keep their last digits
    first = np.float64(blocks[0, 0])
    means: Image = np.zeros((height, width), np.float32)
    with np.errstate(over="ignore", invalid="ignore"):  # the caller refuses what is not finite
        for row in range(factor):
            for column in range(factor):
                means += (blocks[row::factor, column::factor] - first).astype(np.float32)
    return means / np.float32(factor**2)


def _level(image: Image) -> Image:
    """Take off the plane that fits best: at the border, a mean of surroundings does not."""
    for axis in (0, 1):
        place = np.arange(image.shape[axis]) - (image.shape[axis] - 1) / 2
        slope = image.mean(axis=1 - axis, dtype=np.float64) @ place / (place @ place)
        image = image - np.expand_dims(slope * place, 1 - axis).astype(np.float32)
    return image


def _whitened(image: Image, box_px: int) -> Image:
    """Divide the transform by the root of its mean power, ring by ring, two rings to a period."""
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
