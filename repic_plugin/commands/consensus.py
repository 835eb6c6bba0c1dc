"""Find the consensus of several pickers' coordinate files."""

from __future__ import annotations

import argparse
import math
import warnings
from pathlib import Path
from typing import Dict, List, Union

from repic_plugin.arguments import check_whole_number
from repic_plugin.commands.consensus_images import (
    add_image_arguments,
    check_image_arguments,
    look,
    print_looked,
    write_looked,
)
from repic_plugin.commands.consensus_report import doubts, print_falls, report
from repic_plugin.commands.corrections import (
    add_correction_arguments,
    check_coordinates,
    with_corrections,
)
from repic_plugin.commands.options import (
    number,
    per_picker,
    progress_bar,
    warn_of_input,
    warn_of_low_scores,
)
from repic_plugin.commands.out_folder import Own, new_folder
from repic_plugin.commands.patterns import (
    add_pattern_argument,
    find_pattern_sets,
    print_patterns,
    wanted_patterns,
)
from repic_plugin.consensus import (
    ALL_CANDIDATES,
    MIN_JACCARD,
    MODES,
    POSITIONS,
    RANKINGS,
    SOLVERS,
    ConsensusResult,
    MicrographQuality,
    Picks,
    box_sizes,
    find_consensus,
    median_scores,
    micrograph_quality,
    stated_transform,
)
from repic_plugin.formats import (
    MICROGRAPH_EXTENSION,
    NAMING_FORMATS,
    PARTICLES,
    PICK_LABELS,
    RELION,
    TABLE_NAMES,
    PicksDir,
    RunRecord,
    check_picker_columns,
    consensus_files,
    listed,
    particle_formats,
    read_micrograph_names,
    read_picks_dir,
    read_quality,
    write_agreement,
    write_consensus_table,
    write_ensemble,
    write_micrograph_quality,
    write_particle_files,
    write_pattern_sets,
    write_pick_labels,
    write_run_record,
    write_smaller_groups,
    write_summary_table,
)

OWN = Own(TABLE_NAMES, consensus_files)
KEEP_THEM = "keep them with --num-particles N, the number expected on a micrograph, or "
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
    parser.add_argument("--threads", type=int, default=1, help="number of threads")
    parser.add_argument(
        "--overwrite", action="store_true", help="replace the output of an earlier run"
    )
    _add_picks(parser.add_argument_group("picks and their scores"))
    _add_consensus(parser.add_argument_group("consensus"))
    add_image_arguments(parser.add_argument_group("images"))
    _add_particles(parser.add_argument_group("particles"))
    add_correction_arguments(parser)


def _add_picks(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--min-score",
        metavar="PICKER=VALUE",
        nargs="+",
        action="extend",
        help="minimum score, on the picker's own scale",
    )
    group.add_argument(
        "--score-transform",
        metavar="PICKER=NAME",
        nargs="+",
        action="extend",
        help="identity, logistic or rank (default: chosen by the scores and reported)",
    )
    group.add_argument(
        "--copy-distance",
        type=float,
        metavar="PX",
        help="picks of one picker closer than this are copies, of which the best is kept; 0 keeps "
        "all, as for filaments (a quarter of the box)",
    )
    group.add_argument(
        "--drop-outside",
        type=int,
        nargs=2,
        metavar=("WIDTH", "HEIGHT"),
        help="discard particles at the edges of micrographs of this size in px",
    )


def _add_consensus(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--mode", choices=MODES, default="all", help="consensus mode")
    group.add_argument(
        "--quorum", type=int, metavar="Q", help="minimum number of pickers (default: a majority)"
    )
    group.add_argument(
        "--target-precision",
        type=float,
        metavar="P",
        help="mode probabilistic: expected precision of the particles kept (default: maximum "
        "expected F1)",
    )
    group.add_argument(
        "--quality",
        metavar="CSV",
        help="mode probabilistic: table micrograph,defocus (or another value) on which the "
        "pickers may depend",
    )
    group.add_argument(
        "--min-overlap", type=float, default=MIN_JACCARD, help="minimum overlap (Jaccard)"
    )
    group.add_argument(
        "--largest-component",
        action="store_true",
        help="keep only the largest connected component per micrograph",
    )
    group.add_argument(
        "--max-false-agreement",
        type=float,
        metavar="P",
        help="drop particles whose agreement may be chance: the expected share of chance among "
        "those of at least their weight, such as 0.05 (default: keep all)",
    )
    group.add_argument(
        "--min-weight",
        type=float,
        metavar="W",
        help="drop particles of a smaller weight, from 0 to 1 (a probability in mode "
        "probabilistic); in mode quorum up to 1 more for each picker above the quorum (default: "
        "keep all)",
    )
    group.add_argument("--solver", choices=SOLVERS, default="auto", help="solver")
    group.add_argument(
        "--time-limit",
        type=float,
        metavar="S",
        help="time limit of the solver per micrograph, in seconds",
    )


def _add_particles(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--position", choices=POSITIONS, default="member", help="of a particle")
    group.add_argument(
        "--num-particles", type=int, metavar="N", help="keep the best N particles per micrograph"
    )
    group.add_argument(
        "--rank-by",
        choices=RANKINGS,
        default=RANKINGS[0],
        help="order of the particles, their score in the files, and which are best: by weight, or "
        "by the median score of the picks, as REPIC's code does",
    )
    group.add_argument(
        "--min-distance",
        type=float,
        metavar="PX",
        help="minimum distance between particles; 0 allows any, as for filaments (a quarter of "
        "the box)",
    )
    group.add_argument(
        "--format",
        choices=particle_formats(),
        default="box",
        help="of the particles. box (EMAN), star, csv: one file per micrograph; relion: such STAR "
        "files and autopick.star, the list of them; particles: all in particles.star; cryosparc: "
        "all in cryosparc.star, for Import Particle Stack",
    )
    group.add_argument(
        "--micrographs",
        metavar="FILE",
        help="formats relion, particles, cryosparc: RELION's micrographs_ctf.star or cryoSPARC's "
        "exposures (.cs), whose names of micrographs are written (default: those in the pickers' "
        "files)",
    )
    group.add_argument(
        "--label-picks",
        action="store_true",
        help=f"write {PICK_LABELS} too: each pick, and whether it is in a particle and with whom",
    )
    add_pattern_argument(group)


def run(args: argparse.Namespace) -> None:
    """Read, find the consensus, write, print a table."""
    box_size_px = per_picker("--box-size", args.box_size, number)
    check_whole_number("--threads", args.threads, 1)
    if args.num_particles is not None:
        check_whole_number("--num-particles", args.num_particles, 1, "leave it out to keep all")
    if args.micrographs is not None and args.format not in NAMING_FORMATS:
        raise ValueError(
            f"--micrographs names micrographs in files of --format {listed(NAMING_FORMATS)}, got "
            f"--format {args.format}; choose one of them or leave it out"
        )
    check_image_arguments(args)
    with new_folder(args.out, overwrite=args.overwrite, own=OWN, inputs=_inputs(args)) as new:
        with progress_bar("reading", "file") as progress:
            loaded = read_picks_dir(args.picks_dir, progress=progress)
        check_picker_columns(loaded.picks.picker_names)
        patterns = wanted_patterns(args, loaded.picks.picker_names)
        picks = with_corrections(args, loaded.picks)
        if not args.no_coordinate_check:
            sizes_px = box_sizes(box_size_px, picks.picker_names)
            check_coordinates(picks, sizes_px, args.drop_outside, loaded.box_size_px)
        paths = _micrograph_paths(args, loaded)
        largest_px = max(box_size_px.values()) if isinstance(box_size_px, dict) else box_size_px
        result, looked = _consensus(args, loaded, picks, box_size_px), None
        if args.images is not None or args.classes is not None:
            looked = look(args, result, picks, paths, largest_px)
            result = looked.judged.result
        sets = find_pattern_sets(args, patterns, loaded, picks, result, box_size_px)
        files = {
            "box_size_px": largest_px,
            "format_name": args.format,
            "micrographs": [paths[name] for name in result.micrographs.names],
            "place": args.out,
        }
        write_particle_files(new.path, result, **files)
        junk = None if looked is None else looked.junk
        quality = micrograph_quality(result, median_scores(picks), junk)
        _write_tables(new.path, result, loaded, quality)
        if args.label_picks:
            write_pick_labels(new.path / PICK_LABELS, picks, result, loaded.row)
        pixel_size = math.nan if looked is None else looked.pixel_size_angstrom
        record = RunRecord(args.mode, result.quorum, looked is not None, pixel_size)
        write_run_record(new.path, record)
        if looked is not None:
            write_looked(new.path, looked)
        folders = write_pattern_sets(new.path, sets, loaded.row, **files) if sets else []
    report(loaded, result, args)
    if looked is not None:
        print_looked(looked)
    print_falls(quality)
    print_patterns(sets, folders, loaded, new.place)
    print(f"written to {new.place}")
    warn_of_input(loaded)
    if args.mode == MODES[2] or args.num_particles is None:  # as docs/use/raw-picks.md advises
        instead = "" if args.mode == MODES[2] else KEEP_THEM
        warn_of_low_scores(loaded, per_picker("--min-score", args.min_score, number), instead)
    notes = [] if looked is None else looked.notes
    for told in (*doubts(result, args.target_precision), *notes, *_without_folders(args, paths)):
        warnings.warn(told, stacklevel=2)


def _write_tables(
    folder: Path, result: ConsensusResult, loaded: PicksDir, quality: MicrographQuality
) -> None:
    write_consensus_table(folder / TABLE_NAMES[0], result, loaded.row)
    write_summary_table(folder / TABLE_NAMES[1], result)
    write_micrograph_quality(folder, quality)
    if result.smaller is not None:
        write_smaller_groups(folder, result.smaller, result.picker_names)
    if result.agreement is not None:
        write_agreement(folder, result.agreement)
    if result.ensemble is not None:
        write_ensemble(folder, result.ensemble)


def _inputs(args: argparse.Namespace) -> Dict[str, str]:
    """Files and folders that are read, and what they are."""
    found = {
        args.quality: "the table of --quality",
        args.micrographs: "the list of --micrographs",
        args.ctf: "the list of --ctf",
        args.images: "the micrographs of --images",
        args.classes: "the classes of --classes",
        args.picks_dir: "the picks",
    }
    return {path: what for path, what in found.items() if path is not None}


def _consensus(
    args: argparse.Namespace,
    loaded: PicksDir,
    picks: Picks,
    box_size_px: Union[float, Dict[str, float]],
) -> ConsensusResult:
    """Consensus with the options that were given."""
    names = picks.micrograph_names
    quality = None if args.quality is None else read_quality(args.quality, names)
    has_images = args.images is not None or args.classes is not None
    with progress_bar("consensus", "micrograph") as progress:
        return find_consensus(
            picks,
            box_size_px,
            mode=args.mode,
            quorum=args.quorum,
            target_precision=None if has_images else args.target_precision,
            min_overlap=args.min_overlap,
            min_score=per_picker("--min-score", args.min_score, number),
            score_transform=_transforms(args, loaded),
            micrograph_size_px=args.drop_outside,
            largest_component=args.largest_component,
            position=args.position,
            num_particles=ALL_CANDIDATES if has_images else args.num_particles,
            rank_by=args.rank_by,
            copy_distance_px=args.copy_distance,
            min_distance_px=args.min_distance,
            micrograph_quality=quality,
            max_false_agreement=None if has_images else args.max_false_agreement,
            min_weight=None if has_images else args.min_weight,
            unseen=loaded.is_missing if args.mode == MODES[2] else None,
            solver=args.solver,
            time_limit_s=args.time_limit,
            count_smaller=args.mode != MODES[2],
            n_threads=args.threads,
            progress=progress,
        )


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
    return {**{name: stated_transform(name, stated) for name, stated in names}, **asked}
