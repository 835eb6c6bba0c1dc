"""Simulate micrographs of a map with the positions of its particles: a benchmark for pickers."""

from __future__ import annotations

import argparse
from itertools import chain
from pathlib import Path
from typing import Callable, Iterable, List, Optional

import numpy as np

from repic_plugin.classification import CtfParameters
from repic_plugin.commands.maps import MAP_ARGUMENTS, add_map, add_microscope, load_map
from repic_plugin.commands.options import progress_bar
from repic_plugin.commands.out_folder import new_folder
from repic_plugin.commands.simulate import write_micrograph
from repic_plugin.formats import atomic_write, table_text, write_picks_file, write_table
from repic_plugin.simulation import (
    DEFAULT_GRADIENT,
    DEFAULT_N_JUNK,
    DEFAULT_SNR,
    SimulatedExposure,
    map_diameter,
    simulate_exposures,
)

ARGUMENTS = {"micrograph_size_px": "--size", **MAP_ARGUMENTS}
MICROGRAPHS, REFERENCE = "micrographs", "truth"
STAR, TRUTH, JUNK = "micrographs.star", "truth.csv", "junk.csv"
TRUTH_COLUMNS = (
    *("micrograph", "x_px", "y_px", "rot_deg", "tilt_deg", "psi_deg"),
    "defocus_angstrom",
)
JUNK_COLUMNS = ("micrograph", "x_px", "y_px", "radius_px")
OPTICS_LABELS = (
    *("rlnOpticsGroupName", "rlnOpticsGroup", "rlnMicrographPixelSize"),
    *("rlnMicrographOriginalPixelSize", "rlnVoltage", "rlnSphericalAberration"),
    "rlnAmplitudeContrast",
)
DEFOCUS_LABELS = ("rlnDefocusU", "rlnDefocusV", "rlnDefocusAngle")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Define the command's arguments."""
    add_map(parser)
    parser.add_argument("--out", metavar="DIR", required=True, help="output folder")
    parser.add_argument("--micrographs", type=int, default=12, metavar="N", help="number of them")
    parser.add_argument("--particles", type=int, default=60, metavar="N", help="per micrograph")
    parser.add_argument(
        "--size", type=int, nargs=2, default=(1024, 1024), metavar=("W", "H"), help="in px"
    )
    parser.add_argument(
        "--snr",
        type=float,
        default=DEFAULT_SNR,
        help="signal-to-noise ratio: variance of the signal in boxes over that of the noise",
    )
    parser.add_argument(
        "--micrograph-pixel-size",
        type=float,
        metavar="ANGSTROM",
        help="resample the map to this, in Å (default: its own)",
    )
    parser.add_argument(
        "--box-size",
        type=int,
        metavar="PX",
        help="of the truth, in px (default: that of the map, made even)",
    )
    parser.add_argument(
        "--min-distance",
        type=float,
        metavar="PX",
        help="between particle centres, in px (default: 1.05 particle diameters)",
    )
    parser.add_argument(
        "--junk",
        type=int,
        default=DEFAULT_N_JUNK,
        metavar="N",
        help="contaminations per micrograph",
    )
    parser.add_argument(
        "--gradient",
        type=float,
        default=DEFAULT_GRADIENT,
        metavar="SD",
        help="contrast between thin and thick ice, in standard deviations of a particle",
    )
    parser.add_argument("--seed", type=int, default=0, help="random seed")
    add_microscope(parser)


def run(args: argparse.Namespace) -> None:
    """Read the map, simulate, write."""
    volume, voxel_size = load_map(args.map, args.pixel_size, args.box_size)
    exposures = simulate_exposures(
        volume,
        args.micrographs,
        pixel_size_angstrom=voxel_size,
        n_particles=args.particles,
        micrograph_size_px=args.size,
        micrograph_pixel_size_angstrom=args.micrograph_pixel_size,
        box_size_px=args.box_size,
        min_distance_px=args.min_distance,
        snr=args.snr,
        defocus_range_angstrom=None if args.no_ctf else args.defocus,
        voltage_kv=args.voltage,
        spherical_aberration_mm=args.spherical_aberration,
        amplitude_contrast=args.amplitude_contrast,
        n_junk=args.junk,
        gradient=args.gradient,
        random_state=args.seed,
    )
    with new_folder(args.out) as new, progress_bar("drawing", "micrograph") as progress:
        progress(0, args.micrographs)
        first = next(exposures)
        write_exposures(new.path, chain([first], exposures), progress)
    (width, height), pixel_size = args.size, first.pixel_size_angstrom
    print(f"{args.micrographs:,} micrographs of {width} x {height} px at {pixel_size:g} Å/px")
    diameter = map_diameter(volume) * voxel_size
    box_px = first.box_size_px
    print(f"{args.particles} particles of {diameter:.0f} Å on each, in boxes of {box_px} px")
    print(f"written to {new.place}")


def write_exposures(
    folder: Path,
    exposures: Iterable[SimulatedExposure],
    progress: Optional[Callable[[], None]] = None,
) -> None:
    """Write micrographs and their truth to an existing folder, one micrograph at a time.

    These are micrographs/mic_001.mrc ... (16 bits), truth/mic_001.box ... (as `read_picker_folder`
    reads), micrographs.star (RELION 3.1, with the CTF), truth.csv and junk.csv.
    """
    for name in (MICROGRAPHS, REFERENCE):
        (folder / name).mkdir()
    truth: List[List[str]] = []
    junk: List[List[str]] = []
    names: List[str] = []
    ctfs: List[Optional[CtfParameters]] = []
    for number, exposure in enumerate(exposures, 1):
        name = f"mic_{number:03d}"
        image_path = folder / MICROGRAPHS / f"{name}.mrc"
        write_micrograph(image_path, exposure.micrograph, exposure.pixel_size_angstrom)
        box_path = folder / REFERENCE / f"{name}.box"
        write_picks_file(box_path, *exposure.centers.T, box_size_px=exposure.box_size_px)
        truth += _truth_rows(name, exposure)
        blobs = np.column_stack([exposure.junk_centers, exposure.junk_radius_px])
        junk += [[name, *_cells(row, 2)] for row in blobs]
        names.append(name)
        ctfs.append(exposure.ctf)
        if progress is not None:
            progress()
    write_table(folder / TRUTH, TRUTH_COLUMNS, truth)
    write_table(folder / JUNK, JUNK_COLUMNS, junk)
    _write_star(folder / STAR, names, ctfs, exposure.pixel_size_angstrom)


def _truth_rows(name: str, exposure: SimulatedExposure) -> List[List[str]]:
    defocus = [] if exposure.ctf is None else exposure.ctf.defocus_u_angstrom
    last = _cells(defocus, 1) or [""]
    particles = np.column_stack([exposure.centers, exposure.euler_deg])
    return [[name, *_cells(row, 4), *last] for row in particles]


def _cells(values: Iterable[float], decimals: int) -> List[str]:
    return [f"{value:.{decimals}f}" for value in values]


def _write_star(
    path: Path, names: List[str], ctfs: List[Optional[CtfParameters]], pixel_size_angstrom: float
) -> None:
    """As RELION's CTF estimation writes it; without CTF, zeros in the optics that it requires."""
    columns = [[f"{MICROGRAPHS}/{name}.mrc" for name in names], ["1"] * len(names)]
    labels = ["rlnMicrographName", "rlnOpticsGroup"]
    known = [ctf for ctf in ctfs if ctf is not None]
    optics = [0.0, 0.0, 0.0]
    if known:
        rows = np.array([[column[0] for column in ctf.columns()] for ctf in known])
        columns += [_cells(column, 6) for column in rows.T[:3]]
        labels += DEFOCUS_LABELS
        optics = rows[0, 3:6].tolist()
    size = f"{pixel_size_angstrom:.6f}"
    group = [[cell] for cell in ("opticsGroup1", "1", size, size, *_cells(optics, 6))]
    text = table_text("data_optics", dict(zip(OPTICS_LABELS, group)))
    text += table_text("data_micrographs", dict(zip(labels, columns)))
    atomic_write(path, text)
