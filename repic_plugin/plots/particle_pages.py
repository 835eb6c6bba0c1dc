"""Pages of extracted particles, by micrograph: a model without a window."""

from __future__ import annotations

from typing import NamedTuple, Sequence, Tuple

from repic_plugin.plots.class_members import MAX_MEMBERS


class ParticlePage(NamedTuple):
    """Some particles of one micrograph.

    Attributes
    ----------
    micrograph : int
        Index.
    first, last : int
        Its particles from `first` up to but not including `last`, from 0.
    n_particles : int
        All of its particles.
    """

    micrograph: int
    first: int
    last: int
    n_particles: int


class ParticlePages:
    """Where one is among the particles of all micrographs.

    Parameters
    ----------
    names : sequence of str
        Of the micrographs.
    counts : sequence of int
        Particles of each; micrographs without any have no page.
    per_page : int

    Raises
    ------
    ValueError
        If there are no particles.
    """

    def __init__(
        self, names: Sequence[str], counts: Sequence[int], per_page: int = MAX_MEMBERS
    ) -> None:
        self.pages: Tuple[ParticlePage, ...] = tuple(
            ParticlePage(number, first, min(first + per_page, n), n)
            for number, n in enumerate(counts)
            for first in range(0, n, per_page)
        )
        if not self.pages:
            raise ValueError("there are no particles to show")
        self._names = tuple(names)
        self.place = 0

    @property
    def page(self) -> ParticlePage:
        """The current page."""
        return self.pages[self.place]

    @property
    def micrographs(self) -> Tuple[int, ...]:
        """Indices of the micrographs that have pages."""
        return tuple(dict.fromkeys(one.micrograph for one in self.pages))

    def step(self, by: int) -> bool:
        """Go some pages on, within the first and the last; whether that changes the page."""
        before = self.place
        self.place = min(max(self.place + by, 0), len(self.pages) - 1)
        return self.place != before

    def go_to(self, micrograph: int) -> None:
        """Go to the first page of a micrograph that has one."""
        self.place = [one.micrograph for one in self.pages].index(micrograph)

    def title(self) -> str:
        """What the current page shows."""
        page = self.page
        n = page.n_particles
        which = f"{n:,} particle{'s' * (n != 1)}"
        if page.last - page.first < n:
            which = f"particles {page.first + 1:,} to {page.last:,} of {n:,}"
        return f"{self._names[page.micrograph]}: {which}"

    def where(self) -> str:
        """The current page among all."""
        return f"page {self.place + 1:,} of {len(self.pages):,}"
