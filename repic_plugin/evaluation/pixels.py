"""Precision and recall by pixels covered by boxes."""

from __future__ import annotations

from typing import List, NamedTuple, Optional, Sequence, Tuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from repic_plugin.arguments import check_box_size, check_centers, check_micrograph_size
from repic_plugin.compiled import compiled
from repic_plugin.evaluation.scores import Scores

# Several times the largest detector frame; larger distances indicate wrong coordinates.
MAX_EXTENT_PX = 65_536

Integers = NDArray[np.int64]


class Centers(NamedTuple):
    """Centres x, y of one set on some micrographs, shape (n, 2), and the micrograph of each."""

    centers: NDArray[np.float64]
    group: Integers


class _Boxes(NamedTuple):
    """Lower and upper corners (exclusive), shape (n, 2), and the group of each box."""

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
    """Scores by pixels covered by the boxes of a picker and of a reference on one micrograph.

    Cameron et al. 2024, doi:10.1038/s42003-024-07045-0, equations 4 and 5. A pixel covered by
    several boxes of one set counts once: TP pixels are covered by both unions, FP only by the
    picker's, FN only by the reference's.

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
        Width and height; pixels outside do not count. By default all pixels of all boxes count,
        including those at negative coordinates.

    Returns
    -------
    Scores
        Numbers of pixels.

    Raises
    ------
    ValueError
        If an argument is malformed, or if, without `micrograph_size_px`, the boxes are farther
        apart than the width of any micrograph.
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
    """Scores by pixels on each of several micrographs, numbered from 0; faster than one by one."""
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
    """Boxes clipped to the micrograph, without those outside."""
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
    """Numbers of pixels covered by the first set, the second, and their union, shape (n_groups, 3).

    The area is summed over strips between successive upper and lower edges, in which boxes are
    intervals; open ones are kept from left to right. Boxes must be sorted by group and upper edge.
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
