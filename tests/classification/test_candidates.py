"""Candidate classes: the full search is their oracle, and bits depend on no other image."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from repic_plugin.classification import candidates
from repic_plugin.classification.candidates import (
    coarse_grid,
    coarse_shifts,
    likely_poses,
    near_shifts,
)
from repic_plugin.classification.correlation import Poses, best_poses, search_pairs, shift_grid
from repic_plugin.classification.polar import polar_grid
from repic_plugin.classification.threads import one_blas_thread
from tests.classification.particles import agreement, classified, particles, same_result

GRID = polar_grid(32, 6, 22.0)
SHIFTS = shift_grid(2.0, 1.0)
EVERY = np.arange(len(SHIFTS))


@pytest.fixture(autouse=True, scope="module")
def _one_thread_for_products():
    with one_blas_thread():
        yield


def random_coefficients(grid, shape, seed=0):
    parts = np.random.default_rng(seed).standard_normal((2, *shape, grid.n_coefficients))
    parts[1][..., grid.order == 0] = 0
    return (parts[0] + 1j * parts[1]).astype(np.complex64)


def everywhere(n_candidates):
    """All candidates are near each other."""
    return np.tile(np.arange(n_candidates), (n_candidates, 1))


def alike(n_references):
    """Norms that tell nothing."""
    return lambda rows: np.ones((rows.stop - rows.start, n_references), np.float32)


def noisy_views(n=40, n_references=12, noise=0.3, seed=0):
    """Images that are references with noise, and which; references at some candidates."""
    references = random_coefficients(GRID, (n_references, len(SHIFTS)), seed)
    rng = np.random.default_rng(seed)
    source = rng.integers(n_references, size=n)
    there = references[source, rng.integers(len(SHIFTS), size=n)]
    return there + noise * random_coefficients(GRID, (n,), seed + 1), references, source


# the search of pairs


@given(
    st.integers(1, 30), st.integers(1, 6), st.integers(1, 5), st.integers(2, 9),
    st.floats(1, 30), st.integers(1, 40), st.integers(1, 20), st.integers(0, 1000),
)  # fmt: skip
def test_pairs_as_in_the_search_of_all(n, k, c, last_ring, diameter, per_tile, per_chunk, seed):
    grid = polar_grid(32, last_ring, diameter)
    images, references = (
        random_coefficients(grid, shape, seed + i) for i, shape in enumerate(((n,), (k, c)))
    )
    every = best_poses(grid, images, references)
    wanted = np.random.default_rng(seed).random((n, k)) < 0.5
    poses = Poses(np.full((n, k), -7, np.float32), np.zeros((n, k), np.int32))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("repic_plugin.classification.correlation.IMAGES_PER_SEARCH", per_chunk)
        search_pairs(grid, images, references, wanted, everywhere(c), poses)
    assert np.allclose(poses.score[wanted], every.score[wanted], rtol=1e-4, atol=1e-3)
    assert (poses.score[~wanted] == -7).all()
    assert (poses.place[~wanted] == 0).all()
    differ = every.place[wanted] != poses.place[wanted]
    assert differ.sum() <= 0.1 * wanted.sum() + 2  # of scores equal but for rounding


def test_a_pair_depends_on_no_other():
    images, references, _ = noisy_views()
    near = near_shifts(SHIFTS, False)
    start = best_poses(GRID, images, references).place

    def searched(wanted, rows=slice(None)):
        poses = Poses(np.zeros(wanted.shape, np.float32)[rows], start[rows].copy())
        search_pairs(GRID, images[rows], references, wanted[rows], near, poses, 2)
        return poses

    every = np.ones((40, 12), np.bool_)
    few = np.random.default_rng(3).random(every.shape) < 0.2
    whole, some, part = searched(every), searched(few), searched(few, slice(17, 30))
    assert np.array_equal(some.score[few], whole.score[few])
    assert np.array_equal(some.place[few], whole.place[few])
    assert np.array_equal(part.score, some.score[17:30])
    assert np.array_equal(part.place, some.place[17:30])


def test_only_near_candidates_are_searched():
    images, references, _ = noisy_views()
    every = best_poses(GRID, images, references)
    alone = np.arange(len(SHIFTS))[:, None]
    poses = Poses(np.zeros_like(every.score), np.full_like(every.place, 3 * GRID.n_angles + 5))
    search_pairs(GRID, images, references, np.ones(every.score.shape, np.bool_), alone, poses)
    there = best_poses(GRID, images, references[:, 3:4])
    assert np.allclose(poses.score, there.score, rtol=1e-4, atol=1e-3)
    assert (poses.place // GRID.n_angles == 3).all()


@pytest.mark.parametrize("mirror", [False, True])
@pytest.mark.parametrize("radius", [0.0, 1.0, 2.0, 4.0])
def test_near_shifts(radius, mirror):
    shifts = shift_grid(radius, 1.0)
    near = near_shifts(shifts, mirror)
    n = len(shifts)
    assert near.shape == ((1 + mirror) * n, min(n, candidates.N_NEAR))
    assert (np.diff(near, axis=1) > 0).all()
    for c, row in enumerate(near):
        assert c in row
        assert (row // n == c // n).all()  # not its mirror image
        distance = np.hypot(*(shifts - shifts[c % n]).T)
        assert np.allclose(np.sort(distance[row % n]), np.sort(distance)[: len(row)])


@pytest.mark.parametrize("mirror", [False, True])
@pytest.mark.parametrize("radius, n", [(0.0, 1), (0.3, 1), (0.5, 1), (0.75, 5), (2.0, 25)])
def test_every_second_shift_of_fine_steps_and_each_has_one_beside_it(radius, n, mirror):
    shifts = shift_grid(radius, 0.5)
    some = coarse_shifts(GRID, shifts, mirror)
    assert len(some) == (1 + mirror) * n
    assert 0 in some
    half = some[:n]
    assert np.array_equal(some[n:], half + len(shifts) if mirror else [])
    gaps = np.hypot(*(shifts[:, None] - shifts[half]).T)
    assert gaps.min(axis=0).max() <= 0.5 + 1e-9
    gaps[gaps == 0] = np.inf
    assert gaps[:, half].min() >= 0.5 * np.sqrt(2) - 1e-9


def test_every_shift_of_coarse_steps():
    shifts = shift_grid(4.0, 2.0)
    assert np.array_equal(coarse_shifts(GRID, shifts, False), np.arange(13))
    assert np.array_equal(coarse_shifts(GRID, shifts, True), np.arange(26))


# candidates


def test_the_coarse_grid_has_the_first_coefficients():
    for grid in (GRID, polar_grid(64, 12, 54), polar_grid(16, 2, 1.0)):
        coarse = coarse_grid(grid)
        n = coarse.n_coefficients
        assert np.array_equal(coarse.order, grid.order[:n])
        assert coarse.order.max() + 1 == coarse.n_orders <= grid.n_orders
        assert n == len(grid.order) or grid.order[n] == coarse.n_orders
        assert coarse.n_angles % 4 == 0
        assert coarse.n_angles >= 2 * coarse.n_orders - 1  # no two orders look alike


def test_with_all_as_candidates_it_is_the_full_search(monkeypatch):
    images, references, _ = noisy_views()
    every = best_poses(GRID, images, references)
    few = likely_poses(GRID, images, references, EVERY, everywhere(len(SHIFTS)), alike(12))
    assert np.array_equal(few.score, every.score)  # 12 are few
    assert np.array_equal(few.place, every.place)
    monkeypatch.setattr(candidates, "N_CANDIDATES", 6)
    monkeypatch.setattr(candidates, "_most_similar", np.ones_like)
    poses = likely_poses(GRID, images, references, EVERY, everywhere(len(SHIFTS)), alike(12))
    assert np.allclose(poses.score, every.score, rtol=1e-4)
    assert np.array_equal(poses.place, every.place)


@pytest.mark.parametrize("n_threads", [1, 3])
def test_the_best_reference_is_found_and_few_are_searched(monkeypatch, n_threads):
    monkeypatch.setattr(candidates, "N_CANDIDATES", 3)
    images, references, source = noisy_views()
    labels = (source + 1) % 12
    labels[:5] = -1
    near = everywhere(len(SHIFTS))
    every = best_poses(GRID, images, references)
    found = likely_poses(GRID, images, references, EVERY, near, alike(12), labels, n_threads)
    each = np.arange(40)
    assert np.array_equal(found.score.argmax(axis=1), source)
    assert np.allclose(found.score[each, source], every.score[each, source], rtol=1e-4)
    assert np.array_equal(found.place[each, source], every.place[each, source])
    exact = np.isclose(found.score, every.score, rtol=1e-4)
    assert exact[each[5:], labels[5:]].all()  # its own class is always a candidate
    assert exact.sum(axis=1).max() <= 5  # the best three, its own, and one by accident
    candidate, angle = np.divmod(found.place, GRID.n_angles)
    assert (candidate >= 0).all()
    assert (candidate < len(SHIFTS)).all()
    assert (angle >= 0).all()


def test_norms_count(monkeypatch):
    monkeypatch.setattr(candidates, "N_CANDIDATES", 1)
    images, references, source = noisy_views()
    near = everywhere(len(SHIFTS))
    every = best_poses(GRID, images, references).score

    def heavy(rows):  # the reference that each image comes from is far away
        norms = np.zeros((rows.stop - rows.start, 12), np.float32)
        norms[np.arange(len(norms)), source[rows]] = 1e6
        return norms

    found = likely_poses(GRID, images, references, EVERY, near, heavy).score
    each = np.arange(40)
    assert not np.isclose(found[each, source], every[each, source], rtol=1e-4).any()


# classifications


@pytest.mark.parametrize("options", [{}, {"mirror": True}, {"method": "kmeans"}], ids=str)
def test_threads_and_a_resumption_change_nothing(monkeypatch, options):
    monkeypatch.setattr(candidates, "N_CANDIDATES", 2)
    found, states = particles(8, 30, 0.3), []
    one = classified(found, on_iteration=states.append, **options)
    assert same_result(classified(found, n_threads=3, **options), one)
    assert same_result(classified(found, resume=states[len(states) // 2], **options), one)


def test_views_are_found_with_few_candidates(monkeypatch):
    found = particles(8, 30, 0.5)
    every = classified(found)
    monkeypatch.setattr(candidates, "N_CANDIDATES", 3)
    few = classified(found)
    assert not same_result(few, every)  # they were used
    assert agreement(few.labels, found.view) > agreement(every.labels, found.view) - 0.1
