"""Grey scales, damaged pixels and the particle's extent: found where they are, and only there."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from repic_plugin.classification import normalisation as nz
from repic_plugin.classification.preparation import soft_mask
from tests.classification.particles import classified, particles, same_result

BOX = 32
OUTSIDE = nz.background(BOX, 14.0)


def noise(n, seed=0, box=BOX):
    return np.random.default_rng(seed).standard_normal((n, box, box)).astype(np.float32)


def discs(n, diameter_px, contrast, box=64, seed=0):
    """Discs in noise, each a little off centre."""
    rng = np.random.default_rng(seed)
    images = noise(n, seed, box)
    disc = contrast * soft_mask(box, diameter_px / 2, 1.0)
    for i in range(n):
        images[i] += np.roll(disc, rng.integers(-1, 2, 2), axis=(0, 1))
    return images


# normalisation


@settings(max_examples=25)
@given(st.floats(0.01, 100), st.floats(-1000, 1000), st.integers(0, 20))
def test_scale_and_offset_of_an_image_do_not_matter(scale, offset, seed):
    images = noise(3, seed)
    expected, _ = nz.normalised(images, OUTSIDE)
    found, grey_scale = nz.normalised((scale * images + offset).astype(np.float32), OUTSIDE)
    assert np.allclose(found, expected, atol=2e-3 * (1 + abs(offset) / scale / 100))
    assert np.allclose(grey_scale.mean, offset, atol=0.3 * scale)


def test_the_background_has_mean_0_and_deviation_1():
    found, grey_scale = nz.normalised(7 * noise(5) - 3, OUTSIDE)
    around = found[:, OUTSIDE]
    assert np.allclose(around.mean(axis=1), 0, atol=1e-5)
    assert np.allclose(around.std(axis=1), 1, atol=1e-5)
    assert np.allclose(grey_scale.deviation, 7, rtol=0.2)


def test_images_masked_by_others_and_constant_ones():
    masked = noise(2) * soft_mask(BOX, 12, 1)
    found, _ = nz.normalised(
        np.concatenate((masked, np.full((1, BOX, BOX), 5, np.float32))), OUTSIDE
    )
    assert np.isfinite(found).all()
    assert found[:2].std() < 3
    assert not found[2].any()


# dust


def test_noise_has_no_dust():
    images = noise(400)
    found, n_dust = nz.without_dust(images)
    assert found is images
    assert not n_dust.any()


@pytest.mark.parametrize("value", [-1e5, 30.0, 1e5, 1e12])
def test_a_damaged_pixel_is_left_out_and_nothing_else(value):
    images = noise(9)
    damaged = images.copy()
    damaged[4, 10, 20] = value
    found, n_dust = nz.without_dust(damaged)
    assert np.array_equal(np.delete(found, 4, axis=0), np.delete(images, 4, axis=0))
    assert n_dust.tolist() == [0, 0, 0, 0, n_dust[4], 0, 0, 0, 0]
    assert 1 <= n_dust[4] <= 9
    changed = np.argwhere(found[4] != damaged[4])
    assert np.abs(changed - (10, 20)).max() <= 1
    assert abs(found[4, 10, 20]) < 0.5


def test_contamination_is_left_out_to_its_border():
    images = noise(3, box=64)
    y, x = np.mgrid[:64, :64]
    images[1] += 40 * np.exp(-0.5 * ((y - 20) ** 2 + (x - 40) ** 2) / 16.0)
    found, n_dust = nz.without_dust(images)
    assert n_dust[0] == n_dust[2] == 0
    assert np.abs(found[1]).max() < 6


def test_a_strong_particle_is_no_dust():
    images = particles(4, 20, None).images
    assert (nz._peaks(images) > nz.DUST_DEVIATIONS).any()  # it would be, by the fixed limit
    extent = nz.particle_extent(images)
    assert not nz.without_dust(images, extent.dust_deviations)[1].any()


def test_a_damaged_pixel_changes_no_class():
    found = particles(4, 20, 0.5)
    images = found.images.copy()
    images[11, 3, 3] = 1e5
    expected = classified(found)
    result = classified(replace(found, images=images))
    rest = np.arange(80) != 11
    assert (result.labels == expected.labels)[rest].mean() > 0.95
    assert result.preparation.grey_scale.n_dust.nonzero()[0].tolist() == [11]
    (note,) = result.preparation.notes()
    assert "1 of 80 images" in note
    assert "image 12" in note


@pytest.mark.parametrize("value, words", [(1e20, "1e[+]20, beyond"), (np.nan, "not finite")])
def test_what_is_no_grey_value_is_refused_by_number(value, words):
    images = noise(5)
    images[3, 2, 1] = value
    with pytest.raises(ValueError, match=f"image 4 has .*{words}"):
        nz.finite(images, slice(0, 5))
    with pytest.raises(ValueError, match="image 4 has"):
        nz.finite(images, np.array([1, 3]))


# energy


@settings(max_examples=50)
@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=30))
def test_no_image_counts_for_more_than_two_medians(values):
    energy = np.array(values, np.float32)
    factor = nz.energy_factors(energy, nz.energy_limit(energy))
    limit = 2 * np.median(energy)
    assert limit == 0 or (factor**2 * energy <= limit * 1.0001).all()
    assert (factor[energy <= limit] == 1).all()


# extent


@pytest.mark.parametrize("diameter_px", [16, 24, 36, 48])
@pytest.mark.parametrize("contrast", [0.3, -0.3])
def test_the_diameter_of_discs_in_noise(diameter_px, contrast):
    extent = nz.particle_extent(discs(300, diameter_px, contrast))
    assert abs(extent.diameter_px - diameter_px) < 0.12 * diameter_px
    assert extent.is_dark == (contrast < 0)


@pytest.mark.parametrize("seed", range(5))
def test_noise_has_no_diameter(seed):
    assert np.isnan(nz.particle_extent(noise(300, seed, 64)).diameter_px)
    assert not nz.particle_extent(noise(300, seed, 64)).is_dark


def test_threads_and_grey_scales_change_no_diameter():
    images = discs(300, 24, 0.4)
    one, three = nz.particle_extent(images), nz.particle_extent(images, 3)
    assert one == three
    scales = np.random.default_rng(1).lognormal(0, 1, (300, 1, 1))
    varied = nz.particle_extent((images * scales + 50).astype(np.float32))
    assert abs(varied.diameter_px - one.diameter_px) < 0.01


def test_grey_scales_that_differ_are_told_and_change_nothing():
    found = particles(4, 20, 1.0)
    scales = 2.0 ** np.random.default_rng(0).integers(-2, 3, (80, 1, 1))
    varied = classified(replace(found, images=(found.images * scales).astype(np.float32)))
    expected = classified(found)
    assert same_result(varied, replace(expected, preparation=varied.preparation))
    assert any("not normalised" in note for note in varied.preparation.notes())
    assert expected.preparation.notes() == []


@pytest.mark.parametrize("box", [32, 33, 64])
@pytest.mark.parametrize("std, is_filtered", [(0.0, False), (0.3, False), (1.5, True)])
def test_filtered_images_are_told(box, std, is_filtered):
    noise = np.random.default_rng(0).normal(size=(20, box, box)).astype(np.float32)
    images = ndimage.gaussian_filter(noise, (0, std, std), mode="wrap") if std else noise
    assert nz.particle_extent(images).is_filtered == is_filtered
    assert nz.particle_extent(100 + 7 * images).is_filtered == is_filtered


@pytest.mark.parametrize("box", [48, 64])
@pytest.mark.parametrize("std, is_blurred", [(0.0, False), (2.0, False), (4.0, True)])
def test_images_without_any_details_are_told_from_filtered_ones(box, std, is_blurred):
    noise = np.random.default_rng(0).normal(size=(80, box, box)).astype(np.float32)
    shown = noise + ndimage.gaussian_filter(
        np.eye(1, box * box, box * box // 2).reshape(box, box), 8
    )
    images = ndimage.gaussian_filter(shown, (0, std, std), mode="wrap") if std else shown
    assert nz.are_blurred(images) == is_blurred
    assert nz.are_blurred(100 + 7 * images) == is_blurred
