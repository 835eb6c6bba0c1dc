"""Speed of the consensus as ratios, measured in one run on one thread: `make bench`.

Without --picks the picks are simulated, as many per micrograph as in the real data sets.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
from plain import plain_consensus
from scipy.special import expit

from repic_plugin.consensus import Picks, find_consensus
from repic_plugin.formats import read_picks_dir
from repic_plugin.simulation import simulate_picks

sys.path.insert(0, str(Path(__file__).parents[1]))
from tests import oracle

MODES = ("all", "quorum")
BOX_SIZE_PX = 180
GROWTH = (1, 10, 100, 1000)
MEMORY_MICROGRAPHS = 2000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--picks", metavar="DIR", help="a folder with a sub-folder for each picker")
    parser.add_argument("--box-size", type=float, default=BOX_SIZE_PX, metavar="PX")
    parser.add_argument("--memory", metavar="MODE", help=argparse.SUPPRESS)
    args = parser.parse_args()
    picks = read_picks_dir(args.picks).picks if args.picks else simulated(3, 600)
    if args.memory:
        return one_large_run(picks, args.box_size, args.memory)
    print(f"{'given' if args.picks else 'simulated'} picks: {len(picks):,} on ", end="")
    print(f"{picks.n_micrographs} micrographs, box {args.box_size:g} px, one thread\n")
    for mode in MODES:  # compiles what is not compiled yet
        find_consensus(picks, args.box_size, mode=mode, decoys=False)
    against_plain(picks, args.box_size)
    growth(picks, args.box_size)
    pickers()
    crowding()
    memory(sys.argv[1:])
    imports()


def simulated(n_pickers, n_particles, box_size_px=BOX_SIZE_PX):
    """Six micrographs of 4096 x 4096 px, particles as close as a quarter of the box."""
    return simulate_picks(
        6,
        n_pickers,
        n_particles=n_particles,
        box_size_px=box_size_px,
        min_distance_px=box_size_px / 4,
        recall=0.75,
        precision=0.95,
        jitter_px=box_size_px / 8,
    ).picks


def fastest(work, repeats):
    """Seconds of the fastest of some calls, and the last answer."""
    best = np.inf
    for _ in range(repeats):
        start = time.perf_counter()
        answer = work()
        best = min(best, time.perf_counter() - start)
    return best, answer


def against_plain(picks, box_size_px):
    """Speed relative to the tests' oracle, and to the same method optimised with numpy."""
    print("compared with networkx + one integer program per micrograph")
    names = np.array([name.lower() for name in picks.picker_names])
    is_llr = np.array(["topaz" in name for name in names])[picks.picker]
    score = np.where(is_llr, expit(picks.score), picks.score)
    k, n = picks.n_pickers, picks.n_micrographs
    parts = [
        (np.column_stack((picks.x, picks.y))[mine], picks.picker[mine], score[mine].tolist())
        for mine in (picks.micrograph == m for m in range(n))
    ]
    for mode, quorum in zip(MODES, (k, k // 2 + 1)):
        others = {
            "tests/oracle.py, plain": lambda quorum=quorum: [
                oracle.consensus(*part, [box_size_px] * k, quorum)[3] for part in parts
            ],
            "plain.py, k-d tree": lambda quorum=quorum: [
                plain_consensus(*part, box_size_px, k, quorum)[0] for part in parts
            ],
        }
        slow, fast = {name: [] for name in others}, []
        for _ in range(5):  # in turns, so that a busy machine slows all of them
            for name, other in others.items():
                seconds, objectives = fastest(other, 1)
                slow[name].append(seconds)
            seconds, found = fastest(
                lambda mode=mode: find_consensus(picks, box_size_px, mode=mode, decoys=False), 20
            )
            fast.append(seconds)
        difference = abs(sum(objectives) - found.micrographs.objective.sum())
        print(f"  {mode:7s} here {min(fast) / n * 1e3:26.3f} ms per micrograph")
        for name, times in slow.items():
            ratio = min(times) / min(fast)
            print(
                f"          {name:24s} {min(times) / n * 1e3:6.2f} ms: {ratio:5.1f} times as fast"
            )
        print(f"          objectives differ by {difference:.1e}")


def repeated(picks, times):
    """Repeated copies of the micrographs, under new names."""
    n = picks.n_micrographs
    return Picks.from_columns(
        (picks.micrograph + n * np.arange(times)[:, None]).ravel(),
        *(np.tile(column, times) for column in (picks.picker, picks.x, picks.y, picks.score)),
        picker_names=picks.picker_names,
    )


def growth(picks, box_size_px):
    print("\nscaling with micrographs (time per micrograph, relative to the first row)")
    first = {}
    for times in GROWTH:
        many = repeated(picks, times)
        cells = []
        for mode in MODES:
            repeats = max(1, 50 // times)
            seconds, _ = fastest(
                lambda mode=mode, many=many: find_consensus(
                    many, box_size_px, mode=mode, decoys=False
                ),
                repeats,
            )
            each = seconds / many.n_micrographs
            relative = each / first.setdefault(mode, each)
            cells.append(f"{mode} {seconds:7.3f} s {each * 1e3:6.3f} ms each {relative:5.2f}")
        print(f"  {many.n_micrographs:6,} micrographs {len(many):11,} picks   " + "   ".join(cells))


def pickers():
    print("\npickers (600 particles per micrograph)")
    table(((k, simulated(k, 600)) for k in range(2, 7)), "pickers")


def crowding():
    print("\ncrowded micrographs (3 pickers; particles per micrograph)")
    table(((n, simulated(3, n)) for n in (150, 300, 600, 1200)), "particles")


def table(rows, what):
    for value, picks in rows:
        cells = []
        for mode in MODES:
            seconds, found = fastest(
                lambda mode=mode, picks=picks: find_consensus(
                    picks, BOX_SIZE_PX, mode=mode, decoys=False
                ),
                3,
            )
            counts = found.micrographs
            cells.append(
                f"{mode} {counts.n_cliques.sum():8,} cliques "
                f"{seconds / picks.n_micrographs * 1e3:8.3f} ms per micrograph"
                f"{'' if found.is_optimal else ' (not proven)'}"
            )
        print(f"  {value:5,} {what}, {len(picks):7,} picks   " + "   ".join(cells))


def one_large_run(picks, box_size_px, mode):
    times = -(-MEMORY_MICROGRAPHS // picks.n_micrographs)
    many = repeated(picks, times)
    start = time.perf_counter()
    find_consensus(many, box_size_px, mode=mode, decoys=False)
    seconds = time.perf_counter() - start
    # not ru_maxrss, which starts at that of the process this one was forked from
    status = Path("/proc/self/status").read_text("ascii")
    peak = int(re.search(r"VmHWM:\s+(\d+)", status).group(1)) / 1024**2
    print(
        f"  {mode:7s} {many.n_micrographs:,} micrographs, {len(many):,} picks: {seconds:.2f} s, "
        f"peak memory {peak:.2f} GiB"
    )


def memory(arguments):
    print("\na whole session in a separate process", flush=True)
    for mode in MODES:
        subprocess.run([sys.executable, __file__, *arguments, "--memory", mode], check=True)


def imports():
    code = "import time; t = time.perf_counter(); import repic_plugin.consensus; "
    code += "print(time.perf_counter() - t)"
    runs = [subprocess.check_output([sys.executable, "-c", code]) for _ in range(5)]
    print(f"\nimport repic_plugin.consensus: {min(map(float, runs)):.2f} s")


if __name__ == "__main__":
    main()
