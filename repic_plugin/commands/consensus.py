"""Find the consensus of several pickers' coordinate files."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

import numpy as np

from repic_plugin.commands.options import (
    new_folder,
    number,
    per_picker,
    print_table,
    progress_bar,
)
from repic_plugin.consensus import (
    MIN_JACCARD,
    MODES,
    POSITIONS,
    SOLVERS,
    ConsensusResult,
    find_consensus,
    recommended_num_particles,
)
from repic_plugin.formats import (
    TABLE_NAMES,
    PicksDir,
    check_picker_columns,
    read_picks_dir,
    write_consensus_table,
    write_particle_files,
    write_summary_table,
)

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Define the command's arguments."""
    parser.add_argument(
        "picks_dir", metavar="PICKS_DIR", help="a folder with one sub-folder for each picker"
    )
    parser.add_argument("--out", metavar="DIR", required=True, help="folder to write")
    parser.add_argument(
        "--box-size",
        metavar="PX",
        action="append",
        required=True,
        help="side of the boxes; or PICKER=PX, once for each picker",
    )
    parser.add_argument("--mode", choices=MODES, default="all", help="who has to agree")
    parser.add_argument(
        "--quorum", type=int, metavar="Q", help="least number of pickers (smallest majority)"
    )
    parser.add_argument(
        "--min-overlap", type=float, default=MIN_JACCARD, help="boxes overlap above this"
    )
    parser.add_argument(
        "--min-score",
        metavar="PICKER=VALUE",
        nargs="+",
        action="extend",
        help="drop picks below, on their own scale",
    )
    parser.add_argument(
        "--score-transform",
        metavar="PICKER=NAME",
        nargs="+",
        action="extend",
        help="identity, logistic or rank, instead of the choice that is reported",
    )
    parser.add_argument("--position", choices=POSITIONS, default="member", help="of a particle")
    parser.add_argument(
        "--num-particles", type=int, metavar="N", help="keep the best N of each micrograph"
    )
    parser.add_argument(
        "--drop-outside",
        type=int,
        nargs=2,
        metavar=("WIDTH", "HEIGHT"),
        help="drop boxes that stick out of micrographs of this size",
    )
    parser.add_argument(
        "--largest-component",
        action="store_true",
        help="keep only the largest connected component of each micrograph",
    )
    parser.add_argument("--solver", choices=SOLVERS, default="auto", help="integer program by")
    parser.add_argument(
        "--time-limit", type=float, metavar="S", help="seconds of solver for a micrograph"
    )
    parser.add_argument("--format", choices=("box", "star", "csv"), default="box")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--overwrite", action="store_true", help="replace an earlier result")


def run(args: argparse.Namespace) -> None:
    """Read, find the consensus, write, print a table."""
    box_size_px = per_picker("--box-size", args.box_size, number)
    if args.threads < 1:
        raise ValueError(f"--threads must be at least 1, got {args.threads}")
    picks_dir = Path(os.path.realpath(args.picks_dir))
    if picks_dir in (Path(os.path.realpath(args.out)), *Path(os.path.realpath(args.out)).parents):
        raise ValueError(
            f"--out {args.out} lies in {args.picks_dir}, where it would be taken for a picker; "
            f"choose another folder"
        )
    with new_folder(args.out, overwrite=args.overwrite, ours=TABLE_NAMES) as folder:
        with progress_bar("reading", "file") as progress:
            loaded = read_picks_dir(args.picks_dir, progress=progress)
        check_picker_columns(loaded.picks.picker_names)
        with progress_bar("consensus", "micrograph") as progress:
            result = find_consensus(
                loaded.picks,
                box_size_px,
                mode=args.mode,
                quorum=args.quorum,
                min_overlap=args.min_overlap,
                min_score=per_picker("--min-score", args.min_score, number),
                score_transform=per_picker("--score-transform", args.score_transform, _name)
                or "auto",
                micrograph_size_px=args.drop_outside,
                largest_component=args.largest_component,
                position=args.position,
                num_particles=args.num_particles,
                solver=args.solver,
                time_limit_s=args.time_limit,
                n_threads=args.threads,
                progress=progress,
            )
        largest_px = max(box_size_px.values()) if isinstance(box_size_px, dict) else box_size_px
        write_particle_files(folder, result, box_size_px=largest_px, format_name=args.format)
        write_consensus_table(folder / TABLE_NAMES[0], result, loaded.row)
        write_summary_table(folder / TABLE_NAMES[1], result)
    _print_result(loaded, result)
    print(f"written to {args.out}")


def _name(text: str, _option: str) -> str:
    return text


def _print_result(loaded: PicksDir, result: ConsensusResult) -> None:
    entered = result.micrographs.n_picks.sum(axis=0)
    given = np.bincount(loaded.picks.picker, minlength=loaded.picks.n_pickers)
    agreed = (result.members >= 0).sum(axis=0)
    rows = [
        [name, f"{n:,}", f"{used:,}", f"{k:,}", f"{k / max(used, 1):.1%}", transform]
        for name, n, used, k, transform in zip(
            result.picker_names, given, entered, agreed, result.score_transforms
        )
    ]
    print_table(["picker", "picks", "used", "in consensus", "share", "scores"], rows)
    counts = result.micrographs
    n_with = len(np.unique(result.micrograph))
    proof = "proven optimal" if result.is_optimal else "NOT proven optimal on all micrographs"
    print(
        f"\nconsensus: {len(result):,} particles on {n_with:,} of {len(counts.names):,} "
        f"micrographs, objective {counts.objective.sum():.4f}, {proof}"
    )
    print(f"recommended: the best {recommended_num_particles(result)} of each micrograph")
    for path in loaded.ignored[:3]:
        print(f"not read: {path} (unknown suffix)")
    if len(loaded.ignored) > 3:
        print(f"not read: {len(loaded.ignored) - 3} more files")
