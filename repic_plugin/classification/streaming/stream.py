"""Classes of the first particles of a stream, to which the others are assigned as they come."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Callable, Iterator, NamedTuple, Optional, Tuple

import numpy as np
from numpy.typing import NDArray

from repic_plugin.classification.assignment import Assignment
from repic_plugin.classification.checks import check_images, check_optics
from repic_plugin.classification.ctf import CtfParameters
from repic_plugin.classification.streaming.full_pass import (
    N_READINGS,
    classified_again,
)
from repic_plugin.classification.streaming.new_views import (
    NewClasses,
    are_expected,
    new_classes,
    scores_of,
)
from repic_plugin.classification.streaming.particles import Particles
from repic_plugin.classification.streaming.settings import StreamSettings
from repic_plugin.classification.streaming.state import StreamState, Unexplained, mean_fits
from repic_plugin.classification.streaming.usual import held_out_rows, usual_misfit

# New members of an average, for each that it has, in one refreshment.
MOST_NEW = 1

Labels = NDArray[np.int64]
Flags = NDArray[np.bool_]


class Block(NamedTuple):
    """Particles that were processed together.

    Attributes
    ----------
    rows : ndarray of int64, shape (n,)
        Their numbers in the stream.
    found : Assignment
        To the classes as they were before.
    is_explained : ndarray of bool, shape (n,)
        Whether each is explained by its class, see `Usual`.
    new : NewClasses or None
        Classes that were appended afterwards, and which of the particles so far go to them.
    """

    rows: Labels
    found: Assignment
    is_explained: Flags
    new: Optional[NewClasses] = None


class ClassStream:
    """2D classification of particles that come one after the other.

    Classes are made of the first particles (`classify_particles`). All are then assigned to their
    averages (`assign_particles`), in blocks of a fixed number in the order of the particles, so
    that nothing depends on when they arrive. After each block the averages are refreshed by
    those of the new particles that their classes explain, and classes are appended if there are new
    views. Class numbers stay what they are.

    Parameters
    ----------
    settings : StreamSettings
    state : StreamState, optional
        To go on from; none at the beginning.

    Attributes
    ----------
    state : StreamState or None
        After the last block; None before there are classes.

    Examples
    --------
    >>> import numpy as np
    >>> from repic_plugin.classification import ClassStream, StreamSettings
    >>> rng = np.random.default_rng(0)
    >>> y, x = np.mgrid[-16:16, -16:16]
    >>> shapes = np.stack([abs(y) < 3, abs(np.hypot(x, y) - 9) < 2])
    >>> images = shapes[np.arange(120) % 2] + rng.normal(size=(120, 32, 32))
    >>> stream = ClassStream(StreamSettings(2, n_first=60, n_per_block=30))
    >>> [len(block.rows) for block in stream.advance(images[:100])]
    [60, 30]
    >>> [len(block.rows) for block in stream.advance(images, now=True)]
    [30]
    >>> stream.state.sizes.tolist()
    [60, 60]
    """

    def __init__(self, settings: StreamSettings, state: Optional[StreamState] = None) -> None:
        self.settings, self.state = settings, state

    def advance(
        self,
        images: Any,
        ctf: Optional[CtfParameters] = None,
        *,
        now: bool = False,
        n_threads: int = 1,
    ) -> Iterator[Block]:
        """Process the blocks that are complete; the state is that after the block yielded last.

        Parameters
        ----------
        images : array_like of float, shape (n, box, box)
            All particles of the stream so far, in order. An array, or an object that returns
            arrays when sliced or indexed: only those of a block are read.
        ctf : CtfParameters, optional
            CTFs of the n images.
        now : bool
            Whether to process all of them, though there are fewer than the classes wait for, or
            than a block has: at the end, or when the session has waited long enough.
        n_threads : int
            Does not change the result.

        Yields
        ------
        Block

        Raises
        ------
        ValueError
            If there are fewer images than before, or as in `classify_particles` and
            `assign_particles`.
        """
        n, seen = self._checked(images, ctf)
        while seen < n:
            wanted = self.settings.n_to_start if self.state is None else self.settings.n_per_block
            if n - seen < wanted and not now:
                return
            rows = np.arange(seen, min(seen + wanted, n))
            seen += len(rows)
            some = Particles(images, ctf, rows, self.settings, n_threads)
            yield self._first(some) if self.state is None else self._next(some, self.state)

    def full_pass(
        self,
        images: Any,
        ctf: Optional[CtfParameters] = None,
        *,
        n_threads: int = 1,
        progress: Optional[Callable[[int, int], None]] = None,
    ) -> Iterator[Block]:
        """Classify all particles so far again, and assign them to the final averages.

        The classification goes on from the classes as they are, see `full_pass`. A class keeps its
        number; one that was dissolved keeps it as well, without members, and a class that takes its
        place gets a new one. The averages afterwards are those that particles were assigned to.

        Parameters
        ----------
        images, ctf, n_threads
            As for `advance`.
        progress : callable, optional
            Called with the number of images read so far and the total; each is read several times.

        Yields
        ------
        Block
            Of all particles so far, in the sizes in which they were processed. The state is as
            before until the last of them has been taken.

        Raises
        ------
        ValueError
            If there are no classes yet, or as in `advance`.
        """
        _, seen = self._checked(images, ctf)
        if self.state is None:
            raise ValueError(
                f"there are no classes yet, but {self.settings.n_to_start:,} particles to wait "
                "for; call advance first"
            )
        every = Particles(images, ctf, np.arange(seen), self.settings, n_threads)
        state = classified_again(every, self.state, progress)
        sizes = np.zeros(len(state), np.int64)
        ends = range(state.n_first, seen + self.settings.n_per_block, self.settings.n_per_block)
        for first, end in zip((0, *ends), ends):
            some = every.at(np.arange(first, min(end, seen)))
            found = some.assigned(state.references, state.measured)
            sizes += found.sizes
            yield Block(some.rows, found, state.usual.is_explained(found))
            if progress is not None:
                done = (N_READINGS - 1) * seen + len(some.rows) + first
                progress(done, N_READINGS * seen)
        self.state = replace(state, sizes=sizes)

    def _checked(self, images: Any, ctf: Optional[CtfParameters]) -> Tuple[int, int]:
        """Number of images, and of those that were seen before."""
        n = check_images(images)
        check_optics(self.settings.pixel_size_angstrom, ctf, n)
        seen = 0 if self.state is None else self.state.n_seen
        if n < seen:
            raise ValueError(
                f"images must be all of the stream so far, {seen:,} or more, got {n:,}; give the "
                "earlier ones, too"
            )
        return n, seen

    def _first(self, some: Particles) -> Block:
        """Make the classes."""
        held_out = held_out_rows(len(some.rows))
        made = some.at(np.setdiff1d(some.rows, held_out)).classified(self.settings.n_classes)
        references = made.references()
        found = some.assigned(references)
        usual = usual_misfit(found, held_out)
        sums = some.sums(found, found.labels >= 0, references)
        k = len(references)
        self.state = StreamState(
            n_seen=len(some.rows),
            n_first=len(some.rows),
            references=replace(references, averages=sums.averages()),
            sums=sums,
            n_averaged=found.sizes,
            sizes=found.sizes,
            made_after=np.zeros(k, np.int64),
            scores=scores_of(made),
            mean_fit=mean_fits(found),
            measured=found.measured,
            usual=usual,
            unexplained=Unexplained.none(k),
        )
        return Block(some.rows, found, usual.is_explained(found))

    def _next(self, some: Particles, state: StreamState) -> Block:
        """Assign a block, refresh the averages, look for new views."""
        found = some.assigned(state.references, state.measured)
        is_explained = state.usual.is_explained(found)
        state = _refreshed(state, some, found, is_explained)
        new = None
        if are_expected(state, self.settings):
            new = new_classes(some, state)
            state = _forgetting(state) if new is None else _appended(state, new)
        self.state = state
        return Block(some.rows, found, is_explained, new)


def _refreshed(
    state: StreamState, some: Particles, found: Assignment, is_explained: Flags
) -> StreamState:
    """State with the particles of a block, whose averages have members of it.

    Classes with an excess of unexplained members wait until it is known what these are.
    """
    lost = (found.labels >= 0) & ~is_explained
    unexplained = state.unexplained.with_more(
        some.rows[lost], found.labels[lost], state.usual.share * found.sizes, some.settings.n_kept
    )
    most = np.maximum(MOST_NEW * state.n_averaged, 1)
    most[unexplained.excess() > 0] = 0
    taken = some_of_each(found.labels, is_explained, most)
    sums = state.sums.plus(some.sums(found, taken, state.references))
    return replace(
        state,
        n_seen=state.n_seen + len(some.rows),
        references=replace(state.references, averages=sums.averages()),
        sums=sums,
        n_averaged=state.n_averaged + np.bincount(found.labels[taken], minlength=len(state)),
        sizes=state.sizes + found.sizes,
        unexplained=unexplained,
    )


def some_of_each(labels: Labels, is_wanted: Flags, most: Labels) -> Flags:
    """The first wanted ones of each class, at most so many; shape (n,).

    Parameters
    ----------
    labels : ndarray of int64, shape (n,)
        From -1 to k - 1.
    is_wanted : ndarray of bool, shape (n,)
    most : ndarray of int64, shape (k,)
    """
    rows = np.flatnonzero(is_wanted & (labels >= 0))
    order = rows[np.argsort(labels[rows], kind="stable")]
    own = labels[order]
    place = np.arange(len(order)) - np.searchsorted(own, own)
    taken = np.zeros(len(labels), np.bool_)
    taken[order[place < most[own]]] = True
    return taken


def _forgetting(state: StreamState) -> StreamState:
    """State without the unexplained particles, once they were looked at."""
    return replace(state, unexplained=Unexplained.none(len(state)))


def _appended(state: StreamState, new: NewClasses) -> StreamState:
    """State with new classes."""
    sums, n_new = state.sums.followed_by(new.sums), len(new.n_averaged)
    n_old = np.bincount(new.before, minlength=len(state))
    moved = np.bincount(new.found.labels, minlength=len(state) + n_new)[len(state) :]
    together = replace(
        state,
        references=replace(state.references, averages=sums.averages()),
        sums=sums,
        n_averaged=np.concatenate([state.n_averaged, new.n_averaged]),
        sizes=np.concatenate([state.sizes - n_old, moved]),
        made_after=np.concatenate([state.made_after, np.full(n_new, state.n_seen)]),
        scores=state.scores.followed_by(new.scores),
        mean_fit=np.append(state.mean_fit, mean_fits(new.found)[len(state) :]),
        usual=state.usual.followed_by(n_new),
    )
    return _forgetting(together)
