"""Synthetic particle images: views, noise, contrast transfer, shifts, junk."""

import numpy as np
import pytest

from repic_plugin.classification import contrast_transfer
from repic_plugin.evaluation import score_classes
from repic_plugin.simulation import (
    half_sphere_directions,
    particles,
    phantom_map,
    project_map,
    projections,
    simulate_particles,
)

BOX, PIXEL = 16, 8.0


def simulate(n_views=5, n_per_view=4, *, volume=None, **options):
    usual = {"pixel_size_angstrom": PIXEL, "snr": 0.1, **options}
    return simulate_particles(
        phantom_map(BOX) if volume is None else volume, n_views, n_per_view, **usual
    )


def angle_deg(first, second):
    cosines = np.clip((first * second).sum(axis=-1), -1, 1)
    return np.rad2deg(np.arccos(cosines))


def test_shapes_and_types():
    made = simulate(junk_fraction=0.2)
    assert len(made) == 25
    assert (made.images.shape, made.images.dtype) == ((25, BOX, BOX), np.float32)
    assert (made.view.shape, made.view.dtype) == ((25,), np.int64)
    assert made.euler_deg.shape == (25, 3)
    assert made.shift_px.shape == (25, 2)
    assert len(made.ctf) == 25
    assert made.pixel_size_angstrom == PIXEL


def test_every_view_has_its_images_in_shuffled_order():
    made = simulate(25, 8)
    assert np.bincount(made.view).tolist() == [8] * 25
    assert (np.diff(made.view) != 0).mean() > 0.8


# The benchmark's definition: same-view pairs, each turned away by a normal deviate of 4 degrees
# about two axes, are apart by one of 4 sqrt(2): 1 - exp(-15^2 / (4 x 4^2)) lie within 15 degrees.
@pytest.mark.parametrize("spread, expected", [(4.0, 0.970), (6.0, 0.790)])
def test_pairs_of_one_view_within_15_degrees(spread, expected):
    assert expected == pytest.approx(1 - np.exp(-(15**2) / (4 * spread**2)), abs=5e-4)
    made = simulate(25, 80, spread_deg=spread)
    scores = score_classes(made.view, made.directions(), view=made.view)
    assert scores.pair_fraction == pytest.approx(expected, abs=0.012)
    assert scores.perfect_fraction == scores.pair_fraction


def test_directions_lie_around_their_view():
    made = simulate(25, 80)
    centers = half_sphere_directions(25)
    away = angle_deg(made.directions(), centers[made.view])
    assert np.sqrt((away**2).mean()) == pytest.approx(4 * np.sqrt(2), rel=0.03)
    # in no preferred direction: the mean of a view stays where the view is
    means = np.stack([made.directions()[made.view == v].mean(axis=0) for v in range(25)])
    assert angle_deg(means / np.linalg.norm(means, axis=1)[:, None], centers).max() < 2


def test_without_spread_all_look_along_their_view():
    made = simulate(spread_deg=0)
    assert np.allclose(made.directions(), half_sphere_directions(5)[made.view])


def test_the_angle_in_the_plane_is_uniform():
    psi = simulate(25, 80).euler_deg[:, 2]
    counts = np.histogram(psi, np.linspace(-180, 180, 13))[0]
    assert np.abs(counts - 2000 / 12).max() < 5 * np.sqrt(2000 / 12)


def test_shifts_are_uniform_in_a_disc():
    shift = simulate(25, 80, max_shift_px=3).shift_px
    radius = np.hypot(*shift.T)
    assert radius.max() <= 3
    counts = np.histogram(radius**2, np.linspace(0, 9, 10))[0]  # equal areas
    assert np.abs(counts - 2000 / 9).max() < 5 * np.sqrt(2000 / 9)
    assert np.abs(shift.mean(axis=0)).max() < 0.15
    assert not simulate(max_shift_px=0).shift_px.any()


def test_defocus_is_uniform_in_its_range():
    ctf = simulate(25, 80, defocus_range_angstrom=(12_000, 15_000)).ctf
    counts = np.histogram(ctf.defocus_u_angstrom, np.linspace(12_000, 15_000, 7))[0]
    assert counts.sum() == 2000
    assert np.abs(counts - 2000 / 6).max() < 5 * np.sqrt(2000 / 6)
    assert np.array_equal(ctf.defocus_u_angstrom, ctf.defocus_v_angstrom)
    assert (ctf.voltage_kv == 300).all()
    assert (ctf.spherical_aberration_mm == 2.7).all()
    assert (ctf.amplitude_contrast == 0.1).all()


def test_the_microscope_can_be_chosen():
    ctf = simulate(voltage_kv=200, spherical_aberration_mm=0, amplitude_contrast=0.07).ctf
    assert (ctf.voltage_kv[0], ctf.spherical_aberration_mm[0]) == (200, 0)
    assert ctf.amplitude_contrast[0] == 0.07


# Images


def test_signal_and_noise_have_the_ratio_asked_for():
    signal = simulate(25, 40, snr=None).images
    assert signal.var(axis=(1, 2)).mean() == pytest.approx(1, rel=1e-4)
    noisy = simulate(25, 40, snr=0.1).images
    noise = noisy - signal * np.float32(np.sqrt(0.1))
    assert noise.var() == pytest.approx(1, rel=0.01)
    assert noise.mean() == pytest.approx(0, abs=0.01)
    # white: neighbours know nothing of each other, nor does the next image
    for near in (noise[:, 1:] * noise[:, :-1], noise[..., 1:] * noise[..., :-1]):
        assert abs(near.mean()) < 0.01
    assert abs((noise[1:] * noise[:-1]).mean()) < 0.01


def test_without_noise_ctf_and_shift_they_are_projections():
    volume = phantom_map(BOX)
    made = simulate(snr=None, max_shift_px=0, defocus_range_angstrom=None)
    assert made.ctf is None
    expected = project_map(volume, made.euler_deg)
    expected /= np.sqrt(expected.var(axis=(1, 2)).mean())
    assert np.abs(made.images - expected).max() < 1e-4


def test_the_ctf_is_applied():
    plain, seen = (
        np.fft.rfft2(simulate(snr=None, max_shift_px=0, **options).images)
        for options in ({"defocus_range_angstrom": None}, {})
    )
    ctf = simulate(snr=None).ctf
    x, y = np.fft.rfftfreq(BOX, PIXEL), np.fft.fftfreq(BOX, PIXEL)[:, None]
    expected = plain * contrast_transfer(ctf, x, y)
    scale = np.vdot(expected, seen).real / np.vdot(expected, expected).real
    assert np.abs(seen - scale * expected).max() < 1e-3 * np.abs(seen).max()


def test_the_shift_says_where_the_particle_lies():
    options = {"snr": None, "defocus_range_angstrom": None, "spread_deg": 0}
    ground = np.zeros((32,) * 3, dtype=np.float32)
    ground[16, 16, 16] = 1  # a point at the origin: its image is one wherever it is seen from
    made = simulate(volume=ground, max_shift_px=5, **options)
    grid = np.arange(32) - 16
    peaks = np.clip(made.images, 0.3 * made.images.max(), None)
    peaks -= peaks.min()
    total = peaks.sum(axis=(1, 2))
    found = np.stack([peaks.sum(axis=1) @ grid, peaks.sum(axis=2) @ grid], axis=1)
    assert np.abs(found / total[:, None] - made.shift_px).max() < 0.3


def test_an_odd_map_gives_even_images():
    odd = phantom_map(BOX + 1)
    made = simulate(volume=odd, snr=None)
    cut = simulate(volume=odd[:BOX, :BOX, :BOX], snr=None)
    assert made.images.shape == (20, BOX, BOX)
    assert np.array_equal(made.images, cut.images)


def test_another_box_keeps_the_size_of_the_particle():
    options = {"snr": None, "defocus_range_angstrom": None}
    small, large = simulate(**options), simulate(box_size_px=24, **options)
    inner = large.images[:, 4:20, 4:20]
    assert np.corrcoef(small.images.ravel(), inner.ravel())[0, 1] > 0.99


# Uneven views and junk


def test_uneven_populations():
    made = simulate(100, 40, uneven=1.0)
    sizes = np.bincount(made.view, minlength=100)
    assert sizes.sum() == 4000
    assert np.log(sizes[sizes > 0]).std() == pytest.approx(1, abs=0.25)
    even = np.bincount(simulate(100, 40, uneven=0.0).view, minlength=100)
    assert even.std() == pytest.approx(np.sqrt(40), rel=0.3)  # chance alone


def test_junk_is_noise_alone():
    made = simulate(5, 40, snr=100, junk_fraction=0.2)
    junk = made.view == particles.JUNK
    assert (len(made), junk.sum()) == (250, 50)
    assert np.isnan(made.euler_deg[junk]).all()
    assert np.isnan(made.directions()[junk]).all()
    assert np.isnan(made.shift_px[junk]).all()
    assert np.isfinite(made.euler_deg[~junk]).all()
    assert np.isfinite(made.ctf.defocus_u_angstrom).all()
    assert made.images[junk].var() == pytest.approx(1, rel=0.05)
    assert made.images[~junk].var() > 50
    assert np.flatnonzero(junk).std() > 40  # all over the stack


# Seeds


def test_the_same_seed_gives_the_same_particles(monkeypatch):
    first = simulate(junk_fraction=0.2, uneven=0.5, random_state=3)
    monkeypatch.setattr(projections, "_BLOCK_SAMPLES", 300)  # and so does any batch
    again = simulate(junk_fraction=0.2, uneven=0.5, random_state=3)
    assert np.array_equal(first.images, again.images)
    assert np.array_equal(first.view, again.view)
    assert np.array_equal(first.euler_deg, again.euler_deg, equal_nan=True)
    assert np.array_equal(first.ctf.defocus_u_angstrom, again.ctf.defocus_u_angstrom)


def test_another_seed_gives_others():
    first, second = simulate(random_state=3), simulate(random_state=4)
    assert abs(np.corrcoef(first.images.ravel(), second.images.ravel())[0, 1]) < 0.2
    assert not np.array_equal(first.euler_deg, second.euler_deg)
    assert not np.array_equal(first.shift_px, second.shift_px)
    assert not np.array_equal(first.view, second.view)


def test_more_noise_on_the_same_particles():
    clear, dim = simulate(snr=1.0), simulate(snr=0.01)
    assert np.array_equal(clear.euler_deg, dim.euler_deg)
    assert np.array_equal(clear.shift_px, dim.shift_px)
    signal = simulate(snr=None).images
    assert np.allclose(clear.images - signal, dim.images - 0.1 * signal, atol=1e-4)


def test_progress_is_told(monkeypatch):
    monkeypatch.setattr(projections, "_BLOCK_SAMPLES", 500)
    told = []
    simulate(junk_fraction=0.5, progress=lambda *counts: told.append(counts))
    assert len(told) > 2
    assert told[-1] == (20, 20)
    assert told == sorted(told)


@pytest.mark.parametrize(
    "options, words",
    [
        ({"n_views": 0}, "n_views must be a whole number, 1 or more, got 0"),
        ({"n_per_view": 0}, "n_per_view must be a whole number, 1 or more, got 0"),
        ({"pixel_size_angstrom": 0}, "pixel_size_angstrom must be positive"),
        ({"snr": 0}, "snr must be positive"),
        ({"snr": np.nan}, "snr must be positive"),
        ({"box_size_px": 4}, "box_size_px must be a whole number of px, 8 or more, got 4"),
        ({"spread_deg": -1}, "spread_deg must be 0 or more"),
        ({"max_shift_px": -1}, "max_shift_px must be 0 or more"),
        ({"max_shift_px": 9}, "max_shift_px must not exceed half of the box, 8, got 9"),
        ({"defocus_range_angstrom": (2e4, 1e4)}, "defocus_range_angstrom must be finite, the low"),
        ({"voltage_kv": 0}, "voltage_kv must be positive"),
        ({"uneven": -1}, "uneven must be 0 or more"),
        ({"junk_fraction": 1}, r"junk_fraction must lie in \[0, 1\), got 1"),
        ({"junk_fraction": 20}, "give a fraction, not a percentage"),
        ({"random_state": -1}, "random_state must be a whole number, 0 or more"),
    ],
    ids=str,
)
def test_bad_value(options, words):
    with pytest.raises(ValueError, match=words) as error:
        simulate(**options)
    assert "\n" not in str(error.value)
