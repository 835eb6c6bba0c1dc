"""Consensus particles from the picks of several pickers."""

from __future__ import annotations

import warnings
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any, Callable, Dict, Iterator, List, Mapping, NamedTuple, Optional, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from repic_plugin.consensus.arguments import (
    check_micrographs,
    check_probabilistic,
    check_settings,
    check_unseen,
)
from repic_plugin.consensus.batch import solve_batch
from repic_plugin.consensus.boxes import BoxSize, box_sizes, inside_micrograph
from repic_plugin.consensus.ensemble.model import EnsembleModel
from repic_plugin.consensus.fates import (
    ALONE,
    AT_THE_EDGE,
    COPY,
    LOW_SCORE,
    NOT_CHOSEN,
    with_fates,
)
from repic_plugin.consensus.geometry import same_picks
from repic_plugin.consensus.picks import Picks
from repic_plugin.consensus.probabilistic import (
    by_probability,
    places_on_micrograph,
)
from repic_plugin.consensus.records import BatchConsensus, BatchPicks, Settings
from repic_plugin.consensus.result import ConsensusResult, MicrographCounts
from repic_plugin.consensus.scores import (
    MinScore,
    References,
    ScoreTransform,
    above_min_score,
    choose_transforms,
    comparable_scores,
    falling_scores,
    rank_references,
    score_warnings,
)
from repic_plugin.consensus.solvers import choose_solver
from repic_plugin.consensus.spacing import find_copies, spacing_px

BATCH_SIZE = 64  # micrographs; enough to make the overhead of a call negligible
FEW_COPIES = 0.01  # of the picks that are used: so few are not worth a warning
MIN_JACCARD = 0.3  # Cameron et al. 2024, Online Methods


class Rows(NamedTuple):
    """Ranges of the picks of some micrographs.

    Those of micrograph m are entries ``begin[m]`` to ``end[m]`` of the picks, or of `order`.
    """

    order: Optional[NDArray[np.intp]]
    begin: NDArray[np.int64]
    end: NDArray[np.int64]


def find_consensus(
    picks: Picks,
    box_size_px: BoxSize,
    *,
    mode: str = "all",
    quorum: Optional[int] = None,
    target_precision: Optional[float] = None,
    min_overlap: float = MIN_JACCARD,
    score_transform: ScoreTransform = "auto",
    ranked_among: Optional[Mapping[str, ArrayLike]] = None,
    min_score: MinScore = None,
    micrograph_size_px: Optional[ArrayLike] = None,
    largest_component: bool = False,
    position: str = "member",
    num_particles: Optional[int] = None,
    copy_distance_px: Optional[float] = None,
    min_distance_px: Optional[float] = None,
    solver: str = "auto",
    time_limit_s: Optional[float] = None,
    micrographs: Optional[ArrayLike] = None,
    micrograph_quality: Optional[ArrayLike] = None,
    unseen: Optional[ArrayLike] = None,
    ensemble: Optional[EnsembleModel] = None,
    n_threads: int = 1,
    progress: Optional[Callable[[int, int], None]] = None,
) -> ConsensusResult:
    """Optimal consensus of several pickers (REPIC; Cameron et al. 2024, Online Methods).

    On each micrograph, overlapping boxes of different pickers are joined; a clique is a set of
    boxes of different pickers that all overlap each other. The particles are the disjoint cliques
    with the largest total weight. The weight of a clique is the median of its overlaps times the
    median of its scores, plus 1 for each member above the quorum.

    Parameters
    ----------
    picks : Picks
        Of k >= 2 pickers.
    box_size_px : float, sequence of float or mapping of picker name to float
        Side of the boxes, px; one for all pickers or one for each.
    mode : {'all', 'quorum', 'probabilistic'}
        ``all``: particles found by all k pickers (REPIC). ``quorum``: by at least `quorum` of them.
        ``probabilistic``: by one or more, weighted by the probability of being a particle, which
        is estimated from agreement and scores (docs/understand/probabilistic.md).
    quorum : int, optional
        2 to k; by default the smallest majority (2 of 2, 2 of 3, 3 of 4). Only for ``quorum``.
    target_precision : float, optional
        Keep as many particles as possible at this expected precision, in (0, 1). By default the
        expected F1 score is maximised, or `num_particles` decides. Only for ``probabilistic``.
    min_overlap : float
        Boxes are joined if their Jaccard index is above this, 0 <= `min_overlap` < 1.
    score_transform : str, sequence of str or mapping of picker name to str
        How scores become comparable: ``auto``, ``identity`` (probabilities), ``logistic``
        (log-likelihood ratios) or ``rank``; decided once for each picker over all its picks.
    ranked_among : mapping of picker name to array_like of float, optional
        Scores to rank among if `picks` are only a part of the data set; by default the picker's
        scores in `picks`.
    min_score : float, sequence of float or None, mapping of picker name to float, optional
        Picks below it, on the picker's own scale, are dropped before the graph is built.
    micrograph_size_px : array_like of float, shape (2,) or (n_micrographs, 2), optional
        Width and height, px; if given, picks whose boxes extend beyond it are dropped.
    largest_component : bool
        Keep only the largest connected component of each micrograph's graph (``--get_cc``).
    position : {'member', 'mean'}
        Place each particle at the member with the largest total overlap (REPIC), or at the mean
        of its members weighted by their scores.
    num_particles : int, optional
        Maximum number of particles per micrograph, best first.
    copy_distance_px : float, optional
        A pick closer than this to a better one of the same picker is a copy of it and dropped;
        a quarter of the picker's box by default, 0 keeps all (filaments).
    min_distance_px : float, optional
        Minimum distance of two particles; a quarter of the smallest box by default, 0 allows any
        distance. A constraint of the optimisation, see `packing.pack`.
    solver : {'auto', 'highs', 'gurobi'}
        For components too large for exhaustive search. ``auto`` is Gurobi if the user has their
        own licence, HiGHS otherwise.
    time_limit_s : float, optional
        Limit for the integer programs of one micrograph; the best solution so far is returned.
    micrographs : array_like of int, optional
        Process only these micrographs (a batch). Scores are still compared over all picks.
    micrograph_quality : array_like of float, shape (n_micrographs,), optional
        A measure such as the defocus in Å; recall and precision are also estimated by thirds of
        it. Only for ``probabilistic``.
    unseen : array_like of bool, shape (n_micrographs, n_pickers), optional
        Micrographs that a picker has not looked at, such as those without a file: that it found
        nothing there then says nothing. Only ``probabilistic`` can tell the difference.
    ensemble : EnsembleModel, optional
        Model of an earlier consensus, such as one of more micrographs; fitted to `picks` by
        default. Only for ``probabilistic``.
    n_threads : int
        Does not affect the result.
    progress : callable, optional
        Called as ``progress(n_done, n_micrographs)``.

    Returns
    -------
    ConsensusResult

    Raises
    ------
    ValueError
        If there are fewer than two pickers, or an argument is outside its range.
    SolverError
        If Gurobi is requested and cannot be used.

    Warns
    -----
    UserWarning
        If scores are missing, or a time limit ended a search.

    Examples
    --------
    >>> picks = Picks.from_columns(
    ...     micrograph=[0, 0, 0, 0], picker=[0, 1, 2, 0],
    ...     x=[100, 104, 98, 400], y=[100, 96, 102, 400], score=[0.9, 0.7, 0.8, 0.9])
    >>> particles = find_consensus(picks, box_size_px=50)
    >>> particles.members.tolist(), particles.weight.round(3).tolist()
    ([[0, 1, 2]], [0.587])
    """
    settings = check_settings(
        picks,
        box_size_px,
        mode,
        quorum,
        min_overlap,
        position,
        num_particles,
        time_limit_s,
        min_distance_px,
    )._replace(largest_component=largest_component, solver=choose_solver(solver))
    check_probabilistic(
        picks, mode, target_precision, micrograph_quality, ensemble, largest_component
    )
    wanted = check_micrographs(picks, micrographs)
    transforms = choose_transforms(picks, score_transform)
    fate = np.full(len(picks), ALONE, dtype=np.int8)
    fate[~inside_micrograph(picks, settings.sizes_px, micrograph_size_px)] = AT_THE_EDGE
    fate[~above_min_score(picks, min_score)] = LOW_SCORE
    reach_px = spacing_px("copy_distance_px", copy_distance_px, settings.sizes_px)
    copy_of = find_copies(picks, reach_px, fate == ALONE)
    fate[copy_of >= 0] = COPY
    entered = fate == ALONE
    _warn_of_missing_scores(picks, wanted)
    for line in (*score_warnings(picks, transforms), *_same_picks(picks)):
        warnings.warn(line, stacklevel=2)
    references = dict(rank_references(picks, transforms, entered))
    for name, scores in (ranked_among or {}).items():
        references[picks.picker_names.index(name)] = np.sort(np.asarray(scores, dtype=np.float64))

    def prepare(rows: Rows) -> BatchPicks:
        return _prepared(picks, rows, entered, transforms, references)

    batches = _batches(picks, wanted, n_threads)
    found = _solved(batches, prepare, settings, n_threads, len(wanted), progress)
    result = _assembled(picks, settings, transforms, wanted, found, fate)
    result = _with_copies(result, picks, wanted, copy_of)
    _warn_of_copies(result, reach_px)
    in_group = np.zeros(len(picks), dtype=bool)
    in_group[result.members[result.members >= 0]] = True
    is_alone = result.is_unmatched & (np.asarray(result.fate) == ALONE)
    for line in falling_scores(picks, in_group, is_alone):
        warnings.warn(line, stacklevel=2)
    _warn_of_unproven(result)
    if mode != "probabilistic":
        return with_fates(result, picks)
    alone = picks.take(result.is_unmatched)
    probable = by_probability(
        result,
        picks,
        wanted,
        comparable_scores(alone, transforms, references),
        places_on_micrograph(picks, settings.sizes_px, settings.min_overlap),
        target_precision=target_precision,
        num_particles=num_particles,
        quality=micrograph_quality,
        model=ensemble,
        min_distance_px=settings.min_distance_px,
        unseen=check_unseen(picks, unseen),
    )
    return with_fates(probable, picks)


def ranked_scores(
    picks: Picks,
    box_size_px: BoxSize,
    *,
    score_transform: ScoreTransform = "auto",
    min_score: MinScore = None,
    micrograph_size_px: Optional[ArrayLike] = None,
) -> Dict[str, NDArray[np.float64]]:
    """Scores that `find_consensus` ranks among, for use with parts of the picks.

    Parameters
    ----------
    picks : Picks
        Of any number of pickers.
    box_size_px, score_transform, min_score, micrograph_size_px
        As in `find_consensus`.

    Returns
    -------
    dict of str to ndarray of float64
        Ascending, by the names of the pickers whose scores are ranked.

    Raises
    ------
    ValueError
        If an argument is outside its range.
    """
    transforms = choose_transforms(picks, score_transform)
    entered = above_min_score(picks, min_score)
    sizes_px = box_sizes(box_size_px, picks.picker_names)
    entered &= inside_micrograph(picks, sizes_px, micrograph_size_px)
    references = rank_references(picks, transforms, entered)
    return {picks.picker_names[number]: scores for number, scores in references.items()}


def _same_picks(picks: Picks) -> Iterator[str]:
    for few, many, share in same_picks(picks):
        yield (
            f"{many} has {share:.0%} of the picks of {few} to the pixel, so that their agreement "
            "says nothing; leave one of them out"
        )


def _warn_of_missing_scores(picks: Picks, wanted: NDArray[np.int64]) -> None:
    is_missing = ~picks.has_score
    if not is_missing.any():
        return
    is_missing &= np.isin(picks.micrograph, wanted)
    missing = np.bincount(picks.picker[is_missing], minlength=picks.n_pickers)
    for name, count in zip(picks.picker_names, missing):
        if count:
            warnings.warn(f"{count:,} picks of {name} have no score; they count as 1", stacklevel=3)


def _with_copies(
    result: ConsensusResult,
    picks: Picks,
    wanted: NDArray[np.int64],
    copy_of: NDArray[np.int64],
) -> ConsensusResult:
    """Result with the copies and their numbers."""
    copies = np.flatnonzero(copy_of >= 0)
    group = picks.micrograph[copies] * picks.n_pickers + picks.picker[copies]
    counts = np.bincount(group, minlength=picks.n_micrographs * picks.n_pickers)
    n_copies = counts.reshape(picks.n_micrographs, picks.n_pickers)[wanted]
    counted = replace(result.micrographs, n_copies=n_copies)
    return replace(result, copy_of=copy_of, micrographs=counted)


def _warn_of_copies(result: ConsensusResult, reach_px: NDArray[np.float64]) -> None:
    if result.micrographs.n_copies is None:
        return
    totals = result.micrographs.n_copies.sum(axis=0)
    used = result.micrographs.n_picks.sum(axis=0)
    for name, count, n_used, reach in zip(result.picker_names, totals, used, reach_px):
        if count > FEW_COPIES * n_used:
            warnings.warn(
                f"{name}: {count:,} of its picks are copies, less than {reach:.0f} px from a "
                "better one; they do not count",
                stacklevel=3,
            )


def _warn_of_unproven(result: ConsensusResult) -> None:
    n_unproven = int((~result.micrographs.is_optimal).sum())
    if n_unproven:
        warnings.warn(
            f"the time limit ended the search on {n_unproven} micrographs: their consensus is not "
            f"proven optimal",
            stacklevel=3,
        )


def _batches(picks: Picks, wanted: NDArray[np.int64], n_threads: int) -> List[Rows]:
    """Ranges of the picks of each batch of micrographs, by micrograph and picker."""
    micrograph, picker = picks.micrograph, picks.picker
    same = micrograph[1:] == micrograph[:-1]
    ascending = np.where(same, picker[1:] >= picker[:-1], micrograph[1:] > micrograph[:-1])
    order = None
    if not ascending.all():
        order = np.lexsort((picker, micrograph))
        micrograph = micrograph[order]
    starts = np.searchsorted(micrograph, np.arange(picks.n_micrographs + 1))
    size = min(BATCH_SIZE, max(1, len(wanted) // max(n_threads, 1)))
    chunks = (wanted[i : i + size] for i in range(0, len(wanted), size))
    return [Rows(order, starts[chunk], starts[chunk + 1]) for chunk in chunks]


def _prepared(
    picks: Picks,
    rows: Rows,
    entered: NDArray[np.bool_],
    transforms: Sequence[str],
    references: References,
) -> BatchPicks:
    """Picks of a batch that enter the graph, with comparable scores."""
    where: Any = slice(rows.begin[0], rows.end[-1])
    if np.any(rows.begin[1:] != rows.end[:-1]):
        where = np.concatenate([np.arange(i, j) for i, j in zip(rows.begin, rows.end)])
    if rows.order is not None:
        where = rows.order[where]
    micrograph = np.repeat(np.arange(len(rows.begin)), rows.end - rows.begin)
    pick = np.arange(where.start, where.stop) if isinstance(where, slice) else where
    kept = entered[where]
    part = picks.take(where)
    if not kept.all():
        pick, micrograph, part = pick[kept], micrograph[kept], part.take(kept)
    return BatchPicks(
        starts=np.searchsorted(micrograph, np.arange(len(rows.begin) + 1)),
        pick=pick,
        micrograph=micrograph,
        picker=part.picker,
        x=part.x,
        y=part.y,
        score=comparable_scores(part, transforms, references),
    )


def _solved(
    batches: Sequence[Rows],
    prepare: Callable[[Rows], BatchPicks],
    settings: Settings,
    n_threads: int,
    n_micrographs: int,
    progress: Optional[Callable[[int, int], None]],
) -> List[BatchConsensus]:
    n_done = 0
    found = []
    with ThreadPoolExecutor(max(1, n_threads)) as pool:
        solve = pool.map if n_threads > 1 else map
        for consensus in solve(lambda rows: solve_batch(prepare(rows), settings), batches):
            found.append(consensus)
            n_done += len(consensus.n_edges)
            if progress is not None:
                progress(n_done, n_micrographs)
    return found


def _assembled(
    picks: Picks,
    settings: Settings,
    transforms: Sequence[str],
    wanted: NDArray[np.int64],
    found: Sequence[BatchConsensus],
    fate: NDArray[np.int8],
) -> ConsensusResult:
    """Consensus of the data set, assembled from its batches; `fate` is that before the graph."""
    if not found:
        none, nowhere = np.zeros(0, np.int64), np.zeros(0)
        nothing = BatchPicks(np.zeros(1, np.int64), none, none, none, nowhere, nowhere, nowhere)
        found = [solve_batch(nothing, settings)]
    column = {
        name: np.concatenate([getattr(batch, name) for batch in found])
        for name in BatchConsensus._fields
    }
    first = np.cumsum([0, *(len(batch.n_edges) for batch in found)])
    in_wanted = np.concatenate([batch.micrograph + i for batch, i in zip(found, first)])
    is_unmatched = np.zeros(len(picks), dtype=bool)
    is_unmatched[column["unmatched"]] = True
    fate = fate.copy()
    fate[column["in_clique"]] = NOT_CHOSEN
    counts = {name: column[name] for name in MicrographCounts.__annotations__ if name in column}
    names = tuple(picks.micrograph_names[m] for m in wanted.tolist())
    particles = {name: column[name] for name in ("x", "y", "weight", "overlap", "score", "members")}
    return ConsensusResult(
        micrograph=wanted[in_wanted],
        is_unmatched=is_unmatched,
        micrographs=MicrographCounts(names=names, **counts),
        micrograph_names=picks.micrograph_names,
        picker_names=picks.picker_names,
        score_transforms=tuple(transforms),
        solver=settings.solver,
        quorum=settings.quorum,
        fate=fate,
        **particles,
    )
