"""Consensus by probability with images: `repic-plugin consensus --images`."""

from __future__ import annotations

import argparse
import math
from pathlib import Path
from typing import TYPE_CHECKING, Dict, List, NamedTuple, Optional, Tuple

import numpy as np
from numpy.typing import NDArray

from repic_plugin.arguments import check_pixel_size, check_positive, check_whole_number
from repic_plugin.commands.consensus_chosen import (
    check_chosen,
    classes_from_star,
    is_star,
    known_classes,
)
from repic_plugin.commands.options import print_table, progress_bar
from repic_plugin.consensus import (
    GOOD_CLASS,
    MODES,
    POSITIONS,
    ConsensusResult,
    Judged,
    Picks,
    judge_by_images,
    picker_classes,
    shares_in_good_classes,
    shares_of_junk,
)
from repic_plugin.formats import (
    CandidateClasses,
    addition_note,
    classify_candidates,
    is_same_pixel_size,
    listed,
    match_names,
    read_header,
    read_micrograph_ctfs,
    told_classes,
    write_candidate_classes,
)

if TYPE_CHECKING:
    from repic_plugin.classification import CtfParameters

SUFFIXES = (".mrc", ".mrcs")
FEW_PER_CLASS = 20


class Looked(NamedTuple):
    """A consensus with images, what was seen, and what was taken of given classes."""

    judged: Judged
    classes: CandidateClasses
    counts: NDArray[np.int64]
    junk: NDArray[np.float64]
    notes: List[str]
    taken: str = ""
    pixel_size_angstrom: float = math.nan  # of the micrographs, where their images were read


def add_image_arguments(group: argparse._ArgumentGroup) -> None:
    """Define the arguments of a consensus with images."""
    group.add_argument(
        "--images",
        metavar="DIR",
        help="mode probabilistic: folder of the micrographs (MRC). Candidates are cut out and "
        "sorted into 2D classes, which decide what is a particle; agreement and scores judge the "
        "members of each class",
    )
    group.add_argument(
        "--pixel-size",
        type=float,
        metavar="ANGSTROM",
        help="of the micrographs (default: from their headers)",
    )
    group.add_argument(
        "--image-classes", type=int, metavar="K", help="number of 2D classes (one per 45 images)"
    )
    group.add_argument(
        "--classes",
        metavar="PATH",
        help="classes that were found before: the output folder of an earlier consensus with "
        "images, of the same picks and options; or, with --good, a STAR file of particles that "
        "RELION, cryoSPARC or another program classified or of which the chosen ones are left",
    )
    group.add_argument(
        "--good",
        metavar="LIST",
        help="with --classes: the classes that hold particles, chosen by eye, such as 1,4,7, with "
        "the numbers of the folder or file (RELION counts from 1); or all: the STAR file has "
        "nothing but chosen particles, and what is not among them is junk",
    )
    group.add_argument(
        "--ctf",
        metavar="STAR",
        help="with --images: list of the micrographs with their CTFs, such as RELION's "
        "micrographs_ctf.star (default: classes are made without)",
    )
    group.add_argument("--seed", type=int, help="seed of the 2D classes (0)")


def check_image_arguments(args: argparse.Namespace) -> None:
    """Check that the options go together."""
    of_new = [
        name for name in ("pixel_size", "image_classes", "ctf", "seed") if _is_given(args, name)
    ]
    if args.images is None:
        if of_new:
            option = f"--{of_new[0].replace('_', '-')}"
            raise ValueError(f"{option} needs --images MICROGRAPHS, or leave it out")
        if args.classes is None and args.good is None:
            return
    if args.good is not None and args.classes is None:
        raise ValueError(
            "--good names classes of an earlier run or of a file; add --classes DIR or FILE.star"
        )
    if args.mode != MODES[2]:
        raise ValueError(
            f"--images and --classes need --mode {MODES[2]}, got --mode {args.mode}; choose it"
        )
    if args.position == POSITIONS[1]:
        raise ValueError(
            f"--position {args.position} has no effect with images, which place a particle at the "
            f"pick of the most precise picker; leave it out"
        )
    if args.images is not None and args.classes is not None:
        raise ValueError("--images makes classes and --classes takes them; give one of both")
    if args.classes is not None:
        check_chosen(args.classes, args.good)
    if args.pixel_size is not None:
        check_positive("--pixel-size", args.pixel_size)
    if args.image_classes is not None:
        check_whole_number("--image-classes", args.image_classes, 2)


def look(
    args: argparse.Namespace,
    candidates: ConsensusResult,
    picks: Picks,
    paths: Dict[str, str],
    box_size_px: float,
) -> Looked:
    """Consensus of the candidates with their images.

    Parameters
    ----------
    args : argparse.Namespace
    candidates : ConsensusResult
        All of them, see `judge_by_images`.
    picks : Picks
    paths : dict of str to str
        Path of each micrograph by its name, for folders that tell micrographs of one name apart.
    box_size_px : float
    """
    taken, pixel_size = "", math.nan
    if args.classes is None:
        classes, notes, pixel_size = _new_classes(args, candidates, paths, box_size_px)
    elif is_star(args.classes):
        given = (args.classes, args.good, candidates, picks, paths, box_size_px)
        classes, taken, notes = classes_from_star(*given)
    else:
        classes, taken, notes = known_classes(args.classes, args.good, candidates)
    asked = classes.for_consensus()
    judged = judge_by_images(
        candidates,
        picks,
        asked,
        target_precision=args.target_precision,
        num_particles=args.num_particles,
        max_false_agreement=args.max_false_agreement,
        min_weight=args.min_weight,
    )
    junk = shares_of_junk(candidates, asked)
    counts = picker_classes(candidates, asked)
    return Looked(judged, classes, counts, junk, notes, taken, pixel_size)


def write_looked(folder: Path, looked: Looked) -> None:
    """Write the tables and averages of the candidates' classes."""
    names = looked.judged.result.picker_names
    write_candidate_classes(folder, looked.classes, looked.judged.probability, names, looked.counts)


def print_looked(looked: Looked) -> None:
    """Print how many picks of each picker lie in good classes."""
    classes = looked.classes
    n_seen = int((classes.label >= 0).sum())
    if looked.taken:
        print(looked.taken)
    print(
        f"{n_seen:,} of {len(classes.label):,} candidates "
        f"{'have a class' if looked.taken else 'were looked at'}, in "
        f"{told_classes(classes, 'class')}"
    )
    if classes.is_filtered:  # a warning says so
        return
    rows = []
    found = shares_in_good_classes(looked.counts, classes.share >= GOOD_CLASS)
    for name, numbers, shares in zip(looked.judged.result.picker_names, *found):
        pairs = zip(numbers.tolist(), shares.tolist())
        rows.append(
            [
                name,
                *(cell for n, share in pairs for cell in (f"{n:,}", f"{share:.2f}" if n else "")),
            ]
        )
    print_table(["picker", "alone", "in good classes", "shared", "in good classes"], rows)


def _is_given(args: argparse.Namespace, name: str) -> bool:
    return getattr(args, name) is not None


def _new_classes(
    args: argparse.Namespace,
    candidates: ConsensusResult,
    paths: Dict[str, str],
    box_size_px: float,
) -> Tuple[CandidateClasses, List[str], float]:
    """Classes of the candidates' images, or of some where there are many; notes; pixel size."""
    used = np.bincount(candidates.micrograph, minlength=len(candidates.micrograph_names)) > 0
    files, notes = _micrograph_files(args.images, candidates.micrograph_names, used, paths)
    pixel_size = _pixel_size(args, [file for file in files if file])
    with progress_bar("cutting out", "micrograph") as progress:
        classes = classify_candidates(
            candidates,
            files,
            box_size_px,
            pixel_size_angstrom=pixel_size,
            ctf=_ctfs(args, candidates.micrograph_names, used, paths),
            n_classes=args.image_classes,
            source=f"--images {args.images}",
            random_state=args.seed or 0,
            n_threads=args.threads,
            progress=progress,
        )
    notes += classes.notes
    n_per_class = (classes.label >= 0).sum() / len(classes.size)
    if n_per_class < FEW_PER_CLASS:
        notes.append(
            f"{n_per_class:.1f} images per class, fewer than {FEW_PER_CLASS}: averages are noisy; "
            f"lower --image-classes"
        )
    return classes, notes, pixel_size


def _micrograph_files(
    folder: str, names: Tuple[str, ...], used: NDArray[np.bool_], paths: Dict[str, str]
) -> Tuple[List[str], List[str]]:
    """File of each micrograph that is used, and what was cut from names so that they meet."""
    if not Path(folder).is_dir():
        problem = "is a file, give its folder" if Path(folder).exists() else "no such folder"
        raise ValueError(f"--images {folder}: {problem}; it must hold the micrographs (MRC)")
    every = sorted(path for path in Path(folder).rglob("*") if path.is_file())
    files = [str(path) for path in every if path.suffix.lower() in SUFFIXES]
    if not files:
        found = f", but {every[0].name}" if every else ""
        raise ValueError(
            f"--images {folder}: holds no micrographs ({listed(SUFFIXES)}){found}; give another "
            f"folder, or convert them"
        )
    wanted = [name for name, is_used in zip(names, used) if is_used]
    matched = match_names([paths.get(name, name) for name in wanted], files)
    missing = [name for name, at in zip(wanted, matched.place.tolist()) if at < 0]
    if missing:
        raise ValueError(
            f"--images {folder}: has no image of {len(missing):,} of {len(wanted):,} micrographs, "
            f"such as {listed(missing[:1])}, but {Path(files[0]).name}; give the folder of the "
            f"micrographs that were picked"
        )
    notes = [addition_note(cut, "the picks", "the micrographs") for cut in matched.additions]
    of_name = dict(zip(wanted, matched.place.tolist()))
    return [files[of_name[name]] if name in of_name else "" for name in names], notes


def _ctfs(
    args: argparse.Namespace,
    names: Tuple[str, ...],
    used: NDArray[np.bool_],
    paths: Dict[str, str],
) -> Optional[CtfParameters]:
    """CTF of each micrograph; those that are not used have the first one's."""
    if args.ctf is None:
        return None
    wanted = [paths.get(name, name) for name, is_used in zip(names, used) if is_used]
    place = np.where(used, np.cumsum(used) - 1, 0)
    return read_micrograph_ctfs(args.ctf, wanted).take(place)


def _pixel_size(args: argparse.Namespace, files: List[str]) -> float:
    """That given, or the one in all headers."""
    if args.pixel_size is not None:
        return check_pixel_size("--pixel-size", args.pixel_size)
    first, *others = [(float(read_header(file).pixel_size_angstrom[-1]), file) for file in files]
    for size, file in (first, *others):
        if not size:
            raise ValueError(f"{file}: the header has no pixel size; add --pixel-size ANGSTROM")
        if not is_same_pixel_size(size, first[0]):
            raise ValueError(
                f"{file}: the header has {size:g} Å/px, but that of {first[1]} {first[0]:g}; "
                f"micrographs must have one pixel size: correct the headers, or add --pixel-size"
            )
    return check_pixel_size(f"{first[1]}: the pixel size in the header", first[0])
