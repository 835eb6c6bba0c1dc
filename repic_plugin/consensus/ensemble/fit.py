"""Quality of pickers, estimated from their agreement alone (docs/understand/probabilistic.md)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, List, NamedTuple, Optional, Tuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit

from repic_plugin.consensus.ensemble.bootstrap import interval_of, times_drawn
from repic_plugin.consensus.ensemble.checks import (
    check_identified,
    dependence_on_others,
    warnings_of,
)
from repic_plugin.consensus.ensemble.latent_class import (
    Cells,
    LatentClasses,
    fit_from,
    fit_latent_classes,
    log_weights,
    picker_precision,
    posterior,
)
from repic_plugin.consensus.ensemble.misfit import gain_of_third_class
from repic_plugin.consensus.ensemble.model import EnsembleModel

N_REPLICATES = 100
LARGEST_REPLICATE = 50_000  # cells; with more, replicates use fewer micrographs
REPLICATE_ITERATIONS, REPLICATE_TOLERANCE = 200, 1e-4
QUALITY_GROUPS = 3


class Sample(NamedTuple):
    """Candidates of some micrographs, as input of the model.

    Attributes
    ----------
    cells : Cells
    cell, micrograph : ndarray of int, shape (n_candidates,)
        `micrograph` from 0 to n_micrographs - 1.
    n_micrographs : int
    n_places : float
        Number of boxes that fit side by side on all micrographs without being joined.
    """

    cells: Cells
    cell: NDArray[np.intp]
    micrograph: NDArray[np.int64]
    n_micrographs: int
    n_places: float


def fit_ensemble(
    sample: Sample,
    picker_names: Tuple[str, ...],
    edges: NDArray[np.float64],
    *,
    target_precision: Optional[float] = None,
    quality: Optional[NDArray[np.float64]] = None,
    random_state: int = 0,
) -> EnsembleModel:
    """Ensemble model fitted to candidates (docs/understand/probabilistic.md).

    Parameters
    ----------
    sample : Sample
    picker_names : tuple of str
    edges : ndarray of float64, shape (n_pickers, n_bins - 1)
        Of the score bins.
    target_precision : float, optional
        Determines the threshold; by default the expected F1 score is maximised.
    quality : ndarray of float64, shape (n_micrographs,), optional
        A measure of each micrograph, such as the defocus in Å.
    random_state : int
        Seed of the bootstrap.

    Raises
    ------
    ValueError
        If the parameters are not identifiable: two pickers, one of them without scores.
    """
    n_scored = int(np.isfinite(edges).all(axis=1).sum())
    check_identified(picker_names, n_scored)
    is_free = n_scored >= 2 or len(picker_names) >= 4
    n_bins = edges.shape[1] + 1
    cells = sample.cells
    best, fits = fit_latent_classes(cells, n_bins, sample.n_places, is_free)
    probability = posterior(best, cells)
    precision = picker_precision(cells, probability)
    replicates = _replicates(sample, best, is_free, random_state)
    threshold, rule = choose_threshold(cells.n, probability, best.n_particles, target_precision)
    value, error = dependence_on_others(best, cells)
    found, count, expected = _patterns(best, cells)
    groups = _by_quality(sample, best, is_free, quality)
    model = EnsembleModel(
        picker_names=picker_names,
        n_micrographs=sample.n_micrographs,
        n_candidates=len(sample.cell),
        n_particles=float(best.n_particles),
        n_particles_interval=interval_of([one[0] for one in replicates]),
        recall=best.recall,
        recall_interval=interval_of([one[1] for one in replicates]),
        precision=precision,
        precision_interval=interval_of([one[2] for one in replicates]),
        n_junk=float(best.n_junk),
        n_places=sample.n_places,
        junk_rate=best.junk_rate,
        score_edges=edges,
        particle_scores=best.particle_scores,
        junk_scores=best.junk_scores,
        threshold=threshold,
        threshold_rule=rule,
        dependence=value,
        dependence_error=error,
        third_class_gain=gain_of_third_class(cells, probability, n_bins, sample.n_places),
        pattern_found=found,
        pattern_count=count,
        pattern_expected=expected,
        quality_edges=groups[0],
        quality_recall=groups[1],
        quality_precision=groups[2],
        warnings=(),
    )
    return replace(model, warnings=tuple(warnings_of(model, fits, n_scored)))


def choose_threshold(
    count: NDArray[np.float64],
    probability: NDArray[np.float64],
    n_particles: float,
    target_precision: Optional[float],
) -> Tuple[float, str]:
    """Minimum probability to keep, and the rule that set it.

    Parameters
    ----------
    count : ndarray of float64, shape (n,)
        Candidates of each probability.
    probability : ndarray of float64, shape (n,)
    n_particles : float
        On all micrographs, including those that no picker found.
    target_precision : float, optional
        By default the expected F1 score is maximised.
    """
    order = np.argsort(-probability, kind="stable")
    n_kept = np.cumsum(count[order])
    n_true = np.cumsum((count * probability)[order])
    if target_precision is None:
        best = int(np.argmax(n_true / (n_kept + n_particles)))
        return float(probability[order[best]]), "highest expected F1 score"
    is_last = np.append(np.diff(probability[order]) != 0, True)  # among ties
    reached = np.flatnonzero(is_last & (n_true / n_kept >= target_precision))
    rule = f"expected precision of {target_precision:g}"
    return float(probability[order[reached[-1]]]) if len(reached) else 1.0, rule


def _replicates(
    sample: Sample, best: LatentClasses, is_free: bool, random_state: int
) -> List[Tuple[float, NDArray[np.float64], NDArray[np.float64]]]:
    """Bootstrap estimates, centred on those of all, see `times_drawn`."""
    rng = np.random.default_rng(random_state)
    n = sample.n_micrographs
    n_cells = len(sample.cells.n)
    n_drawn = n if n_cells <= LARGEST_REPLICATE else max(20, n * LARGEST_REPLICATE // n_cells)
    shrink = np.sqrt(min(n_drawn / n, 1.0))  # fewer micrographs have a larger spread
    whole = _described(best, sample.cells)
    result = []
    for _ in range(N_REPLICATES):
        times = times_drawn(rng, sample.micrograph, n, n_drawn)
        cells, share = _weighted(sample, times), n_drawn / n
        fit = fit_from(
            _scaled(best, share),
            cells,
            sample.n_places * share,
            is_free,
            max_iterations=REPLICATE_ITERATIONS,
            tolerance=REPLICATE_TOLERANCE,
        )
        drawn = _described(fit._replace(n_particles=fit.n_particles / share), cells)
        result.append(
            (
                whole[0] * float(np.exp(shrink * np.log(drawn[0] / whole[0]))),
                expit(logit(whole[1]) + shrink * (logit(drawn[1]) - logit(whole[1]))),
                expit(logit(whole[2]) + shrink * (logit(drawn[2]) - logit(whole[2]))),
            )
        )
    return result


def cells_of(sample: Sample, times: NDArray[Any]) -> Cells:
    """Cells of the micrographs, each counted `times`, shape (n_micrographs,)."""
    return _weighted(sample, times[sample.micrograph].astype(np.float64))


def _weighted(sample: Sample, weight: NDArray[np.float64]) -> Cells:
    """Cells of the candidates, each counted as often as its weight says."""
    count = np.bincount(sample.cell, weight, len(sample.cells.n)).astype(np.float64)
    here = np.flatnonzero(count)
    return Cells(sample.cells.found[here], sample.cells.score_bin[here], count[here])


def _scaled(fit: LatentClasses, share: float) -> LatentClasses:
    """Parameters for a fraction of the micrographs."""
    return fit._replace(n_particles=fit.n_particles * share, n_junk=fit.n_junk * share)


def _described(
    fit: LatentClasses, cells: Cells
) -> Tuple[float, NDArray[np.float64], NDArray[np.float64]]:
    precision = np.clip(picker_precision(cells, posterior(fit, cells)), 1e-6, 1 - 1e-6)
    return fit.n_particles, fit.recall, precision


def _patterns(
    fit: LatentClasses, cells: Cells
) -> Tuple[NDArray[np.bool_], NDArray[np.float64], NDArray[np.float64]]:
    """Patterns of agreement that occur, with their observed and expected counts."""
    found, pattern = np.unique(cells.found, axis=0, return_inverse=True)
    count = np.bincount(pattern.ravel(), cells.n, len(found)).astype(np.float64)
    nothing = np.full(found.shape, -1, dtype=np.int64)
    expected = np.exp(np.logaddexp(*log_weights(fit, Cells(found, nothing, count))))
    return found, count, expected


def _by_quality(
    sample: Sample, best: LatentClasses, is_free: bool, quality: Optional[NDArray[np.float64]]
) -> Tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Recall and precision on micrographs of low, medium and high quality value."""
    k = len(best.recall)
    known = np.zeros(0) if quality is None else quality[np.isfinite(quality)]
    edges = (
        np.unique(np.quantile(known, np.linspace(0, 1, QUALITY_GROUPS + 1)))
        if len(known)
        else np.zeros(0)
    )
    if len(edges) < 3 or quality is None:
        return np.zeros(0), np.zeros((0, k)), np.zeros((0, k))
    group = np.searchsorted(edges[1:-1], quality, side="right")
    present = np.unique(group[np.isfinite(quality)])  # with few micrographs a group may be empty
    recall, precision = [], []
    for number in present:
        is_in = np.isfinite(quality) & (group == number)
        cells, share = cells_of(sample, is_in), is_in.mean()
        start = _scaled(best, share)
        fit = fit_from(start, cells, sample.n_places * share, is_free, fixed_scores=True)
        recall.append(fit.recall)
        precision.append(picker_precision(cells, posterior(fit, cells)))
    return np.append(edges[present], edges[-1]), np.array(recall), np.array(precision)
