"""Normalisation of particle images, and the diameter of the particle in them.

Images are brought to mean 0 and standard deviation 1 of their background, the pixels beyond the
mask, as RELION does when it extracts particles; damaged pixels are set to the background first.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Callable, Tuple

import numpy as np
from numpy.typing import NDArray
from scipy import fft, ndimage

from repic_plugin.classification.image_rows import row_of_all
from repic_plugin.classification.ranks import ALONE, Ranks
from repic_plugin.classification.threads import for_each_chunk

# Pixels further from the mean of their image, in its standard deviations, are damaged or lie on
# contamination, unless the furthest pixel of a usual image is nearly as far: then it is the
# particle. So do those around them beyond 0.7 of the limit, with a border of this many radii of a
# disc of their area. No more than a part of the image is left out.
DUST_DEVIATIONS, USUAL_PEAKS, DUST_EDGE = 6.5, 1.5, 0.7
BORDER_RADII, DUST_PASSES, MAX_DUST = 0.5, 8, 0.5
# The background's deviation counts as at least this part of the image's, where particles are
# hardly noisy or were masked.
MIN_BACKGROUND = 0.5
# Grey values beyond this are not grey values; their squares would overflow.
MAX_GREY = 1e15
# An image counts for at most this many times the sum of squares of the median image.
MAX_ENERGY = 2.0
# The diameter of the particle holds this part of the power of the mean image; images looked at.
POWER_WITHIN, N_MEASURED = 0.98, 2000
# Images whose spectrum is looked at, and the power of their outer rings, as a part of that of white
# noise, below which they were filtered: it was 0.7 to 1 for unprocessed micrographs.
N_SPECTRA, FILTERED = 50, 0.05
# Rings with this part of the power of the strongest, of which there are fewer in images that were
# filtered so strongly that classes of noise look like particles: these had 5, those that a milder
# filter left in order 8 to 11.
PART_OF_STRONGEST, FEW_RINGS = 0.01, 7
# Rings count where the mean differs from the background by more than this many standard errors,
# and a diameter where the power of the mean is this many times that expected of noise.
SURE, VISIBLE = 3.0, 2.0
IMAGES_PER_CHUNK = 128

Single = NDArray[np.float32]
Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class GreyScale:
    """What was found out about the grey values of the images.

    Attributes
    ----------
    mean, deviation : ndarray of float32, shape (n,)
        Of the background of each image.
    n_dust : ndarray of int64, shape (n,)
        Damaged pixels of each image.
    """

    mean: Single
    deviation: Single
    n_dust: NDArray[np.int64]

    @classmethod
    def empty(cls, n: int) -> GreyScale:
        """Grey scale of n images, to be filled."""
        return cls(np.zeros(n, np.float32), np.zeros(n, np.float32), np.zeros(n, np.int64))

    def put(self, rows: slice, other: GreyScale) -> None:
        """Replace the values of some of the images, in place."""
        self.mean[rows], self.deviation[rows] = other.mean, other.deviation
        self.n_dust[rows] = other.n_dust

    def carried(self, carry: Callable[[NDArray[Any]], NDArray[Any]]) -> GreyScale:
        """Grey scale with `carry` applied to each column."""
        return GreyScale(carry(self.mean), carry(self.deviation), carry(self.n_dust))


def background(box_px: int, radius_px: float) -> NDArray[np.bool_]:
    """Mask of the pixels further than `radius_px` from the centre, shape (box, box)."""
    along = np.arange(box_px) - box_px // 2
    return np.asarray(np.hypot(along[:, None], along) > radius_px)


def normalised(
    chunk: Single, outside: NDArray[np.bool_], dust_deviations: float = DUST_DEVIATIONS
) -> Tuple[Single, GreyScale]:
    """Images without damaged pixels, with background of mean 0 and standard deviation 1.

    Parameters
    ----------
    chunk : ndarray of float32, shape (n, box, box)
        Finite.
    outside : ndarray of bool, shape (box, box)
        The background.
    dust_deviations : float
        See `without_dust`.

    Returns
    -------
    images : ndarray of float32, shape (n, box, box)
        Constant images are 0.
    grey_scale : GreyScale
    """
    images, n_dust = without_dust(chunk, dust_deviations)
    around = images[:, outside].astype(np.float64)
    mean, deviation = around.mean(axis=1), around.std(axis=1)
    whole = images.std(axis=(1, 2), dtype=np.float64)
    scale = np.maximum(deviation, MIN_BACKGROUND * whole)
    factor = np.where(scale > 0, 1 / np.where(scale > 0, scale, 1), 0)
    found = images - mean.astype(np.float32)[:, None, None]
    found *= factor.astype(np.float32)[:, None, None]
    return found, GreyScale(mean.astype(np.float32), deviation.astype(np.float32), n_dust)


@dataclass(frozen=True, eq=False)
class Normaliser:
    """How the images of one classification are normalised, see `normalised`.

    Attributes
    ----------
    outside : ndarray of bool, shape (box, box)
    dust_deviations : float
    """

    outside: NDArray[np.bool_]
    dust_deviations: float = DUST_DEVIATIONS

    def __call__(self, chunk: Single) -> Tuple[Single, GreyScale]:
        """Normalised images, shape (n, box, box), and their grey scale."""
        return normalised(chunk, self.outside, self.dust_deviations)


def without_dust(
    chunk: Single, dust_deviations: float = DUST_DEVIATIONS
) -> Tuple[Single, NDArray[np.int64]]:
    """Images with damaged and contaminated pixels set to the mean, and the number of these pixels.

    Where a pixel deviates too far from the mean, all beyond 0.7 of the limit are left out, with a
    border in proportion to their area; and again, since mean and deviation are then smaller.
    Deviations include the particle, so that a strong one is not taken for dust.

    Parameters
    ----------
    chunk : ndarray of float32, shape (n, box, box)
    dust_deviations : float
        The limit in standard deviations of the image, see `ParticleExtent`.

    Returns
    -------
    images : ndarray of float32, shape (n, box, box)
        The same array where nothing is left out.
    n_dust : ndarray of int64, shape (n,)
    """
    dusty = np.flatnonzero(_peaks(chunk) > dust_deviations)
    n_dust = np.zeros(len(chunk), np.int64)
    if not len(dusty):
        return chunk, n_dust
    images = chunk.copy()
    for i in dusty:
        dust, value = _dust(chunk[i].astype(np.float64), DUST_EDGE * dust_deviations)
        images[i][dust] = value
        n_dust[i] = dust.sum()
    return images, n_dust


def _peaks(chunk: Single) -> Floats:
    """Largest deviation of a pixel from the mean of each image, in its standard deviations."""
    mean = chunk.mean(axis=(1, 2), dtype=np.float64)
    deviation = chunk.std(axis=(1, 2), dtype=np.float64)
    furthest = np.maximum(chunk.max(axis=(1, 2)) - mean, mean - chunk.min(axis=(1, 2)))
    return np.asarray(furthest / np.where(deviation > 0, deviation, 1))


def _dust(image: Floats, limit: float) -> Tuple[NDArray[np.bool_], float]:
    """Mask of the pixels to leave out, and the mean of the others."""
    dust = np.zeros(image.shape, np.bool_)
    for _ in range(DUST_PASSES):
        kept = image[~dust]
        mean, deviation = kept.mean(), kept.std()
        core = np.abs(image - mean) > limit * deviation
        border = 1 + int(BORDER_RADII * np.sqrt(core.sum() / np.pi))
        wider = ndimage.binary_dilation(core, iterations=border) | dust
        if wider.sum() > MAX_DUST * wider.size or (wider == dust).all():
            break
        dust = wider
    return dust, float(image[~dust].mean())


def energy_limit(energy: Single, ranks: Ranks = ALONE) -> float:
    """Sum of squares for which an image counts at most: two medians of all images.

    Parameters
    ----------
    energy : ndarray of float32, shape (n,)
        Of the images of this rank that are not empty.
    ranks : Ranks
    """
    every = np.concatenate(ranks.exchange([energy] * ranks.size))
    return MAX_ENERGY * float(np.median(every)) if len(every) else 0.0


def energy_factors(energy: Single, limit: float) -> Single:
    """Factors of the images that cap their sums of squares.

    Parameters
    ----------
    energy : ndarray of float32, shape (n,)
    limit : float
        From `energy_limit`; 0 for none.

    Returns
    -------
    ndarray of float32, shape (n,)
        At most 1.
    """
    if limit == 0:
        return np.ones(len(energy), np.float32)
    return np.asarray(np.sqrt(limit / np.maximum(energy, limit)), dtype=np.float32)


@dataclass(frozen=True)
class ParticleExtent:
    """Extent of the particle in the mean image.

    Attributes
    ----------
    diameter_px : float
        nan where no particle can be seen.
    is_dark : bool
        Whether the particle appears dark on a bright ground.
    dust_deviations : float
        Deviation of a pixel, in standard deviations of its image, beyond which it is dust: 6.5, or
        1.5 times that of the furthest pixel in the median image.
    is_filtered : bool
        Whether the fine details, noise included, were removed, as from denoised images.
    """

    diameter_px: float
    is_dark: bool
    dust_deviations: float
    is_filtered: bool = False


def particle_extent(images: Any, n_threads: int = 1) -> ParticleExtent:
    """Diameter and contrast of the particle, from the mean over images and angles.

    The diameter is that of the disc which holds 0.98 of the power of the mean image. It includes
    the fringes of the CTF, and is the same at any signal-to-noise ratio at which there is a mean.
    At most 2,000 images are looked at, evenly spread.

    Parameters
    ----------
    images : array_like of float, shape (n, box, box)
        Any object that returns an array when indexed with an array.
    n_threads : int

    Returns
    -------
    ParticleExtent
        With a diameter of nan where no particle can be seen.
    """
    n, box = images.shape[0], images.shape[-1]
    rows = np.unique(np.linspace(0, n - 1, min(n, N_MEASURED)).astype(np.int64))
    radius = np.rint(np.hypot(*np.indices((box, box)) - box // 2)).astype(np.int64).ravel()
    n_rings = box // 2
    n_pixels = np.bincount(radius)[:n_rings].astype(np.float64)
    profiles, peaks = np.zeros((len(rows), n_rings)), np.zeros(len(rows))

    def measure(part: slice) -> None:
        chunk = finite(images, rows[part])
        peaks[part] = _peaks(chunk)
        chunk, _ = without_dust(chunk)
        chunk = chunk - chunk.mean(axis=(1, 2), keepdims=True, dtype=np.float64)
        chunk /= np.maximum(chunk.std(axis=(1, 2), keepdims=True), 1e-30)
        for row, image in zip(range(part.start, part.stop), chunk):
            profiles[row] = np.bincount(radius, image.ravel())[:n_rings] / n_pixels

    for_each_chunk(measure, len(rows), IMAGES_PER_CHUNK, n_threads)
    dust = max(DUST_DEVIATIONS, USUAL_PEAKS * float(np.median(peaks)))
    few = rows[:: max(1, len(rows) // N_SPECTRA)]
    return ParticleExtent(*_extent(profiles, n_pixels), dust, are_filtered(finite(images, few)))


def are_filtered(images: Single) -> bool:
    """Whether fine details were removed from most images, shape (n, box, box), as by denoising.

    The outer quarter of their rings then holds hardly any power: white noise has 1 there.
    """
    box = images.shape[-1]
    along = fft.fftfreq(box, 2 / box) / (box / 4)  # 1 at the Nyquist frequency
    outer = np.abs(np.hypot(along[:, None], along) - 0.875) <= 0.125
    transforms = fft.fft2(images - images.mean(axis=(1, 2), keepdims=True))
    power = np.abs(transforms) ** 2
    fine = power[:, outer].mean(axis=1) / np.maximum(power.mean(axis=(1, 2)), 1e-30)
    return bool(np.median(fine) < FILTERED)


def are_blurred(images: Single) -> bool:
    """Whether nothing but the coarsest details is left in images, shape (n, box, box)."""
    box = images.shape[-1]
    some = images[:: max(1, len(images) // N_SPECTRA)]
    along = fft.fftfreq(box, 1 / box)
    ring = np.rint(np.hypot(along[:, None], along)).astype(np.int64).ravel()
    transforms = fft.fft2(some - some.mean(axis=(1, 2), keepdims=True))
    power = (np.abs(transforms) ** 2).mean(axis=0).ravel()
    spectrum = (np.bincount(ring, power) / np.bincount(ring))[: box // 2 + 1]
    return int((spectrum > PART_OF_STRONGEST * spectrum.max()).sum()) < FEW_RINGS


def _extent(profiles: Floats, n_pixels: Floats) -> Tuple[float, bool]:
    """Diameter and darkness from the mean of each image on each ring, shape (n, n_rings)."""
    n_rings = len(n_pixels)
    error = profiles.var(axis=0) / len(profiles)
    border = slice(int(0.9 * n_rings), None)
    mean = profiles.mean(axis=0)
    mean -= np.average(mean[border], weights=n_pixels[border])
    power = mean**2
    if (power @ n_pixels) < VISIBLE * (error @ n_pixels):
        return float("nan"), False
    seen = np.where(power > SURE**2 * error, (power - error) * n_pixels, 0.0)
    if not seen.any():
        return float("nan"), False
    within = np.cumsum(seen) / seen.sum()
    radius = float(np.interp(POWER_WITHIN, within, np.arange(n_rings)))
    inner = np.arange(n_rings) <= 0.6 * radius
    outer = (np.arange(n_rings) <= 1.1 * radius) & ~inner
    contrast = np.average(mean[inner], weights=n_pixels[inner])
    contrast -= np.average(mean[outer], weights=n_pixels[outer]) if outer.any() else 0.0
    return 2 * radius, bool(contrast < 0)


def finite(images: Any, rows: Any) -> Single:
    """Some of the images, as float32.

    Raises
    ------
    ValueError
        If one has a value that is not finite, or beyond 10^15.
    """
    chunk = np.asarray(images[rows], dtype=np.float32)
    good = (np.abs(chunk) <= MAX_GREY).all(axis=(1, 2))
    if not good.all():
        worst = int(np.argmin(good))
        row = rows.start + worst if isinstance(rows, slice) else int(rows[worst])
        values = chunk[worst]
        if np.isfinite(values).all():
            what = f"a grey value of {np.abs(values).max():.3g}, beyond {MAX_GREY:g}"
        else:
            what = "values that are not finite (NaN)"
        raise ValueError(
            f"image {row_of_all(images, row) + 1} has {what}; correct it or leave it out"
        )
    return chunk
