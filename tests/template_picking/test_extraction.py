"""Particle images cut out of micrographs."""

import numpy as np
import pytest

from repic_plugin.template_picking import extract_particles

BOX = 32


def noisy(seed=0, shape=(120, 160)):
    return np.random.default_rng(seed).normal(100, 7, shape).astype(np.float32)


def outside(side, radius=0.375):
    along = np.arange(side) - side // 2
    return np.hypot(along[:, None], along) > radius * side


def test_the_pixel_at_the_centre_is_that_of_the_micrograph():
    image = noisy()
    found = extract_particles(image, [(50.7, 60.2)], BOX, invert=False, normalise=False)
    assert found.images[0, BOX // 2, BOX // 2] == image[60, 50]
    assert np.array_equal(found.images[0], image[44:76, 34:66])


def test_only_boxes_that_are_wholly_inside_come_out():
    corners = [(16, 16), (15, 16), (144, 104), (145, 104), (144, 105), (80, 60)]
    found = extract_particles(noisy(), corners, BOX)
    assert found.rows.tolist() == [0, 2, 5]
    assert len(extract_particles(noisy(), np.zeros((0, 2)), BOX)) == 0


def test_the_background_has_mean_0_and_deviation_1_and_no_slope():
    y, x = np.mgrid[:120, :160]
    slope = noisy() + 3 * x - 2 * y
    centers = [(40, 50), (100, 60)]
    with_slope = extract_particles(slope, centers, BOX, invert=False).images
    without = extract_particles(noisy(), centers, BOX, invert=False).images
    assert np.allclose(with_slope, without, atol=1e-3)
    background = without[:, outside(BOX)]
    assert np.allclose(background.mean(axis=1), 0, atol=1e-5)
    assert np.allclose(background.std(axis=1), 1, atol=1e-5)


def test_the_particle_does_not_change_its_background():
    centre = (60, 60)
    dark = noisy()
    dark[56:65, 56:65] -= 50
    plain, found = (
        extract_particles(one, [centre], BOX, invert=False).images[0] for one in (noisy(), dark)
    )
    assert np.allclose(plain[outside(BOX)], found[outside(BOX)])
    inverted = extract_particles(dark, [centre], BOX).images[0]
    assert np.array_equal(inverted, -found)
    assert inverted[BOX // 2, BOX // 2] > 5  # light where the micrograph is dark


@pytest.mark.parametrize("side", [8, 14, 16, 24])
def test_reduced_images_keep_grey_values_waves_and_the_centre(side):
    along = np.arange(160) - 80
    wave = 5 + 2 * np.cos(2 * np.pi * 2 * along / BOX)  # two periods in a box
    image = np.broadcast_to(wave, (160, 160))
    (small,) = extract_particles(
        image, [(80, 80)], BOX, side_px=side, invert=False, normalise=False
    ).images
    expected = 5 + 2 * np.cos(2 * np.pi * 2 * (np.arange(side) - side // 2) / side)
    assert np.allclose(small, expected, atol=1e-4)


def test_what_is_finer_than_the_reduced_px_is_gone():
    fine = np.broadcast_to(np.cos(2 * np.pi * 12 * np.arange(160) / BOX), (160, 160))
    (small,) = extract_particles(
        fine, [(80, 80)], BOX, side_px=16, invert=False, normalise=False
    ).images
    assert np.allclose(small, 0, atol=1e-5)


def test_a_blank_box_becomes_0():
    blank = np.full((64, 64), 1234.5, np.float32)
    assert not extract_particles(blank, [(32, 32)], BOX).images.any()


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"box_size_px": 31}, "box_size_px must be even"),
        ({"box_size_px": 6}, "8 or more"),
        ({"box_size_px": 32, "side_px": 40}, "not enlarged"),
        ({"box_size_px": 32, "side_px": 15}, "side_px must be even"),
    ],
)
def test_sizes_that_make_no_sense_are_refused(values, words):
    with pytest.raises(ValueError, match=words):
        extract_particles(noisy(), [(60, 60)], **values)


def test_pixels_that_are_not_finite_are_refused_where_they_matter():
    image = noisy()
    image[10, 10] = np.nan
    assert len(extract_particles(image, [(100, 60)], BOX)) == 1
    with pytest.raises(ValueError, match="finite"):
        extract_particles(image, [(20, 20)], BOX)
