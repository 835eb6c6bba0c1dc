"""2D classes of real particles against experts' labels, at defaults: `make bench REAL=folder`.

Boxes are cut at what any of several pickers found on micrographs of apoferritin (EMPIAR-10146) and
β-galactosidase (EMPIAR-10017), and classified by the command. A candidate is true if a label lies
within a quarter of the pickers' box. As a control, boxes at random places away from labels. Section
`relion` classifies the apoferritin particles with RELION as well; no CTF is known of these images.
"""

from __future__ import annotations

import argparse
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, List, NamedTuple, Tuple

import mrcfile
import numpy as np
from class_scores import weighted_auc
from numpy.typing import NDArray
from real_data import NO_IMAGES, Candidates, distances, exposures, places_off, within

from repic_plugin.evaluation import matching_radius
from repic_plugin.formats import (
    read_class_tables,
    read_columns,
    write_particles_star,
    write_stack,
)
from repic_plugin.formats.base.star_reading import star_tables
from repic_plugin.plots.canvas import new_figure
from repic_plugin.plots.class_montage import grey_tiles
from repic_plugin.plots.colors import JUNK_COLOR
from repic_plugin.template_picking import extract_particles

PROGRAM = (sys.executable, "-m", "repic_plugin.cli", "classify")
PURE = 0.95  # part of a class that is true, or is not
SEEDS = (0, 1, 2)
N_RELION = 2  # seeds; each takes minutes
JPEG = {"quality": 85}
TILE_PX = 120


class Data(NamedTuple):
    """A data set, and how it is cut and classified."""

    folder: str
    suffix: str
    picks: str
    picks_box_px: int
    pixel_size_angstrom: float
    box_px: int
    side_px: int
    border_px: int  # smeared columns and rows
    n_classes: int
    far_px: float  # of the control, from labels: nothing of a particle is in the middle of the box


# Apoferritin is crowded: further from labels than half a box there is hardly a place.
SETS = {
    "apoferritin": Data(
        "empiar-10146", "png", "empiar-10146/picks", 120, 1.5, 120, 60, 0, 16, 60.0
    ),
    "β-galactosidase": Data(
        "empiar-10017", "jpg", "../empiar-10017", 180, 1.77, 144, 64, 80, 30, 122.0
    ),
}  # fmt: skip


class Partition(NamedTuple):
    """Classes of particles, and what they took."""

    labels: NDArray[np.int64]
    averages: NDArray[np.float32]
    sizes: NDArray[np.int64]
    seconds: float
    processor_seconds: float


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--real", metavar="DIR", type=Path)
    parser.add_argument("--only", choices=[*SETS, "control", "relion"], nargs="*")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seeds", type=int, nargs="*", default=SEEDS)
    parser.add_argument("--picture", metavar="FILE", help="averages beside RELION's, first seed")
    args = parser.parse_args()
    if args.real is None:
        print(f"classes of real particles {NO_IMAGES}")
        return
    wanted = args.only or [*SETS, "control", "relion"]
    with tempfile.TemporaryDirectory(prefix="repic-real-") as name:
        for title, data in SETS.items():
            if title in wanted:
                candidates(title, data, args, Path(name) / data.folder)
            if "control" in wanted:
                control(title, data, args, Path(name) / f"{data.folder}-control")
        if "relion" in wanted:
            beside_relion(SETS["apoferritin"], args, Path(name) / "relion")


# sections


def candidates(title: str, data: Data, args: Any, folder: Path) -> None:
    """Classes and candidates against labels."""
    is_true = write_candidates(args.real, data, folder)
    print(f"\n{title}: {len(is_true):,} candidates, {is_true.sum():,} true; {cut(data)}")
    for seed in args.seeds:
        found = classified(folder, data.n_classes, seed, args.threads)
        tables = read_class_tables(folder / "classes")
        if seed == args.seeds[0]:
            print_classes(tables, is_true)
        print(f"  seed {seed}: {purity(found, is_true)}", flush=True)
        print(f"    {judged(tables, is_true)}, {spent(found)}", flush=True)
        print(f"    {used(tables)}", flush=True)


def control(title: str, data: Data, args: Any, folder: Path) -> None:
    """Boxes without a labelled particle: none of the classes should be good."""
    rng, boxes = np.random.default_rng(0), []
    for one in exposures(args.real / data.folder, data.suffix):
        places = places_off(one, data.box_px, data.far_px, data.box_px / 4, rng)
        boxes.append(images_at(one, within(places, one, margin(data)), data))
    n = write_particles(folder, np.concatenate(boxes), data)
    print(f"\n{title}: {n:,} boxes at random, {data.far_px:g} px and more from labels")
    for seed in args.seeds:
        classified(folder, data.n_classes, seed, args.threads)
        tables = read_class_tables(folder / "classes")
        good = ~tables.is_junk
        print(
            f"  seed {seed}: {good.sum()} of {len(good)} classes are good, with "
            f"{tables.sizes[good].sum() / n:.2f} of the boxes; highest score "
            f"{tables.scores.score.max():.2f}, {tables.scores.is_off_centre.sum()} off centre; "
            f"{used(tables)}",
            flush=True,
        )


def beside_relion(data: Data, args: Any, folder: Path) -> None:
    """The same particles, number of classes and mask; 25 iterations of RELION."""
    if shutil.which("relion_refine") is None:
        print("\nbeside RELION skipped: no relion_refine (Debian's package relion)")
        return
    is_true = write_candidates(args.real, data, folder)
    print(f"\nbeside RELION: {len(is_true):,} candidates, {is_true.sum():,} true, {cut(data)}, "
          f"{data.n_classes} classes, {args.threads} threads, no CTF")  # fmt: skip
    for seed in args.seeds[:N_RELION]:
        ours = classified(folder, data.n_classes, seed, args.threads)
        tables = read_class_tables(folder / "classes")
        mask = float(tables.used["mask_diameter_px"][0]) * data.pixel_size_angstrom
        mask *= data.box_px / data.side_px
        theirs = relion_classes(folder, data.n_classes, seed, args.threads, mask)
        for name, found in (("repic-plugin classify", ours), ("RELION Class2D", theirs)):
            print(f"  seed {seed}: {name:22s} {purity(found, is_true)}, {spent(found)}", flush=True)
        if args.picture and seed == args.seeds[0]:
            figure = averages_figure(
                {"repic-plugin classify": ours, "RELION 3.1.3, Class2D": theirs}, is_true
            )
            figure.savefig(args.picture, pil_kwargs=JPEG)


# particles


def margin(data: Data) -> float:
    return data.box_px / 2 + data.border_px


def cut(data: Data) -> str:
    pixel_size = data.pixel_size_angstrom * data.box_px / data.side_px
    return f"boxes of {data.box_px} px cut to {data.side_px} px of {pixel_size:.2f} Å"


def write_candidates(real: Path, data: Data, folder: Path) -> NDArray[np.bool_]:
    """Write boxes at what any picker found; whether each is a labelled particle."""
    found = Candidates(real / data.picks, data.picks_box_px)
    radius, boxes, is_true = matching_radius(data.picks_box_px, None), [], []
    for one in exposures(real / data.folder, data.suffix):
        places = within(found.of(one.name), one, margin(data))
        boxes.append(images_at(one, places, data))
        is_true.append(distances(places, one.labels) <= radius)
    write_particles(folder, np.concatenate(boxes), data)
    return np.concatenate(is_true)


def images_at(exposure: Any, places: NDArray[np.float64], data: Data) -> NDArray[np.float32]:
    found = extract_particles(exposure.image, places, data.box_px, side_px=data.side_px)
    if len(found) != len(places):
        raise SystemExit(f"boxes extend beyond {exposure.name}")
    return found.images


def write_particles(folder: Path, images: NDArray[np.float32], data: Data) -> int:
    folder.mkdir()
    pixel_size = data.pixel_size_angstrom * data.box_px / data.side_px
    write_stack(folder / "particles.mrcs", images, pixel_size)
    names = [f"{i + 1:06d}@particles.mrcs" for i in range(len(images))]
    write_particles_star(folder / "particles.star", names, pixel_size, data.side_px)
    return len(images)


# both programs, files to files


def classified(folder: Path, n_classes: int, seed: int, threads: int) -> Partition:
    out = folder / "classes"
    shutil.rmtree(out, ignore_errors=True)
    words = ("particles.star", "--classes", n_classes, "--out", "classes", "--seed", seed)
    seconds = timed(folder, *PROGRAM, *words, "--threads", threads)
    tables = read_class_tables(out)
    return Partition(tables.labels, stack(out / "class_averages.mrcs"), tables.sizes, *seconds)


def relion_classes(
    folder: Path, n_classes: int, seed: int, threads: int, mask_angstrom: float
) -> Partition:
    """As RELION's own window starts a 2D classification, without CTF."""
    out = folder / "relion"
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir()
    seconds = timed(
        folder, "relion_refine", "--i", "particles.star", "--o", "relion/run",
        "--K", n_classes, "--iter", 25, "--tau2_fudge", 2, "--particle_diameter", mask_angstrom,
        "--flatten_solvent", "--zero_mask", "--oversampling", 1, "--psi_step", 12,
        "--offset_range", 5, "--offset_step", 2, "--norm", "--scale", "--center_classes",
        "--dont_combine_weights_via_disc", "--pool", 3, "--pad", 2,
        "--random_seed", seed, "--j", threads,
    )  # fmt: skip
    table = next(t for t in star_tables(out / "run_it025_data.star") if t.name == "data_particles")
    columns = read_columns(table, ["rlnClassNumber"], ["rlnImageName"])
    order = np.argsort(columns.words["rlnImageName"])  # as the images are numbered
    labels = columns.numbers["rlnClassNumber"].astype(np.int64)[order] - 1
    sizes = np.bincount(labels, minlength=n_classes)
    return Partition(labels, stack(out / "run_it025_classes.mrcs"), sizes, *seconds)


def stack(file: Path) -> NDArray[np.float32]:
    with mrcfile.open(file, permissive=True) as opened:
        return np.array(opened.data, dtype=np.float32)


def timed(folder: Path, *words: Any) -> Tuple[float, float]:
    """Seconds of a command, and of the processors."""
    before, start = processor_seconds(), time.perf_counter()
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        list(map(str, words)), cwd=folder, env=environment, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    if done.returncode:
        raise SystemExit(f"{words[0]} failed:\n{done.stderr[-2000:]}")
    return time.perf_counter() - start, processor_seconds() - before


def processor_seconds() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


# against labels


def true_part(labels: NDArray[np.int64], is_true: NDArray[np.bool_], n: int) -> NDArray[np.float64]:
    """Part of each class that is true."""
    sizes = np.bincount(labels, minlength=n)
    return np.bincount(labels, is_true, n) / np.maximum(sizes, 1)


def purity(found: Partition, is_true: NDArray[np.bool_]) -> str:
    """How well the classes separate particles from others, whatever is thought of each class."""
    sizes = found.sizes
    part = true_part(found.labels, is_true, len(sizes))
    filled = sizes > 0
    pure = filled & ((part >= PURE) | (part <= 1 - PURE))
    true, other = part * sizes, (1 - part) * sizes
    alike = (true * (true - 1) + other * (other - 1)).sum() / (sizes * (sizes - 1)).sum()
    overall = is_true.mean()
    kept = (part > 0.5)[found.labels]
    chance = overall**2 + (1 - overall) ** 2
    return (
        f"{filled.sum()} classes of {sizes[filled].min()} to {sizes.max()}, {pure.sum()} pure; "
        f"purity {np.maximum(true, other).sum() / sizes.sum():.3f} "
        f"(one class {max(overall, 1 - overall):.3f}), "
        f"pairs alike {alike:.3f} (chance {chance:.3f}), "
        f"others in classes of others {(~is_true & ~kept).sum() / (~is_true).sum():.3f}"
    )


def judged(tables: Any, is_true: NDArray[np.bool_]) -> str:
    """What score, probability and junk flags say."""
    labels, scores = tables.labels, tables.scores
    part = true_part(labels, is_true, len(tables.sizes))
    each = np.ones(len(labels))
    areas = [
        weighted_auc(values, is_true, each)
        for values in (
            scores.score[labels],
            scores.probability[labels],
            scores.particle_probability,
        )
    ]
    of_classes = weighted_auc(scores.score, part > 0.5, tables.sizes)
    junk = tables.is_junk[labels]
    kept = is_true & ~junk
    precision, recall = kept.sum() / max((~junk).sum(), 1), kept.sum() / is_true.sum()
    return (
        f"area under the curve: classes {of_classes:.3f}, candidates by score of the class "
        f"{areas[0]:.3f}, its probability {areas[1]:.3f}, their own {areas[2]:.3f}; junk classes "
        f"hold {(~is_true & junk).sum() / (~is_true).sum():.3f} of the others, "
        f"{(is_true & junk).sum() / is_true.sum():.3f} of the true; good classes: P "
        f"{precision:.3f} R {recall:.3f} F1 {2 * kept.sum() / ((~junk).sum() + is_true.sum()):.3f}"
    )


def used(tables: Any) -> str:
    values = {name: column[0] for name, column in tables.used.items()}
    diameter = values["particle_diameter_angstrom"]
    visible = f"{diameter:.0f} Å" if np.isfinite(diameter) else "not visible"
    return (
        f"particle diameter {visible}, mask "
        f"{values['mask_diameter_px']:.3g} px, compared at {values['resolution_angstrom']:.3g} Å"
    )


def spent(found: Partition) -> str:
    return f"{found.seconds:.1f} s, {found.processor_seconds:.1f} processor seconds"


def print_classes(tables: Any, is_true: NDArray[np.bool_]) -> None:
    """One line for each class, by true part."""
    part, scores = true_part(tables.labels, is_true, len(tables.sizes)), tables.scores
    print("  class  size  true  score  probability  resolution, Å")
    for k in np.argsort(-part, kind="stable"):
        notes = " junk" * bool(tables.is_junk[k]) + " off centre" * bool(scores.is_off_centre[k])
        print(
            f"  {k:5d} {tables.sizes[k]:5d}  {part[k]:.2f}   {scores.score[k]:.2f}         "
            f"{scores.probability[k]:.2f}  {scores.resolution_angstrom[k]:10.1f}{notes}"
        )


# picture


def averages_figure(partitions: Any, is_true: NDArray[np.bool_]) -> Any:
    """Averages by size, each stretched from black to white; size and true part below."""
    n_columns = 4
    n_rows = -(-max(len(found.sizes) for found in partitions.values()) // n_columns)
    figure = new_figure((2 * n_columns * 1.05 + 0.4, n_rows * 1.24 + 0.45), is_laid_out=False)
    sides = figure.subfigures(1, len(partitions), wspace=0.02)
    for side, (title, found) in zip(sides, partitions.items()):
        side.suptitle(title, fontsize=12, weight="bold", y=0.985)
        axes = side.subplots(n_rows, n_columns).ravel()
        side.subplots_adjust(0.02, 0.045, 0.98, 0.925, wspace=0.06, hspace=0.22)
        part = true_part(found.labels, is_true, len(found.sizes))
        order: List[int] = np.argsort(-found.sizes, kind="stable").tolist()
        tiles = grey_tiles(found.averages, TILE_PX)
        for axis in axes:
            axis.set_axis_off()
        for axis, k in zip(axes, order):
            axis.imshow(tiles[k], cmap="gray", vmin=0, vmax=255)
            text = f"{found.sizes[k]}, {100 * part[k]:.0f} % true" if found.sizes[k] else "empty"
            color = "black" if part[k] > 0.5 else JUNK_COLOR
            axis.set_title(text, fontsize=9, y=-0.2, color=color)
    return figure


if __name__ == "__main__":
    main()
