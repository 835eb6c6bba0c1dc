"""ACK-means on several MPI processes: speed-up and communication.

`make bench`. Processes have one thread each. Without mpirun and mpi4py nothing is measured.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from repic_plugin.classification import CtfParameters, classify_particles, particle_sizes
from repic_plugin.commands.mpi import the_ranks
from repic_plugin.simulation import phantom_map, simulate_particles

BOX_PX, PIXEL_SIZE, VIEWS, PER_VIEW = 64, 5.0, 25, 80
FEW, MANY = 2, 10  # iterations
REPEATS = 2
COLUMNS = ("images", *(f"ctf{i}" for i in range(7)))
PERMISSIONS = {  # for benchmarks and tests only: root, and more processes than processors
    "OMPI_ALLOW_RUN_AS_ROOT": "1",
    "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1",
    "OMPI_MCA_rmaps_base_oversubscribe": "1",
    "PRTE_MCA_rmaps_default_mapping_policy": ":oversubscribe",
    "OMPI_MCA_hwloc_base_binding_policy": "none",  # others may be using the cores
    "PRTE_MCA_hwloc_default_binding_policy": "none",
    "OMP_NUM_THREADS": "1",
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--classes", type=int, default=VIEWS)
    parser.add_argument("--ranks", type=int, nargs="*", help="1 and 2, and 4 where there are cores")
    parser.add_argument("--work", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.work:
        return work(Path(args.work), args.classes)
    mpirun = Path(sys.executable).with_name("mpirun")
    found = str(mpirun) if mpirun.exists() else shutil.which("mpirun")
    if found is None:
        print("MPI: skipped, mpirun not found")
        return None
    numbers = args.ranks or [1, 2, *([4] if (os.cpu_count() or 1) >= 4 else [])]
    with tempfile.TemporaryDirectory() as folder:
        write(Path(folder))
        compare(found, Path(folder), numbers, args.classes)


def write(folder: Path) -> None:
    made = simulate_particles(
        phantom_map(BOX_PX), VIEWS, PER_VIEW, pixel_size_angstrom=PIXEL_SIZE, snr=0.1
    )
    for name, column in zip(COLUMNS, (made.images, *made.ctf.columns())):
        np.save(folder / f"{name}.npy", column)


def compare(mpirun: str, folder: Path, numbers, n_classes: int) -> None:
    grid = particle_sizes(BOX_PX, PIXEL_SIZE).grid()
    n_rings, n_values = len(grid.rings), 2 * grid.n_coefficients
    formula = 8 * n_classes * (n_values + n_rings + 3)
    print(f"MPI: {VIEWS * PER_VIEW:,} images, {n_classes} classes, {MANY} iterations, --no-trade")
    one = None
    for n in numbers:
        told = on_ranks(mpirun, n, folder, n_classes)
        if told is None:
            return
        one = one or told["seconds"] * n
        gain = one / told["seconds"]
        print(
            f"  {n} processes {told['seconds']:6.2f} s   {gain:.2f} times as fast, "
            f"efficiency {gain / n:.2f}   {told['bytes']:,.0f} bytes per iteration from each",
            flush=True,
        )
    print(
        f"  by the formula 8 K (2 c + R + 3), K = {n_classes}, c = {grid.n_coefficients}, "
        f"R = {n_rings}: {formula:,}"
    )
    print(
        f"  a particle takes {grid.n_angles // 2 * n_rings * 8:,} bytes of samples and "
        f"{grid.n_coefficients * 8:,} of coefficients"
    )


def on_ranks(mpirun: str, n: int, folder: Path, n_classes: int):
    words = [sys.executable, __file__, "--work", str(folder), "--classes", str(n_classes)]
    result = subprocess.run(
        words if n == 1 else [mpirun, "-n", str(n), *words],
        env={**os.environ, **PERMISSIONS},
        capture_output=True,
        text=True,
        check=False,
    )
    if result.returncode:
        lines = [line for line in result.stderr.splitlines() if "Error" in line]
        print(f"MPI: skipped ({lines[-1] if lines else result.stderr.strip()})")
        return None
    return json.loads(result.stdout)


def work(folder: Path, n_classes: int) -> None:
    """Run one process of the benchmark; the first prints the results."""
    ranks = the_ranks()
    images, *ctf = (np.load(folder / f"{name}.npy", mmap_mode="r") for name in COLUMNS)
    ctf = CtfParameters(*map(np.asarray, ctf))

    def run(n_iterations):
        before, start = ranks.sent_bytes, time.perf_counter()
        classify_particles(
            images,
            n_classes,
            ctf=ctf,
            pixel_size_angstrom=PIXEL_SIZE,
            max_iterations=n_iterations,
            tolerance=0.0,
            trade=False,
            ranks=ranks,
        )
        return time.perf_counter() - start, ranks.sent_bytes - before

    _, few = run(FEW)  # compiled code is loaded
    many = [run(MANY) for _ in range(REPEATS)]
    if ranks.is_first:
        seconds = min(one for one, _ in many)
        print(json.dumps({"seconds": seconds, "bytes": (many[0][1] - few) / (MANY - FEW)}))


if __name__ == "__main__":
    main()
