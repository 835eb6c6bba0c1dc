"""Sizes in proportion to the particle, whatever the pixel size; and what does not fit."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from repic_plugin.classification import particle_sizes
from repic_plugin.classification.correlation import shift_grid
from repic_plugin.classification.course import Course, CourseSettings
from repic_plugin.classification.preparation import prepare_images
from tests.classification.particles import layout, particles

boxes = st.integers(32, 400).map(lambda half: 2 * half)


@given(boxes, st.floats(0.5, 8), st.floats(0.2, 1))
def test_the_mask_follows_the_particle_and_fits_the_box(box, pixel_size, part):
    diameter = part * box * pixel_size
    sizes = particle_sizes(box, pixel_size, particle_diameter_angstrom=diameter)
    assert sizes.mask_diameter_px == pytest.approx(min(1.1 * part, 0.84) * box)
    assert sizes.mask_diameter_px + 2 * sizes.edge_px <= box
    assert sizes.max_shift_px == box / 16


@given(boxes, st.floats(0.5, 8), st.floats(0.2, 0.8))
def test_no_default_is_finer_than_4_px_or_coarser_than_27_angstrom(box, pixel_size, part):
    sizes = particle_sizes(box, pixel_size, particle_diameter_angstrom=part * box * pixel_size)
    rounding = 0.55 * sizes.resolution_angstrom / sizes.n_rings
    assert sizes.resolution_angstrom >= 4 * pixel_size - rounding
    limit = max(27.0, 4 * pixel_size)
    assert sizes.n_rings == 4 or sizes.resolution_angstrom <= limit + 1.1 * rounding


@given(st.integers(2, 6))
def test_finer_pixels_change_no_size_in_angstrom(factor):
    coarse = particle_sizes(64, 5.0, particle_diameter_angstrom=230)
    fine = particle_sizes(64 * factor, 5.0 / factor, particle_diameter_angstrom=230)
    assert fine.n_rings == coarse.n_rings
    assert fine.mask_diameter_px == pytest.approx(factor * coarse.mask_diameter_px)
    assert fine.max_shift_px == factor * coarse.max_shift_px
    assert fine.resolution_angstrom == pytest.approx(coarse.resolution_angstrom)


def test_what_is_given_stays():
    given_sizes = {"mask_diameter_px": 30.0, "n_rings": 7, "max_shift_px": 2.5}
    sizes = particle_sizes(64, 5.0, particle_diameter_angstrom=100.0, **given_sizes)
    assert {name: getattr(sizes, name) for name in given_sizes} == given_sizes
    assert "100 Å (given)" in str(sizes)
    assert "not visible" in str(particle_sizes(64, 5.0))


def test_a_particle_larger_than_its_box_is_refused():
    with pytest.raises(ValueError, match="must not exceed the box, 320 Å, got 400"):
        particle_sizes(64, 5.0, particle_diameter_angstrom=400.0)
    with pytest.raises(ValueError, match="particle_diameter_angstrom must be positive"):
        particle_sizes(64, 5.0, particle_diameter_angstrom=0.0)


@pytest.mark.parametrize("max_shift_px", [0.5, 1.0, 2.0, 4.0])
def test_the_search_is_never_coarser_than_its_range(max_shift_px):
    found = particles(2, 4, 1.0)
    grid, radius, edge = layout(32, 4)  # 4 rings of 32 px: steps of 3 px
    images = prepare_images(found.images, grid, mask_radius_px=radius, mask_edge_px=edge)
    course = Course(images, CourseSettings(2, max_shift_px=max_shift_px))
    assert len(course.global_shifts) > 1
    assert len(shift_grid(0.0, 3.0)) == 1  # none is asked for, none is searched
