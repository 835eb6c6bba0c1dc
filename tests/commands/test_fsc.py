"""The command `fsc`."""

import matplotlib.figure  # noqa: F401  (its own warnings come when it is first loaded)
import mrcfile
import numpy as np
import pytest
from scipy import ndimage

from repic_plugin.evaluation import (
    fourier_shell_correlation,
    soft_mask,
    spherical_mask,
)
from repic_plugin.formats import read_fsc_table
from repic_plugin.simulation import phantom_map
from tests.commands.helpers import assert_refused, csv_header

BOX, PIXEL = 32, 4.0


def write_map(path, data, pixel_size_angstrom=PIXEL):
    path.parent.mkdir(parents=True, exist_ok=True)
    with mrcfile.new(path, np.float32(data)) as mrc:
        mrc.voxel_size = pixel_size_angstrom
    return path


@pytest.fixture
def maps(tmp_path):
    """A reference and two maps with little and much noise; the folder has a space."""
    reference = phantom_map(BOX)
    noise = reference.std() * np.random.default_rng(0).standard_normal((2, *reference.shape))
    folder = tmp_path / "all maps"
    return {
        name: (write_map(folder / f"{name}.mrc", data), np.float32(data))
        for name, data in (
            ("reference", reference),
            ("good", reference + 2.5 * noise[0]),
            ("poor", reference + 5 * noise[1]),
        )
    }


def expected(maps, name, **options):
    data = [maps[one][1] for one in (name, "reference")]
    return fourier_shell_correlation(*data, pixel_size_angstrom=PIXEL, **options)


def resolutions(outcome):
    """Resolution at 0.5 and 0.143 by map, as printed."""
    start = next(i for i, line in enumerate(outcome.out) if line.startswith("map "))
    assert outcome.out[start].split() == ["map", "at", "0.5", "at", "0.143"]
    stop = outcome.out.index("")
    rows = [line.split("  ") for line in outcome.out[start + 1 : stop]]
    return {row[0]: [cell.strip() for cell in row[1:] if cell] for row in rows}


def test_two_maps_against_a_reference(run, maps, out):
    outcome = run("fsc", maps["good"][0], f"noisy={maps['poor'][0]}", maps["reference"][0],
                  "--out", out)  # fmt: skip
    assert (outcome.code, outcome.err) == (0, ())
    printed = resolutions(outcome)
    assert list(printed) == ["good", "noisy"]
    for name, label in (("good", "good"), ("poor", "noisy")):
        curve = expected(maps, name)
        assert printed[label] == [f"{curve.resolution(one):.2f} Å" for one in (0.5, 0.143)]
    assert outcome.out[-2].endswith("a map against a reference is 0.5")
    assert sorted(path.name for path in out.iterdir()) == ["fsc.csv", "fsc.png"]
    names = ["map", "frequency_per_angstrom", "correlation", "n_voxels"]
    assert csv_header(out / "fsc.csv") == names
    table = read_fsc_table(out / "fsc.csv")
    assert list(table) == ["good", "noisy"]
    curve = expected(maps, "poor")
    np.testing.assert_allclose(table["noisy"].correlation, curve.correlation, atol=1e-6)
    np.testing.assert_allclose(table["noisy"].frequency, curve.frequency, rtol=1e-6)
    assert table["noisy"].n_voxels.tolist() == curve.n_voxels.tolist()
    assert (out / "fsc.png").read_bytes().startswith(b"\x89PNG")


def test_half_maps(run, maps):
    outcome = run("fsc", maps["poor"][0], maps["reference"][0], "--half")
    assert outcome.out[-1].endswith("threshold for two half maps is 0.143")


def test_masks(run, maps, tmp_path):
    ball = spherical_mask(BOX, 9, 4)
    masks = {
        "none": None,
        "sphere": spherical_mask(BOX),
        "auto": soft_mask(maps["reference"][1]),
        str(write_map(tmp_path / "mask.mrc", ball)): ball,
    }
    seen = set()
    for name, mask in masks.items():
        outcome = run("fsc", maps["poor"][0], maps["reference"][0], "--mask", name)
        curve = expected(maps, "poor", mask=mask)
        printed = resolutions(outcome)["poor"][0]
        assert printed == f"{curve.resolution(0.5):.2f} Å"
        seen.add(printed)
    assert len(seen) == 4


def test_register(run, maps, tmp_path):
    quiet = 0.7 * maps["reference"][1] + 0.3 * maps["good"][1]
    away = ndimage.shift(quiet, (0, 3, -2), order=3)
    path = write_map(tmp_path / "away.mrc", away)
    before = run("fsc", path, maps["reference"][0])
    after = run("fsc", path, maps["reference"][0], "--register")
    assert after.code == 0
    words = after.out[0].split()
    assert words[:3] == ["away:", "rotated", "by"]
    assert float(words[3]) < 1
    np.testing.assert_allclose([float(w) for w in words[8:11]], [2, -3, 0], atol=0.3)
    sizes = [
        float(resolutions(outcome)["away"][0].split()[0].replace("none", "inf"))
        for outcome in (before, after)
    ]
    assert sizes[1] < 0.5 * sizes[0]


def test_a_pixel_size_for_all(run, maps, tmp_path):
    nameless = write_map(tmp_path / "bare.mrc", maps["poor"][1], 0)
    assert_refused(run("fsc", nameless, maps["reference"][0]), "bare.mrc", "add --pixel-size")
    outcome = run("fsc", nameless, maps["reference"][0], "--pixel-size", 2 * PIXEL)
    assert resolutions(outcome)["bare"][0] == f"{2 * expected(maps, 'poor').resolution(0.5):.2f} Å"


def test_names_that_are_alike(run, maps, tmp_path):
    other = write_map(tmp_path / "other" / "good.mrc", maps["poor"][1])
    printed = resolutions(run("fsc", maps["good"][0], other, maps["reference"][0]))
    assert list(printed) == [str(maps["good"][0]), str(other)]
    good = maps["good"][0]
    assert_refused(run("fsc", f"a={good}", f"a={other}", good), "'a' twice", "rename one")


def test_an_equals_sign_in_a_file_name(run, maps, tmp_path):
    path = write_map(tmp_path / "k=4.mrc", maps["good"][1])
    assert list(resolutions(run("fsc", path, maps["reference"][0]))) == ["k=4"]


def test_another_box_or_pixel_size(run, maps, tmp_path, out):
    small = write_map(tmp_path / "small.mrc", np.ones((24, 24, 24)))
    words = ["small.mrc: must have the box", "reference.mrc, 32 px, got 24 px", "resample"]
    assert_refused(run("fsc", small, maps["reference"][0], "--out", out), *words)
    fine = write_map(tmp_path / "fine.mrc", maps["good"][1], 3.9)
    words = ["fine.mrc: must have the pixel size", "4 angstrom, got 3.9", "resample"]
    assert_refused(run("fsc", fine, maps["reference"][0], "--out", out), *words)
    assert not out.exists()


def test_headers_that_round_the_pixel_size(run, maps, tmp_path):
    same = write_map(tmp_path / "same.mrc", maps["good"][1], PIXEL * 1.0004)
    assert run("fsc", same, maps["reference"][0]).code == 0


def test_bad_maps(run, maps, tmp_path):
    good, reference = maps["good"][0], maps["reference"][0]
    assert_refused(run("fsc", tmp_path / "gone.mrc", reference), "gone.mrc", "no such file")
    flat = write_map(tmp_path / "flat.mrc", np.ones((8, 9, 10)))
    assert_refused(run("fsc", good, flat), "flat.mrc: must be a cube, got 10 x 9 x 8")
    assert_refused(run("fsc", "=x.mrc", reference), "LABEL=FILE")
    assert_refused(run("fsc", good, reference, "--pixel-size", -1), "--pixel-size", "positive")
    assert_refused(run("fsc", good, reference, "--mask", flat), "mask must be a cube")
    wrong = write_map(tmp_path / "wrong.mrc", 5 * maps["good"][1])
    assert_refused(run("fsc", good, reference, "--mask", wrong), "mask must lie from 0 to 1")
    assert_refused(run("fsc", good), "REFERENCE")
