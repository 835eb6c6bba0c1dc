"""Fourier shell correlations."""

import math
import re
import shutil
import subprocess

import mrcfile
import numpy as np
import pytest

from repic_plugin.evaluation import (
    ShellCorrelation,
    fourier_shell_correlation,
    resolution_text,
    spherical_mask,
)
from repic_plugin.simulation import phantom_map

PIXEL = 2.5


def noise(size, seed):
    return np.random.default_rng(seed).standard_normal((size,) * 3).astype(np.float32)


def half_maps(size):
    """The phantom with two noises: they agree at low frequencies only."""
    phantom = phantom_map(size)
    return [phantom + 0.4 * phantom.std() * noise(size, seed) for seed in (1, 2)]


def correlate(first, second, **options):
    return fourier_shell_correlation(first, second, pixel_size_angstrom=PIXEL, **options)


def one_by_one(first, second):
    """Shell by shell and voxel by voxel, in double precision; slow and obvious."""
    box = len(first)
    transforms = [np.fft.rfftn(np.asarray(one, float)) for one in (first, second)]
    n_shells = box // 2 + 1
    sums, counts = np.zeros((3, n_shells)), np.zeros(n_shells, int)
    for k, i, j in np.ndindex(transforms[0].shape):
        z, y = (index if index <= box // 2 else index - box for index in (k, i))
        shell = round(math.sqrt(z * z + y * y + j * j))
        if shell < n_shells:
            a, b = (transform[k, i, j] for transform in transforms)
            sums[:, shell] += (a * b.conjugate()).real, abs(a) ** 2, abs(b) ** 2
            counts[shell] += 1
    return sums[0] / np.sqrt(sums[1] * sums[2]), counts


@pytest.mark.parametrize("size", [14, 15])
def test_every_voxel_is_in_its_shell(size):
    first, second = noise(size, 1) + 0.3, noise(size, 1) + noise(size, 2)
    found = correlate(first, second)
    expected, counts = one_by_one(first, second)
    np.testing.assert_allclose(found.correlation, expected, atol=1e-5)
    assert found.n_voxels.tolist() == counts.tolist()
    np.testing.assert_allclose(found.frequency, np.arange(size // 2 + 1) / (size * PIXEL))


def test_maps_of_many_blocks(monkeypatch):
    first, second = half_maps(24)
    whole = correlate(first, second)
    monkeypatch.setattr("repic_plugin.evaluation.fsc._BLOCK_VOXELS", 7 * 24 * 13)
    parts = correlate(first, second)
    np.testing.assert_allclose(parts.correlation, whole.correlation, atol=1e-12)
    assert parts.n_voxels.tolist() == whole.n_voxels.tolist()


@pytest.mark.parametrize("size", [40, 41])
def test_relion_finds_the_same(size, tmp_path):
    if shutil.which("relion_postprocess") is None:
        pytest.skip("no relion_postprocess to compare with; install RELION (Debian: relion)")
    maps, mask = half_maps(size), spherical_mask(size)
    names = ["run_half1_class001_unfil.mrc", "run_half2_class001_unfil.mrc", "mask.mrc"]
    for name, data in zip(names, [*maps, mask]):
        with mrcfile.new(tmp_path / name, data) as mrc:
            mrc.voxel_size = PIXEL
    (tmp_path / "post").mkdir()
    command = ["relion_postprocess", "--i", names[0], "--i2", names[1], "--o", "post"]
    command += ["--angpix", str(PIXEL), "--mask", names[2]]
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)
    table = relion_fsc((tmp_path / "post.star").read_text())
    unmasked, masked = correlate(*maps), correlate(*maps, mask=mask)
    assert unmasked.correlation[1:].max() > 0.143
    assert unmasked.correlation[1:].min() < 0.143  # the curve says something
    relions = table["rlnFourierShellCorrelationUnmaskedMaps"]
    np.testing.assert_allclose(unmasked.correlation, relions, atol=1e-4)
    relions = table["rlnFourierShellCorrelationMaskedMaps"]
    np.testing.assert_allclose(masked.correlation, relions, atol=1e-4)
    # RELION writes a small frequency for 0
    np.testing.assert_allclose(unmasked.frequency[1:], table["rlnResolution"][1:], atol=1e-6)


def relion_fsc(text):
    """Columns of the table data_fsc of a STAR file."""
    block = re.split(r"^data_", text, flags=re.M)
    lines = next(one for one in block if one.startswith("fsc")).splitlines()
    labels = [line.split()[0][1:] for line in lines if line.startswith("_")]
    rows = [line.split() for line in lines[2:] if len(line.split()) == len(labels)]
    assert rows
    return dict(zip(labels, np.array(rows, float).T))


def test_a_map_agrees_with_itself():
    phantom = phantom_map(32) + 0.1 * noise(32, 0)
    found = correlate(phantom, phantom)
    np.testing.assert_allclose(found.correlation, 1, atol=1e-6)
    assert correlate(phantom, -phantom).correlation == pytest.approx(-np.ones(17), abs=1e-6)


def test_scale_and_offset_do_not_matter():
    first, second = half_maps(32)
    plain, changed = correlate(first, second), correlate(3.5 * first + 0.7, 0.01 * second - 2)
    # the first shell is the mean alone
    np.testing.assert_allclose(changed.correlation[1:], plain.correlation[1:], atol=1e-4)
    assert changed.correlation[0] == pytest.approx(-1)


def test_order_does_not_matter():
    first, second = half_maps(32)
    one, other = correlate(first, second), correlate(second, first)
    np.testing.assert_allclose(one.correlation, other.correlation, atol=1e-12)


def test_noises_do_not_agree():
    found = correlate(noise(48, 1), noise(48, 2))
    # voxels of the plane that holds both of a pair count twice: sqrt(2) at most
    limit = 3 * math.sqrt(2) / np.sqrt(found.n_voxels[2:])
    assert (np.abs(found.correlation[2:]) < limit).all()
    assert (np.abs(found.correlation[2:]) > 0).all()


def test_agreement_of_a_known_part():
    """Each map is a signal and a noise of one power: half of it is shared."""
    shared = noise(48, 0)
    found = correlate(shared + noise(48, 1), shared + noise(48, 2))
    weights = found.n_voxels[4:]
    assert np.average(found.correlation[4:], weights=weights) == pytest.approx(0.5, abs=0.01)


def test_threads_change_nothing():
    first, second = half_maps(24)
    one, two = correlate(first, second), correlate(first, second, n_threads=2)
    np.testing.assert_array_equal(one.correlation, two.correlation)


def test_a_mask_is_applied_to_both():
    first, second = half_maps(32)
    mask = spherical_mask(32, 10, 4)
    found = correlate(first, second, mask=mask)
    expected = correlate(first * mask, second * mask)
    np.testing.assert_allclose(found.correlation, expected.correlation, atol=1e-7)
    assert found.correlation[8] > correlate(first, second).correlation[8]


def test_a_shell_without_density_is_0():
    smooth = np.ones((16, 16, 16)) + np.cos(2 * np.pi * np.arange(16) / 16)
    assert correlate(smooth, np.zeros((16,) * 3)).correlation.tolist() == [0] * 9


# Resolution


def curve(*correlation):
    n = len(correlation)
    return ShellCorrelation(np.arange(n) / 100, np.array(correlation), np.full(n, 9))


def test_a_crossing_between_two_shells():
    # a quarter of the way from 0.02 to 0.03
    assert curve(1, 0.9, 0.6, 0.2, 0.1).resolution(0.5) == pytest.approx(1 / 0.0225)
    assert curve(1, 0.9, 0.5, 0.2).resolution(0.5) == pytest.approx(50)


def test_the_first_crossing_counts():
    assert curve(1, 0.9, 0.1, 0.9, 0.9).resolution(0.5) == pytest.approx(1 / 0.015)


def test_no_crossing_is_the_finest():
    above = curve(1, 0.9, 0.9, 0.6)
    assert above.resolution(0.5) == pytest.approx(1 / 0.03)
    assert resolution_text(above, 0.5, unit=" A") == "33.33 A or finer"


def test_below_at_once_is_infinite():
    below = curve(1, 0.4, 0.9)
    assert below.resolution(0.5) == math.inf
    assert resolution_text(below, 0.5, unit=" A") == "none"
    assert resolution_text(below, 0.3) == "50.00 or finer"


def test_the_mean_is_no_detail():
    assert curve(-1, 0.9, 0.1).resolution(0.5) == pytest.approx(1 / 0.015)


@pytest.mark.parametrize("threshold", [0, 1, -0.1, math.nan])
def test_bad_threshold(threshold):
    with pytest.raises(ValueError, match=r"threshold must lie between 0 and 1, got .*; 0.143"):
        curve(1, 0.5, 0.2).resolution(threshold)


# Bad input

GOOD = np.ones((8, 8, 8))


@pytest.mark.parametrize(
    "changes, words",
    [
        ({"volume": np.ones((8, 8))}, r"volume must be a cube .* got shape \(8, 8\); cut or pad"),
        ({"volume": np.ones((8, 8, 9))}, r"volume must be a cube .*\(8, 8, 9\)"),
        ({"reference": np.ones((9, 9, 9))}, "reference must have the box of 8 px .* got 9 px; res"),
        ({"mask": np.ones((6, 6, 6))}, "mask must have the box of 8 px .* got 6 px"),
        ({"mask": 2 * GOOD}, "mask must lie from 0 to 1 .* got 2 to 2; scale it"),
        ({"mask": 0 * GOOD}, "mask must lie from 0 to 1 and not be 0 everywhere"),
        ({"volume": np.nan * GOOD}, "volume must be finite"),
        ({"pixel_size_angstrom": 0}, "pixel_size_angstrom must be positive and finite, got 0"),
        ({"pixel_size_angstrom": math.nan}, "pixel_size_angstrom .* got nan"),
        ({"n_threads": 0}, "n_threads must be a whole number, 1 or more, got 0"),
    ],
)
def test_bad_input(changes, words):
    values = {"volume": GOOD, "reference": GOOD, "pixel_size_angstrom": 1.0, **changes}
    with pytest.raises(ValueError, match=words):
        fourier_shell_correlation(values.pop("volume"), values.pop("reference"), **values)
