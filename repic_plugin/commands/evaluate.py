"""Score pickers against a reference, by pixels and by one-to-one matching."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import List, Sequence

from repic_plugin.commands.options import print_table
from repic_plugin.evaluation import PickerScores, evaluate_picks, flip_y
from repic_plugin.formats import read_picker_folder, read_picks_dir, write_table

__all__ = ["add_arguments", "run"]

MEASURES = ("precision", "recall", "f1")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Define the command's arguments."""
    parser.add_argument(
        "picks_dir",
        metavar="PICKS_DIR",
        help="a folder with a sub-folder for each picker, or one picker's files",
    )
    parser.add_argument("reference_dir", metavar="REFERENCE_DIR", help="the true particles' files")
    parser.add_argument("--box-size", type=int, metavar="PX", required=True, help="side of boxes")
    parser.add_argument(
        "--radius", type=float, metavar="PX", help="centres match within this (box / 4)"
    )
    parser.add_argument("--micrograph-size", type=int, nargs=2, metavar=("W", "H"))
    parser.add_argument(
        "--flip-y", action="store_true", help="the reference counts y from the other edge"
    )
    parser.add_argument("--out", metavar="FILE", help="write the table as CSV")


def run(args: argparse.Namespace) -> None:
    """Read, score, print, write."""
    if args.out and (Path(args.out).is_dir() or not Path(args.out).absolute().parent.is_dir()):
        raise ValueError(f"--out {args.out}: must be a file in a folder that exists")
    folder = Path(args.picks_dir)
    has_pickers = folder.is_dir() and any(
        entry.is_dir() and not entry.name.startswith(".") for entry in folder.iterdir()
    )
    loaded = read_picks_dir(folder, min_pickers=1) if has_pickers else read_picker_folder(folder)
    reference = read_picker_folder(args.reference_dir).picks
    if args.flip_y:
        if args.micrograph_size is None:
            raise ValueError("--flip-y needs the height of the micrographs: add --micrograph-size")
        reference = flip_y(reference, args.micrograph_size[1])
    scores = evaluate_picks(
        loaded.picks,
        reference,
        args.box_size,
        radius_px=args.radius,
        micrograph_size_px=args.micrograph_size,
    )
    _print_scores(scores)
    if args.out:
        _write_scores(args.out, scores)
        print(f"written to {args.out}")


def _print_scores(scores: Sequence[PickerScores]) -> None:
    rows = [
        [one.picker, f"{one.n_picks:,}"]
        + [f"{getattr(one.pixel, name):.3f}" for name in MEASURES]
        + [f"{getattr(one.matching, name):.3f}" for name in MEASURES]
        for one in scores
    ]
    kinds = [f"{kind} {name}" for kind in ("pixel", "match") for name in MEASURES]
    print_table(["picker", "picks", *kinds], rows)
    first = scores[0]
    left_out = f"; {first.n_left_out} without a reference left out" if first.n_left_out else ""
    print(f"\nreference: {first.n_reference:,} on {first.n_micrographs} micrographs{left_out}")


def _write_scores(path: str, scores: Sequence[PickerScores]) -> None:
    counts = ("tp", "fp", "fn")
    kinds = [f"{kind}_{name}" for kind in ("pixel", "matching") for name in (*MEASURES, *counts)]
    rows = []
    for one in scores:
        cells: List[object] = [one.picker, one.n_picks, one.n_reference, one.n_micrographs]
        for kind in (one.pixel, one.matching):
            cells += [f"{getattr(kind, name):.6f}" for name in MEASURES]
            cells += [getattr(kind, name) for name in counts]
        rows.append(cells)
    write_table(path, ["picker", "n_picks", "n_reference", "n_micrographs", *kinds], rows)
