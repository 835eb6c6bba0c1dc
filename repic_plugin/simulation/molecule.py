"""A density map as a particle to be drawn: without its solvent, at any pixel size."""

from __future__ import annotations

from typing import NamedTuple, Optional

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import fft

from repic_plugin.arguments import check_pixel_size, check_positive
from repic_plugin.simulation.checks import SMALLEST_BOX_PX, check_volume
from repic_plugin.simulation.projections import MapSlices, resize_box

# A particle's sphere holds this part of the map's power; the rest is solvent's.
DIAMETER_POWER = 0.99
# Outer part of the map's sphere in which the density fades, so that no square edge shows.
FADING_PART = 0.1

Floats = NDArray[np.float64]
Volume = NDArray[np.float32]


class Molecule(NamedTuple):
    """A map at the pixel size of the micrographs."""

    slices: MapSlices
    diameter_px: float
    pixel_size_angstrom: float


def map_diameter(volume: ArrayLike) -> float:
    """Diameter of a particle: of the sphere about the origin with 99 % of the map's power.

    Parameters
    ----------
    volume : array_like of float, shape (box, box, box)

    Returns
    -------
    float
        In voxels.

    Raises
    ------
    ValueError
        If the map is not a finite cube.
    """
    return _diameter(_without_solvent(check_volume(volume)))


def molecule_at(
    volume: ArrayLike, voxel_angstrom: float, pixel_angstrom: Optional[float]
) -> Molecule:
    """The map at another pixel size, or at its own; its box made even by cutting."""
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
    """The map at the pixel size at which its box has so many pixels."""
    density = _without_solvent(check_volume(volume))
    scale = box_px / len(density)
    slices = MapSlices(density, box_px)
    return Molecule(slices, scale * _diameter(density), voxel_angstrom / scale)


def _without_solvent(density: Volume) -> Volume:
    """The density in the sphere inside the box, fading near its surface."""
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
    """The map with `scale` times as many voxels a side, by its Fourier transform.

    It is padded first to a side that `scale` makes nearly whole, so that the size is true.
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
