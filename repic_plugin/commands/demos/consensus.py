"""Run the consensus in a new Scipion project and show the result."""

from __future__ import annotations

import argparse
import os
import shutil
from pathlib import Path
from typing import Sequence

import numpy as np
from numpy.typing import NDArray

from repic_plugin.commands.demos.environment import demo_folder, set_environment
from repic_plugin.commands.demos.records import ConsensusRun, Material
from repic_plugin.commands.options import print_table, progress_bar
from repic_plugin.commands.simulate import write_micrographs, write_pickers
from repic_plugin.consensus import Picks
from repic_plugin.evaluation import evaluate_picks
from repic_plugin.formats import open_mrc, read_header, read_picks_dir, write_mrc
from repic_plugin.simulation import simulate_picks
from repic_plugin.workflow import open_command

PROJECT = "repic_demo"
PIXEL_SIZE_ANGSTROM = 1.77
# one careful, one greedy and one weak picker
RECALL, PRECISION = (0.85, 0.9, 0.7), (0.85, 0.6, 0.75)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Define the command's arguments."""
    parser.add_argument(
        "--picks",
        metavar="DIR",
        help="folder with a sub-folder for each picker (default: simulated picks)",
    )
    parser.add_argument(
        "--micrographs",
        metavar="DIR",
        help="folder with the MRC files of --picks (default: plain grey)",
    )
    parser.add_argument(
        "--box-size", type=int, metavar="PX", help="box size (default: from the files)"
    )
    parser.add_argument("--out", metavar="DIR", default="demo", help="output folder")
    parser.add_argument("--seed", type=int, default=0, help="random seed")


def run(args: argparse.Namespace) -> None:
    """Simulate or read, run Scipion, print, draw."""
    folder = demo_folder(Path(args.out))
    material = given_material(args, folder) if args.picks else _simulated(args.seed, folder)
    set_environment(folder)
    from repic_plugin.commands.demos.consensus_project import run_project  # noqa: PLC0415 - needs Scipion

    print("running Scipion: micrographs, picks, consensus ...")
    with progress_bar("Scipion", "protocol") as progress:
        results = run_project(PROJECT, material, progress)
    _print_sets(material, results)
    _print_micrographs(results[0])
    _draw(material, results[0].particles, folder / "overlay.png")
    print(f"\npicture: {folder / 'overlay.png'}")
    print(f"project: open it in Scipion with\n  {open_command(PROJECT)}")


def _simulated(seed: int, folder: Path) -> Material:
    print("simulating micrographs and the picks of three pickers ...")
    simulated = simulate_picks(
        recall=RECALL,
        precision=PRECISION,
        picker_names=["careful", "greedy", "weak"],
        random_state=seed,
    )
    write_pickers(folder / "picks", simulated.picks, simulated.box_size_px)
    write_micrographs(folder / "micrographs", simulated, PIXEL_SIZE_ANGSTROM, seed)
    return Material(
        folder / "picks",
        folder / "micrographs",
        read_picks_dir(folder / "picks"),
        simulated.truth,
        simulated.box_size_px,
        PIXEL_SIZE_ANGSTROM,
    )


def given_material(args: argparse.Namespace, folder: Path) -> Material:
    """The user's picks on their micrographs, or on plain grey ones written to `folder`."""
    loaded = read_picks_dir(args.picks)
    sizes = [size for size in loaded.box_size_px if size is not None]
    if not sizes and not args.box_size:
        raise ValueError(f"{args.picks}: the files have no box size; add --box-size")
    box_px = args.box_size or round(max(sizes))
    images = Path(args.micrographs).resolve() if args.micrographs else folder / "micrographs"
    if not args.micrographs:
        print(
            "no --micrographs given: the picks are shown on plain grey, and "
            f"{PIXEL_SIZE_ANGSTROM:g} Å is taken as its pixel size ..."
        )
        _write_grey(images, loaded.picks, box_px)
    pixel_size = _pixel_size(images)
    return Material(Path(args.picks).resolve(), images, loaded, None, box_px, pixel_size)


def _write_grey(folder: Path, picks: Picks, box_px: int) -> None:
    """Write an image of plain grey, large enough for all boxes, under the names of all micrographs.

    Hard links save its size; Scipion would follow symbolic ones and take all for the first.
    """
    width, height = (int(np.ceil(c.max(initial=box_px) + box_px / 2)) for c in (picks.x, picks.y))
    first, *others = (folder / f"{name}.mrc" for name in picks.micrograph_names)
    for file in (first, *others):
        file.parent.mkdir(parents=True, exist_ok=True)
    write_mrc(first, np.zeros((height, width), np.int16), PIXEL_SIZE_ANGSTROM)
    for file in others:
        try:
            os.link(first, file)
        except OSError:  # not every file system has links
            shutil.copyfile(first, file)


def _pixel_size(micrographs_dir: Path) -> float:
    """As the first micrograph's header says, in Å; the demo's own, with a line, if it does not."""
    file = next(iter(sorted(micrographs_dir.glob("*.mrc"))), None)
    if file is None:
        raise ValueError(f"{micrographs_dir}: there is no MRC file (*.mrc); choose its folder")
    found = read_header(file).pixel_size_angstrom[-1]
    if not found:
        print(f"{file}: no pixel size in the header, {PIXEL_SIZE_ANGSTROM:g} Å is taken")
    return found or PIXEL_SIZE_ANGSTROM


def _print_sets(material: Material, results: Sequence[ConsensusRun]) -> None:
    """Print a row for each picker and consensus, with scores where the truth is known."""
    picks = material.loaded.picks
    agreed = results[0].n_agreed
    n_picks = np.bincount(picks.picker, minlength=picks.n_pickers)
    rows = [
        [name, f"{n:,}", f"{agreed[name]:,}", f"{agreed[name] / max(n, 1):.1%}"]
        for name, n in zip(picks.picker_names, n_picks.tolist())
    ]
    rows += [[one.name, f"{len(one.particles):,}", "", ""] for one in results]
    header = ["set", "particles", "in consensus", "share"]
    if material.truth is not None:
        header += ["precision", "recall", "F1"]
        sets = [picks, *(one.particles for one in results)]
        scores = [
            score.matching
            for one in sets
            for score in evaluate_picks(one, material.truth, material.box_size_px)
        ]
        for row, score in zip(rows, scores):
            row += [f"{value:.3f}" for value in (score.precision, score.recall, score.f1)]
    print()
    print_table(header, rows)


def _print_micrographs(one: ConsensusRun) -> None:
    print()
    columns = ("micrograph", "n_cliques", "n_selected", "objective", "is_optimal")
    print_table(columns, [[row[name] for name in columns] for row in one.summary])


def _draw(material: Material, particles: Picks, picture: Path) -> None:
    """Draw the picks of every picker and the consensus on the first micrograph."""
    from repic_plugin.plots import Layer, overlay_figure  # noqa: PLC0415 - loads slowly

    picks = material.loaded.picks
    name = next(one for one in picks.micrograph_names if one in particles.micrograph_names)
    image = open_mrc(material.micrographs_dir / f"{name}.mrc")
    layers = [
        Layer(picker, _centres(picks, name, p), material.box_size_px)
        for p, picker in enumerate(picks.picker_names)
    ]
    chosen = _centres(particles, name, 0)
    layers.append(Layer("consensus", chosen, material.box_size_px, role="consensus"))
    overlay_figure(image, layers, title=name).savefig(picture)


def _centres(picks: Picks, micrograph: str, picker: int) -> NDArray[np.float64]:
    mine = picks.rows_by_group()[picker][picks.micrograph_names.index(micrograph)]
    return picks.centers[mine]
