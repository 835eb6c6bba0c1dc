"""Options of `repic-plugin classify`."""

from __future__ import annotations

import argparse
from typing import Dict

from repic_plugin.classification import ALIGNMENTS, CTF_MODES, RULES


def classify_parser() -> argparse.ArgumentParser:
    """A parser with the command's arguments, to look them up."""
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    return parser


def options_by_name() -> Dict[str, str]:
    """Each option, as ``--box-size`` by its name in the parsed arguments."""
    actions = classify_parser()._actions
    return {one.dest: one.option_strings[-1] for one in actions if one.option_strings}


def given_options(args: argparse.Namespace) -> Dict[str, str]:
    """The options whose values are not the defaults, by their names in the parsed arguments."""
    parser = classify_parser()
    options = options_by_name().items()
    return {k: v for k, v in options if getattr(args, k, None) != parser.get_default(k)}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Define the command's arguments."""
    parser.add_argument(
        "particles",
        metavar="PARTICLES",
        help="image stack (.mrcs) or RELION STAR file (3.0 or later)",
    )
    task = parser.add_mutually_exclusive_group(required=True)
    task.add_argument("--classes", type=int, metavar="K", help="number of classes")
    task.add_argument(
        "--into",
        metavar="DIR",
        help="assign the particles to the classes of an earlier run, which stay as they are",
    )
    task.add_argument(
        "--references",
        metavar="FILE",
        help="assign the particles to these averages (.mrcs), of another program perhaps; box, "
        "pixel size and grey scale may be others",
    )
    place = parser.add_mutually_exclusive_group(required=True)
    place.add_argument("--out", metavar="DIR", help="output folder")
    place.add_argument(
        "--stream",
        metavar="DIR",
        help="folder of a classification that goes on as particles come, with --classes: give all "
        "particles so far, as often as there are new ones",
    )
    parser.add_argument(
        "--overwrite", action="store_true", help="replace the output of an earlier run"
    )
    parser.add_argument(
        "--pixel-size",
        type=float,
        metavar="ANGSTROM",
        help="pixel size in Å, if the file has none; overrides the header of a stack",
    )
    parser.add_argument(
        "--ctf",
        choices=CTF_MODES,
        default="weight",
        help="weight: phase flip and CTF weighting; flip: phase flip only, as in the paper; none: "
        "no correction. A stack or a STAR file without defocus has no CTF",
    )
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="random seed")
    parser.add_argument(
        "--threads",
        type=int,
        metavar="N",
        help="threads per process (default: number of processors); the result depends neither on "
        "threads nor on MPI processes",
    )
    parser.add_argument(
        "--checkpoint",
        metavar="FILE",
        help="file to resume from if the run is stopped; removed when the run is complete",
    )
    parser.add_argument(
        "--progress",
        choices=("stderr", "stdout"),
        default="stderr",
        help="where a line for each iteration goes if there is no terminal for a bar",
    )
    _add_stream(parser.add_argument_group("with --stream"))
    _add_clustering(parser.add_argument_group("clustering"))
    _add_alignment(parser.add_argument_group("alignment"))


def _add_stream(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--first",
        type=int,
        metavar="N",
        help="particles that classes are made of (default: 250 for each, or what 2 GB hold)",
    )
    group.add_argument(
        "--block",
        type=int,
        metavar="N",
        help="further particles that are processed together (default: 4,096)",
    )
    group.add_argument(
        "--final",
        action="store_true",
        help="process all particles, although the last ones are no whole block",
    )
    group.add_argument(
        "--full-pass",
        action="store_true",
        help="classify all particles so far again, from the classes as they are",
    )


def _add_clustering(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--method",
        choices=tuple(RULES),
        default="ack",
        help="clustering rule: ACK-means, K-means, equal-size K-means, or SPIDER's size factor",
    )
    group.add_argument(
        "--beta",
        type=float,
        default=0.5,
        metavar="WEIGHT",
        help="weight of the size constraint of ack; 0 for none",
    )
    group.add_argument(
        "--no-trade",
        action="store_true",
        help="ACK-means as in the paper, without splitting and merging classes (ack with mra)",
    )
    group.add_argument(
        "--tolerance",
        type=float,
        default=0.01,
        metavar="FRACTION",
        help="stop when no more than this fraction of the particles changes class",
    )
    group.add_argument(
        "--max-iterations", type=int, default=60, metavar="N", help="maximum number of iterations"
    )


def _add_alignment(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--alignment",
        choices=ALIGNMENTS,
        default="mra",
        help="mra: each particle to each class average, in every iteration; msa: as mra, with the "
        "averages in the principal subspace; rfa: all to one average, then clustering",
    )
    group.add_argument(
        "--particle-diameter",
        type=float,
        metavar="ANGSTROM",
        help="longest diameter of the particle in Å (default: measured in the mean image, and "
        "printed)",
    )
    group.add_argument(
        "--max-shift-px",
        type=float,
        metavar="PX",
        help="maximum shift (default: a sixteenth of the box)",
    )
    group.add_argument(
        "--no-own-contrast",
        dest="own_contrast",
        action="store_false",
        help="take the particle as equally strong in all images, even where it is not (mra)",
    )
    group.add_argument(
        "--mirror",
        action="store_true",
        help="also align mirror images; RELION's 2D programs ignore mirroring",
    )
    detail = group.add_mutually_exclusive_group()
    detail.add_argument(
        "--rings",
        type=int,
        metavar="R",
        help="Fourier rings: compare up to box x pixel size / R (default: 27 Å, or a tenth of the "
        "mask where that is finer, but no finer than 4 px)",
    )
    detail.add_argument(
        "--resolution-angstrom",
        type=float,
        metavar="ANGSTROM",
        help="the same, as a resolution in Å",
    )
    group.add_argument(
        "--mask-diameter-px",
        type=float,
        metavar="PX",
        help="mask diameter (default: 1.1 particle diameters, at most 0.84 of the box)",
    )
