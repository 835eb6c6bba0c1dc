"""The picks of one file, and the conventions that every format is converted to."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Iterable, Optional, Tuple, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

_T = TypeVar("_T")


@dataclass(frozen=True)
class PickTable:
    """The picks of one file.

    Attributes
    ----------
    x, y : ndarray of float64, shape (n,)
        Centre of the box in px of the micrograph, y along the array rows.
    score : ndarray of float64, shape (n,)
        On the picker's own scale; 0 where `has_score` is False.
    has_score : ndarray of bool, shape (n,)
        False where the file gives no score.
    micrograph : ndarray of object, shape (n,), or None
        Name of each pick's micrograph as a str, with the folders that the file gives, without
        image extension. None where the file has no such column: then its own name is the
        micrograph's.
    box_size_px : ndarray of float64, shape (n,), or None
        Side of each box, px; the longer side of a box that is not square. None where the file
        does not say.
    row : ndarray of int64, shape (n,)
        Each pick's data row in the file, from 1; header, comments and blank lines do not count.
    empty : tuple of str
        Micrographs that the file names besides those in `micrograph`: they have no pick.
    sources : tuple of Path
        Of a list of pick files, those it names: the picks are theirs, and so are the rows.
    notes : tuple of str
        What a user should know of how the file was read.
    score_transform : str or None
        How the scores of such a file become comparable, where the format decides it.
    threshold : float or None
        The picker's own minimum score, where its files hold picks below it too.
    may_be_cut : bool
        Whether the file ends within a line, so that its last number may have lost digits.
    """

    x: NDArray[np.float64]
    y: NDArray[np.float64]
    score: NDArray[np.float64]
    has_score: NDArray[np.bool_]
    micrograph: Optional[NDArray[np.object_]]
    box_size_px: Optional[NDArray[np.float64]]
    row: NDArray[np.int64]
    empty: Tuple[str, ...] = ()
    sources: Tuple[Path, ...] = ()
    notes: Tuple[str, ...] = ()
    score_transform: Optional[str] = None
    threshold: Optional[float] = None
    may_be_cut: bool = False

    def __len__(self) -> int:
        return len(self.x)


def pick_table(
    x: NDArray[np.float64],
    y: NDArray[np.float64],
    score: Optional[NDArray[np.float64]],
    *,
    micrograph: Optional[NDArray[np.object_]] = None,
    box_size_px: Optional[NDArray[np.float64]] = None,
    notes: Tuple[str, ...] = (),
    may_be_cut: bool = False,
) -> PickTable:
    """A `PickTable` from checked columns, in file order; NaN stands for a missing score."""
    has_score = np.zeros(len(x), dtype=bool) if score is None else ~np.isnan(score)
    return PickTable(
        x=x,
        y=y,
        score=np.zeros(len(x)) if score is None else np.where(has_score, score, 0.0),
        has_score=has_score,
        micrograph=micrograph,
        box_size_px=box_size_px,
        row=np.arange(1, len(x) + 1, dtype=np.int64),
        notes=notes,
        may_be_cut=may_be_cut,
    )


def no_picks() -> PickTable:
    """The table of a micrograph without picks."""
    return pick_table(np.zeros(0), np.zeros(0), None)


def pick_table_from_corners(
    x: NDArray[np.float64],
    y: NDArray[np.float64],
    width: NDArray[np.float64],
    height: NDArray[np.float64],
    score: Optional[NDArray[np.float64]],
    *,
    may_be_cut: bool = False,
) -> PickTable:
    """A `PickTable` from lower corners and the sides of their boxes."""
    x, y, sides = x + width / 2, y + height / 2, np.maximum(width, height)
    return pick_table(x, y, score, box_size_px=sides, may_be_cut=may_be_cut)


def centers_from_corners(corners: ArrayLike, box_size_px: ArrayLike) -> NDArray[np.float64]:
    """Centres of boxes that a file gives by their lower corners (the smallest x and y).

    Parameters
    ----------
    corners : array_like, shape (n_picks, 2)
        Lower corner of each box, x then y, px.
    box_size_px : array_like, shape (), (n_picks,) or (n_picks, 2)
        One side for all boxes, one for each box, or width and height of each box.

    Returns
    -------
    ndarray of float64, shape (n_picks, 2)
        x then y of each centre, px.
    """
    return np.asarray(corners, dtype=np.float64) + _half_sides(box_size_px)


def corners_from_centers(centers: ArrayLike, box_size_px: ArrayLike) -> NDArray[np.float64]:
    """Lower corners of boxes: the inverse of `centers_from_corners`, with the same shapes."""
    return np.asarray(centers, dtype=np.float64) - _half_sides(box_size_px)


def _half_sides(box_size_px: ArrayLike) -> NDArray[np.float64]:
    sides = np.asarray(box_size_px, dtype=np.float64)
    # One side for each box serves x and y; without this, two boxes would be read as width, height.
    half: NDArray[np.float64] = (sides[:, np.newaxis] if sides.ndim == 1 else sides) / 2
    return half


def common(values: Iterable[Optional[_T]]) -> Optional[_T]:
    """The value that all have; None where they differ."""
    different = set(values)
    return different.pop() if len(different) == 1 else None
