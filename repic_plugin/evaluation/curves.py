"""Precision-recall curves over the thresholds of a picker's score."""

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

# As many as a plot can show; the area is computed from all of them.
MAX_POINTS = 200
# Threshold of the point that includes the picks without a score.
ALL_PICKS = -np.inf

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class PrecisionRecall:
    """Precision and recall of one picker at decreasing thresholds on its score.

    Attributes
    ----------
    picker : str
    threshold : ndarray of float64, shape (t,)
        Decreasing, on the picker's own scale; picks with this score or better count. -inf also
        includes the picks without a score.
    precision, recall : ndarray of float64, shape (t,)
        Of picks matched one to one, see `match_scores`.
    n_picks : ndarray of int64, shape (t,)
        Number of picks that count.
    average_precision : float
        Area under the curve, see `precision_recall_curve`; nan if no pick has a score.
    best_f1 : float
        Maximum F1 over all thresholds; 0 without picks.
    best_threshold : float
        Highest threshold with this F1; nan without picks.
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
    """Precision-recall curve of each picker over the thresholds of its score.

    Micrographs are matched as in `evaluate_picks`, and at each threshold picks are paired as in
    `match_scores`: the last point equals the result of `evaluate_picks`.

    Parameters
    ----------
    picks : Picks
        Any number of pickers. Picks of equal score count together. Those without a score come
        last, as one point, which is the whole curve if no pick has a score.
    reference, box_size_px, radius_px
        As in `evaluate_picks`, as are the errors.
    max_points : int, optional
        Maximum number of points kept, including the first, the last and the best; None keeps all.
        Area and best F1 are always exact.

    Returns
    -------
    tuple of PrecisionRecall
        In the order of `picks.picker_names`.

    Notes
    -----
    The area is the average precision, the sum of ``(R_i - R_{i-1}) P_i`` over the thresholds with
    ``R_0 = 0``, as in scikit-learn's ``average_precision_score``. Linear interpolation
    (trapezoids) would be too optimistic: Davis and Goadrich 2006, doi:10.1145/1143844.1143874.

    Picks are added by decreasing score, and each adds one pair or none to the maximum matching,
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
    """Whether each pick, the best of its picker first, enlarges the maximum matching.

    `common` are the micrographs from `common_micrographs`; False on the others.
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
    """Indices of the points kept out of `n`."""
    if best is None or max_points is None or n <= max_points:
        return np.arange(n)
    evenly = np.linspace(0, n - 1, max_points - 1).round().astype(np.int64)
    return np.union1d(evenly, [best])


def _pairs_added(found: Floats, wanted: Floats, radius_px: float) -> Flags:
    """Whether each pick, in this order, enlarges the maximum matching."""
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
    """Maximum matching that grows pick by pick."""

    def __init__(self, neighbors: List[List[int]], n_wanted: int) -> None:
        self._neighbors = neighbors
        self._partner = [-1] * len(neighbors)
        self._taken_by = [-1] * n_wanted
        # Reference particles that no path can free any more. A failed search has visited all
        # that are reachable from them, so later searches skip them: all failures together
        # cost one visit of each pair.
        self._is_settled = [False] * n_wanted

    def adds(self, pick: int) -> bool:
        """Whether there is an augmenting path from `pick`, nearest first, which is then taken."""
        came_from: Dict[int, int] = {}
        queue = [pick]
        for one in queue:  # grows during the search
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
        """Pair along the path, backwards from its end."""
        while target >= 0:
            pick = came_from[target]
            self._taken_by[target] = pick
            self._partner[pick], target = target, self._partner[pick]
