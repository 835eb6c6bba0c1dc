"""Particles as a STAR file, from their metadata."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Dict, List, Optional, Sequence, Tuple

import numpy as np
from numpy.typing import NDArray

from repic_plugin.arguments import check_box_size, check_positive
from repic_plugin.formats.base.atomic import atomic_open
from repic_plugin.formats.base.errors import PathLike
from repic_plugin.formats.base.star_optics import GROUP, OPTICS
from repic_plugin.formats.base.star_writing import number_cells, quotes_for, table_text
from repic_plugin.formats.images.particle_star import (
    ABERRATION,
    AMPLITUDE_CONTRAST,
    DEFOCUS_ANGLE,
    DEFOCUS_U,
    DEFOCUS_V,
    DIMENSIONS,
    GROUP_NAME,
    IMAGE,
    IMAGE_PIXEL_SIZE,
    IMAGE_SIZE,
    PARTICLES,
    PHASE_FLIPPED,
    PHASE_SHIFT,
    VOLTAGE,
)

if TYPE_CHECKING:
    from repic_plugin.classification import CtfParameters


def write_particles_star(
    path: PathLike,
    names: Sequence[str],
    pixel_size_angstrom: float,
    box_size_px: int,
    ctf: Optional[CtfParameters] = None,
    phase_flipped: bool = False,
) -> None:
    """Write particles as RELION 3.1 and later do, one optics group for each microscope.

    RELION opens no file without ``_rlnVoltage`` and ``_rlnSphericalAberration``: they are 0 where
    there is no CTF.

    Parameters
    ----------
    path : str or path
    names : sequence of str, length n
        As in ``_rlnImageName``: 000001@stack.mrcs. Quotes are added where they are needed.
    pixel_size_angstrom : float
    box_size_px : int
    ctf : CtfParameters, optional
        Of the n particles.
    phase_flipped : bool
        Whether the images' phases are flipped already.

    Raises
    ------
    ValueError
        If there are no particles, `ctf` is of another number, or a size is not positive.
    FormatError
        If the name of a stack cannot be written in a STAR file.
    OSError
        If the file cannot be written; `path` is then as before.
    """
    _check(len(names), pixel_size_angstrom, box_size_px, ctf)
    microscopes, group = _microscopes(ctf, len(names))
    numbers = [str(number) for number in range(1, len(microscopes) + 1)]
    voltage, aberration, contrast = (number_cells(column) for column in microscopes.T)
    optics = optics_columns(numbers, pixel_size_angstrom, box_size_px)
    optics.update({VOLTAGE: voltage, ABERRATION: aberration})
    if ctf is not None:
        optics[AMPLITUDE_CONTRAST] = contrast
    if phase_flipped:
        optics[PHASE_FLIPPED] = ["1"] * len(numbers)
    columns = {IMAGE: _quoted(names, Path(path)), GROUP: number_cells(group), **_defocus(ctf)}
    with atomic_open(path) as file:
        file.write(table_text(OPTICS, optics).encode())
        file.write(table_text(PARTICLES, columns).encode())


def optics_columns(
    numbers: Sequence[str], pixel_size_angstrom: float, box_size_px: int
) -> Dict[str, Sequence[str]]:
    """What RELION asks for of optics groups; their microscope is not known, which is 0."""
    n_groups = len(numbers)
    return {
        GROUP: numbers,
        GROUP_NAME: [f"opticsGroup{number}" for number in numbers],
        IMAGE_PIXEL_SIZE: [f"{pixel_size_angstrom:.6f}"] * n_groups,
        IMAGE_SIZE: [str(box_size_px)] * n_groups,
        DIMENSIONS: ["2"] * n_groups,
        VOLTAGE: ["0.000000"] * n_groups,
        ABERRATION: ["0.000000"] * n_groups,
    }


def _check(
    n_particles: int, pixel_size_angstrom: float, box_size_px: int, ctf: Optional[CtfParameters]
) -> None:
    if not n_particles:
        raise ValueError("names must name one particle or more, got none")
    check_positive("pixel_size_angstrom", pixel_size_angstrom)
    check_box_size("box_size_px", box_size_px)
    if ctf is not None and len(ctf) != n_particles:
        raise ValueError(f"ctf must be of the {n_particles} particles, got {len(ctf)}")


def _microscopes(
    ctf: Optional[CtfParameters], n_particles: int
) -> Tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Voltage, aberration and contrast of each group, and the group of each particle, from 1."""
    if ctf is None:
        return np.zeros((1, 3)), np.ones(n_particles, np.int64)
    shared = np.stack([ctf.voltage_kv, ctf.spherical_aberration_mm, ctf.amplitude_contrast], 1)
    microscopes, group = np.unique(shared, axis=0, return_inverse=True)
    return microscopes, group.ravel().astype(np.int64) + 1


def _defocus(ctf: Optional[CtfParameters]) -> Dict[str, List[str]]:
    if ctf is None:
        return {}
    columns = {
        DEFOCUS_U: ctf.defocus_u_angstrom,
        DEFOCUS_V: ctf.defocus_v_angstrom,
        DEFOCUS_ANGLE: ctf.defocus_angle_deg,
    }
    if ctf.phase_shift_deg.any():
        columns[PHASE_SHIFT] = ctf.phase_shift_deg
    return {label: number_cells(column) for label, column in columns.items()}


def _quoted(names: Sequence[str], path: Path) -> List[str]:
    stacks = [name.partition("@")[2] or name for name in names]
    quotes = {stack: quotes_for(stack, path) for stack in dict.fromkeys(stacks)}
    return [f"{quotes[stack]}{name}{quotes[stack]}" for name, stack in zip(names, stacks)]
