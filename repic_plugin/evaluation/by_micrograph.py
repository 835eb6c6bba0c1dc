"""Scores of each picker on each micrograph, and the matching of micrographs."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import List, Optional, Sequence, Tuple

import numpy as np
from numpy.typing import NDArray

from repic_plugin.arguments import (
    check_box_size,
    check_micrograph_size,
    check_positive,
    check_whole_number,
)
from repic_plugin.consensus import Picks
from repic_plugin.evaluation.matching import max_pairs_by_group
from repic_plugin.evaluation.pixels import Centers, pixel_scores_by_group
from repic_plugin.evaluation.scores import Scores

# Boxes whose centres are a quarter of a box apart have a Jaccard index of at least 0.5.
RADIUS_BOX_FRACTION = 0.25
BATCH_SIZE = 16  # micrographs; enough to make the overhead of a call negligible

Rows = NDArray[np.int64]


@dataclass(frozen=True)
class MicrographScores:
    """Scores of one picker against the reference on one micrograph.

    Attributes
    ----------
    picker, micrograph : str
    n_picks, n_reference : int
    pixel : Scores
        Counted over pixels, see `pixel_scores`.
    matching : Scores
        Counted over particles, see `match_scores`.
    """

    picker: str
    micrograph: str
    n_picks: int
    n_reference: int
    pixel: Scores
    matching: Scores


def evaluate_by_micrograph(
    picks: Picks,
    reference: Picks,
    box_size_px: int,
    *,
    reference_box_size_px: Optional[int] = None,
    radius_px: Optional[float] = None,
    micrograph_size_px: Optional[Sequence[int]] = None,
    n_threads: int = 1,
) -> Tuple[MicrographScores, ...]:
    """Scores of each picker against a reference on each micrograph.

    The parameters and errors are those of `evaluate_picks`, whose counts are the sums of these.

    Returns
    -------
    tuple of MicrographScores
        All micrographs named in both, in the order of `picks.micrograph_names`, for each picker in
        the order of `picks.picker_names`.
    """
    box_px = check_box_size("box_size_px", box_size_px)
    size_px = None if micrograph_size_px is None else check_micrograph_size(micrograph_size_px)
    radius = matching_radius(box_px, radius_px)
    check_reference(reference)
    reference_px = box_px if reference_box_size_px is None else reference_box_size_px
    common = common_micrographs(picks, reference)
    found, wanted = picks.centers, reference.centers
    true_rows = reference.rows_by_group()[0]
    batches = [
        (name, rows, common[first : first + BATCH_SIZE])
        for name, rows in zip(picks.picker_names, picks.rows_by_group())
        for first in range(0, len(common), BATCH_SIZE)
    ]

    def scored(batch: Tuple[str, List[Rows], List[Tuple[int, int]]]) -> List[MicrographScores]:
        name, rows, pairs = batch
        mine = _centers(found, [rows[m] for m, _ in pairs])
        theirs = _centers(wanted, [true_rows[t] for _, t in pairs])
        n = len(pairs)
        pixel = pixel_scores_by_group(mine, theirs, n, box_px, reference_px, size_px)
        n_mine, n_theirs = (np.bincount(one.group, minlength=n).tolist() for one in (mine, theirs))
        n_pairs = max_pairs_by_group(*mine, *theirs, n, radius).tolist()
        return [
            MicrographScores(
                name,
                picks.micrograph_names[m],
                n_mine[i],
                n_theirs[i],
                pixel[i],
                Scores(n_pairs[i], n_mine[i] - n_pairs[i], n_theirs[i] - n_pairs[i]),
            )
            for i, (m, _) in enumerate(pairs)
        ]

    with ThreadPoolExecutor(check_whole_number("n_threads", n_threads, 1)) as pool:
        each = pool.map if n_threads > 1 else map
        return tuple(row for rows in each(scored, batches) for row in rows)


def _centers(centers: NDArray[np.float64], rows: List[Rows]) -> Centers:
    """Centres on some micrographs, each with the index of its micrograph among them."""
    counts = [len(one) for one in rows]
    return Centers(centers[np.concatenate(rows)], np.repeat(np.arange(len(rows)), counts))


def matching_radius(box_size_px: float, radius_px: Optional[float]) -> float:
    """Maximum distance between two centres that count as the same particle.

    Parameters
    ----------
    box_size_px : float
    radius_px : float or None
        Returned unchanged; None gives a quarter of the box.

    Returns
    -------
    float
        px.

    Raises
    ------
    ValueError
        If the radius is not positive and finite.
    """
    radius = box_size_px * RADIUS_BOX_FRACTION if radius_px is None else radius_px
    return check_positive("radius_px", radius, "a quarter of the box is usual")


def check_reference(reference: Picks) -> None:
    """Refuse a reference with any number of pickers but one."""
    if reference.n_pickers != 1:
        raise ValueError(
            f"reference must have one picker, got {list(reference.picker_names)}; take one of them"
        )


def common_micrographs(picks: Picks, reference: Picks) -> List[Tuple[int, int]]:
    """Indices in picks and in reference of the micrographs named in both."""
    theirs = {name: i for i, name in enumerate(reference.micrograph_names)}
    common = [(i, theirs[name]) for i, name in enumerate(picks.micrograph_names) if name in theirs]
    if not common:
        raise ValueError(
            "reference must name at least one micrograph of picks, got "
            f"{list(reference.micrograph_names[:2])} for {list(picks.micrograph_names[:2])}; "
            "make the names the same"
        )
    return common
