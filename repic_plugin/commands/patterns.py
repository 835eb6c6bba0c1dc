"""The option --pattern: sets of particles that some pickers found and others did not."""

from __future__ import annotations

import argparse
from typing import List, Sequence, Tuple

import numpy as np

from repic_plugin.consensus import (
    BoxSize,
    ConsensusResult,
    Pattern,
    Picks,
    find_pattern,
    parse_patterns,
)
from repic_plugin.formats import PicksDir

PatternSet = Tuple[Pattern, ConsensusResult]


def add_pattern_argument(parser: argparse.ArgumentParser) -> None:
    """Define the option."""
    parser.add_argument(
        "--pattern",
        metavar="PICKERS",
        action="append",
        default=[],
        help="write the particles that some pickers found and others did not to a folder in "
        "DIR/patterns, whatever the mode: 'topaz, not cryolo' are the picks of topaz that overlap "
        "none of cryolo's, 'topaz, cryolo' what both found; may be given several times",
    )


def wanted_patterns(args: argparse.Namespace, picker_names: Sequence[str]) -> List[Pattern]:
    """Patterns that are asked for.

    Raises
    ------
    ValueError
        If one is invalid.
    """
    return parse_patterns(";".join(args.pattern), picker_names) if args.pattern else []


def find_pattern_sets(
    args: argparse.Namespace,
    patterns: Sequence[Pattern],
    loaded: PicksDir,
    picks: Picks,
    result: ConsensusResult,
    box_size_px: BoxSize,
) -> List[PatternSet]:
    """The set of each pattern, of the picks as they are after corrections."""
    return [
        (
            pattern,
            find_pattern(
                picks,
                result,
                pattern,
                box_size_px,
                min_overlap=args.min_overlap,
                position=args.position,
                min_distance_px=args.min_distance,
                time_limit_s=args.time_limit,
                unseen=loaded.is_missing,
            ),
        )
        for pattern in patterns
    ]


def print_patterns(
    sets: Sequence[PatternSet], folders: Sequence[str], loaded: PicksDir, place: str
) -> None:
    """Print a line for each set, with the micrographs that it leaves out."""
    for (pattern, result), folder in zip(sets, folders):
        n_with, n_micrographs = len(np.unique(result.micrograph)), len(result.micrographs.names)
        line = f"{len(result):,} particles on {n_with:,} of {n_micrographs:,} micrographs"
        line = line if len(result) else "no particle"
        if not result.is_optimal:
            line += ", NOT proven optimal on all micrographs"
        excluded = [loaded.picks.picker_names.index(name) for name in pattern.not_by]
        n_out = int(loaded.is_missing[:, excluded].any(axis=1).sum())
        if n_out:
            line += f" (left out: {n_out:,}, for which a picker that did not find them has no file)"
        print(f"{pattern.sentence}: {line}, in {place}/{folder}")
