"""Preview of a consensus by probability: what a target precision keeps."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, replace
from typing import Any, Dict, List, Mapping, NamedTuple, Optional, Tuple

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from repic_plugin.consensus import (
    ConsensusResult,
    EnsembleModel,
    Picks,
    choose_threshold,
    expected_scores,
    find_consensus,
    ranked_scores,
)
from repic_plugin.plots.canvas import NUMBER_POINTS, plain, say, whole_numbers
from repic_plugin.plots.colors import CONSENSUS_COLOR
from repic_plugin.plots.preview import TIME_LIMIT_S, PreviewSettings

ALL = 10**9  # particles per micrograph: every candidate, whatever its probability
CURVE_COLOR = "#303030"
RANKED = ("score_transform", "min_score", "micrograph_size_px")


@dataclass(frozen=True)
class FittedPreview:
    """A model of the pickers, and the candidates of the micrographs it was fitted to.

    Attributes
    ----------
    picks : Picks
        Of all micrographs, one after the other.
    starts : ndarray of int64, shape (n_micrographs + 1,)
        Where each micrograph's picks begin.
    options : dict
        Arguments of `find_consensus` for one micrograph.
    model : EnsembleModel
    probability : ndarray of float64, shape (n_candidates,)
        By micrograph, the most probable first.
    rank : ndarray of int64, shape (n_candidates,)
        Place of each on its micrograph, from 0.
    """

    picks: Picks
    starts: NDArray[np.int64]
    options: Dict[str, Any]
    model: EnsembleModel
    probability: NDArray[np.float64]
    rank: NDArray[np.int64]

    def threshold(self, settings: PreviewSettings) -> Tuple[float, str]:
        """Minimum probability, and the rule that sets it."""
        target = settings.target_precision or None
        if target is None and settings.num_particles:
            return 0.0, f"the {settings.num_particles:,} most probable"
        ones = np.ones(len(self.probability))
        return choose_threshold(ones, self.probability, self.model.n_particles, target)

    def is_kept(self, settings: PreviewSettings) -> NDArray[np.bool_]:
        """Which candidates the settings keep."""
        is_best = self.rank < (settings.num_particles or ALL)
        return np.asarray(is_best & (self.probability >= self.threshold(settings)[0]))


def fit_preview(
    picks: Picks, micrographs: NDArray[np.int64], options: Mapping[str, Any]
) -> FittedPreview:
    """Fit the model of the pickers to some micrographs.

    Parameters
    ----------
    picks : Picks
        Of all micrographs.
    micrographs : ndarray of int64, shape (n,)
        Indices of those to fit it to.
    options : mapping of str to object
        Arguments of `find_consensus`, among them box_size_px and min_overlap.

    Raises
    ------
    ValueError
        If an option is outside its range, or the picks do not allow a fit.
    """
    ordered = picks.take(np.argsort(picks.micrograph, kind="stable"))
    starts = np.searchsorted(ordered.micrograph, np.arange(picks.n_micrographs + 1))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the picks; the run reports them
        found = find_consensus(
            ordered.take(np.isin(ordered.micrograph, micrographs)),
            **{**options, "mode": "probabilistic", "num_particles": ALL, "target_precision": None},
            micrographs=micrographs,
        )
    if found.ensemble is None:
        raise ValueError("the inputs have no picks; choose others")
    ranked = {name: options[name] for name in RANKED if name in options}
    fixed = {
        **options,
        "mode": "probabilistic",
        "score_transform": list(found.score_transforms),
        "ranked_among": ranked_scores(ordered, options["box_size_px"], **ranked),
        "time_limit_s": TIME_LIMIT_S,
        "decoys": False,
    }
    first = np.searchsorted(found.micrograph, found.micrograph)
    rank = np.arange(len(found)) - first
    return FittedPreview(ordered, starts, fixed, found.ensemble, found.weight, rank)


def preview_probable(
    fitted: FittedPreview, micrograph: int, settings: PreviewSettings
) -> ConsensusResult:
    """The particles that are kept on one micrograph.

    Raises
    ------
    ValueError
        If a setting is outside its range.
    """
    here = fitted.picks.take(slice(fitted.starts[micrograph], fitted.starts[micrograph + 1]))
    threshold, _ = fitted.threshold(settings)
    arguments = {
        **fitted.options,
        "num_particles": settings.num_particles or None,
        "target_precision": settings.target_precision or None,
        "ensemble": replace(fitted.model, threshold=threshold),
        "micrographs": [micrograph],
    }
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a preview shows what there is within its time limit
        return find_consensus(here, **arguments)


class Promise(NamedTuple):
    """What settings keep on the micrographs of the fit, and what is expected of it.

    Attributes
    ----------
    per_micrograph : float
        Mean number of particles.
    precision, recall : float
        The precision is nan if none is kept.
    """

    per_micrograph: float
    precision: float
    recall: float


def promise_of(fitted: FittedPreview, settings: PreviewSettings) -> Promise:
    """What is kept with some settings on the micrographs of the fit."""
    kept, n = fitted.probability[fitted.is_kept(settings)], fitted.model.n_micrographs
    expected = expected_scores(kept, fitted.model, n)
    return Promise(len(kept) / max(n, 1), expected.precision, expected.recall)


def probable_text(fitted: FittedPreview, result: ConsensusResult, settings: PreviewSettings) -> str:
    """Number of particles on the micrograph, and what is expected of them, with its reason."""
    model, promise = fitted.model, promise_of(fitted, settings)
    threshold, rule = fitted.threshold(settings)
    n = model.n_micrographs
    where = f"On {n:,} micrograph{'s' * (n != 1)} that the model was fitted to"
    if not promise.per_micrograph:
        told = f"{where}, no selection reaches this precision; lower it."
    else:
        told = (
            f"{where}: {promise.per_micrograph:,.0f} per micrograph, expected precision "
            f"{promise.precision:.3f}, recall {promise.recall:.3f} ({rule}; minimum probability "
            f"{threshold:.3f})."
        )
    lines = [f"{len(result):,} particles on this micrograph.", told]
    return "\n".join([*lines, *(f"Caution: {warning}." for warning in model.warnings)])


def precision_curve(fitted: FittedPreview) -> Tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Particles per micrograph and their expected precision, as ever less probable ones are kept.

    Returns
    -------
    ndarray of float64, shape (n_candidates,)
    ndarray of float64, shape (n_candidates,)
    """
    numbers = np.arange(1, len(fitted.probability) + 1)
    precision = np.cumsum(np.sort(fitted.probability)[::-1]) / numbers
    return numbers / max(fitted.model.n_micrographs, 1), precision


def draw_precision_curve(
    figure: Figure, fitted: Optional[FittedPreview], settings: PreviewSettings
) -> None:
    """Draw the curve into a small figure, with a point where the settings are.

    Without a model the figure says so.
    """
    figure.clear()
    axes = figure.add_subplot()
    if fitted is None or not len(fitted.probability):
        axes.axis("off")
        say(axes, "no model")
        return
    axes.plot(*precision_curve(fitted), color=CURVE_COLOR, linewidth=2, gid="curve")
    promise = promise_of(fitted, settings)
    if promise.per_micrograph:
        axes.plot([promise.per_micrograph], [promise.precision], "o", color=CONSENSUS_COLOR,
                  markersize=8, gid="here", clip_on=False)  # fmt: skip
    if settings.target_precision:
        axes.axhline(settings.target_precision, color=CONSENSUS_COLOR, linestyle="--", gid="target")
    axes.set_xlim(left=0)
    axes.set_ylim(0, 1.02)
    plain(axes, points=NUMBER_POINTS)
    whole_numbers(axes.xaxis, 5)
    axes.set_xlabel("particles per micrograph", fontsize=NUMBER_POINTS)
    axes.set_ylabel("expected precision", fontsize=NUMBER_POINTS)


def spread_micrographs(n_micrographs: int, most: int) -> NDArray[np.int64]:
    """At most so many micrographs, evenly spread."""
    places: List[int] = np.linspace(0, n_micrographs - 1, min(n_micrographs, most)).round().tolist()
    return np.unique(np.array(places, dtype=np.int64))
