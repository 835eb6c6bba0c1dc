"""Classes for views that appear in a stream after the classes were made.

Particles of a new view go to the class that is most like it, which then explains fewer of its
members than usual. Where there is an excess of unexplained ones in some classes, these are
classified alone, but for every third. A class among them is a new view if it resembles particles by
its score, and if it explains those of the third that go to it, which no class did before. Of the
classes that do, as many are taken as the excess has room for.
"""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple, Optional

import numpy as np
from numpy.typing import NDArray

from repic_plugin.classification.assignment import Assignment
from repic_plugin.classification.full_averages import AverageSums
from repic_plugin.classification.quality import LEAST_BEST
from repic_plugin.classification.references import References
from repic_plugin.classification.result import Classification
from repic_plugin.classification.streaming.particles import Particles
from repic_plugin.classification.streaming.settings import StreamSettings
from repic_plugin.classification.streaming.state import Scores, StreamState

# Every third particle judges the classes of the others; of many, the latest are tried.
JUDGES, MOST_TRIED = 3, 1024
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
    is_explained : ndarray of bool, shape (m,)
        Whether each is explained by its class now.
    sums : AverageSums
        Over those that are explained.
    n_averaged : ndarray of int64, shape (j,)
    scores : Scores
        Of the new classes.
    """

    rows: Labels
    before: Labels
    found: Assignment
    is_explained: Flags
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


def new_classes(some: Particles, state: StreamState) -> Optional[NewClasses]:
    """Classes of what no class explains; None if these are no new views.

    Parameters
    ----------
    some : Particles
        Any of the stream.
    state : StreamState
    """
    excess, k = state.unexplained.excess(), len(state)
    chosen = excess[state.unexplained.labels] > 0
    rows, before = state.unexplained.rows[chosen], state.unexplained.labels[chosen]
    latest = rows[-MOST_TRIED:]
    judges = np.arange(len(latest)) % JUDGES == JUDGES - 1
    size = class_size(state, some.settings)
    n_classes = max(2, int(np.rint((~judges).sum() / size)))
    made = some.at(latest[~judges]).classified(n_classes, state.references)
    judged = some.at(latest[judges]).assigned(_with(state, made.averages), state.measured)
    kept = _new_views(made, judged, state, int(excess.sum() / size))
    if not len(kept):
        return None
    together = _with(state, made.averages[kept])
    goes = some.at(rows).assigned(together, state.measured).labels >= k
    if not goes.any():
        return None
    theirs = some.at(rows[goes])
    found = theirs.assigned(together, state.measured)
    is_member = state.usual.is_explained(found)
    sums = theirs.sums(found, is_member, together)
    return NewClasses(
        rows=theirs.rows,
        before=before[goes],
        found=found,
        is_explained=is_member,
        sums=AverageSums(*(values[k:] for values in sums)),
        n_averaged=np.bincount(found.labels[is_member], minlength=len(together))[k:],
        scores=scores_of(made).of(kept),
    )


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


def _with(state: StreamState, averages: NDArray[np.float32]) -> References:
    """References of the state, followed by more averages."""
    every = np.concatenate([state.references.averages, averages])
    return replace(state.references, averages=every)
