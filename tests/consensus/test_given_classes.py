"""Candidates that are particles of another program: which is which, and what is refused."""

import numpy as np
import pytest

from repic_plugin.consensus import (
    ALL_CANDIDATES,
    GivenParticles,
    Picks,
    find_again,
    find_consensus,
    never_chosen,
)

BOX = 40


@pytest.fixture(scope="module")
def material():
    """Two pickers on three micrographs, 8 px apart on the same particles, and the candidates."""
    rng, rows = np.random.default_rng(0), []
    for micrograph in range(3):
        grid = np.stack(np.meshgrid(*[np.arange(50, 600, 80.0)] * 2), -1).reshape(-1, 2)
        grid += rng.uniform(-8, 8, grid.shape)
        for picker, shift in ((0, 0), (1, 8)):
            found = grid[rng.random(len(grid)) < 0.8] + (shift, 0)
            rows.append(np.column_stack([np.full((len(found), 2), (micrograph, picker)), found]))
    m, k, x, y = np.concatenate(rows).T
    picks = Picks.from_columns(m.astype(int), k.astype(int), x, y, rng.random(len(m)))
    options = {"mode": "probabilistic", "num_particles": ALL_CANDIDATES}
    return picks, find_consensus(picks, BOX, **options)


def given_of(micrograph, centers, label=None):
    label = np.arange(len(centers)) if label is None else label
    return GivenParticles(np.asarray(micrograph), np.asarray(centers, float), np.asarray(label))


def test_every_pick_finds_the_candidate_that_it_is_in(material):
    picks, candidates = material
    for picker in (0, 1):  # extracted where one of the pickers saw the particle
        mine = np.flatnonzero(picks.picker == picker)
        given = given_of(picks.micrograph[mine], picks.centers[mine], mine)
        found = find_again(candidates, picks, given, BOX, "it")
        np.testing.assert_array_equal(found.label, candidates.members[:, picker])
        assert found.warnings == ()


def test_each_particle_is_one_candidate_the_nearest(material):
    picks, candidates = material
    centers = np.column_stack([candidates.x, candidates.y])
    n = len(centers)
    twice = given_of(np.tile(candidates.micrograph, 2), np.concatenate([centers + 3, centers + 1]))
    label = find_again(candidates, picks, twice, BOX, "it").label
    np.testing.assert_array_equal(label, np.arange(n) + n)  # the nearer one of the two
    order = np.random.default_rng(1).permutation(2 * n)
    shuffled = given_of(twice.micrograph[order], twice.centers[order], twice.label[order])
    again = find_again(candidates, picks, shuffled, BOX, "it").label
    np.testing.assert_array_equal(again, label)


def test_micrographs_are_kept_apart(material):
    picks, candidates = material
    one = candidates.micrograph == 0
    centers = np.column_stack([candidates.x, candidates.y])[one]
    label = find_again(
        candidates, picks, given_of(np.zeros(one.sum(), int), centers), BOX, ""
    ).label
    assert (label[one] >= 0).all()
    assert (label[~one] == -1).all()


def test_particles_of_other_micrographs_are_refused(material):
    picks, candidates = material
    with pytest.raises(ValueError, match="it: no micrograph has both"):
        find_again(candidates, picks, given_of([], np.zeros((0, 2))), BOX, "it")
    rng = np.random.default_rng(2)
    noise = given_of(rng.integers(0, 3, 100), rng.uniform(0, 600, (100, 2)))
    with pytest.raises(ValueError, match="hardly more than by chance"):
        find_again(candidates, picks, noise, BOX, "it")


def test_a_picker_whose_own_candidates_were_never_chosen_is_told(material):
    _, candidates = material
    found = candidates.members >= 0
    alone = found.sum(axis=1) == 1
    assert (found[:, 1] & alone).sum() >= 20
    (told,) = never_chosen(candidates, found[:, 0])  # only the first was classified
    assert "that picker1 alone found was chosen" in told
    assert never_chosen(candidates, np.ones(len(candidates), bool)) == []
    assert never_chosen(candidates, np.zeros(len(candidates), bool)) == []
