"""Scores made comparable between pickers, once for each picker and data set."""

from __future__ import annotations

from typing import List, Mapping, Optional, Sequence, Tuple, Union

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from repic_plugin.arguments import check_choice
from repic_plugin.consensus.picks import Picks, for_each_picker, numbers_for_each_picker

SCORE_TRANSFORMS = ("identity", "logistic", "rank")

MAX_STRAYS = 1e-3  # maximum fraction outside [0, 1] for scores to count as probabilities
LOW_IS_GOOD, MIN_COMPARED, MIN_ERRORS = 0.4, 20, 5.0
MIN_CONSTANT = 10  # number of equal scores that are not equal by chance
LOG_LIKELIHOOD_PICKERS = ("topaz",)  # scores are log-likelihood ratios (Bepler et al. 2019)

References = Mapping[int, NDArray[np.float64]]
ScoreTransform = Union[str, Sequence[str], Mapping[str, str]]
MinScore = Union[None, float, Sequence[Optional[float]], Mapping[str, float]]


def choose_transforms(picks: Picks, score_transform: ScoreTransform = "auto") -> Tuple[str, ...]:
    """Transform that makes each picker's scores comparable.

    ``auto`` is ``identity`` where nearly all scores of the picker lie in [0, 1], else ``logistic``
    for a picker known to give log-likelihood ratios (its name holds "topaz"), else ``rank``.

    Parameters
    ----------
    picks : Picks
        All picks of the data set: the choice holds for all of them.
    score_transform : str, sequence of str or mapping of picker name to str
        ``auto``, ``identity``, ``logistic`` or ``rank``; ``auto`` for pickers that a mapping
        omits.

    Returns
    -------
    tuple of str, length n_pickers
        ``identity``, ``logistic`` or ``rank``.

    Raises
    ------
    ValueError
        If a name is unknown, or ``identity`` is requested for scores outside [0, 1].
    """
    asked = for_each_picker("score_transform", score_transform, picks.picker_names, "auto")
    return tuple(
        _choose_transform(name, transform, picks.score[(picks.picker == i) & picks.has_score])
        for i, (name, transform) in enumerate(zip(picks.picker_names, asked))
    )


def _choose_transform(name: str, asked: str, scores: NDArray[np.float64]) -> str:
    """Transform of one picker's scores, given all of them."""
    check_choice(f"score_transform of picker {name}", asked, ("auto", *SCORE_TRANSFORMS))
    is_probability = not len(scores) or len(strays(scores)) <= MAX_STRAYS * len(scores)
    if asked == "identity" and not is_probability:
        raise ValueError(
            f"scores of picker {name} must lie in [0, 1] for score_transform identity, got "
            f"{scores.min():g} to {scores.max():g}; use logistic (log-likelihood ratios) or rank"
        )
    if asked != "auto":
        return asked
    if is_probability:
        return "identity"
    return "logistic" if _gives_log_likelihoods(name) else "rank"


def stated_transform(picker_name: str, stated: Optional[str]) -> str:
    """Transform of a picker's scores by what its file or attribute says of them.

    The rule for whatever reads scores and is not told otherwise by the user: log-likelihood ratios
    are ``logistic``; correlations and figures of merit are ``rank``, as they may lie in [0, 1]
    without being probabilities, but ``logistic`` if the picker's name says that they are Topaz's,
    which RELION writes as figures of merit; anything else is ``auto``, see `choose_transforms`.

    Parameters
    ----------
    picker_name : str
    stated : str or None
        ``logistic``, ``rank``, ``identity`` or ``auto``, as the format of the file or the
        attribute implies; None where it implies nothing.

    Returns
    -------
    str
    """
    if stated == "rank" and _gives_log_likelihoods(picker_name):
        return "logistic"
    return stated or "auto"


def _gives_log_likelihoods(picker_name: str) -> bool:
    return any(stem in picker_name.lower() for stem in LOG_LIKELIHOOD_PICKERS)


def strays(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """Scores outside [0, 1]."""
    return scores[(scores < 0) | (scores > 1)]


def score_warnings(picks: Picks, transforms: Sequence[str]) -> List[str]:
    """Warnings about the scores of each picker.

    Parameters
    ----------
    picks : Picks
    transforms : sequence of str, length n_pickers
        From `choose_transforms`.

    Returns
    -------
    list of str
        One line for constant scores, and for probabilities outside [0, 1].
    """
    lines = []
    for number, (name, transform) in enumerate(zip(picks.picker_names, transforms)):
        scores = picks.score[(picks.picker == number) & picks.has_score]
        if len(scores) >= MIN_CONSTANT and scores.min() == scores.max():
            lines.append(f"all scores of {name} are {scores[0]:g}: they do not rank its picks")
        odd = strays(scores)
        if transform == "identity" and len(odd):
            lines.append(
                f"scores of {name} are treated as probabilities although {len(odd):,} of "
                f"{len(scores):,} are not, such as {odd[0]:g}: these count as 0 or 1"
            )
    return lines


def falling_scores(
    picks: Picks, in_group: NDArray[np.bool_], alone: NDArray[np.bool_]
) -> List[str]:
    """Pickers whose scores are lower for picks that others confirm, a line each.

    Parameters
    ----------
    picks : Picks
    in_group, alone : ndarray of bool, shape (n_picks,)
        Picks in particles of two pickers or more, and those that nobody else found.

    Returns
    -------
    list of str
        By the area under the ROC curve (Mann-Whitney): below `LOW_IS_GOOD`, and by no chance.
    """
    lines = []
    for number, name in enumerate(picks.picker_names):
        mine = (picks.picker == number) & picks.has_score
        n, m = int((mine & in_group).sum()), int((mine & alone).sum())
        if min(n, m) < MIN_COMPARED:
            continue
        others, own = np.sort(picks.score[mine & alone]), picks.score[mine & in_group]
        below = np.searchsorted(others, own, "left") + np.searchsorted(others, own, "right")
        area = below.mean() / (2 * m)
        if area < LOW_IS_GOOD and (0.5 - area) > MIN_ERRORS * np.sqrt((n + m + 1) / (12 * n * m)):
            lines.append(
                f"scores of {name} are lower for picks that other pickers confirm (in "
                f"{1 - area:.0%} of pairs): if low is good, negate them"
            )
    return lines


def comparable_scores(
    picks: Picks, transforms: Sequence[str], references: Optional[References] = None
) -> NDArray[np.float64]:
    """Comparable scores of all picks, in [0, 1]; a missing score counts as 1.

    Parameters
    ----------
    picks : Picks
    transforms : sequence of str, length n_pickers
        From `choose_transforms`. ``rank`` is the fraction of the picker's scored picks that score
        no better, with mean ranks for ties.
    references : mapping of int to ndarray, optional
        Scores to rank among, from `rank_references`, if `picks` are only a part of the data set;
        by default those of `picks`.

    Returns
    -------
    ndarray of float64, shape (n_picks,)
    """
    references = rank_references(picks, transforms) if references is None else references
    result = np.ones(len(picks))
    for index, transform in enumerate(transforms):
        mine = np.flatnonzero((picks.picker == index) & picks.has_score)
        scores = picks.score[mine]
        if transform == "identity":
            scores = np.clip(scores, 0, 1)  # few are outside, see `strays`
        elif transform == "logistic":
            scores = expit(scores)
        elif transform == "rank":
            among = references[index]
            upto = np.searchsorted(among, scores, "left") + np.searchsorted(among, scores, "right")
            scores = (upto + 1) / 2 / max(len(among), 1)
        result[mine] = scores
    return result


def rank_references(
    picks: Picks, transforms: Sequence[str], is_used: Optional[NDArray[np.bool_]] = None
) -> References:
    """Scores to rank among, by picker: all that are used, ascending.

    Parameters
    ----------
    picks : Picks
    transforms : sequence of str, length n_pickers
    is_used : ndarray of bool, shape (n_picks,), optional
        All by default.

    Returns
    -------
    dict of int to ndarray of float64
        By the index of each picker whose transform is ``rank``.
    """
    used = picks.has_score if is_used is None else picks.has_score & is_used
    return {
        index: np.sort(picks.score[used & (picks.picker == index)])
        for index, transform in enumerate(transforms)
        if transform == "rank"
    }


def above_min_score(picks: Picks, min_score: MinScore) -> NDArray[np.bool_]:
    """Mask of the picks that reach their picker's threshold; picks without a score do.

    Parameters
    ----------
    picks : Picks
    min_score : float, sequence of float or None, mapping of picker name to float, or None
        Threshold on the picker's own scale; a pick with exactly this score is kept, None keeps all.

    Returns
    -------
    ndarray of bool, shape (n_picks,)

    Raises
    ------
    ValueError
        If a threshold is not a number, or names an unknown picker.
    """
    if min_score is None:
        return np.ones(len(picks), dtype=bool)
    wanted = numbers_for_each_picker("min_score", min_score, picks.picker_names)
    threshold = np.array([-np.inf if value is None else value for value in wanted])
    if np.isnan(threshold).any():
        raise ValueError("min_score must be a number, got nan; leave it out to keep every pick")
    return np.asarray(~picks.has_score | (picks.score >= threshold[picks.picker]))
