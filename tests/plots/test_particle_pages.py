"""Paging among the particles of micrographs."""

import pytest

from repic_plugin.plots import ParticlePages

NAMES = ["a.mrc", "empty.mrc", "b.mrc", "c.mrc"]
COUNTS = [5, 0, 2, 7]


def test_every_particle_is_on_one_page_of_its_micrograph():
    pages = ParticlePages(NAMES, COUNTS, per_page=3)
    seen = [(one.micrograph, i) for one in pages.pages for i in range(one.first, one.last)]
    assert seen == [(m, i) for m, n in enumerate(COUNTS) for i in range(n)]
    assert all(one.last - one.first <= 3 for one in pages.pages)
    assert pages.micrographs == (0, 2, 3)


def test_steps_end_at_the_first_and_the_last_page():
    pages = ParticlePages(NAMES, COUNTS, per_page=3)
    assert not pages.step(-1)
    titles = [pages.title()]
    while pages.step(1):
        titles.append(pages.title())
    assert titles == [
        "a.mrc: particles 1 to 3 of 5",
        "a.mrc: particles 4 to 5 of 5",
        "b.mrc: 2 particles",
        "c.mrc: particles 1 to 3 of 7",
        "c.mrc: particles 4 to 6 of 7",
        "c.mrc: particles 7 to 7 of 7",
    ]
    assert pages.where() == "page 6 of 6"
    pages.go_to(2)
    assert pages.title() == "b.mrc: 2 particles"


def test_nothing_to_show():
    with pytest.raises(ValueError, match="no particles"):
        ParticlePages(["a"], [0])
