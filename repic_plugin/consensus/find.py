"""Consensus particles from the picks of several pickers."""

from __future__ import annotations

import warnings
from dataclasses import replace
from typing import Callable, Dict, Mapping, Optional

import numpy as np
from numpy.typing import ArrayLike, NDArray

from repic_plugin.consensus.arguments import (
    check_agreement,
    check_micrographs,
    check_min_weight,
    check_probabilistic,
    check_settings,
    check_unseen,
    refuse_coincidences,
    required_pickers,
)
from repic_plugin.consensus.assembly import (
    Rows,
    assembled,
    batches,
    prepared,
    references_of,
    solved,
)
from repic_plugin.consensus.batch import solve_batch
from repic_plugin.consensus.boxes import BoxSize, box_sizes, inside_micrograph
from repic_plugin.consensus.chance.apply import kept_particles, with_rates
from repic_plugin.consensus.chance.control import measure_agreement
from repic_plugin.consensus.chance.record import Agreement, agreement_warnings
from repic_plugin.consensus.ensemble.model import EnsembleModel
from repic_plugin.consensus.fates import ALONE, AT_THE_EDGE, COPY, LOW_SCORE, with_fates
from repic_plugin.consensus.messages import (
    scarce_pickers,
    warnings_of_picks,
    warnings_of_result,
)
from repic_plugin.consensus.picks import Picks
from repic_plugin.consensus.probabilistic import by_probability, places_on_micrograph
from repic_plugin.consensus.records import BatchConsensus
from repic_plugin.consensus.result import RANKINGS, ConsensusResult
from repic_plugin.consensus.scores import (
    MinScore,
    ScoreTransform,
    above_min_score,
    choose_transforms,
    comparable_scores,
    rank_references,
)
from repic_plugin.consensus.smaller import SMALLEST
from repic_plugin.consensus.smaller_search import find_smaller_groups
from repic_plugin.consensus.solvers import choose_solver
from repic_plugin.consensus.spacing import find_copies, spacing_px

MIN_JACCARD = 0.3  # Cameron et al. 2024, Online Methods


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
    rank_by: str = RANKINGS[0],
    copy_distance_px: Optional[float] = None,
    min_distance_px: Optional[float] = None,
    solver: str = "auto",
    time_limit_s: Optional[float] = None,
    micrographs: Optional[ArrayLike] = None,
    micrograph_quality: Optional[ArrayLike] = None,
    unseen: Optional[ArrayLike] = None,
    ensemble: Optional[EnsembleModel] = None,
    max_false_agreement: Optional[float] = None,
    min_weight: Optional[float] = None,
    agreement: Optional[Agreement] = None,
    decoys: bool = True,
    count_smaller: bool = False,
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
    rank_by : {'weight', 'confidence'}
        Which particles are best: those of the largest weight, or of the highest median score of
        their members, as in REPIC's code. The selected particles are the same. Mode
        ``probabilistic`` ranks by probability.
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
    max_false_agreement : float, optional
        Drop particles whose false-agreement rate exceeds this, in (0, 1]: the expected share of
        chance among the groups of at least their weight. Picks of one picker, which agree with
        nothing, are dropped too.
    min_weight : float, optional
        Drop particles of a smaller weight, which in mode ``probabilistic`` is a probability, after
        all other choices. At most 1; in mode ``quorum`` 1 more for each picker above the quorum.
    agreement : Agreement, optional
        That of an earlier consensus, such as one of more micrographs; measured by default.
    decoys : bool
        Whether to measure the agreement beyond chance, by the same search on up to 20 micrographs
        whose picks were moved elsewhere.
    count_smaller : bool
        Whether to look for groups of fewer pickers than the quorum among the picks that are left,
        which takes about as long again. Not in mode ``probabilistic``.
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
        If there are fewer than two pickers, or an argument is outside its range; in mode
        ``probabilistic`` also if the pickers agree no more than by chance.
    SolverError
        If Gurobi is requested and cannot be used.

    Warns
    -----
    UserWarning
        If pickers agree no more than by chance, scores are missing, a time limit ended a search,
        or one of pickers that all have to agree has far fewer picks than the others.

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
        rank_by,
    )._replace(largest_component=largest_component, solver=choose_solver(solver))
    check_probabilistic(
        picks, mode, target_precision, micrograph_quality, ensemble, largest_component
    )
    wanted = check_micrographs(picks, micrographs)
    check_agreement(picks, max_false_agreement, agreement, decoys)
    n_above = picks.n_pickers - required_pickers(mode, picks.n_pickers, quorum)
    check_min_weight(min_weight, n_above if mode == "quorum" else 0)
    transforms = choose_transforms(picks, score_transform)
    fate = np.full(len(picks), ALONE, dtype=np.int8)
    fate[~inside_micrograph(picks, settings.sizes_px, micrograph_size_px)] = AT_THE_EDGE
    fate[~above_min_score(picks, min_score)] = LOW_SCORE
    reach_px = spacing_px("copy_distance_px", copy_distance_px, settings.sizes_px)
    copy_of = find_copies(picks, reach_px, fate == ALONE)
    fate[copy_of >= 0] = COPY
    entered = fate == ALONE
    references = references_of(picks, transforms, entered, ranked_among)
    if agreement is None and decoys:
        parts = (entered, wanted, transforms, references)
        agreement = measure_agreement(picks, *parts, settings, micrograph_size_px)
        if mode == "probabilistic" and ensemble is None:
            refuse_coincidences(agreement)
        for line in agreement_warnings(agreement):
            warnings.warn(line, stacklevel=2)
    for line in warnings_of_picks(picks, wanted, transforms):
        warnings.warn(line, stacklevel=2)

    def solve(rows: Rows) -> BatchConsensus:
        return solve_batch(prepared(picks, rows, entered, transforms, references), settings)

    found = solved(batches(picks, wanted, n_threads), solve, n_threads, progress)
    result = assembled(picks, settings, transforms, wanted, found, fate, copy_of)
    result = result if agreement is None else with_rates(result, agreement)
    needs_all = mode != "probabilistic" and result.quorum == picks.n_pickers
    scarce = scarce_pickers(result.micrographs.n_picks, picks.picker_names) if needs_all else []
    for line in (*scarce, *warnings_of_result(result, picks, reach_px)):
        warnings.warn(line, stacklevel=2)
    limits = max_false_agreement, min_weight
    if mode != "probabilistic":
        if count_smaller and result.quorum > SMALLEST:
            given = (picks, result.is_unmatched, wanted, transforms, references, settings)
            result = replace(result, smaller=find_smaller_groups(*given))
        return with_fates(kept_particles(result, *limits), picks)
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
    return with_fates(kept_particles(probable, *limits), picks)


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
