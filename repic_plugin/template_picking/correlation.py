"""Normalised cross-correlation with many templates at once, by Fourier transforms.

J. P. Lewis (1995), Fast normalized cross-correlation, Vision Interface. The result equals that of
`skimage.feature.match_template`, ten times as fast for hundreds of templates (``make bench``): the
image's transform, local means and deviations are computed once, and those of the templates kept.
"""

from __future__ import annotations

from threading import Lock
from typing import Dict, Optional, Tuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import fft

from repic_plugin.arguments import check_finite
from repic_plugin.template_picking.checks import check_images

# Longer sides are split, so that the transforms of hundreds of templates stay small.
MAX_TRANSFORM_PX = 384
# A window that varies by less than this fraction of the image's standard deviation is blank.
LEAST_DEVIATION = 1e-4
# Relative to single precision: a template that varies less is flat.
LEAST_CONTRAST = 1e-6

Image = NDArray[np.float32]
Floats = NDArray[np.float64]
Shape = Tuple[int, int]


class TemplateBank:
    """Templates whose transforms are reused for all images, also by several threads at once.

    Parameters
    ----------
    templates : array_like of float, shape (k, side, side)
    mask : array_like of bool, shape (side, side), optional
        Pixels of the templates to compare; all by default.

    Attributes
    ----------
    n_pixels : int
        Number of pixels in the mask.

    Raises
    ------
    ValueError
        If a template is not finite, or is constant within the mask.
    """

    def __init__(self, templates: ArrayLike, mask: Optional[ArrayLike] = None) -> None:
        images = check_images("templates", templates)
        inside = np.ones(images.shape[1:], bool) if mask is None else np.asarray(mask, bool)
        if inside.shape != images.shape[1:] or not inside.any():
            raise ValueError(
                f"mask must have a pixel and the shape of the templates, {images.shape[1:]}, got "
                f"shape {inside.shape}"
            )
        values = images[:, inside].astype(np.float64)
        values -= values.mean(axis=1, keepdims=True)
        norms = np.linalg.norm(values, axis=1, keepdims=True)
        flat = norms[:, 0] <= LEAST_CONTRAST * np.linalg.norm(images, axis=(1, 2))
        if flat.any():
            raise ValueError(
                f"templates must not be flat, but number {np.argmax(flat)} is; leave it out"
            )
        self._window = inside.astype(np.float64)
        self.n_pixels = int(np.count_nonzero(inside))
        self._kernels = np.zeros_like(images)
        self._kernels[:, inside] = values / norms
        self._transforms: Dict[Shape, Tuple[NDArray[np.complex64], NDArray[np.complex128]]] = {}
        self._lock = Lock()

    def __len__(self) -> int:
        return len(self._kernels)

    def scores(self, image: ArrayLike) -> Image:
        """Maximum of the templates' correlation coefficients at each pixel.

        Parameters
        ----------
        image : array_like of float, shape (height, width)
            Mirrored beyond its border.

        Returns
        -------
        ndarray of float32, shape (height, width)
            In [-1, 1], for the template's pixel (side // 2, side // 2) at this pixel; 0 where the
            image is blank.

        Raises
        ------
        ValueError
            If the image is not finite.
        """
        scores: Image = self.scores_and_inverted(image)[0]
        return scores

    def scores_and_inverted(self, image: ArrayLike) -> Image:
        """Scores of the templates and of their inverted contrast, shape (2, height, width).

        Parameters, values and errors are those of `scores`.
        """
        pixels = np.asarray(image, dtype=np.float64)
        check_finite("image", pixels)
        pixels = pixels - pixels.mean()
        pixels /= pixels.std() or 1.0
        overlap = self._kernels.shape[-1] - 1
        before = (overlap + 1) // 2
        (n_y, height), (n_x, width) = (_split(side, overlap) for side in pixels.shape)
        around = [
            (before, whole + overlap - before - side)
            for whole, side in zip((n_y * height, n_x * width), pixels.shape)
        ]
        padded = np.pad(pixels, around, mode="symmetric")
        found = np.empty((2, n_y * height, n_x * width), np.float32)
        for y in range(0, found.shape[1], height):
            for x in range(0, found.shape[2], width):
                part = padded[y : y + height + overlap, x : x + width + overlap]
                scores = self._scores_of(part)[:, :height, :width]
                found[:, y : y + height, x : x + width] = scores
        return found[:, : len(pixels), : pixels.shape[1]]

    def _scores_of(self, part: Floats) -> Image:
        """Scores for the templates' first pixel at each pixel; valid where they lie inside."""
        shape = (fft.next_fast_len(part.shape[0], True), fft.next_fast_len(part.shape[1], True))
        kernels, window = self._transformed(shape)
        spectrum = fft.rfft2(part, s=shape)
        mean = fft.irfft2(spectrum * window, s=shape) / self.n_pixels
        square = fft.irfft2(fft.rfft2(part**2, s=shape) * window, s=shape) / self.n_pixels
        deviation = np.sqrt(np.maximum(square - mean**2, 0))
        spectrum = spectrum.astype(np.complex64)
        best, worst = np.full((2, *shape), -np.inf, np.float32)
        np.negative(worst, out=worst)
        for kernel in kernels:
            found = fft.irfft2(spectrum * kernel, s=shape)
            np.maximum(best, found, out=best)
            np.minimum(worst, found, out=worst)
        is_blank = deviation < LEAST_DEVIATION
        deviation[is_blank] = 1.0
        both = np.stack([best, -worst])
        scores: Image = (both / (deviation * np.sqrt(self.n_pixels))).astype(np.float32)
        scores[:, is_blank] = 0
        return np.clip(scores, -1, 1)

    def _transformed(self, shape: Shape) -> Tuple[NDArray[np.complex64], NDArray[np.complex128]]:
        """Conjugate transforms of the kernels and of the mask."""
        with self._lock:
            if shape not in self._transforms:
                self._transforms[shape] = (
                    np.conj(fft.rfft2(self._kernels, s=shape)),
                    np.conj(fft.rfft2(self._window, s=shape)),
                )
            return self._transforms[shape]


def _split(length: int, overlap: int) -> Tuple[int, int]:
    """Number of parts of a side, and their length without the overlap."""
    count = -(-length // max(MAX_TRANSFORM_PX - overlap, overlap))
    return count, -(-length // count)
