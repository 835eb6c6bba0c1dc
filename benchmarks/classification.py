"""2D classification on the benchmark of Xu et al. 2016, in one run: `make bench MAP=map.mrc`.

Particles are simulated, classified and scored by the commands. f15 is the fraction of
same-class pairs whose true viewing directions lie within 15 degrees.
"""

from __future__ import annotations

import argparse
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from repic_plugin.classification.correlation import best_poses, shift_grid
from repic_plugin.classification.polar import polar_grid
from repic_plugin.classification.threads import one_blas_thread

PROGRAM = [sys.executable, "-m", "repic_plugin.cli"]
ALL_CLASSES = [sys.executable, "-c", """
import sys
from repic_plugin.classification import candidates
from repic_plugin.cli import main
candidates.N_CANDIDATES = 10**9
sys.exit(main(sys.argv[1:]))
"""]  # fmt: skip
PIXEL_SIZE = 5.0
TABLE = (  # views, images per view, 1 / SNR, target f15, CV and seconds
    (25, 80, 3, 0.93, 0.10, 10),
    (25, 80, 10, 0.93, 0.10, 10),
    (25, 80, 30, 0.86, 0.15, 15),
    (100, 100, 10, 0.93, 0.10, 120),
    (100, 100, 30, 0.80, 0.15, 120),
)
SEEDS = (0, 1, 2)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--map", default="phantom", help="a density map; the built-in one if none")
    parser.add_argument("--only", choices=SECTIONS, nargs="*", default=list(SECTIONS))
    args = parser.parse_args()
    print(f"map: {Path(args.map).name}\n")
    if args.map == "phantom":
        print("(the target values are those of the 70S ribosome: give MAP=...)\n")
    with tempfile.TemporaryDirectory() as folder:
        for name in args.only:
            print(SECTIONS[name].__doc__, flush=True)
            SECTIONS[name](Particles(args.map, Path(folder)))
            print()


class Particles:
    """Simulated sets, each made once."""

    def __init__(self, density, folder):
        self.density, self.folder = density, folder

    def make(self, views, per_view, inverse_snr, seed, *options):
        out = self.folder / "-".join(
            str(part).strip("-") for part in (views, per_view, inverse_snr, seed, *options)
        )
        if not out.exists():
            command("simulate-particles", self.density, "--out", out, "--views", views,
                    "--per-view", per_view, "--snr", 1 / inverse_snr, "--pixel-size", PIXEL_SIZE,
                    "--seed", seed, *options)  # fmt: skip
        return out


def command(*words, program=PROGRAM):
    result = subprocess.run(
        [*program, *map(str, words)], check=False, capture_output=True, text=True
    )
    if result.returncode:
        raise SystemExit(result.stderr)
    return result.stdout


def classify(particles, n_classes, seed, *options, program=PROGRAM, clock=time.perf_counter):
    """Scores of one run: f15, perfect f15, CV, smallest, under 5, junk classes, seconds."""
    out = particles / "classes"
    shutil.rmtree(out, ignore_errors=True)
    start = clock()
    command("classify", particles / "particles.star", "--classes", n_classes, "--out", out,
            "--seed", seed, *options, program=program)  # fmt: skip
    seconds = clock() - start
    scores = out / "scores"
    command("score-classes", out / "assignments.csv", particles / "truth.csv", "--out", scores,
            "--classes", n_classes)  # fmt: skip
    names, values = (scores / "scores.csv").read_text("utf-8").splitlines()
    found = dict(zip(names.split(","), values.split(",")))
    is_junk = np.loadtxt(out / "classes.csv", delimiter=",", skiprows=1, usecols=3, ndmin=1) > 0
    truth = np.genfromtxt(scores / "classes.csv", delimiter=",", names=True)
    return found, is_junk, truth, seconds


def row(label, runs):
    f15, perfect, cv = (np.array([float(r[0][key]) for r in runs]) for key in
                        ("pair_fraction", "perfect_fraction", "size_variation"))  # fmt: skip
    under = sum(int(float(r[0]["n_under_5"])) for r in runs)
    print(
        f"  {label:44s} f15 {f15.mean():.3f} ({f15.min():.3f} to {f15.max():.3f}; perfect "
        f"{perfect.mean():.3f})  CV {cv.max():.2f}  under 5: {under}  "
        f"{np.mean([r[3] for r in runs]):6.1f} s",
        flush=True,
    )


def table(particles):
    """The benchmark, mean of 3 seeds (largest CV); targets in brackets"""
    for views, per_view, inverse, f15, cv, seconds in TABLE:
        runs = [classify(particles.make(views, per_view, inverse, s), views, s) for s in SEEDS]
        row(f"{views} views, SNR 1/{inverse} [{f15}, {cv}, {seconds} s]", runs)


def rules(particles):
    """Rules with the same seeds and initial averages, 25 views, mean of 3 seeds"""
    for inverse in (10, 30):
        for label, options in {
            "ack": (),
            "ack --no-trade (the paper's)": ("--no-trade",),
            "eqk": ("--method", "eqk"),
            "spider": ("--method", "spider"),
            "kmeans": ("--method", "kmeans"),
            "ack --alignment msa": ("--alignment", "msa"),
            "ack --alignment rfa": ("--alignment", "rfa"),
            "ack --ctf flip": ("--ctf", "flip"),
            "ack --ctf none": ("--ctf", "none"),
        }.items():
            runs = [classify(particles.make(25, 80, inverse, s), 25, s, *options) for s in SEEDS]
            row(f"SNR 1/{inverse} {label}", runs)


def limits(particles):
    """Uneven views (lognormal populations, SD 1), and 20 per cent pure noise, SNR 1/10"""
    for label, simulated in {"uneven": ("--uneven", 1.0), "noise": ("--junk", 0.2)}.items():
        for rule, options in {
            "ack": (),
            "ack --no-trade": ("--no-trade",),
            "ack --no-trade --beta 0.1": ("--no-trade", "--beta", 0.1),
            "kmeans": ("--method", "kmeans"),
        }.items():
            runs = [
                classify(particles.make(25, 80, 10, s, *simulated), 25, s, *options) for s in SEEDS
            ]
            row(f"{label}: {rule}", runs)
            if label == "noise":
                for _, is_junk, truth, _ in runs:
                    part = np.nan_to_num(truth["junk_fraction"])
                    print(
                        f"      classes flagged {np.flatnonzero(is_junk).tolist()}, mostly noise "
                        f"{np.flatnonzero(part > 0.5).tolist()}"
                    )


def growth(particles):
    """Scaling on one thread: seconds per thousand images, and seconds per class"""
    for per_view in (40, 80, 160, 320):
        *_, seconds = classify(particles.make(25, per_view, 10, 0), 25, 0, "--threads", 1,
                               "--no-trade")  # fmt: skip
        n = 25 * per_view
        print(
            f"  {n:6,} images, 25 classes   {seconds:6.1f} s  {seconds / n * 1e3:6.2f}", flush=True
        )
    for k in (12, 25, 50, 100):
        *_, seconds = classify(particles.make(25, 160, 10, 0), k, 0, "--threads", 1, "--no-trade",
                               "--max-iterations", 10, "--tolerance", 0)  # fmt: skip
        print(
            f"  4,000 images, {k:3d} classes, 10 iterations {seconds:6.1f} s  {seconds / k:6.3f}",
            flush=True,
        )
    for threads in (1, 2):
        *_, seconds = classify(particles.make(100, 40, 10, 0), 100, 0, "--threads", threads,
                               "--no-trade", "--max-iterations", 10, "--tolerance", 0)  # fmt: skip
        print(
            f"  4,000 images, 100 classes, 10 iterations, {threads} threads {seconds:6.1f} s",
            flush=True,
        )


def candidates(particles):
    """Candidate classes, and all classes fully compared: processor seconds, one thread"""
    for views, per_view in ((100, 40), (100, 100), (200, 50)):
        spent = []
        for label, program in {"candidates": PROGRAM, "all classes": ALL_CLASSES}.items():
            runs = [
                classify(particles.make(views, per_view, 10, seed), views, seed, "--threads", 1,
                         program=program, clock=processor_seconds)
                for seed in SEEDS[:2]
            ]  # fmt: skip
            row(f"{views * per_view:,} images, {views} classes: {label}", runs)
            spent.append(sum(run[3] for run in runs))
        print(f"      {spent[1] / spent[0]:.2f} times as fast", flush=True)


def processor_seconds():
    """Of all commands so far."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def kernel(particles):
    """Comparisons of an image with a reference at one shift and all rotations, one thread"""
    rng = np.random.default_rng(0)
    grid = polar_grid(64, 12, 54)
    shifts = shift_grid(4, 2)

    def random(*shape):
        pairs = rng.standard_normal((*shape, grid.n_coefficients, 2), np.float32)
        return pairs.view(np.complex64)[..., 0]

    images, references = random(2000), random(25, len(shifts))
    with one_blas_thread():
        best_poses(grid, images[:200], references)
        ours = fastest(lambda: best_poses(grid, images, references)) / (2000 * 25 * len(shifts))
    plain = plain_correlation(grid, images[:200], references[0])
    print(f"  here {1 / ours / 1e6:28.3f} million per second")
    print(
        f"  pair by pair, FFT over the angle {1 / plain / 1e6:.3f} million per second: "
        f"{plain / ours:.0f} times as long"
    )


def plain_correlation(grid, images, references):
    """Seconds per pair: multiply, sum the rings of each order, transform over the angle."""

    def work():
        for image in images:
            spectrum = np.add.reduceat(image * references.conj(), grid.starts[:-1], axis=1)
            np.fft.ifft(spectrum, n=grid.n_angles, axis=1).real.argmax(axis=1)

    return fastest(work) / (len(images) * len(references))


def fastest(work, repeats=3):
    best = np.inf
    for _ in range(repeats):
        start = time.perf_counter()
        work()
        best = min(best, time.perf_counter() - start)
    return best


SECTIONS = {
    "table": table,
    "rules": rules,
    "limits": limits,
    "candidates": candidates,
    "growth": growth,
    "kernel": kernel,
}

if __name__ == "__main__":
    main()
