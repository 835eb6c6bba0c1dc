"""`repic-plugin simulate-micrographs`: what it writes, and that others can read it."""

import shutil
import subprocess

import mrcfile
import numpy as np
import pytest

from repic_plugin.formats import read_picker_folder
from repic_plugin.simulation import phantom_map, simulate_exposures
from tests.commands.helpers import assert_refused, csv_header, csv_rows, tree

BOX = 16
SMALL = ("--micrographs", 3, "--particles", 8, "--size", 200, 160, "--box-size", BOX)
NAMES = ["mic_001", "mic_002", "mic_003"]


@pytest.fixture
def simulate(run, out):
    """Run the command on the phantom; options come on top."""
    return lambda *options: run("simulate-micrographs", "phantom", "--out", out, *SMALL, *options)


def exposures(volume=None, **options):
    """What `simulate` should write."""
    usual = {"pixel_size_angstrom": 5, "n_particles": 8, "micrograph_size_px": (200, 160)}
    chosen = phantom_map(BOX) if volume is None else volume
    return list(simulate_exposures(chosen, 3, **{**usual, "box_size_px": BOX, **options}))


def star_table(path, name):
    """Rows of one table of a STAR file, as dictionaries; slow and obvious."""
    text = path.read_text().split(f"data_{name}\n")[1].split("data_")[0]
    lines = [line.split() for line in text.splitlines() if line and not line.startswith("#")]
    labels = [words[0][1:] for words in lines if words[0].startswith("_")]
    return [dict(zip(labels, words)) for words in lines[1 + len(labels) :]]


def as_written(micrograph):
    """The grey levels of a file, in the units of the simulation."""
    return 100 * (micrograph - micrograph.mean()) / micrograph.std()


def assert_micrographs(folder, expected):
    for name, one in zip(NAMES, expected):
        grey = mrcfile.read(folder / "micrographs" / f"{name}.mrc")
        assert np.abs(grey - as_written(one.micrograph)).max() < 0.51


def test_what_is_written_and_said(simulate, out):
    outcome = simulate()
    assert (outcome.code, outcome.err) == (0, ())
    files = [f"micrographs/{name}.mrc" for name in NAMES] + [f"truth/{name}.box" for name in NAMES]
    tables = ["junk.csv", "micrographs.star", "truth.csv"]
    assert sorted(tree(out)) == sorted(["micrographs", "truth", *files, *tables])
    assert outcome.out == (
        "3 micrographs of 200 x 160 px at 5 Å/px",
        "8 particles of 51 Å on each, in boxes of 16 px",
        f"written to {out}",
    )


def test_the_micrographs_are_those_of_the_function(simulate, out):
    simulate("--seed", 4)
    for name in NAMES:
        path = out / "micrographs" / f"{name}.mrc"
        assert mrcfile.validate(str(path))
        with mrcfile.open(path) as mrc:
            assert mrc.is_single_image()
            assert (mrc.data.dtype, mrc.data.shape) == (np.int16, (160, 200))
            assert float(mrc.voxel_size.x) == pytest.approx(5)
    assert_micrographs(out, exposures(random_state=4))


def test_every_option_arrives(simulate, out):
    options = ("--snr", 0.3, "--micrograph-pixel-size", 6, "--min-distance", 20, "--junk", 1)
    options += ("--gradient", 2, "--defocus", 5000, 6000, "--voltage", 200, "--pixel-size", 4)
    simulate(*options, "--spherical-aberration", 1.2, "--amplitude-contrast", 0.07)
    made = exposures(
        pixel_size_angstrom=4,
        micrograph_pixel_size_angstrom=6,
        min_distance_px=20,
        snr=0.3,
        n_junk=1,
        gradient=2,
        defocus_range_angstrom=(5000, 6000),
        voltage_kv=200,
        spherical_aberration_mm=1.2,
        amplitude_contrast=0.07,
    )
    assert_micrographs(out, made)
    (optics,) = star_table(out / "micrographs.star", "optics")
    numbers = [float(value) for value in list(optics.values())[2:]]
    assert numbers == [6, 6, 200, 1.2, 0.07]
    with mrcfile.open(out / "micrographs" / "mic_001.mrc") as mrc:
        assert float(mrc.voxel_size.x) == pytest.approx(6)


def test_particles_are_dark_in_the_files(run, out):
    options = ("--micrographs", 4, "--particles", 20, "--size", 400, 400, "--snr", 2, "--junk", 0)
    run("simulate-micrographs", "phantom", "--out", out, *options, "--box-size", BOX)
    for name, grey in ((n, mrcfile.read(out / "micrographs" / f"{n}.mrc")) for n in NAMES):
        rows = [row for row in csv_rows(out / "truth.csv") if row["micrograph"] == name]
        pixels = np.array([[float(row["y_px"]), float(row["x_px"])] for row in rows]).astype(int)
        near = [grey[i - 4 : i + 4, j - 4 : j + 4].mean() for i, j in pixels]
        assert np.mean(near) < grey.mean() - 3 * grey.std() / np.sqrt(64 * len(near))


# The truth


def test_the_truth_is_read_as_picks(simulate, out):
    simulate("--seed", 4)
    loaded = read_picker_folder(out / "truth")
    assert loaded.picks.micrograph_names == tuple(NAMES)
    assert loaded.box_size_px == (BOX,)
    made = exposures(random_state=4)
    centers = np.concatenate([one.centers for one in made])
    assert np.allclose(np.column_stack([loaded.picks.x, loaded.picks.y]), centers, atol=1e-4)
    assert loaded.picks.micrograph.tolist() == [0] * 8 + [1] * 8 + [2] * 8


def test_evaluate_finds_all_of_it(simulate, run, out):
    simulate()
    outcome = run("evaluate", out / "truth", out / "truth", "--box-size", BOX)
    assert outcome.out[1].split() == ["truth", "24", *["1.000"] * 6, "-"]  # it has no scores


def test_the_table_of_the_truth(simulate, out):
    simulate()
    columns = ["micrograph", "x_px", "y_px", "rot_deg", "tilt_deg", "psi_deg", "defocus_angstrom"]
    assert csv_header(out / "truth.csv") == columns
    rows = csv_rows(out / "truth.csv")
    assert [row["micrograph"] for row in rows] == [name for name in NAMES for _ in range(8)]
    expected = [
        [*center, *angles, one.ctf.defocus_u_angstrom[0]]
        for one in exposures()
        for center, angles in zip(one.centers, one.euler_deg)
    ]
    found = [[float(row[name]) for name in columns[1:]] for row in rows]
    assert np.allclose(found, expected, atol=0.051)
    assert np.allclose(np.array(found)[:, :5], np.array(expected)[:, :5], atol=1e-4)


def test_the_table_of_the_junk(simulate, out):
    simulate("--junk", 2)
    assert csv_header(out / "junk.csv") == ["micrograph", "x_px", "y_px", "radius_px"]
    rows = csv_rows(out / "junk.csv")
    assert [row["micrograph"] for row in rows] == [name for name in NAMES for _ in range(2)]
    made = exposures(n_junk=2)
    expected = np.concatenate([np.column_stack([m.junk_centers, m.junk_radius_px]) for m in made])
    found = [[float(row[name]) for name in ("x_px", "y_px", "radius_px")] for row in rows]
    assert np.allclose(found, expected, atol=0.0051)


def test_micrographs_without_particles(simulate, out):
    assert simulate("--particles", 0, "--junk", 0).code == 0
    assert (out / "truth" / "mic_001.box").read_bytes() == b""
    assert csv_rows(out / "truth.csv") == csv_rows(out / "junk.csv") == []


def test_the_star_file(simulate, out):
    simulate()
    (optics,) = star_table(out / "micrographs.star", "optics")
    assert optics["rlnOpticsGroup"] == "1"
    assert float(optics["rlnMicrographPixelSize"]) == 5
    rows = star_table(out / "micrographs.star", "micrographs")
    assert [row["rlnMicrographName"] for row in rows] == [f"micrographs/{n}.mrc" for n in NAMES]
    defoci = [one.ctf.defocus_u_angstrom[0] for one in exposures()]
    for label in ("rlnDefocusU", "rlnDefocusV"):
        assert np.allclose([float(row[label]) for row in rows], defoci, atol=1e-3)
    assert len(set(defoci)) == 3


def test_without_ctf(simulate, out):
    simulate("--no-ctf")
    assert_micrographs(out, exposures(defocus_range_angstrom=None))
    assert {row["defocus_angstrom"] for row in csv_rows(out / "truth.csv")} == {""}
    row = star_table(out / "micrographs.star", "micrographs")[0]
    assert list(row) == ["rlnMicrographName", "rlnOpticsGroup"]


@pytest.mark.skipif(shutil.which("relion_autopick") is None, reason="RELION is not installed")
def test_relion_reads_it(simulate, out):
    simulate()
    command = ["relion_autopick", "--i", "micrographs.star", "--odir", "found/", "--LoG"]
    sizes = ["--LoG_diam_min", "40", "--LoG_diam_max", "60"]
    subprocess.run([*command, *sizes], cwd=out, check=True, capture_output=True)
    assert len(list(out.glob("found/micrographs/mic_00?_autopick.star"))) == 3


# Seeds


def test_the_same_seed_gives_the_same_bytes(run, tmp_path):
    for name, seed in (("a", 3), ("b", 3), ("c", 4)):
        run("simulate-micrographs", "phantom", "--out", tmp_path / name, *SMALL, "--seed", seed)
    same, again, other = (tree(tmp_path / name) for name in "abc")
    assert same == again
    assert all(same[name] != other[name] for name in same if "." in name)


def test_the_files_do_not_tell_the_time(simulate, out):
    simulate()  # mrcfile writes it into the first label
    with mrcfile.open(out / "micrographs" / "mic_001.mrc") as mrc:
        assert [label.strip() for label in mrc.get_labels()] == ["repic-plugin"]


def test_more_micrographs_leave_the_first_as_they_were(run, tmp_path):
    for n in (2, 4):
        options = (*SMALL[2:], "--micrographs", n)
        run("simulate-micrographs", "phantom", "--out", tmp_path / str(n), *options)
    few, more = tree(tmp_path / "2"), tree(tmp_path / "4")
    kept = [name for name in few if name.endswith((".mrc", ".box"))]
    assert len(kept) == 4
    assert all(few[name] == more[name] for name in kept)
    assert more["truth.csv"].startswith(few["truth.csv"])


# Maps


def test_a_map_of_ones_own(run, out, tmp_path):
    path = tmp_path / "map.mrc"
    with mrcfile.new(path, phantom_map(17)) as mrc:
        mrc.voxel_size = 3.5
    outcome = run("simulate-micrographs", path, "--out", out, *SMALL[:-2])
    assert outcome.out[0] == "3 micrographs of 200 x 160 px at 3.5 Å/px"
    assert outcome.out[1].endswith("in boxes of 16 px")
    made = exposures(phantom_map(17), pixel_size_angstrom=3.5, box_size_px=None)
    assert_micrographs(out, made)


def test_no_voxel_size_anywhere(run, out, tmp_path):
    path = tmp_path / "map.mrc"
    mrcfile.new(path, phantom_map(16)).close()
    outcome = run("simulate-micrographs", path, "--out", out, *SMALL)
    assert_refused(outcome, str(path), "no voxel size", "add --pixel-size")
    assert not out.exists()


def test_the_real_map(run, out, shared_data):
    path = shared_data / "ribosome_70s_65.mrc"
    options = ("--pixel-size", 5, "--micrographs", 1, "--size", 512, 512, "--particles", 12)
    outcome = run("simulate-micrographs", path, "--out", out, *options)
    assert outcome.out[1] == "12 particles of 252 Å on each, in boxes of 64 px"


# Bad input


def test_a_folder_that_is_not_empty(simulate, out):
    out.mkdir()
    (out / "thesis.tex").write_text("dear")
    assert_refused(simulate(), str(out), "is not empty", "choose another folder")
    assert tree(out) == {"thesis.tex": b"dear"}


@pytest.mark.parametrize(
    "options, words",
    [
        (["--micrographs", "0"], ["--micrographs", "1 or more", "got 0"]),
        (["--particles", "-1"], ["--particles", "0 or more", "got -1"]),
        (["--particles", "5000"], ["--particles must fit", "ask for fewer"]),
        (["--size", "10", "10"], ["--box-size", "sides (10, 10)", "got 16"]),
        (["--size", "0", "10"], ["--size", "two positive"]),
        (["--snr", "0"], ["snr", "positive", "got 0"]),
        (["--pixel-size", "nan"], ["--pixel-size", "positive", "got nan"]),
        (["--micrograph-pixel-size", "0"], ["--micrograph-pixel-size", "got 0"]),
        (["--micrograph-pixel-size", "50"], ["--micrograph-pixel-size", "8 px", "got 2"]),
        (["--box-size", "4"], ["--box-size", "8 or more", "got 4"]),
        (["--min-distance", "1"], ["--min-distance", "diameter", "got 1"]),
        (["--defocus", "20000", "10000"], ["defocus", "lower first", "20000"]),
        (["--voltage", "0"], ["--voltage", "positive", "got 0"]),
        (["--amplitude-contrast", "10"], ["--amplitude-contrast", "[0, 1]", "got 10"]),
        (["--junk", "-1"], ["--junk", "0 or more", "got -1"]),
        (["--junk", "900"], ["--junk must fit", "ask for fewer"]),
        (["--gradient", "-1"], ["gradient", "0 or more", "got -1"]),
        (["--seed", "-1"], ["0 or more", "got -1"]),
    ],
    ids=" ".join,
)
def test_bad_value(simulate, tmp_path, options, words):
    assert_refused(simulate(*options), *words)
    assert list(tmp_path.iterdir()) == []
