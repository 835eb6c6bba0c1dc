"""Train pickers on their consensus in a new Scipion project and show the iterations."""

from __future__ import annotations

import argparse
from math import isnan
from pathlib import Path
from typing import List, Sequence

from repic_plugin.commands.demos.environment import demo_folder, set_environment
from repic_plugin.commands.maps import PHANTOM, load_map
from repic_plugin.commands.options import print_table, progress_bar
from repic_plugin.commands.simulate_micrographs import MICROGRAPHS, REFERENCE, write_exposures
from repic_plugin.iteration import IterationRow
from repic_plugin.simulation import simulate_exposures
from repic_plugin.workflow import open_command

PROJECT = "repic_iterative_demo"
N_MICROGRAPHS, N_PARTICLES, SIZE_PX = 15, 30, (768, 768)
SUBSET = "testing"  # micrographs on which no picker was trained


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Define the command's arguments."""
    parser.add_argument(
        "--map", metavar="FILE", default=PHANTOM, help="MRC map of which to simulate micrographs"
    )
    parser.add_argument("--pixel-size", type=float, metavar="ANGSTROM", help="of the map, in Å")
    parser.add_argument("--iterations", type=int, default=3, metavar="N", help="number of them")
    parser.add_argument("--out", metavar="DIR", default="demo-iterative", help="output folder")
    parser.add_argument("--seed", type=int, default=0, help="random seed")


def run(args: argparse.Namespace) -> None:
    """Simulate, run Scipion, print each iteration as it ends, draw."""
    volume, voxel_size = load_map(args.map, args.pixel_size, None)
    folder = demo_folder(Path(args.out))
    print(f"drawing {N_MICROGRAPHS} micrographs ...")
    exposures = simulate_exposures(
        volume,
        N_MICROGRAPHS,
        pixel_size_angstrom=voxel_size,
        n_particles=N_PARTICLES,
        micrograph_size_px=SIZE_PX,
        random_state=args.seed,
    )
    material = folder / "material"
    material.mkdir()
    with progress_bar("drawing", "micrograph") as progress:
        write_exposures(material, exposures, progress)
    set_environment(folder)
    from repic_plugin.commands.demos.iterative_project import (  # noqa: PLC0415 - needs Scipion
        run_iterations,
    )

    print("running Scipion: three pickers trained on their consensus ...")
    rows = run_iterations(
        PROJECT,
        material / MICROGRAPHS,
        material / REFERENCE,
        voxel_size,
        N_PARTICLES,
        args.iterations,
        _print_iteration,
    )
    _draw(rows, folder / "iterations.png")
    print(f"\npicture: {folder / 'iterations.png'}")
    print(f"project: open it in Scipion with\n  {open_command(PROJECT)}")


def _print_iteration(rows: Sequence[IterationRow]) -> None:
    """Print the rows of one iteration for the test micrographs."""
    header = ["set", "particles", "agreement", "precision", "recall", "F1"]
    chosen = [row for row in rows if row.subset == SUBSET]
    print(f"\niteration {rows[0].iteration}, {chosen[0].n_micrographs} test micrographs")
    print_table(header, [_cells(row) for row in chosen])


def _cells(row: IterationRow) -> List[str]:
    values = (row.agreement, row.precision, row.recall, row.f1)
    return [row.name, f"{row.n_particles:,}", *("" if isnan(v) else f"{v:.3f}" for v in values)]


def _draw(rows: Sequence[IterationRow], picture: Path) -> None:
    from repic_plugin.plots import iterations_figure  # noqa: PLC0415 - loads slowly

    iterations_figure(rows, subset=SUBSET, title="Test micrographs").savefig(picture)
