"""Agreement of members with their class's average, against plain sums and random draws."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import ndimage

from repic_plugin.classification.agreement import (
    CHANCE_FACTOR,
    class_agreement,
    independent_poses,
)
from repic_plugin.classification.averages import aligned_coefficients, class_sums
from repic_plugin.classification.polar import polar_grid
from repic_plugin.classification.preparation import prepare_images
from tests.classification.pictures import noisy_images

GRID = polar_grid(32, 8, 24)


def agreement(images, labels, n_poses=100.0, **options):
    members = aligned_coefficients(images)
    sums = class_sums(images, members, labels, labels.max() + 1)
    return (
        members,
        sums,
        class_agreement(
            images, members, sums, labels, n_poses=n_poses, mask_fraction=24 / 32, **options
        ),
    )


def test_as_each_member_by_itself():
    labels = np.arange(24) % 3
    images = noisy_images(GRID, 24)
    members, sums, found = agreement(images, labels)
    for k in range(3):
        cross, own, other = np.zeros((3, len(GRID.rings)))
        for i in np.flatnonzero(labels == k):
            rest = [j for j in np.flatnonzero(labels == k) if j != i]
            weight = (images.weight[rest] ** 2).sum(axis=0) + sums.prior
            average = members[rest].sum(axis=0) / weight[GRID.ring]
            seen = images.weight[i, GRID.ring] * average
            plain = GRID.coefficients(images.samples[[i]])[0]
            for r in range(len(GRID.rings)):
                on = GRID.ring == r
                cross[r] += (plain[on] * seen[on].conj()).real.sum()
                own[r] += (np.abs(plain[on]) ** 2).sum()
                other[r] += (np.abs(seen[on]) ** 2).sum()
        assert found.correlation[k] == pytest.approx(cross / np.sqrt(own * other), abs=1e-4)
        assert found.explained[k] == pytest.approx(cross.sum() / 8, rel=1e-3)


def test_chunks_and_threads_change_nothing(monkeypatch):
    images, labels = noisy_images(GRID, 40), np.arange(40) % 3
    whole = agreement(images, labels)[2]
    monkeypatch.setattr("repic_plugin.classification.agreement.IMAGES_PER_CHUNK", 8)
    one, three = (agreement(images, labels, n_threads=n)[2] for n in (1, 3))
    for name in ("correlation", "chance", "explained", "member"):
        assert np.array_equal(getattr(one, name), getattr(three, name))
        assert np.allclose(getattr(one, name), getattr(whole, name), rtol=1e-4, atol=1e-5)


def test_the_best_of_many_draws_of_noise_correlates_as_expected_by_chance():
    """The profile over the rings, and the level: 1.87 deviations for the best of 20."""
    n_members, n_groups, group = 60, 120, 20
    rng = np.random.default_rng(0)
    noise = rng.normal(size=(n_groups * group + n_members, 32, 32))
    noise = ndimage.gaussian_filter(noise, (0, 0.7, 0.7)).astype(np.float32)  # stronger inside
    images = prepare_images(noise, GRID, mask_radius_px=12, mask_edge_px=2)
    average = aligned_coefficients(images)[:n_members].sum(axis=0)
    drawn = aligned_coefficients(images.take(slice(n_members, None)))
    ring = (GRID.ring[:, None] == np.arange(len(GRID.rings))).astype(np.float32)
    products = (drawn * average.conj()).real @ ring
    best = products.sum(axis=1).reshape(n_groups, group).argmax(axis=1)
    best += group * np.arange(n_groups)
    norm = np.sqrt(GRID.power(drawn[best]).sum(axis=0) * n_groups * GRID.power(average[None])[0])
    seen = products[best].sum(axis=0) / norm
    labels = np.zeros(n_members, dtype=np.int64)
    some = images.take(slice(0, n_members))
    members = aligned_coefficients(some)
    sums = class_sums(some, members, labels, 1)
    sums = replace(sums, prior=np.full_like(sums.prior, 1e-6))  # unfiltered, as `average`
    found = class_agreement(
        some, members, sums, labels, n_poses=float(group), mask_fraction=24 / 32
    )
    expected = found.chance[0] / CHANCE_FACTOR / np.sqrt(2 * np.log(group)) * 1.87
    assert expected[0] > 1.5 * expected[-1]
    assert np.corrcoef(seen, expected)[0, 1] > 0.95
    assert 1 < seen.sum() / expected.sum() < CHANCE_FACTOR


def test_members_that_are_alike_agree_more_than_noise():
    rng = np.random.default_rng(1)
    signal = rng.normal(size=(32, 32)).astype(np.float32)
    labels = np.arange(40) % 2
    noise = rng.normal(size=(40, 32, 32)).astype(np.float32)
    images = prepare_images(
        noise + np.where(labels[:, None, None] == 0, signal, 0),
        GRID,
        mask_radius_px=12,
        mask_edge_px=2,
    )
    found = agreement(images, labels)[2]
    assert found.ratio()[0] > 1.8
    assert abs(found.ratio()[1]) < 0.3
    assert found.excess()[0].min() > 0
    assert found.member[labels == 0].min() > found.member[labels == 1].max()


def test_an_empty_class_agrees_with_nothing():
    images, labels = noisy_images(GRID, 12), np.zeros(12, dtype=np.int64)
    labels[6:] = 2
    found = agreement(images, labels)[2]
    assert not found.correlation[1].any()
    assert found.explained[1] == 0
    assert np.isfinite(found.ratio()).all()


def test_more_classes_shifts_and_mirrors_are_more_poses():
    usual = independent_poses(GRID, 10, 4.0)
    assert independent_poses(GRID, 20, 4.0) == pytest.approx(2 * usual)
    assert independent_poses(GRID, 10, 4.0, mirror=True) == pytest.approx(2 * usual)
    assert independent_poses(GRID, 10, 8.0) == pytest.approx(4 * usual)
    assert independent_poses(GRID, 10, 0.0) == 10 * GRID.n_angles
