"""Micrographs of the built-in molecule at given positions, and of ice alone."""

from __future__ import annotations

from typing import Optional, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from repic_plugin.arguments import (
    check_box_size,
    check_centers,
    check_micrograph_size,
    check_positive,
)
from repic_plugin.simulation.exposures import DEFAULT_GRADIENT, SMALLEST_BOX_PX
from repic_plugin.simulation.molecule import molecule_in_box
from repic_plugin.simulation.phantom import PHANTOM_PIXEL_SIZE_ANGSTROM, phantom_map
from repic_plugin.simulation.picture import Plan, particles_on, picture, streams_of

# As in unprocessed micrographs at about 1 Å/px.
UNPROCESSED_SNR = 0.03

Image = NDArray[np.float32]


def simulate_micrograph(
    centers: ArrayLike,
    micrograph_size_px: Sequence[int],
    box_size_px: int,
    *,
    snr: Optional[float] = UNPROCESSED_SNR,
    random_state: int = 0,
) -> Image:
    """Simulated micrograph of the built-in molecule at given positions, dark on light ice.

    All particles show one view of `phantom_map`, each rotated in the plane by a random angle, and
    are clipped at the edges of the micrograph; there is no CTF and no junk.

    Parameters
    ----------
    centers : array_like of float, shape (n, 2)
        x, y in px, as in `SimulatedExposure`.
    micrograph_size_px : (int, int)
        Width and height.
    box_size_px : int
        The molecule spans about two thirds of it.
    snr : float or None
        Variance of a particle over its box divided by the variance of the white noise. None:
        particles only, on a background of 0.
    random_state : int
        Seed of angles, ice and noise. The angle of a particle depends on its index in `centers`,
        not on `snr`.

    Returns
    -------
    ndarray of float32, shape (height, width)
        In units of the standard deviation of a particle over its box.

    Raises
    ------
    ValueError
        If an argument is out of range.
    """
    size_px = check_micrograph_size(micrograph_size_px)
    box_px = check_box_size("box_size_px", box_size_px, SMALLEST_BOX_PX)
    points = check_centers("centers", centers)
    noise_std = 0.0 if snr is None else check_positive("snr", snr) ** -0.5
    (own,) = streams_of(1, random_state)
    euler = np.zeros((len(points), 3))
    euler[:, 2] = own.orientations.uniform(-180, 180, len(points))
    seen = (np.abs(points - np.clip(points, 0, size_px)) < box_px / 2 - 1).all(axis=1)
    plan = Plan(
        molecule_in_box(phantom_map(), PHANTOM_PIXEL_SIZE_ANGSTROM, box_px),
        size_px=size_px,
        box_px=box_px,
        noise_std=noise_std,
        ice_std=0.0 if snr is None else DEFAULT_GRADIENT,
    )
    return picture(plan, particles_on(plan, points[seen], euler[seen], None), None, own)


def background_micrograph(micrograph_size_px: Sequence[int], random_state: int = 0) -> Image:
    """Simulated ice without particles, as background for picks without micrographs.

    Parameters
    ----------
    micrograph_size_px : (int, int)
        Width and height.
    random_state : int
        Seed.

    Returns
    -------
    ndarray of float32, shape (height, width)
        As from `simulate_micrograph` without particles.

    Raises
    ------
    ValueError
        If an argument is out of range.
    """
    return simulate_micrograph([], micrograph_size_px, SMALLEST_BOX_PX, random_state=random_state)
