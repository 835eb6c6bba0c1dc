"""2D classes of the candidates of a consensus: tables and averages."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple, Sequence

import numpy as np
from numpy.typing import NDArray

from repic_plugin.consensus import GOOD_CLASS
from repic_plugin.formats.base.csv_tables import (
    COUNT,
    NUMBER,
    NUMBER_OR_NONE,
    TEXT,
    read_csv,
    write_table,
)
from repic_plugin.formats.base.errors import PathLike, format_error
from repic_plugin.formats.images.mrc_writing import write_stack
from repic_plugin.formats.images.stacks import open_stack
from repic_plugin.formats.results.consensus_writing import CANDIDATE_FILES

CANDIDATES, IMAGE_CLASSES, PICKER_CLASSES, CANDIDATE_AVERAGES = CANDIDATE_FILES
CANDIDATE_COLUMNS = ("micrograph", "x", "y", "class", "probability")
CLASS_COLUMNS = ("class", "size", "score", "share", "resolution_angstrom", "is_filtered")
PICKER_COLUMNS = ("picker", "class", "alone", "shared", "is_good")
AGAIN = "give the output folder of a consensus with images, of the same picks and options"


class CandidateClasses(NamedTuple):
    """Candidates and their classes.

    Attributes
    ----------
    micrograph : ndarray of str, shape (n,)
    centers : ndarray of float64, shape (n, 2)
        Before the consensus with images chose the position.
    label : ndarray of int64, shape (n,)
        -1 without an image.
    size, score, share, resolution_angstrom : ndarray, shape (k,)
        Sizes are those of all candidates; the rest is that of those the classes were found with.
    averages : ndarray of float32, shape (k, side, side)
    pixel_size_angstrom : float
        Of the averages.
    is_filtered : bool
        Whether the images were filtered or denoised, see `consensus.ImageClasses`.
    n_assigned : int
        Candidates that were assigned to the classes found with the others.
    """

    micrograph: NDArray[np.str_]
    centers: NDArray[np.float64]
    label: NDArray[np.int64]
    size: NDArray[np.int64]
    score: NDArray[np.float64]
    share: NDArray[np.float64]
    resolution_angstrom: NDArray[np.float64]
    averages: NDArray[np.float32]
    pixel_size_angstrom: float
    is_filtered: bool = False
    n_assigned: int = 0


def found_with(classes: CandidateClasses) -> str:
    """Where classes were found with some of the candidates, how many those are."""
    if not classes.n_assigned:
        return ""
    n_images = int((classes.label >= 0).sum())
    return f" found with {n_images - classes.n_assigned:,} of them"


def write_candidate_classes(
    folder: PathLike,
    classes: CandidateClasses,
    probability: NDArray[np.float64],
    picker_names: Sequence[str],
    counts: NDArray[np.int64],
) -> None:
    """Write the tables of candidates, of classes and of pickers by class, and the averages.

    Parameters
    ----------
    folder : str or path
    classes : CandidateClasses
    probability : ndarray of float64, shape (n,)
        Of each candidate, with images.
    picker_names : sequence of str
    counts : ndarray of int64, shape (n_pickers, k, 2)
        See `consensus.picker_classes`.
    """
    folder = Path(folder)
    x, y = classes.centers.T
    columns = (classes.micrograph.tolist(), x.tolist(), y.tolist(), classes.label.tolist())
    write_table(
        folder / CANDIDATES, CANDIDATE_COLUMNS, zip(*columns, np.round(probability, 6).tolist())
    )
    of_class = (classes.score, classes.share, classes.resolution_angstrom)
    numbers = [
        ["" if np.isnan(value) else f"{value:.6g}" for value in column.tolist()]
        for column in of_class
    ]
    filtered = [int(classes.is_filtered)] * len(classes.size)
    rows = zip(range(len(classes.size)), classes.size.tolist(), *numbers, filtered)
    write_table(folder / IMAGE_CLASSES, CLASS_COLUMNS, rows)
    good = (classes.share >= GOOD_CLASS).astype(int).tolist()
    write_table(
        folder / PICKER_CLASSES,
        PICKER_COLUMNS,
        (
            (name, k, *both, good[k])
            for name, of_picker in zip(picker_names, counts.tolist())
            for k, both in enumerate(of_picker)
        ),
    )
    write_stack(folder / CANDIDATE_AVERAGES, classes.averages, classes.pixel_size_angstrom)


class KnownClasses(NamedTuple):
    """Classes of candidates from an earlier run; see `CandidateClasses`."""

    label: NDArray[np.int64]
    score: NDArray[np.float64]
    share: NDArray[np.float64]
    resolution_angstrom: NDArray[np.float64]
    averages: NDArray[np.float32]
    pixel_size_angstrom: float
    is_filtered: bool


def read_candidate_labels(
    folder: PathLike, micrograph: NDArray[np.str_], centers: NDArray[np.float64]
) -> KnownClasses:
    """Classes that candidates have in an earlier run.

    Parameters
    ----------
    folder : str or path
    micrograph : ndarray of str, shape (n,)
    centers : ndarray of float64, shape (n, 2)

    Raises
    ------
    FormatError
        If there are no such tables, or the candidates are others.
    """
    path = Path(folder) / CANDIDATES
    if not path.is_file():
        raise format_error(path, f"no such file; {AGAIN}")
    kinds = {"micrograph": TEXT, "x": NUMBER, "y": NUMBER, "class": COUNT}
    table = read_csv(path, kinds, AGAIN)
    columns = (table[name].tolist() for name in kinds)
    known = {(name, x, y): label for name, x, y, label in zip(*columns)}
    keys = zip(micrograph.tolist(), centers[:, 0].tolist(), centers[:, 1].tolist())
    label = [known.get(key) for key in keys]
    n_lost = sum(one is None for one in label)
    if n_lost or len(label) != len(known):
        ours = f"{len(label):,} candidates, of which {n_lost:,} are not among them"
        raise format_error(path, f"holds {len(known):,} candidates, got {ours}; {AGAIN}")
    numbers = {"score": NUMBER, "resolution_angstrom": NUMBER_OR_NONE}
    kinds = {"share": NUMBER, "is_filtered": COUNT, **numbers}
    classes = read_csv(Path(folder) / IMAGE_CLASSES, kinds, AGAIN)
    labels, n_classes = np.array(label, np.int64), len(classes["share"])
    if len(labels) and labels.max() >= n_classes:
        problem = f"names class {labels.max()}, but {IMAGE_CLASSES} has {n_classes}"
        raise format_error(path, f"{problem}; {AGAIN}")
    if not ((classes["share"] >= 0) & (classes["share"] <= 1)).all():
        told = "share must be from 0 to 1"
        raise format_error(Path(folder) / IMAGE_CLASSES, f"{told}; {AGAIN}")
    averages = open_stack(Path(folder) / CANDIDATE_AVERAGES)
    return KnownClasses(
        labels,
        classes["score"],
        classes["share"],
        classes["resolution_angstrom"],
        averages[np.arange(averages.shape[0])],
        averages.pixel_size_angstrom,
        bool(classes["is_filtered"].any()),
    )
