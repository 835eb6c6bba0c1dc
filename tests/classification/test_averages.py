"""Class sums: against adding up by hand, leaving images out, and known signals in noise."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from repic_plugin.classification import averages
from repic_plugin.classification.averages import (
    Alignment,
    ClassSums,
    aligned_coefficients,
    class_sums,
    noise_over_signal,
)
from repic_plugin.classification.polar import polar_grid
from tests.classification.pictures import (
    harmonics,
    image_of,
    noisy_images,
    onto,
    polar_images,
    polar_samples,
    random_poses,
    scene,
)

GRID = polar_grid(64, 8, 40.0)


def close(first, second, tolerance):
    return np.linalg.norm(first - second) <= tolerance * np.linalg.norm(second)


def alignment_of(rotation_deg, shift_px, mirror):
    """The angle is minus the rotation of the content."""
    return Alignment(-np.deg2rad(rotation_deg), np.asarray(shift_px), np.asarray(mirror))


def test_aligned_images_have_their_content_shifted_then_mirrored_then_turned():
    poses = random_poses(12, 1)
    assert 0 < poses[2].sum() < 12
    pictures = [scene(seed) for seed in range(12)]
    images = polar_images(GRID, polar_samples(GRID, pictures))
    found = aligned_coefficients(images, alignment_of(*poses))
    expected = harmonics(GRID, [onto(p, r, s, m) for p, r, s, m in zip(pictures, *poses)])
    for one, other in zip(found, expected):
        assert close(one, other, 5e-3)


def test_all_images_of_a_scene_come_to_lie_on_it():
    poses = random_poses(9, 2)
    here = scene(5)
    pictures = [image_of(here, r, s, m) for r, s, m in zip(*poses)]
    found = aligned_coefficients(
        polar_images(GRID, polar_samples(GRID, pictures)), alignment_of(*poses)
    )
    assert close(found, np.repeat(harmonics(GRID, [here]), 9, axis=0), 5e-3)


def test_aligned_images_are_weighted():
    images = noisy_images(GRID, 5)
    alignment = alignment_of(*random_poses(5, 3))
    weighted = polar_images(GRID, images.samples * images.weight[..., None])
    assert close(aligned_coefficients(images, alignment),
                 aligned_coefficients(weighted, alignment), 1e-5)  # fmt: skip
    still = alignment_of(np.zeros(5), np.zeros((5, 2)), np.zeros(5, dtype=bool))
    assert close(aligned_coefficients(images), aligned_coefficients(images, still), 1e-6)
    assert close(aligned_coefficients(images),
                 GRID.coefficients(images.samples) * images.weight[:, GRID.ring], 1e-5)  # fmt: skip


def test_chunks_and_threads_change_nothing(monkeypatch):
    monkeypatch.setattr(averages, "IMAGES_PER_CHUNK", 4)
    images, alignment = noisy_images(GRID, 11), alignment_of(*random_poses(11))
    before = images.samples.copy()
    one, three = (aligned_coefficients(images, alignment, n) for n in (1, 3))
    assert np.array_equal(one, three)
    assert np.array_equal(images.samples, before)
    assert close(one[5], aligned_coefficients(images.take([5]), alignment.take([5]))[0], 1e-6)


def test_parts_of_an_alignment():
    whole = alignment_of(*random_poses(6))
    part = whole.take(np.array([4, 1]))
    assert part.shift_px.tolist() == whole.shift_px[[4, 1]].tolist()
    other = whole.copy()
    other.put(np.array([0, 5]), part)
    assert other.angle.tolist() == whole.angle[[4, 1, 2, 3, 4, 1]].tolist()
    assert other.mirror.tolist() == whole.mirror[[4, 1, 2, 3, 4, 1]].tolist()
    assert other.shift_px[0].tolist() == whole.shift_px[4].tolist()
    assert whole.angle[0] != whole.angle[4]  # the copy was changed, not the whole


def sums_of(images, labels, n_classes):
    return class_sums(images, aligned_coefficients(images), np.asarray(labels), n_classes)


@given(st.lists(st.integers(-1, 4), max_size=25), st.integers(1, 9), st.integers(0, 99))
def test_sums_are_those_of_the_members(labels, per_chunk, seed):
    labels = np.array(labels, dtype=np.int64)
    images = noisy_images(GRID, len(labels), seed)
    aligned = aligned_coefficients(images)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(averages, "IMAGES_PER_CHUNK", per_chunk)
        found = class_sums(images, aligned, labels, 6)
    assert (found.total.dtype, found.weight.dtype) == (np.complex64, np.float32)
    for k in range(6):
        members = labels == k
        assert np.allclose(found.total[k], aligned[members].sum(axis=0), atol=1e-3)
        assert np.allclose(found.weight[k], (images.weight[members] ** 2).sum(axis=0), rtol=1e-5)
    assert found.prior.shape == (len(GRID.rings),)
    assert (found.prior > 0).all()
    assert np.isfinite(found.averages()).all()
    assert not found.averages()[5].any()  # nobody is there


def test_images_in_no_class_do_not_count():
    labels = np.array([0, -1, 1, 1, -1, 0, 2, 2, 0, -1])
    images = noisy_images(GRID, 10)
    found = sums_of(images, labels, 3)
    expected = sums_of(images.take(labels >= 0), labels[labels >= 0], 3)
    assert np.allclose(found.total, expected.total, atol=1e-4)
    assert np.allclose(found.prior, expected.prior, rtol=1e-4)


def test_the_order_of_the_images_does_not_matter():
    rng = np.random.default_rng(0)
    images, labels, order = noisy_images(GRID, 40), rng.integers(0, 4, 40), rng.permutation(40)
    found = sums_of(images.take(order), labels[order], 4)
    expected = sums_of(images, labels, 4)
    assert close(found.total, expected.total, 1e-5)
    assert np.allclose(found.prior, expected.prior, rtol=1e-3)


def test_averages_are_shrunk_ring_by_ring():
    labels = np.arange(20) % 3
    found = sums_of(noisy_images(GRID, 20), labels, 3)
    for k in range(3):
        for i in range(GRID.n_coefficients):
            r = GRID.ring[i]
            expected = found.total[k, i] / (found.weight[k, r] + found.prior[r])
            assert found.averages()[k, i] == pytest.approx(expected, rel=1e-5)


@given(st.lists(st.integers(0, 3), min_size=1, max_size=12), st.integers(0, 99))
def test_leaving_an_image_out_is_averaging_the_others(labels, seed):
    labels = np.array(labels)
    images = noisy_images(GRID, len(labels), seed)
    aligned = aligned_coefficients(images)
    whole = class_sums(images, aligned, labels, 4)
    found = whole.averages_without(aligned, images.weight, labels)
    for i, k in enumerate(labels):
        rest = np.flatnonzero((labels == k) & (np.arange(len(labels)) != i))
        others = class_sums(images.take(rest), aligned[rest], labels[rest], 4)
        expected = ClassSums(GRID, others.total, others.weight, whole.prior).averages()[k]
        assert np.allclose(found[i], expected, atol=1e-4 * np.abs(aligned).max())
        if len(rest) == 0:
            assert not found[i].any()


def test_leaving_out_some_of_the_images():
    labels = np.arange(20) % 3
    images = noisy_images(GRID, 20)
    aligned = aligned_coefficients(images)
    whole = class_sums(images, aligned, labels, 3)
    every = whole.averages_without(aligned, images.weight, labels)
    rows = np.array([7, 3])
    some = whole.averages_without(aligned[rows], images.weight[rows], labels[rows])
    assert np.array_equal(some, every[rows])


def signal_in_noise(snr, n_classes=40, size=50, seed=0, weights=(0.3, 1.0)):
    """Images w (w signal + noise) whose coefficients have this ratio of powers, weights w."""
    rng = np.random.default_rng(seed)
    n = n_classes * size
    labels = np.arange(n) % n_classes

    def normal(rows):
        return rng.standard_normal((rows, GRID.n_coefficients, 2)).view(complex)[..., 0]

    weight = rng.uniform(*weights, (n, len(GRID.rings)))
    shown = weight[:, GRID.ring]
    aligned = shown * (shown * np.sqrt(snr) * normal(n_classes)[labels] + normal(n))
    images = polar_images(
        GRID, np.zeros((n, len(GRID.rings), GRID.n_angles // 2), np.complex64), weight
    )
    return images, aligned.astype(np.complex64), labels


@pytest.mark.parametrize("snr", [1.0, 0.1, 0.02])
@pytest.mark.parametrize("weights", [(0.3, 1.0), (1.0, 1.0)])
def test_noise_over_signal_is_found(snr, weights):
    images, aligned, labels = signal_in_noise(snr, weights=weights)
    prior = class_sums(images, aligned, labels, 40).prior
    assert np.allclose(prior * snr, 1, atol=0.35)
    assert np.exp(np.log(prior * snr).mean()) == pytest.approx(1, abs=0.12)


def test_averages_foretell_other_images_best_with_that_ratio():
    images, aligned, labels = signal_in_noise(0.02)
    prior = class_sums(images, aligned, labels, 40).prior
    first = np.arange(len(labels)) % 80 < 40
    seen, unseen = (
        class_sums(images.take(rows), aligned[rows], labels[rows], 40) for rows in (first, ~first)
    )
    plain = unseen.total / unseen.weight[:, GRID.ring]

    def loss(factor):
        averages = ClassSums(GRID, seen.total, seen.weight, factor * prior).averages()
        return np.linalg.norm(averages - plain)

    assert loss(1.0) < min(loss(0.1), loss(10.0))


def test_noise_alone_gives_averages_of_next_to_nothing():
    images, aligned, labels = signal_in_noise(0.0, n_classes=10, size=20)
    sums = class_sums(images, aligned, labels, 10)
    plain = sums.total / sums.weight[:, GRID.ring]
    assert np.linalg.norm(sums.averages()) < 0.35 * np.linalg.norm(plain)


def test_signal_without_noise_is_kept():
    images, aligned, labels = signal_in_noise(1e6, n_classes=10, size=20)
    sums = class_sums(images, aligned, labels, 10)
    plain = sums.total / sums.weight[:, GRID.ring]
    assert close(sums.averages(), plain, 0.02)


def test_nothing_is_known_of_the_signal_where_each_image_is_a_class():
    images = noisy_images(GRID, 6)
    found = sums_of(images, np.arange(6), 6)
    again = sums_of(images.take(np.arange(6)[::-1]), np.arange(6), 6)
    assert np.isfinite(found.prior).all()
    assert (found.prior > 0).all()
    assert np.allclose(found.prior, again.prior, rtol=1e-3)  # not a matter of rounding


def test_empty_rings_and_classes_are_zero_not_nan():
    images = noisy_images(GRID, 8)
    images.samples[:, 3] = 0
    aligned = aligned_coefficients(images)
    labels = np.array([0, 0, 0, 1, 1, 1, 3, 3])
    sums = class_sums(images, aligned, labels, 4)
    assert np.isfinite(sums.averages()).all()
    assert not sums.averages()[2].any()
    alone = class_sums(images, aligned, np.arange(8), 8)
    assert np.isfinite(alone.averages_without(aligned, images.weight, np.arange(8))).all()
    nobody = class_sums(images, aligned, np.full(8, -1), 3)
    assert not nobody.averages().any()


def test_noise_over_signal_does_not_depend_on_the_unit():
    images, aligned, labels = signal_in_noise(0.1, n_classes=10, size=20)
    usual = class_sums(images, aligned, labels, 10).prior
    for unit in (1e-6, 1e6):
        other = class_sums(images, aligned * np.float32(unit), labels, 10).prior
        assert np.allclose(other, usual, rtol=1e-3)


def test_noise_over_signal_by_hand():
    # 4 classes of 5 images with weight 1, signal 3, noise 2: 20 x 5, and 4 x (25 x 3 + 5 x 2)
    one = np.ones(1)
    found = noise_over_signal(100 * one, 340 * one, 20 * one, 20 * one, 100 * one, 5 * one)
    assert found == pytest.approx(2 / 3)
    # without noise, where some is assumed all the same
    found = noise_over_signal(60 * one, 300 * one, 20 * one, 20 * one, 100 * one, 5 * one)
    assert found == pytest.approx(averages.MIN_NOISE)


def test_without_pairs_rounding_makes_no_signal():
    one = np.ones(1)
    found = [
        noise_over_signal(100 * one, 100 * one * change, 20 * one, 20 * one, 20 * one, one)
        for change in (1 - 1e-6, 1.0, 1 + 1e-6)
    ]
    assert found[0] == found[1] == found[2] == pytest.approx(1 / averages.MIN_SIGNAL)
