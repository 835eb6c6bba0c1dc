"""Consensus by probability: one or more picks, weighted by the quality of the pickers."""

from __future__ import annotations

from dataclasses import replace
from typing import Optional, Tuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit, logit

from repic_plugin.consensus.batch import best_of_each
from repic_plugin.consensus.ensemble.candidates import as_cells, score_bins, score_edges
from repic_plugin.consensus.ensemble.fit import Sample, cells_of, fit_ensemble
from repic_plugin.consensus.ensemble.latent_class import posterior
from repic_plugin.consensus.ensemble.model import EnsembleModel
from repic_plugin.consensus.extent import usual_range
from repic_plugin.consensus.picks import Picks
from repic_plugin.consensus.result import ConsensusResult, at_rows
from repic_plugin.consensus.spacing import too_close

LEAST = 1e-12  # of a probability
LARGEST_FIT = 100_000  # cells: half a minute, with narrow intervals


def by_probability(
    groups: ConsensusResult,
    picks: Picks,
    wanted: NDArray[np.int64],
    comparable: NDArray[np.float64],
    places: float,
    *,
    target_precision: Optional[float],
    num_particles: Optional[int],
    quality: Optional[ArrayLike],
    model: Optional[EnsembleModel],
    min_distance_px: float,
    unseen: NDArray[np.bool_],
) -> ConsensusResult:
    """Consensus of the best groups and single picks by probability.

    Parameters
    ----------
    groups : ConsensusResult
        The optimal groups of two or more picks.
    picks : Picks
    wanted : ndarray of int64, shape (n_micrographs,)
        The micrographs of `groups`.
    comparable : ndarray of float64, shape (n_unmatched,)
        Comparable scores of the picks in no group.
    places : float
        Sites per micrograph, see `places_on_micrograph`.
    target_precision, num_particles, quality, model, min_distance_px
        As in `find_consensus`.
    unseen : ndarray of bool, shape (n_micrographs, n_pickers)
        Micrographs that a picker has not looked at.

    Returns
    -------
    ConsensusResult
        The weight is the probability. Without any pick no model is fitted.
    """
    single = np.flatnonzero(groups.is_unmatched)
    if not len(groups) and not len(single):
        return replace(groups, quorum=1, ensemble=model)
    alone = np.full((len(single), picks.n_pickers), -1)
    alone[np.arange(len(single)), picks.picker[single]] = single
    members = np.concatenate([groups.members, alone])
    entered = np.zeros(len(picks), dtype=bool)
    entered[members[members >= 0]] = True
    everything = replace(
        groups,
        micrograph=np.append(groups.micrograph, picks.micrograph[single]),
        x=np.append(groups.x, picks.x[single]),
        y=np.append(groups.y, picks.y[single]),
        overlap=np.append(groups.overlap, np.zeros(len(single))),
        score=np.append(groups.score, comparable),
        members=members,
        is_unmatched=entered,
        false_agreement=_extended(groups.false_agreement, len(single)),
    )
    edges = score_edges(picks, entered) if model is None else model.score_edges
    cells, cell = as_cells(members, score_bins(picks, edges), edges.shape[1] + 1)
    rank = np.full(picks.n_micrographs, -1)
    rank[wanted] = np.arange(len(wanted))
    place = rank[everything.micrograph]
    if model is None:
        every = Sample(cells, cell, place, len(wanted), places * len(wanted))
        chosen, sample = _spread(every, ~unseen[wanted].any(axis=1))
        values = None if quality is None else np.asarray(quality, np.float64)[wanted][chosen]
        model = fit_ensemble(
            sample, picks.picker_names, edges, target_precision=target_precision, quality=values
        )
    weight = posterior(model.classes, cells)[cell]
    weight = _without_unseen(weight, unseen[everything.micrograph], model)
    is_rival = too_close(everything.micrograph, everything.x, everything.y, weight, min_distance_px)
    weight = np.where(is_rival, -1.0, weight)  # no threshold is so low
    by_number = num_particles is not None and target_precision is None
    return kept_candidates(
        replace(everything, weight=weight, quorum=1, ensemble=model),
        place,
        0.0 if by_number else model.threshold,
        num_particles,
    )


def _spread(every: Sample, is_complete: NDArray[np.bool_]) -> Tuple[NDArray[np.int64], Sample]:
    """Micrographs that all pickers have seen, evenly spread, as many as needed for the fit.

    A few pickers have few kinds of candidates; then every such micrograph is used.
    """
    seen = np.flatnonzero(is_complete) if is_complete.any() else np.arange(every.n_micrographs)
    n_chosen = every.n_micrographs * LARGEST_FIT // len(every.cells.n)
    if n_chosen < len(seen):
        places = np.linspace(0, len(seen) - 1, max(n_chosen, 1))
        seen = seen[np.unique(places.round().astype(np.int64))]
    if len(seen) == every.n_micrographs:
        return seen, every
    rank = np.full(every.n_micrographs, -1)
    rank[seen] = np.arange(len(seen))
    is_in = rank[every.micrograph] >= 0
    _, cell = np.unique(every.cell[is_in], return_inverse=True)
    cells = cells_of(every, rank >= 0)
    n_places = every.n_places * len(seen) / every.n_micrographs
    return seen, Sample(cells, cell, rank[every.micrograph[is_in]], len(seen), n_places)


def _without_unseen(
    weight: NDArray[np.float64], unseen: NDArray[np.bool_], model: EnsembleModel
) -> NDArray[np.float64]:
    """Probabilities for which a picker that has not seen the micrograph does not count.

    In the model it has seen the candidate and not picked it; that evidence is taken back.

    Parameters
    ----------
    weight : ndarray of float64, shape (n_candidates,)
    unseen : ndarray of bool, shape (n_candidates, n_pickers)
    model : EnsembleModel
    """
    classes = model.classes
    evidence = np.log1p(-classes.recall) - np.log1p(-classes.junk_rate)
    odds = logit(np.clip(weight, LEAST, 1 - LEAST)) - unseen @ evidence
    return np.asarray(np.where(unseen.any(axis=1), expit(odds), weight))


def kept_candidates(
    everything: ConsensusResult,
    place: NDArray[np.int64],
    threshold: float,
    num_particles: Optional[int],
) -> ConsensusResult:
    """Candidates above the threshold, by micrograph and best first.

    Parameters
    ----------
    everything : ConsensusResult
        All candidates; their picks are still unmatched.
    place : ndarray of int64, shape (n_candidates,)
        Row of `everything.micrographs` of each.
    threshold : float
        Minimum weight.
    num_particles : int, optional
        Maximum number on each micrograph.
    """
    n = len(everything.micrographs.names)
    order = np.lexsort((everything.y, everything.x, -everything.weight, place))
    chosen = order[everything.weight[order] >= threshold]
    n_selected = np.bincount(place[chosen], minlength=n)
    is_free = everything.is_unmatched.copy()
    taken = everything.members[chosen]
    is_free[taken[taken >= 0]] = False
    chosen = chosen[best_of_each(n_selected, num_particles)]
    return replace(
        at_rows(everything, chosen),
        is_unmatched=is_free,
        micrographs=replace(everything.micrographs, n_selected=n_selected),
    )


def _extended(rates: Optional[NDArray[np.float64]], n_single: int) -> Optional[NDArray[np.float64]]:
    """False-agreement rates of groups, and those of single picks, which agree with nothing."""
    return None if rates is None else np.append(rates, np.full(n_single, np.nan))


def places_on_micrograph(picks: Picks, sizes_px: NDArray[np.float64], min_overlap: float) -> float:
    """Number of boxes that fit side by side on a micrograph without being joined.

    The area covered by picks divided by the area in which the centre of a box joined to a given
    box can lie: for squares of side a and Jaccard index t, ``4 a^2 (1 - u + u ln u)`` with
    ``u = 2 t / (1 + t)``.

    Parameters
    ----------
    picks : Picks
    sizes_px : ndarray of float64, shape (n_pickers,)
    min_overlap : float

    Returns
    -------
    float
        At least 1.
    """
    if not len(picks):
        return 1.0
    (left, right), (low, high) = usual_range(picks.x), usual_range(picks.y)
    area = (right - left) * (high - low)
    u = 2 * min_overlap / (1 + min_overlap)
    joined = 4 * float(np.mean(sizes_px)) ** 2 * (1 - u + (u * np.log(u) if u > 0 else 0.0))
    return max(area / joined, 1.0)
