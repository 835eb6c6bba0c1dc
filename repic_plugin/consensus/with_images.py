"""Consensus by probability that takes the candidates' 2D classes into account."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple, Optional, Tuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from repic_plugin.arguments import check_whole_number
from repic_plugin.consensus.arguments import check_agreement, check_min_weight
from repic_plugin.consensus.chance.apply import kept_particles
from repic_plugin.consensus.ensemble.candidates import as_cells, score_bins
from repic_plugin.consensus.ensemble.fit import choose_threshold
from repic_plugin.consensus.ensemble.image_classes import ImageFit, fit_with_images
from repic_plugin.consensus.ensemble.model import EnsembleModel
from repic_plugin.consensus.fates import ALONE, with_fates
from repic_plugin.consensus.picks import Picks
from repic_plugin.consensus.probabilistic import kept_candidates
from repic_plugin.consensus.result import ConsensusResult

# Difference of a picker's precision by the images and by agreement that gives a warning.
CONTRADICTION = 0.15
# Difference of two pickers' F1 scores from which one is the worse of them.
CLEARLY_WORSE = 0.05
GOOD_CLASS = 0.5  # share of particles from which a class is one of particles
NOTHING = (
    "no 2D class looks like particles, so that agreement alone decided: check that these are the "
    "micrographs that were picked, and look at the averages"
)
FILTERED = (
    "the images were filtered or denoised so strongly that scores of classes mean little: "
    "agreement alone decided; take micrographs that were not, or choose classes by eye"
)
WITH_IMAGES = "with images"  # end of the rule of a threshold
ALL_CANDIDATES = 10**9  # particles on a micrograph: more than there can be

Floats = NDArray[np.float64]
Labels = NDArray[np.int64]


class ImageClasses(NamedTuple):
    """2D classes of candidates.

    Attributes
    ----------
    label : ndarray of int64, shape (n_candidates,)
        -1 for candidates without an image.
    share : ndarray of float64, shape (n_classes,)
        Share of particles in each class, in [0, 1]: by the classes' scores, see
        `classification.particle_shares`, or by a person's choice.
    is_filtered : bool
        Whether the images were filtered or denoised so strongly that scores of classes mean little:
        then agreement alone decides, and a warning says so.
    probability : ndarray of float64, shape (n_candidates,), optional
        Of each candidate to be a particle by its image alone, in [0, 1], see
        `classification.judge_candidates`. By default the share of its class.
    """

    label: Labels
    share: Floats
    is_filtered: bool = False
    probability: Optional[Floats] = None


class Judged(NamedTuple):
    """What `judge_by_images` found.

    Attributes
    ----------
    result : ConsensusResult
        The weight is the probability, and the position that of the member whose picker is the most
        precise. `ensemble` holds the new estimates, and as warnings where they contradict
        agreement.
    probability : ndarray of float64, shape (n_candidates,)
        Of each candidate to be a particle.
    """

    result: ConsensusResult
    probability: Floats


def judge_by_images(
    candidates: ConsensusResult,
    picks: Picks,
    classes: ImageClasses,
    *,
    target_precision: Optional[float] = None,
    num_particles: Optional[int] = None,
    max_false_agreement: Optional[float] = None,
    min_weight: Optional[float] = None,
) -> Judged:
    """Consensus of the candidates that are particles by agreement and their images.

    Parameters
    ----------
    candidates : ConsensusResult
        All of them: of `find_consensus` with mode ``probabilistic`` and `num_particles` of
        `ALL_CANDIDATES`.
    picks : Picks
        Those that the candidates were found in.
    classes : ImageClasses
    target_precision, num_particles, max_false_agreement, min_weight
        As in `find_consensus`.

    Returns
    -------
    Judged

    Raises
    ------
    ValueError
        If the candidates have no model, the classes are not those of the candidates, or a number or
        a rate is out of range.
    """
    label, share = _checked(candidates, classes)
    image = _by_image(classes, label, share)
    if num_particles is not None:
        check_whole_number("num_particles", num_particles, 1, "leave it out to keep all")
    check_agreement(picks, max_false_agreement, candidates.agreement, decoys=False)
    check_min_weight(min_weight)
    before = candidates.ensemble
    if before is None:
        raise ValueError("candidates must be found with mode probabilistic; choose this mode")
    if classes.is_filtered:
        found = _by_agreement(candidates, before, target_precision, FILTERED)
    elif not (share[label[label >= 0]] >= GOOD_CLASS).any():
        found = _by_agreement(candidates, before, target_precision, NOTHING)
    else:
        found = _by_images(candidates, picks, image, before, target_precision)
    names = {name: at for at, name in enumerate(candidates.micrographs.names)}
    place = np.array([names.get(name, -1) for name in candidates.micrograph_names])
    by_number = num_particles is not None and target_precision is None
    entered = _entered(candidates)
    # as candidates all picks were in particles
    fate = np.where(entered, ALONE, np.array(candidates.fate)).astype(np.int8)
    judged = replace(
        candidates,
        x=found.x,
        y=found.y,
        weight=found.probability,
        ensemble=found.model,
        is_unmatched=entered,
        fate=fate,
    )
    limit = 0.0 if by_number else found.model.threshold
    kept = kept_candidates(judged, place[candidates.micrograph], limit, num_particles)
    kept = kept_particles(kept, max_false_agreement, min_weight)
    return Judged(with_fates(kept, picks), found.probability)


class _Estimates(NamedTuple):
    """Of all candidates."""

    probability: Floats
    model: EnsembleModel
    x: Floats
    y: Floats


def _by_images(
    candidates: ConsensusResult,
    picks: Picks,
    image: Floats,
    before: EnsembleModel,
    target_precision: Optional[float],
) -> _Estimates:
    n_bins = before.score_edges.shape[1] + 1
    cells, cell = as_cells(candidates.members, score_bins(picks, before.score_edges), n_bins)
    fit = fit_with_images(cells, cell, n_bins, image, candidates.micrograph)
    threshold, rule = choose_threshold(
        np.ones(len(candidates)), fit.probability, fit.n_particles, target_precision
    )
    model = _model(before, fit, threshold, f"{rule}, {WITH_IMAGES}")
    return _Estimates(fit.probability, model, *_positions(candidates, picks, fit.precision))


def _by_agreement(
    candidates: ConsensusResult,
    before: EnsembleModel,
    target_precision: Optional[float],
    warning: str,
) -> _Estimates:
    """As without images, with a warning, which comes first."""
    threshold, rule = choose_threshold(
        np.ones(len(candidates)), candidates.weight, before.n_particles, target_precision
    )
    warnings = (warning, *before.warnings)
    model = replace(before, threshold=threshold, threshold_rule=rule, warnings=warnings)
    return _Estimates(candidates.weight, model, candidates.x, candidates.y)


def candidates_to_look_at(micrograph: Labels, most: int) -> NDArray[np.bool_]:
    """Candidates of so many micrographs, evenly spread, that there are at most about `most`.

    Classes are found with these.

    Parameters
    ----------
    micrograph : ndarray of int64, shape (n_candidates,)
    most : int

    Returns
    -------
    ndarray of bool, shape (n_candidates,)
    """
    present = np.unique(micrograph)
    n_wanted = len(present) * most // max(len(micrograph), 1)
    if n_wanted >= len(present):
        return np.ones(len(micrograph), dtype=bool)
    places = np.linspace(0, len(present) - 1, max(n_wanted, 1)).round().astype(np.int64)
    return np.isin(micrograph, present[np.unique(places)])


def picker_classes(candidates: ConsensusResult, classes: ImageClasses) -> Labels:
    """How many candidates of each class each picker found.

    Returns
    -------
    ndarray of int64, shape (n_pickers, n_classes, 2)
        Those that it alone found, and those that others found, too.
    """
    label, share = _checked(candidates, classes)
    found = candidates.members >= 0
    alone = found.sum(axis=1) == 1
    counts = np.zeros((found.shape[1], len(share), 2), np.int64)
    for picker, mine in enumerate(found.T):
        for column, kind in enumerate((alone, ~alone)):
            rows = mine & kind & (label >= 0)
            counts[picker, :, column] = np.bincount(label[rows], minlength=len(share))
    return counts


def shares_in_good_classes(counts: Labels, is_good: NDArray[np.bool_]) -> Tuple[Labels, Floats]:
    """Picks that were looked at, and the share of them that lies in good classes.

    Parameters
    ----------
    counts : ndarray of int64, shape (n_pickers, n_classes, 2)
        See `picker_classes`.
    is_good : ndarray of bool, shape (n_classes,)

    Returns
    -------
    n : ndarray of int64, shape (n_pickers, 2)
        Those that a picker alone found, and those that others found, too.
    share : ndarray of float64, shape (n_pickers, 2)
        NaN without a pick.
    """
    n = counts.sum(axis=1)
    n_good = counts[:, is_good].sum(axis=1)
    return n, np.divide(n_good, n, out=np.full(n.shape, np.nan), where=n > 0)


def rows_of_kept(kept: ConsensusResult, candidates: ConsensusResult) -> Labels:
    """Index among the candidates of each that was kept; no pick is in two candidates."""
    row, picker = np.nonzero(candidates.members >= 0)
    owner = np.full(int(candidates.members.max(initial=-1)) + 1, -1)
    owner[candidates.members[row, picker]] = row
    return np.asarray(owner[kept.members.max(axis=1, initial=-1)], np.int64)


def contradictions(before: EnsembleModel, after: EnsembleModel) -> Tuple[str, ...]:
    """Pickers that the images judge otherwise than agreement does, and another worst picker."""
    return (*_other_precisions(before, after), *_other_worst(before, after))


def shows_no_particles(model: EnsembleModel) -> bool:
    """Whether no 2D class of the candidates looked like particles."""
    return NOTHING in model.warnings


def is_by_images(model: EnsembleModel) -> bool:
    """Whether the estimates follow from the 2D classes of the candidates."""
    return model.threshold_rule.endswith(WITH_IMAGES)


def _other_worst(before: EnsembleModel, after: EnsembleModel) -> Tuple[str, ...]:
    """The picker that agreement ranks last, if the images rank another one clearly lower."""
    blind, seen = int(np.argmin(before.f1)), int(np.argmin(after.f1))
    if after.f1[blind] - after.f1[seen] < CLEARLY_WORSE:
        return ()
    name, worst = before.picker_names[blind], after.picker_names[seen]
    return (
        f"agreement ranks {name} last (F1 {before.f1[blind]:.2f}, {worst} {before.f1[seen]:.2f}), "
        f"the images {worst} (F1 {after.f1[seen]:.2f}, {name} {after.f1[blind]:.2f})",
    )


def _other_precisions(before: EnsembleModel, after: EnsembleModel) -> Tuple[str, ...]:
    change = np.nan_to_num(after.precision - before.precision)
    if (change < -CONTRADICTION).all():
        return (
            "the images contradict all pickers: the classes give them precisions of up to "
            f"{np.nanmax(after.precision):.2f}, agreement up to {np.nanmax(before.precision):.2f}; "
            "check that these are the micrographs that were picked, and the orientation and scale "
            "of the coordinates, and look at the averages",
        )
    told = []
    for name, old, new in zip(after.picker_names, before.precision, after.precision):
        if abs(new - old) > CONTRADICTION:
            looks = "better" if new > old else "worse"
            told.append(
                f"{name} is {looks} than agreement says: the classes of its picks give it a "
                f"precision of {new:.2f}, agreement {old:.2f}; look at the averages"
            )
    return tuple(told)


def _by_image(classes: ImageClasses, label: Labels, share: Floats) -> Floats:
    """Probability of each candidate by its image alone; NaN without one."""
    if classes.probability is not None:
        return np.where(label >= 0, classes.probability, np.nan)
    return np.append(share, np.nan)[label]


def _checked(candidates: ConsensusResult, classes: ImageClasses) -> Tuple[Labels, Floats]:
    label = np.asarray(classes.label, np.int64)
    share = np.asarray(classes.share, np.float64)
    if label.shape != (len(candidates),):
        raise ValueError(
            f"label must have shape ({len(candidates)},), one for each candidate, got {label.shape}"
        )
    if len(label) and not -1 <= label.min() <= label.max() < len(share):
        raise ValueError(
            f"label must be from -1 to {len(share) - 1}, got {label.min()} to {label.max()}; give "
            f"a share for each class"
        )
    if not ((share >= 0) & (share <= 1)).all():
        raise ValueError(f"share must be from 0 to 1, got {share.min():g} to {share.max():g}")
    return label, share


def _model(before: EnsembleModel, fit: ImageFit, threshold: float, rule: str) -> EnsembleModel:
    """Estimates with the images; what only agreement tells stays as it was."""
    after = replace(
        before,
        n_particles=fit.n_particles,
        n_particles_interval=fit.n_particles_interval,
        recall=fit.recall,
        recall_interval=fit.recall_interval,
        precision=fit.precision,
        precision_interval=fit.precision_interval,
        threshold=threshold,
        threshold_rule=rule,
    )
    return replace(after, warnings=contradictions(before, after))


def _positions(
    candidates: ConsensusResult, picks: Picks, precision: ArrayLike
) -> Tuple[Floats, Floats]:
    """Position of the member whose picker is the most precise."""
    order = np.argsort(-np.nan_to_num(np.asarray(precision)), kind="stable")
    members = candidates.members[:, order]
    best = members[np.arange(len(members)), np.argmax(members >= 0, axis=1)]
    return picks.x[best], picks.y[best]


def _entered(candidates: ConsensusResult) -> NDArray[np.bool_]:
    """Picks that are in a candidate or were left over before."""
    entered = candidates.is_unmatched.copy()
    entered[candidates.members[candidates.members >= 0]] = True
    return entered
