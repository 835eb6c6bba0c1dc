"""Classes of all particles of a stream, once they are there.

The classes of the first particles may be blurred or hold two views each, and averages of more
members of such classes stay so. All particles are therefore classified again, from the classes and
poses that the last averages give them: near these poses, with classes split and merged as at the
end of a classification. Every class that is still the same keeps its number.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Callable, Optional

import numpy as np
from numpy.typing import NDArray

from repic_plugin.classification.assignment import Assignment
from repic_plugin.classification.averages import Alignment
from repic_plugin.classification.course import LOOSENED, CourseSettings
from repic_plugin.classification.result import Classification
from repic_plugin.classification.state import State
from repic_plugin.classification.streaming.new_views import scores_of
from repic_plugin.classification.streaming.particles import Particles
from repic_plugin.classification.streaming.settings import StreamSettings
from repic_plugin.classification.streaming.state import (
    Scores,
    StreamState,
    Unexplained,
    mean_fits,
)
from repic_plugin.classification.streaming.usual import held_out_rows, usual_misfit

# Times that all particles are read with progress: assigned, classified, and assigned twice.
N_READINGS = 4

Labels = NDArray[np.int64]
Progress = Callable[[int, int], None]


def classified_again(
    every: Particles, state: StreamState, progress: Optional[Progress] = None
) -> StreamState:
    """State with classes of all particles so far, whose sizes are not known yet.

    Parameters
    ----------
    every : Particles
        All that the state has seen.
    state : StreamState
    progress : callable, optional
        Called with the number of images read so far and the total, each `N_READINGS` times.
    """
    n = len(every.rows)
    before = every.assigned(state.references, state.measured, _part_of(progress, 0, n))
    held_out = held_out_rows(n)
    given = before.labels >= 0
    given[held_out] = False
    some = np.flatnonzero(given)
    names = _names(before.labels[some], len(state))
    start = _start(before, some, names, _constraint(every.settings, state))
    del before
    made = every.at(every.rows[some]).classified(
        len(names), state.references, start, _part_of(progress, 1, n)
    )
    numbers = class_numbers(start.labels, made.labels, names, len(state))
    k = max(len(state), int(numbers.max()) + 1)
    sizes, averages = state.references.sizes, _at(made.averages, numbers, k)
    references = replace(made.references(), averages=averages, sizes=sizes)
    found = every.assigned(references, progress=_part_of(progress, 2, n))
    sums = every.sums(found, found.labels >= 0, references)
    n_new = k - len(state)
    return replace(
        state,
        references=replace(references, averages=sums.averages()),
        sums=sums,
        n_averaged=found.sizes,
        sizes=found.sizes,
        made_after=np.append(state.made_after, np.full(n_new, state.n_seen)),
        scores=_scores(made, numbers, k),
        mean_fit=mean_fits(found),
        measured=found.measured,
        usual=usual_misfit(found, held_out),
        unexplained=Unexplained.none(k),
    )


def class_numbers(before: Labels, after: Labels, names: Labels, k: int) -> Labels:
    """Numbers of the classes of a classification that started from others.

    A class keeps its number if half of its members were in it before, or half of those are now.
    The others have taken the place of one that was dissolved; they get numbers from k on.

    Parameters
    ----------
    before, after : ndarray of int64, shape (n,)
        Class of each particle, from 0 to m - 1.
    names : ndarray of int64, shape (m,)
        Numbers of the classes before.
    k : int
        Numbers that are taken.

    Returns
    -------
    ndarray of int64, shape (m,)
    """
    m = len(names)
    shared = np.bincount(before * m + after, minlength=m * m).reshape(m, m)
    fewer = np.minimum(shared.sum(axis=0), shared.sum(axis=1))
    is_another = 2 * np.diag(shared) < fewer
    numbers = names.copy()
    numbers[is_another] = k + np.arange(np.count_nonzero(is_another))
    return numbers


def _part_of(progress: Optional[Progress], number: int, n: int) -> Optional[Progress]:
    """Progress of one of the readings of n images."""
    if progress is None:
        return None
    whole: Progress = progress
    return lambda done, _total: whole(number * n + done, N_READINGS * n)


def _names(labels: Labels, k: int) -> Labels:
    """Classes that have members; all if these are fewer than two, which are no classification."""
    names = np.unique(labels)
    return names if len(names) > 1 else np.arange(k)


def _constraint(settings: StreamSettings, state: StreamState) -> float:
    """Fraction of beta in use where classes have formed already."""
    names = ("method", "alignment", "trade")
    chosen: Any = {k: v for k, v in settings.of_all_again(state.references).items() if k in names}
    return LOOSENED if CourseSettings(settings.n_classes, **chosen).trades else 1.0


def _start(found: Assignment, some: Labels, names: Labels, constraint: float) -> State:
    """State of a classification of some of the particles in the poses of their assignment."""
    still = np.zeros((len(some), 2))
    angle = np.deg2rad(180 - found.rotation_deg[some])
    return State(
        labels=np.searchsorted(names, found.labels[some]),
        alignment=Alignment(angle, still, found.mirror[some]),
        offset_px=found.shift_px[some],
        stage="local",
        contrast=np.ones(len(some)),
        constraint=constraint,
    )


def _at(values: NDArray[Any], numbers: Labels, k: int, nothing: Any = 0) -> NDArray[Any]:
    """Values of classes at their numbers, and nothing at others."""
    found = np.full((k, *values.shape[1:]), nothing, values.dtype)
    found[numbers] = values
    return found


def _scores(made: Classification, numbers: Labels, k: int) -> Scores:
    """Scores of the classes at their numbers; as of empty classes at others."""
    placed = [_at(values, numbers, k) for values in scores_of(made)]
    scores = Scores(*placed)
    scores.resolution_angstrom[np.setdiff1d(np.arange(k), numbers)] = np.nan
    return scores
