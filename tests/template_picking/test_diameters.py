"""The diameter of the particle, and the distance and disc that follow from it."""

import numpy as np
import pytest
from scipy import ndimage
from scipy.spatial.distance import pdist

from repic_plugin.template_picking import TemplateMatcher, measured_diameter, reduction
from repic_plugin.template_picking.templates import general_template, template_mask
from tests.template_picking.material import BOX, one_body, trained

NEAR = np.array([(x, 200.0 + dy) for x in range(60, 440, 60) for dy in (0, 24)])


def disc(diameter, side=40, blur=1.0):
    y, x = np.mgrid[:side, :side] - side // 2
    return -ndimage.gaussian_filter((np.hypot(y, x) <= diameter / 2).astype(np.float32), blur)


def whitened(image):
    """Without its low frequencies, as templates of prepared micrographs are."""
    return image - ndimage.gaussian_filter(image, 3.0)


@pytest.mark.parametrize("diameter", [12, 16, 20, 26])
def test_the_diameter_of_a_disc_is_measured(diameter):
    assert measured_diameter([whitened(disc(diameter))]) == pytest.approx(diameter, abs=1.5)


def test_brightness_and_contrast_do_not_change_it():
    expected = measured_diameter([whitened(disc(18))])
    assert measured_diameter([7 + 30 * whitened(disc(18))]) == pytest.approx(expected, abs=1e-3)


def test_it_stays_between_a_quarter_and_nine_tenths_of_the_side():
    noise = np.random.default_rng(0).normal(size=(20, 1, 40, 40))
    found = [measured_diameter(one) for one in noise]
    assert min(found) >= 10
    assert max(found) <= 36


def test_a_bright_gap_within_a_particle_does_not_end_it():
    """The rings of an average of all views, brought into register by the densest part."""
    rings = [-244, -140, -23, 7, -20, -41, -16, 7, 5, -1, 6, 9, 5, 2, 5, 5, 3]
    y, x = np.mgrid[:32, :32] - 16
    image = np.interp(np.hypot(y, x), range(len(rings)), rings)
    assert measured_diameter([image]) == pytest.approx(17.5, abs=1.5)  # of several templates


def test_learnt_templates_give_the_diameter_of_the_body():
    """The simulated body is about half of its box."""
    matcher = TemplateMatcher(trained().images, box_size_px=BOX)
    assert 0.35 * BOX < matcher.particle_diameter_px < 0.75 * BOX
    inverted = TemplateMatcher(-trained().images, box_size_px=BOX, invert=True)
    assert inverted.particle_diameter_px == pytest.approx(matcher.particle_diameter_px)


def test_particles_nearer_than_half_a_box_are_all_found():
    micrograph, centers = one_body(1, snr=2.0, centers=NEAR)
    matcher = TemplateMatcher(trained().images, box_size_px=BOX)
    near, far = (
        matcher.pick(
            micrograph,
            max_particles=len(NEAR),
            min_distance_boxes=distance,
            mask_contamination=False,  # 14 strong particles in two lines are no usual micrograph
        )
        for distance in (None, 0.5)
    )
    gaps = [np.hypot(*(one.centers[:, None] - centers).T).min(axis=1) for one in (near, far)]
    assert (gaps[0] < BOX / 6).sum() > (gaps[1] < BOX / 6).sum() + 2
    assert pdist(near.centers).min() >= matcher.min_distance_px - 1e-6


@pytest.mark.parametrize("diameter", [20, 30, 44])
def test_a_given_diameter_sets_distance_disc_and_blob(diameter):
    matcher = TemplateMatcher(
        trained().images, box_size_px=BOX, particle_diameter_px=diameter, angular_step_deg=60
    )
    assert matcher.particle_diameter_px == diameter
    assert matcher.min_distance_px == pytest.approx(0.6 * diameter)
    side = trained().images.shape[-1]
    expected = template_mask(side, diameter / reduction(BOX))
    assert matcher._bank.n_pixels == expected.sum()
    (blob,) = general_template(BOX, diameter)
    middle = len(blob) // 2
    crossing = np.flatnonzero(blob[middle, middle:] > 0)[0]
    assert crossing == pytest.approx(0.35 * diameter / reduction(BOX), abs=1)


def test_the_disc_is_never_larger_than_a_turned_template_allows():
    np.testing.assert_array_equal(template_mask(36, 100.0), template_mask(36))
    assert template_mask(36, 10.0).sum() < template_mask(36).sum() / 3


@pytest.mark.parametrize("value", [0, -5, np.nan, BOX + 1])
def test_bad_diameters_are_one_line(value):
    with pytest.raises(ValueError, match="particle_diameter_px must") as error:
        TemplateMatcher(box_size_px=BOX, particle_diameter_px=value)
    assert "longest extent" in str(error.value)
