"""Sort particle images into 2D classes (ACK-means)."""

from __future__ import annotations

import argparse
import os
import re
import sys
import time
import warnings
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, Optional

import numpy as np
from tqdm import tqdm

from repic_plugin.arguments import check_positive
from repic_plugin.classification import (
    ALIGNMENTS,
    CTF_MODES,
    DEFAULT_RINGS,
    RULES,
    Classification,
    Ranks,
    State,
    classify_particles,
)
from repic_plugin.commands.classify_report import doubled_images, report, warn
from repic_plugin.commands.mpi import ending_together, the_ranks, warn_if_bound
from repic_plugin.commands.options import progress_bar
from repic_plugin.commands.out_folder import NewFolder, Own, new_folder
from repic_plugin.formats import (
    CLASS_FILES,
    FormatError,
    ParticleTable,
    checkpoint_owner,
    read_checkpoint,
    read_particles,
    write_checkpoint,
    write_class_files,
)

# What `classify_particles` calls its arguments, and the options that set them: to pass them on, and
# to put its messages into the words of the user.
OPTIONS = {
    "n_classes": "--classes",
    "method": "--method",
    "alignment": "--alignment",
    "beta": "--beta",
    "tolerance": "--tolerance",
    "max_iterations": "--max-iterations",
    "max_shift_px": "--max-shift-px",
    "n_rings": "--rings",
    "mask_diameter_px": "--mask-diameter-px",
    "ctf_mode": "--ctf",
    "mirror": "--mirror",
    "random_state": "--seed",
}
PICTURE = "classes.png"
OWN = Own(CLASS_FILES, lambda _folder: (*CLASS_FILES, "classes.csv", PICTURE))
RINGS_OF_RESOLUTION = "the number of rings (box x pixel size / --resolution-angstrom)"
BAR = "{desc} [{elapsed}]"
MAX_RINGS = 1 << 30  # more than any box has, and still an integer where the resolution is tiny


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Define the command's arguments."""
    parser.add_argument(
        "particles", metavar="PARTICLES", help="a stack (.mrcs), or a RELION .star (3.0 or later)"
    )
    parser.add_argument("--classes", type=int, required=True, metavar="K", help="how many")
    parser.add_argument("--out", required=True, metavar="DIR", help="folder to write")
    parser.add_argument("--overwrite", action="store_true", help="replace an earlier run's folder")
    parser.add_argument(
        "--pixel-size",
        type=float,
        metavar="ANGSTROM",
        help="where the file does not say; it overrules the header of a stack",
    )
    parser.add_argument(
        "--ctf",
        choices=CTF_MODES,
        default="weight",
        help="flip phases and weigh by the abs(CTF), flip phases only (as the paper), or neither; "
        "a stack, or a STAR file without defocus, has no CTF",
    )
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="of all random choices")
    parser.add_argument(
        "--threads",
        type=int,
        metavar="N",
        help="of each process; as many as there are processors if not given; neither threads nor "
        "the processes that mpirun starts change the result",
    )
    parser.add_argument(
        "--checkpoint",
        metavar="FILE",
        help="keep the state here, to go on if the work is stopped; removed once it is done",
    )
    _add_clustering(parser.add_argument_group("clustering"))
    _add_alignment(parser.add_argument_group("alignment"))


def _add_clustering(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--method",
        choices=tuple(RULES),
        default="ack",
        help="ACK-means, K-means, K-means with classes of equal size, or SPIDER's size factor",
    )
    group.add_argument(
        "--beta",
        type=float,
        default=0.5,
        metavar="WEIGHT",
        help="of the constraint that keeps the classes of ack alike in size; 0 is none",
    )
    group.add_argument(
        "--no-trade",
        action="store_true",
        help="the paper's ACK-means alone: no splitting and merging of classes (ack with mra)",
    )
    group.add_argument(
        "--tolerance",
        type=float,
        default=0.01,
        metavar="PART",
        help="end when no more than this part of the particles changes class",
    )
    group.add_argument(
        "--max-iterations", type=int, default=60, metavar="N", help="end after these in any case"
    )


def _add_alignment(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--alignment",
        choices=ALIGNMENTS,
        default="mra",
        help="mra: each particle to each average, at every iteration; msa: the same, with averages "
        "in the subspace of the main variations; rfa: all to one average, then clustering",
    )
    group.add_argument(
        "--max-shift-px",
        type=float,
        default=4.0,
        metavar="PX",
        help="how far particles may lie from the centres of their boxes",
    )
    group.add_argument(
        "--mirror",
        action="store_true",
        help="mirror images may share a class; RELION's 2D programs take no notice of mirrors",
    )
    detail = group.add_mutually_exclusive_group()
    detail.add_argument(
        "--rings",
        type=int,
        metavar="R",
        help=f"compare up to the resolution box x pixel size / R; {DEFAULT_RINGS} if not given",
    )
    detail.add_argument(
        "--resolution-angstrom", type=float, metavar="A", help="say the same as a resolution"
    )
    group.add_argument(
        "--mask-diameter-px", type=float, metavar="PX", help="0.84 of the box if not given"
    )


def run(args: argparse.Namespace) -> None:
    """Read, classify, write; alone, or together with the processes that mpirun has started."""
    ranks = the_ranks()
    with ending_together(ranks):
        _run(args, ranks)


def _run(args: argparse.Namespace, ranks: Ranks) -> None:
    started = time.perf_counter()
    with ExitStack() as stack:
        with ranks.agreement():
            table = read_particles(args.particles, args.pixel_size, with_ctf=args.ctf != "none")
            new = _opened(args, table, stack) if ranks.is_first else None
            parameters = _parameters(args, table)
        if new is None:
            table = replace(table, names=(), star=None)  # for those who write
        stack.enter_context(_told_if_stopped(args, table))
        found = _classify(args, table, parameters, ranks)
        with ranks.agreement():
            if new is not None:
                with _naming_out(args):
                    write_class_files(new.path, table, found)
                    _draw(new.path, table, found)
                    stack.close()  # the folder takes its name
    if new is not None:
        if args.checkpoint:
            Path(args.checkpoint).unlink(missing_ok=True)
        for note in (*table.notes, *doubled_images(table, found)):
            warnings.warn(note, stacklevel=2)
        warn(found)
        report(found, parameters["ctf_mode"], time.perf_counter() - started)
        print(f"written to {new.place}")


def _opened(args: argparse.Namespace, table: ParticleTable, stack: ExitStack) -> NewFolder:
    """The folder to write, until the stack is closed."""
    _check_checkpoint(args)
    inputs = (table.path, *table.images.paths)
    options = {"overwrite": args.overwrite, "own": OWN, "inputs": inputs, "what": "the particles"}
    with _naming_out(args):
        return stack.enter_context(new_folder(args.out, **options))


@contextmanager
def _naming_out(args: argparse.Namespace) -> Iterator[None]:
    """What the system says of the folder to write names the option."""
    try:
        yield
    except OSError as error:
        problem = f"--out {args.out}: cannot be written ({error.strerror or error})"
        kept = f"; {args.checkpoint} stays, call again to go on" if _has_checkpoint(args) else ""
        raise OSError(f"{problem}; make room or choose another folder{kept}") from error


def _check_checkpoint(args: argparse.Namespace) -> None:
    if not args.checkpoint:
        return
    file = Path(args.checkpoint).resolve()
    if Path(args.out).resolve() in file.parents:
        raise ValueError(f"--checkpoint {args.checkpoint}: must not lie in --out {args.out}")
    if file.is_dir() or not os.access(file.parent, os.W_OK):
        raise ValueError(
            f"--checkpoint {args.checkpoint}: must be a file in a folder that exists and can "
            "be written; name another"
        )


def _has_checkpoint(args: argparse.Namespace) -> bool:
    return bool(args.checkpoint) and Path(args.checkpoint).exists()


@contextmanager
def _told_if_stopped(args: argparse.Namespace, table: ParticleTable) -> Iterator[None]:
    """Who interrupts the work hears that it can go on, and memory that ends is told in one line."""
    try:
        yield
    except KeyboardInterrupt:
        if not _has_checkpoint(args):
            raise
        kept = f"the state stays in {args.checkpoint}: call again to go on"
        print(f"repic-plugin: interrupted; no classes were written, {kept}", file=sys.stderr)
        raise SystemExit(130) from None  # as without a checkpoint
    except MemoryError as error:
        raise ValueError(
            f"{len(table):,} particles and {args.classes:,} classes need more memory than there "
            "is; ask for fewer --classes or --rings, or classify fewer particles"
        ) from error


def _parameters(args: argparse.Namespace, table: ParticleTable) -> Dict[str, Any]:
    """What the result depends on, beside the images and their CTF."""
    if table.ctf is not None and table.ctf_premultiplied and args.ctf == "weight":
        raise ValueError(
            f"{args.particles}: the images are multiplied by their CTF already, which cannot be "
            "weighted again; use --ctf flip or none"
        )
    given = vars(args)
    parameters = {name: given[option[2:].replace("-", "_")] for name, option in OPTIONS.items()}
    parameters.update(
        pixel_size_angstrom=table.pixel_size_angstrom,
        phase_flipped=table.phase_flipped or table.ctf_premultiplied,
        trade=not args.no_trade,
    )
    if args.resolution_angstrom is not None:
        parameters["n_rings"] = _rings(args.resolution_angstrom, table)
    if table.ctf is None:
        parameters["ctf_mode"] = "none"
    return parameters


def _rings(resolution_angstrom: float, table: ParticleTable) -> int:
    check_positive("--resolution-angstrom", resolution_angstrom)
    rings = table.images.shape[-1] * table.pixel_size_angstrom / resolution_angstrom
    return int(np.rint(min(rings, MAX_RINGS)))


def _classify(
    args: argparse.Namespace, table: ParticleTable, parameters: Dict[str, Any], ranks: Ranks
) -> Classification:
    owner = checkpoint_owner(table, parameters)
    resume = None
    n_threads = _n_processors() if args.threads is None else args.threads
    warn_if_bound(ranks, n_threads)
    goes_on = ranks.count(int(ranks.is_first and _has_checkpoint(args))) > 0
    with ranks.agreement():
        if goes_on:
            resume = read_checkpoint(args.checkpoint, owner)
    if resume is not None and ranks.is_first:
        print(f"going on after iteration {resume.iteration}", file=sys.stderr)
    with _users_words(args, table), _progress(args, owner, ranks.is_first) as callbacks:
        return classify_particles(
            table.images,
            ctf=table.ctf,
            n_threads=n_threads,
            resume=resume,
            ranks=ranks,
            **parameters,
            **callbacks,
        )


def _n_processors() -> int:
    has_affinity = hasattr(os, "sched_getaffinity")  # Linux
    return len(os.sched_getaffinity(0)) if has_affinity else os.cpu_count() or 1


@contextmanager
def _users_words(args: argparse.Namespace, table: ParticleTable) -> Iterator[None]:
    """Errors of `classify_particles` name options and files, not arguments."""
    try:
        yield
    except FormatError:
        raise
    except ValueError as error:
        raise ValueError(_in_users_words(str(error), args, table)) from error


def _in_users_words(message: str, args: argparse.Namespace, table: ParticleTable) -> str:
    words = {**OPTIONS, "n_threads": "--threads"}
    if args.resolution_angstrom is not None:
        words["n_rings"] = RINGS_OF_RESOLUTION
    # the first word, and any with an underscore: others may be plain English
    told = re.sub(r"^\w+|\w+_\w+", lambda match: words.get(match[0], match[0]), message)
    image = re.match(r"image (\d+)\b", told)
    if image:
        number = int(image[1])
        told = f"particle {number}, {table.names[number - 1]},{told[image.end() :]}"
    return f"{args.particles}: {told}" if message.startswith("image") else told


@contextmanager
def _progress(
    args: argparse.Namespace, owner: str, is_first: bool
) -> Iterator[Dict[str, Optional[Callable[..., None]]]]:
    """Tell and keep every iteration: one bar at a time on a terminal, else a line for each.

    Only the first of several processes has one.
    """
    with ExitStack() as bars:
        reading = bars.enter_context(progress_bar("reading", "particle")) if is_first else None
        bar: Optional[tqdm[Any]] = None

        def on_iteration(state: State) -> None:
            nonlocal bar
            _keep(args, owner, state)
            if not sys.stderr.isatty():
                print(_told(state), file=sys.stderr, flush=True)
                return
            if bar is None:
                bars.close()
                bar = bars.enter_context(tqdm(desc=_told(state), bar_format=BAR, leave=False))
            bar.set_description_str(_told(state))

        yield {"progress": reading, "on_iteration": on_iteration}


def _keep(args: argparse.Namespace, owner: str, state: State) -> None:
    if not args.checkpoint:
        return
    try:
        write_checkpoint(args.checkpoint, owner, state)
    except OSError as error:
        problem = f"--checkpoint {args.checkpoint}: cannot be written ({error.strerror or error})"
        remedy = "make room or name another"
        if _has_checkpoint(args):
            remedy = "make room and call again: it goes on from the iteration before"
        raise OSError(f"{problem}; {remedy}") from error


def _told(state: State) -> str:
    last = state.records[-1]
    told = f"{last.fraction_changed:.1%} changed, sizes {last.smallest:,} to {last.largest:,}"
    if last.stage == "common":
        told = "all aligned to one average"
    return f"iteration {last.iteration} ({last.stage}): {told}"


def _draw(folder: Path, table: ParticleTable, found: Classification) -> None:
    from repic_plugin.plots import montage_figure  # noqa: PLC0415  matplotlib takes a second

    figure = montage_figure(
        found.averages,
        found.sizes,
        flagged=found.is_junk,
        pixel_size_angstrom=table.pixel_size_angstrom,
    )
    figure.savefig(folder / PICTURE)
