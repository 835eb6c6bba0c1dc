"""Score 2D classes of simulated particles against their true views."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import List, NamedTuple, Sequence, Tuple

import numpy as np
from numpy.typing import NDArray

from repic_plugin.commands.options import print_table
from repic_plugin.commands.out_folder import new_folder
from repic_plugin.evaluation import ClassScores, score_classes
from repic_plugin.formats import (
    NUMBER_OR_NONE,
    TEXT,
    Kind,
    header_table,
    listed,
    typed_columns,
    write_table,
)
from repic_plugin.simulation import directions_from_euler

ANGLES = ("rot_deg", "tilt_deg", "psi_deg")
INDEX = Kind("a whole number from 0, or -1 for none", np.int64, least=-1)
MOSTLY_JUNK = 0.5  # fraction of a class
MAX_LISTED = 10
MEASURES = ("n_unclassified", "n_junk", "pair_fraction", "particle_fraction", "perfect_fraction")
MEASURES += ("n_classes", "smallest", "largest", "size_variation", "n_under_5")


class _Truth(NamedTuple):
    """The truth of `simulate-particles`: names, views (n,), directions (n, 3), nan for junk."""

    names: List[str]
    view: NDArray[np.int64]
    directions: NDArray[np.float64]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Define the command's arguments."""
    parser.add_argument("assignments", metavar="ASSIGNMENTS", help="assignments.csv of classify")
    parser.add_argument("truth", metavar="TRUTH", help="truth.csv of simulate-particles")
    parser.add_argument(
        "--max-angle",
        type=float,
        default=15.0,
        metavar="DEG",
        help="maximum angle of a correct pair",
    )
    parser.add_argument(
        "--classes", type=int, metavar="K", help="number of classes (default: those in use)"
    )
    parser.add_argument("--out", metavar="DIR", help="output folder for tables and plots")


def run(args: argparse.Namespace) -> None:
    """Read, score, print, write."""
    names, labels = _read_assignments(Path(args.assignments))
    truth = _read_truth(Path(args.truth))
    _check_same_particles(args, names, truth.names)
    scores = score_classes(
        labels,
        truth.directions,
        max_angle_deg=args.max_angle,
        view=truth.view,
        n_classes=args.classes,
    )
    print_table(["measure", "value"], _measures(scores))
    _print_junk(scores)
    if args.out:
        with new_folder(args.out) as new:
            _write_tables(new.path, scores)
            _write_plots(new.path, scores, Path(args.assignments).stem)
        print(f"written to {new.place}")


def _read_assignments(path: Path) -> Tuple[List[str], NDArray[np.int64]]:
    """Names, and classes from 0 or -1 for none."""
    table = header_table(path, ",", remedy="give the assignments.csv that classify wrote")
    columns = typed_columns(table, {"particle": TEXT, "class": INDEX})
    return columns["particle"].tolist(), columns["class"]


def _read_truth(path: Path) -> _Truth:
    table = header_table(path, ",", remedy="give the truth.csv that simulate-particles wrote")
    kinds = {"particle": TEXT, "view": INDEX, **dict.fromkeys(ANGLES, NUMBER_OR_NONE)}
    names, view, *angles = typed_columns(table, kinds).values()
    euler = np.column_stack(angles)
    seen = view >= 0
    unknown = np.flatnonzero(seen & np.isnan(euler).any(axis=1))
    if len(unknown):
        raise table.row_error(
            int(unknown[0]),
            f"{listed(ANGLES)} must be numbers where view is not -1; complete the row",
        )
    directions = np.full((len(view), 3), np.nan)
    directions[seen] = directions_from_euler(euler[seen])
    return _Truth(names.tolist(), view, directions)


def _check_same_particles(
    args: argparse.Namespace, names: Sequence[str], true_names: Sequence[str]
) -> None:
    """Refuse tables whose rows, matched by order, are not of the same particles."""
    if len(names) != len(true_names):
        raise ValueError(
            f"{args.assignments} must have as many particles as {args.truth}, got {len(names)} "
            f"and {len(true_names)}; classify the particles of this truth"
        )
    if not names:
        raise ValueError(f"{args.assignments}: has no particles; classify some first")
    for row, (name, true_name) in enumerate(zip(names, true_names), 1):
        if "@" in name and "@" in true_name and _number(name) != _number(true_name):
            raise ValueError(
                f"{args.assignments} must have the particles of {args.truth} in their order, got "
                f"{name} for {true_name} in row {row}; classify the particles of this truth"
            )


def _number(name: str) -> str:
    """The image's number in its stack: 12 of 000012@particles.mrcs."""
    return name.split("@", 1)[0].strip().lstrip("0")


def _measures(scores: ClassScores) -> List[List[str]]:
    angle = f"within {scores.max_angle_deg:g} degrees"
    perfect = 0.0 if scores.perfect_fraction is None else scores.perfect_fraction
    return [
        ["particles in classes", f"{int(scores.sizes.sum()):,}"],
        ["excluded", f"{scores.n_unclassified:,}"],
        ["pure noise", f"{scores.n_junk:,}"],
        [f"pairs {angle}", f"{scores.pair_fraction:.3f}"],
        [f"class members {angle}, mean over particles", f"{scores.particle_fraction:.3f}"],
        [f"pairs of the true views {angle}", f"{perfect:.3f}"],
        ["classes", f"{scores.n_classes:,}"],
        ["smallest class", f"{scores.smallest:,}"],
        ["largest class", f"{scores.largest:,}"],
        ["coefficient of variation of the sizes", f"{scores.size_variation:.3f}"],
        ["classes under 5 members", f"{scores.n_under_5:,}"],
    ]


def _print_junk(scores: ClassScores) -> None:
    """Print the classes with more noise than particles, in order of their share of noise."""
    fractions = scores.junk_fractions
    order = np.argsort(-fractions, kind="stable")
    mostly = [c for c in order.tolist() if fractions[c] > MOSTLY_JUNK]
    if mostly:
        print("\nclasses with more noise than particles:")
        rows = [
            [str(c), f"{scores.sizes[c]:,}", f"{scores.junk_sizes[c]:,}", f"{fractions[c]:.3f}"]
            for c in mostly[:MAX_LISTED]
        ]
        print_table(["class", "members", "noise", "share"], rows)
        if len(mostly) > MAX_LISTED:
            print(f"and {len(mostly) - MAX_LISTED} more")


def _write_tables(folder: Path, scores: ClassScores) -> None:
    measures = {"max_angle_deg": f"{scores.max_angle_deg:g}", "n_particles": scores.sizes.sum()}
    for name in MEASURES:
        value = getattr(scores, name)
        measures[name] = f"{value:.6f}" if isinstance(value, float) else value
    write_table(folder / "scores.csv", list(measures), [list(measures.values())])
    edges = scores.angle_edges_deg.astype(int).tolist()
    write_table(
        folder / "angular_distances.csv",
        ["from_deg", "to_deg", "pairs"],
        zip(edges[:-1], edges[1:], scores.angle_counts.tolist()),
    )
    fractions = (scores.class_pair_fractions, scores.junk_fractions)
    pair_cells, junk_cells = ([f"{v:.6f}" for v in column.tolist()] for column in fractions)
    write_table(
        folder / "classes.csv",
        ["class", "size", "junk", "junk_fraction", "pair_fraction"],
        zip(range(scores.n_classes), scores.sizes, scores.junk_sizes, junk_cells, pair_cells),
    )


def _write_plots(folder: Path, scores: ClassScores, name: str) -> None:
    from repic_plugin import plots  # noqa: PLC0415 - matplotlib loads slowly

    distances = plots.angular_distance_figure({name: scores}, max_angle_deg=scores.max_angle_deg)
    distances.savefig(folder / "angular_distances.png")
    plots.class_sizes_figure({name: scores.sizes}).savefig(folder / "class_sizes.png")
