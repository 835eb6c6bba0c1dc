"""The diameter of a particle, measured from templates, and what follows from it."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import ndimage

from repic_plugin.template_picking.checks import check_images

# Touching particles may be closer than their longest extent: about the ratio of the shortest to
# the longest extent of a compact particle (β-galactosidase: 90 of 175 Å).
MIN_DISTANCE_DIAMETERS = 0.6
# Fresnel fringes around a particle help to find it; what lies beyond belongs to its neighbours.
MASK_DIAMETERS = 1.5
# Limits of a measured diameter, in sides of a template.
LEAST_SIDES, MOST_SIDES = 0.25, 0.9
# Standard deviation of a blur, in sides of a template: what is bright between two parts of one
# particle, as in an average of all views, does not end it.
BLUR_SIDES = 1 / 24

Floats = NDArray[np.float64]


def measured_diameter(templates: ArrayLike) -> float:
    """Diameter of the dark particle that templates show, in their px.

    Twice the radius at which the rotational mean of all templates, slightly blurred, reaches the
    level of the surroundings outside its darkest ring. The longest extent of an elongated particle
    is larger.

    Parameters
    ----------
    templates : array_like of float, shape (k, side, side)
        Dark on bright, centred on the pixel (side // 2, side // 2).

    Returns
    -------
    float
        From a quarter to nine tenths of the side.

    Raises
    ------
    ValueError
        If the templates are not finite squares.
    """
    images = check_images("templates", templates)
    side = images.shape[-1]
    most = int(MOST_SIDES * side / 2)
    profile = ring_means(ndimage.gaussian_filter(images.mean(axis=0), BLUR_SIDES * side))
    profile = profile - profile[most : side // 2 + 1].mean()
    # the mean of a small ring is uncertain
    darkest = int(np.argmin(profile[:most] * np.sqrt(2 * np.arange(most) + 1)))
    outside = np.flatnonzero(profile[darkest:most] >= 0) + darkest
    radius = float(most)
    if len(outside) and outside[0] > 0:
        inner, outer = profile[outside[0] - 1 : outside[0] + 1]
        radius = outside[0] - 1 + inner / (inner - outer)
    return float(np.clip(2 * radius, LEAST_SIDES * side, MOST_SIDES * side))


def rings_of(side_px: int) -> NDArray[np.int64]:
    """Distance of each pixel from the pixel side // 2, to the nearest px, (side, side)."""
    y, x = np.mgrid[:side_px, :side_px] - side_px // 2
    ring: NDArray[np.int64] = np.rint(np.hypot(y, x)).astype(np.int64)
    return ring


def ring_means(image: NDArray[np.float32]) -> Floats:
    """Mean of an image over each ring of `rings_of`."""
    ring = rings_of(len(image)).ravel()
    means: Floats = np.bincount(ring, image.ravel()) / np.bincount(ring)
    return means
