"""The consensus of one micrograph, fast enough to follow a slider."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, replace
from typing import Any, Mapping, Optional

import numpy as np
from numpy.typing import NDArray

from repic_plugin.consensus import (
    ConsensusResult,
    MinScore,
    Picks,
    ScoreTransform,
    above_min_score,
    box_sizes,
    choose_transforms,
    comparable_scores,
    find_consensus,
    find_copies,
    spacing_px,
)

# Time limit of the solver; a preview shows the best solution found so far.
TIME_LIMIT_S = 2.0


@dataclass(frozen=True)
class PreviewSettings:
    """Settings of the sliders.

    Attributes
    ----------
    quorum : int
        Minimum number of pickers.
    min_overlap : float
    num_particles : int
        Number of best particles to keep; 0 for all.
    target_precision : float
        Of mode probabilistic; 0 for the highest expected F1 score.
    """

    quorum: int
    min_overlap: float
    num_particles: int = 0
    target_precision: float = 0.0


@dataclass(frozen=True)
class PreparedPicks:
    """Picks whose scores are comparable, and where each micrograph's are.

    Attributes
    ----------
    picks : Picks
        Those above the thresholds, by micrograph.
    starts : ndarray of int64, shape (n_micrographs + 1,)
        Where each micrograph's picks begin.
    """

    picks: Picks
    starts: NDArray[np.int64]

    def on(self, micrograph: int) -> Picks:
        """The picks of a micrograph."""
        return self.picks.take(slice(self.starts[micrograph], self.starts[micrograph + 1]))


def prepare_preview(
    picks: Picks,
    *,
    box_size_px: Any,
    score_transform: ScoreTransform = "auto",
    min_score: MinScore = None,
    copy_distance_px: Optional[float] = None,
) -> PreparedPicks:
    """Prepare the picks of all micrographs: scores are scaled over all picks of a picker.

    Parameters
    ----------
    picks : Picks
    box_size_px, score_transform, min_score, copy_distance_px
        As of `find_consensus`.

    Raises
    ------
    ValueError
        As `find_consensus` does.
    """
    transforms = choose_transforms(picks, score_transform)
    entered = above_min_score(picks, min_score)
    sizes_px = box_sizes(box_size_px, picks.picker_names)
    reach_px = spacing_px("copy_distance_px", copy_distance_px, sizes_px)
    entered &= find_copies(picks, reach_px, entered) < 0
    kept = picks.take(entered)
    scores = comparable_scores(kept, transforms)
    kept = replace(kept, score=scores, has_score=np.ones(len(kept), dtype=bool))
    kept = kept.take(np.argsort(kept.micrograph, kind="stable"))
    starts = np.searchsorted(kept.micrograph, np.arange(picks.n_micrographs + 1))
    return PreparedPicks(kept, starts)


def preview_consensus(
    prepared: PreparedPicks,
    micrograph: int,
    settings: PreviewSettings,
    *,
    box_size_px: Any,
    options: Optional[Mapping[str, Any]] = None,
) -> ConsensusResult:
    """The consensus on one micrograph.

    Parameters
    ----------
    prepared : PreparedPicks
    micrograph : int
    settings : PreviewSettings
    box_size_px
        As of `find_consensus`.
    options : mapping of str to object, optional
        Further arguments of `find_consensus`; those set here are ignored.

    Returns
    -------
    ConsensusResult
        Its members are indices among the micrograph's picks.

    Raises
    ------
    ValueError
        If a setting is outside its range.
    """
    arguments = {
        "time_limit_s": TIME_LIMIT_S,
        **(options or {}),
        "mode": "quorum",
        "quorum": settings.quorum,
        "min_overlap": settings.min_overlap,
        "num_particles": settings.num_particles or None,
        "score_transform": "identity",
        "min_score": None,
        "copy_distance_px": 0,
        "box_size_px": box_size_px,
        "micrographs": [micrograph],
    }
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the time limit, which is expected in a preview
        return find_consensus(prepared.on(micrograph), **arguments)


def preview_text(result: ConsensusResult) -> str:
    """Number of particles on the micrograph, and how many of them are chance."""
    n_found, agreement = int(result.micrographs.n_selected.sum()), result.agreement
    text = f"{len(result):,} of {n_found:,} particles on this micrograph"
    if agreement is None or agreement.is_above_chance is None:
        return text
    if not agreement.is_above_chance:
        return f"{text}; the pickers agree no more than by chance"
    chance = f"about {agreement.n_chance:,.0f} of the {n_found:,} are there by chance"
    return f"{text}; estimated from it alone, {chance}"
