"""Classes for views that appear in a stream after the classes were made.

Particles of a new view go to the class that is most like it, which then explains fewer of its
members than usual. Where there is an excess of unexplained ones in some classes, these are
classified alone, but for every third. A class among them is a new view if it resembles particles by
its score, and if it explains those of the third that go to it, which no class did before. Of the
classes that do, as many are taken as the excess has room for.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, NamedTuple, Optional

import numpy as np
from numpy.typing import NDArray

from repic_plugin.classification.assignment import Assignment, assign_particles
from repic_plugin.classification.classify import classify_particles
from repic_plugin.classification.ctf import CtfParameters
from repic_plugin.classification.full_averages import AverageSums
from repic_plugin.classification.image_rows import ImageRows
from repic_plugin.classification.quality import LEAST_BEST
from repic_plugin.classification.result import Classification
from repic_plugin.classification.streaming.members import sums_of
from repic_plugin.classification.streaming.settings import StreamSettings
from repic_plugin.classification.streaming.state import Scores, StreamState

# Every third particle judges the classes of the others.
JUDGES = 3
# Of the judges that go to a new class this part and number are explained.
EXPLAINED_PART, LEAST_JUDGES = 0.5, 5
# Members of a new class: as many as of the others, but from 25 to 40; half as many again are waited
# for, since a third judges.
LEAST_MEMBERS, MOST_MEMBERS, WAITED_FOR = 25, 40, 1.5

Labels = NDArray[np.int64]
Flags = NDArray[np.bool_]


class NewClasses(NamedTuple):
    """Classes of new views.

    Attributes
    ----------
    rows : ndarray of int64, shape (m,)
        Numbers of the particles that go to them, which went to others before.
    before : ndarray of int64, shape (m,)
        Class of each before.
    found : Assignment
        Of these particles, among all classes, old and new.
    sums : AverageSums
        Over those that are explained.
    n_averaged : ndarray of int64, shape (j,)
    scores : Scores
        Of the new classes.
    """

    rows: Labels
    before: Labels
    found: Assignment
    sums: AverageSums
    n_averaged: Labels
    scores: Scores


def class_size(state: StreamState, settings: StreamSettings) -> float:
    """Members that a new class is expected to have."""
    return float(np.clip(state.n_first / settings.n_classes, LEAST_MEMBERS, MOST_MEMBERS))


def are_expected(state: StreamState, settings: StreamSettings) -> bool:
    """Whether there are enough unexplained particles, beyond the usual ones, for a new class."""
    excess = float(state.unexplained.excess().sum())
    return settings.new_views and excess >= WAITED_FOR * class_size(state, settings)


def new_classes(
    images: Any,
    ctf: Optional[CtfParameters],
    state: StreamState,
    settings: StreamSettings,
    n_threads: int,
) -> Optional[NewClasses]:
    """Classes of what no class explains; None if these are no new views.

    Parameters
    ----------
    images : array_like of float, shape (n, box, box)
        All particles so far.
    ctf : CtfParameters, optional
    state : StreamState
    settings : StreamSettings
    n_threads : int
    """
    excess = state.unexplained.excess()
    chosen = excess[state.unexplained.labels] > 0
    rows, before = state.unexplained.rows[chosen], state.unexplained.labels[chosen]
    judges = np.arange(len(rows)) % JUDGES == JUDGES - 1
    size = class_size(state, settings)
    n_classes = max(2, int(np.rint((~judges).sum() / size)))
    made = _classified(images, ctf, rows[~judges], n_classes, state, settings, n_threads)
    candidates = _with(state, made.averages)
    judged = _assigned(images, ctf, rows[judges], candidates, state, settings, n_threads)
    kept = _new_views(made, judged, state, int(excess.sum() / size))
    if not len(kept):
        return None
    together = _with(state, made.averages[kept])
    labels = _assigned(images, ctf, rows, together, state, settings, n_threads).labels
    goes = labels >= len(state)
    rows, before = rows[goes], before[goes]
    if not len(rows):
        return None
    found = _assigned(images, ctf, rows, together, state, settings, n_threads)
    is_member = state.usual.is_explained(found)
    own = ImageRows(images, rows), _taken(ctf, rows)
    sums = sums_of(
        own[0],
        found,
        is_member,
        together,
        ctf=own[1],
        phase_flipped=settings.phase_flipped,
        n_threads=n_threads,
    )
    of_new = AverageSums(*(values[len(state) :] for values in sums))
    n_averaged = np.bincount(found.labels[is_member], minlength=len(together))[len(state) :]
    return NewClasses(rows, before, found, of_new, n_averaged, scores_of(made).of(kept))


def scores_of(made: Classification) -> Scores:
    """Scores of the classes of a classification."""
    if made.quality is None:
        raise ValueError("made must have the quality of its classes, got that of another rank")
    return Scores(*(getattr(made.quality, name) for name in Scores._fields))


def _new_views(made: Classification, judged: Assignment, state: StreamState, most: int) -> Labels:
    """Which of the classes are new views, those with most explained judges first."""
    k = len(made.sizes)
    own = judged.labels - len(state)
    goes = own >= 0
    n_judges = np.bincount(own[goes], minlength=k)
    is_explained = state.usual.is_explained(judged)
    n_explained = np.bincount(own[goes & is_explained], minlength=k)
    good = scores_of(made).score >= LEAST_BEST
    good &= n_explained >= np.maximum(EXPLAINED_PART * n_judges, LEAST_JUDGES)
    order = np.argsort(-n_explained, kind="stable")
    return np.sort(order[good[order]][: max(most, 1)])


def _classified(
    images: Any,
    ctf: Optional[CtfParameters],
    rows: Labels,
    n_classes: int,
    state: StreamState,
    settings: StreamSettings,
    n_threads: int,
) -> Classification:
    options = settings.of_others(state.references, n_threads)
    own = ImageRows(images, rows)
    return classify_particles(own, n_classes, ctf=_taken(ctf, rows), **options)


def _assigned(
    images: Any,
    ctf: Optional[CtfParameters],
    rows: Labels,
    references: Any,
    state: StreamState,
    settings: StreamSettings,
    n_threads: int,
) -> Assignment:
    return assign_particles(
        ImageRows(images, rows),
        references,
        ctf=_taken(ctf, rows),
        phase_flipped=settings.phase_flipped,
        measured_before=state.measured,
        n_threads=n_threads,
    )


def _with(state: StreamState, averages: NDArray[np.float32]) -> Any:
    """References of the state, followed by more averages."""
    every = np.concatenate([state.references.averages, averages])
    return replace(state.references, averages=every)


def _taken(ctf: Optional[CtfParameters], rows: Labels) -> Optional[CtfParameters]:
    return None if ctf is None else ctf.take(rows)
