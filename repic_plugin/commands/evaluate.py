"""Score pickers against a reference, by pixel and by one-to-one matching."""

from __future__ import annotations

import argparse
import math
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any, Dict, Iterator, List, NamedTuple, Optional, Sequence, Tuple

import numpy as np
from numpy.typing import NDArray

from repic_plugin.arguments import check_whole_number
from repic_plugin.commands.options import (
    number,
    output_file,
    per_picker,
    print_table,
    warn_of_low_scores,
)
from repic_plugin.consensus import Picks, above_min_score, find_misfits, inside_micrograph
from repic_plugin.evaluation import (
    MicrographScores,
    PickerScores,
    PrecisionRecall,
    Reliability,
    confirmed_picks,
    evaluate_by_micrograph,
    flip_y,
    precision_recall_curve,
    reliability,
    sum_by_picker,
)
from repic_plugin.formats import (
    PathLike,
    addition_note,
    atomic_open,
    low_scores,
    read_ensemble,
    read_picker_folder,
    read_picks_dir,
    unify_names,
    write_curves,
    write_micrograph_scores,
    write_scores,
)

ARGUMENTS = {"reference": "REFERENCE_DIR"}
REFERENCE = "the reference"
CONSENSUS = "consensus"
WHOSE = ("the picks", "the consensus", "the reference")
MEASURES = ("precision", "recall", "f1")
RELIABILITY = "_reliability"  # suffix of the second plot
FILE_OPTIONS = ("out", "per_micrograph", "curve", "plot")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Define the command's arguments."""
    parser.add_argument(
        "picks_dir",
        metavar="PICKS_DIR",
        help="folder with a sub-folder for each picker, or the files of one picker",
    )
    parser.add_argument(
        "reference_dir", metavar="REFERENCE_DIR", help="folder with the pick files of the reference"
    )
    parser.add_argument(
        "--consensus", metavar="DIR", help="output folder of consensus, scored as well"
    )
    parser.add_argument("--box-size", type=int, metavar="PX", required=True, help="box size in px")
    parser.add_argument(
        "--radius",
        type=float,
        metavar="PX",
        help="maximum distance of matching centres (default: box size / 4)",
    )
    parser.add_argument(
        "--min-score",
        metavar="PICKER=VALUE",
        nargs="+",
        action="extend",
        help="minimum score of the picks, on the picker's own scale",
    )
    parser.add_argument("--micrograph-size", type=int, nargs=2, metavar=("W", "H"), help="in px")
    parser.add_argument("--flip-y", action="store_true", help="flip the y axis of the reference")
    parser.add_argument(
        "--skip-edges",
        action="store_true",
        help="exclude what lies closer to an edge than half a box, of picks and reference: pickers "
        "that discard such particles cannot find them",
    )
    for option, content in (
        ("--out", "scores"),
        ("--per-micrograph", "scores of each micrograph"),
        ("--curve", "precision and recall by score threshold"),
    ):
        parser.add_argument(option, metavar="FILE", help=f"CSV file for the {content}")
    parser.add_argument(
        "--plot",
        metavar="FILE.png",
        help="plot of the scores and curves; for a probabilistic consensus also a reliability "
        f"diagram, FILE{RELIABILITY}.png",
    )
    parser.add_argument("--threads", type=int, default=1, help="number of threads")


class Promised(NamedTuple):
    """Probabilities of particles and whether they are in the reference, both shape (n,)."""

    probability: NDArray[np.float64]
    is_true: NDArray[np.bool_]


def run(args: argparse.Namespace) -> None:
    """Read, score, print, write."""
    check_whole_number("--threads", args.threads, 1)
    _check_files(args)
    sets, reference, n_at_edges = _loaded(args)
    for picks in sets:
        _warn_of_coordinates(picks, reference, args.box_size)
    rows: List[MicrographScores] = []
    scores: List[PickerScores] = []
    curves: List[PrecisionRecall] = []
    for picks in sets:
        mine = evaluate_by_micrograph(
            picks,
            reference,
            args.box_size,
            radius_px=args.radius,
            micrograph_size_px=args.micrograph_size,
            n_threads=args.threads,
        )
        n_left_out = picks.n_micrographs - len({row.micrograph for row in mine})
        rows += mine
        scores += sum_by_picker(mine, n_left_out=n_left_out)
        curves += precision_recall_curve(picks, reference, args.box_size, radius_px=args.radius)
    _print_scores(scores, curves, reference)
    if args.skip_edges:
        print(f"particles at the edges left out (--skip-edges): {n_at_edges:,} of the reference")
    promised = _promised(args, sets[-1], reference)
    if promised is not None:
        _print_reliability(reliability(*promised))
    if args.out:
        write_scores(args.out, scores, curves)
    if args.per_micrograph:
        write_micrograph_scores(args.per_micrograph, rows)
    if args.curve:
        write_curves(args.curve, curves)
    if args.plot:
        _plot(args.plot, scores, curves)
        if promised is not None:
            _plot_reliability(_second_picture(args.plot), promised)
    for name in FILE_OPTIONS:
        if getattr(args, name):
            print(f"written to {getattr(args, name)}")
    if args.plot and promised is not None:
        print(f"written to {_second_picture(args.plot)}")


def _check_files(args: argparse.Namespace) -> None:
    """Refuse output that cannot be written, before the work is done."""
    taken: Dict[Path, str] = {}
    for name in FILE_OPTIONS:
        path = getattr(args, name)
        if not path:
            continue
        option = f"--{name.replace('_', '-')}"
        place = output_file(option, path)
        if place in taken:
            raise ValueError(f"{option} {path}: is also the file of {taken[place]}; choose another")
        taken[place] = option
    if args.plot and Path(args.plot).suffix.lower() != ".png":
        raise ValueError(f"--plot {args.plot}: must end in .png; rename it")


def _loaded(args: argparse.Namespace) -> Tuple[List[Picks], Picks, int]:
    """Picks of each picker, the reference, and how many of its particles are excluded."""
    folder = Path(args.picks_dir)
    has_pickers = folder.is_dir() and any(
        entry.is_dir() and not entry.name.startswith(".") for entry in folder.iterdir()
    )
    loaded = read_picks_dir(folder, min_pickers=1) if has_pickers else read_picker_folder(folder)
    min_score = per_picker("--min-score", args.min_score, number)
    sets = [loaded.picks.take(above_min_score(loaded.picks, min_score))]
    if args.consensus:
        if CONSENSUS in loaded.picks.picker_names:
            raise ValueError(f"{folder} has a picker named {CONSENSUS}; rename its folder")
        found = read_picker_folder(args.consensus).picks
        sets.append(replace(found, picker_names=(CONSENSUS,)))
    truth = read_picker_folder(args.reference_dir)
    for note in (*loaded.notes, *truth.notes):
        warnings.warn(note, stacklevel=2)
    warn_of_low_scores(loaded, min_score)
    for low in low_scores(truth):
        warnings.warn(f"{low}; all of them count as particles", stacklevel=2)
    *sets, reference = _with_same_names([*sets, truth.picks])
    if args.flip_y:
        if args.micrograph_size is None:
            raise ValueError("--flip-y needs the height of the micrographs; add --micrograph-size")
        reference = flip_y(reference, args.micrograph_size[1])
    first, *others = sets
    each = [*_each_picker(first, loaded.is_missing), *others]
    if not args.skip_edges:
        return each, reference, 0
    if args.micrograph_size is None:
        raise ValueError("--skip-edges needs the size of the micrographs: add --micrograph-size")
    kept = _without_edges(reference, args)
    return [_without_edges(one, args) for one in each], kept, len(reference) - len(kept)


def _each_picker(picks: Picks, is_missing: NDArray[np.bool_]) -> Iterator[Picks]:
    """The picks of each picker by itself, on the micrographs that it has a file for."""
    for i, name in enumerate(picks.picker_names):
        mine = picks.take(picks.picker == i)
        alone = replace(mine, picker=np.zeros_like(mine.picker), picker_names=(name,))
        yield alone.on_micrographs(np.flatnonzero(~is_missing[:, i]))


def _without_edges(picks: Picks, args: argparse.Namespace) -> Picks:
    sizes_px = np.full(picks.n_pickers, float(args.box_size))
    return picks.take(inside_micrograph(picks, sizes_px, args.micrograph_size))


def _with_same_names(sets: Sequence[Picks]) -> List[Picks]:
    """The sets with common micrograph names, see `unify_names`; what that takes is reported."""
    found = unify_names([one.micrograph_names for one in sets])
    for whose, additions in zip(WHOSE[: len(sets) - 1] + WHOSE[-1:], found.additions):
        for cut in additions:
            warnings.warn(addition_note(cut, whose), stacklevel=2)
    return [
        replace(picks, micrograph_names=tuple(found.names[i] for i in places))
        for picks, places in zip(sets, found.places)
    ]


def _warn_of_coordinates(picks: Picks, reference: Picks, box_size_px: int) -> None:
    """Report pickers that would meet the reference if scaled, mirrored or shifted."""
    place = {name: i for i, name in enumerate(picks.micrograph_names)}
    known = np.array([place.get(name, -1) for name in reference.micrograph_names], np.int64)
    theirs = reference.take(known[reference.micrograph] >= 0)
    for place_of, name in enumerate(picks.picker_names):
        mine = picks.take(picks.picker == place_of)
        both = Picks.from_columns(
            np.concatenate((mine.micrograph, known[theirs.micrograph])),
            np.repeat((0, 1), (len(mine), len(theirs))),
            *np.concatenate((mine.centers, theirs.centers)).T,
            micrograph_names=picks.micrograph_names,
            picker_names=(name, REFERENCE),
        )
        for found in find_misfits(both, np.full(2, float(box_size_px))):
            if found.picker == name:
                warnings.warn(
                    f"{found.share:.0%} of {name}'s picks meet the reference, and "
                    f"{found.corrected:.0%} would if {found.what}: they are scored as they are",
                    stacklevel=2,
                )


def _print_scores(
    scores: Sequence[PickerScores], curves: Sequence[PrecisionRecall], reference: Picks
) -> None:
    first = scores[0]
    is_one_basis = all(
        (one.n_micrographs, one.n_reference) == (first.n_micrographs, first.n_reference)
        for one in scores
    )
    rows = [
        [one.picker, f"{one.n_picks:,}"]
        + [f"{getattr(one.pixel, name):.3f}" for name in MEASURES]
        + [f"{getattr(one.matching, name):.3f}" for name in MEASURES]
        + ["-" if math.isnan(curve.average_precision) else f"{curve.average_precision:.3f}"]
        for one, curve in zip(scores, curves)
    ]
    kinds = [f"{kind} {name}" for kind in ("pixel", "match") for name in MEASURES]
    header = ["picker", "picks", *kinds, "average precision"]
    if not is_one_basis:
        header[2:2] = ["micrographs", "reference"]
        for row, one in zip(rows, scores):
            row[2:2] = [f"{one.n_micrographs:,}", f"{one.n_reference:,}"]
    print_table(header, rows)
    n_lacking = reference.n_micrographs - first.n_micrographs
    told = f"{first.n_reference:,} particles on {first.n_micrographs} micrographs"
    if not is_one_basis:
        told = f"{len(reference):,} particles on {reference.n_micrographs} micrographs; each row "
        told += "rests on those that its picks have files for"
    elif n_lacking:
        told += f"; {n_lacking} of the reference without picks excluded"
    n_left_out = max(one.n_left_out for one in scores)
    if n_left_out:
        told += f"; {n_left_out} without a reference excluded"
    print(f"\nreference: {told}")


def _promised(args: argparse.Namespace, found: Picks, reference: Picks) -> Optional[Promised]:
    """Of a probabilistic consensus, whose files hold probabilities as scores."""
    if not args.consensus or read_ensemble(args.consensus) is None:
        return None
    of = confirmed_picks(found, reference, args.box_size, radius_px=args.radius)
    used = of.is_compared & found.has_score
    return Promised(np.clip(found.score[used], 0, 1), of.is_confirmed[used])


def _print_reliability(found: Reliability) -> None:
    rows = [
        [f"{low:.1f} to {high:.1f}", f"{count:,}", f"{mean:.3f}", f"{share:.3f}"]
        for low, high, count, mean, share in zip(found.edges, found.edges[1:], *found[1:])
        if count
    ]
    print("\nreliability of the probabilities of the consensus")
    print_table(["probability", "particles", "mean", "share in reference"], rows)


def _second_picture(plot: str) -> Path:
    return Path(plot).with_name(f"{Path(plot).stem}{RELIABILITY}.png")


def _plot_reliability(path: Path, promised: Promised) -> None:
    from repic_plugin.plots import reliability_figure  # noqa: PLC0415 - matplotlib loads slowly

    _save(reliability_figure(*promised, label=CONSENSUS), path)


def _plot(path: str, scores: Sequence[PickerScores], curves: Sequence[PrecisionRecall]) -> None:
    from repic_plugin.plots import evaluation_figure  # noqa: PLC0415 - matplotlib loads slowly

    _save(evaluation_figure(scores, curves), path)


def _save(figure: Any, path: PathLike) -> None:
    """Write a PNG file, whatever the suffix."""
    with atomic_open(path) as file:
        figure.savefig(file, format="png")
