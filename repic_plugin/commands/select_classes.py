"""Select particles by their 2D classes."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Tuple

import numpy as np
from numpy.typing import NDArray

from repic_plugin.arguments import check_in_range
from repic_plugin.commands.out_folder import Own, new_folder
from repic_plugin.formats import (
    SELECTION_FILES,
    ClassTables,
    format_error,
    read_class_tables,
    write_selection,
    write_table,
)

SELECTED = "selected_classes.csv"
OWN = Own((SELECTED,), lambda _folder: (SELECTED, *SELECTION_FILES))
COLUMNS = ("class", "size", "score", "is_chosen")
AGAIN = "run the classification again"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Define the command's arguments."""
    parser.add_argument("classes_dir", metavar="DIR", help="output folder of classify")
    how = parser.add_mutually_exclusive_group(required=True)
    how.add_argument(
        "--auto",
        action="store_true",
        help="classes that are not junk, by the threshold found in their scores",
    )
    how.add_argument(
        "--min-score", type=float, metavar="SCORE", help="classes with at least this score, 0 to 1"
    )
    how.add_argument(
        "--classes",
        type=str,
        metavar="LIST",
        help="these classes, as numbered in classes.csv, such as 1,4,7",
    )
    parser.add_argument(
        "--min-probability",
        type=float,
        metavar="P",
        help="of the chosen classes, only particles with at least this probability, 0 to 1",
    )
    parser.add_argument("--out", required=True, metavar="OUT", help="output folder")
    parser.add_argument(
        "--overwrite", action="store_true", help="replace the output of an earlier run"
    )


def run(args: argparse.Namespace) -> None:
    """Read, choose, write."""
    folder = Path(args.classes_dir)
    found = read_class_tables(folder)
    good, rule = _chosen_classes(args, folder, found)
    chosen = (found.labels >= 0) & good[np.maximum(found.labels, 0)]
    if args.min_probability is not None:
        least = check_in_range("--min-probability", args.min_probability, 0, 1)
        chosen &= _scores(folder, found)[1] >= least
        rule += f", particles with probability {least:g} or more"
    if not chosen.any():
        raise ValueError(
            f"{folder}: no particle is chosen ({rule}); lower the threshold, or give --classes"
        )
    with new_folder(
        args.out, overwrite=args.overwrite, own=OWN, inputs=[folder], what="the classes"
    ) as new:
        write_selection(new.path, folder / "classes.star", chosen)
        _write_table(new.path / SELECTED, found, good)
    print(
        f"{int(chosen.sum()):,} of {len(chosen):,} particles chosen, in {int(good.sum()):,} of "
        f"{len(good):,} classes ({rule})"
    )
    print(f"written to {new.place}")


def _chosen_classes(
    args: argparse.Namespace, folder: Path, found: ClassTables
) -> Tuple[NDArray[np.bool_], str]:
    """Which classes are chosen, and by which rule."""
    if args.classes is not None:
        return _listed_classes(args.classes, folder, len(found.sizes)), f"--classes {args.classes}"
    present = found.sizes > 0
    if args.min_score is not None:
        least = check_in_range("--min-score", args.min_score, 0, 1)
        return present & (_scores(folder, found)[0] >= least), f"score {least:g} or more"
    _scores(folder, found)
    return present & ~found.is_junk, "those not judged junk"


def _scores(folder: Path, found: ClassTables) -> Tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Scores of the classes and probabilities of the particles."""
    if found.scores is None:
        problem = "has no scores: it is of an earlier version"
        raise format_error(folder / "classes.csv", f"{problem}; {AGAIN}, or give --classes")
    return found.scores.score, found.scores.particle_probability


def _listed_classes(text: str, folder: Path, n_classes: int) -> NDArray[np.bool_]:
    chosen = np.zeros(n_classes, dtype=np.bool_)
    for word in text.split(","):
        cell = word.strip()
        if not (cell.isdecimal() and int(cell) < n_classes):
            raise ValueError(
                f"--classes {text}: must be numbers of classes from 0 to {n_classes - 1}, as in "
                f"{folder / 'classes.csv'}, separated by commas, got {word!r}"
            )
        chosen[int(cell)] = True
    return chosen


def _write_table(path: Path, found: ClassTables, good: NDArray[np.bool_]) -> None:
    scores = [""] * len(good)
    if found.scores is not None:
        scores = [f"{value:.6g}" for value in found.scores.score.tolist()]
    rows = zip(range(len(good)), found.sizes.tolist(), scores, good.astype(int).tolist())
    write_table(path, COLUMNS, rows)
