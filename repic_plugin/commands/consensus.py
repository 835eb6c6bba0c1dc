"""Find the consensus of several pickers' coordinate files."""

from __future__ import annotations

import argparse
import warnings
from typing import Dict, Iterator, List, Optional, Sequence, Union

import numpy as np
from numpy.typing import NDArray

from repic_plugin.arguments import check_whole_number
from repic_plugin.commands.corrections import (
    add_correction_arguments,
    check_coordinates,
    with_corrections,
)
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
    box_sizes,
    expected_scores,
    find_consensus,
)
from repic_plugin.formats import (
    MICROGRAPH_EXTENSION,
    NAMING_FORMATS,
    PARTICLES,
    PICK_LABELS,
    RELION,
    TABLE_NAMES,
    PicksDir,
    check_picker_columns,
    consensus_files,
    listed,
    particle_formats,
    read_micrograph_names,
    read_picks_dir,
    read_quality,
    write_consensus_table,
    write_ensemble,
    write_particle_files,
    write_pick_labels,
    write_summary_table,
)

OWN = Own(TABLE_NAMES, consensus_files)
ARGUMENTS = {"micrograph_size_px": "--drop-outside", "micrograph_quality": "--quality"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Define the command's arguments."""
    parser.add_argument(
        "picks_dir", metavar="PICKS_DIR", help="folder with one sub-folder for each picker"
    )
    parser.add_argument("--out", metavar="DIR", required=True, help="output folder")
    parser.add_argument(
        "--box-size",
        metavar="PX",
        action="append",
        required=True,
        help="box size in px; or PICKER=PX, once for each picker",
    )
    parser.add_argument("--mode", choices=MODES, default="all", help="consensus mode")
    parser.add_argument(
        "--quorum", type=int, metavar="Q", help="minimum number of pickers (default: a majority)"
    )
    parser.add_argument(
        "--target-precision",
        type=float,
        metavar="P",
        help="mode probabilistic: expected precision of the particles kept (default: maximum "
        "expected F1)",
    )
    parser.add_argument(
        "--quality",
        metavar="CSV",
        help="mode probabilistic: table micrograph,defocus (or another value) on which the "
        "pickers may depend",
    )
    parser.add_argument(
        "--min-overlap", type=float, default=MIN_JACCARD, help="minimum overlap (Jaccard)"
    )
    parser.add_argument(
        "--min-score",
        metavar="PICKER=VALUE",
        nargs="+",
        action="extend",
        help="minimum score, on the picker's own scale",
    )
    parser.add_argument(
        "--score-transform",
        metavar="PICKER=NAME",
        nargs="+",
        action="extend",
        help="identity, logistic or rank (default: chosen by the scores and reported)",
    )
    parser.add_argument("--position", choices=POSITIONS, default="member", help="of a particle")
    parser.add_argument(
        "--num-particles", type=int, metavar="N", help="keep the best N particles per micrograph"
    )
    parser.add_argument(
        "--copy-distance",
        type=float,
        metavar="PX",
        help="picks of one picker closer than this are copies, of which the best is kept; 0 keeps "
        "all, as for filaments (a quarter of the box)",
    )
    parser.add_argument(
        "--min-distance",
        type=float,
        metavar="PX",
        help="minimum distance between particles; 0 allows any, as for filaments (a quarter of "
        "the box)",
    )
    parser.add_argument(
        "--drop-outside",
        type=int,
        nargs=2,
        metavar=("WIDTH", "HEIGHT"),
        help="discard particles at the edges of micrographs of this size in px",
    )
    parser.add_argument(
        "--largest-component",
        action="store_true",
        help="keep only the largest connected component per micrograph",
    )
    parser.add_argument("--solver", choices=SOLVERS, default="auto", help="solver")
    parser.add_argument(
        "--time-limit",
        type=float,
        metavar="S",
        help="time limit of the solver per micrograph, in seconds",
    )
    parser.add_argument(
        "--format",
        choices=particle_formats(),
        default="box",
        help="of the particles. box (EMAN), star, csv: one file per micrograph; relion: such STAR "
        "files and autopick.star, the list of them; particles: all in particles.star; cryosparc: "
        "all in cryosparc.star, for Import Particle Stack",
    )
    parser.add_argument(
        "--micrographs",
        metavar="FILE",
        help="formats relion, particles, cryosparc: RELION's micrographs_ctf.star or cryoSPARC's "
        "exposures (.cs), whose names of micrographs are written (default: those in the pickers' "
        "files)",
    )
    parser.add_argument(
        "--label-picks",
        action="store_true",
        help=f"write {PICK_LABELS} too: each pick, and whether it is in a particle and with whom",
    )
    add_correction_arguments(parser)
    parser.add_argument("--threads", type=int, default=1, help="number of threads")
    parser.add_argument(
        "--overwrite", action="store_true", help="replace the output of an earlier run"
    )


def run(args: argparse.Namespace) -> None:
    """Read, find the consensus, write, print a table."""
    box_size_px = per_picker("--box-size", args.box_size, number)
    check_whole_number("--threads", args.threads, 1)
    if args.micrographs is not None and args.format not in NAMING_FORMATS:
        raise ValueError(
            f"--micrographs names micrographs in files of --format {listed(NAMING_FORMATS)}, got "
            f"--format {args.format}; choose one of them or leave it out"
        )
    inputs = [one for one in (args.picks_dir, args.quality, args.micrographs) if one is not None]
    with new_folder(
        args.out, overwrite=args.overwrite, own=OWN, inputs=inputs, what="the picks"
    ) as new:
        with progress_bar("reading", "file") as progress:
            loaded = read_picks_dir(args.picks_dir, progress=progress)
        check_picker_columns(loaded.picks.picker_names)
        picks = with_corrections(args, loaded.picks)
        if not args.no_coordinate_check:
            sizes_px = box_sizes(box_size_px, picks.picker_names)
            check_coordinates(picks, sizes_px, args.drop_outside, loaded.box_size_px)
        names = loaded.picks.micrograph_names
        paths = _micrograph_paths(args, loaded)
        quality = None if args.quality is None else read_quality(args.quality, names)
        with progress_bar("consensus", "micrograph") as progress:
            result = find_consensus(
                picks,
                box_size_px,
                mode=args.mode,
                quorum=args.quorum,
                target_precision=args.target_precision,
                min_overlap=args.min_overlap,
                min_score=per_picker("--min-score", args.min_score, number),
                score_transform=_transforms(args, loaded),
                micrograph_size_px=args.drop_outside,
                largest_component=args.largest_component,
                position=args.position,
                num_particles=args.num_particles,
                copy_distance_px=args.copy_distance,
                min_distance_px=args.min_distance,
                micrograph_quality=quality,
                unseen=loaded.is_missing if args.mode == MODES[2] else None,
                solver=args.solver,
                time_limit_s=args.time_limit,
                n_threads=args.threads,
                progress=progress,
            )
        largest_px = max(box_size_px.values()) if isinstance(box_size_px, dict) else box_size_px
        write_particle_files(
            new.path,
            result,
            box_size_px=largest_px,
            format_name=args.format,
            micrographs=[paths[name] for name in result.micrographs.names],
            place=args.out,
        )
        write_consensus_table(new.path / TABLE_NAMES[0], result, loaded.row)
        write_summary_table(new.path / TABLE_NAMES[1], result)
        if args.label_picks:
            write_pick_labels(new.path / PICK_LABELS, picks, result, loaded.row)
        if result.ensemble is not None:
            write_ensemble(new.path, result.ensemble)
    if result.ensemble is None:
        _print_result(loaded, result)
    else:
        _print_probable(loaded, result, result.ensemble, _kept_by(args, result.ensemble))
    _print_ignored(loaded)
    print(f"written to {new.place}")
    warn_of_input(loaded)
    for told in _low_picks(args, loaded):
        warnings.warn(told, stacklevel=2)
    for told in (*_warnings(result, args.target_precision), *_without_folders(args, paths)):
        warnings.warn(told, stacklevel=2)


def _micrograph_paths(args: argparse.Namespace, loaded: PicksDir) -> Dict[str, str]:
    """Path of each micrograph in the particles' files, for the formats that name it."""
    names = loaded.picks.micrograph_names
    if args.micrographs is not None:
        return dict(zip(names, read_micrograph_names(args.micrographs, names)))
    return {
        name: f"{path}{MICROGRAPH_EXTENSION}" for name, path in zip(names, loaded.micrograph_paths)
    }


def _without_folders(args: argparse.Namespace, paths: Dict[str, str]) -> List[str]:
    """A warning that RELION, which goes by paths, may not know the micrographs."""
    bare = [path for path in paths.values() if "/" not in path]
    if not bare or args.micrographs is not None or args.format not in (RELION, PARTICLES):
        return []
    return [
        f"micrographs are named without folders ({listed(bare[:1])}), as in the pickers' files; "
        f"if they lie in a folder of RELION's project, add --micrographs micrographs_ctf.star"
    ]


def _transforms(args: argparse.Namespace, loaded: PicksDir) -> Union[str, Dict[str, str]]:
    """What is asked for, and for other pickers what their files decide."""
    asked = per_picker("--score-transform", args.score_transform, lambda text, _: text) or {}
    if isinstance(asked, str):
        return asked
    names = zip(loaded.picks.picker_names, loaded.score_transforms)
    return {**{name: known for name, known in names if known}, **asked}


def _low_picks(args: argparse.Namespace, loaded: PicksDir) -> Iterator[str]:
    """Pickers whose files hold picks below their own threshold, if none is given."""
    given = per_picker("--min-score", args.min_score, number)
    for i, (name, threshold) in enumerate(zip(loaded.picks.picker_names, loaded.thresholds)):
        is_given = given is not None and (not isinstance(given, dict) or name in given)
        mine = loaded.picks.score[(loaded.picks.picker == i) & loaded.picks.has_score]
        n_low = 0 if threshold is None or is_given else int((mine < threshold).sum())
        if n_low:
            yield (
                f"{n_low:,} of {len(mine):,} picks of {name} are below its own threshold of "
                f"{threshold:g}; --min-score {name}={threshold:g} discards them"
            )


def _kept_by(args: argparse.Namespace, model: EnsembleModel) -> str:
    threshold = f"probability of at least {model.threshold:.3f} ({model.threshold_rule})"
    if args.num_particles is None:
        return threshold
    number = f"the best {args.num_particles} per micrograph"
    return number if args.target_precision is None else f"{threshold}, {number}"


def _warnings(result: ConsensusResult, target_precision: Optional[float]) -> List[str]:
    """Doubts about the estimates, and a target precision that cannot be reached."""
    told = [] if result.ensemble is None else list(result.ensemble.warnings)
    if target_precision is not None and not len(result):
        told.append(
            f"no particle is kept: no selection has an expected precision of {target_precision:g}; "
            f"lower --target-precision"
        )
    return told


def _print_probable(
    loaded: PicksDir, result: ConsensusResult, model: EnsembleModel, kept_by: str
) -> None:
    """Print the estimated quality of the pickers and of the particles."""
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
        f"estimated total: {expected.n_particles:,.0f} particles ({low:,.0f} to {high:,.0f}), "
        f"including those that no picker found"
    )


def _with_interval(values: NDArray[np.float64], intervals: NDArray[np.float64]) -> List[str]:
    return [
        f"{value:.3f} ({low:.3f} to {high:.3f})" if np.isfinite(value) else "-"
        for value, (low, high) in zip(values.tolist(), intervals.tolist())
    ]


def _ratio(value: float) -> str:
    return f"{value:.3f}" if np.isfinite(value) else "-"


def _picker_rows(loaded: PicksDir, result: ConsensusResult) -> List[Sequence[str]]:
    """Name, picks, picks used, picks in the consensus and their share, score transform."""
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


def _print_ignored(loaded: PicksDir) -> None:
    for path in loaded.ignored[:3]:
        print(f"not read: {path}")
    if len(loaded.ignored) > 3:
        print(f"not read: {len(loaded.ignored) - 3} more files")
