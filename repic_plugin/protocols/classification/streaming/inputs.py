"""A growing set of particles."""

from __future__ import annotations

from functools import partial
from typing import Any, Collection, List, Sequence

from repic_plugin.convert import GrowingParticles
from repic_plugin.protocols.common.following.sets import FollowedSet, is_at_work


class FollowedParticles(FollowedSet):
    """The set of particles, looked at again and again.

    Parameters
    ----------
    pointer : Pointer
        To the SetOfParticles.
    """

    def __init__(self, pointer: Any) -> None:
        self.particles = GrowingParticles(pointer.get().getFileName())
        super().__init__("the set of particles", [self.particles], partial(is_at_work, pointer))

    @property
    def n_items(self) -> int:
        """Number of particles, as the set tells."""
        return self.particles.n_items


class ParticleInputs:
    """What a classification in a stream follows.

    Parameters
    ----------
    pointer : Pointer

    Attributes
    ----------
    sets : list of FollowedParticles
    n_done : int
        Particles that are classified.
    """

    def __init__(self, pointer: Any) -> None:
        self.followed = FollowedParticles(pointer)
        self.sets: List[FollowedSet] = [self.followed]
        self.n_done = 0

    def look(self) -> bool:
        """Whether there is new data, see `FollowedSet.look`."""
        return self.followed.look()

    @property
    def are_closed(self) -> bool:
        """Whether no more data will arrive."""
        return self.followed.is_closed

    def problems(self) -> List[str]:
        """Files that are unreadable at present."""
        one = self.followed
        return [f"{one.name}: {one.problem}"] if one.problem else []

    def waiting(self, _done: Collection[int]) -> Sequence[int]:
        """Numbers of the particles that are still to be classified, disabled ones included."""
        return range(self.n_done, max(self.followed.n_items, self.n_done))

    def ready(self, waiting: Sequence[int]) -> Sequence[int]:
        """All of them."""
        return waiting
