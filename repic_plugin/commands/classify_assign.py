"""Assignment of particles to given classes by `repic-plugin classify --into` or `--references`."""

from __future__ import annotations

import argparse
import time
import warnings
from contextlib import ExitStack
from typing import List, NamedTuple, Optional

import numpy as np

from repic_plugin.classification import (
    Assignment,
    ClassQuality,
    Preparation,
    Ranks,
    References,
    assign_particles,
    member_probability,
    references_for,
)
from repic_plugin.commands.classify_options import given_options
from repic_plugin.commands.classify_output import (
    check_premultiplied,
    draw,
    n_processors,
    naming_files,
    naming_out,
    opened,
    rings_of,
)
from repic_plugin.commands.options import progress_bar
from repic_plugin.formats import (
    GivenClasses,
    ParticleTable,
    open_stack,
    read_given_classes,
    read_particles,
    read_references,
    write_assigned_files,
)

# What makes classes, which are given here, and what their folder tells besides.
MAKING = ("method", "beta", "no_trade", "tolerance", "max_iterations", "alignment", "own_contrast")
MAKING += ("seed", "checkpoint")
TOLD = ("ctf", "particle_diameter", "max_shift_px", "mirror", "rings", "resolution_angstrom")
TOLD += ("mask_diameter_px",)
UNSURE = 0.5  # posterior


class Given(NamedTuple):
    """The classes to assign to."""

    place: str
    references: References
    classes: GivenClasses


def is_assignment(args: argparse.Namespace) -> bool:
    """Whether the classes are given."""
    return args.into is not None or args.references is not None


def run_assignment(args: argparse.Namespace, ranks: Ranks) -> None:
    """Read, assign, write."""
    started = time.perf_counter()
    _check_options(args, ranks)
    with ExitStack() as stack:
        given = None if args.into is None else _given_folder(args.into)
        ctf_mode = args.ctf if given is None else given.references.ctf_mode
        table = read_particles(args.particles, args.pixel_size, with_ctf=ctf_mode != "none")
        new = opened(args, table, stack, [args.into or args.references])
        given = given or _given_averages(args, table)
        _check_ctf(args, table, given.references.ctf_mode)
        found = _assigned(args, table, given)
        quality = _quality(given.classes, found)
        notes = _notes(table, given, found)
        with naming_out(args):
            classes = given.classes
            write_assigned_files(
                new.path, table, found, given.references, classes.is_junk, quality, notes
            )
            shown = (found.sizes, classes.is_junk, classes.score)
            pixel_size = given.references.sizes.pixel_size_angstrom
            draw(new.path, given.references.averages, *shown, pixel_size)
            stack.close()  # the folder takes its name
    for note in (*table.notes, *notes):
        warnings.warn(note, stacklevel=2)
    _report(given, found, time.perf_counter() - started)
    print(f"written to {new.place}")


def _check_options(args: argparse.Namespace, ranks: Ranks) -> None:
    """Refuse what has no effect on classes that are given."""
    option = "--references" if args.into is None else "--into"
    if ranks.size > 1:
        raise ValueError(
            f"{option} works in one process, got {ranks.size} (MPI); start it without mpirun, "
            "with --threads"
        )
    given = given_options(args)
    for name in MAKING if args.into is None else (*MAKING, *TOLD):
        if name in given:
            told = f"is as it was for {args.into}" if name in TOLD else "is for new classes"
            raise ValueError(f"{given[name]} {told}, got {option}; omit it")


def _given_folder(folder: str) -> Given:
    return Given(folder, read_references(folder), read_given_classes(folder))


def _given_averages(args: argparse.Namespace, table: ParticleTable) -> Given:
    """Averages of a file, as references for these particles."""
    stack = open_stack(args.references)
    if not stack.pixel_size_angstrom:
        raise ValueError(
            f"--references {args.references}: the header has no pixel size; write it there"
        )
    n_rings = args.rings if args.resolution_angstrom is None else rings_of(args, table)
    with naming_files(args, table):
        references = references_for(
            table.images,
            stack[:],
            pixel_size_angstrom=table.pixel_size_angstrom,
            averages_pixel_size_angstrom=stack.pixel_size_angstrom,
            particle_diameter_angstrom=args.particle_diameter,
            mask_diameter_px=args.mask_diameter_px,
            n_rings=n_rings,
            max_shift_px=args.max_shift_px,
            ctf_mode="none" if table.ctf is None else args.ctf,
            mirror=args.mirror,
            n_threads=_n_threads(args),
        )
    nothing = np.zeros(len(references), np.bool_)
    return Given(args.references, references, GivenClasses(nothing))


def _n_threads(args: argparse.Namespace) -> int:
    return n_processors() if args.threads is None else int(args.threads)


def _check_ctf(args: argparse.Namespace, table: ParticleTable, ctf_mode: str) -> None:
    """Refuse particles whose CTF is missing, or that are multiplied by it already."""
    if ctf_mode != "none" and table.ctf is None:
        raise ValueError(
            f"{args.particles}: has no CTF, but the classes of {args.into} were made with the CTF "
            "of their particles; give a STAR file with defoci"
        )
    check_premultiplied(args, table, ctf_mode)


def _assigned(args: argparse.Namespace, table: ParticleTable, given: Given) -> Assignment:
    with naming_files(args, table), progress_bar("assigning", "particle") as progress:
        return assign_particles(
            table.images,
            given.references,
            pixel_size_angstrom=table.pixel_size_angstrom,
            ctf=table.ctf,
            phase_flipped=table.phase_flipped or table.ctf_premultiplied,
            n_threads=_n_threads(args),
            progress=progress,
        )


def _quality(classes: GivenClasses, found: Assignment) -> Optional[ClassQuality]:
    """Scores of the classes as they were, and the probability of each particle."""
    if classes.score is None or classes.probability is None:
        return None
    return ClassQuality(
        score=classes.score,
        probability=classes.probability,
        threshold=float("nan"),
        is_off_centre=classes.is_off_centre,
        resolution_angstrom=classes.resolution_angstrom,
        member_probability=member_probability(classes.probability, found.fit, found.labels),
        agreement=found.fit,
    )


def _notes(table: ParticleTable, given: Given, found: Assignment) -> List[str]:
    """Remarks on the images, and on what was done to the averages."""
    notes = Preparation(found.used, False, found.grey_scale).notes()
    old, new = given.references.sizes, found.used
    if (old.box_px, old.pixel_size_angstrom) != (new.box_px, new.pixel_size_angstrom):
        notes.append(
            f"the averages were brought from boxes of {old.box_px} px at "
            f"{old.pixel_size_angstrom:g} Å/px to {new.box_px} px at "
            f"{new.pixel_size_angstrom:g} Å/px, those of the particles"
        )
    if found.measured.scale != 1:
        notes.append(
            f"the averages were multiplied by {found.measured.scale:.3g} to fit the images"
        )
    if given.references.ctf_mode == "none" and table.ctf is not None:
        notes.append(
            f"the classes of {given.place} were made without a CTF; that of the particles is not "
            "used"
        )
    n_empty = int((found.labels < 0).sum())
    if n_empty:
        notes.append(f"{n_empty:,} particles were excluded: their images are empty")
    return notes


def _report(given: Given, found: Assignment, seconds: float) -> None:
    """Print sizes of classes, seconds, and how many particles no class explains."""
    sizes, mode = found.sizes, given.references.ctf_mode
    ctf = "without CTF" if mode == "none" else f"with CTF ({mode})"
    print(
        f"{len(found):,} particles {ctf} assigned to {len(sizes):,} classes of {given.place}, "
        f"{sizes.min():,} to {sizes.max():,} in each, {seconds:.1f} s"
    )
    print(found.used)
    kept = found.labels >= 0
    n_lost = int((kept & ~found.is_explained).sum())
    n_unsure = int((kept & (found.posterior < UNSURE)).sum())
    print(
        f"{n_lost:,} fit their class no better than noise would (fit up to 1 in assignments.csv), "
        f"{n_unsure:,} have a posterior below {UNSURE:g}"
    )
    if found.measured.prior.spread_variance > 0:
        spread = found.measured.prior.spread_variance**0.5
        print(f"contrasts of the particles vary by {spread:.2f}, which is allowed for")
