"""Rigid registration of maps."""

import numpy as np
import pytest
from scipy import ndimage
from scipy.spatial.transform import Rotation

from repic_plugin.evaluation import fourier_shell_correlation, register_rigid
from repic_plugin.simulation import phantom_map

SIZE = 36
# Axis, degrees, shift in parts of the box: z, y, x.
POSES = {
    "far": ((1, -2, 0.5), 20, (0.25, -0.1, 0.05)),
    "along all axes": ((0.2, 1, 1), 13, (-0.14, 0.15, 0.14)),
    "turned only": ((-1, 0.3, 2), 19, (0, 0, 0)),
}


def moved_away(reference, rotation, shift_px):
    """The map that this pose brings back onto the reference."""
    center = len(reference) // 2
    offset = center - rotation @ np.full(3, center) + shift_px
    return ndimage.affine_transform(reference, rotation, offset, order=5)


def pose_of(name, size):
    axis, angle, shift = POSES[name]
    vector = np.deg2rad(angle) * np.array(axis) / np.linalg.norm(axis)
    return Rotation.from_rotvec(vector).as_matrix(), size * np.array(shift)


def assert_found(transform, rotation, shift_px):
    error = Rotation.from_matrix(transform.rotation @ rotation.T).magnitude()
    assert np.rad2deg(error) < 0.5
    assert np.abs(transform.shift_px - shift_px).max() < 0.3


@pytest.mark.parametrize("name", POSES)
def test_the_pose_is_found(name):
    reference = phantom_map(SIZE)
    rotation, shift = pose_of(name, SIZE)
    volume = moved_away(reference, rotation, shift)
    registered, transform = register_rigid(volume, reference)
    assert_found(transform, rotation, shift)
    assert transform.angle_deg == pytest.approx(POSES[name][1], abs=0.5)
    assert transform.correlation > 0.99
    assert registered.dtype == np.float32
    # what had left the box does not come back
    before, after = (np.corrcoef(one.flat, reference.flat)[0, 1] for one in (volume, registered))
    assert before < 0.9
    assert after > 0.97


def test_in_noise_and_on_another_scale():
    reference = phantom_map(SIZE + 1)
    rng = np.random.default_rng(0)
    rotation, shift = pose_of("along all axes", SIZE + 1)
    volume = moved_away(reference, rotation, shift)
    noisy = 7 * (volume + reference.std() * rng.standard_normal(volume.shape)) + 30
    registered, transform = register_rigid(noisy, reference)
    assert_found(transform, rotation, shift)
    before, after = (
        fourier_shell_correlation(one, reference, pixel_size_angstrom=1).correlation[4]
        for one in (noisy, registered)
    )
    assert before < 0.5
    assert after > 0.9


def test_the_arguments_stay():
    reference = phantom_map(24)
    volume = np.roll(reference, 2, axis=1)
    copies = volume.copy(), reference.copy()
    _, transform = register_rigid(volume, reference, max_angle_deg=5)
    np.testing.assert_allclose(transform.shift_px, [0, -2, 0], atol=0.3)
    np.testing.assert_array_equal(volume, copies[0])
    np.testing.assert_array_equal(reference, copies[1])


@pytest.mark.parametrize(
    "arguments, words",
    [
        ({"reference": np.zeros((20, 20, 20))}, "reference must have the box of 16 px"),
        ({"reference": np.zeros((16, 16, 16))}, "reference must vary, got 0 everywhere"),
        ({"volume": np.ones((16, 16, 16))}, "volume must vary, got 1 everywhere"),
        ({"max_angle_deg": 90}, r"max_angle_deg must lie in \[0, 60\], got 90"),
        ({"max_shift_px": 9}, r"max_shift_px must lie in \[0, 8\], half of the box, got 9"),
    ],
)
def test_bad_input(arguments, words):
    values = {"volume": phantom_map(16), "reference": phantom_map(16), **arguments}
    with pytest.raises(ValueError, match=words):
        register_rigid(values.pop("volume"), values.pop("reference"), **values)
