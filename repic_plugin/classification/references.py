"""Class averages as fixed references, and how images were prepared for them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Dict, Optional

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import fft

from repic_plugin.arguments import check_choice, check_finite
from repic_plugin.classification.checks import CTF_MODES, check_images
from repic_plugin.classification.normalisation import DUST_DEVIATIONS, particle_extent
from repic_plugin.classification.sizes import Sizes, measured_sizes, particle_sizes

# Pixel sizes that differ by less are one: at the border of a box of 256 px this is half a pixel.
SAME_PIXEL_SIZE = 0.004

Single = NDArray[np.float32]
Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class References:
    """Class averages to assign images to.

    Attributes
    ----------
    averages : ndarray of float32, shape (k, box, box)
        All zeros for a class without members, which gets none.
    sizes : Sizes
        Mask, rings and shifts of the comparison.
    ctf_mode : {'weight', 'flip', 'none'}
        How the CTF of the images is treated, see `classify_particles`.
    mirror : bool
        Whether mirrored images are compared, too.
    dust_deviations : float
        Deviation of a damaged pixel, see `ParticleExtent`.
    max_energy : float
        Sum of squares for which an image counts at most; 0 for no limit.
    has_grey_scale : bool
        Whether grey values are in units of the noise of the images to come, as in the averages of
        `classify_particles`. Otherwise a factor is fitted.
    """

    averages: Single
    sizes: Sizes
    ctf_mode: str = "weight"
    mirror: bool = False
    dust_deviations: float = DUST_DEVIATIONS
    max_energy: float = 0.0
    has_grey_scale: bool = True

    def __len__(self) -> int:
        return len(self.averages)

    def rescaled(self, box_px: int, pixel_size_angstrom: float) -> References:
        """References for images of another box or pixel size.

        Raises
        ------
        ValueError
            If the mask, or the resolution of the comparison, does not fit the images.
        """
        old = self.sizes
        ratio = pixel_size_angstrom / old.pixel_size_angstrom
        is_same_pixel = abs(ratio - 1) <= SAME_PIXEL_SIZE
        if is_same_pixel and box_px == old.box_px:
            return self
        if is_same_pixel:
            ratio, pixel_size_angstrom = 1.0, old.pixel_size_angstrom
        sizes = particle_sizes(
            box_px,
            pixel_size_angstrom,
            particle_diameter_angstrom=old.particle_diameter_angstrom,
            is_measured=old.is_measured,
            mask_diameter_px=old.mask_diameter_px / ratio,
            n_rings=int(np.rint(old.n_rings * box_px * ratio / old.box_px)),
            max_shift_px=old.max_shift_px / ratio,
        )
        return replace(
            self,
            averages=resampled(self.averages, ratio, box_px),
            sizes=sizes,
            max_energy=self.max_energy if is_same_pixel else 0.0,
            has_grey_scale=self.has_grey_scale and is_same_pixel,
        )


def references_for(
    images: Any,
    averages: ArrayLike,
    *,
    pixel_size_angstrom: float,
    averages_pixel_size_angstrom: Optional[float] = None,
    particle_diameter_angstrom: Optional[float] = None,
    mask_diameter_px: Optional[float] = None,
    n_rings: Optional[int] = None,
    max_shift_px: Optional[float] = None,
    ctf_mode: str = "weight",
    mirror: bool = False,
    n_threads: int = 1,
) -> References:
    """Averages of another program as references for some images.

    They may have another box, pixel size and grey scale. Contrast must be the same.

    Parameters
    ----------
    images : array_like of float, shape (n, box, box)
        At most 2,000 are looked at, to measure the particle.
    averages : array_like of float, shape (k, side, side)
    pixel_size_angstrom : float
        Of the images.
    averages_pixel_size_angstrom : float, optional
        That of the images by default.
    particle_diameter_angstrom, mask_diameter_px, n_rings, max_shift_px, mirror, n_threads
        As for `classify_particles`, with which they agree in the box of the images.
    ctf_mode : {'weight', 'flip', 'none'}
        'weight' if the averages are corrected for the CTF, as RELION's are.

    Raises
    ------
    ValueError
        If a size is out of range, or the averages are not finite, or smaller than the mask.
    """
    check_choice("ctf_mode", ctf_mode, CTF_MODES)
    check_images(images)
    stack = np.asarray(averages, dtype=np.float32)
    check_images(stack)
    check_finite("averages", stack)
    box_px = int(images.shape[-1])
    given: Dict[str, Any] = {
        "particle_diameter_angstrom": particle_diameter_angstrom,
        "mask_diameter_px": mask_diameter_px,
        "n_rings": n_rings,
        "max_shift_px": max_shift_px,
    }
    extent = particle_extent(images, n_threads)
    sizes = particle_sizes(box_px, pixel_size_angstrom, **given)
    sizes = measured_sizes(sizes, given, extent.diameter_px)
    ratio = pixel_size_angstrom / (averages_pixel_size_angstrom or pixel_size_angstrom)
    if stack.shape[-1] < ratio * sizes.mask_diameter_px:
        side = stack.shape[-1] * pixel_size_angstrom / ratio
        raise ValueError(
            f"averages of {side:.0f} Å are smaller than the mask of "
            f"{sizes.mask_diameter_px * pixel_size_angstrom:.0f} Å; give the particle's diameter, "
            "or correct the pixel sizes"
        )
    if abs(ratio - 1) > SAME_PIXEL_SIZE or stack.shape[-1] != box_px:
        stack = resampled(stack, ratio, box_px)
    return References(stack, sizes, ctf_mode, mirror, extent.dust_deviations, has_grey_scale=False)


def resampled(images: Single, ratio: float, box_px: int) -> Single:
    """Images at another pixel size in another box, by their Fourier series.

    The pixel (box // 2, box // 2) stays where it is; there is nothing beyond the given images.

    Parameters
    ----------
    images : ndarray of float, shape (n, box, box)
    ratio : float
        New pixel size over that of the images. Detail finer than either Nyquist frequency is lost.
    box_px : int

    Returns
    -------
    ndarray of float32, shape (n, box_px, box_px)
    """
    waves = _waves(images.shape[-1], ratio, box_px)
    spectra = fft.fft2(images)
    return np.asarray((waves @ spectra @ waves.T).real, dtype=np.float32)


def _waves(box: int, ratio: float, box_px: int) -> NDArray[np.complex128]:
    """Factors from the Fourier series of a row of `box` pixels to `box_px` new ones."""
    places = ratio * (np.arange(box_px) - box_px // 2)
    frequency = fft.fftfreq(box)
    waves = np.exp(2j * np.pi * np.outer(places + box // 2, frequency)) / box
    waves[:, np.abs(frequency) * ratio > 0.5] = 0
    if box % 2 == 0:  # the Nyquist frequency has no partner
        waves[:, box // 2] = waves[:, box // 2].real
    waves[(places < -(box // 2) - 0.5) | (places >= box - box // 2 - 0.5)] = 0
    return np.asarray(waves, dtype=np.complex128)
