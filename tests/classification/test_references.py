"""Averages as references for images of another box, pixel size or grey scale."""

from dataclasses import replace

import numpy as np
import pytest

from repic_plugin.classification import assign_particles
from repic_plugin.classification.references import References, references_for, resampled
from repic_plugin.classification.sizes import particle_sizes
from tests.classification.pictures import draw, image_of, random_poses, scene

BOX, PIXEL_SIZE = 32, 4.0


def averages(box=BOX, ratio=1.0):
    """Scenes drawn in pixels `ratio` times as large."""
    return np.float32(
        [draw(smaller(scene(k), ratio), box, 2.0 / ratio) / ratio**2 for k in range(4)]
    )


def smaller(picture, ratio):
    return picture._replace(places=picture.places / ratio)


def images(box=BOX, ratio=1.0, noise=0.3):
    labels = np.arange(32) % 4
    poses = zip(labels, *random_poses(len(labels), 1, 2.0, False))
    clean = [
        draw(smaller(image_of(scene(k), *pose), ratio), box, 2.0 / ratio) for k, *pose in poses
    ]
    return labels, np.float32(clean + np.random.default_rng(2).normal(0, noise, (32, box, box)))


def given():
    sizes = particle_sizes(BOX, PIXEL_SIZE, mask_diameter_px=24.0, n_rings=8, max_shift_px=2.0)
    return References(averages(), sizes, "none")


@pytest.mark.parametrize(("box", "ratio"), [(32, 1.0), (40, 1.0), (27, 1.0), (64, 0.5), (26, 1.25)])
def test_as_drawn_in_other_pixels(box, ratio):
    drawn = averages(box, ratio) * ratio**2
    found = resampled(averages(), ratio, box)
    assert found.shape == drawn.shape
    assert np.abs(found - drawn).max() < 0.02 * drawn.max()


def test_nothing_is_beyond_the_averages():
    found = resampled(np.ones((1, 16, 16), np.float32), 1.0, 24)[0]
    assert np.allclose(found[4:20, 4:20], 1, atol=1e-6)
    assert found.sum() == pytest.approx(256, rel=1e-5)


@pytest.mark.parametrize(("box", "ratio"), [(40, 1.0), (64, 0.5), (28, 1.2)])
def test_images_of_another_box_or_pixel_size(box, ratio):
    labels, some = images(box, ratio, 0.3 / ratio**2)
    found = assign_particles(some, given(), pixel_size_angstrom=PIXEL_SIZE * ratio)
    assert np.array_equal(found.labels, labels)
    assert found.used.box_px == box
    assert found.used.resolution_angstrom == pytest.approx(
        given().sizes.resolution_angstrom, rel=0.1
    )
    assert (found.measured.scale != 1) == (ratio != 1)


def test_pixel_sizes_that_differ_by_rounding_are_one():
    assert given().rescaled(BOX, PIXEL_SIZE * 1.001) is not None
    same = given().rescaled(BOX, PIXEL_SIZE * 1.001)
    assert np.array_equal(same.averages, given().averages) and same.has_grey_scale


def test_a_box_that_is_smaller_than_the_mask_is_refused():
    with pytest.raises(ValueError, match="too small for a mask"):
        given().rescaled(20, PIXEL_SIZE)


@pytest.mark.parametrize("factor", [1e-3, 1.0, 250.0])
def test_the_grey_scale_of_other_averages_does_not_matter(factor):
    labels, some = images(noise=0.8)
    references = references_for(
        some,
        factor * averages(),
        pixel_size_angstrom=PIXEL_SIZE,
        mask_diameter_px=24.0,
        n_rings=8,
        ctf_mode="none",
    )
    found = assign_particles(some, references)
    assert np.array_equal(found.labels, labels)
    # normalised images have the noise of a pixel as their unit
    assert found.measured.scale * factor == pytest.approx(1 / 0.8, rel=0.15)


def test_averages_at_another_pixel_size():
    labels, some = images()
    references = references_for(
        some,
        averages(64, 0.5),
        pixel_size_angstrom=PIXEL_SIZE,
        averages_pixel_size_angstrom=PIXEL_SIZE / 2,
        mask_diameter_px=24.0,
        ctf_mode="none",
    )
    assert references.averages.shape == (4, BOX, BOX)
    assert np.array_equal(assign_particles(some, references).labels, labels)


def test_averages_smaller_than_the_mask_are_refused():
    _, some = images()
    with pytest.raises(ValueError, match="averages of 64 Å are smaller than the mask of 96 Å"):
        references_for(some, averages(16), pixel_size_angstrom=PIXEL_SIZE, mask_diameter_px=24.0)


def test_no_reference_is_empty_only():
    _, some = images()
    with pytest.raises(ValueError, match="an average that is not empty"):
        assign_particles(some, replace(given(), averages=np.zeros((2, BOX, BOX), np.float32)))
