"""The contrast transfer function: hand numbers, a slow oracle, RELION."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from repic_plugin.classification import CtfParameters, contrast_transfer, ctf
from tests.relion import relion_project

USUAL = {"voltage_kv": 300, "spherical_aberration_mm": 2.7, "amplitude_contrast": 0.1}


def one(defocus_u, defocus_v=None, angle=0.0, **changes):
    return CtfParameters.from_columns(defocus_u, defocus_v, angle, **{**USUAL, **changes})


def slow(defocus_u, defocus_v, angle_deg, kv, cs_mm, contrast, phase_deg, x, y):
    """One value, written as in the textbook."""
    volts = kv * 1e3
    wavelength = 12.2643247 / math.sqrt(volts * (1 + volts * 0.978466e-6))  # as RELION has it
    s = math.hypot(x, y)
    turn = math.atan2(y, x) - math.radians(angle_deg)
    defocus = (defocus_u + defocus_v) / 2 + (defocus_u - defocus_v) / 2 * math.cos(2 * turn)
    phase = math.pi * wavelength * defocus * s**2
    phase -= math.pi / 2 * cs_mm * 1e7 * wavelength**3 * s**4
    return math.sin(phase + math.radians(phase_deg) + math.asin(contrast))


@pytest.mark.parametrize("kv, angstrom", [(100, 0.037014), (200, 0.025079), (300, 0.019687)])
def test_wavelength(kv, angstrom):
    assert ctf.electron_wavelength_angstrom(kv) == pytest.approx(angstrom, abs=1e-6)


def test_a_value_worked_out_by_hand():
    # lambda = 0.0196875: defocus pi x 0.0196875 x 15000 x 0.0025 = 2.31936, aberration
    # pi / 2 x 2.7e7 x 7.6308e-6 x 6.25e-6 = 0.00202, amplitude contrast asin(0.1) = 0.10017
    value = contrast_transfer(one(15_000), 0.03, 0.04)
    assert value == pytest.approx(math.sin(2.31936 - 0.00202 + 0.10017), abs=1e-4)


def test_at_frequency_0_only_the_amplitude_contrast_is_left():
    assert contrast_transfer(one(15_000), 0.0, 0.0) == pytest.approx(0.1)
    shifted = contrast_transfer(one(15_000, phase_shift_deg=90.0), 0.0, 0.0)
    assert shifted == pytest.approx(math.sqrt(1 - 0.01))


def test_first_zero_without_aberration_and_amplitude_contrast():
    pure = one(20_000, spherical_aberration_mm=0.0, amplitude_contrast=0.0)
    zero = 1 / math.sqrt(float(ctf.electron_wavelength_angstrom(300)) * 20_000)
    below, at, above = contrast_transfer(pure, np.array([0.99, 1.0, 1.01]) * zero, 0.0)[0]
    assert below > 0.01
    assert at == pytest.approx(0, abs=1e-12)
    assert above < -0.01


def test_under_focus_is_positive_at_low_frequency_and_over_focus_turns_it():
    low = np.linspace(0.001, 0.02, 20)
    assert (contrast_transfer(one(10_000), low, 0.0) > 0).all()
    assert (contrast_transfer(one(-10_000, amplitude_contrast=0.0), low, 0.0) < 0).all()


def test_astigmatism_has_its_two_defoci_along_its_two_axes():
    s, astigmatic = 0.06, one(20_000, 14_000, 30.0)
    turn = np.deg2rad([30, 120, 75])
    along_u, along_v, between = contrast_transfer(astigmatic, s * np.cos(turn), s * np.sin(turn))[0]
    assert along_u == pytest.approx(contrast_transfer(one(20_000), s, 0.0)[0])
    assert along_v == pytest.approx(contrast_transfer(one(14_000), s, 0.0)[0])
    assert between == pytest.approx(contrast_transfer(one(17_000), s, 0.0)[0])


defoci = st.floats(-5_000, 40_000)
angles = st.floats(-180, 180)
frequencies = st.floats(-0.2, 0.2)


@given(
    defoci, defoci, angles, st.floats(80, 300), st.floats(0, 3), st.floats(0, 1), angles,
    frequencies, frequencies,
)  # fmt: skip
def test_as_the_slow_one(u, v, angle, kv, cs, contrast, phase, x, y):
    columns = CtfParameters.from_columns(
        u,
        v,
        angle,
        voltage_kv=kv,
        spherical_aberration_mm=cs,
        amplitude_contrast=contrast,
        phase_shift_deg=phase,
    )
    expected = slow(u, v, angle, kv, cs, contrast, phase, x, y)
    # the constants differ in the sixth digit, and phases reach 250
    assert contrast_transfer(columns, x, y)[0] == pytest.approx(expected, abs=5e-3)
    assert contrast_transfer(columns, -x, -y)[0] == pytest.approx(
        contrast_transfer(columns, x, y)[0], abs=1e-9
    )


def many(n=7):
    rng = np.random.default_rng(0)
    u = rng.uniform(10_000, 25_000, n)
    return one(u, u - rng.uniform(0, 4_000, n), rng.uniform(-90, 90, n), phase_shift_deg=20.0)


def grid(box=32, pixel=5.0):
    return np.fft.rfftfreq(box, pixel), np.fft.fftfreq(box, pixel)[:, None]


def test_each_particle_has_its_own():
    values = contrast_transfer(many(), *grid())
    assert values.shape == (7, 32, 17)
    assert values.dtype == np.float64
    for i in range(7):
        alone = contrast_transfer(many().take(slice(i, i + 1)), *grid())
        assert np.allclose(values[i], alone[0], atol=1e-12)


def test_any_shape_of_frequencies():
    x, y = grid()
    full = contrast_transfer(many(), x, y)
    flat = contrast_transfer(many(), *(a.ravel() for a in np.broadcast_arrays(x, y)))
    assert flat.shape == (7, 32 * 17)
    assert np.array_equal(flat, full.reshape(7, -1))
    assert contrast_transfer(many(), 0.01, 0.02).shape == (7,)
    assert contrast_transfer(many(), np.zeros(0), 0.0).shape == (7, 0)


def test_single_precision_is_close():
    exact, rough = (contrast_transfer(many(), *grid(), dtype=d) for d in (np.float64, np.float32))
    assert rough.dtype == np.float32
    assert np.abs(exact - rough).max() < 1e-5


def test_blocks_change_nothing(monkeypatch):
    whole = contrast_transfer(many(), *grid())
    monkeypatch.setattr(ctf, "_BLOCK_VALUES", 1200)  # two particles, and one at last
    assert np.allclose(contrast_transfer(many(), *grid()), whole, atol=1e-12)


def test_as_relion_makes_them(tmp_path):
    # the image of a point is the transform of the CTF
    n, box, pixel = 4, 64, 5.0
    rng = np.random.default_rng(1)
    u = rng.uniform(10_000, 25_000, n)
    v, angle, phase = u - rng.uniform(500, 4_000, n), rng.uniform(-90, 90, n), [0, 40, 0, 90]
    columns = dict.fromkeys(("rlnAngleRot", "rlnAngleTilt", "rlnAnglePsi"), [0.0] * n)
    columns.update(rlnDefocusU=u, rlnDefocusV=v, rlnDefocusAngle=angle, rlnPhaseShift=phase)
    point = np.zeros((box,) * 3)
    point[(box // 2,) * 3] = 1
    plain, seen = (
        np.fft.fft2(relion_project(tmp_path, point, pixel, columns, *options))
        for options in ((), ("--ctf",))
    )
    x, y = np.fft.fftfreq(box, pixel), np.fft.fftfreq(box, pixel)[:, None]
    inside = np.hypot(x, y) < 0.45 / pixel  # RELION projects no further
    ours = contrast_transfer(one(u, v, angle, phase_shift_deg=phase), x, y)
    ratio = np.divide(seen, plain, out=np.zeros_like(seen), where=inside)
    assert np.abs(ratio - ours)[:, inside].max() < 1e-3


def test_columns_are_stretched_and_copied():
    defocus = np.array([10_000.0, 20_000.0])
    columns = one(defocus)
    defocus[:] = 0
    assert len(columns) == 2
    assert columns.defocus_v_angstrom.tolist() == [10_000.0, 20_000.0]
    assert columns.voltage_kv.tolist() == [300.0, 300.0]
    assert all(column.dtype == np.float64 for column in columns.columns())
    assert len(one(10_000)) == 1


@pytest.mark.parametrize("rows", [[2, 0], np.array([False, True, True]), slice(1, None)])
def test_take(rows):
    columns = one([1.0, 2.0, 3.0])
    assert columns.take(rows).defocus_u_angstrom.tolist() == np.array([1.0, 2, 3])[rows].tolist()
    assert len(columns.take(rows)) == 2


@pytest.mark.parametrize(
    "arguments, words",
    [
        ({"defocus_u_angstrom": [1.0, np.nan]}, ["defocus_u_angstrom", "finite", "nan", "1"]),
        ({"voltage_kv": 0}, ["voltage_kv", "positive", "got 0"]),
        ({"amplitude_contrast": 10}, ["amplitude_contrast", "[0, 1]", "got 10"]),
        ({"defocus_v_angstrom": [1.0, 2, 3]}, ["one length", "defocus_v_angstrom 3"]),
        ({"defocus_u_angstrom": [[1.0]]}, ["defocus_u_angstrom", "flatten it"]),
    ],
)
def test_bad_columns(arguments, words):
    with pytest.raises(ValueError) as error:
        CtfParameters.from_columns(**{"defocus_u_angstrom": [1e4, 2e4], **USUAL, **arguments})
    assert "\n" not in str(error.value)
    for word in words:
        assert word in str(error.value)
