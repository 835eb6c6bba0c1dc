"""Find the consensus of several pickers' coordinate files."""

from __future__ import annotations

import argparse
import warnings
from typing import List, Optional, Sequence

import numpy as np
from numpy.typing import NDArray

from repic_plugin.arguments import check_whole_number
from repic_plugin.commands.options import (
    number,
    per_picker,
    print_table,
    progress_bar,
    warn_of_input,
)
from repic_plugin.commands.out_folder import Own, new_folder
from repic_plugin.consensus import (
    MIN_JACCARD,
    MODES,
    POSITIONS,
    SOLVERS,
    ConsensusResult,
    EnsembleModel,
    expected_scores,
    find_consensus,
    recommended_num_particles,
)
from repic_plugin.formats import (
    PARTICLE_FORMATS,
    TABLE_NAMES,
    PicksDir,
    check_picker_columns,
    consensus_files,
    read_picks_dir,
    read_quality,
    write_consensus_table,
    write_ensemble,
    write_particle_files,
    write_summary_table,
)

OWN = Own(TABLE_NAMES, consensus_files)


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
        "--target-precision",
        type=float,
        metavar="P",
        help="mode probabilistic: share of the kept particles that is expected to be true "
        "(highest expected F1)",
    )
    parser.add_argument(
        "--quality",
        metavar="CSV",
        help="mode probabilistic: a table micrograph,defocus (or another value), to describe the "
        "pickers by it",
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
    parser.add_argument("--format", choices=PARTICLE_FORMATS, default="box")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--overwrite", action="store_true", help="replace an earlier result")


def run(args: argparse.Namespace) -> None:
    """Read, find the consensus, write, print a table."""
    box_size_px = per_picker("--box-size", args.box_size, number)
    check_whole_number("--threads", args.threads, 1)
    inputs = [args.picks_dir, *([args.quality] if args.quality else [])]
    with new_folder(
        args.out, overwrite=args.overwrite, own=OWN, inputs=inputs, what="picks"
    ) as new:
        with progress_bar("reading", "file") as progress:
            loaded = read_picks_dir(args.picks_dir, progress=progress)
        check_picker_columns(loaded.picks.picker_names)
        names = loaded.picks.micrograph_names
        quality = None if args.quality is None else read_quality(args.quality, names)
        with progress_bar("consensus", "micrograph") as progress:
            result = find_consensus(
                loaded.picks,
                box_size_px,
                mode=args.mode,
                quorum=args.quorum,
                target_precision=args.target_precision,
                min_overlap=args.min_overlap,
                min_score=per_picker("--min-score", args.min_score, number),
                score_transform=per_picker("--score-transform", args.score_transform, _name)
                or "auto",
                micrograph_size_px=args.drop_outside,
                largest_component=args.largest_component,
                position=args.position,
                num_particles=args.num_particles,
                micrograph_quality=quality,
                solver=args.solver,
                time_limit_s=args.time_limit,
                n_threads=args.threads,
                progress=progress,
            )
        largest_px = max(box_size_px.values()) if isinstance(box_size_px, dict) else box_size_px
        write_particle_files(new.path, result, box_size_px=largest_px, format_name=args.format)
        write_consensus_table(new.path / TABLE_NAMES[0], result, loaded.row)
        write_summary_table(new.path / TABLE_NAMES[1], result)
        if result.ensemble is not None:
            write_ensemble(new.path, result.ensemble)
    if result.ensemble is None:
        _print_result(loaded, result)
    else:
        _print_probable(loaded, result, result.ensemble, _kept_by(args, result.ensemble))
    _print_ignored(loaded)
    print(f"written to {new.place}")
    warn_of_input(loaded)
    for told in _warnings(result, args.target_precision):
        warnings.warn(told, stacklevel=2)


def _name(text: str, _option: str) -> str:
    return text


def _kept_by(args: argparse.Namespace, model: EnsembleModel) -> str:
    """The rule that the particles were chosen by."""
    threshold = f"probability of at least {model.threshold:.3f} ({model.threshold_rule})"
    if args.num_particles is None:
        return threshold
    number = f"the best {args.num_particles} of each micrograph"
    return number if args.target_precision is None else f"{threshold}, {number}"


def _warnings(result: ConsensusResult, target_precision: Optional[float]) -> List[str]:
    """What speaks against the estimates, and a target that cannot be had."""
    told = [] if result.ensemble is None else list(result.ensemble.warnings)
    if target_precision is not None and not len(result):
        told.append(
            f"no choice of particles has an expected precision of {target_precision:g}, so none "
            f"is kept; lower --target-precision"
        )
    return told


def _print_probable(
    loaded: PicksDir, result: ConsensusResult, model: EnsembleModel, kept_by: str
) -> None:
    """What the pickers are worth, and what the particles promise."""
    columns = [
        _with_interval(model.precision, model.precision_interval),
        _with_interval(model.recall, model.recall_interval),
        [f"{value:.3f}" for value in model.f1.tolist()],
    ]
    rows = [
        [*row[:4], *cells, row[5]] for row, *cells in zip(_picker_rows(loaded, result), *columns)
    ]
    header = ["picker", "picks", "used", "in consensus", "precision (95 %)", "recall (95 %)", "F1"]
    print_table([*header, "scores"], rows)
    n_micrographs = len(result.micrographs.names)
    expected = expected_scores(result.weight, model, n_micrographs)
    low, high = expected.n_particles_interval
    n_with = len(np.unique(result.micrograph))
    print(
        f"\nconsensus: {len(result):,} particles on {n_with:,} of {n_micrographs:,} micrographs, "
        f"expected precision {_ratio(expected.precision)} and recall {_ratio(expected.recall)}; "
        f"kept: {kept_by}"
    )
    print(
        f"estimated in all: {expected.n_particles:,.0f} particles ({low:,.0f} to {high:,.0f}), "
        f"those that no picker found included"
    )


def _with_interval(values: NDArray[np.float64], intervals: NDArray[np.float64]) -> List[str]:
    return [
        f"{value:.3f} ({low:.3f} to {high:.3f})" if np.isfinite(value) else "-"
        for value, (low, high) in zip(values.tolist(), intervals.tolist())
    ]


def _ratio(value: float) -> str:
    return f"{value:.3f}" if np.isfinite(value) else "-"


def _picker_rows(loaded: PicksDir, result: ConsensusResult) -> List[Sequence[str]]:
    """Name, picks, those that were used, those in the consensus, their share, the scores."""
    entered = result.micrographs.n_picks.sum(axis=0)
    given = np.bincount(loaded.picks.picker, minlength=loaded.picks.n_pickers)
    agreed = (result.members >= 0).sum(axis=0)
    return [
        [name, f"{n:,}", f"{used:,}", f"{k:,}", f"{k / max(used, 1):.1%}", transform]
        for name, n, used, k, transform in zip(
            result.picker_names, given, entered, agreed, result.score_transforms
        )
    ]


def _print_result(loaded: PicksDir, result: ConsensusResult) -> None:
    header = ["picker", "picks", "used", "in consensus", "share", "scores"]
    print_table(header, _picker_rows(loaded, result))
    counts = result.micrographs
    n_with = len(np.unique(result.micrograph))
    proof = "proven optimal" if result.is_optimal else "NOT proven optimal on all micrographs"
    print(
        f"\nconsensus: {len(result):,} particles on {n_with:,} of {len(counts.names):,} "
        f"micrographs, objective {counts.objective.sum():.4f}, {proof}"
    )
    print(f"recommended: the best {recommended_num_particles(result)} of each micrograph")


def _print_ignored(loaded: PicksDir) -> None:
    for path in loaded.ignored[:3]:
        print(f"not read: {path}")
    if len(loaded.ignored) > 3:
        print(f"not read: {len(loaded.ignored) - 3} more files")
