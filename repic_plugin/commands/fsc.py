"""Compute the Fourier shell correlation of maps with a reference map or the other half map."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Dict, List, NamedTuple, Optional, Sequence, Tuple

import numpy as np
from numpy.typing import NDArray

from repic_plugin.commands.maps import voxel_size
from repic_plugin.commands.options import print_table
from repic_plugin.commands.out_folder import new_folder
from repic_plugin.evaluation import (
    HALF_MAP_THRESHOLD,
    REFERENCE_THRESHOLD,
    ShellCorrelation,
    check_same_grid,
    fourier_shell_correlation,
    register_rigid,
    resolution_text,
    soft_mask,
    spherical_mask,
)
from repic_plugin.formats import read_map, write_fsc_table

ARGUMENTS = {"volume": "MAP"}
THRESHOLDS = (REFERENCE_THRESHOLD, HALF_MAP_THRESHOLD)


class _Map(NamedTuple):
    path: str
    density: NDArray[np.float32]
    pixel_size_angstrom: float


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Define the command's arguments."""
    parser.add_argument(
        "maps", nargs="+", metavar="MAP", help="MRC file or LABEL=FILE; one or more"
    )
    parser.add_argument("reference", metavar="REFERENCE", help="MRC file to compare with")
    parser.add_argument(
        "--half",
        action="store_true",
        help="MAP and REFERENCE are half maps: threshold 0.143 instead of 0.5",
    )
    parser.add_argument(
        "--mask",
        default="none",
        metavar="MASK",
        help="MRC file with values from 0 to 1, sphere, auto (soft mask of the reference) or none",
    )
    parser.add_argument(
        "--register", action="store_true", help="first align each MAP rigidly to REFERENCE"
    )
    parser.add_argument(
        "--pixel-size",
        type=float,
        metavar="ANGSTROM",
        help="pixel size of all maps in Å (default: from their headers)",
    )
    parser.add_argument("--out", metavar="DIR", help="output folder: fsc.csv and fsc.png")


def run(args: argparse.Namespace) -> None:
    """Read, compare, print, write."""
    paths = _labelled(args.maps)
    reference = _read(args.reference, args.pixel_size)
    mask = _mask(args.mask, reference)
    curves = {}
    for label, path in paths.items():
        volume = _read(path, args.pixel_size)
        check_same_grid(
            (volume.path, reference.path),
            (len(volume.density), len(reference.density)),
            (volume.pixel_size_angstrom, reference.pixel_size_angstrom),
        )
        curves[label] = _compare(label, volume, reference, mask, args.register)
    threshold = HALF_MAP_THRESHOLD if args.half else REFERENCE_THRESHOLD
    _print_resolutions(curves, threshold, args.half)
    if args.out:
        with new_folder(args.out) as new:
            write_fsc_table(new.path / "fsc.csv", curves)
            _write_plot(new.path / "fsc.png", curves, threshold)
        print(f"written to {new.place}")


def _labelled(texts: Sequence[str]) -> Dict[str, str]:
    """Paths by label, which defaults to the stem of the file or, if ambiguous, the whole path."""
    stems = [Path(text).stem for text in texts]
    paths: Dict[str, str] = {}
    for text, stem in zip(texts, stems):
        label, equals, path = text.partition("=")
        if not equals or Path(text).exists():
            label, path = stem if stems.count(stem) == 1 else text, text
        if not label or not path:
            raise ValueError(f"MAP must be FILE or LABEL=FILE, got {text!r}; add what is missing")
        if label in paths:
            raise ValueError(f"MAP labels must be unique, got {label!r} twice; rename one")
        paths[label] = path
    return paths


def _read(path: str, pixel_size_angstrom: Optional[float]) -> _Map:
    density, in_header = read_map(path)
    size = voxel_size(path, in_header, pixel_size_angstrom)
    if len(set(density.shape)) != 1:
        shape = " x ".join(map(str, density.shape[::-1]))
        raise ValueError(f"{path}: must be a cube, got {shape} voxels; crop or pad it")
    return _Map(path, density, size)


def _mask(name: str, reference: _Map) -> Optional[NDArray[np.float32]]:
    if name == "none":
        return None
    if name == "sphere":
        return spherical_mask(len(reference.density))
    if name == "auto":
        return soft_mask(reference.density)
    mask, _ = read_map(name)
    return mask


def _compare(
    label: str,
    volume: _Map,
    reference: _Map,
    mask: Optional[NDArray[np.float32]],
    is_registered: bool,
) -> ShellCorrelation:
    density = volume.density
    if is_registered:
        density, pose = register_rigid(density, reference.density)
        shift = " ".join(f"{s:.2f}" for s in pose.shift_px[::-1])
        print(
            f"{label}: rotated by {pose.angle_deg:.2f} degrees and shifted by {shift} px in x, y, z"
        )
    return fourier_shell_correlation(
        density, reference.density, pixel_size_angstrom=reference.pixel_size_angstrom, mask=mask
    )


def _print_resolutions(
    curves: Dict[str, ShellCorrelation], threshold: float, is_half: bool
) -> None:
    header = ["map", *(f"at {one:g}" for one in THRESHOLDS)]
    rows: List[List[str]] = [
        [label, *(resolution_text(curve, one, unit=" Å") for one in THRESHOLDS)]
        for label, curve in curves.items()
    ]
    print_table(header, rows)
    kind = "two half maps" if is_half else "a map against a reference"
    print(f"\nthe threshold for {kind} is {threshold:g}")


def _write_plot(path: Path, curves: Dict[str, ShellCorrelation], threshold: float) -> None:
    # matplotlib takes longer to load than the other commands do to start
    from repic_plugin.plots import fsc_figure  # noqa: PLC0415

    order: Tuple[float, ...] = tuple(sorted(THRESHOLDS, key=lambda one: one != threshold))
    fsc_figure(curves, thresholds=order).savefig(path)
