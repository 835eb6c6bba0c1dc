"""Quality of micrographs from what a consensus knows of them, and which are accepted."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Dict, List, NamedTuple, Optional, Sequence, Tuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from repic_plugin.consensus.falls import FALSE_ALARMS, Fall, sudden_falls
from repic_plugin.consensus.picks import Picks
from repic_plugin.consensus.result import ConsensusResult
from repic_plugin.consensus.with_images import GOOD_CLASS, ImageClasses

AGREEMENT, PRECISION, N_PARTICLES = "agreement", "expected precision", "particles per micrograph"
SCORES = "rank of the scores of {}"

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class MicrographQuality:
    """What is known of each micrograph; NaN where it is not.

    Attributes
    ----------
    names : tuple of str, length n_micrographs
    picker_names : tuple of str, length n_pickers
    agreement : ndarray of float64, shape (n_micrographs,)
        Share of the picks that are in a particle found by two pickers or more. Particles that were
        dropped do not count.
    n_particles : ndarray of int64, shape (n_micrographs,)
        Those kept.
    n_expected, precision : ndarray of float64, shape (n_micrographs,)
        Sum and mean of the probabilities of the particles kept: the expected number of true ones,
        and the share of them. Known in mode ``probabilistic`` only.
    junk : ndarray of float64, shape (n_micrographs,)
        Share of the picks with an image that lie in 2D classes of junk.
    score : ndarray of float64, shape (n_micrographs, n_pickers)
        Median score of each picker's picks, on its own scale.
    """

    names: Tuple[str, ...]
    picker_names: Tuple[str, ...]
    agreement: Floats
    n_particles: NDArray[np.int64]
    n_expected: Floats
    precision: Floats
    junk: Floats
    score: Floats

    @property
    def score_rank(self) -> Floats:
        """Rank of each picker's median score among all micrographs, from 0 to 1: its drift."""
        return np.stack([_ranks(one) for one in self.score.T], axis=1)

    @property
    def number(self) -> Floats:
        """Expected number of particles; the number kept where there is no expectation."""
        return np.where(np.isnan(self.n_expected), self.n_particles, self.n_expected)

    def take(self, rows: ArrayLike) -> MicrographQuality:
        """Some micrographs, in this order."""
        places = np.asarray(rows, np.int64)
        names = tuple(self.names[one] for one in places.tolist())
        return replace(self, names=names, **{one: getattr(self, one)[places] for one in _COLUMNS})


_COLUMNS = ("agreement", "n_particles", "n_expected", "precision", "junk", "score")


class Thresholds(NamedTuple):
    """Thresholds for accepting a micrograph; 0 for one that is not used.

    Attributes
    ----------
    min_agreement : float
    min_particles : float
        Of `MicrographQuality.number`.
    max_junk : float
    """

    min_agreement: float = 0.0
    min_particles: float = 0.0
    max_junk: float = 0.0


def micrograph_quality(
    result: ConsensusResult,
    score: Optional[Floats] = None,
    junk: Optional[Floats] = None,
) -> MicrographQuality:
    """Quality of the micrographs of a consensus.

    Parameters
    ----------
    result : ConsensusResult
    score : ndarray of float64, shape (n_micrographs, n_pickers), optional
        See `median_scores`; a row for each micrograph that was processed, as of `junk`.
    junk : ndarray of float64, shape (n_micrographs,), optional
        See `shares_of_junk`.
    """
    names, n_picks = result.micrographs.names, result.micrographs.n_picks.sum(axis=1)
    n, n_members, row = len(names), result.n_members, _rows(result)
    agreed = np.bincount(row, np.where(n_members >= 2, n_members, 0), n)
    n_particles = np.bincount(row, minlength=n)
    expected = np.full(n, np.nan)
    if result.ensemble is not None:
        expected = np.bincount(row, result.weight, n).astype(np.float64)
    return MicrographQuality(
        names=names,
        picker_names=result.picker_names,
        agreement=_ratio(agreed, n_picks),
        n_particles=n_particles,
        n_expected=expected,
        precision=_ratio(expected, n_particles),
        junk=np.full(n, np.nan) if junk is None else junk,
        score=np.full((n, len(result.picker_names)), np.nan) if score is None else score,
    )


def median_scores(picks: Picks) -> Floats:
    """Median score of each picker on each micrograph; NaN without scores.

    Returns
    -------
    ndarray of float64, shape (n_micrographs, n_pickers)
    """
    k = picks.n_pickers
    scored = picks.take(picks.has_score)
    group = scored.micrograph * k + scored.picker
    order = np.lexsort((scored.score, group))
    ends = np.searchsorted(group[order], np.arange(picks.n_micrographs * k + 1))
    first, n = ends[:-1], np.diff(ends)
    median = np.full(len(n), np.nan)
    ordered, has = scored.score[order], n > 0
    low, high = (first + (n - 1) // 2)[has], (first + n // 2)[has]
    median[has] = (ordered[low] + ordered[high]) / 2
    return median.reshape(-1, k)


def shares_of_junk(candidates: ConsensusResult, classes: ImageClasses) -> Floats:
    """Share of the picks with an image that lie in 2D classes of junk.

    Parameters
    ----------
    candidates : ConsensusResult
        All of them, see `judge_by_images`.
    classes : ImageClasses

    Returns
    -------
    ndarray of float64, shape (n_micrographs,)
        NaN without images, and where the images decide nothing.
    """
    n = len(candidates.micrographs.names)
    if classes.is_filtered:
        return np.full(n, np.nan)
    seen = classes.label >= 0
    n_picks = np.where(seen, candidates.n_members, 0)
    is_junk = seen & (np.append(classes.share, 1.0)[classes.label] < GOOD_CLASS)
    row = _rows(candidates)
    counts = (np.bincount(row, n_picks * one, n) for one in (is_junk, seen))
    return _ratio(*counts)


def joined(parts: Sequence[MicrographQuality]) -> MicrographQuality:
    """Quality of the micrographs of several batches of the same pickers, at least one."""
    names = tuple(name for part in parts for name in part.names)
    columns = {one: np.concatenate([getattr(part, one) for part in parts]) for one in _COLUMNS}
    return replace(parts[0], names=names, **columns)


def accepted(quality: MicrographQuality, thresholds: Thresholds) -> NDArray[np.bool_]:
    """Whether each micrograph meets the thresholds, shape (n_micrographs,).

    What is not known of a micrograph rejects it by no threshold.
    """
    is_low = np.zeros(len(quality.names), bool)
    for minimum, values in (
        (thresholds.min_agreement, quality.agreement),
        (thresholds.min_particles, quality.number),
    ):
        is_low |= (minimum > 0) & (values < minimum)
    return np.asarray(~is_low & ~((thresholds.max_junk > 0) & (quality.junk > thresholds.max_junk)))


def falls_of(quality: MicrographQuality) -> Dict[str, List[Fall]]:
    """Sudden falls of each quantity by its name, see `sudden_falls`.

    All quantities together have its probability of a false alarm.

    Parameters
    ----------
    quality : MicrographQuality
        In the order of acquisition.
    """
    values = {
        AGREEMENT: quality.agreement,
        PRECISION: quality.precision,
        N_PARTICLES: quality.n_particles.astype(np.float64),
        **{SCORES.format(one): rank for one, rank in
           zip(quality.picker_names, quality.score_rank.T)},
    }  # fmt: skip
    known = {name: column for name, column in values.items() if not np.isnan(column).all()}
    rate = FALSE_ALARMS / max(len(known), 1)
    falls = {name: sudden_falls(column, false_alarms=rate) for name, column in known.items()}
    return {name: found for name, found in falls.items() if found}


def fall_lines(quality: MicrographQuality, falls: Dict[str, List[Fall]]) -> List[str]:
    """The last fall of each quantity, one line each."""
    lines = []
    for name, found in falls.items():
        fall, digits = found[-1], 0 if name == N_PARTICLES else 2
        values = f"from {fall.before:.{digits}f} to {fall.after:.{digits}f}"
        at = f"{fall.place + 1:,} ({quality.names[fall.place]})"
        earlier = f"; {len(found) - 1:,} earlier" if len(found) > 1 else ""
        lines.append(f"since micrograph {at} {name} fell {values} (medians){earlier}")
    return lines


def _rows(result: ConsensusResult) -> NDArray[np.int64]:
    """Place of each particle's micrograph among those that were processed."""
    place = {name: row for row, name in enumerate(result.micrographs.names)}
    rows = np.array([place.get(name, -1) for name in result.micrograph_names], np.int64)
    return np.asarray(rows[result.micrograph])


def _ratio(part: NDArray[Any], whole: NDArray[Any]) -> Floats:
    return np.divide(part, whole, out=np.full(len(whole), np.nan), where=whole > 0)


def _ranks(values: Floats) -> Floats:
    """Share of the other known values that are below each; equal ones count half."""
    known = ~np.isnan(values)
    ordered = np.sort(values[known])
    ends = [np.searchsorted(ordered, values[known], side) for side in ("left", "right")]
    ranks = np.full(len(values), np.nan)
    ranks[known] = (ends[0] + ends[1] - 1) / 2 / max(len(ordered) - 1, 1)
    return ranks
