"""Parts of a micrograph without image: blank borders, smeared lines, contamination and carbon."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import ndimage

from repic_plugin.arguments import check_finite, check_positive
from repic_plugin.template_picking.checks import check_micrograph
from repic_plugin.template_picking.reduced import (
    MAD_TO_STD,
    block_means,
    deviation_of,
    level,
    local_mean,
    reduction,
)

# A line is constant, or a copy of its neighbour, if it varies by less than this fraction of the
# usual variation. JPEG and interpolation leave a little.
LEAST_VARIATION = 0.1
# Side of the smallest constant part, in reduced px: images of few counts have smaller ones.
CONSTANT_PX = 7
# Pixels of a line that are compared.
LINE_SAMPLES = 1024
# In robust standard deviations of the micrograph's own statistics.
MAX_DEVIATIONS = 5.0
# Contamination is larger than a particle: a single one of high contrast, blurred by the window,
# deviates in up to five times its area.
LEAST_PARTICLES = 6.0
# Standard deviation of the local window, in diameters of a particle.
WINDOW_DIAMETERS = 0.35

Image = NDArray[np.float32]
Mask = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class MicrographMask:
    """Mask of a micrograph, in px of the reduced micrograph.

    Attributes
    ----------
    blank : ndarray of bool, shape (height // reduction, width // reduction)
        True in borders and lines that are constant or repeated.
    contamination : ndarray of bool, of the same shape
        True in contamination, carbon and cracks.
    reduction : int
        Side of a pixel of the mask, in px of the micrograph.
    """

    blank: Mask
    contamination: Mask
    reduction: int

    @property
    def excluded(self) -> Mask:
        """True where no particle is looked for."""
        excluded: Mask = self.blank | self.contamination
        return excluded

    @property
    def blank_share(self) -> float:
        """Part of the micrograph that is blank, 0 to 1."""
        return float(self.blank.mean())

    @property
    def contamination_share(self) -> float:
        """Part of the micrograph that is contaminated and not blank, 0 to 1."""
        return float((self.contamination & ~self.blank).mean())

    def contains(self, centers: ArrayLike) -> Mask:
        """Whether each centre, (n, 2) in px of the micrograph, lies in an excluded part."""
        pixels = np.floor(np.reshape(centers, (-1, 2)) / self.reduction).astype(np.int64)
        height, width = self.blank.shape
        columns = np.clip(pixels[:, 0], 0, width - 1)
        inside: Mask = self.excluded[np.clip(pixels[:, 1], 0, height - 1), columns]
        return inside


def find_mask(
    micrograph: ArrayLike,
    box_size_px: int,
    particle_diameter_px: float,
    *,
    contamination: bool = True,
) -> MicrographMask:
    """Mask of blank parts and contamination by the micrograph's own statistics.

    Blank: rows and columns that are constant or copies of their neighbours, and parts that are
    constant. Contamination: parts larger than six particles in which the local mean deviates, or
    the local variation (of what is finer than a particle) or the gradient of the local mean is
    higher, by more than five robust standard deviations. Where it covers more than about half of a
    micrograph, the usual statistics are those of the contamination, and only its edges are found.
    Clusters of particles of high contrast on an otherwise empty micrograph look like contamination.

    Parameters
    ----------
    micrograph : array_like of float, shape (height, width)
    box_size_px : int
        In px of the micrograph; determines the reduction.
    particle_diameter_px : float
        In px of the micrograph.
    contamination : bool
        False finds blank parts only.

    Returns
    -------
    MicrographMask

    Raises
    ------
    ValueError
        If the micrograph is no finite image, or smaller than a box.
    """
    pixels = check_micrograph(micrograph, box_size_px)
    check_positive("particle_diameter_px", particle_diameter_px)
    factor = reduction(box_size_px)
    image = block_means(pixels, factor)
    check_finite("micrograph", image)
    blank = blank_parts(pixels, image, factor)
    dirt = np.zeros_like(blank)
    if contamination and not blank.all():
        dirt = _contaminated(image, ~blank, particle_diameter_px / factor)
    return MicrographMask(blank, dirt, factor)


def blank_parts(pixels: NDArray[Any], reduced: Image, factor: int) -> Mask:
    """Parts that are constant or repeated, in px of the reduced micrograph."""
    size = CONSTANT_PX
    constant = ndimage.maximum_filter(reduced, size) == ndimage.minimum_filter(reduced, size)
    blank: Mask = ndimage.binary_dilation(constant, np.ones((size, size)))
    rows, columns = (_blank_lines(one) for one in (pixels, pixels.T))
    height, width = blank.shape
    blank |= rows[: height * factor].reshape(height, factor).any(axis=1)[:, None]
    blank |= columns[: width * factor].reshape(width, factor).any(axis=1)
    return blank


def _blank_lines(image: NDArray[Any]) -> Mask:
    """Rows that hardly vary, or hardly differ from the next or the previous one."""
    sample = image[:, :: max(1, image.shape[1] // LINE_SAMPLES)]
    sample = (sample - np.float64(image[0, 0])).astype(np.float32)
    spread = sample.std(axis=1)
    step = np.abs(np.diff(sample, axis=0)).mean(axis=1)
    repeated = _is_small(step)
    lines: Mask = _is_small(spread)
    lines[1:] |= repeated
    lines[:-1] |= repeated
    return lines


def _is_small(values: NDArray[np.float32]) -> Mask:
    """Values far below the median of those that are not zero."""
    usual = np.median(values[values > 0]) if values.any() else 1.0
    return np.asarray(values < LEAST_VARIATION * usual)


def _contaminated(image: Image, valid: Mask, diameter: float) -> Mask:
    """Large parts whose local mean, variation or gradient is far from the usual."""
    image = level(image, valid)
    window = WINDOW_DIAMETERS * diameter
    mean = local_mean(image, valid, window)
    fine = image - mean
    square = np.minimum(fine**2, (MAX_DEVIATIONS * deviation_of(fine[valid])) ** 2)
    gradient = np.hypot(*(ndimage.sobel(mean, axis) for axis in (0, 1)))
    unusual = (np.abs(_deviations(mean, valid)) > MAX_DEVIATIONS) | np.any(
        [
            _deviations(_logarithm(local_mean(one, valid, window)), valid) > MAX_DEVIATIONS
            for one in (square, gradient)
        ],
        axis=0,
    )
    parts, _ = ndimage.label(unusual & valid)
    area = np.bincount(parts.ravel())
    large = area >= LEAST_PARTICLES * np.pi / 4 * diameter**2
    large[0] = False
    found: Mask = ndimage.binary_fill_holes(large[parts])
    return found


def _logarithm(values: Image) -> Image:
    found: Image = np.log(np.maximum(values, np.finfo(np.float32).tiny))
    return found


def _deviations(values: Image, valid: Mask) -> Image:
    """Distances from the median, in robust standard deviations; 0 if these are 0."""
    far = values - np.median(values[valid])
    scale = MAD_TO_STD * float(np.median(np.abs(far[valid])))
    return far / np.float32(scale) if scale else np.zeros_like(far)
