"""Scores of the pickers and their consensus over the iterations."""

from __future__ import annotations

from typing import Any, Collection, Dict, List, Mapping, NamedTuple, Optional, Sequence

import numpy as np

from repic_plugin.consensus import EnsembleModel, Picks
from repic_plugin.evaluation import evaluate_picks
from repic_plugin.iteration.subsets import SUBSETS

CONSENSUS, ALL = "consensus", "all"


class IterationRow(NamedTuple):
    """Scores of one set of particles on one subset of the micrographs after one iteration.

    Attributes
    ----------
    iteration : int
        0 is the initialisation.
    name : str
        A picker, or ``consensus``.
    subset : str
        ``training``, ``validation``, ``testing`` or ``all``.
    n_micrographs, n_particles : int
    agreement : float
        Agreement with the consensus, 2 x pairs / (picks + consensus particles); nan for the
        consensus itself.
    precision, recall, f1 : float
        Against the reference, matched one to one; nan without one.
    """

    iteration: int
    name: str
    subset: str
    n_micrographs: int
    n_particles: int
    agreement: float
    precision: float
    recall: float
    f1: float


ITERATION_COLUMNS = IterationRow._fields


def agreement(picks: Picks, others: Picks, box_size_px: int) -> List[float]:
    """Agreement of each picker's picks with another set.

    Parameters
    ----------
    picks : Picks
        Any number of pickers.
    others : Picks
        Exactly one picker, such as a consensus, on the same micrographs.
    box_size_px : int

    Returns
    -------
    list of float
        2 x pairs / (picks + others) of each picker: 1 if both are equal, or both are empty.
    """
    found = evaluate_picks(picks, others, box_size_px)
    return [1.0 if one.n_picks == one.n_reference == 0 else one.matching.f1 for one in found]


def iteration_rows(
    iteration: int,
    picks: Picks,
    consensus: Picks,
    subset_of: Sequence[str],
    box_size_px: int,
    reference: Optional[Picks] = None,
) -> List[IterationRow]:
    """Scores of one iteration, for each subset and set of particles.

    Parameters
    ----------
    iteration : int
    picks, consensus : Picks
        On the same micrographs.
    subset_of : sequence of str
        Subset of each micrograph.
    box_size_px : int
    reference : Picks, optional
        Matched by micrograph name; micrographs that it lacks do not count.

    Returns
    -------
    list of IterationRow
        For each non-empty subset, and for all micrographs: the pickers in their order, then the
        consensus.
    """
    names = np.asarray(subset_of)
    rows: List[IterationRow] = []
    for subset in (*SUBSETS, ALL):
        chosen = np.flatnonzero((names == subset) | (subset == ALL))
        if not len(chosen):
            continue
        mine, agreed = picks.on_micrographs(chosen), consensus.on_micrographs(chosen)
        close = [*agreement(mine, agreed, box_size_px), np.nan]
        scores = [_against(one, reference, box_size_px) for one in (mine, agreed)]
        for name, n, value, score in zip(
            (*mine.picker_names, CONSENSUS),
            (*_counts(mine), len(agreed)),
            close,
            (*scores[0], *scores[1]),
        ):
            rows.append(IterationRow(iteration, name, subset, len(chosen), n, value, **score))
    return rows


def least_agreeing(rows: Sequence[IterationRow], subset: str = ALL) -> str:
    """Name of the picker that agrees least with the consensus.

    Parameters
    ----------
    rows : sequence of IterationRow
        Rows of one iteration.
    subset : str

    Returns
    -------
    str
        The first in case of ties.
    """
    pickers = [row for row in rows if row.name != CONSENSUS and row.subset == subset]
    return min(pickers, key=lambda row: row.agreement).name


def lowest_f1(model: EnsembleModel, names: Collection[str]) -> str:
    """Name of the picker with the lowest estimated F1 score.

    Parameters
    ----------
    model : EnsembleModel
    names : collection of str
        Pickers of the model to consider.

    Returns
    -------
    str
        The first in case of ties.
    """
    scores = {name: f1 for name, f1 in zip(model.picker_names, model.f1) if name in names}
    return min(scores, key=lambda name: scores[name])


def _counts(picks: Picks) -> List[int]:
    return [int(n) for n in np.bincount(picks.picker, minlength=picks.n_pickers)]


def _against(picks: Picks, reference: Optional[Picks], box_size_px: int) -> List[Mapping[str, Any]]:
    """Precision, recall and F1 of each picker; nan if no micrograph is in the reference."""
    nothing: Dict[str, float] = dict.fromkeys(("precision", "recall", "f1"), np.nan)
    if reference is None or not set(picks.micrograph_names) & set(reference.micrograph_names):
        return [nothing] * picks.n_pickers
    return [
        {"precision": one.matching.precision, "recall": one.matching.recall, "f1": one.matching.f1}
        for one in evaluate_picks(picks, reference, box_size_px)
    ]
