"""Projections of a density map.

The map is an array (z, y, x), an image (y, x); the origin is voxel or pixel box // 2 along every
axis.
"""

from __future__ import annotations

from typing import List, Optional

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import fft

from repic_plugin.arguments import check_box_size
from repic_plugin.compiled import compiled
from repic_plugin.simulation.checks import check_euler, check_volume
from repic_plugin.simulation.directions import rotation_matrices

# The map is padded to twice its side before it is transformed, as in RELION.
PADDING = 2
# Support of a cubic B-spline on each side, in samples.
_REACH = 2
# Fourier samples interpolated at a time.
_BLOCK_SAMPLES = 1 << 20

Volume = NDArray[np.float32]
Images = NDArray[np.float32]
Spectra = NDArray[np.complex64]


def project_map(volume: ArrayLike, euler_deg: ArrayLike) -> Images:
    """Projections of a map along viewing directions, by the Fourier slice theorem.

    Parameters
    ----------
    volume : array_like of float, shape (box, box, box)
        z, y, x.
    euler_deg : array_like of float, shape (n, 3)
        rot, tilt, psi of each image, see `rotation_matrices`.

    Returns
    -------
    ndarray of float32, shape (n, box, box)
        Low-pass filtered to below the Nyquist frequency in all directions.

    Raises
    ------
    ValueError
        If the map is not a finite cube, or the angles are not finite or of another shape.
    """
    slices = MapSlices(volume)
    angles = check_euler(euler_deg)
    images = np.empty((len(angles), slices.box_size_px, slices.box_size_px), dtype=np.float32)
    for rows in slices.blocks(len(angles)):
        images[rows] = slices.images(slices.spectra(angles[rows]))
    return images


def resize_box(volume: ArrayLike, box_size_px: int) -> Volume:
    """Map cropped or zero-padded around its origin, with the same voxel size.

    From an odd box to the next smaller even one, the last layer along each axis is removed.

    Parameters
    ----------
    volume : array_like of float, shape (box, box, box)
    box_size_px : int

    Returns
    -------
    ndarray of float32, shape (box_size_px, box_size_px, box_size_px)

    Raises
    ------
    ValueError
        If the map is not a finite cube or `box_size_px` is below 1.
    """
    density = check_volume(volume)
    box_px = check_box_size("box_size_px", box_size_px)
    offset = box_px // 2 - len(density) // 2  # voxel i moves to i + offset
    first, last = max(0, -offset), min(len(density), box_px - offset)
    resized = np.zeros((box_px,) * 3, dtype=np.float32)
    resized[(slice(first + offset, last + offset),) * 3] = density[(slice(first, last),) * 3]
    return resized


class MapSlices:
    """Central slices of the Fourier transform of a map.

    By the Fourier slice theorem a central slice is the transform of a projection. The transform is
    oversampled by padding and interpolated with cubic B-splines; the map is first divided by the
    transform of the spline, sinc^4 (gridding: Jackson et al. 1991, doi:10.1109/42.97598).

    Parameters
    ----------
    volume : array_like of float, shape (box, box, box)
    image_px : int, optional
        Side of the projections, by default the map's. Another side gives the same content at
        another pixel size, at less cost than resampling the map.

    Attributes
    ----------
    box_size_px : int
        Side of the projections.
    """

    def __init__(self, volume: ArrayLike, image_px: Optional[int] = None) -> None:
        density = check_volume(volume)
        map_px = len(density)
        self.box_size_px = map_px if image_px is None else image_px
        padded_px = PADDING * map_px
        spline = np.sinc((np.arange(map_px) - map_px // 2) / padded_px) ** 4
        weighted = density / (spline[:, None, None] * spline[:, None] * spline)
        transform = fft.fftn(fft.ifftshift(resize_box(weighted, padded_px)))
        self._transform: Spectra = np.pad(fft.fftshift(transform), _REACH, mode="wrap")
        x = np.arange(self.box_size_px // 2 + 1)
        y = np.rint(fft.fftfreq(self.box_size_px) * self.box_size_px)
        self._inside = x**2 + y[:, None] ** 2 < (min(map_px, self.box_size_px) / 2) ** 2
        self._scale = (self.box_size_px / map_px) ** 2
        rows, columns = np.nonzero(self._inside)
        self._plane = PADDING * np.stack([columns, y[rows]])

    def blocks(self, n: int) -> List[slice]:
        """Slices of n images, each small enough for one call of `spectra`."""
        step = max(1, int(_BLOCK_SAMPLES // (self._plane.shape[1] * max(1.0, self._scale))))
        return [slice(start, min(n, start + step)) for start in range(0, n, step)]

    def spectra(self, euler_deg: ArrayLike) -> Spectra:
        """Fourier transforms of projections about their origin.

        Parameters
        ----------
        euler_deg : array_like of float, shape (n, 3)

        Returns
        -------
        ndarray of complex64, shape (n, box, box // 2 + 1)
            As ``rfft2`` orders them; 0 from the Nyquist frequency on.
        """
        axes = rotation_matrices(euler_deg)[:, :2]
        found = np.empty((len(axes), self._plane.shape[1]), dtype=np.complex64)
        origin = len(self._transform) // 2
        _cut(self._transform, np.ascontiguousarray(axes), self._plane, origin, found)
        spectra = np.zeros((len(axes), *self._inside.shape), dtype=np.complex64)
        spectra[:, self._inside] = found * self._scale
        return spectra

    def images(self, spectra: Spectra) -> Images:
        """Images from Fourier transforms about the origin, shape (n, box, box)."""
        size = (self.box_size_px, self.box_size_px)
        images: Images = fft.fftshift(fft.irfft2(spectra, s=size), axes=(1, 2))
        return images


@compiled
def _cut(transform, axes, plane, origin, found):  # type: ignore[no-untyped-def]
    """Values interpolated at plane[0] * axes[i, 0] + plane[1] * axes[i, 1] for each image i."""
    along_x, along_y, along_z = np.empty((3, 4), dtype=np.float32)
    for i in range(len(axes)):
        (ux, uy, uz), (vx, vy, vz) = axes[i]
        for j in range(plane.shape[1]):
            u, v = plane[0, j], plane[1, j]
            x = _weights(origin + u * ux + v * vx, along_x)
            y = _weights(origin + u * uy + v * vy, along_y)
            z = _weights(origin + u * uz + v * vz, along_z)
            total = np.complex64(0)
            for a in range(4):
                for b in range(4):
                    row = transform[z + a, y + b]
                    part = along_x[0] * row[x] + along_x[1] * row[x + 1]
                    part += along_x[2] * row[x + 2] + along_x[3] * row[x + 3]
                    total += along_z[a] * along_y[b] * part
            found[i, j] = total


@compiled
def _weights(position, weights):  # type: ignore[no-untyped-def]
    """Index of the first of the four samples around a position, whose weights are filled in."""
    below = int(position)
    t = position - below
    u = 1 - t
    weights[0] = u**3 / 6
    weights[1] = (4 - 3 * t**2 * (1 + u)) / 6
    weights[2] = (4 - 3 * u**2 * (1 + t)) / 6
    weights[3] = t**3 / 6
    return below - 1
