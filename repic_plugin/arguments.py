"""Checks of arguments shared by all packages.

Each returns the converted value, or raises a one-line ValueError that names the argument, the
rule, the value and the remedy. Checks specific to one package are in that package.
"""

from __future__ import annotations

from typing import Any, Sequence, Tuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

REMEDY = "choose another"
PIXEL_SIZE_RANGE = 0.01, 1000.0  # angstrom


def check_whole_number(name: str, value: int, smallest: int, remedy: str = REMEDY) -> int:
    """Count as an int of at least `smallest`; a float is refused even if it is whole."""
    if not isinstance(value, (int, np.integer)) or value < smallest:
        raise ValueError(
            f"{name} must be a whole number, {smallest} or more, got {value}; {remedy}"
        )
    return int(value)


def check_seed(random_state: int) -> int:
    """Seed as an int of at least 0."""
    remedy = "the same number gives the same output"
    return check_whole_number("random_state", random_state, 0, remedy)


def check_box_size(name: str, value: float, smallest: int = 1) -> int:
    """Side of a box as an int of at least `smallest`; a whole float is accepted."""
    if value < smallest or not float(value).is_integer():
        raise ValueError(
            f"{name} must be a whole number of px, {smallest} or more, got {value}; round it"
        )
    return int(value)


def check_micrograph_size(size_px: Sequence[int]) -> Tuple[int, int]:
    """Width and height as two positive ints."""
    if len(size_px) != 2 or not all(s >= 1 and float(s).is_integer() for s in size_px):
        raise ValueError(
            "micrograph_size_px must be two positive whole numbers, (width, height), "
            f"got {tuple(size_px)}"
        )
    return int(size_px[0]), int(size_px[1])


def check_positive(name: str, value: float, remedy: str = REMEDY) -> float:
    """Number as a finite float above 0."""
    if not (np.isfinite(value) and value > 0):
        raise ValueError(f"{name} must be positive and finite, got {value}; {remedy}")
    return float(value)


def check_pixel_size(name: str, value: float) -> float:
    """A pixel or voxel size in angstrom as a float of any microscope."""
    low, high = PIXEL_SIZE_RANGE
    check_positive(name, value, "give it in angstrom")
    return check_in_range(name, value, low, high, remedy="give it in angstrom")


def check_not_negative(name: str, value: float, remedy: str = REMEDY) -> float:
    """Number as a finite float, 0 or more."""
    if not (np.isfinite(value) and value >= 0):
        raise ValueError(f"{name} must be 0 or more and finite, got {value}; {remedy}")
    return float(value)


def check_in_range(
    name: str, value: float, low: float, high: float, ends: str = "[]", remedy: str = REMEDY
) -> float:
    """Number as a float from `low` to `high`; a round bracket in `ends` excludes that end."""
    above = low < value if ends[0] == "(" else low <= value
    below = value < high if ends[1] == ")" else value <= high
    if not (above and below):
        bounds = f"in {ends[0]}{low:g}, {high:g}{ends[1]}"
        rule = f"between {low:g} and {high:g}" if ends == "()" else bounds
        raise ValueError(f"{name} must lie {rule}, got {value}; {remedy}")
    return float(value)


def check_fraction(name: str, value: float) -> float:
    """Fraction as a float in [0, 1)."""
    return check_in_range(name, value, 0, 1, "[)", "give a fraction, not a percentage")


def check_choice(name: str, value: str, choices: Sequence[str]) -> str:
    """One of the given choices."""
    if value not in choices:
        known = f"{', '.join(choices[:-1])} or {choices[-1]}"
        raise ValueError(f"{name} must be {known}, got {value!r}")
    return value


def check_finite(name: str, array: NDArray[Any], remedy: str = "replace them") -> None:
    """Refuse nan and infinite numbers."""
    if not np.isfinite(array).all():
        raise ValueError(f"{name} must be finite, got nan or infinite numbers; {remedy}")


def check_varied(name: str, array: NDArray[Any]) -> None:
    """Refuse constant arrays."""
    if array.min() == array.max():
        raise ValueError(f"{name} must vary, got {array.flat[0]:g} everywhere; give another map")


def check_centers(name: str, centers: ArrayLike) -> NDArray[np.float64]:
    """Centres as finite float64, shape (n, 2); an empty sequence gives shape (0, 2)."""
    array = np.asarray(centers, dtype=np.float64)
    if array.size == 0:
        return np.empty((0, 2))
    if array.ndim != 2 or array.shape[1] != 2:
        raise ValueError(
            f"{name} must have shape (n, 2), got {array.shape}; stack x and y as columns"
        )
    if not np.isfinite(array).all():
        row = int(np.flatnonzero(~np.isfinite(array).all(axis=1))[0])
        raise ValueError(
            f"{name} must be finite, got {array[row].tolist()} in row {row}; remove it"
        )
    return array


def check_map(name: str, volume: ArrayLike, smallest_px: int) -> NDArray[np.float32]:
    """Density map as a cube of finite float32, of at least `smallest_px` voxels per side."""
    array = np.asarray(volume, dtype=np.float32)
    if array.ndim != 3 or len(set(array.shape)) != 1 or array.shape[0] < smallest_px:
        raise ValueError(
            f"{name} must be a cube of {smallest_px} voxels or more per side, got shape "
            f"{array.shape}; cut or pad it"
        )
    check_finite(name, array)
    return array
