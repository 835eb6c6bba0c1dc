"""Class averages as fixed references, and how images were prepared for them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Tuple

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from repic_plugin.classification.normalisation import DUST_DEVIATIONS
from repic_plugin.classification.sizes import Sizes, particle_sizes

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
    inside: Tuple[Floats, ...] = (-(box // 2) - 0.5 <= places, places < box - box // 2 - 0.5)
    waves[~(inside[0] & inside[1])] = 0
    return np.asarray(waves, dtype=np.complex128)
