"""Multi-reference alignment in a subspace: against principal components written out."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from repic_plugin.classification import classify_particles
from repic_plugin.classification.averages import Alignment, ClassSums, class_sums
from repic_plugin.classification.correlation import shift_grid
from repic_plugin.classification.multi_reference import MultiReference
from repic_plugin.classification.polar import polar_grid
from repic_plugin.classification.subspace import Subspace, principal_axes
from tests.classification.pictures import draw, image_of, noisy_images, random_poses, scene

GRID = polar_grid(32, 3, 8.0)


def parts_of(coefficients):
    """Real and imaginary parts in turn, double precision."""
    return np.ascontiguousarray(coefficients, dtype=complex).view(float)


def made(labels, seed=0, mirror=False, n_threads=1):
    """The setting, the class sums, the aligned images and their classes."""
    labels = np.asarray(labels)
    n, n_classes = len(labels), labels.max() + 1
    images = noisy_images(GRID, n, seed)
    shifts = shift_grid(1.0, 1.0)
    setting = Subspace(images, shifts, mirror=mirror, n_threads=n_threads)
    rotation, shift, mirrors = random_poses(n, seed, mirrors=mirror)
    members = setting.aligned(Alignment(np.deg2rad(rotation), shift, mirrors))
    return setting, class_sums(images, members, labels, n_classes), members, labels


@given(st.integers(1, 40), st.integers(1, 12), st.integers(0, 99))
def test_axes_are_the_principal_components(n, n_axes, seed):
    members = made(np.zeros(n, dtype=int), seed)[2]
    axes = principal_axes(members, n_axes)
    assert axes.shape == (n_axes, 2 * GRID.n_coefficients)
    assert np.allclose(axes @ axes.T, np.eye(n_axes), atol=1e-5)
    values = np.linalg.svd(parts_of(members), compute_uv=False) ** 2
    kept = np.square(parts_of(members) @ axes.T).sum()
    # no other directions hold more
    assert kept == pytest.approx(values[:n_axes].sum(), rel=1e-4)


def test_never_more_axes_than_dimensions():
    members = made(np.zeros(5, dtype=int))[2]
    assert principal_axes(members, 10_000).shape == (2 * GRID.n_coefficients,) * 2


def projected(averages, members, n_axes):
    """What averages have in the span of the main variations of the images."""
    _, _, axes = np.linalg.svd(parts_of(members), full_matrices=False)
    inside = parts_of(averages) @ axes[:n_axes].T @ axes[:n_axes]
    return np.ascontiguousarray(inside).view(complex).astype(np.complex64)


@settings(max_examples=20)
@given(st.integers(8, 20), st.integers(2, 4), st.booleans(), st.integers(0, 99))
def test_dissimilarity_is_that_to_the_projected_averages(n, k, mirror, seed):
    setting, sums, members, labels = made(np.arange(n) % k, seed, mirror)
    found = setting.compare(sums, members, labels)
    plain = MultiReference(setting.images, setting.shifts_px, mirror=mirror)

    def to(averages):
        weight = np.ones((len(averages), len(GRID.rings)), np.float32)
        sums_of = ClassSums(GRID, averages, weight, np.zeros(len(GRID.rings), np.float32))
        return plain.compare(sums_of)

    expected = to(projected(sums.averages(), members, k)).dissimilarity
    slack = 2e-3 * setting.images.energy.max()
    for i in range(n):
        others = np.arange(k) != labels[i]
        assert np.allclose(found.dissimilarity[i, others], expected[i, others], atol=slack)
    # its own class's average without it, in the same subspace, at the shift found with the whole
    rest = sums.averages_without(members, setting.images.weight, labels)
    least = np.diag(to(projected(rest, members, k)).dissimilarity)
    own = found.dissimilarity[np.arange(n), labels]
    assert (own > least - slack).all()
    assert (own < setting.images.energy + np.square(np.abs(rest)).sum(axis=1) + slack).all()


def test_with_all_axes_it_is_multi_reference_alignment(monkeypatch):
    setting, sums, members, labels = made(np.arange(12) % 3)
    monkeypatch.setattr(
        "repic_plugin.classification.subspace.principal_axes",
        lambda members, *_: principal_axes(members, 10_000),
    )
    found = setting.compare(sums, members, labels)
    expected = MultiReference(setting.images, setting.shifts_px).compare(sums, members, labels)
    assert np.allclose(found.dissimilarity, expected.dissimilarity, rtol=1e-3)


def test_the_first_averages_are_taken_as_they_are():
    setting, sums, members, labels = made(np.arange(12) % 3)
    first = setting.compare(sums, None, labels)
    expected = MultiReference(setting.images, setting.shifts_px).compare(sums)
    assert np.array_equal(first.dissimilarity, expected.dissimilarity)
    later = setting.compare(sums, members, labels)
    assert not np.allclose(later.dissimilarity, expected.dissimilarity, rtol=1e-3)
    again = setting.compare(sums, None, labels)  # nothing stays behind
    assert np.array_equal(again.dissimilarity, expected.dissimilarity)


def test_any_number_of_threads_finds_the_same():
    results = []
    for n_threads in (1, 3):
        setting, sums, members, labels = made(np.arange(300) % 4, n_threads=n_threads)
        results.append(setting.compare(sums, members, labels))
    assert np.array_equal(results[0].dissimilarity, results[1].dissimilarity)
    assert np.array_equal(results[0].place, results[1].place)


def test_noisy_images_fall_into_their_classes():
    averages = [scene(seed, n_blobs=5) for seed in (1, 2, 3)]
    labels = np.arange(90) % 3
    poses = random_poses(90, 5, max_shift_px=2.0, mirrors=False)
    images = [draw(image_of(averages[k], *pose), 40) for k, *pose in zip(labels, *poses)]
    images += 0.5 * np.random.default_rng(0).standard_normal((90, 40, 40))
    sizes = {"n_rings": 8, "max_shift_px": 4.0, "mask_diameter_px": 33.6}
    found = classify_particles(images, 3, alignment="msa", **sizes)
    assert len(set(zip(labels.tolist(), found.labels.tolist()))) == 3
