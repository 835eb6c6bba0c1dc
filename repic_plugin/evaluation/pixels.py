"""Precision and recall counted over the pixels that boxes cover."""

from __future__ import annotations

from typing import Optional, Sequence, Tuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from repic_plugin.consensus import check_micrograph_size
from repic_plugin.evaluation.checks import check_box_size, check_centers
from repic_plugin.evaluation.scores import Scores

__all__ = ["pixel_scores"]

# Several times the widest frame of any detector; beyond it a coordinate is a mistake.
MAX_EXTENT_PX = 65_536
# Rows of the mask that are turned into float64 at a time.
ROWS_AT_A_TIME = 256

Intervals = Tuple[NDArray[np.float64], NDArray[np.float64]]


def pixel_scores(
    centers: ArrayLike,
    reference_centers: ArrayLike,
    box_size_px: int,
    *,
    reference_box_size_px: Optional[int] = None,
    micrograph_size_px: Optional[Sequence[int]] = None,
) -> Scores:
    """Compare the pixels that the boxes of a picker and of a reference cover on one micrograph.

    A pixel that several boxes of one set cover counts once: TP pixels are covered by both unions,
    FP by the picker's alone, FN by the reference's alone.

    Parameters
    ----------
    centers, reference_centers : array_like of float, shape (n, 2)
        Box centres x, y in px. A box of size b covers the b x b pixels from its lower corner,
        which is floor(centre - b / 2 + 0.5): the nearest pixel edge, halves rounded up.
    box_size_px : int
        Side of the picker's boxes.
    reference_box_size_px : int, optional
        Side of the reference's boxes, `box_size_px` by default.
    micrograph_size_px : (int, int), optional
        Width and height; pixels outside it do not count. Without it all pixels of all boxes
        count, those at negative coordinates included.

    Returns
    -------
    Scores
        Numbers of pixels.

    Raises
    ------
    ValueError
        If an argument is malformed, or if, without `micrograph_size_px`, the boxes lie farther
        apart than any micrograph is wide.

    Notes
    -----
    Cameron et al. 2024, doi:10.1038/s42003-024-07045-0, equations 4 and 5. The mask has one cell
    for each pair of neighbouring box edges rather than one for each pixel, so it is never larger
    than the micrograph and usually much smaller.
    """
    size_px = None if micrograph_size_px is None else check_micrograph_size(micrograph_size_px)
    box_px = check_box_size("box_size_px", box_size_px)
    reference_px = box_px
    if reference_box_size_px is not None:
        reference_px = check_box_size("reference_box_size_px", reference_box_size_px)
    boxes = _covered(check_centers("centers", centers), box_px, size_px)
    reference = _covered(
        check_centers("reference_centers", reference_centers), reference_px, size_px
    )
    if size_px is None:
        _check_extent(boxes, reference)
    return _compare(boxes, reference)


def _covered(
    centers: NDArray[np.float64], box_px: int, size_px: Optional[Tuple[int, int]]
) -> Intervals:
    """Lower and upper corners (exclusive) of the boxes, clipped; those outside are dropped."""
    lower = np.floor(centers - box_px / 2 + 0.5)
    upper = lower + box_px
    if size_px is not None:
        lower, upper = np.clip(lower, 0, size_px), np.clip(upper, 0, size_px)
    inside = (upper > lower).all(axis=1)
    return lower[inside], upper[inside]


def _check_extent(*sets: Intervals) -> None:
    lower = np.concatenate([low for low, _ in sets])
    upper = np.concatenate([up for _, up in sets])
    extent_px = (upper.max(axis=0) - lower.min(axis=0)).max() if len(lower) else 0
    if extent_px > MAX_EXTENT_PX:
        raise ValueError(
            f"centers must lie within {MAX_EXTENT_PX} px of each other, got boxes {extent_px:.0f} "
            "px apart; give micrograph_size_px to leave out what lies outside"
        )


def _compare(boxes: Intervals, reference: Intervals) -> Scores:
    """Paint both sets on the grid of all box edges and weigh each cell by its pixels."""
    edges = [
        np.unique(np.concatenate([side[:, axis] for side in boxes + reference])) for axis in (0, 1)
    ]
    if not len(edges[0]):
        return Scores()
    found, wanted = _paint(boxes, edges), _paint(reference, edges)
    widths, heights = np.diff(edges[0]), np.diff(edges[1])
    n_found, n_wanted = _area(found, widths, heights), _area(wanted, widths, heights)
    found &= wanted
    tp = _area(found, widths, heights)
    return Scores(tp, n_found - tp, n_wanted - tp)


def _paint(boxes: Intervals, edges: Sequence[NDArray[np.float64]]) -> NDArray[np.bool_]:
    mask = np.zeros((len(edges[1]) - 1, len(edges[0]) - 1), dtype=bool)
    left, right = (np.searchsorted(edges[0], side[:, 0]).tolist() for side in boxes)
    top, bottom = (np.searchsorted(edges[1], side[:, 1]).tolist() for side in boxes)
    for x0, x1, y0, y1 in zip(left, right, top, bottom):
        mask[y0:y1, x0:x1] = True
    return mask


def _area(
    mask: NDArray[np.bool_], widths: NDArray[np.float64], heights: NDArray[np.float64]
) -> int:
    """Pixels under a mask; exact, since all sums are whole numbers below 2**53."""
    rows = (
        heights[i : i + ROWS_AT_A_TIME] @ (mask[i : i + ROWS_AT_A_TIME] @ widths)
        for i in range(0, len(mask), ROWS_AT_A_TIME)
    )
    return int(sum(rows))
