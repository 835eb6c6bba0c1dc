"""What the ways of `repic-plugin classify` share: its folder, its picture, and what errors name."""

from __future__ import annotations

import argparse
import os
import re
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Dict, Iterator, Optional, Sequence

import numpy as np
from numpy.typing import NDArray

from repic_plugin.arguments import check_positive
from repic_plugin.commands.out_folder import NewFolder, Own, new_folder
from repic_plugin.formats import CLASS_FILES, REFERENCES, FormatError, ParticleTable

PICTURE = "classes.png"
FILES = (*CLASS_FILES, "classes.csv", "sizes.csv", REFERENCES, PICTURE)
OWN = Own(CLASS_FILES, lambda _folder: FILES)
# What `classify_particles` takes as the options give it.
AS_GIVEN = ("method", "alignment", "beta", "tolerance", "max_iterations", "max_shift_px")
AS_GIVEN += ("mask_diameter_px", "mirror", "own_contrast")
MAX_RINGS = 1 << 30  # more than any box has, and still an integer at tiny resolutions
RINGS_OF_RESOLUTION = "the number of rings (box x pixel size / --resolution-angstrom)"


def opened(
    args: argparse.Namespace, table: ParticleTable, stack: ExitStack, more: Sequence[str] = ()
) -> NewFolder:
    """The folder to write, until the stack is closed; `more` is read besides the particles."""
    _check_checkpoint(args)
    inputs = (table.path, *table.images.paths, *more)
    options = {"overwrite": args.overwrite, "own": OWN, "inputs": inputs, "what": "the particles"}
    with naming_out(args):
        return stack.enter_context(new_folder(args.out, **options))


@contextmanager
def naming_out(args: argparse.Namespace) -> Iterator[None]:
    """What the system says of the folder to write names the option."""
    try:
        yield
    except OSError as error:
        problem = f"--out {args.out}: cannot be written ({error.strerror or error})"
        kept = f"; {args.checkpoint} is kept: run again to resume" if has_checkpoint(args) else ""
        raise OSError(f"{problem}; free disk space or choose another folder{kept}") from error


def _check_checkpoint(args: argparse.Namespace) -> None:
    if not args.checkpoint:
        return
    file = Path(args.checkpoint).resolve()
    if Path(args.out).resolve() in file.parents:
        raise ValueError(
            f"--checkpoint {args.checkpoint}: must not lie in --out {args.out}; choose another"
        )
    if file.is_dir() or not os.access(file.parent, os.W_OK):
        raise ValueError(
            f"--checkpoint {args.checkpoint}: must be a file in a folder that exists and can "
            "be written; choose another"
        )


def has_checkpoint(args: argparse.Namespace) -> bool:
    """Whether there is a state to resume from."""
    return bool(args.checkpoint) and Path(args.checkpoint).exists()


def n_processors() -> int:
    """Number of processors that this process may use."""
    has_affinity = hasattr(os, "sched_getaffinity")  # Linux
    return len(os.sched_getaffinity(0)) if has_affinity else os.cpu_count() or 1


@contextmanager
def naming_files(args: argparse.Namespace, table: ParticleTable) -> Iterator[None]:
    """Errors of the classification name the file and the particle."""
    try:
        yield
    except FormatError:
        raise
    except ValueError as error:
        message = str(error)
        if args.resolution_angstrom is not None:
            message = message.replace("n_rings", RINGS_OF_RESOLUTION)
        image = re.match(r"image (\d+)\b", message)
        if image:
            number = int(image[1])
            message = f"particle {number}, {table.names[number - 1]},{message[image.end() :]}"
        place = f"{args.particles}: " if str(error).startswith("image") else ""
        raise ValueError(f"{place}{message}") from error


def check_premultiplied(args: argparse.Namespace, table: ParticleTable, ctf_mode: str) -> None:
    """Refuse to weight images by their CTF that are multiplied by it already."""
    if table.ctf is not None and table.ctf_premultiplied and ctf_mode == "weight":
        raise ValueError(
            f"{args.particles}: the images are already multiplied by their CTF, so they cannot be "
            "weighted by it; use --ctf flip or none"
        )


def parameters_of(args: argparse.Namespace, table: ParticleTable) -> Dict[str, Any]:
    """What classes depend on besides the images and their CTF, as `classify_particles` takes it."""
    check_premultiplied(args, table, args.ctf)
    parameters = {name: getattr(args, name) for name in AS_GIVEN}
    parameters.update(
        n_classes=args.classes,
        n_rings=args.rings,
        particle_diameter_angstrom=args.particle_diameter,
        ctf_mode=args.ctf,
        random_state=args.seed,
        pixel_size_angstrom=table.pixel_size_angstrom,
        phase_flipped=table.phase_flipped or table.ctf_premultiplied,
        trade=not args.no_trade,
    )
    if args.resolution_angstrom is not None:
        parameters["n_rings"] = rings_of(args, table)
    if table.ctf is None:
        parameters["ctf_mode"] = "none"
    return parameters


def rings_of(args: argparse.Namespace, table: ParticleTable) -> int:
    """Number of rings up to the resolution asked for."""
    resolution = check_positive("--resolution-angstrom", args.resolution_angstrom)
    rings = table.images.shape[-1] * table.pixel_size_angstrom / resolution
    return int(np.rint(min(rings, MAX_RINGS)))


def draw(
    folder: Path,
    averages: NDArray[np.float32],
    sizes: NDArray[np.int64],
    is_junk: NDArray[np.bool_],
    scores: Optional[NDArray[np.float64]],
    pixel_size_angstrom: float,
) -> None:
    """Draw the averages of the classes."""
    from repic_plugin.plots import montage_figure  # noqa: PLC0415  matplotlib takes a second

    figure = montage_figure(
        averages, sizes, flagged=is_junk, scores=scores, pixel_size_angstrom=pixel_size_angstrom
    )
    figure.savefig(folder / PICTURE)
