"""Extraction of particle images from micrographs, normalised as in RELION."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Optional, Tuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import fft

from repic_plugin.arguments import check_centers, check_finite

# RELION's background circle has a diameter of 75 per cent of the box.
BACKGROUND_RADIUS = 0.375
LEAST_BOX_PX = 8

Image = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class ExtractedParticles:
    """Images of the particles of one micrograph.

    Attributes
    ----------
    images : ndarray of float32, shape (m, side, side)
        The centre is the pixel (side // 2, side // 2).
    rows : ndarray of int64, shape (m,)
        Indices of their centres; particles whose boxes extend beyond the micrograph are discarded.
    """

    images: Image
    rows: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.rows)


def extract_particles(
    micrograph: ArrayLike,
    centers: ArrayLike,
    box_size_px: int,
    *,
    side_px: Optional[int] = None,
    invert: bool = True,
    normalise: bool = True,
) -> ExtractedParticles:
    """Particle images extracted, downscaled, normalised and inverted, in RELION's order.

    Parameters
    ----------
    micrograph : array_like of float, shape (height, width)
    centers : array_like of float, shape (n, 2)
        x, y in px of the micrograph.
    box_size_px : int
        In px of the micrograph, even.
    side_px : int, optional
        Side of the images, even; by default that of the box. Smaller ones are Fourier-cropped.
    invert : bool
        Invert the contrast.
    normalise : bool
        Subtract the plane fitted to the background, and its mean; divide by its standard
        deviation. The background is the part of the box outside a circle.

    Raises
    ------
    ValueError
        If a size is invalid, a box holds values that are not finite, or the micrograph is not an
        image.
    """
    pixels = np.asarray(micrograph)
    if pixels.ndim != 2:
        raise ValueError(f"a micrograph must be one image, (height, width), got {pixels.shape}")
    side = box_size_px if side_px is None else side_px
    _check_sizes(box_size_px, side)
    boxes, rows = _boxes(pixels, check_centers("centers", centers), box_size_px)
    check_finite("micrograph", boxes)
    images = _cropped(boxes, side) if side < box_size_px else boxes
    if normalise:
        images = _normalised(images)
    return ExtractedParticles(-images if invert else images, rows)


def _check_sizes(box_size_px: int, side_px: int) -> None:
    for words, value in (("box_size_px", box_size_px), ("side_px", side_px)):
        if value < LEAST_BOX_PX or value % 2:
            raise ValueError(f"{words} must be even and {LEAST_BOX_PX} or more, got {value}")
    if side_px > box_size_px:
        raise ValueError(
            f"side_px must be at most box_size_px, got {side_px} of {box_size_px}; "
            "images are not enlarged"
        )


def _boxes(
    pixels: NDArray[Any], centers: NDArray[np.float64], box_px: int
) -> Tuple[Image, NDArray[np.int64]]:
    corners = np.floor(centers).astype(np.int64) - box_px // 2
    inside = (corners >= 0).all(axis=1) & (corners + box_px <= pixels.shape[::-1]).all(axis=1)
    images = np.empty((int(inside.sum()), box_px, box_px), np.float32)
    for place, (x, y) in enumerate(corners[inside].tolist()):
        images[place] = pixels[y : y + box_px, x : x + box_px]
    return images, np.flatnonzero(inside)


def _cropped(images: Image, side: int) -> Image:
    """Fourier-cropped images with the same grey values and centre."""
    box, low = images.shape[-1], side // 2
    transform = fft.rfft2(fft.ifftshift(images, axes=(1, 2)))
    kept = np.concatenate((transform[:, :low, : low + 1], transform[:, -low:, : low + 1]), axis=1)
    kept[:, low] = 0  # the Nyquist frequency has no partner
    kept[:, :, low] = 0
    small = fft.irfft2(kept, s=(side, side)) * np.float32((side / box) ** 2)
    return np.ascontiguousarray(fft.fftshift(small, axes=(1, 2)), dtype=np.float32)


def _normalised(images: Image) -> Image:
    """Images with background of mean 0, standard deviation 1 and no ramp; 0 for a flat image."""
    side = images.shape[-1]
    along = np.arange(side) - side // 2
    y, x = (one.ravel() for one in np.meshgrid(along, along, indexing="ij"))
    background = np.hypot(x, y) > BACKGROUND_RADIUS * side
    plane = np.column_stack((x, y, np.ones(side * side)))
    solver = np.linalg.pinv(plane[background])
    flat = images.reshape(len(images), side * side)
    slopes = flat[:, background] @ solver.T
    result: Image = (flat - slopes @ plane.T).astype(np.float32)
    deviation = result[:, background].std(axis=1, dtype=np.float64)
    scale = np.abs(flat).max(axis=1, initial=0)
    is_flat = deviation <= 1e-6 * scale  # only rounding errors
    result /= np.where(is_flat, 1, deviation)[:, None].astype(np.float32)
    result[is_flat] = 0
    return result.reshape(images.shape)
