"""Synthetic micrographs: where the particles lie, how dark and how noisy they are."""

import numpy as np
import pytest
from scipy.ndimage import center_of_mass, rotate

from repic_plugin.simulation import DEFAULT_GRADIENT, background_micrograph, simulate_micrograph

BOX = 64


def one_particle(center=(64.0, 64.0), size=(128, 128), **options):
    return simulate_micrograph([center], size, BOX, snr=None, **options)


def test_shape_is_height_by_width_and_float32():
    for image in (
        simulate_micrograph([], (50, 30), 10),
        background_micrograph((50, 30)),
        simulate_micrograph([], (50, 30), 10, snr=None),
    ):
        assert image.shape == (30, 50)
        assert image.dtype == np.float32
        assert np.isfinite(image).all()


def test_no_particles_and_no_noise_is_nothing():
    assert not simulate_micrograph([], (50, 30), 10, snr=None).any()


def test_particles_are_dark_and_at_their_centres():
    image = one_particle((80.0, 40.0))
    row, column = center_of_mass(np.where(image < -1.5, -image, 0))
    # The body is asymmetrical, so its mass lies near the centre but not on it.
    assert np.hypot(column + 0.5 - 80, row + 0.5 - 40) < BOX / 10


def test_the_unit_is_the_spread_of_one_particle():
    image = one_particle()[32:96, 32:96]
    assert image.std() == pytest.approx(1, rel=0.05)


def test_a_shift_by_whole_pixels_shifts_the_picture():
    np.testing.assert_allclose(
        one_particle((64, 64))[20:100, 20:100], one_particle((67, 59))[15:95, 23:103], atol=1e-4
    )


def test_a_shift_below_a_pixel_is_seen():
    assert np.abs(one_particle((64.5, 64)) - one_particle((64, 64))).max() > 0.01


def test_particles_are_turned_each_by_its_own_angle():
    two = simulate_micrograph([(64, 64), (192, 64)], (256, 128), BOX, snr=None)
    left, right = two[32:96, 32:96], two[32:96, 160:224]
    assert np.abs(left - right).max() > 0.5
    np.testing.assert_allclose(left.std(), right.std(), rtol=0.05)


def test_no_turn_of_the_particle_looks_like_it():
    image = one_particle()
    turned = [rotate(image, angle, reshape=False, order=1) for angle in range(20, 341, 20)]
    assert max(np.corrcoef(image.ravel(), t.ravel())[0, 1] for t in turned) < 0.99
    assert np.corrcoef(image.ravel(), image[:, ::-1].ravel())[0, 1] < 0.99


@pytest.mark.parametrize("center", [(0, 0), (128, 5), (-20, 64), (64, 140)])
def test_particles_that_stick_out_are_cut_off(center):
    whole = one_particle((center[0] + 256, center[1] + 256), size=(640, 640))
    np.testing.assert_allclose(one_particle(center), whole[256:384, 256:384], atol=1e-4)


@pytest.mark.parametrize("center", [(-500, 64), (64, 1e9)])
def test_particles_far_outside_are_not_drawn(center):
    assert not one_particle(center).any()


def test_snr_sets_the_white_noise():
    image = simulate_micrograph([], (512, 512), BOX, snr=0.04)
    # The ice hardly changes from one pixel to the next: differences hold the white noise alone.
    differences = np.diff(image, axis=1) / np.sqrt(2)
    assert differences.std() == pytest.approx(5, rel=0.02)


def test_ice_changes_slowly_by_its_own_contrast():
    images = [simulate_micrograph([], (256, 256), BOX, snr=1e6, random_state=i) for i in range(40)]
    assert np.std(images) == pytest.approx(DEFAULT_GRADIENT, rel=0.3)
    assert np.std(np.diff(images, axis=1)) < 0.05


def test_particles_are_the_same_with_and_without_noise():
    centers, size = [(64, 64), (150, 90)], (256, 128)
    drawn = simulate_micrograph(centers, size, BOX, snr=None, random_state=5)
    ground = simulate_micrograph([], size, BOX, random_state=5)
    noisy = simulate_micrograph(centers, size, BOX, random_state=5)
    np.testing.assert_allclose(noisy - ground, drawn, atol=1e-4)


def test_seeds():
    first, second, other = (background_micrograph((64, 64), seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, second)
    assert np.any(first != other)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"centers": [(1, 2, 3)]}, r"centers must have shape \(n, 2\)"),
        ({"centers": [(1, np.nan)]}, "centers must be finite"),
        ({"micrograph_size_px": (10, 0)}, "micrograph_size_px must be two positive"),
        ({"box_size_px": 3}, "box_size_px must be a whole number of px, 4 or more, got 3"),
        ({"snr": 0}, "snr must be positive and finite, got 0"),
        ({"random_state": -1}, "random_state must be .* got -1"),
    ],
)
def test_bad_arguments(change, message):
    arguments = {"centers": [], "micrograph_size_px": (20, 20), "box_size_px": 10, **change}
    with pytest.raises(ValueError, match=message):
        simulate_micrograph(**arguments)
