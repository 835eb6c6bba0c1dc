"""`repic-plugin consensus --format` for programs that go by the names of micrographs."""

import pytest

from tests.commands.helpers import TINY, assert_refused, csv_rows, write_picks

STAR = "data_\nloop_\n_rlnMicrographName\n_rlnCoordinateX\n_rlnCoordinateY\n"
MICROGRAPHS = "data_micrographs\nloop_\n_rlnMicrographName\n"
PATHS = [f"MotionCorr/job002/Movies/m{i}.mrc" for i in (1, 2, 3)]


@pytest.mark.parametrize("name", ["relion", "particles", "cryosparc"])
def test_every_format_can_be_a_picker_again(run, consensus, out, tmp_path, name):
    assert consensus("--mode", "quorum", "--format", name).code == 0
    pickers = write_picks(tmp_path / "again", {"crYOLO": TINY["crYOLO"]})
    out.rename(pickers / "first")
    again = tmp_path / "second"
    outcome = run("consensus", pickers, "--box-size", 100, "--out", again)
    assert outcome.code == 0
    if name != "relion":  # one table names no micrograph without particles
        assert "crYOLO alone has picks on 1 of 3 micrographs (m3)" in outcome.err[0]
    summary = csv_rows(again / "summary.csv")
    assert [row["n_picks_first"] for row in summary] == ["2", "1", "0"]
    assert [row["n_selected"] for row in summary] == ["2", "1", "0"]


def test_names_of_relions_list_are_written(consensus, out, make_list):
    outcome = consensus("--format", "relion", "--micrographs", make_list(PATHS))
    assert (outcome.code, outcome.err) == (0, ())
    listed = [line.split() for line in (out / "autopick.star").read_text().splitlines()]
    assert [row[0] for row in listed if row and row[0] in PATHS] == PATHS
    assert all(row[1].endswith(f"out/m{i}_autopick.star") for i, row in enumerate(listed[8:11], 1))


def test_the_fullest_names_of_the_pickers_are_written(run, tiny, out):
    write_picks(tiny, {"relion": {"all.star": STAR + "".join(f"{p} 150 150\n" for p in PATHS)}})
    options = ("--box-size", 100, "--out", out, "--mode", "quorum", "--format", "particles")
    outcome = run("consensus", tiny, *options)
    assert outcome.code == 0
    assert not any("without folders" in line for line in outcome.err)
    assert f"\n{PATHS[0]} 150.000000 150.000000 " in (out / "particles.star").read_text()


def test_names_without_folders_are_reported_where_relion_needs_them(consensus):
    outcome = consensus("--format", "particles")
    (line,) = outcome.err
    assert "named without folders (m1.mrc)" in line
    assert "--micrographs micrographs_ctf.star" in line


@pytest.fixture
def make_list(tmp_path):
    def write(paths):
        path = tmp_path / "micrographs_ctf.star"
        path.write_text(MICROGRAPHS + "".join(f"{one}\n" for one in paths))
        return path

    return write


def test_a_list_without_a_micrograph_is_refused_before_anything_is_written(
    consensus, out, make_list
):
    outcome = consensus("--format", "relion", "--micrographs", make_list(PATHS[:2]))
    assert_refused(outcome, "micrographs_ctf.star", "1 of 3 micrographs are not in it (m3)")
    assert not out.exists()


def test_a_list_for_a_format_that_names_no_micrographs(consensus, make_list):
    outcome = consensus("--format", "box", "--micrographs", make_list(PATHS))
    assert_refused(outcome, "--micrographs", "--format relion, particles, cryosparc")
