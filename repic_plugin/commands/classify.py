"""Sort particle images into 2D classes (ACK-means)."""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import sys
import time
import warnings
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, Optional

import numpy as np
from tqdm import tqdm

from repic_plugin.classification import (
    ALIGNMENTS,
    CTF_MODES,
    DEFAULT_RINGS,
    RULES,
    Classification,
    State,
    classify_particles,
    state_from_arrays,
    state_to_arrays,
)
from repic_plugin.commands.options import new_folder, progress_bar
from repic_plugin.formats import (
    CLASS_FILES,
    ParticleTable,
    read_arrays,
    read_particles,
    write_arrays,
    write_class_files,
)

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Define the command's arguments."""
    parser.add_argument("particles", metavar="PARTICLES", help="a stack (.mrcs) or a RELION .star")
    parser.add_argument("--classes", type=int, required=True, metavar="K")
    parser.add_argument("--out", required=True, metavar="DIR", help="folder to write")
    parser.add_argument("--overwrite", action="store_true", help="replace an earlier run's folder")
    parser.add_argument("--pixel-size", type=float, metavar="ANGSTROM", help="of a stack without")
    parser.add_argument("--method", choices=tuple(RULES), default="ack", help="how to cluster")
    parser.add_argument(
        "--alignment",
        choices=ALIGNMENTS,
        default="mra",
        help="multi-reference; the same with dissimilarities in a PCA subspace; reference-free",
    )
    parser.add_argument("--beta", type=float, default=0.5, help="weight of equal sizes (ack)")
    parser.add_argument(
        "--tolerance", type=float, default=0.01, help="end when fewer particles change class"
    )
    parser.add_argument("--max-iterations", type=int, default=60, metavar="N")
    parser.add_argument("--max-shift-px", type=float, default=4.0, metavar="PX")
    detail = parser.add_mutually_exclusive_group()
    detail.add_argument(
        "--rings", type=int, metavar="R", help=f"box x pixel size / resolution ({DEFAULT_RINGS})"
    )
    detail.add_argument("--resolution-angstrom", type=float, metavar="A", help="instead of --rings")
    parser.add_argument(
        "--mask-diameter-px", type=float, metavar="PX", help="0.84 of the box if not given"
    )
    parser.add_argument(
        "--ctf",
        choices=CTF_MODES,
        default="weight",
        help="flip phases and weigh by the CTF, flip phases only, or no CTF; none without a CTF",
    )
    parser.add_argument("--mirror", action="store_true", help="mirror images may share a class")
    parser.add_argument(
        "--no-trade",
        action="store_true",
        help="the paper's algorithm alone: no splitting and merging of classes (ack with mra)",
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)), metavar="N")
    parser.add_argument(
        "--checkpoint",
        metavar="FILE",
        help="keep the state here after every iteration, and go on from it; removed at the end",
    )


def run(args: argparse.Namespace) -> None:
    """Read, classify, write."""
    started = time.perf_counter()
    table = read_particles(args.particles, args.pixel_size)
    with new_folder(args.out, overwrite=args.overwrite, ours=CLASS_FILES) as folder:
        found = _classify(args, table)
        write_class_files(folder, table, found)
        _draw(folder, table, found)
    if args.checkpoint:
        Path(args.checkpoint).unlink()
    _report(found, time.perf_counter() - started)
    print(f"written to {args.out}")


def _classify(args: argparse.Namespace, table: ParticleTable) -> Classification:
    parameters = _parameters(args, table)
    owner = _owner(table, parameters)
    resume = _resumed(args.checkpoint, owner)
    with progress_bar("reading", "particle") as progress, _log(args, owner) as on_iteration:
        return classify_particles(
            table.images,
            args.classes,
            ctf=table.ctf,
            n_threads=args.threads,
            resume=resume,
            on_iteration=on_iteration,
            progress=progress,
            **parameters,
        )


def _parameters(args: argparse.Namespace, table: ParticleTable) -> Dict[str, Any]:
    """What the result depends on, beside the images."""
    n_rings = args.rings
    if args.resolution_angstrom is not None:
        n_rings = _rings(args.resolution_angstrom, table)
    if table.ctf_premultiplied and args.ctf == "weight":
        raise ValueError(
            f"{args.particles}: the images are multiplied by their CTF already, which cannot be "
            "weighted again; use --ctf flip or none"
        )
    return {
        "pixel_size_angstrom": table.pixel_size_angstrom,
        "phase_flipped": table.phase_flipped or table.ctf_premultiplied,
        "ctf_mode": args.ctf if table.ctf is not None else "none",
        "method": args.method,
        "alignment": args.alignment,
        "beta": args.beta,
        "tolerance": args.tolerance,
        "max_iterations": args.max_iterations,
        "max_shift_px": args.max_shift_px,
        "n_rings": n_rings,
        "mask_diameter_px": args.mask_diameter_px,
        "mirror": args.mirror,
        "trade": not args.no_trade,
        "random_state": args.seed,
    }


def _rings(resolution_angstrom: float, table: ParticleTable) -> int:
    if not (np.isfinite(resolution_angstrom) and resolution_angstrom > 0):
        raise ValueError(f"--resolution-angstrom must be positive, got {resolution_angstrom}")
    return int(np.rint(table.images.shape[-1] * table.pixel_size_angstrom / resolution_angstrom))


def _owner(table: ParticleTable, parameters: Dict[str, Any]) -> str:
    """What a checkpoint must have been made of to be used again."""
    told = json.dumps([parameters, table.names], sort_keys=True)
    return hashlib.sha256(told.encode("utf-8")).hexdigest()


def _resumed(checkpoint: Optional[str], owner: str) -> Optional[State]:
    if not checkpoint or not Path(checkpoint).exists():
        return None
    arrays = read_arrays(checkpoint)
    if str(arrays.get("owner", np.array([""]))[0]) != owner:
        raise ValueError(
            f"{checkpoint}: was made with other particles or parameters; remove it, or name "
            "another --checkpoint"
        )
    state = state_from_arrays(arrays)
    print(f"going on after iteration {state.iteration}", file=sys.stderr)
    return state


@contextmanager
def _log(args: argparse.Namespace, owner: str) -> Iterator[Callable[[State], None]]:
    """Tell and keep every iteration."""
    quiet = not sys.stderr.isatty()
    with tqdm(desc="classifying", unit="iteration", disable=quiet, leave=False) as bar:

        def on_iteration(state: State) -> None:
            if args.checkpoint:
                write_arrays(
                    args.checkpoint, {"owner": np.array([owner]), **state_to_arrays(state)}
                )
            last = state.records[-1]
            told = f"{last.fraction_changed:.1%} changed, sizes {last.smallest} to {last.largest}"
            bar.set_postfix_str(told)
            bar.update()
            if quiet:
                line = f"iteration {last.iteration} ({last.stage}): {told}"
                print(line, file=sys.stderr, flush=True)

        yield on_iteration


def _draw(folder: Path, table: ParticleTable, found: Classification) -> None:
    from repic_plugin.viewers import montage_figure  # noqa: PLC0415  matplotlib takes a second

    figure = montage_figure(
        found.averages,
        found.sizes,
        flagged=found.is_junk,
        pixel_size_angstrom=table.pixel_size_angstrom,
    )
    figure.savefig(folder / "classes.png")


def _report(found: Classification, seconds: float) -> None:
    n_empty = int((found.labels < 0).sum())
    if n_empty:
        warnings.warn(
            f"{n_empty:,} particles are the same everywhere (empty) and are in no class",
            stacklevel=2,
        )
    if not found.converged:
        warnings.warn(
            f"it ended after {len(found.records)} iterations, before it had converged; "
            "raise --max-iterations",
            stacklevel=2,
        )
    sizes = found.sizes
    print(
        f"{len(found):,} particles, {len(sizes)} classes of {sizes.min():,} to {sizes.max():,} "
        f"(coefficient of variation {sizes.std() / sizes.mean():.2f}), "
        f"{len(found.records)} iterations, {seconds:.1f} s"
    )
    if found.is_junk.any():
        junk = ", ".join(str(k) for k in np.flatnonzero(found.is_junk))
        print(f"junk: classes {junk} ({found.sizes[found.is_junk].sum():,} particles)")
