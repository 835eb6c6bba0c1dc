"""Density map of a particle without solvent, at any pixel size."""

from __future__ import annotations

from typing import NamedTuple, Optional

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import fft

from repic_plugin.arguments import check_pixel_size, check_positive
from repic_plugin.simulation.checks import SMALLEST_BOX_PX, check_volume
from repic_plugin.simulation.projections import MapSlices, resize_box

# Fraction of the map's power within a particle's sphere; the rest belongs to the solvent.
DIAMETER_POWER = 0.99
# Outer fraction of the map's sphere over which the density falls to 0, to avoid sharp edges.
FADING_PART = 0.1

Floats = NDArray[np.float64]
Volume = NDArray[np.float32]


class Molecule(NamedTuple):
    """Map at the pixel size of the micrographs."""

    slices: MapSlices
    diameter_px: float
    pixel_size_angstrom: float


def map_diameter(volume: ArrayLike) -> float:
    """Diameter of a particle: the sphere around the origin with 99 % of the map's power.

    Parameters
    ----------
    volume : array_like of float, shape (box, box, box)

    Returns
    -------
    float
        Diameter in voxels.

    Raises
    ------
    ValueError
        If the map is not a finite cube.
    """
    return _diameter(_without_solvent(check_volume(volume)))


def molecule_at(
    volume: ArrayLike, voxel_angstrom: float, pixel_angstrom: Optional[float]
) -> Molecule:
    """Map at the given pixel size, or its own, with its box made even by cropping."""
    density = _without_solvent(check_volume(volume))
    size = check_pixel_size("pixel_size_angstrom", voxel_angstrom)
    if pixel_angstrom is not None and pixel_angstrom != voxel_angstrom:
        size = check_positive(
            "micrograph_pixel_size_angstrom", pixel_angstrom, "give it in angstrom"
        )
        density = _resampled(density, voxel_angstrom / size)
    even = resize_box(density, len(density) - len(density) % 2)
    return Molecule(MapSlices(even), _diameter(density), size)


def molecule_in_box(volume: ArrayLike, voxel_angstrom: float, box_px: int) -> Molecule:
    """Map at the pixel size at which its box has the given size."""
    density = _without_solvent(check_volume(volume))
    scale = box_px / len(density)
    slices = MapSlices(density, box_px)
    return Molecule(slices, scale * _diameter(density), voxel_angstrom / scale)


def _without_solvent(density: Volume) -> Volume:
    """Density in the sphere inscribed in the box, falling to 0 near its surface."""
    radii, half = _radii(len(density)), len(density) / 2
    level = density[radii >= half].mean(dtype=np.float64)
    fading = np.clip((half - radii) / (FADING_PART * half), 0, 1)
    kept: Volume = ((density - level) * np.sin(np.pi / 2 * fading) ** 2).astype(np.float32)
    return kept


def _radii(box_px: int) -> Floats:
    """Distance of each voxel from the origin."""
    squares = (np.arange(box_px) - box_px // 2) ** 2
    radii: Floats = np.sqrt(squares[:, None, None] + squares[:, None] + squares)
    return radii


def _diameter(density: Volume) -> float:
    radii = _radii(len(density)).ravel()
    order = np.argsort(radii)
    power = np.cumsum(np.square(density, dtype=np.float64).ravel()[order])
    return 2 * float(radii[order[np.searchsorted(power, DIAMETER_POWER * power[-1])]])


def _resampled(density: Volume, scale: float) -> Volume:
    """Map with `scale` times as many voxels per side, resampled in Fourier space.

    It is first padded to a side that `scale` makes nearly an integer, so that the size is exact.
    """
    box_px = len(density)
    new_box_px = int(np.ceil(box_px * scale))
    if new_box_px < SMALLEST_BOX_PX:
        raise ValueError(
            f"micrograph_pixel_size_angstrom must leave the map {SMALLEST_BOX_PX} px or more a "
            f"side, got {new_box_px}; make it smaller"
        )
    sides = np.arange(box_px, 2 * box_px + 1)
    side = int(sides[np.argmin(np.abs(sides * scale - np.rint(sides * scale)) / sides)])
    new_side = round(side * scale)
    transform = fft.fftshift(fft.fftn(fft.ifftshift(resize_box(density, side))))
    before = new_side // 2 - side // 2
    if new_side < side:
        transform = transform[(slice(-before, new_side - before),) * 3]
    else:
        transform = np.pad(transform, (before, new_side - side - before))
    resampled = fft.fftshift(fft.ifftn(fft.ifftshift(transform)).real)
    return resize_box(resampled, new_box_px)
