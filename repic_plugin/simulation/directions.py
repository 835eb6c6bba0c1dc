"""Viewing directions and rotations in RELION's convention.

Euler angles are rot, tilt, psi in degrees (ZYZ: about z, about the new y, about the new z).
"""

from __future__ import annotations

from typing import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from repic_plugin.arguments import check_whole_number
from repic_plugin.simulation.checks import check_directions, check_euler

Floats = NDArray[np.float64]


def half_sphere_directions(n: int) -> Floats:
    """Evenly distributed directions over half a sphere.

    The Fibonacci lattice of Gonzalez 2010, doi:10.1007/s11004-009-9257-x, over the half with
    z > 0: a spiral of golden angles with equal areas.

    Returns
    -------
    ndarray of float64, shape (n, 3)
        Unit vectors x, y, z, from the pole to the equator.

    Raises
    ------
    ValueError
        If `n` is below 1.
    """
    rank = np.arange(check_whole_number("n", n, 1))
    z = 1 - (rank + 0.5) / n
    golden = np.pi * (3 - np.sqrt(5)) * rank
    radius = np.sqrt(1 - z**2)
    return np.column_stack([radius * np.cos(golden), radius * np.sin(golden), z])


def euler_from_directions(directions: ArrayLike, psi_deg: ArrayLike = 0.0) -> Floats:
    """Euler angles of given viewing directions.

    Parameters
    ----------
    directions : array_like of float, shape (n, 3)
        Non-zero vectors x, y, z.
    psi_deg : array_like of float, shape () or (n,)
        Rotation in the plane.

    Returns
    -------
    ndarray of float64, shape (n, 3)
        rot in [-180, 180], tilt in [0, 180], psi as given.

    Raises
    ------
    ValueError
        If a direction is zero or not finite.
    """
    unit = check_directions(directions)
    rot = np.rad2deg(np.arctan2(unit[:, 1], unit[:, 0]))
    # not arccos(z), which loses half the digits near the poles
    tilt = np.rad2deg(np.arctan2(np.hypot(unit[:, 0], unit[:, 1]), unit[:, 2]))
    psi = np.broadcast_to(np.asarray(psi_deg, dtype=np.float64), rot.shape)
    return np.column_stack([rot, tilt, psi])


def directions_from_euler(euler_deg: ArrayLike) -> Floats:
    """Viewing directions in the frame of the map.

    Parameters
    ----------
    euler_deg : array_like of float, shape (n, 3)
        rot, tilt, psi; psi has no effect.

    Returns
    -------
    ndarray of float64, shape (n, 3)
        Unit vectors x, y, z.

    Raises
    ------
    ValueError
        If the angles are not finite or of another shape.
    """
    return rotation_matrices(euler_deg)[:, 2]


def rotation_matrices(euler_deg: ArrayLike) -> Floats:
    """Rotation matrices from the map to the image frame, as RELION's Euler_angles2matrix.

    Heymann et al. 2005, doi:10.1016/j.jsb.2005.06.001, section 2.

    Parameters
    ----------
    euler_deg : array_like of float, shape (n, 3)
        rot, tilt, psi.

    Returns
    -------
    ndarray of float64, shape (n, 3, 3)
        Rows are the image's x axis, its y axis and the viewing direction, in the map's x, y, z.

    Raises
    ------
    ValueError
        If the angles are not finite or of another shape.
    """
    angles = np.deg2rad(check_euler(euler_deg)).T
    cos_rot, cos_tilt, cos_psi = np.cos(angles)
    sin_rot, sin_tilt, sin_psi = np.sin(angles)
    no, yes = np.zeros_like(cos_rot), np.ones_like(cos_rot)
    by_rot = [[cos_rot, sin_rot, no], [-sin_rot, cos_rot, no], [no, no, yes]]
    by_tilt = [[cos_tilt, no, -sin_tilt], [no, yes, no], [sin_tilt, no, cos_tilt]]
    by_psi = [[cos_psi, sin_psi, no], [-sin_psi, cos_psi, no], [no, no, yes]]
    matrices: Floats = _stacked(by_psi) @ _stacked(by_tilt) @ _stacked(by_rot)
    return matrices


def _stacked(entries: Sequence[Sequence[Floats]]) -> Floats:
    """Matrices (n, 3, 3) from rows of entries (n,)."""
    return np.moveaxis(np.array(entries), -1, 0)
