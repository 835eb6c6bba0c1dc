"""Masks with soft edges."""

import numpy as np
import pytest
from scipy import ndimage

from repic_plugin.evaluation import soft_mask, spherical_mask
from repic_plugin.simulation import phantom_map


def distance_from(size, center=None):
    places = np.indices((size,) * 3) - np.reshape(center or [size // 2] * 3, (3, 1, 1, 1))
    return np.linalg.norm(places, axis=0)


@pytest.mark.parametrize("size", [32, 33])
def test_a_sphere_falls_from_its_radius_outwards(size):
    mask = spherical_mask(size, 9, 5)
    r = distance_from(size)
    assert mask.dtype == np.float32
    assert (mask[r <= 9] == 1).all()
    assert (mask[r >= 14] == 0).all()
    edge = (r > 9) & (r < 14)
    expected = 0.5 + 0.5 * np.cos(np.pi * (r[edge] - 9) / 5)
    np.testing.assert_allclose(mask[edge], expected, atol=1e-5)


def test_a_sphere_reaches_the_faces():
    mask = spherical_mask(32)
    np.testing.assert_array_equal(mask, spherical_mask(32, 10, 6))
    assert mask[16, 16, 1] > 0
    assert mask[16, 16, 0] == 0


def test_a_hard_edge():
    assert set(np.unique(spherical_mask(16, 4, 0))) == {0, 1}
    ball = (distance_from(24) <= 5).astype(float)
    hard = soft_mask(ball, threshold=0.5, extend_px=0, edge_px=0)
    np.testing.assert_array_equal(hard, ball)


def test_a_threshold_and_the_lengths():
    """Of one voxel the distance is known."""
    volume = np.zeros((40, 40, 40))
    volume[20, 22, 17] = 1
    mask = soft_mask(volume, threshold=0.5, extend_px=3, edge_px=6)
    r = distance_from(40, [20, 22, 17])
    assert (mask[r <= 3] == 1).all()
    assert (mask[r >= 9] == 0).all()
    expected = 0.5 + 0.5 * np.cos(np.pi * (r - 3) / 6)
    edge = (r > 3) & (r < 9)
    np.testing.assert_allclose(mask[edge], expected[edge], atol=1e-5)


def test_at_a_face_of_the_box():
    volume = np.zeros((20, 20, 20))
    volume[0, 10, 19] = 1
    mask = soft_mask(volume, threshold=0.5, extend_px=2, edge_px=3)
    r = distance_from(20, [0, 10, 19])
    np.testing.assert_array_equal(mask == 1, r <= 2)
    np.testing.assert_array_equal(mask > 1e-6, r < 5)


def test_the_molecule_is_found_in_noise():
    phantom = phantom_map(48)
    rng = np.random.default_rng(0)
    noisy = phantom + phantom.std() * rng.standard_normal(phantom.shape)
    mask = soft_mask(noisy)
    dense = phantom > 0.3 * phantom.max()
    assert mask[dense].mean() > 0.97
    far = ndimage.distance_transform_edt(phantom < 0.02 * phantom.max()) > 12
    assert far.any()
    assert mask[far].mean() < 0.01
    assert 0.05 < mask.mean() < 0.5


def test_scale_and_offset_do_not_matter():
    phantom = phantom_map(32)
    changed = soft_mask(40 * phantom - 3)
    assert np.abs(changed - soft_mask(phantom)).mean() < 1e-3


def test_specks_are_left_out_and_holes_filled():
    r = distance_from(40)
    shell = ((r <= 10) & (r >= 6)).astype(float)
    shell[3:6, 3:6, 3:6] = 1
    mask = soft_mask(shell, threshold=0.5, extend_px=0, edge_px=0)
    np.testing.assert_array_equal(mask == 1, r <= 10)


def test_two_large_parts_are_kept():
    parts = (distance_from(40, [20, 20, 10]) <= 6) | (distance_from(40, [20, 20, 30]) <= 5)
    mask = soft_mask(parts.astype(float), threshold=0.5, extend_px=0, edge_px=0)
    np.testing.assert_array_equal(mask == 1, parts)


@pytest.mark.parametrize(
    "arguments, words",
    [
        ({"volume": np.ones((9, 9, 9))}, "volume must vary, got 1 everywhere"),
        ({"volume": np.ones((9, 9))}, "volume must be a cube"),
        ({"threshold": 99}, "threshold must be below the largest density .* got 99; lower it"),
        ({"extend_px": -1}, "extend_px must be 0 or more and finite, got -1"),
        ({"edge_px": np.nan}, "edge_px must be 0 or more and finite, got nan"),
    ],
)
def test_bad_input(arguments, words):
    values = {"volume": phantom_map(16), **arguments}
    with pytest.raises(ValueError, match=words):
        soft_mask(values.pop("volume"), **values)


@pytest.mark.parametrize(
    "arguments, words",
    [
        ((0, 3), "size must be a whole number of px, 1 or more"),
        ((8, 0), "radius_px must be positive"),
        ((8, 3, -1), "edge_px"),
    ],
)
def test_bad_sphere(arguments, words):
    with pytest.raises(ValueError, match=words):
        spherical_mask(*arguments)
