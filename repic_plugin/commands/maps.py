"""Options of the density map and of the microscope, for the commands that simulate."""

from __future__ import annotations

import argparse
from typing import Optional, Tuple

import numpy as np
from numpy.typing import NDArray

from repic_plugin.arguments import check_pixel_size
from repic_plugin.formats import read_map
from repic_plugin.simulation import (
    DEFAULT_AMPLITUDE_CONTRAST,
    DEFAULT_DEFOCUS_RANGE_ANGSTROM,
    DEFAULT_SPHERICAL_ABERRATION_MM,
    DEFAULT_VOLTAGE_KV,
    PHANTOM_BOX_PX,
    PHANTOM_PIXEL_SIZE_ANGSTROM,
    phantom_map,
)

MAP_ARGUMENTS = {"volume": "MAP", "defocus_range_angstrom": "--defocus"}
PHANTOM = "phantom"  # in place of a file


def add_map(parser: argparse.ArgumentParser) -> None:
    """Define the arguments of the map."""
    parser.add_argument(
        "map", metavar="MAP", help=f"MRC file, or {PHANTOM} for a synthetic molecule"
    )
    parser.add_argument(
        "--pixel-size",
        type=float,
        metavar="ANGSTROM",
        help="of the map, in Å (default: from its header)",
    )


def add_microscope(parser: argparse.ArgumentParser) -> None:
    """Define the arguments of the contrast transfer function."""
    group = parser.add_argument_group("contrast transfer function")
    group.add_argument(
        "--defocus",
        type=float,
        nargs=2,
        default=DEFAULT_DEFOCUS_RANGE_ANGSTROM,
        metavar=("MIN", "MAX"),
        help="range of the defocus in Å",
    )
    for option, default, unit in (
        ("--voltage", DEFAULT_VOLTAGE_KV, "kV"),
        ("--spherical-aberration", DEFAULT_SPHERICAL_ABERRATION_MM, "mm"),
        ("--amplitude-contrast", DEFAULT_AMPLITUDE_CONTRAST, "fraction"),
    ):
        group.add_argument(option, type=float, default=default, metavar=unit.upper(), help=unit)
    group.add_argument("--no-ctf", action="store_true", help="simulate without CTF")


def load_map(
    name: str, pixel_size_angstrom: Optional[float] = None, box_size_px: Optional[int] = None
) -> Tuple[NDArray[np.float32], float]:
    """The map and its voxel size in Å, from a file or the phantom in a box of `box_size_px`.

    A ValueError is raised if the file is no map, or its voxel size is unknown or not positive.
    """
    if name == PHANTOM:
        box_px = PHANTOM_BOX_PX if box_size_px is None else box_size_px
        volume, voxel = phantom_map(box_px), PHANTOM_PIXEL_SIZE_ANGSTROM
    else:
        volume, voxel = read_map(name)
    return volume, voxel_size(name, voxel, pixel_size_angstrom)


def voxel_size(name: str, in_header: float, given: Optional[float]) -> float:
    """The voxel size of a map in Å, checked: the given one or that of its header."""
    if given is None and in_header == 0:
        raise ValueError(f"{name}: the header has no voxel size; add --pixel-size ANGSTROM")
    return check_pixel_size("--pixel-size", in_header if given is None else given)
