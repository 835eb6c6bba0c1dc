"""Synthetic micrographs of a map: what lies where, how noisy, through which lens."""

import numpy as np
import pytest
from scipy import fft, stats
from scipy.signal import fftconvolve
from scipy.spatial.distance import cdist, pdist

from repic_plugin.simulation import (
    map_diameter,
    phantom_map,
    project_map,
    rotation_matrices,
    simulate_exposures,
)

BOX, PIXEL = 24, 8.0
SIZE = (260, 220)  # width, height
PLAIN = {"snr": None, "n_junk": 0, "gradient": 0, "defocus_range_angstrom": None}


def expose(n=1, *, volume=None, **options):
    usual = {"pixel_size_angstrom": PIXEL, "n_particles": 12, "micrograph_size_px": SIZE}
    chosen = phantom_map(BOX) if volume is None else volume
    return list(simulate_exposures(chosen, n, **{**usual, **options}))


def boxes(exposure, image=None):
    """The pixels of every box."""
    side = exposure.box_size_px
    corners = np.rint(exposure.centers - side / 2).astype(int)
    shown = exposure.micrograph if image is None else image
    return np.stack([shown[y : y + side, x : x + side] for x, y in corners])


def test_shapes_and_types():
    (one,) = expose()
    assert (one.micrograph.shape, one.micrograph.dtype) == (SIZE[::-1], np.float32)
    assert one.centers.shape == (12, 2)
    assert one.euler_deg.shape == (12, 3)
    assert one.junk_centers.shape == (3, 2)
    assert one.junk_radius_px.shape == (3,)
    assert len(one.ctf) == 1
    assert (one.pixel_size_angstrom, one.box_size_px) == (PIXEL, BOX)
    assert np.isfinite(one.micrograph).all()


# Places and orientations


def peak(picture, template):
    """Where the template's origin fits best, x, y in the picture's own pixels."""
    found = fftconvolve(picture, template[::-1, ::-1])  # pixel (n - 1) is lag 0
    row, column = np.unravel_index(found.argmax(), found.shape)
    near = found[row - 1 : row + 2, column - 1 : column + 2]

    def top(low, middle, high):  # of a parabola
        return (low - high) / (2 * (low - 2 * middle + high))

    lag = np.array([column + top(*near[1]), row + top(*near[:, 1])]) - (len(template) - 1)
    return lag + len(template) // 2


def test_every_particle_lies_at_its_centre():
    (one,) = expose(**PLAIN)
    projections = project_map(phantom_map(BOX), one.euler_deg)
    for (x, y), projection in zip(one.centers, projections):
        left, top = int(x) - BOX // 2, int(y) - BOX // 2
        seen = -one.micrograph[top : top + BOX, left : left + BOX]
        place = peak(seen, projection) + (left, top) + 0.5  # the middle of a pixel
        assert np.hypot(*(place - (x, y))) < 0.15


@pytest.mark.parametrize("scale", [1.0, 0.5, 0.6180, 1.3])
def test_a_ball_lies_where_rotation_and_pixel_size_put_it(scale):
    offset = np.array([6.0, -4.0, 3.0])  # x, y, z, in voxels
    z, y, x = np.mgrid[:33, :33, :33] - 16.0
    squares = (x - offset[0]) ** 2 + (y - offset[1]) ** 2 + (z - offset[2]) ** 2
    ball = np.exp(-squares / (2 * 2.5**2))
    (one,) = expose(
        volume=ball, n_particles=9, micrograph_pixel_size_angstrom=PIXEL / scale, **PLAIN
    )
    expected = one.centers + scale * (rotation_matrices(one.euler_deg)[:, :2] @ offset)
    height, width = one.micrograph.shape
    columns, rows = np.arange(width) + 0.5, np.arange(height)[:, None] + 0.5
    for x, y in expected:
        near = -one.micrograph * (np.hypot(columns - x, rows - y) < 4 * 2.5 * scale)
        place = np.array([(near * columns).sum(), (near * rows).sum()]) / near.sum()
        assert np.hypot(*(place - (x, y))) < 0.1 * scale
    assert one.pixel_size_angstrom == PIXEL / scale
    assert one.box_size_px == np.ceil(33 * scale) // 2 * 2


@pytest.mark.parametrize("before, after", [(64, 24), (25, 40)])
def test_a_resampled_map_is_the_same_molecule(before, after):
    usual = {**PLAIN, "n_particles": 1, "min_distance_px": 60, "box_size_px": 24}
    fine = {"pixel_size_angstrom": PIXEL * after / before, "micrograph_pixel_size_angstrom": PIXEL}
    (resampled,) = expose(volume=phantom_map(before), **usual, **fine)
    (drawn,) = expose(volume=phantom_map(after), **usual)
    likeness = np.corrcoef(resampled.micrograph.ravel(), drawn.micrograph.ravel())[0, 1]
    assert likeness > 0.995


def test_orientations_are_uniform_over_all_rotations():
    small = {"volume": phantom_map(8), "n_particles": 200}
    euler = np.concatenate([one.euler_deg for one in expose(8, **small, **PLAIN)])
    for values, low, high in (
        (euler[:, 0], -180, 180),
        (np.cos(np.deg2rad(euler[:, 1])), -1, 1),
        (euler[:, 2], -180, 180),
    ):
        assert stats.kstest(values, "uniform", (low, high - low)).pvalue > 0.01


def test_particles_do_not_overlap_and_their_boxes_are_inside():
    diameter = map_diameter(phantom_map(BOX))
    for one in expose(4, n_particles=40):
        assert pdist(one.centers).min() >= 1.05 * diameter
        assert one.centers.min() >= BOX / 2
        assert (one.centers <= np.array(SIZE) - BOX / 2).all()


def test_the_distance_can_be_chosen():
    apart = [pdist(one.centers).min() for one in expose(4, min_distance_px=30)]
    assert min(apart) >= 30
    assert min(apart) < 33


def test_the_box_can_be_chosen():
    for side in (16, 60):
        (one,) = expose(box_size_px=side, snr=None, n_junk=0, gradient=0, n_particles=5)
        assert one.box_size_px == side
        assert one.centers.min() >= side / 2
        assert boxes(one).var(axis=(1, 2)).mean() == pytest.approx(1, rel=1e-4)


@pytest.mark.parametrize("radius", [4, 7])
def test_the_diameter_of_a_ball(radius):
    z, y, x = np.mgrid[:BOX, :BOX, :BOX] - BOX // 2
    ball = x**2 + y**2 + z**2 <= radius**2
    assert map_diameter(ball) == pytest.approx(2 * radius, abs=0.5)


def test_solvent_is_not_drawn():
    volume = phantom_map(BOX)
    z, y, x = np.mgrid[:BOX, :BOX, :BOX] - BOX // 2
    outside = np.sqrt(x**2 + y**2 + z**2) >= BOX / 2
    ripples = np.where(outside, np.where((x + y + z) % 2 == 0, 0.3, -0.3), 0)
    ripples[outside] -= ripples[outside].mean()
    (clean,) = expose(volume=volume, **PLAIN)
    for changed in (volume + 5, volume * 3, volume + ripples):
        (one,) = expose(volume=changed, **PLAIN)
        assert np.allclose(one.micrograph, clean.micrograph, atol=2e-3)


# Noise, ice, contrast


def test_signal_and_noise_have_the_ratio_asked_for():
    usual = {"n_junk": 0, "gradient": 0}
    signals = expose(3, snr=None, **usual)
    for signal, noisy in zip(signals, expose(3, snr=0.08, **usual)):
        assert np.array_equal(signal.centers, noisy.centers)
        noise = noisy.micrograph - signal.micrograph
        ratio = boxes(signal).var(axis=(1, 2)).mean() / noise.var()
        assert ratio == pytest.approx(0.08, rel=0.02)
        assert abs(noise.mean()) < 0.05
        for near in (noise[:, 1:] * noise[:, :-1], noise[1:] * noise[:-1]):  # white
            assert abs(near.mean() / noise.var()) < 0.02


def test_another_snr_gives_the_same_particles_and_the_same_noise():
    usual = {"n_junk": 0, "gradient": 0}
    (none,), (weak,), (strong,) = (expose(snr=snr, **usual) for snr in (None, 0.04, 0.16))
    weak_noise, strong_noise = (one.micrograph - none.micrograph for one in (weak, strong))
    assert np.allclose(weak_noise, 2 * strong_noise, atol=1e-4)


def test_ice_changes_slowly_and_as_much_as_asked_for():
    images = [one.micrograph for one in expose(4, **{**PLAIN, "gradient": 0.7}, n_particles=0)]
    for image in images:
        assert image.std() == pytest.approx(0.7, rel=1e-4)
        assert max(np.abs(np.diff(image, axis=axis)).max() for axis in (0, 1)) < 0.1
    assert np.abs(images[0] - images[1]).max() > 0.7


def test_the_ice_leaves_particles_and_noise_as_they_are():
    (flat,), (wavy,) = (expose(gradient=gradient) for gradient in (0, 0.7))
    (ice,) = expose(**{**PLAIN, "gradient": 0.7}, n_particles=0)
    assert np.allclose(wavy.micrograph - flat.micrograph, ice.micrograph, atol=1e-4)


@pytest.mark.parametrize("defocus", [None, (15_000, 15_000)])
def test_particles_are_dark_on_light(defocus):
    (one,) = expose(**{**PLAIN, "defocus_range_angstrom": defocus})
    height, width = one.micrograph.shape
    pixels = np.stack(np.mgrid[:height, :width][::-1], axis=-1).reshape(-1, 2) + 0.5
    distance = cdist(pixels, one.centers).min(axis=1)
    values = one.micrograph.ravel()
    assert values[distance < 6].mean() < values[distance > BOX / 2].mean() - 0.2


def test_a_micrograph_without_particles():
    (one,) = expose(n_particles=0)
    assert one.centers.shape == (0, 2)
    assert one.micrograph.std() == pytest.approx(0.08**-0.5, rel=0.2)


# Contrast transfer

WAVELENGTH = 0.0196875  # of electrons at 300 kV, angstrom


def ctf_by_the_book(shape, defocus_angstrom, pixel):
    """Of 300 kV, Cs 2.7 mm, amplitude contrast 0.1, with particles white."""
    y, x = (fft.fftfreq(side, pixel) for side in shape)
    squared = x**2 + y[:, None] ** 2
    spherical = 2.7e7 * WAVELENGTH**2 * squared / 2
    return np.sin(np.pi * WAVELENGTH * squared * (defocus_angstrom - spherical) + np.arcsin(0.1))


def test_the_ctf_of_each_micrograph_is_in_its_signal():
    usual = {"snr": None, "n_junk": 0, "gradient": 0}
    plain = expose(3, **PLAIN)
    for before, after in zip(plain, expose(3, **usual)):
        room = 100
        padded = np.pad(before.micrograph, room)
        ctf = ctf_by_the_book(padded.shape, after.ctf.defocus_u_angstrom[0], PIXEL)
        expected = fft.ifft2(fft.fft2(padded) * ctf).real[room:-room, room:-room]
        expected /= boxes(after, expected).var(axis=(1, 2)).mean() ** 0.5
        assert np.allclose(after.micrograph, expected, atol=0.02)


def ring_power(image):
    """Mean power of a square image at frequencies of 0, 1, 2 ... / side."""
    side = len(image)
    spectrum = fft.fft2(image * np.outer(np.hanning(side), np.hanning(side)))
    x = fft.fftfreq(side, 1 / side)
    ring = np.rint(np.hypot(x, x[:, None])).astype(int).ravel()
    return np.bincount(ring, np.abs(spectrum.ravel()) ** 2) / np.bincount(ring)


def test_the_zeros_of_the_ctf_can_be_seen():
    side, pixel, defocus = 400, 5.0, 20_000
    usual = {"volume": phantom_map(32), "pixel_size_angstrom": pixel, "n_particles": 20}
    usual = {**PLAIN, **usual, "micrograph_size_px": (side, side)}
    (before,) = expose(**usual)
    (after,) = expose(**{**usual, "defocus_range_angstrom": (defocus, defocus)})
    before, after = (ring_power(one.micrograph) for one in (before, after))
    # where the phase is pi; the aberration is small here
    zero = np.sqrt((1 - np.arcsin(0.1) / np.pi) / (WAVELENGTH * defocus)) * side * pixel
    first = int(zero) - 15
    passed = (after / before)[first : first + 30]
    assert first + passed.argmin() == pytest.approx(zero, abs=1.5)
    assert passed.min() < 0.02 * passed.max()


def test_the_defocus_is_uniform_in_its_range_and_the_microscope_can_be_chosen():
    found = expose(
        60,
        volume=phantom_map(8),
        micrograph_size_px=(32, 32),
        n_particles=1,
        n_junk=0,
        defocus_range_angstrom=(12_000, 15_000),
        voltage_kv=200,
        spherical_aberration_mm=1.2,
        amplitude_contrast=0.07,
    )
    defocus = np.array([one.ctf.defocus_u_angstrom[0] for one in found])
    assert stats.kstest(defocus, "uniform", (12_000, 3_000)).pvalue > 0.01
    (ctf,) = {tuple(map(float, np.ravel(list(one.ctf.columns())[3:]))) for one in found}
    assert ctf == (200, 1.2, 0.07, 0)


# Junk


def test_junk_is_where_it_is_said_to_be():
    distances = np.stack(np.mgrid[: SIZE[1], : SIZE[0]][::-1], axis=-1).reshape(-1, 2) + 0.5
    sizes, signs = [], []
    for one in expose(12, **{**PLAIN, "n_junk": 4}, n_particles=0):
        away = cdist(distances, one.junk_centers) - one.junk_radius_px
        values = one.micrograph.ravel()
        assert not values[(away > 1).all(axis=1)].any()
        assert (np.abs(values[(away < -0.5 * one.junk_radius_px).any(axis=1)]) >= 1.5).all()
        assert pdist(one.junk_centers).min() >= one.junk_radius_px.max() * 2
        assert (one.junk_centers >= 0).all()
        assert (one.junk_centers <= SIZE).all()
        x, y = np.minimum(one.junk_centers.astype(int), np.array(SIZE) - 1).T
        sizes += one.junk_radius_px.tolist()
        signs += np.sign(one.micrograph[y, x]).tolist()
    radius = map_diameter(phantom_map(BOX)) / 2
    assert 0 < np.mean(np.array(sizes) > radius) < 1  # larger than a particle, and small spots
    assert set(signs) == {-1.0, 1.0}


def test_particles_keep_clear_of_junk():
    spacing = 1.05 * map_diameter(phantom_map(BOX))
    for one in expose(8, n_junk=4, n_particles=25):
        gap = cdist(one.centers, one.junk_centers) - one.junk_radius_px
        assert gap.min() > 0.98 * spacing


def test_without_junk_there_is_none():
    (one,) = expose(**PLAIN, n_particles=0)
    assert one.junk_centers.shape == (0, 2)
    assert not one.micrograph.any()


# Seeds


def same(first, second):
    return all(
        np.array_equal(getattr(first, name), getattr(second, name))
        for name in ("micrograph", "centers", "euler_deg", "junk_centers", "junk_radius_px")
    )


def test_the_same_seed_gives_the_same_micrographs():
    first, again, other = (expose(2, random_state=seed) for seed in (3, 3, 4))
    assert all(map(same, first, again))
    assert not any(map(same, first, other))
    assert not same(*first)


def test_more_micrographs_leave_the_first_as_they_were():
    few, more = expose(2), expose(5)
    assert all(map(same, few, more))
    assert [a.ctf.defocus_u_angstrom[0] for a in few] == [
        b.ctf.defocus_u_angstrom[0] for b in more[:2]
    ]


# Bad input


@pytest.mark.parametrize(
    "options, message",
    [
        ({"volume": np.zeros((8, 8, 9))}, "volume must be a cube"),
        ({"volume": np.ones((8, 8, 8))}, "volume must vary"),
        ({"n": 0}, "n_micrographs must be a whole number, 1 or more, got 0"),
        ({"n_particles": -1}, "n_particles must be .* 0 or more, got -1"),
        ({"n_particles": 2.5}, "n_particles must be a whole number"),
        ({"pixel_size_angstrom": 0}, "pixel_size_angstrom must be positive.*angstrom"),
        ({"micrograph_pixel_size_angstrom": np.nan}, "micrograph_pixel_size_angstrom must be pos"),
        ({"micrograph_pixel_size_angstrom": 40}, "must leave the map 8 px or more .* got 5"),
        ({"micrograph_size_px": (0, 9)}, "micrograph_size_px must be two positive"),
        ({"micrograph_size_px": (300, 20)}, r"box_size_px must not exceed .*\(300, 20\), got 24"),
        ({"box_size_px": 3}, "box_size_px must be a whole number of px, 4 or more, got 3"),
        ({"min_distance_px": 5}, "min_distance_px must be the particle's diameter, .* got 5"),
        ({"min_distance_px": np.nan}, "min_distance_px must be"),
        ({"snr": 0}, "snr must be positive and finite, got 0"),
        ({"defocus_range_angstrom": (2e4, 1e4)}, "defocus_range_angstrom must be .* lower first"),
        ({"voltage_kv": 0}, "voltage_kv must be positive"),
        ({"amplitude_contrast": 10}, r"amplitude_contrast must be in \[0, 1\]"),
        ({"n_junk": -1}, "n_junk must be .* 0 or more"),
        ({"gradient": -1}, "gradient must be 0 or more and finite, got -1"),
        ({"random_state": -1}, "random_state must be .* got -1"),
    ],
)
def test_bad_arguments_are_told_before_anything_is_drawn(options, message):
    usual = {"volume": phantom_map(BOX), "pixel_size_angstrom": PIXEL, "n": 1}
    arguments = {**usual, "micrograph_size_px": SIZE, **options}
    with pytest.raises(ValueError, match=message):
        simulate_exposures(arguments.pop("volume"), arguments.pop("n"), **arguments)


@pytest.mark.parametrize("name", ["n_particles", "n_junk"])
def test_what_does_not_fit(name):
    with pytest.raises(ValueError, match=f"{name} must fit into the micrograph, got 900"):
        expose(**{name: 900})
