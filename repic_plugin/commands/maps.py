"""What the commands that simulate from a density map share: its options, the microscope's."""

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

PHANTOM = "phantom"  # stands for the map that everybody has


def add_map(parser: argparse.ArgumentParser) -> None:
    """Define the arguments of the map."""
    parser.add_argument(
        "map", metavar="MAP", help=f"MRC file, or the word {PHANTOM} for a made-up molecule"
    )
    parser.add_argument(
        "--pixel-size", type=float, metavar="ANGSTROM", help="of the map; by default as it says"
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
        help="angstrom",
    )
    group.add_argument("--voltage", type=float, default=DEFAULT_VOLTAGE_KV, metavar="KV")
    group.add_argument(
        "--spherical-aberration", type=float, default=DEFAULT_SPHERICAL_ABERRATION_MM, metavar="MM"
    )
    group.add_argument(
        "--amplitude-contrast", type=float, default=DEFAULT_AMPLITUDE_CONTRAST, metavar="PART"
    )
    group.add_argument("--no-ctf", action="store_true", help="leave it out")


def load_map(
    name: str, pixel_size_angstrom: Optional[float] = None, box_size_px: Optional[int] = None
) -> Tuple[NDArray[np.float32], float]:
    """The map and the size of its voxels in angstrom.

    Parameters
    ----------
    name : str
        A file or ``phantom``.
    pixel_size_angstrom : float, optional
        By default what the header says.
    box_size_px : int, optional
        In which a phantom is made; a file's map keeps its own.

    Raises
    ------
    ValueError
        If the file is no map, or the size is not known or not positive.
    """
    if name == PHANTOM:
        box_px = PHANTOM_BOX_PX if box_size_px is None else box_size_px
        volume, voxel = phantom_map(box_px), PHANTOM_PIXEL_SIZE_ANGSTROM
    else:
        volume, voxel = read_map(name)
    pixel_size = voxel if pixel_size_angstrom is None else pixel_size_angstrom
    if pixel_size_angstrom is None and voxel == 0:
        raise ValueError(f"{name}: the header holds no voxel size; add --pixel-size ANGSTROM")
    return volume, check_pixel_size("--pixel-size", pixel_size)
