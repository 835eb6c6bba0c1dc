"""Preparation of particle images: polar samples for the comparison."""

from __future__ import annotations

from dataclasses import dataclass
from threading import Lock
from typing import Any, Callable, Optional, Tuple

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from repic_plugin.classification.ctf import CtfParameters, contrast_transfer
from repic_plugin.classification.normalisation import (
    GreyScale,
    Normaliser,
    energy_factors,
    finite,
)
from repic_plugin.classification.polar import PolarGrid
from repic_plugin.classification.threads import for_each_chunk

IMAGES_PER_CHUNK = 128  # divides IMAGES_PER_BLOCK of `ranks`; so do the powers of 2 below it
# Maximum pixels at a time: large boxes on many threads would fill the memory.
PIXELS_PER_CHUNK = 1 << 23

Samples = NDArray[np.complex64]
Single = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class PolarImages:
    """Images as samples on the rings of a polar grid.

    Attributes
    ----------
    grid : PolarGrid
    samples : ndarray of complex64, shape (n, n_rings, n_angles / 2)
        Normalised, of mean 0, masked, phase-flipped where they have a CTF.
    weight : ndarray of float32, shape (n, n_rings)
        Weight of each ring in each image: its abs(CTF), or 1.
    energy : ndarray of float32, shape (n,)
        Sum of squares on the rings.
    is_empty : ndarray of bool, shape (n,)
        Whether an image is constant.
    """

    grid: PolarGrid
    samples: Samples
    weight: Single
    energy: Single
    is_empty: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.samples)

    def take(self, rows: Any) -> PolarImages:
        """Some of the images."""
        return PolarImages(
            self.grid,
            self.samples[rows],
            self.weight[rows],
            self.energy[rows],
            self.is_empty[rows],
        )

    def weighted_by(self, contrast: NDArray[np.float64]) -> PolarImages:
        """Images whose weights are multiplied by their contrasts, shape (n,)."""
        weight = self.weight * contrast.astype(np.float32)[:, None]
        return PolarImages(self.grid, self.samples, weight, self.energy, self.is_empty)

    def capped(self, limit: float) -> Tuple[PolarImages, Single]:
        """Images whose energy is at most the limit, see `energy_limit`, and their factors.

        Bright contamination would otherwise dominate the averages of its classes.
        """
        factor = energy_factors(self.energy, limit)
        samples = self.samples * factor[:, None, None]
        energy = self.energy * factor**2
        return PolarImages(self.grid, samples, self.weight, energy, self.is_empty), factor

    def recentred(self, shift_px: NDArray[np.float64]) -> PolarImages:
        """Images with their content shifted.

        Parameters
        ----------
        shift_px : ndarray of float64, shape (n, 2)
        """
        samples = np.empty_like(self.samples)
        for first in range(0, len(samples), IMAGES_PER_CHUNK):
            rows = slice(first, first + IMAGES_PER_CHUNK)
            samples[rows] = self.samples[rows] * self.grid.shift_phases(shift_px[rows])
        return PolarImages(self.grid, samples, self.weight, self.energy, self.is_empty)


def prepare_images(
    images: Any,
    grid: PolarGrid,
    *,
    mask_radius_px: float,
    mask_edge_px: float,
    pixel_size_angstrom: float = 1.0,
    ctf: Optional[CtfParameters] = None,
    flip: bool = True,
    weight: bool = False,
    normaliser: Optional[Normaliser] = None,
    grey_scale: Optional[GreyScale] = None,
    part: Optional[slice] = None,
    n_threads: int = 1,
    progress: Optional[Callable[[int, int], None]] = None,
) -> PolarImages:
    """Polar samples of phase-flipped and masked images, computed chunk by chunk.

    The mean of each image is subtracted first: the mask would turn it into a disc that draws all
    images to the centre. Images are cropped in Fourier space to the smallest box that holds the
    rings, then masked. Their discrete Fourier transform at the samples is exact, as one matrix
    product.

    Parameters
    ----------
    images : array_like of float, shape (n, box, box)
        Any object that returns an array when sliced.
    grid : PolarGrid
    mask_radius_px, mask_edge_px : float
        The mask is 1 up to the radius and falls to 0 over the edge.
    pixel_size_angstrom : float
        For the CTF.
    ctf : CtfParameters, optional
    flip, weight : bool
        Whether to flip the phases, and to weight the rings by abs(CTF).
    normaliser : Normaliser, optional
        Images are not normalised by default.
    grey_scale : GreyScale, optional
        Of the part, as the normaliser finds it; filled here.
    part : slice, optional
        Range of the images to prepare; all by default.
    n_threads : int
    progress : callable, optional
        Called with the numbers of images read and to be read.

    Returns
    -------
    PolarImages
        Images of the part.

    Raises
    ------
    ValueError
        If an image has a value that is not finite or beyond 10^15.
    """
    part = slice(0, images.shape[0]) if part is None else part
    ctf = ctf if ctf is None else ctf.take(part)
    n, box = part.stop - part.start, images.shape[-1]
    side = min(box, 2 * (int(grid.rings[-1]) + 2))
    matrix, inside = _sampling_matrix(grid, side, mask_radius_px, mask_edge_px)
    samples = np.empty((n, len(grid.rings), grid.n_angles // 2), np.complex64)
    energy, is_empty = np.empty(n, np.float32), np.empty(n, np.bool_)
    n_read, lock = 0, Lock()

    def read(rows: slice) -> None:
        nonlocal n_read
        first = part.start + rows.start
        chunk = finite(images, slice(first, part.start + rows.stop))
        is_empty[rows] = np.ptp(chunk.reshape(len(chunk), -1), axis=1) == 0
        if normaliser is not None:
            chunk, found = normaliser(chunk)
            if grey_scale is not None:
                grey_scale.put(rows, found)
        transform = fft.rfft2(centred(chunk))
        if ctf is not None and flip:
            transform *= _signs(ctf.take(rows), box, pixel_size_angstrom)
        small = _cropped(transform, box, side)
        flat = small.reshape(len(chunk), -1)[:, inside] @ matrix
        samples[rows] = flat.view(np.complex64).reshape(-1, *samples.shape[1:])
        energy[rows] = grid.power(grid.coefficients(samples[rows])).sum(axis=1)
        with lock:
            n_read += len(chunk)
            if progress is not None:
                progress(n_read, n)

    for_each_chunk(read, n, _images_per_chunk(box), n_threads)
    shown = np.ones((n, len(grid.rings)), np.float32)
    if ctf is not None and weight:
        shown = _ring_weights(ctf, grid, pixel_size_angstrom)
    return PolarImages(grid, samples, shown, energy, is_empty)


def _images_per_chunk(box: int) -> int:
    """Images per chunk, a power of two so that the start of a range of images does not matter."""
    fit = max(1, PIXELS_PER_CHUNK // box**2)
    return min(IMAGES_PER_CHUNK, 1 << (fit.bit_length() - 1))


def centred(chunk: Single) -> Single:
    """Images of mean 0, as float32.

    Parameters
    ----------
    chunk : ndarray of float32, shape (n, box, box)

    Returns
    -------
    ndarray of float32, shape (n, box, box)
    """
    means = chunk.mean(axis=(1, 2), keepdims=True, dtype=np.float64)
    return np.asarray(chunk - means.astype(np.float32))


def soft_mask(side: int, radius_px: float, edge_px: float) -> Single:
    """Soft-edged circular mask: 1 up to `radius_px` from the pixel (side // 2, side // 2).

    Returns
    -------
    ndarray of float32, shape (side, side)
        Falls to 0 over `edge_px` as a raised cosine.
    """
    along = np.arange(side) - side // 2
    distance = np.hypot(along[:, None], along)
    outwards = np.clip((distance - radius_px) / max(edge_px, 1e-6), 0, 1)
    return np.asarray(0.5 + 0.5 * np.cos(np.pi * outwards), dtype=np.float32)


def _sampling_matrix(
    grid: PolarGrid, side: int, radius_px: float, edge_px: float
) -> Tuple[Single, NDArray[np.int64]]:
    """Matrix of the masked DFT from pixels of the cropped box to samples, and the pixels used."""
    scale = side / grid.box_size_px
    mask = soft_mask(side, radius_px * scale, edge_px * scale).ravel()
    inside = np.flatnonzero(mask)
    y, x = np.divmod(inside, side)
    frequency_x, frequency_y = (f.ravel() / scale for f in grid.frequencies())
    turns = np.outer(x - side // 2, frequency_x) + np.outer(y - side // 2, frequency_y)
    waves = np.exp(-2j * np.pi * turns) * (mask[inside, None] / scale**2)
    return waves.astype(np.complex64).view(np.float32), inside


def _cropped(transform: Samples, box: int, side: int) -> Single:
    """Fourier-cropped images of `side` px, with coinciding centres and unscaled values."""
    low = side // 2
    rows = np.concatenate((np.arange(side - low), np.arange(box - low, box)))
    kept = transform[:, rows, : low + 1]
    if side % 2 == 0 and side < box:  # the Nyquist frequency has no partner
        kept[:, low] = 0
        kept[:, :, low] = 0
    # the centre pixels of both boxes are the origin
    lag = (side // 2) / side - (box // 2) / box
    along_y = np.concatenate((np.arange(side - low), np.arange(-low, 0)))
    along_x = np.arange(low + 1)
    phase = np.exp(-2j * np.pi * lag * (along_y[:, None] + along_x)).astype(np.complex64)
    kept *= phase
    small: Single = fft.irfft2(kept, s=(side, side))
    small *= np.float32((side / box) ** 2)
    return small


def _signs(ctf: CtfParameters, box: int, pixel_size_angstrom: float) -> Single:
    x = fft.rfftfreq(box, pixel_size_angstrom)[None, :]
    y = fft.fftfreq(box, pixel_size_angstrom)[:, None]
    values = contrast_transfer(ctf, *np.broadcast_arrays(x, y), dtype=np.float32)
    return np.where(values < 0, np.float32(-1), np.float32(1))


def _ring_weights(ctf: CtfParameters, grid: PolarGrid, pixel_size_angstrom: float) -> Single:
    """abs(CTF) on the rings, at the mean defocus of the two axes."""
    mean = 0.5 * (ctf.defocus_u_angstrom + ctf.defocus_v_angstrom)
    round_ctf = CtfParameters(mean, mean, *list(ctf.columns())[2:])
    frequency = grid.rings / (grid.box_size_px * pixel_size_angstrom)
    values = contrast_transfer(round_ctf, frequency, np.zeros_like(frequency))
    return np.asarray(np.abs(values), dtype=np.float32)
