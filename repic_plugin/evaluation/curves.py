"""Precision and recall at every threshold of a picker's score."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Dict, List, Optional, Sequence, Tuple

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from repic_plugin.arguments import check_box_size, check_whole_number
from repic_plugin.consensus import Picks
from repic_plugin.evaluation.by_micrograph import (
    check_reference,
    common_micrographs,
    matching_radius,
)

# As many as a picture can show; the area is taken over all of them.
MAX_POINTS = 200
# Threshold of the point that holds the picks without a score too.
ALL_PICKS = -np.inf

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class PrecisionRecall:
    """One picker's precision and recall as the threshold on its score falls.

    Attributes
    ----------
    picker : str
    threshold : ndarray of float64, shape (t,)
        Falling, on the picker's own scale: picks of this score and above count. -inf takes the
        picks without a score in as well.
    precision, recall : ndarray of float64, shape (t,)
        Of the picks matched one to one, see `match_scores`.
    n_picks : ndarray of int64, shape (t,)
        Picks that count.
    average_precision : float
        Area under the curve, see `precision_recall_curve`; nan for picks without any score, as an
        area needs an order.
    best_f1 : float
        Greatest F1 over all thresholds; 0 without a pick.
    best_threshold : float
        The highest threshold with this F1; nan without a pick.
    """

    picker: str
    threshold: Floats
    precision: Floats
    recall: Floats
    n_picks: NDArray[np.int64]
    average_precision: float
    best_f1: float
    best_threshold: float


def precision_recall_curve(
    picks: Picks,
    reference: Picks,
    box_size_px: int,
    *,
    radius_px: Optional[float] = None,
    max_points: Optional[int] = MAX_POINTS,
) -> Tuple[PrecisionRecall, ...]:
    """Precision and recall of each picker at the thresholds of its scores.

    Micrographs are joined as in `evaluate_picks`, and at each threshold the picks of all of them
    are paired as `match_scores` pairs them: the last point is what `evaluate_picks` finds.

    Parameters
    ----------
    picks : Picks
        Of any number of pickers. Picks of the same score count together. Those without a score
        come last, as one point: the whole curve where no pick has a score.
    reference : Picks
        Of exactly one picker.
    box_size_px : int
        Side of the pickers' boxes.
    radius_px : float, optional
        Largest distance between the centres of a pair, a quarter of `box_size_px` by default.
    max_points : int, optional
        So many points are kept, the first, the last and the best among them; None keeps all.
        Area and best F1 are exact in any case.

    Returns
    -------
    tuple of PrecisionRecall
        In the order of `picks.picker_names`.

    Raises
    ------
    ValueError
        If an argument is malformed, the reference has not one picker, or no micrograph has the
        same name on both sides.

    Notes
    -----
    The area is the average precision, the sum of ``(R_i - R_{i-1}) P_i`` over the thresholds with
    ``R_0 = 0``, as in scikit-learn's ``average_precision_score``. Straight lines between the
    points (trapezoids) would promise more than can be had: Davis and Goadrich 2006,
    doi:10.1145/1143844.1143874. What a picker misses at every threshold adds no area.

    Picks are added by falling score, and each adds one pair or none to the greatest matching,
    found by an augmenting path (Berge 1957, doi:10.1073/pnas.43.9.842).
    """
    radius = matching_radius(check_box_size("box_size_px", box_size_px), radius_px)
    check_reference(reference)
    if max_points is not None:
        check_whole_number("max_points", max_points, 3, "None keeps all")
    common = common_micrographs(picks, reference)
    n_reference = int(np.isin(reference.micrograph, [theirs for _, theirs in common]).sum())
    score = np.where(picks.has_score, picks.score, ALL_PICKS)
    adds_pair = pairs_by_rank(picks, reference, common, radius)
    curves = []
    for name, found in zip(picks.picker_names, picks.rows_by_group()):
        used = np.concatenate([found[mine] for mine, _ in common])
        curves.append(_curve(name, score[used], adds_pair[used], n_reference, max_points))
    return tuple(curves)


def pairs_by_rank(
    picks: Picks, reference: Picks, common: Sequence[Tuple[int, int]], radius_px: float
) -> Flags:
    """Whether each pick, the best of its picker first, makes the greatest matching larger.

    `common` has the micrographs as `common_micrographs` gives them; False on the others.
    """
    centers, true_centers = picks.centers, reference.centers
    wanted = reference.rows_by_group()[0]
    score = np.where(picks.has_score, picks.score, ALL_PICKS)
    adds_pair = np.zeros(len(picks), dtype=bool)
    for found in picks.rows_by_group():
        for mine, theirs in common:
            ranked = found[mine][np.argsort(-score[found[mine]], kind="stable")]
            true = true_centers[wanted[theirs]]
            adds_pair[ranked] = _pairs_added(centers[ranked], true, radius_px)
    return adds_pair


def _curve(
    name: str, score: Floats, adds_pair: Flags, n_reference: int, max_points: Optional[int]
) -> PrecisionRecall:
    order = np.argsort(-score, kind="stable")
    ranked = score[order]
    last_of_ties = np.flatnonzero(np.append(ranked[1:] != ranked[:-1], len(ranked) > 0))
    threshold, n_picks = ranked[last_of_ties], last_of_ties + 1
    n_true = np.cumsum(adds_pair[order])[last_of_ties]
    precision, recall = n_true / n_picks, n_true / max(n_reference, 1)
    f1 = 2 * n_true / (n_picks + n_reference)
    best = int(np.argmax(f1)) if len(f1) else None
    is_ranked = not len(score) or ranked[0] > ALL_PICKS
    area = float(np.sum(np.diff(recall, prepend=0.0) * precision)) if is_ranked else np.nan
    kept = _kept(len(threshold), best, max_points)
    return PrecisionRecall(
        name,
        threshold[kept],
        precision[kept],
        recall[kept],
        n_picks[kept],
        average_precision=area,
        best_f1=0.0 if best is None else float(f1[best]),
        best_threshold=np.nan if best is None else float(threshold[best]),
    )


def _kept(n: int, best: Optional[int], max_points: Optional[int]) -> NDArray[np.int64]:
    """Which of `n` points are kept."""
    if best is None or max_points is None or n <= max_points:
        return np.arange(n)
    evenly = np.linspace(0, n - 1, max_points - 1).round().astype(np.int64)
    return np.union1d(evenly, [best])


def _pairs_added(found: Floats, wanted: Floats, radius_px: float) -> Flags:
    """Whether each pick, in this order, makes the greatest matching larger."""
    if not (len(found) and len(wanted)):
        return np.zeros(len(found), dtype=bool)
    near = cKDTree(found).sparse_distance_matrix(cKDTree(wanted), radius_px, output_type="ndarray")
    near = near[np.lexsort((near["v"], near["i"]))]
    starts = np.searchsorted(near["i"], np.arange(len(found) + 1)).tolist()
    targets = near["j"].tolist()
    neighbors = [targets[start:stop] for start, stop in zip(starts, starts[1:])]
    matching = _Matching(neighbors, len(wanted))
    return np.array([matching.adds(pick) for pick in range(len(found))])


class _Matching:
    """A greatest matching that grows pick by pick."""

    def __init__(self, neighbors: List[List[int]], n_wanted: int) -> None:
        self._neighbors = neighbors
        self._partner = [-1] * len(neighbors)
        self._taken_by = [-1] * n_wanted
        # Reference particles that no path can free any more. A search that fails has seen all
        # that can be reached from them, so later searches need not: all failures together cost
        # no more than one look at each pair.
        self._is_settled = [False] * n_wanted

    def adds(self, pick: int) -> bool:
        """Look for an augmenting path from `pick`, nearest first, and take it."""
        came_from: Dict[int, int] = {}
        queue = [pick]
        for one in queue:  # grows on the way
            for target in self._neighbors[one]:
                if self._is_settled[target] or target in came_from:
                    continue
                came_from[target] = one
                if self._taken_by[target] < 0:
                    self._take(target, came_from)
                    return True
                queue.append(self._taken_by[target])
        for target in came_from:
            self._is_settled[target] = True
        return False

    def _take(self, target: int, came_from: Dict[int, int]) -> None:
        """Pair along the path, back from its end."""
        while target >= 0:
            pick = came_from[target]
            self._taken_by[target] = pick
            self._partner[pick], target = target, self._partner[pick]
