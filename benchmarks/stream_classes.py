"""2D classification in a stream beside one in one go: part of `make bench`.

Simulated particles of 64 px. One view appears in the second half of the stream alone. Then the time
of a whole session, in which the particles come again and again, and the largest memory.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any

import numpy as np

from repic_plugin.classification import (
    ClassStream,
    StreamSettings,
    assign_particles,
    classify_particles,
    stream_memory_bytes,
)
from repic_plugin.classification.image_rows import ImageRows
from repic_plugin.commands.maps import load_map
from repic_plugin.evaluation import score_classes
from repic_plugin.simulation import phantom_map, simulate_particles

BOX_PX, PIXEL_SIZE, LATE = 64, 5.0, 3


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--map", help="MRC map at 5 Å/px; the built-in phantom if none")
    parser.add_argument("--views", type=int, default=40)
    parser.add_argument("--per-view", type=int, default=500)
    parser.add_argument("--snr", type=float, default=0.1)
    parser.add_argument("--session", type=int, default=100_000, help="particles; 0 for none")
    parser.add_argument(
        "--first", type=int, help="particles that classes are made of; half if none"
    )
    parser.add_argument("--full-pass", action="store_true", help="of the session, too")
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()
    volume = load_map(args.map, PIXEL_SIZE, None)[0] if args.map else phantom_map(BOX_PX)
    for uneven in (None, 0.5):
        if args.per_view:
            compared(args, volume, uneven)
    if args.session:
        session(args, volume)


def compared(args: Any, volume: Any, uneven: Any) -> None:
    """Print f15 of a stream and of one go."""
    made = simulated(volume, args.views, args.per_view, args.snr, uneven)
    rows = with_a_late_view(made.view)
    images, ctf, n = made.images[rows], made.ctf.take(rows), len(rows)
    print(f"{n:,} particles in {args.views} views, {'uneven' if uneven else 'even'}")
    first = args.first or n // 2 - 1
    stream = ClassStream(StreamSettings(args.views, n_first=first, **options(args)))
    labels = np.full(n, -1)
    start = time.perf_counter(), time.process_time()
    for block in stream.advance(images, ctf, now=True, n_threads=args.threads):
        labels[block.rows] = block.found.labels
        if block.new is not None:
            labels[block.new.rows] = block.new.found.labels
            print(f"  {len(block.new.n_averaged)} new class after {block.rows[-1] + 1:,} particles")
    print("  in a stream: " + score(made, rows, labels) + spent(start))
    start = time.perf_counter(), time.process_time()
    known = {"measured_before": stream.state.measured, "n_threads": args.threads}
    full = assign_particles(images, stream.state.references, ctf=ctf, **known)
    print("  assigned again at the end: " + score(made, rows, full.labels) + spent(start))
    start = time.perf_counter(), time.process_time()
    for block in stream.full_pass(images, ctf, n_threads=args.threads):
        labels[block.rows] = block.found.labels
    print("  full pass: " + score(made, rows, labels) + spent(start))
    start = time.perf_counter(), time.process_time()
    one = {"pixel_size_angstrom": PIXEL_SIZE, "n_threads": args.threads}
    whole = classify_particles(images, args.views, ctf=ctf, **one)
    print("  in one go: " + score(made, rows, whole.labels) + spent(start))
    again = assign_particles(images, whole.references(), ctf=ctf, n_threads=args.threads)
    print("  in one go, and assigned to that: " + score(made, rows, again.labels))


def session(args: Any, volume: Any) -> None:
    """Print the time of many particles in 100 classes, from the first to the last."""
    made = simulated(volume, 100, 250, args.snr, None)
    rows = np.random.default_rng(0).permutation(len(made))
    again = rows[np.arange(args.session) % len(rows)]
    images, ctf = ImageRows(made.images, again), made.ctf.take(again)
    before = resident_mb()
    forget_peak()
    stream = ClassStream(StreamSettings(100, **options(args)))
    start = time.perf_counter(), time.process_time()
    for block in stream.advance(images, ctf, now=True, n_threads=args.threads):
        if block.rows[0] == 0:
            print(f"{args.session:,} particles: classes of {len(block.rows):,}" + spent(start))
            first = stream.state.references, time.perf_counter(), time.process_time()
    references, *since = first
    n_more, wall = args.session - stream.state.n_first, time.perf_counter() - since[0]
    processor = time.process_time() - since[1]
    print(
        f"  all of them{spent(start)}, {len(stream.state)} classes; after the first "
        f"{n_more / wall:,.0f} a second, {n_more / processor:,.0f} a processor second"
    )
    memory = "  memory {} {:,.0f} MB, by the formula {:,.0f} MB at most".format
    bounds = (len(stream.state), references.sizes)
    most = stream_memory_bytes(*bounds, stream.state.n_first, n_threads=args.threads) / 1e6
    print(memory("of a stream", peak_mb() - before, most))
    if args.full_pass:
        forget_peak()
        start = time.perf_counter(), time.process_time()
        n = sum(len(b.rows) for b in stream.full_pass(images, ctf, n_threads=args.threads))
        print("  full pass" + spent(start))
        most = stream_memory_bytes(*bounds, n, n_threads=args.threads) / 1e6
        print(memory("of a full pass", peak_mb() - before, most))


def simulated(volume: Any, views: int, per_view: int, snr: float, uneven: Any) -> Any:
    return simulate_particles(
        volume,
        views,
        per_view,
        pixel_size_angstrom=PIXEL_SIZE,
        snr=snr,
        spread_deg=4.0,
        uneven=uneven,
    )


def options(args: Any) -> Any:
    return {"pixel_size_angstrom": PIXEL_SIZE, "n_per_block": 2048 if args.per_view else 4096}


def with_a_late_view(view: Any) -> Any:
    """Order of the particles, mixed, in which one view is in the second half alone."""
    rng = np.random.default_rng(0)
    mixed = rng.permutation(len(view))
    early = mixed[view[mixed] != LATE][: len(view) // 2]
    return np.concatenate([early, rng.permutation(np.setdiff1d(mixed, early))])


def score(made: Any, rows: Any, labels: Any) -> str:
    found = score_classes(labels, made.directions()[rows])
    return f"f15 {float(found.pair_fraction):.4f}"


def spent(start: Any) -> str:
    wall, processor = start
    return (
        f", {time.perf_counter() - wall:.0f} s ({time.process_time() - processor:.0f} processor s)"
    )


def resident_mb() -> float:
    return status_mb("VmRSS")


def peak_mb() -> float:
    """Since `forget_peak`."""
    return status_mb("VmHWM")


def forget_peak() -> None:
    Path("/proc/self/clear_refs").write_text("5")


def status_mb(name: str) -> float:
    """A size in the kernel's record of this process (Linux)."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(float(line.split()[1]) for line in lines if line.startswith(name)) / 1024


if __name__ == "__main__":
    main()
