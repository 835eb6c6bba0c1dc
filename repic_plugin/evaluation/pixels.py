"""Precision and recall counted over the pixels that boxes cover."""

from __future__ import annotations

from typing import List, NamedTuple, Optional, Sequence, Tuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from repic_plugin.arguments import check_box_size, check_centers, check_micrograph_size
from repic_plugin.compiled import compiled
from repic_plugin.evaluation.scores import Scores

# Several times the widest frame of any detector; beyond it a coordinate is a mistake.
MAX_EXTENT_PX = 65_536

Integers = NDArray[np.int64]


class Centers(NamedTuple):
    """Centres of one set on some micrographs: x and y, shape (n, 2), and whose each is."""

    centers: NDArray[np.float64]
    group: Integers


class _Boxes(NamedTuple):
    """Lower corners and upper ones (exclusive), shape (n, 2), and the group of each."""

    lower: Integers
    upper: Integers
    group: Integers


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
    Cameron et al. 2024, doi:10.1038/s42003-024-07045-0, equations 4 and 5. The area is summed over
    the strips between neighbouring upper and lower edges of boxes, in each of which the boxes are
    intervals: no pixel is looked at.
    """
    reference_px = box_size_px if reference_box_size_px is None else reference_box_size_px
    found = check_centers("centers", centers)
    wanted = check_centers("reference_centers", reference_centers)
    return pixel_scores_by_group(
        Centers(found, np.zeros(len(found), dtype=np.int64)),
        Centers(wanted, np.zeros(len(wanted), dtype=np.int64)),
        1,
        box_size_px,
        reference_px,
        micrograph_size_px,
    )[0]


def pixel_scores_by_group(
    found: Centers,
    wanted: Centers,
    n_groups: int,
    box_size_px: int,
    reference_box_size_px: int,
    micrograph_size_px: Optional[Sequence[int]],
) -> List[Scores]:
    """The same for several micrographs at once, which is quicker; groups count from 0."""
    size_px = None if micrograph_size_px is None else check_micrograph_size(micrograph_size_px)
    sizes = (
        check_box_size("box_size_px", box_size_px),
        check_box_size("reference_box_size_px", reference_box_size_px),
    )
    sides = [_covered(*one, size_px) for one in zip((found, wanted), sizes)]
    boxes = _Boxes(*(np.concatenate(pair) for pair in zip(*sides)))
    is_wanted = np.arange(len(boxes.group)) >= len(sides[0].group)
    order = np.lexsort((boxes.lower[:, 1], boxes.group))
    starts = np.searchsorted(boxes.group[order], np.arange(n_groups + 1))
    columns = boxes.lower[order], boxes.upper[order], is_wanted[order], starts
    if size_px is None:
        _check_extent(*columns[:2], starts)
    n_found, n_wanted, n_any = _areas(*columns).T
    tp = n_found + n_wanted - n_any
    counts = zip(tp.tolist(), (n_found - tp).tolist(), (n_wanted - tp).tolist())
    return [Scores(*row) for row in counts]


def _covered(found: Centers, box_px: int, size_px: Optional[Tuple[int, int]]) -> _Boxes:
    """The boxes, clipped; those outside are dropped."""
    lower = np.floor(found.centers - box_px / 2 + 0.5).astype(np.int64)
    upper = lower + box_px
    if size_px is not None:
        lower, upper = np.clip(lower, 0, size_px), np.clip(upper, 0, size_px)
    inside = (upper > lower).all(axis=1)
    return _Boxes(lower[inside], upper[inside], found.group[inside])


def _check_extent(lower: Integers, upper: Integers, starts: Integers) -> None:
    for first, last in zip(starts, starts[1:]):
        if last == first:
            continue
        extent_px = (upper[first:last].max(axis=0) - lower[first:last].min(axis=0)).max()
        if extent_px > MAX_EXTENT_PX:
            raise ValueError(
                f"centers must lie within {MAX_EXTENT_PX} px of each other, got boxes {extent_px} "
                "px apart; give micrograph_size_px to leave out what lies outside"
            )


@compiled
def _areas(
    lower: Integers, upper: Integers, is_wanted: NDArray[np.bool_], starts: Integers
) -> Integers:
    """Pixels that the first set covers, the second, and both together, shape (n_groups, 3).

    Boxes must come by group, and in it by their upper edges. From one edge to the next the boxes
    are intervals; those that are open are kept from left to right.
    """
    areas = np.zeros((len(starts) - 1, 3), dtype=np.int64)
    for group in range(len(starts) - 1):
        first, last = starts[group], starts[group + 1]
        edges = np.unique(np.concatenate((lower[first:last, 1], upper[first:last, 1])))
        is_open = np.empty(last - first, dtype=np.int64)
        n_open, following = 0, first
        for i in range(len(edges) - 1):
            n_left = 0
            for k in range(n_open):
                if upper[is_open[k], 1] > edges[i]:
                    is_open[n_left] = is_open[k]
                    n_left += 1
            n_open = n_left
            while following < last and lower[following, 1] == edges[i]:
                place = n_open
                while place > 0 and lower[is_open[place - 1], 0] > lower[following, 0]:
                    is_open[place] = is_open[place - 1]
                    place -= 1
                is_open[place] = following
                n_open += 1
                following += 1
            reached = np.full(3, np.iinfo(np.int64).min)
            for k in range(n_open):
                left, right = lower[is_open[k], 0], upper[is_open[k], 0]
                mine = 1 if is_wanted[is_open[k]] else 0
                for which in (mine, 2):
                    if right > reached[which]:
                        new = right - max(left, reached[which])
                        areas[group, which] += new * (edges[i + 1] - edges[i])
                        reached[which] = right
    return areas
