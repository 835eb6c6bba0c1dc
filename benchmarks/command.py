"""The command `repic-plugin consensus`, files to files, beside the plain method and the floor.

The plain method is that of `tests/oracle.py` (networkx, one integer program for each micrograph),
with numpy's text reader. The floor reads and writes the same bytes and does nothing else. Every
figure is that of a process of its own, start-up included: processor seconds, and seconds by the
clock. The picks of a few micrographs are repeated under other names.
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
from scale import BOX_SIZE_PX, write_folder
from scipy.special import expit

from repic_plugin.consensus import MODES, default_quorum

sys.path.insert(0, str(Path(__file__).parents[1]))
from tests import oracle

N_PLAIN = 24  # micrographs of which the plain method's time is taken


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--picks", metavar="DIR", help="a folder with a sub-folder for each picker")
    parser.add_argument("--box-size", type=float, metavar="PX")
    parser.add_argument("--micrographs", type=int, default=240)
    parser.add_argument("--plain", nargs=3, metavar=("DIR", "PX", "QUORUM"), help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.plain:
        return plain(Path(args.plain[0]), float(args.plain[1]), int(args.plain[2]))
    box_px = args.box_size or (180 if args.picks else BOX_SIZE_PX)
    with tempfile.TemporaryDirectory(prefix="repic-command-") as name:
        folder = Path(name)
        few, many = folder / "few", folder / "many"
        for target, n in ((few, min(N_PLAIN, args.micrographs)), (many, args.micrographs)):
            repeat(args.picks, target, n)
        compare(few, many, box_px, min(N_PLAIN, args.micrographs), args.micrographs)


def repeat(picks, target, n):
    """Copies of the picks on `n` micrographs."""
    if picks is None:
        write_folder(target, n, 1800)
        return
    for picker in sorted(path for path in Path(picks).iterdir() if path.is_dir()):
        (target / picker.name).mkdir(parents=True)
        files = sorted(picker.iterdir())
        for i in range(n):
            source = files[i % len(files)]
            shutil.copyfile(source, target / picker.name / f"mic_{i:06d}{source.suffix}")


def compare(few, many, box_px, n_few, n_many):
    print(f"\nthe command consensus, {n_many:,} micrographs, files to files, s (CPU / clock)")
    command = [sys.executable, "-m", "repic_plugin.cli", "consensus"]
    k, out = len([*many.iterdir()]), many.parent / "out"
    print(f"  start-up (--help) {shown(spent([*command, '--help']))}")
    for mode in MODES:
        options = ["--box-size", f"{box_px:g}", "--mode", mode, "--out", out]
        spent([*command, few, *options])  # compiles what is not compiled yet
        shutil.rmtree(out)
        ours = {}
        for n_threads in (1, 2):
            ours[n_threads] = spent([*command, many, *options, "--threads", n_threads])
            shutil.move(out, many.parent / f"{mode}{n_threads}")
        floor = copied(many, many.parent / f"{mode}1", out)
        shutil.rmtree(out)
        print(f"  {mode:13s} {shown(ours[1])}, two threads {shown(ours[2])}, floor {shown(floor)}")
        if mode == "probabilistic":
            continue  # the plain method has no such mode
        quorum = k if mode == "all" else default_quorum(k)
        slow = spent([sys.executable, __file__, "--plain", few, box_px, quorum])
        ratio = slow[0] / n_few * n_many / ours[1][0]
        print(f"  {'':13s} plain: {slow[0] / n_few * 1e3:.0f} ms CPU per micrograph: ", end="")
        print(f"{ratio:.0f} times as fast")


def shown(seconds):
    return "{:.2f} / {:.2f}".format(*seconds)


def spent(command):
    """Processor seconds and seconds of a process."""
    start = time.perf_counter()
    process = subprocess.Popen(
        [str(word) for word in command], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    _, status, used = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"{' '.join(map(str, command))} failed")
    return used.ru_utime + used.ru_stime, time.perf_counter() - start


def copied(picks, found, target):
    """Seconds to read the bytes of the picks, and to write those of the output."""
    contents = {file.name: file.read_bytes() for file in found.rglob("*") if file.is_file()}
    start, cpu = time.perf_counter(), time.process_time()
    for file in picks.rglob("*.*"):
        file.read_bytes()
    target.mkdir()
    for name, content in contents.items():
        (target / name).write_bytes(content)
    return time.process_time() - cpu, time.perf_counter() - start


def plain(folder, box_px, quorum):
    """Read, find, write, one micrograph after the other."""
    out = folder.parent / "plain"
    out.mkdir(exist_ok=True)
    pickers = sorted(folder.iterdir())
    for file in sorted(pickers[0].iterdir()):
        tables = [np.loadtxt(picker / file.name, ndmin=2) for picker in pickers]
        centres = np.concatenate([table[:, :2] + table[:, 2:4] / 2 for table in tables])
        picker = np.repeat(np.arange(len(tables)), [len(table) for table in tables])
        score = np.concatenate([expit(t[:, 4]) if t[:, 4].max() > 1 else t[:, 4] for t in tables])
        sizes = [box_px] * len(tables)
        _, cliques, weights, _ = oracle.consensus(centres, picker, score.tolist(), sizes, quorum)
        with open(out / f"{file.stem}.box", "w", encoding="ascii") as written:
            for i in oracle.best_packing(cliques, weights):
                x, y = centres[cliques[i][0]] - box_px / 2
                written.write(f"{x:g}\t{y:g}\t{box_px:g}\t{box_px:g}\t{weights[i]:.9g}\n")


if __name__ == "__main__":
    main()
