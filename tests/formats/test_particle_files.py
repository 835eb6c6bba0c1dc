"""Particles as RELION and cryoSPARC take them in: written, read back, and read by others."""

import shutil
import subprocess
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from repic_plugin.formats import (
    NAMING_FORMATS,
    FormatError,
    particle_formats,
    read_micrograph_names,
    read_picker_folder,
    read_picks_file,
    write_particle_files,
)
from tests.formats.test_consensus_tables import made
from tests.formats.test_other_programs import dataset

PATHS = ("Movies/m1.mrc", "Movies/empty.mrc", "My Movies/m 3.mrc")
ONE_FILE = {"particles": "particles.star", "cryosparc": "cryosparc.star"}
ROUNDING_PX = 1e-4  # of BOX and CSV, twice

coordinates = st.floats(-1e5, 1e5)
particles = st.lists(st.tuples(st.sampled_from([0, 2]), coordinates, coordinates), max_size=9)


def write(folder, result, format_name, **options):
    write_particle_files(folder, result, box_size_px=100, format_name=format_name, **options)


@pytest.mark.parametrize("format_name", particle_formats())
def test_the_score_is_that_by_which_particles_are_ranked(tmp_path, format_name):
    result = made()
    for rank_by in ("weight", "confidence"):
        folder = tmp_path / rank_by
        folder.mkdir()
        write(folder, replace(result, rank_by=rank_by), format_name)
        values = result.weight if rank_by == "weight" else result.score
        found = read_picker_folder(folder).picks.score
        np.testing.assert_allclose(np.sort(found), np.sort(values), rtol=1e-8)


@pytest.mark.parametrize("format_name", particle_formats())
@settings(deadline=None, max_examples=25)
@given(rows=particles, seed=st.integers(0, 9))
def test_reading_gives_back_what_was_written(format_name, rows, seed):
    result = made(n=len(rows))
    micrograph, x, y = np.array(rows, dtype=float).reshape(-1, 3).T
    weight = np.random.default_rng(seed).random(len(rows))
    result = replace(result, micrograph=micrograph.astype(int), x=x, y=y, weight=weight)
    with tempfile.TemporaryDirectory() as folder:
        write(folder, result, format_name)
        picks = read_picker_folder(folder).picks
    names = np.array(result.micrograph_names)
    written = names[result.micrograph]
    found = np.array(picks.micrograph_names)[picks.micrograph]
    there, back = (np.argsort(column, kind="stable") for column in (written, found))
    assert found[back].tolist() == written[there].tolist()
    for column, wanted in ((picks.x, x), (picks.y, y)):
        np.testing.assert_allclose(column[back], wanted[there], rtol=0, atol=ROUNDING_PX)
    np.testing.assert_allclose(picks.score[back], weight[there], rtol=1e-8)
    if format_name not in ONE_FILE:
        assert sorted(picks.micrograph_names) == sorted(names)  # that without particles too


def test_the_list_names_files_relative_to_the_current_folder_or_with_their_whole_path(
    tmp_path, monkeypatch
):
    result = made()
    (tmp_path / "out").mkdir()
    for here, base in ((tmp_path, "out"), (tmp_path / "out", "."), ("/", str(tmp_path)[1:])):
        monkeypatch.chdir(here)
        write(tmp_path / "out", result, "relion", micrographs=PATHS)
        text = (tmp_path / "out" / "autopick.star").read_text()
        file = "m1_autopick.star" if base == "." else f"{base}/m1_autopick.star"
        if here == "/":
            file = f"{base}/out/m1_autopick.star"
        assert f"Movies/m1.mrc {file}\n".replace("./", "") in text.replace("./", "")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    write(tmp_path / "out", result, "relion", place=tmp_path / "final")
    text = (tmp_path / "out" / "autopick.star").read_text()
    assert f"m1.mrc {tmp_path}/final/m1_autopick.star\n" in text


def test_particles_have_columns_of_ours(tmp_path):
    result = made()
    write(tmp_path, result, "particles", micrographs=PATHS)
    lines = (tmp_path / "particles.star").read_text().splitlines()
    labels = [line.split()[0] for line in lines if line.startswith("_")]
    assert labels == [
        "_rlnMicrographName",
        "_rlnCoordinateX",
        "_rlnCoordinateY",
        "_rlnAutopickFigureOfMerit",
        "_repicOverlap",
        "_repicScore",
        "_repicNumberOfPickers",
    ]
    cells = next(line for line in lines if line.startswith("Movies/")).split()
    assert float(cells[4]) == result.overlap[0]
    assert float(cells[5]) == result.score[0]
    assert int(cells[6]) == np.count_nonzero(result.members[0] >= 0)


def test_cryosparc_gets_file_names_and_refuses_two_of_one_name(tmp_path):
    write(tmp_path, made(), "cryosparc", micrographs=PATHS)
    text = (tmp_path / "cryosparc.star").read_text()
    assert "Movies" not in text
    assert "\nm1.mrc " in text
    with pytest.raises(ValueError, match=r"several are named a\.mrc"):
        write(tmp_path, made(), "cryosparc", micrographs=["1/a.mrc", "2/a.mrc", "2/b.mrc"])


def test_a_name_that_no_star_file_can_hold(tmp_path):
    with pytest.raises(FormatError, match="cannot be written"):
        write(tmp_path, made(), "particles", micrographs=["a\nb.mrc", "b.mrc", "c.mrc"])


# ------------------------------------------------------------ names of micrographs


def test_names_are_taken_from_a_list_of_relion_or_cryosparc(make):
    star = "data_micrographs\nloop_\n_rlnMicrographName\n_rlnOpticsGroup\n"
    star += "Movies/b_DW.mrc 1\nMovies/a_DW.mrc 1\n'My Movies/c_DW.mrc' 1\n"
    found = read_micrograph_names(make("micrographs_ctf.star", star), ["a", "c"])
    assert found == ["Movies/a_DW.mrc", "My Movies/c_DW.mrc"]
    columns = [("micrograph_blob/path", "S80")]
    rows = [(b">J3/motioncorrected/012345678901234567890_a_patch_aligned.mrc",)]
    exposures = make("exposures.cs", dataset(columns, rows))
    assert read_micrograph_names(exposures, ["a"]) == [rows[0][0][1:].decode()]


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.star", "data_\nloop_\n_rlnMicrographName\nb.mrc\n", "1 of 1 .* not in it .* as b.mrc"),
        ("a.star", "data_\nloop_\n_rlnX\nb.mrc\n", "_rlnMicrographName"),
        ("a.star", "data_\nloop_\n_rlnMicrographName\n1/a.mrc\n2/a.mrc\n", "may be any of 2"),
        ("a.cs", dataset([("uid", "<u8")], [(1,)]), "micrograph_blob/path"),
    ],
)
def test_a_list_that_does_not_name_the_micrographs(make, name, content, said):
    with pytest.raises(FormatError, match=said):
        read_micrograph_names(make(name, content), ["a"])


# ------------------------------------------------------------ other readers


@pytest.mark.parametrize("format_name", NAMING_FORMATS)
def test_starfile_reads_it(tmp_path, format_name):
    starfile = pytest.importorskip("starfile", reason="no starfile to read with; pip install it")
    result = made()
    write(tmp_path, result, format_name, micrographs=PATHS)
    if format_name == "relion":
        table = starfile.read(tmp_path / "autopick.star")
        assert table["rlnMicrographName"].tolist() == [*PATHS]
        assert all(Path(file).exists() for file in table["rlnMicrographCoordinates"])
        return
    table = starfile.read(tmp_path / ONE_FILE[format_name])
    assert table["rlnCoordinateX"].tolist() == pytest.approx(result.x.tolist())
    folder = 0 if format_name == "particles" else 1
    first = table["rlnMicrographName"][0]
    assert first == PATHS[result.micrograph[0]].split("/")[-1] if folder else PATHS[0]


def relion(program, *arguments, folder):
    if shutil.which(program) is None:
        pytest.skip(f"no {program} to read with; install RELION (Debian: relion)")
    command = [program, *map(str, arguments)]
    return subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True).stdout


@pytest.mark.parametrize(
    ("format_name", "file", "table", "labels"),
    [
        ("relion", "autopick.star", "coordinate_files", ("MicrographCoordinates",)),
        ("relion", "m1_autopick.star", "", ("CoordinateX", "CoordinateY", "AutopickFigureOfMerit")),
        ("particles", "particles.star", "particles", ("CoordinateX", "AutopickFigureOfMerit")),
        ("cryosparc", "cryosparc.star", "", ("CoordinateX", "AutopickFigureOfMerit")),
    ],
)
def test_relion_prints_what_is_in_it(tmp_path, format_name, file, table, labels):
    names = ("m1", "empty", "m3")
    write(tmp_path, made(names), format_name, micrographs=[f"Movies/{name}.mrc" for name in names])
    columns = [f"rln{label}" for label in labels]
    arguments = [file, f"data_{table}", *columns]
    rows = relion("relion_star_printtable", *arguments, folder=tmp_path).split("\n")[:-1]
    ours = read_picks_file(tmp_path / file)
    if file == "autopick.star":
        assert [row.strip().endswith(f"/{n}_autopick.star") for row, n in zip(rows, names)] == [
            True
        ] * 3
        return
    assert [float(row.split()[0]) for row in rows] == pytest.approx(ours.x.tolist(), abs=1e-5)
    assert [float(row.split()[-1]) for row in rows] == pytest.approx(ours.score.tolist(), abs=1e-5)
