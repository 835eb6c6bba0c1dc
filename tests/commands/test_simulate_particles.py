"""`repic-plugin simulate-particles`: what it writes, and that others can read it."""

import shutil
import subprocess

import mrcfile
import numpy as np
import pytest

from repic_plugin.formats import read_particles
from repic_plugin.simulation import phantom_map, simulate_particles
from tests.commands.helpers import assert_refused, csv_header, csv_rows, tree

SMALL = ("--views", 3, "--per-view", 4, "--box-size", 16)
COLUMNS = ["particle", "view", "rot_deg", "tilt_deg", "psi_deg", "shift_x_px", "shift_y_px"]


@pytest.fixture
def simulate(run, out):
    """Run the command on the phantom; options come on top."""
    return lambda *options: run("simulate-particles", "phantom", "--out", out, *SMALL, *options)


def write_map(path, volume, pixel_size=None):
    with mrcfile.new(path, np.float32(volume)) as mrc:
        if pixel_size is not None:
            mrc.voxel_size = pixel_size
    return path


def test_what_is_written_and_said(simulate, out):
    outcome = simulate()
    assert (outcome.code, outcome.err) == (0, ())
    assert sorted(tree(out)) == ["particles.mrcs", "particles.star", "truth.csv"]
    assert outcome.out == (
        "12 images of 16 px at 5 Å/px",
        "3 views of phantom",
        f"written to {out}",
    )


def test_junk_is_counted(simulate):
    assert simulate("--junk", 0.25).out[0].endswith("16 images of 16 px at 5 Å/px, 4 of pure noise")


def test_the_stack_holds_what_the_function_makes(simulate, out):
    simulate("--seed", 5, "--snr", 0.5)
    made = simulate_particles(phantom_map(16), 3, 4, pixel_size_angstrom=5, snr=0.5, random_state=5)
    assert mrcfile.validate(str(out / "particles.mrcs"))
    with mrcfile.open(out / "particles.mrcs") as mrc:
        assert mrc.is_image_stack()
        assert np.array_equal(mrc.data, made.images)
        assert float(mrc.voxel_size.x) == pytest.approx(5)


def test_every_option_arrives(simulate, out):
    options = ("--spread", 9, "--max-shift", 1, "--defocus", 5000, 6000, "--voltage", 200)
    options += ("--spherical-aberration", 1.2, "--amplitude-contrast", 0.07, "--uneven", 1)
    simulate(*options, "--junk", 0.25, "--pixel-size", 4)
    made = simulate_particles(
        phantom_map(16),
        3,
        4,
        pixel_size_angstrom=4,
        snr=0.1,
        spread_deg=9,
        max_shift_px=1,
        defocus_range_angstrom=(5000, 6000),
        voltage_kv=200,
        spherical_aberration_mm=1.2,
        amplitude_contrast=0.07,
        uneven=1,
        junk_fraction=0.25,
    )
    assert np.array_equal(mrcfile.read(out / "particles.mrcs"), made.images)


def test_the_star_file_is_read_back(simulate, out):
    simulate("--junk", 0.25, "--voltage", 200)
    table = read_particles(out / "particles.star")
    assert table.names[0] == "000001@particles.mrcs"
    assert table.pixel_size_angstrom == 5
    assert np.array_equal(table.images[:], mrcfile.read(out / "particles.mrcs"))
    truth = csv_rows(out / "truth.csv")
    defocus = [float(row["defocus_angstrom"]) for row in truth]
    assert np.allclose(table.ctf.defocus_u_angstrom, defocus, atol=0.1)
    assert np.array_equal(table.ctf.defocus_u_angstrom, table.ctf.defocus_v_angstrom)
    assert (table.ctf.voltage_kv == 200).all()
    assert (table.ctf.spherical_aberration_mm == 2.7).all()
    assert (table.ctf.amplitude_contrast == 0.1).all()


def test_the_star_file_tells_no_truth(simulate, out):
    simulate()
    text = (out / "particles.star").read_text()
    assert not any(word in text for word in ("rlnAngle", "rlnOrigin", "rlnClass"))


def test_without_ctf(simulate, out):
    simulate("--no-ctf")
    assert read_particles(out / "particles.star").ctf is None
    assert {row["defocus_angstrom"] for row in csv_rows(out / "truth.csv")} == {""}


def test_the_truth(simulate, out):
    simulate("--junk", 0.25)
    assert csv_header(out / "truth.csv") == [*COLUMNS, "defocus_angstrom"]
    made = simulate_particles(
        phantom_map(16), 3, 4, pixel_size_angstrom=5, snr=0.1, junk_fraction=0.25
    )
    rows = csv_rows(out / "truth.csv")
    assert [row["particle"] for row in rows] == [f"{i:06d}@particles.mrcs" for i in range(1, 17)]
    assert [int(row["view"]) for row in rows] == made.view.tolist()
    expected = np.column_stack([made.euler_deg, made.shift_px])
    for row, numbers in zip(rows, expected):
        cells = [row[name] for name in COLUMNS[2:]]
        if row["view"] == "-1":
            assert cells == [""] * 5
        else:
            assert [float(cell) for cell in cells] == pytest.approx(numbers, abs=1e-4)


def test_the_same_seed_gives_the_same_bytes(run, tmp_path):
    for name, seed in (("a", 3), ("b", 3), ("c", 4)):
        run("simulate-particles", "phantom", "--out", tmp_path / name, *SMALL, "--seed", seed)
    same, again, other = (tree(tmp_path / name) for name in "abc")
    assert same == again
    assert all(same[name] != other[name] for name in same)


@pytest.mark.skipif(shutil.which("relion_stack_create") is None, reason="RELION is not installed")
def test_relion_reads_it(simulate, out):
    simulate()
    command = ["relion_stack_create", "--i", "particles.star", "--o", "again"]
    subprocess.run(command, cwd=out, check=True, capture_output=True)
    again = mrcfile.read(out / "again.mrcs")
    assert np.array_equal(again, mrcfile.read(out / "particles.mrcs"))


# Maps


def test_the_voxel_size_of_the_map_is_taken(run, out, tmp_path):
    path = write_map(tmp_path / "map.mrc", phantom_map(17), 3.5)
    outcome = run("simulate-particles", path, "--out", out, "--views", 2, "--per-view", 2)
    assert outcome.out[0] == "4 images of 16 px at 3.5 Å/px"
    assert read_particles(out / "particles.star").pixel_size_angstrom == pytest.approx(3.5)


def test_the_voxel_size_can_be_overruled(run, out, tmp_path):
    path = write_map(tmp_path / "map.mrc", phantom_map(16), 3.5)
    outcome = run("simulate-particles", path, "--out", out, *SMALL, "--pixel-size", 5)
    assert outcome.out[0] == "12 images of 16 px at 5 Å/px"


def test_no_voxel_size_anywhere(run, out, tmp_path):
    path = write_map(tmp_path / "map.mrc", phantom_map(16))
    outcome = run("simulate-particles", path, "--out", out, *SMALL)
    assert_refused(outcome, str(path), "no voxel size", "add --pixel-size")
    assert not out.exists()


def test_the_box_of_a_map_is_cut_or_padded(run, out, tmp_path):
    path = write_map(tmp_path / "map.mrc", phantom_map(16), 5)
    outcome = run("simulate-particles", path, "--out", out, *SMALL, "--box-size", 24)
    assert outcome.out[0] == "12 images of 24 px at 5 Å/px"
    padded = np.pad(phantom_map(16), 4)
    made = simulate_particles(padded, 3, 4, pixel_size_angstrom=5, snr=0.1)
    assert np.array_equal(mrcfile.read(out / "particles.mrcs"), made.images)


def test_the_real_map(run, out, shared_data):
    path = shared_data / "ribosome_70s_65.mrc"
    options = ("--views", 2, "--per-view", 2, "--pixel-size", 5)
    outcome = run("simulate-particles", path, "--out", out, *options)
    assert outcome.out[0] == "4 images of 64 px at 5 Å/px"


# Bad input


@pytest.mark.parametrize(
    "volume, words",
    [
        (np.zeros((8, 8, 9)), ["MAP must be a cube", "(8, 8, 9)"]),
        (np.ones((8, 8, 8)), ["MAP must vary"]),
    ],
)
def test_a_bad_map(run, out, tmp_path, volume, words):
    path = write_map(tmp_path / "map.mrc", volume, 5)
    assert_refused(run("simulate-particles", path, "--out", out), *words)
    assert not out.exists()


def test_no_map(run, out, tmp_path):
    gone = tmp_path / "gone.mrc"
    assert_refused(run("simulate-particles", gone, "--out", out), str(gone), "no such file")


def test_a_folder_that_is_not_empty(simulate, out):
    out.mkdir()
    (out / "thesis.tex").write_text("dear")
    assert_refused(simulate(), str(out), "is not empty", "choose another folder")
    assert tree(out) == {"thesis.tex": b"dear"}


@pytest.mark.parametrize(
    "options, words",
    [
        (["--views", "0"], ["--views", "1 or more", "got 0"]),
        (["--per-view", "0"], ["--per-view", "1 or more", "got 0"]),
        (["--box-size", "4"], ["--box-size", "8 or more", "got 4"]),
        (["--snr", "0"], ["snr", "positive", "got 0"]),
        (["--snr", "nan"], ["snr", "positive", "got nan"]),
        (["--pixel-size", "0"], ["--pixel-size", "positive", "got 0"]),
        (["--pixel-size", "nan"], ["--pixel-size", "positive", "got nan"]),
        (["--spread", "-1"], ["--spread", "0 or more", "got -1"]),
        (["--max-shift", "20"], ["--max-shift", "half of the box", "got 20"]),
        (["--defocus", "20000", "10000"], ["defocus", "lower first", "20000"]),
        (["--voltage", "0"], ["--voltage", "positive", "got 0"]),
        (["--amplitude-contrast", "10"], ["--amplitude-contrast", "[0, 1]", "got 10"]),
        (["--uneven", "-1"], ["uneven", "0 or more", "got -1"]),
        (["--junk", "20"], ["--junk", "[0, 1)", "not a percentage"]),
        (["--seed", "-1"], ["0 or more", "got -1"]),
    ],
    ids=" ".join,
)
def test_bad_value(simulate, tmp_path, options, words):
    assert_refused(simulate(*options), *words)
    assert list(tmp_path.iterdir()) == []
