"""What is measured in some of the images before all are assigned: noise, grey scale, contrast."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from repic_plugin.classification.assignment.contrast_prior import (
    NO_SPREAD,
    ContrastPrior,
    spread_variance,
)
from repic_plugin.classification.assignment.noise import (
    TINY,
    deciding_variance,
    noise_spectrum,
    products,
)
from repic_plugin.classification.assignment.search import PoseSearch
from repic_plugin.classification.averages import aligned_coefficients
from repic_plugin.classification.normalisation import energy_limit
from repic_plugin.classification.preparation import PolarImages, prepare_images
from repic_plugin.classification.references import References

# Images that noise and grey scale are measured in, and those whose contrast is looked at.
N_MEASURED, N_LOOKED_AT, LEAST_LOOKED_AT = 1024, 256, 16
# Standard errors by which images must resemble the inverted averages more than the averages.
SURELY_INVERTED = 6.0

Samples = NDArray[np.complex64]
Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Measured:
    """What the images of an assignment have in common.

    Attributes
    ----------
    noise : ndarray of float64, shape (n_rings,)
        Variance of the noise on the rings compared; 1 is that of a pixel of normalised images.
    prior : ContrastPrior
        Variance of the noise on the rings by which classes differ, and of the contrasts.
    scale : float
        Factor of the references' grey values; 1 for classes of `classify_particles`.
    max_energy : float
        Sum of squares for which an image counts at most.
    """

    noise: Floats
    prior: ContrastPrior
    scale: float
    max_energy: float


class PolarReferences:
    """References in polar Fourier space, without those that are empty.

    Attributes
    ----------
    names : ndarray of int64, shape (k,)
        Class number of each reference that is not empty.
    averages : ndarray of complex64, shape (k, n_coefficients)
    """

    def __init__(self, references: References) -> None:
        sizes = references.sizes
        self.grid, self.sizes, self.mirror = sizes.grid(), sizes, references.mirror
        self.mask = (sizes.mask_diameter_px / 2, sizes.edge_px)
        prepared = prepare_images(
            references.averages, self.grid, mask_radius_px=self.mask[0], mask_edge_px=self.mask[1]
        )
        self.names = np.flatnonzero(prepared.energy > 0)
        self.averages: Samples = aligned_coefficients(prepared.take(self.names))

    def search(self, averages: Samples, prior: ContrastPrior = NO_SPREAD) -> PoseSearch:
        """Search among these averages, in other grey values perhaps."""
        return PoseSearch(self.grid, averages, self.sizes.max_shift_px, self.mirror, prior)

    def scaled_search(self, known: Measured) -> PoseSearch:
        """Search among the averages in the grey values of the images."""
        return self.search(self.averages * np.float32(known.scale), known.prior)


def measured(
    images: PolarImages,
    references: PolarReferences,
    has_grey_scale: bool,
    max_energy: float,
    n_threads: int = 1,
    *,
    check_contrast: bool = True,
) -> Measured:
    """Noise and grey scale of some images.

    Parameters
    ----------
    images : PolarImages
        Non-empty, not capped yet.
    references : PolarReferences
    has_grey_scale : bool
        Whether the references are in the grey values of the images.
    max_energy : float
        0 to take that of these images.
    n_threads : int
    check_contrast : bool

    Raises
    ------
    ValueError
        If `check_contrast` and the images resemble the inverted averages more than the averages.
    """
    max_energy = max_energy or energy_limit(images.energy)
    images, _ = images.capped(max_energy)
    power = np.sqrt((np.abs(references.averages) ** 2).sum(axis=1, keepdims=True))
    of_one_power = references.search(references.averages / np.maximum(power, TINY))
    if check_contrast:
        _check_contrast(images.take(slice(0, None, _every(images))), of_one_power, n_threads)
    scale = 1.0
    if not has_grey_scale:
        # nearest is the average of largest correlation, where all have one power
        placed = of_one_power(images, n_threads)
        scale = max(products(images, references.averages, placed, n_threads).scale(), TINY)
    del of_one_power  # all averages at all shifts: not twice at a time
    search = references.search(references.averages * np.float32(scale))
    found = products(images, search.averages, search(images, n_threads), n_threads)
    noise = noise_spectrum(images.grid, found.residual, *references.mask)
    variance = deciding_variance(images.grid, search.averages, noise)
    spread = spread_variance(found.score, found.norm, variance)
    return Measured(noise, ContrastPrior(variance, spread), scale, max_energy)


def _every(images: PolarImages) -> int:
    return max(1, len(images) // N_LOOKED_AT)


def _check_contrast(images: PolarImages, search: PoseSearch, n_threads: int) -> None:
    """Refuse images that resemble the inverted averages more than the averages."""
    inverted = replace(images, samples=-images.samples)
    near, far = (
        search.compared(some, n_threads).dissimilarity.min(axis=1).astype(np.float64)
        for some in (images, inverted)
    )
    n, gain = len(near), far - near
    deviation = float(gain.std()) / np.sqrt(max(n, 1))
    if n >= LEAST_LOOKED_AT and gain.mean() < -SURELY_INVERTED * deviation:
        raise ValueError(
            f"the images have the opposite contrast of the classes: {int((gain < 0).sum()):,} of "
            f"{n:,} resemble the inverted averages more; invert the contrast when the particles "
            "are extracted"
        )
