"""Poses between the steps of the search: nearer to the truth, and scored without the image."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from repic_plugin.classification import refinement
from repic_plugin.classification.averages import (
    Alignment,
    ClassSums,
    aligned_coefficients,
    class_sums,
)
from repic_plugin.classification.multi_reference import MultiReference
from repic_plugin.classification.polar import polar_grid
from repic_plugin.classification.refinement import refine_poses
from tests.classification.pictures import (
    harmonics,
    image_of,
    noisy_images,
    polar_images,
    polar_samples,
    random_poses,
    scene,
)

GRID = polar_grid(64, 10, 44.0)
SMALL = polar_grid(32, 4, 16.0)


def turns_apart(first, second):
    return np.abs((first - second + np.pi) % (2 * np.pi) - np.pi)


def test_poses_come_nearer_to_the_truth():
    n = 24
    rng = np.random.default_rng(1)
    rotation, shift, mirror = random_poses(n, 2)
    averages = [scene(1), scene(2)]
    labels = np.arange(n) % 2
    pictures = [image_of(averages[k], *pose) for k, *pose in zip(labels, rotation, shift, mirror)]
    images = polar_images(GRID, polar_samples(GRID, pictures))
    exact = np.stack(harmonics(GRID, averages))
    # a thousand images have made these averages: one more or less is nothing
    weight = np.full((2, len(GRID.rings)), 1e3, np.float32)
    sums = ClassSums(GRID, 1e3 * exact, weight, np.zeros(len(GRID.rings), np.float32))
    step = 2 * np.pi / GRID.n_angles
    rough = Alignment(
        -np.deg2rad(rotation) + rng.uniform(-step, step, n) / 2,
        shift + rng.choice([-0.5, 0, 0.5], (n, 2)),
        mirror,
    )
    members = aligned_coefficients(images, rough)
    setting = MultiReference(images, np.zeros((1, 2)), mirror=True)
    found, dissimilarity = refine_poses(setting, sums, members, labels, rough, 0.5)
    assert found.mirror.tolist() == mirror.tolist()
    assert np.allclose(found.shift_px, shift, atol=1e-6)
    assert turns_apart(found.angle, -np.deg2rad(rotation)).max() < 0.6 * step / 4
    assert turns_apart(rough.angle, -np.deg2rad(rotation)).max() > 0.6 * step / 4
    assert (dissimilarity < 0.01 * images.energy).all()


@settings(max_examples=8)
@given(st.lists(st.integers(0, 2), min_size=1, max_size=7), st.integers(0, 99))
def test_as_every_shift_and_angle_one_by_one(labels, seed):
    labels = np.array(labels)
    n, step = len(labels), 0.7
    images = noisy_images(SMALL, n, seed)
    rotation, shift, mirror = random_poses(n, seed)
    start = Alignment(-np.deg2rad(rotation), shift, mirror)
    before = start.copy()
    members = aligned_coefficients(images, start)
    sums = class_sums(images, members, labels, 3)
    setting = MultiReference(images, np.zeros((1, 2)))
    found, dissimilarity = refine_poses(setting, sums, members, labels, start, step)
    others = sums.averages_without(members, images.weight, labels)
    n_angles = refinement.FINER_ANGLES * SMALL.n_angles

    def dissimilarities(alignment):
        """Squared distance of each image in this pose from the average of the others."""
        seen = images.weight[:, SMALL.ring] * others
        norm = (np.abs(seen) ** 2).sum(axis=1)
        cross = (aligned_coefficients(images, alignment) * others.conj()).real.sum(axis=1)
        return images.energy + norm - 2 * cross

    every = [
        dissimilarities(Alignment(np.full(n, angle), shift + step * np.array([x, y]), mirror))
        for angle in 2 * np.pi * np.arange(n_angles) / n_angles
        for x in (-1, 0, 1)
        for y in (-1, 0, 1)
    ]
    slack = 1e-4 * np.max(np.abs(every))
    assert np.allclose(dissimilarity, np.min(every, axis=0), atol=slack)
    assert np.allclose(dissimilarities(found), dissimilarity, atol=slack)
    assert found.mirror.tolist() == mirror.tolist()
    assert np.array_equal(start.angle, before.angle)  # what was given is not changed
    assert np.array_equal(start.shift_px, before.shift_px)


@pytest.mark.parametrize("n_threads", [1, 3])
def test_chunks_and_threads_change_nothing(monkeypatch, n_threads):
    labels = np.arange(20) % 3
    images = noisy_images(SMALL, 20)
    start = Alignment(np.zeros(20), np.zeros((20, 2)), np.arange(20) % 2 == 1)
    members = aligned_coefficients(images, start)
    sums = class_sums(images, members, labels, 3)
    setting = MultiReference(images, np.zeros((1, 2)), n_threads=n_threads)
    whole, loss = refine_poses(setting, sums, members, labels, start, 1.0)
    monkeypatch.setattr(refinement, "IMAGES_PER_CHUNK", 6)
    parts, again = refine_poses(setting, sums, members, labels, start, 1.0)
    assert np.array_equal(whole.angle, parts.angle)
    assert np.array_equal(whole.shift_px, parts.shift_px)
    assert np.allclose(loss, again, rtol=1e-5)
