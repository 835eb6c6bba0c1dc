"""Evidence against the estimates of an ensemble: each check has its own warning."""

from __future__ import annotations

from itertools import combinations
from typing import Callable, List, Optional, Tuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from repic_plugin.consensus.ensemble.latent_class import Cells, LatentClasses, log_weights
from repic_plugin.consensus.ensemble.model import EnsembleModel

# docs/understand/probabilistic.md states how these bounds were found.
DEPENDENCE_BOUND = 0.03  # of the range of a picker's scores
DEPENDENCE_ERRORS = 2.0
SAME_LIKELIHOOD, OTHER_RECALL = 2.0, 0.05
WORTH_F1 = 0.3
SAME_PICKS = 0.99
THIRD_CLASS_GAIN = 10.0


def check_identified(picker_names: Tuple[str, ...], n_scored: int) -> None:
    """Refuse parameters that are not identifiable from agreement.

    Raises
    ------
    ValueError
        If there are two pickers and one has no scores.
    """
    if len(picker_names) == 2 and n_scored < 2:
        raise ValueError(
            f"the quality of two pickers cannot be estimated without scores of both ("
            f"{' and '.join(picker_names)}): any recall would explain how often they agree; add a "
            f"third picker or scores, or choose mode all or quorum"
        )


def dependence_on_others(
    fit: LatentClasses, cells: Cells
) -> Tuple[NDArray[np.float64], NDArray[np.float64]]:
    """How much better a picker scores particles that another also found, and the standard error.

    Zero in the model: for a particle, a picker's score and its detection by another picker are
    independent. Particles that are hard for both violate this. The probability that weights a
    candidate here excludes the score in question, which would dominate it.
    """
    k, n_bins = fit.particle_scores.shape
    value, error = np.full((k, k), np.nan), np.full((k, k), np.nan)
    particle, junk = log_weights(fit, cells)
    rank = (np.arange(n_bins) + 0.5) / n_bins
    for j in range(k):
        mine = np.flatnonzero(cells.score_bin[:, j] >= 0)
        if not len(mine):
            continue
        score_bin = cells.score_bin[mine, j]
        good, bad = fit.particle_scores[j], fit.junk_scores[j]
        own = np.log(good[score_bin]) - np.log(bad[score_bin])
        p = expit(particle[mine] - junk[mine] - own)
        excess = rank[score_bin] - (p * (good @ rank) + (1 - p) * (bad @ rank))
        for other in range(k):
            if other == j:
                continue
            means, variances = [], []
            for group in (cells.found[mine, other], ~cells.found[mine, other]):
                weight = (cells.n[mine] * p)[group]
                total = max(weight.sum(), 1e-9)
                means.append(weight @ excess[group] / total)
                variances.append((weight * p[group]) @ excess[group] ** 2 / total**2)
            value[j, other], error[j, other] = means[0] - means[1], np.sqrt(sum(variances))
    return value, error


def warnings_of(model: EnsembleModel, fits: List[LatentClasses], n_scored: int) -> List[str]:
    """Reasons why the estimates may be wrong, as messages for the user."""
    checks: List[Callable[[], Optional[str]]] = [
        lambda: _few_pickers(model, n_scored),
        lambda: _copies(model),
        lambda: _several_answers(fits),
        lambda: _no_consensus(model),
        lambda: _shared_errors(model),
    ]
    return [told for told in (check() for check in checks) if told]


def _few_pickers(model: EnsembleModel, n_scored: int) -> Optional[str]:
    if len(model.picker_names) == 2:
        return (
            "with two pickers the estimates depend on the shape of their score distributions alone "
            "and may be off by 0.2; add a third picker"
        )
    if len(model.picker_names) == 3 and n_scored < 2:
        return (
            "three pickers without scores: false picks are assumed to coincide only by chance, so "
            "junk shared by two pickers counts as particles"
        )
    return None


def _copies(model: EnsembleModel) -> Optional[str]:
    """Warnings about copies, which would agree on everything including false picks."""
    for first, second in combinations(range(len(model.picker_names)), 2):
        pair = model.pattern_found[:, [first, second]]
        n_either = model.pattern_count[pair.any(axis=1)].sum()
        if n_either and model.pattern_count[pair.all(axis=1)].sum() > SAME_PICKS * n_either:
            names = (model.picker_names[first], model.picker_names[second])
            return (
                f"{names[0]} and {names[1]} have the same picks, which count as agreement; "
                "leave one of them out"
            )
    return None


def _several_answers(fits: List[LatentClasses]) -> Optional[str]:
    best = max(fits, key=lambda fit: fit.log_likelihood)
    likely = [f for f in fits if f.log_likelihood > best.log_likelihood - SAME_LIKELIHOOD]
    spread = max(float(np.abs(fit.recall - best.recall).max()) for fit in likely)
    if spread > OTHER_RECALL:
        return (
            "the data are not sufficient: different estimates explain the picks equally well, with "
            f"recalls that differ by {spread:.2f}; add micrographs or a picker"
        )
    if not best.has_converged:
        return "the estimates have not converged; treat them as approximate"
    return None


def _no_consensus(model: EnsembleModel) -> Optional[str]:
    worthy = [name for name, f1 in zip(model.picker_names, model.f1) if f1 >= WORTH_F1]
    if len(worthy) >= 2:
        return None
    who = f"only {worthy[0]}" if worthy else "none"
    return (
        f"no consensus is meaningful: {who} of {len(model.picker_names)} pickers seem to "
        f"find particles (F1 of {WORTH_F1:g} or more); inspect the picks of each, and retrain or "
        "leave out those that failed"
    )


def _shared_errors(model: EnsembleModel) -> Optional[str]:
    """Warnings about pickers whose errors are not independent."""
    sure = np.nan_to_num(model.dependence - DEPENDENCE_ERRORS * model.dependence_error)
    j, other = np.unravel_index(int(np.argmax(sure)), sure.shape)
    if sure[j, other] >= DEPENDENCE_BOUND:
        names = model.picker_names
        return (
            f"{names[j]} gives lower scores to particles that {names[other]} missed: some "
            "particles are hard for several pickers, so there are more of them than estimated, "
            "and recalls are lower"
        )
    if model.third_class_gain > THIRD_CLASS_GAIN:
        return (
            "three latent classes explain the picks better than two (particles and junk): some "
            "pickers share errors, so their agreement counts for less; inspect the particles that "
            "only some of them found"
        )
    return None
