"""Time and memory of a large session: `make bench`, and with --micrographs 10000 --picks 2000.

Each line is a separate process; its peak memory is reported by the system at its end. The picks of
a few simulated micrographs are repeated under other names.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from repic_plugin.consensus import Picks, find_consensus
from repic_plugin.formats import write_consensus_table, write_picks_file, write_summary_table
from repic_plugin.simulation import simulate_picks

BOX_SIZE_PX = 120
MICROGRAPH_SIZE_PX = (5760, 4092)
N_PICKERS = 3
RECALL, PRECISION = 0.75, 0.9
N_DIFFERENT = 6
STAGES = ("arrays", "tables", "command")
GIB = 1024**2  # of what the system counts in KiB


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--micrographs", type=int, default=200)
    parser.add_argument("--picks", type=int, default=2000, help="on a micrograph, of all pickers")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--only", choices=STAGES, action="append", help="only these lines")
    parser.add_argument("--folder", help="for the files; a temporary one by default")
    parser.add_argument("--stage", choices=STAGES, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.stage:
        return {"arrays": in_memory, "tables": tables}[args.stage](args)
    n_picks = len(few(args.picks)) // N_DIFFERENT * args.micrographs
    print(
        f"{args.micrographs:,} micrographs, about {n_picks:,} picks of {N_PICKERS} pickers, ",
        end="",
    )
    print(f"threads: {args.threads}", flush=True)
    for stage in args.only or STAGES:
        if stage == "command":
            on_files(args)
        else:
            measured(stage, [sys.executable, __file__, *sys.argv[1:], "--stage", stage])


def measured(what, command):
    """Run a process; print its last line, its seconds and its peak."""
    start = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    said = process.stdout.read().strip().split("\n")
    _, status, used = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"{what} failed")
    seconds, peak = time.perf_counter() - start, used.ru_maxrss / GIB
    detail = said[-1] if what in STAGES[:2] else ""
    print(f"  {what:8s} {seconds:7.1f} s in all, peak {peak:5.2f} GiB   {detail}", flush=True)


def few(n_picks):
    """Simulated picks of all pickers on a few micrographs, with this many on each."""
    return simulate_picks(
        N_DIFFERENT,
        N_PICKERS,
        n_particles=round(n_picks * PRECISION / (RECALL * N_PICKERS)),
        micrograph_size_px=MICROGRAPH_SIZE_PX,
        box_size_px=BOX_SIZE_PX,
        recall=RECALL,
        precision=PRECISION,
    ).picks


def many(n_micrographs, n_picks):
    """Repeated copies of the picks, under new names."""
    picks = few(n_picks)
    times = -(-n_micrographs // N_DIFFERENT)
    of_each = np.arange(times).repeat(len(picks)) * N_DIFFERENT
    of_each += np.tile(picks.micrograph, times)
    end = int(np.searchsorted(of_each, n_micrographs))
    columns = (np.tile(one, times)[:end] for one in (picks.picker, picks.x, picks.y, picks.score))
    names = [f"mic_{i:06d}" for i in range(n_micrographs)]
    return Picks.from_columns(
        of_each[:end], *columns, micrograph_names=names, picker_names=picks.picker_names
    )


def in_memory(args):
    picks = many(args.micrographs, args.picks)
    start = time.perf_counter()
    result = find_consensus(picks, BOX_SIZE_PX, n_threads=args.threads)
    seconds = time.perf_counter() - start
    print(f"find_consensus {seconds:.1f} s, {len(result):,} particles")
    return result


def tables(args):
    result = in_memory(args)
    row = np.ones(len(result.is_unmatched), dtype=np.int64)
    start = time.perf_counter()
    with tempfile.TemporaryDirectory(dir=args.folder) as folder:
        write_consensus_table(Path(folder) / "consensus.csv", result, row)
        write_summary_table(Path(folder) / "summary.csv", result)
        size = sum(path.stat().st_size for path in Path(folder).iterdir())
    print(f"tables {time.perf_counter() - start:.1f} s, {size / 1e6:,.0f} MB")


def on_files(args):
    with tempfile.TemporaryDirectory(dir=args.folder) as folder:
        start = time.perf_counter()
        size = write_folder(Path(folder) / "picks", args.micrographs, args.picks)
        seconds = time.perf_counter() - start
        n_files = args.micrographs * N_PICKERS
        print(f"  files    {seconds:7.1f} s to write {n_files:,} of {size / 1e6:,.0f} MB in all")
        command = [sys.executable, "-m", "repic_plugin.cli", "consensus", f"{folder}/picks"]
        command += ["--box-size", str(BOX_SIZE_PX), "--threads", str(args.threads)]
        measured("command", [*command, "--out", f"{folder}/out"])


def write_folder(folder, n_micrographs, n_picks):
    """A BOX file for each picker and micrograph; their size."""
    picks, size = few(n_picks), 0
    for number, picker in enumerate(picks.picker_names):
        (folder / picker).mkdir(parents=True)
        sources = []
        for m in range(min(N_DIFFERENT, n_micrographs)):
            mine = picks.take((picks.micrograph == m) & (picks.picker == number))
            sources.append(folder / picker / f"mic_{m:06d}.box")
            write_picks_file(sources[-1], mine.x, mine.y, box_size_px=BOX_SIZE_PX, score=mine.score)
        for m in range(n_micrographs):
            target = folder / picker / f"mic_{m:06d}.box"
            if m >= N_DIFFERENT:
                shutil.copyfile(sources[m % N_DIFFERENT], target)
            size += target.stat().st_size
    return size


if __name__ == "__main__":
    main()
