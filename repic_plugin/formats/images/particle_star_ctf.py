"""The contrast transfer function of each particle of a RELION STAR file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Dict, Optional, Tuple

import numpy as np

from repic_plugin.formats.base.errors import format_error, listed
from repic_plugin.formats.images.particle_star import (
    ABERRATION,
    AMPLITUDE_CONTRAST,
    DEFOCUS_ANGLE,
    DEFOCUS_U,
    DEFOCUS_V,
    PHASE_SHIFT,
    VOLTAGE,
    Floats,
    ParticleStar,
)

if TYPE_CHECKING:
    from repic_plugin.classification import CtfParameters

# What no microscope is beyond: smallest, largest, unit.
UNITS = {VOLTAGE: (10.0, 3500.0, "kV"), ABERRATION: (1e-4, 100.0, "mm")}
DEFOCUS_RANGE = 50.0, 500_000.0  # angstrom, of half of the particles


def star_ctf(
    star: ParticleStar, way_out: str = "do without a CTF (--ctf none)"
) -> Optional[CtfParameters]:
    """The parameters of each particle's contrast transfer function; None without a defocus.

    Parameters
    ----------
    star : ParticleStar
        Or the same of micrographs.
    way_out : str
        What can be done where the values are wrong, for errors.

    Raises
    ------
    FormatError
        If there is a defocus, but no voltage, spherical aberration or amplitude contrast, or a
        value is out of its range.
    """
    from repic_plugin.classification import CtfParameters  # noqa: PLC0415 - loads slowly

    defocus_u = star.values(DEFOCUS_U)
    if defocus_u is None:
        return None
    columns = {label: star.values(label) for label in (VOLTAGE, ABERRATION, AMPLITUDE_CONTRAST)}
    missing = [f"_{label}" for label, values in columns.items() if values is None]
    if missing:
        problem = f"{listed(missing)} is missing, but required with _{DEFOCUS_U}; add it"
        raise format_error(star.path, f"{problem}, or {way_out}")
    optional = {label: star.values(label) for label in (DEFOCUS_V, DEFOCUS_ANGLE, PHASE_SHIFT)}
    _check_units(star, defocus_u, columns, way_out)
    try:
        return CtfParameters.from_columns(
            defocus_u,
            optional[DEFOCUS_V],
            _or_zero(optional[DEFOCUS_ANGLE]),
            voltage_kv=_or_zero(columns[VOLTAGE]),
            spherical_aberration_mm=_or_zero(columns[ABERRATION]),
            amplitude_contrast=_or_zero(columns[AMPLITUDE_CONTRAST]),
            phase_shift_deg=_or_zero(optional[PHASE_SHIFT]),
        )
    except ValueError as exc:
        raise format_error(star.path, str(exc)) from exc


def ctf_notes(star: ParticleStar, ctf: Optional[CtfParameters]) -> Tuple[str, ...]:
    """Remarks on CTFs that can hardly be meant: programs write 0 where none was estimated."""
    if ctf is None:
        return ()
    n_zero = int(((ctf.defocus_u_angstrom == 0) & (ctf.defocus_v_angstrom == 0)).sum())
    if not n_zero:
        return ()
    return (
        f"{star.path}: the defocus of {n_zero:,} of {len(ctf):,} particles is 0; it is used as it "
        "is: estimate it, or do without a CTF (--ctf none)",
    )


def _check_units(
    star: ParticleStar, defocus_u: Floats, columns: Dict[str, Any], way_out: str
) -> None:
    """Refuse what no microscope has: the values are in other units."""
    for label, (low, high, unit) in UNITS.items():
        values = columns[label]
        wrong = np.flatnonzero((values != 0) & ((values < low) | (values > high)))
        if len(wrong):
            problem = f"{label} must be from {low:g} to {high:g} {unit}, got {values[wrong[0]]:g}"
            raise star.particles.row_error(int(wrong[0]), f"{problem}; convert its unit")
    low, high = DEFOCUS_RANGE
    middle = float(np.median(np.abs(defocus_u)))
    if middle and not low <= middle <= high:
        raise format_error(
            star.path,
            f"{DEFOCUS_U} must be in Å, most of {low:g} to {high:g}, got a median of "
            f"{middle:g}; convert its unit, or {way_out}",
        )


def _or_zero(values: Optional[Floats]) -> Floats:
    return np.zeros(()) if values is None else values
