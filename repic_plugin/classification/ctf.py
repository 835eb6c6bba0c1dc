"""Contrast transfer functions of many particles at once."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, Iterator, Optional

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray
from scipy import constants

ANGSTROM_PER_MM = 1e7
# Phases are computed in double precision, this many at a time.
_BLOCK_VALUES = 1 << 20

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class CtfParameters:
    """Parameters of the contrast transfer functions of n particles.

    Built with `from_columns`, which checks the values.

    Attributes
    ----------
    defocus_u_angstrom, defocus_v_angstrom : ndarray of float64, shape (n,)
        Along the two axes of the astigmatism, Å; positive for underfocus.
    defocus_angle_deg : ndarray of float64, shape (n,)
        From the x axis (along the columns) towards y (along the rows) to the direction of
        defocus U, as in CTFFIND and RELION.
    voltage_kv : ndarray of float64, shape (n,)
    spherical_aberration_mm : ndarray of float64, shape (n,)
    amplitude_contrast : ndarray of float64, shape (n,)
        Fraction of the contrast, in [0, 1].
    phase_shift_deg : ndarray of float64, shape (n,)
        Phase shift of a phase plate; 0 without one.
    """

    defocus_u_angstrom: Floats
    defocus_v_angstrom: Floats
    defocus_angle_deg: Floats
    voltage_kv: Floats
    spherical_aberration_mm: Floats
    amplitude_contrast: Floats
    phase_shift_deg: Floats

    def __len__(self) -> int:
        return len(self.defocus_u_angstrom)

    @classmethod
    def from_columns(
        cls,
        defocus_u_angstrom: ArrayLike,
        defocus_v_angstrom: Optional[ArrayLike] = None,
        defocus_angle_deg: ArrayLike = 0.0,
        *,
        voltage_kv: ArrayLike,
        spherical_aberration_mm: ArrayLike,
        amplitude_contrast: ArrayLike,
        phase_shift_deg: ArrayLike = 0.0,
    ) -> CtfParameters:
        """Parameters from columns, which are checked; single numbers are broadcast.

        Parameters
        ----------
        defocus_u_angstrom : array_like of float, shape (n,) or ()
        defocus_v_angstrom : array_like of float, shape (n,) or (), optional
            `defocus_u_angstrom` by default, without astigmatism.
        defocus_angle_deg, voltage_kv, spherical_aberration_mm, amplitude_contrast, \
phase_shift_deg : array_like of float, shape (n,) or ()

        Returns
        -------
        CtfParameters
            Copies, for n particles; for one if every column is a single number.

        Raises
        ------
        ValueError
            If lengths differ, a number is not finite, the voltage is not positive, or the
            amplitude contrast is not in [0, 1].
        """
        given = (
            defocus_u_angstrom,
            defocus_u_angstrom if defocus_v_angstrom is None else defocus_v_angstrom,
            defocus_angle_deg,
            voltage_kv,
            spherical_aberration_mm,
            amplitude_contrast,
            phase_shift_deg,
        )
        names = [field.name for field in fields(cls)]
        arrays = [np.asarray(column, dtype=np.float64) for column in given]
        n = _common_length(names, arrays)
        columns = {name: np.broadcast_to(array, (n,)).copy() for name, array in zip(names, arrays)}
        _check_columns(columns)
        return cls(**columns)

    def take(self, rows: Any) -> CtfParameters:
        """Parameters of some particles.

        Parameters
        ----------
        rows : slice, ndarray of int or ndarray of bool
            Selected particles, in this order.
        """
        return CtfParameters(*(column[rows] for column in self.columns()))

    def columns(self) -> Iterator[Floats]:
        """The columns in the order of the attributes."""
        return (getattr(self, field.name) for field in fields(self))


def electron_wavelength_angstrom(voltage_kv: ArrayLike) -> Floats:
    """De Broglie wavelength of electrons, with the relativistic correction.

    Parameters
    ----------
    voltage_kv : array_like of float, any shape

    Returns
    -------
    ndarray of float64, same shape
        Å: 0.0197 at 300 kV.
    """
    energy = np.asarray(voltage_kv, dtype=np.float64) * 1e3 * constants.e
    rest = constants.m_e * constants.c**2
    momentum = np.sqrt(energy * (energy + 2 * rest)) / constants.c
    return np.asarray(constants.h / momentum / constants.angstrom)


def contrast_transfer(
    ctf: CtfParameters,
    frequency_x: ArrayLike,
    frequency_y: ArrayLike,
    *,
    dtype: DTypeLike = np.float64,
) -> NDArray[Any]:
    """Contrast transfer functions with RELION's sign: particles are white.

    sin(pi lambda df s^2 - pi / 2 Cs lambda^3 s^4 + phase shift + asin(amplitude contrast)), in
    which df is the defocus in the direction of the frequency, (U + V) / 2 + (U - V) / 2
    cos(2 (direction - angle)). Rohou & Grigorieff 2015, doi:10.1016/j.jsb.2015.08.008, equations
    3 to 5, and RELION's ``ctf.h``. Positive at low frequency for underfocus.

    Parameters
    ----------
    ctf : CtfParameters
        Parameters of n particles.
    frequency_x, frequency_y : array_like of float, broadcast to one shape S
        Along the columns and along the rows of an image, 1/Å.
    dtype : dtype
        Result type; float32 is several times as fast, and within 1e-4 up to phases of 500.

    Returns
    -------
    ndarray, shape (n, *S)
        In [-1, 1].

    Raises
    ------
    ValueError
        If the frequencies do not broadcast.
    """
    x, y = np.broadcast_arrays(
        np.asarray(frequency_x, dtype=np.float64), np.asarray(frequency_y, dtype=np.float64)
    )
    shape = x.shape
    terms = _frequency_terms(x.ravel(), y.ravel())
    weights = _phase_weights(ctf)
    result = np.empty((len(ctf), terms.shape[1]), dtype=dtype)
    step = max(1, _BLOCK_VALUES // max(1, terms.shape[1]))
    for start in range(0, len(ctf), step):
        block = result[start : start + step]
        block[...] = weights[start : start + step] @ terms
        np.sin(block, out=block)
    return result.reshape(len(ctf), *shape)


def _frequency_terms(x: Floats, y: Floats) -> Floats:
    """Terms of the phase, shape (5, S).

    s^2 cos(2 (direction - angle)) is factored into angle and direction, so that the phases of all
    particles are one matrix product.
    """
    squared = x**2 + y**2
    return np.stack([squared, x**2 - y**2, 2 * x * y, squared**2, np.ones_like(x)])


def _phase_weights(ctf: CtfParameters) -> Floats:
    """Weights of `_frequency_terms` in each particle's phase, shape (n, 5)."""
    wavelength = electron_wavelength_angstrom(ctf.voltage_kv)
    half_sum = (ctf.defocus_u_angstrom + ctf.defocus_v_angstrom) / 2
    half_difference = (ctf.defocus_u_angstrom - ctf.defocus_v_angstrom) / 2
    double_angle = np.deg2rad(2 * ctf.defocus_angle_deg)
    aberration = ctf.spherical_aberration_mm * ANGSTROM_PER_MM
    constant = np.deg2rad(ctf.phase_shift_deg) + np.arcsin(ctf.amplitude_contrast)
    return np.column_stack(
        [
            np.pi * wavelength * half_sum,
            np.pi * wavelength * half_difference * np.cos(double_angle),
            np.pi * wavelength * half_difference * np.sin(double_angle),
            -np.pi / 2 * aberration * wavelength**3,
            constant,
        ]
    )


def _common_length(names: Any, arrays: Any) -> int:
    lengths = {name: len(array) for name, array in zip(names, arrays) if array.ndim == 1}
    deep = next((name for name, array in zip(names, arrays) if array.ndim > 1), None)
    if deep is not None:
        raise ValueError(f"{deep} must be one number or one for each particle; flatten it")
    if len(set(lengths.values())) > 1:
        text = ", ".join(f"{name} {n}" for name, n in lengths.items())
        raise ValueError(f"CTF columns must have one length, got {text}; give one row per particle")
    return next(iter(lengths.values()), 1)


def _check_columns(columns: Any) -> None:
    def refuse(name: str, bad: NDArray[np.bool_], rule: str) -> None:
        if bad.any():
            row = int(np.flatnonzero(bad)[0])
            raise ValueError(
                f"{name} must be {rule}, got {columns[name][row]:g} for particle {row}; correct it"
            )

    for name, column in columns.items():
        refuse(name, ~np.isfinite(column), "finite")
    refuse("voltage_kv", columns["voltage_kv"] <= 0, "positive")
    contrast = columns["amplitude_contrast"]
    refuse("amplitude_contrast", (contrast < 0) | (contrast > 1), "in [0, 1]")
