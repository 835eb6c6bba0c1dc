"""2D classes of the candidates of a consensus: tables and averages."""

from __future__ import annotations

from pathlib import Path
from typing import List, NamedTuple, Optional, Sequence, Tuple

import numpy as np
from numpy.typing import NDArray

from repic_plugin.classification import particle_probabilities
from repic_plugin.consensus import GOOD_CLASS, ConsensusResult, ImageClasses
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
from repic_plugin.wording import counted, holding

CANDIDATES, IMAGE_CLASSES, PICKER_CLASSES, CANDIDATE_AVERAGES = CANDIDATE_FILES
CANDIDATE_COLUMNS = ("micrograph", "x", "y", "class", "agreement", "by_image", "probability")
CLASS_COLUMNS = ("class", "size", "score", "share", "resolution_angstrom", "is_filtered")
BLANK_SIDE_PX, UNKNOWN_ANGSTROM = 32, 1.0  # of averages that nobody gave
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
        Score and resolution are NaN in classes of another program.
    averages : ndarray of float32, shape (k, side, side)
        Blank where they are not known.
    pixel_size_angstrom : float
        Of the averages.
    is_filtered : bool
        Whether the images were filtered or denoised, see `consensus.ImageClasses`.
    agreement : ndarray of float64, shape (n,), optional
        Of each image with its class, see `classification.particle_probabilities`; NaN without an
        image. None if it is not known.
    probability : ndarray of float64, shape (n,), optional
        Of each candidate to be a particle by its image alone, see
        `classification.judge_candidates`; NaN without an image. None if it is not known.
    notes : tuple of str
        Micrographs that were not looked at, and why.
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
    agreement: Optional[NDArray[np.float64]] = None
    probability: Optional[NDArray[np.float64]] = None
    notes: Tuple[str, ...] = ()
    n_assigned: int = 0

    def for_consensus(self) -> ImageClasses:
        """Classes, and probability of each candidate by its image, for `judge_by_images`."""
        return ImageClasses(self.label, self.share, self.is_filtered, self.probability)

    def with_shares(self, share: NDArray[np.float64]) -> CandidateClasses:
        """With the shares of classes of which a person chose the good ones, shape (k,)."""
        probability = None
        if self.agreement is not None and not self.is_filtered:
            probability = particle_probabilities(share, self.agreement, self.label)
        return self._replace(share=share, is_filtered=False, probability=probability)


def classes_of_labels(
    candidates: ConsensusResult,
    label: NDArray[np.int64],
    share: NDArray[np.float64],
    averages: Optional[Tuple[NDArray[np.float32], float]] = None,
) -> CandidateClasses:
    """Classes that another program found or a person chose.

    Parameters
    ----------
    candidates : ConsensusResult
    label : ndarray of int64, shape (n,)
        Class of each candidate, -1 where it has none.
    share : ndarray of float64, shape (k,)
        Of particles in each class.
    averages : (ndarray of float32, shape (k, side, side); float), optional
        With their pixel size, Å; blank by default.
    """
    k = len(share)
    images, pixel_size = averages or (np.zeros((k, BLANK_SIDE_PX, BLANK_SIDE_PX), np.float32), 0.0)
    names = np.array(candidates.micrograph_names, dtype=object)[candidates.micrograph]
    unknown = np.full(k, np.nan)
    return CandidateClasses(
        micrograph=names.astype(str),
        centers=np.column_stack([candidates.x, candidates.y]),
        label=label,
        size=np.bincount(label[label >= 0], minlength=k),
        score=unknown,
        share=share,
        resolution_angstrom=unknown,
        averages=images,
        pixel_size_angstrom=pixel_size or UNKNOWN_ANGSTROM,
    )


def told_classes(classes: CandidateClasses, what: str) -> str:
    """Number of classes, of candidates that they were found with if not all, and of good ones.

    Scores of filtered images mean little, so that none of their classes is said to be good.

    Parameters
    ----------
    classes : CandidateClasses
    what : str
        What a class is called.
    """
    told = counted(int((classes.size > 0).sum()), what)
    if classes.n_assigned:
        n_images = int((classes.label >= 0).sum())
        told += f" found with {n_images - classes.n_assigned:,} of them"
    if classes.is_filtered:
        return told
    return f"{told}, of which {holding(int((classes.share >= GOOD_CLASS).sum()))}"


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
    unknown = np.full(len(x), np.nan)
    of_image = (
        _exact_numbers(unknown if column is None else column)
        for column in (classes.agreement, classes.probability)
    )
    found = (classes.label.tolist(), *of_image, np.round(probability, 6).tolist())
    columns = (classes.micrograph.tolist(), x.tolist(), y.tolist(), *found)
    write_table(folder / CANDIDATES, CANDIDATE_COLUMNS, zip(*columns))
    of_class = (classes.score, classes.share, classes.resolution_angstrom)
    numbers = [_numbers(column) for column in of_class]
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


def _numbers(column: NDArray[np.float64]) -> List[str]:
    return ["" if np.isnan(value) else f"{value:.6g}" for value in column.tolist()]


def _exact_numbers(column: NDArray[np.float64]) -> List[str]:
    """Numbers that are read again as they were, so that `--classes` gives the same consensus."""
    return ["" if np.isnan(value) else repr(value) for value in column.tolist()]


def _unless_unknown(column: NDArray[np.float64]) -> Optional[NDArray[np.float64]]:
    """None if the table has no value."""
    return None if np.isnan(column).all() else column


def read_candidate_labels(
    folder: PathLike, micrograph: NDArray[np.str_], centers: NDArray[np.float64]
) -> CandidateClasses:
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
    kinds.update(agreement=NUMBER_OR_NONE, by_image=NUMBER_OR_NONE)
    table = read_csv(path, kinds, AGAIN)
    columns = (table[name].tolist() for name in kinds)
    known = {(name, x, y): found for name, x, y, *found in zip(*columns)}
    keys = zip(micrograph.tolist(), centers[:, 0].tolist(), centers[:, 1].tolist())
    found = [known.get(key) for key in keys]
    n_lost = sum(one is None for one in found)
    if n_lost or len(found) != len(known):
        ours = f"{len(found):,} candidates, of which {n_lost:,} are not among them"
        raise format_error(path, f"holds {len(known):,} candidates, got {ours}; {AGAIN}")
    numbers = {"score": NUMBER_OR_NONE, "resolution_angstrom": NUMBER_OR_NONE}
    kinds = {"share": NUMBER, "is_filtered": COUNT, **numbers}
    classes = read_csv(Path(folder) / IMAGE_CLASSES, kinds, AGAIN)
    label, agreement, by_image = np.array(found, np.float64).reshape(-1, 3).T
    labels, n_classes = label.astype(np.int64), len(classes["share"])
    if len(labels) and labels.max() >= n_classes:
        problem = f"names class {labels.max()}, but {IMAGE_CLASSES} has {n_classes}"
        raise format_error(path, f"{problem}; {AGAIN}")
    if not ((classes["share"] >= 0) & (classes["share"] <= 1)).all():
        told = "share must be from 0 to 1"
        raise format_error(Path(folder) / IMAGE_CLASSES, f"{told}; {AGAIN}")
    averages = open_stack(Path(folder) / CANDIDATE_AVERAGES)
    return CandidateClasses(
        micrograph=micrograph,
        centers=centers,
        label=labels,
        size=np.bincount(labels[labels >= 0], minlength=n_classes),
        score=classes["score"],
        share=classes["share"],
        resolution_angstrom=classes["resolution_angstrom"],
        averages=averages[np.arange(averages.shape[0])],
        pixel_size_angstrom=averages.pixel_size_angstrom,
        is_filtered=bool(classes["is_filtered"].any()),
        agreement=_unless_unknown(agreement),
        probability=_unless_unknown(by_image),
    )
