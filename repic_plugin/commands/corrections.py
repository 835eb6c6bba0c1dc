"""Options that correct the coordinates of a picker, and the check that suggests them."""

from __future__ import annotations

import argparse
import warnings
from typing import Any, Dict, Optional, Sequence, Tuple

import numpy as np
from numpy.typing import NDArray

from repic_plugin.commands.options import number, per_picker
from repic_plugin.consensus import (
    Correction,
    Misfit,
    Picks,
    corrected,
    find_misfits,
    find_strangers,
)

SWAP, SCALE, FLIP_X, FLIP_Y, OFFSET = "--swap-xy", "--scale", "--flip-x", "--flip-y", "--offset"


def add_correction_arguments(parser: argparse.ArgumentParser) -> None:
    """Define the options."""
    options = parser.add_argument_group("coordinates of a picker, corrected in this order")
    for option, metavar, text in (
        (SWAP, "PICKER", "exchange x and y"),
        (SCALE, "PICKER=FACTOR", "multiply by a factor, such as 8 for images binned by 8"),
        (FLIP_X, "PICKER=WIDTH", "count x from the other edge of micrographs of this width in px"),
        (FLIP_Y, "PICKER=HEIGHT", "count y from the other edge; the height in px"),
        (OFFSET, "PICKER=DX,DY", "add an offset in px"),
    ):
        options.add_argument(option, metavar=metavar, nargs="+", action="extend", help=text)
    options.add_argument(
        "--no-coordinate-check",
        action="store_true",
        help="do not refuse pickers whose coordinates seem scaled, mirrored or shifted",
    )


def with_corrections(args: argparse.Namespace, picks: Picks) -> Picks:
    """The picks with the corrections that were asked for.

    Raises
    ------
    ValueError
        If an option has no such value, or names no picker.
    """
    values: Dict[str, Dict[str, Any]] = {}
    for field, option, texts in (
        ("scale", SCALE, args.scale),
        ("flip_x_px", FLIP_X, args.flip_x),
        ("flip_y_px", FLIP_Y, args.flip_y),
    ):
        for name, value in _by_picker(option, texts).items():
            values.setdefault(name, {})[field] = number(value, option)
    for name, value in _by_picker(OFFSET, args.offset).items():
        values.setdefault(name, {})["offset_px"] = _pair(value)
    for name in args.swap_xy or ():
        values.setdefault(name, {})["swap_xy"] = True
    return corrected(picks, {name: Correction(**one) for name, one in values.items()})


def _by_picker(option: str, texts: Optional[Sequence[str]]) -> Dict[str, str]:
    found = per_picker(option, texts, lambda text, _: text)
    if isinstance(found, str):
        raise ValueError(f"{option} must be PICKER=VALUE, got {found!r}; name the picker")
    return found or {}


def _pair(text: str) -> Tuple[float, float]:
    parts = text.split(",")
    if len(parts) != 2:
        raise ValueError(f"{OFFSET} must be PICKER=DX,DY, got {text!r}; give both in px")
    return number(parts[0], OFFSET), number(parts[1], OFFSET)


def check_coordinates(
    picks: Picks,
    sizes_px: NDArray[np.float64],
    micrograph_size_px: Optional[Sequence[float]],
    stated_sizes_px: Sequence[Optional[float]],
) -> None:
    """Refuse pickers whose coordinates do not fit, see `find_misfits`; warn of unexplained ones.

    Raises
    ------
    ValueError
        With the option that corrects the first of them.
    """
    for misfit in find_misfits(picks, sizes_px, micrograph_size_px, stated_sizes_px):
        raise ValueError(
            f"{misfit}; add {option_of(misfit)}, or --no-coordinate-check if they are right"
        )
    for stranger in find_strangers(picks, sizes_px):
        warnings.warn(str(stranger), stacklevel=2)


def option_of(misfit: Misfit) -> str:
    """The option that corrects a picker."""
    name, found = misfit.picker, misfit.correction
    if found.swap_xy:
        return f"{SWAP} {name}"
    if found.scale != 1:
        return f"{SCALE} {name}={found.scale:g}"
    if found.flip_x_px is not None:
        return f"{FLIP_X} {name}={found.flip_x_px:g}"
    if found.flip_y_px is not None:
        return f"{FLIP_Y} {name}={found.flip_y_px:g}"
    return f"{OFFSET} {name}={found.offset_px[0]:g},{found.offset_px[1]:g}"
