"""Simulate picks with their truth and, optionally, the micrographs."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import List

import numpy as np
from numpy.typing import NDArray

from repic_plugin.arguments import check_pixel_size
from repic_plugin.commands.options import progress_bar
from repic_plugin.commands.out_folder import new_folder
from repic_plugin.consensus import Picks
from repic_plugin.formats import write_mrc, write_picks_file
from repic_plugin.simulation import SimulatedPicks, simulate_micrograph, simulate_picks


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Define the command's arguments."""
    parser.add_argument(
        "out", metavar="DIR", help="output folder for picks, reference and micrographs"
    )
    for option, default in (("--micrographs", 6), ("--pickers", 3)):
        parser.add_argument(option, type=int, default=default, metavar="N", help="number of them")
    parser.add_argument("--particles", type=int, default=200, metavar="N", help="per micrograph")
    parser.add_argument(
        "--micrograph-size",
        type=int,
        nargs=2,
        default=(4096, 4096),
        metavar=("W", "H"),
        help="in px",
    )
    parser.add_argument("--box-size", type=int, default=180, metavar="PX", help="box size in px")
    each = "one value for all pickers or one for each"
    parser.add_argument("--recall", type=float, nargs="+", default=[0.8], help=each)
    parser.add_argument("--precision", type=float, nargs="+", default=[0.8], help=each)
    parser.add_argument(
        "--jitter", type=float, nargs="+", metavar="PX", help=f"{each} (default: box size / 20)"
    )
    parser.add_argument(
        "--score-separation", type=float, nargs="+", default=[2.0], metavar="SD", help=each
    )
    parser.add_argument("--seed", type=int, default=0, help="random seed")
    parser.add_argument("--draw", action="store_true", help="also write micrographs (MRC)")
    parser.add_argument("--pixel-size", type=float, default=1.0, metavar="ANGSTROM", help="in Å")


def run(args: argparse.Namespace) -> None:
    """Simulate, write."""
    check_pixel_size("--pixel-size", args.pixel_size)
    simulated = simulate_picks(
        args.micrographs,
        args.pickers,
        n_particles=args.particles,
        micrograph_size_px=args.micrograph_size,
        box_size_px=args.box_size,
        recall=_one_or_each(args.recall),
        precision=_one_or_each(args.precision),
        jitter_px=None if args.jitter is None else _one_or_each(args.jitter),
        score_separation=_one_or_each(args.score_separation),
        random_state=args.seed,
    )
    with new_folder(args.out) as new:
        write_pickers(new.path / "picks", simulated.picks, args.box_size)
        write_pickers(new.path, simulated.truth, args.box_size)
        (new.path / simulated.truth.picker_names[0]).rename(new.path / "reference")
        if args.draw:
            write_micrographs(new.path / "micrographs", simulated, args.pixel_size, args.seed)
    n_picks, n_true = len(simulated.picks), len(simulated.truth)
    print(f"{n_picks:,} picks of {args.pickers} pickers; {n_true:,} true particles")
    print(f"written to {new.place}")


def _one_or_each(values: List[float]) -> float | List[float]:
    return values[0] if len(values) == 1 else values


def write_pickers(folder: Path, picks: Picks, box_size_px: float) -> None:
    """Write picks as BOX files, one sub-folder per picker and one file per micrograph."""
    for picker, rows in zip(picks.picker_names, picks.rows_by_group()):
        (folder / picker).mkdir(parents=True)
        for micrograph, mine in zip(picks.micrograph_names, rows):
            write_picks_file(
                folder / picker / f"{micrograph}.box",
                picks.x[mine],
                picks.y[mine],
                box_size_px=box_size_px,
                score=picks.score[mine] if picks.has_score[mine].all() else None,
            )


def write_micrographs(
    folder: Path, simulated: SimulatedPicks, pixel_size_angstrom: float, seed: int
) -> None:
    """Draw the true particles on noise, one MRC file per micrograph."""
    folder.mkdir(parents=True)
    truth, centers = simulated.truth, simulated.truth.centers
    with progress_bar("drawing", "micrograph") as progress:
        for m, (name, rows) in enumerate(zip(truth.micrograph_names, truth.rows_by_group()[0])):
            image = simulate_micrograph(
                centers[rows],
                simulated.micrograph_size_px,
                simulated.box_size_px,
                random_state=seed + m,
            )
            write_micrograph(folder / f"{name}.mrc", image, pixel_size_angstrom)
            progress()


def write_micrograph(path: Path, image: NDArray[np.float32], pixel_size_angstrom: float) -> None:
    """Write an image (height, width) as 16-bit MRC, 100 grey levels per standard deviation.

    8 bits would be enough for the noise, but Scipion's viewer overflows on them.
    """
    grey = np.clip(np.rint((image - image.mean()) * (100 / image.std())), -2000, 2000)
    write_mrc(path, grey.astype(np.int16), pixel_size_angstrom)
