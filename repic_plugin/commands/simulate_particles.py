"""Simulate particle images of known views of a map: a benchmark for 2D classification."""

from __future__ import annotations

import argparse
from math import isfinite
from pathlib import Path
from typing import Any, List

import numpy as np
from numpy.typing import NDArray

from repic_plugin.commands.maps import MAP_ARGUMENTS, add_map, add_microscope, load_map
from repic_plugin.commands.options import progress_bar
from repic_plugin.commands.out_folder import new_folder
from repic_plugin.formats import write_particles_star, write_stack, write_table
from repic_plugin.simulation import (
    DEFAULT_MAX_SHIFT_PX,
    DEFAULT_SPREAD_DEG,
    SimulatedParticles,
    simulate_particles,
)

ARGUMENTS = {"junk_fraction": "--junk", **MAP_ARGUMENTS}
STACK, STAR, TRUTH = "particles.mrcs", "particles.star", "truth.csv"
TRUTH_COLUMNS = (
    *("particle", "view", "rot_deg", "tilt_deg", "psi_deg", "shift_x_px", "shift_y_px"),
    "defocus_angstrom",
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Define the command's arguments."""
    add_map(parser)
    parser.add_argument("--out", metavar="DIR", required=True, help="output folder")
    parser.add_argument("--views", type=int, default=25, metavar="N", help="over half a sphere")
    parser.add_argument("--per-view", type=int, default=80, metavar="N", help="images per view")
    parser.add_argument("--snr", type=float, default=0.1, help="signal-to-noise ratio of variances")
    parser.add_argument(
        "--box-size",
        type=int,
        metavar="PX",
        help="crop or pad the map to this (default: its own, made even)",
    )
    parser.add_argument(
        "--spread",
        type=float,
        default=DEFAULT_SPREAD_DEG,
        metavar="DEG",
        help="standard deviation of the viewing directions about each of two axes",
    )
    parser.add_argument(
        "--max-shift", type=float, default=DEFAULT_MAX_SHIFT_PX, metavar="PX", help="maximum shift"
    )
    parser.add_argument(
        "--uneven", type=float, metavar="SD", help="spread of the lognormal populations of views"
    )
    parser.add_argument(
        "--junk", type=float, default=0.0, metavar="FRACTION", help="of pure noise among the images"
    )
    parser.add_argument("--seed", type=int, default=0, help="random seed")
    add_microscope(parser)


def run(args: argparse.Namespace) -> None:
    """Read the map, simulate, write."""
    volume, pixel_size = load_map(args.map, args.pixel_size, args.box_size)
    with new_folder(args.out) as new:
        with progress_bar("projecting", "image") as progress:
            particles = simulate_particles(
                volume,
                args.views,
                args.per_view,
                pixel_size_angstrom=pixel_size,
                snr=args.snr,
                box_size_px=args.box_size,
                spread_deg=args.spread,
                max_shift_px=args.max_shift,
                defocus_range_angstrom=None if args.no_ctf else args.defocus,
                voltage_kv=args.voltage,
                spherical_aberration_mm=args.spherical_aberration,
                amplitude_contrast=args.amplitude_contrast,
                uneven=args.uneven,
                junk_fraction=args.junk,
                random_state=args.seed,
                progress=progress,
            )
        write_particles(new.path, particles)
    n_junk = int((particles.view < 0).sum())
    noise = f", {n_junk:,} of pure noise" if n_junk else ""
    box_px = particles.images.shape[1]
    print(f"{len(particles):,} images of {box_px} px at {pixel_size:g} Å/px{noise}")
    print(f"{args.views} views of {args.map}")
    print(f"written to {new.place}")


def write_particles(folder: Path, particles: SimulatedParticles) -> None:
    """Write particles.mrcs, particles.star (RELION 3.1, CTF but no angles) and truth.csv."""
    names = [f"{i:06d}@{STACK}" for i in range(1, len(particles) + 1)]
    write_stack(folder / STACK, particles.images, particles.pixel_size_angstrom)
    write_particles_star(
        folder / STAR,
        names,
        particles.pixel_size_angstrom,
        particles.images.shape[1],
        particles.ctf,
    )
    write_table(folder / TRUTH, TRUTH_COLUMNS, zip(names, *_truth_columns(particles)))


def _truth_columns(particles: SimulatedParticles) -> List[List[str]]:
    """Columns except the name, as text; angles of junk and defocus without CTF are empty."""
    nothing = np.full(len(particles), np.nan)
    defocus = nothing if particles.ctf is None else particles.ctf.defocus_u_angstrom
    columns = [_cells(column, 4) for column in (*particles.euler_deg.T, *particles.shift_px.T)]
    return [_cells(particles.view, 0), *columns, _cells(defocus, 1)]


def _cells(values: NDArray[Any], decimals: int) -> List[str]:
    return [f"{value:.{decimals}f}" if isfinite(value) else "" for value in values.tolist()]
