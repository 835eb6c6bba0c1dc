"""Classes of particles that come one after the other, by `repic-plugin classify --stream`."""

from __future__ import annotations

import argparse
import time
import warnings
from contextlib import contextmanager
from pathlib import Path
from typing import Iterator, NamedTuple, cast

from repic_plugin.classification import Block, ClassStream, Ranks, StreamState
from repic_plugin.commands.classify_options import given_options
from repic_plugin.commands.classify_output import (
    FILES,
    draw,
    n_processors,
    naming_files,
)
from repic_plugin.commands.classify_report import report_junk
from repic_plugin.commands.classify_stream_record import StreamRecord
from repic_plugin.commands.options import progress_bar
from repic_plugin.commands.out_folder import growing_folder
from repic_plugin.formats import (
    ParticleTable,
    StreamFolder,
    read_particles,
    write_streamed_files,
)
from repic_plugin.wording import counted

WHAT, FOLDER = "the particles", "stream"  # the latter within that of --stream: blocks and state
# Options of a stream, and what has no effect on one.
OF_STREAM = ("first", "block", "final", "full_pass")
WITHOUT_EFFECT = {
    "checkpoint": "the folder of --stream keeps what is done",
    "overwrite": "a stream is added to; give another folder to begin again",
}


class Processed(NamedTuple):
    """What one call has done.

    Attributes
    ----------
    n_before : int
        Particles that were processed before.
    has_passed : bool
        Whether all were classified again.
    seconds : float
    """

    n_before: int
    has_passed: bool
    seconds: float = 0.0


def check_stream_options(args: argparse.Namespace) -> None:
    """Refuse options of a stream without one."""
    given = given_options(args)
    for name in OF_STREAM:
        if args.stream is None and name in given:
            raise ValueError(f"{given[name]} is for particles that come later; add --stream DIR")


def run_stream(args: argparse.Namespace, ranks: Ranks) -> None:
    """Read, go on, write."""
    started = time.perf_counter()
    _check_options(args, ranks)
    table = read_particles(args.particles, args.pixel_size, with_ctf=args.ctf != "none")
    inputs = (table.path, *table.images.paths)
    _check_no_other(args.stream)
    options = {"own": (*FILES, FOLDER), "option": "--stream", "inputs": inputs, "what": WHAT}
    with _naming_folder(args), growing_folder(args.stream, **options) as new:
        kept = StreamFolder(Path(args.stream) / FOLDER)
        kept.remove_unfinished()
        record = StreamRecord(args, table, kept)
        record.check_or_begin()
        with naming_files(args, table):
            done = _advanced(args, table, kept, record)
            if kept.state is not None:
                _write(new, table, kept, kept.state)
    for note in table.notes:
        warnings.warn(note, stacklevel=2)
    if kept.state is None:
        print(
            f"{counted(len(table), 'particle')} so far; classes are made of the first "
            f"{record.settings().n_to_start:,}, or with --final of those that there are"
        )
        return
    _report(args, table, kept.state, done._replace(seconds=time.perf_counter() - started))


def _check_options(args: argparse.Namespace, ranks: Ranks) -> None:
    """Refuse what has no effect on a stream."""
    given = given_options(args)
    if args.classes is None:
        other = given.get("into") or given.get("references")
        raise ValueError(f"--stream makes classes, got {other}; give --classes K instead")
    if ranks.size > 1:
        raise ValueError(
            f"--stream works in one process, got {ranks.size} (MPI); start it without mpirun, "
            "with --threads"
        )
    for name, reason in WITHOUT_EFFECT.items():
        if name in given:
            raise ValueError(f"{given[name]} has no effect with --stream: {reason}")


def _check_no_other(folder: str) -> None:
    """Refuse the folder of a classification without a stream, whose files would be replaced."""
    place = Path(folder)
    if not (place / FOLDER).exists() and any((place / name).exists() for name in FILES):
        raise ValueError(
            f"--stream {folder}: holds a classification by --out; choose another folder"
        )


@contextmanager
def _naming_folder(args: argparse.Namespace) -> Iterator[None]:
    """What the system says of the folder to write names the option."""
    try:
        yield
    except OSError as error:
        problem = f"--stream {args.stream}: cannot be written ({error.strerror or error})"
        remedy = "free disk space or permit writing, and run again: it goes on after what is kept"
        raise OSError(f"{problem}; {remedy}") from error


def _advanced(
    args: argparse.Namespace, table: ParticleTable, kept: StreamFolder, record: StreamRecord
) -> Processed:
    """Process what is new, and all again where that is asked for and was not done yet."""
    stream = ClassStream(record.settings(), kept.state)
    n_before = 0 if kept.state is None else kept.state.n_seen
    n_threads = n_processors() if args.threads is None else args.threads
    every = (table.images, table.ctf)
    with progress_bar("classifying", "particle") as progress:
        for block in stream.advance(*every, now=args.final, n_threads=n_threads):
            state = cast(StreamState, stream.state)  # there is one after a block
            kept.keep(block, state)
            progress(int(block.rows[-1]) + 1, len(table))
            _tell_new(block, len(state))
    if not args.full_pass or kept.state is None or kept.n_passed == kept.state.n_seen:
        return Processed(n_before, False)
    with progress_bar("full pass", "reading") as progress:
        blocks = stream.full_pass(*every, n_threads=n_threads, progress=progress)
        kept.replace(blocks, lambda: cast(StreamState, stream.state))
    return Processed(n_before, True)


def _tell_new(block: Block, n_classes: int) -> None:
    """Print which classes were appended."""
    if block.new is None:
        return
    n_new = len(block.new.n_averaged)
    numbers = ", ".join(map(str, range(n_classes - n_new, n_classes)))
    print(f"new views after {int(block.rows[-1]) + 1:,} particles: class {numbers}")


def _write(folder: Path, table: ParticleTable, kept: StreamFolder, state: StreamState) -> None:
    """Write the files of a classification, of the particles so far."""
    found = kept.particles()
    n_empty = int((found.labels < 0).sum())
    reason = "its image is empty" if n_empty == 1 else "their images are empty"
    notes = [f"{counted(n_empty, 'particle')} excluded: {reason}"] if n_empty else []
    write_streamed_files(folder, table.first(state.n_seen), found, state, notes)
    for note in notes:
        warnings.warn(note, stacklevel=2)
    shown = (state.references.averages, state.sizes, state.is_junk, state.scores.score)
    draw(folder, *shown, state.references.sizes.pixel_size_angstrom)


def _report(
    args: argparse.Namespace, table: ParticleTable, state: StreamState, done: Processed
) -> None:
    """Print how many particles are in classes, and how many wait."""
    sizes, mode = state.sizes, state.references.ctf_mode
    ctf = "without CTF" if mode == "none" else f"with CTF ({mode})"
    empty = f" ({(sizes == 0).sum():,} empty)" if (sizes == 0).any() else ""
    smallest, n_new = sizes[sizes > 0].min(), state.n_seen - done.n_before
    print(
        f"{state.n_seen:,} particles {ctf} in {len(sizes):,} classes{empty} of {smallest:,} to "
        f"{sizes.max():,}, {n_new:,} of them new, {done.seconds:.1f} s"
    )
    print(state.references.sizes)
    report_junk(sizes, state.is_junk, "by their scores")
    n_left = len(table) - state.n_seen
    if n_left:
        print(f"{counted(n_left, 'particle')} wait until a block is complete, or for --final")
    if done.has_passed:
        print("all were classified again, from the classes as they were")
    elif args.full_pass:
        print("no full pass: no particles have come since the last one")
    print(f"written to {args.stream}")
