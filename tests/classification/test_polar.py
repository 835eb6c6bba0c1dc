"""Polar rings: against the exact transforms of round Gaussians, and against finer rings."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from repic_plugin.classification.polar import FIRST_RING, PolarGrid, polar_grid
from tests.classification.pictures import matrix, onto, scene, transform

BOX = 64


def grid_of(box=BOX, last_ring=12, diameter=40.0):
    return polar_grid(box, last_ring, diameter)


def harmonics(grid, *pictures):
    samples = np.stack([transform(picture, *grid.frequencies()) for picture in pictures])
    return grid.coefficients(samples.astype(np.complex64))


def random_coefficients(grid, n, seed=0):
    """Of real images: those of order 0 are real."""
    parts = np.random.default_rng(seed).standard_normal((2, n, grid.n_coefficients))
    parts[1][:, grid.order == 0] = 0
    return (parts[0] + 1j * parts[1]).astype(np.complex64)


def close(first, second, tolerance):
    return np.linalg.norm(first - second) < tolerance * np.linalg.norm(second)


layouts = st.tuples(st.integers(16, 300), st.integers(3, 60), st.floats(0.05, 0.9)).map(
    lambda three: (three[0], min(three[1], three[0] // 2 - 2), three[0] * three[2])
)


@given(layouts)
def test_the_layout_is_one_of_rings_and_orders(layout):
    box, last_ring, diameter = layout
    grid = polar_grid(*layout)
    assert grid.rings.tolist() == list(range(FIRST_RING, last_ring + 1))
    assert grid.n_angles % 4 == 0
    assert grid.starts[0] == 0
    assert grid.starts[-1] == grid.n_coefficients == len(grid.ring) == len(grid.scale)
    pairs = [
        (m, i)
        for m in range(grid.n_orders)
        for i, r in enumerate(grid.rings)
        if m <= np.pi * r * diameter / box + 2
    ]
    assert list(zip(grid.order.tolist(), grid.ring.tolist())) == pairs
    for m in range(grid.n_orders):
        assert (grid.order[grid.starts[m] : grid.starts[m + 1]] == m).all()
    assert grid.n_angles > 2 * (grid.n_orders - 1)  # each order has a place of its own


@given(layouts, st.integers(0, 100))
def test_samples_and_coefficients_are_inverse(layout, seed):
    grid = polar_grid(*layout)
    kept = random_coefficients(grid, 2, seed)
    samples = grid.samples(kept)
    assert samples.shape == (2, len(grid.rings), grid.n_angles // 2)
    assert samples.dtype == np.complex64
    assert close(grid.coefficients(samples), kept, 1e-5)


def test_nothing_given_is_changed():
    grid = grid_of()
    kept = random_coefficients(grid, 3)
    before = kept.copy()
    samples = grid.samples(kept)
    again = samples.copy()
    grid.coefficients(samples)
    grid.power(kept)
    assert np.array_equal(kept, before)
    assert np.array_equal(samples, again)


@pytest.mark.parametrize("box", [64, 65])
@pytest.mark.parametrize("rotation_deg", [10.0, 90.0, -133.0])
def test_turned_content_has_another_phase(box, rotation_deg):
    grid = grid_of(box)
    here = scene(1)
    before, after = harmonics(grid, here, onto(here, rotation_deg))
    expected = before * np.exp(-1j * grid.order * np.deg2rad(rotation_deg))
    assert close(after, expected, 1e-3)
    assert not close(after, expected.conj(), 0.5)


def test_mirrored_content_is_conjugate():
    grid = grid_of()
    here = scene(2)
    before, after = harmonics(grid, here, onto(here, mirror=True))
    assert close(after, before.conj(), 1e-4)
    assert not close(after, before, 0.5)


@pytest.mark.parametrize("shift", [(3.0, 0.0), (0.0, -2.5), (-1.25, 2.0)])
def test_moved_content_has_samples_of_another_phase(shift):
    grid = grid_of()
    here = scene(3)
    before, after = (
        transform(picture, *grid.frequencies()) for picture in (here, onto(here, shift_px=shift))
    )
    phases = grid.shift_phases(np.array([shift, (0, 0)]))
    assert phases.shape == (2, len(grid.rings), grid.n_angles // 2)
    assert phases.dtype == np.complex64
    assert close(before * phases[0], after, 1e-5)
    assert np.allclose(phases[1], 1)


@given(st.floats(-20, 20), st.floats(-20, 20), st.integers(16, 128))
def test_shifts_there_and_back(x, y, box):
    grid = polar_grid(box, 6, box / 2)
    there, back = grid.shift_phases(np.array([(x, y), (-x, -y)]))
    assert np.allclose(there * back, 1, atol=1e-4)


def rotations_commute(grid, here, angle, shift):
    """Turned by its phase, then moved by the turned shift."""
    samples = grid.samples(harmonics(grid, here) * np.exp(-1j * grid.order * angle))
    turned = matrix(np.rad2deg(angle)) @ shift
    return grid.coefficients((samples * grid.shift_phases(turned[None])).astype(np.complex64))


def test_first_turned_then_moved_is_first_moved_then_turned():
    grid, shift, angle = grid_of(), np.array([2.0, -1.0]), 0.7
    here = scene(4)
    expected = harmonics(grid, onto(here, np.rad2deg(angle), shift))
    assert close(rotations_commute(grid, here, angle, shift), expected, 5e-3)


def band(box, first, last, fine=8):
    """Frequencies (1 / px) of a fine square lattice within a ring, and the area of each."""
    along = np.arange(-box * fine // 2, box * fine // 2) / (box * fine)
    x, y = np.meshgrid(along, along)
    radius = np.hypot(x, y) * box
    inside = (radius >= first) & (radius < last)
    return x[inside], y[inside], 1 / (box * fine) ** 2


@pytest.mark.parametrize("box, last_ring", [(64, 12), (65, 20), (48, 8)])
def test_inner_products_are_those_of_the_images_in_the_band(box, last_ring):
    grid = grid_of(box, last_ring, 36.0)
    pictures = [scene(seed, radius_px=8.0) for seed in range(3)]
    found = harmonics(grid, *pictures)
    x, y, area = band(box, FIRST_RING - 0.5, last_ring + 0.5)
    exact = np.stack([transform(picture, x, y) for picture in pictures])
    expected = (exact @ exact.conj().T).real * area
    products = (found @ found.conj().T).real
    assert np.allclose(products, expected, atol=0.03 * expected.max())
    assert np.allclose(grid.power(found).sum(axis=1), np.diag(products), rtol=1e-4)


def test_power_of_each_ring():
    grid = grid_of(last_ring=5)
    kept = random_coefficients(grid, 4)
    expected = [[np.sum(np.abs(row[grid.ring == i]) ** 2) for i in range(4)] for row in kept]
    assert np.allclose(grid.power(kept), expected, rtol=1e-5)
    assert grid.power(kept).dtype == np.float32
    assert grid.power(kept[:0]).shape == (0, 4)


def noise_in_a_disc(box, diameter, seed=0):
    """The transform at any frequency of white noise in a disc, pixel by pixel."""
    along = np.arange(box) - box // 2
    y, x = np.nonzero(np.hypot(along[:, None], along) <= diameter / 2)
    values = np.random.default_rng(seed).standard_normal(len(x))

    def at(frequency_x, frequency_y):
        turns = np.multiply.outer(frequency_x, x - box // 2)
        turns += np.multiply.outer(frequency_y, y - box // 2)
        return np.exp(-2j * np.pi * turns) @ values

    return at


# Noise up to the border of the mask is the worst content that there can be.
@settings(max_examples=20)
@given(st.integers(24, 64), st.integers(3, 24), st.floats(0.15, 0.84))
def test_angles_and_orders_are_enough(box, last_ring, part):
    diameter = part * box
    grid = polar_grid(box, min(last_ring, box // 2 - 2), diameter)
    fine = dataclasses.replace(grid, n_angles=4 * grid.n_angles)
    noise = noise_in_a_disc(box, diameter)
    coarse_samples, fine_samples = (
        noise(*g.frequencies())[None].astype(np.complex64) for g in (grid, fine)
    )
    exact = fine.coefficients(fine_samples)
    assert close(grid.coefficients(coarse_samples), exact, 0.06)
    # what all orders together would hold: the mean square on each ring
    whole = np.mean(np.abs(fine_samples[0]) ** 2, axis=1) * 2 * np.pi * grid.rings / box**2
    assert np.linalg.norm(exact) ** 2 > 0.97 * whole.sum()


def test_a_grid_of_one_ring():
    grid = polar_grid(16, FIRST_RING, 1.0)
    assert isinstance(grid, PolarGrid)
    assert grid.rings.tolist() == [FIRST_RING]
    assert close(grid.coefficients(grid.samples(random_coefficients(grid, 1))),
                 random_coefficients(grid, 1), 1e-5)  # fmt: skip
