"""Sort particle images into 2D classes (ACK-means)."""

from __future__ import annotations

import argparse
import sys
import time
import warnings
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, Optional

from tqdm import tqdm

from repic_plugin.classification import (
    Classification,
    Ranks,
    State,
    classify_particles,
    few_members,
)
from repic_plugin.commands.classify_assign import is_assignment, run_assignment
from repic_plugin.commands.classify_options import add_arguments
from repic_plugin.commands.classify_output import (
    draw,
    has_checkpoint,
    n_processors,
    naming_files,
    naming_out,
    opened,
    parameters_of,
)
from repic_plugin.commands.classify_report import doubled_images, report, warn
from repic_plugin.commands.classify_stream import check_stream_options, run_stream
from repic_plugin.commands.mpi import ending_together, the_ranks, warn_if_bound
from repic_plugin.commands.options import naming_options, progress_bar
from repic_plugin.formats import (
    ParticleTable,
    checkpoint_owner,
    read_checkpoint,
    read_particles,
    write_checkpoint,
    write_class_files,
)

__all__ = ["add_arguments", "run"]

ARGUMENTS = {"ctf_mode": "--ctf", "particle_diameter_angstrom": "--particle-diameter"}
ARGUMENTS["n_per_block"] = "--block"
BAR = "{desc} [{elapsed}]"


def run(args: argparse.Namespace) -> None:
    """Read, classify, write; alone, or together with the processes that mpirun has started."""
    ranks = the_ranks()
    with ending_together(ranks), naming_options(args.option_names):
        check_stream_options(args)
        if args.stream is not None:
            run_stream(args, ranks)
        elif is_assignment(args):
            run_assignment(args, ranks)
        else:
            _run(args, ranks)


def _run(args: argparse.Namespace, ranks: Ranks) -> None:
    started = time.perf_counter()
    with ExitStack() as stack:
        with ranks.agreement():
            table = read_particles(args.particles, args.pixel_size, with_ctf=args.ctf != "none")
            new = opened(args, table, stack) if ranks.is_first else None
            parameters = parameters_of(args, table)
        if new is None:
            table = replace(table, names=(), star=None)  # for those who write
        few = few_members(len(table), args.classes, "--classes")
        if new is not None and few:
            print(few, flush=True)
        stack.enter_context(_explaining_stops(args, table))
        found = _classify(args, table, parameters, ranks)
        with ranks.agreement():
            if new is not None:
                with naming_out(args):
                    write_class_files(new.path, table, found)
                    scores = None if found.quality is None else found.quality.score
                    classes = (found.averages, found.sizes, found.is_junk, scores)
                    draw(new.path, *classes, table.pixel_size_angstrom)
                    stack.close()  # the folder takes its name
    if new is not None:
        if args.checkpoint:
            Path(args.checkpoint).unlink(missing_ok=True)
        for note in (*table.notes, *doubled_images(table, found)):
            warnings.warn(note, stacklevel=2)
        warn(found)
        report(found, parameters["ctf_mode"], time.perf_counter() - started)
        print(f"written to {new.place}")


@contextmanager
def _explaining_stops(args: argparse.Namespace, table: ParticleTable) -> Iterator[None]:
    """An interruption says how to resume, and a lack of memory takes one line."""
    try:
        yield
    except KeyboardInterrupt:
        if not has_checkpoint(args):
            raise
        kept = f"{args.checkpoint} is kept: run again to resume"
        print(f"repic-plugin: interrupted; no classes were written, {kept}", file=sys.stderr)
        raise SystemExit(130) from None  # as without a checkpoint
    except MemoryError as error:
        raise ValueError(
            f"{len(table):,} particles and {args.classes:,} classes need more memory than is "
            "available; use fewer --classes or --rings, or classify fewer particles"
        ) from error


def _classify(
    args: argparse.Namespace, table: ParticleTable, parameters: Dict[str, Any], ranks: Ranks
) -> Classification:
    owner = checkpoint_owner(table, parameters)
    resume = None
    n_threads = n_processors() if args.threads is None else args.threads
    warn_if_bound(ranks, n_threads)
    goes_on = ranks.count(int(ranks.is_first and has_checkpoint(args))) > 0
    with ranks.agreement():
        if goes_on:
            resume = read_checkpoint(args.checkpoint, owner)
    if resume is not None and ranks.is_first:
        _tell(args, f"resuming after iteration {resume.iteration}")
    with naming_files(args, table), _progress(args, owner, ranks.is_first) as callbacks:
        return classify_particles(
            table.images,
            ctf=table.ctf,
            n_threads=n_threads,
            resume=resume,
            ranks=ranks,
            **parameters,
            **callbacks,
        )


@contextmanager
def _progress(
    args: argparse.Namespace, owner: str, is_first: bool
) -> Iterator[Dict[str, Optional[Callable[..., None]]]]:
    """Report and save every iteration: a bar on a terminal, else one line each.

    Only the first of several processes has a bar.
    """
    with ExitStack() as bars:
        reading = bars.enter_context(progress_bar("reading", "particle")) if is_first else None
        bar: Optional[tqdm[Any]] = None

        def on_iteration(state: State) -> None:
            nonlocal bar
            _keep(args, owner, state)
            if not sys.stderr.isatty():
                _tell(args, _progress_text(state))
                return
            if bar is None:
                bars.close()
                bar = bars.enter_context(
                    tqdm(desc=_progress_text(state), bar_format=BAR, leave=False)
                )
            bar.set_description_str(_progress_text(state))

        yield {"progress": reading, "on_iteration": on_iteration}


def _tell(args: argparse.Namespace, text: str) -> None:
    """Print a line of progress where the user wants it."""
    print(text, file=sys.stdout if args.progress == "stdout" else sys.stderr, flush=True)


def _keep(args: argparse.Namespace, owner: str, state: State) -> None:
    if not args.checkpoint:
        return
    try:
        write_checkpoint(args.checkpoint, owner, state)
    except OSError as error:
        problem = f"--checkpoint {args.checkpoint}: cannot be written ({error.strerror or error})"
        remedy = "free disk space or choose another file"
        if has_checkpoint(args):
            remedy = "free disk space and run again: it resumes from the previous iteration"
        raise OSError(f"{problem}; {remedy}") from error


def _progress_text(state: State) -> str:
    last = state.records[-1]
    text = f"{last.fraction_changed:.1%} changed class, sizes {last.smallest:,} to {last.largest:,}"
    if last.stage == "common":
        text = "all aligned to one average"
    return f"iteration {last.iteration} ({last.stage}): {text}"
