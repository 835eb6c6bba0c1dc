"""The search over all poses: against trying each of them by itself."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from repic_plugin.classification import correlation
from repic_plugin.classification.correlation import best_poses, shift_grid
from repic_plugin.classification.polar import polar_grid
from tests.classification.pictures import onto, scene, transform


def random_coefficients(grid, shape, seed=0):
    parts = np.random.default_rng(seed).standard_normal((2, *shape, grid.n_coefficients))
    parts[1][..., grid.order == 0] = 0
    return (parts[0] + 1j * parts[1]).astype(np.complex64)


def all_scores(grid, images, references):
    """Score of every image, reference, candidate and angle, shape (n, k, c, n_angles)."""
    angles = 2 * np.pi * np.arange(grid.n_angles) / grid.n_angles
    turned = images[:, None].astype(complex) * np.exp(1j * np.outer(angles, grid.order))
    return np.einsum("nap,kcp->nkca", turned, references.conj().astype(complex)).real


def check(grid, images, references, poses):
    every = all_scores(grid, images, references)
    every = every.reshape(len(images), len(references), -1)
    slack = 1e-5 * np.abs(every).max(initial=1.0)
    assert poses.score.shape == poses.place.shape == every.shape[:2]
    assert (poses.score.dtype, poses.place.dtype) == (np.float32, np.int32)
    assert np.allclose(poses.score, every.max(axis=2, initial=-np.inf), atol=slack)
    there = np.take_along_axis(every, poses.place[..., None].astype(int), axis=2)[..., 0]
    assert np.allclose(there, poses.score, atol=slack)


@given(
    st.integers(1, 7), st.integers(1, 6), st.integers(1, 5), st.integers(2, 9),
    st.floats(1, 30), st.integers(1, 4), st.integers(1, 40), st.integers(0, 1000),
)  # fmt: skip
def test_as_all_poses_one_by_one(n, k, c, last_ring, diameter, per_chunk, per_block, seed):
    grid = polar_grid(32, last_ring, diameter)
    images = random_coefficients(grid, (n,), seed)
    references = random_coefficients(grid, (k, c), seed + 1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(correlation, "IMAGES_PER_CHUNK", per_chunk)
        patch.setattr(correlation, "PAIRS_PER_BLOCK", per_block)
        check(grid, images, references, best_poses(grid, images, references))


@pytest.mark.parametrize("n", [127, 128, 129])
def test_around_the_usual_chunks_and_blocks(n):
    grid = polar_grid(32, 3, 8.0)
    images, references = random_coefficients(grid, (n,)), random_coefficients(grid, (40, 7), 1)
    check(grid, images, references, best_poses(grid, images, references))


def test_any_number_of_threads_finds_the_same():
    grid = polar_grid(32, 5, 20.0)
    images, references = random_coefficients(grid, (300,)), random_coefficients(grid, (5, 9), 1)
    one, three = (best_poses(grid, images, references, n) for n in (1, 3))
    assert np.array_equal(one.score, three.score)
    assert np.array_equal(one.place, three.place)


def test_no_images_and_one_candidate():
    grid = polar_grid(32, 5, 20.0)
    poses = best_poses(grid, random_coefficients(grid, (0,)), random_coefficients(grid, (3, 1)))
    assert poses.score.shape == poses.place.shape == (0, 3)


def test_empty_images_and_references_have_the_first_pose():
    grid = polar_grid(32, 5, 20.0)
    images, references = random_coefficients(grid, (3,)), random_coefficients(grid, (2, 4), 1)
    images[1] = 0
    references[1] = 0
    poses = best_poses(grid, images, references)
    assert (poses.score[1] == 0).all()
    assert (poses.place[1] == 0).all()
    assert (poses.score[:, 1] == 0).all()
    assert (poses.place[:, 1] == 0).all()
    check(grid, images, references, poses)


def test_equal_references_and_candidates():
    grid = polar_grid(32, 6, 20.0)
    images = random_coefficients(grid, (20,))
    references = np.repeat(random_coefficients(grid, (1, 1), 1), 5, axis=1)[[0, 0, 0]]
    poses = best_poses(grid, images, references)
    assert np.allclose(poses.score, poses.score[:, :1], rtol=1e-5)
    check(grid, images, references, poses)


@given(st.integers(0, 10_000), st.integers(2, 9))
def test_a_turned_reference_is_found_at_its_angle(step, last_ring):
    grid = polar_grid(64, last_ring, 40.0)
    step %= grid.n_angles
    here = scene(7)
    turned = onto(here, 360 * step / grid.n_angles)
    one, other = (
        grid.coefficients(transform(picture, *grid.frequencies())[None].astype(np.complex64))
        for picture in (turned, here)
    )
    poses = best_poses(grid, one, other[None])
    assert poses.place[0, 0] == step
    assert poses.score[0, 0] == pytest.approx(grid.power(other).sum(), rel=1e-3)


def test_inputs_are_not_changed():
    grid = polar_grid(32, 5, 20.0)
    images, references = random_coefficients(grid, (3,)), random_coefficients(grid, (2, 4), 1)
    before = images.copy(), references.copy()
    best_poses(grid, images, references)
    assert np.array_equal(images, before[0])
    assert np.array_equal(references, before[1])


@settings(max_examples=30)
@given(st.floats(0, 6), st.sampled_from([0.1, 0.25, 0.5, 0.7, 1.0, 1.5, 2.0, 3.0]))
def test_shifts_fill_a_disc(radius, step):
    shifts = shift_grid(radius, step)
    counts = np.rint(shifts / step).astype(int)
    assert np.allclose(shifts, counts * step, atol=1e-9)
    within = {tuple(row) for row in counts.tolist()}
    assert len(within) == len(shifts)
    reach = int(radius / step) + 2
    for x in range(-reach, reach + 1):
        for y in range(-reach, reach + 1):
            if abs(np.hypot(x, y) * step - radius) > 1e-6:  # on the border rounding decides
                assert ((x, y) in within) == (np.hypot(x, y) * step < radius)
            assert ((x, y) in within) == ((-x, -y) in within) == ((y, x) in within)
    assert not shifts[0].any()
    assert (np.diff(np.hypot(*shifts.T)) > -1e-9).all()


@pytest.mark.parametrize(
    "radius, step, n", [(4, 2, 13), (0, 2, 1), (1.5, 2, 1), (1.5, 1, 9), (0.3, 0.1, 29)]
)
def test_numbers_of_shifts(radius, step, n):
    assert shift_grid(radius, step).shape == (n, 2)
