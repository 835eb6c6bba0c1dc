"""Assignment to given classes beside the classification that made them: part of `make bench`.

Classes are found with one half of simulated particles of 64 px, and the other half is assigned to
them. The floor is the time of the multiplications alone at the speed of a large matrix product:
circular harmonics of low order with all moved averages, all orders with the likely ones.
"""

from __future__ import annotations

import argparse
import time
from typing import Any, Callable, NamedTuple

import numpy as np

from repic_plugin.classification import assign_particles, classify_particles
from repic_plugin.classification.assignment.search import N_FINE
from repic_plugin.classification.candidates import (
    N_CANDIDATES,
    N_NEAR,
    coarse_grid,
    coarse_shifts,
    search_shifts,
)
from repic_plugin.commands.maps import load_map
from repic_plugin.evaluation import score_classes
from repic_plugin.simulation import phantom_map, simulate_particles

BOX_PX, PIXEL_SIZE, VIEWS = 64, 5.0, 100
SESSION = 100_000  # particles


class Timed(NamedTuple):
    result: Any
    seconds: float
    processor_seconds: float


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--map", help="MRC map at 5 Å/px; the built-in phantom if none")
    parser.add_argument("--per-view", type=int, default=80)
    parser.add_argument("--snr", type=float, default=0.1)
    args = parser.parse_args()
    volume = load_map(args.map, PIXEL_SIZE, None)[0] if args.map else phantom_map(BOX_PX)
    made = simulate_particles(
        volume, VIEWS, args.per_view, pixel_size_angstrom=PIXEL_SIZE, snr=args.snr, spread_deg=4.0
    )
    order = np.random.default_rng(0).permutation(len(made))
    first, rest = (np.sort(part) for part in np.array_split(order, 2))
    options = {"pixel_size_angstrom": PIXEL_SIZE}

    def classified(rows: Any) -> Any:
        ctf = made.ctf.take(rows)
        return classify_particles(made.images[rows], VIEWS, ctf=ctf, n_threads=2, **options)

    def assigned(rows: Any, n_threads: int = 1) -> Any:
        given = {"ctf": made.ctf.take(rows), "n_threads": n_threads, **options}
        return assign_particles(made.images[rows], references, **given)

    classes = timed(lambda: classified(first))
    references = classes.result.references()
    assigned(rest[:600])  # compiles
    one, two = (timed(lambda n=n: assigned(rest, n)) for n in (1, 2))
    both = timed(lambda: classified(order))
    n = len(rest)
    print(f"{n:,} particles of {BOX_PX} px in {VIEWS} classes, signal-to-noise {args.snr:g}")
    for name, found in (("one thread", one), ("two threads", two)):
        print(
            f"  assigned on {name}: {n / found.seconds:,.0f} particles/s, "
            f"{1e6 * found.processor_seconds / n:.0f} processor µs each"
        )
    cost = classes.processor_seconds / len(first)
    ratio = cost / (one.processor_seconds / n)
    print(f"  classified: {1e6 * cost:,.0f} processor µs each, {ratio:.0f} times as much")
    flops, per_second = floor(references), matrix_speed()
    print(
        f"  floor: {flops / 1e6:.2f} million operations each, {1e6 * flops / per_second:.0f} µs at "
        f"{per_second / 1e9:.0f} GFLOPS"
    )
    print(f"  {SESSION:,} would take {SESSION * one.processor_seconds / n:.0f} processor s")
    same = assigned(first).labels == classes.result.labels
    print(f"  of those classified, {same.mean():.3f} are assigned to their class")
    shares = {
        "classified": f15(made, first, classes.result.labels),
        "assigned": f15(made, rest, one.result.labels),
        "the same when all are classified together": f15(
            made, rest, both.result.labels[np.argsort(order)][rest]
        ),
    }
    print("  f15: " + ", ".join(f"{name} {value:.3f}" for name, value in shares.items()))
    of_particles, of_noise = np.median(one.result.fit), np.median(noise_fit(made, references))
    print(f"  fit: median {of_particles:.2f}, of noise {of_noise:.2f}")


def noise_fit(made: Any, references: Any) -> Any:
    noise = np.random.default_rng(1).normal(size=(1000, BOX_PX, BOX_PX)).astype(np.float32)
    return assign_particles(noise, references, ctf=made.ctf.take(slice(0, 1000))).fit


def timed(work: Callable[[], Any]) -> Timed:
    start = time.perf_counter(), time.process_time()
    result = work()
    return Timed(result, time.perf_counter() - start[0], time.process_time() - start[1])


def floor(references: Any) -> float:
    """Multiplications and additions for one particle."""
    sizes = references.sizes
    grid, shifts = sizes.grid(), search_shifts(sizes.grid(), sizes.max_shift_px)
    low = coarse_grid(grid)
    n_coarse = len(references) * len(coarse_shifts(grid, shifts.everywhere, False))
    n_full = N_CANDIDATES * N_NEAR + N_FINE * len(shifts.local)
    return float(pairs(low, n_coarse) + pairs(grid, n_full))


def pairs(grid: Any, n: int) -> int:
    """Operations for n moved averages: sums over rings, and over orders at a quarter turn."""
    return n * (8 * grid.n_coefficients + 4 * grid.n_orders * (grid.n_angles // 4 + 1))


def matrix_speed(side: int = 1024) -> float:
    """Operations per second of a matrix product on one thread."""
    a = np.ones((side, side), np.float32)
    best = min(timed(lambda: a @ a).processor_seconds for _ in range(5))
    return 2 * side**3 / best


def f15(made: Any, rows: Any, labels: Any) -> float:
    return float(score_classes(labels, directions(made.euler_deg[rows])).pair_fraction)


def directions(euler_deg: Any) -> Any:
    rot, tilt, _ = np.deg2rad(euler_deg).T
    return np.column_stack([np.cos(rot) * np.sin(tilt), np.sin(rot) * np.sin(tilt), np.cos(tilt)])


if __name__ == "__main__":
    main()
