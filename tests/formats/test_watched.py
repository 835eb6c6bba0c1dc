"""A folder in which pick files appear while it is watched."""

import numpy as np
import pytest

from repic_plugin.formats import WatchedFolder, folder_stamp, read_picker_folder
from tests.formats.test_reading import CBOX

BOX = "10 20 16 16 0.5\n30 40 16 16 0.25\n"


@pytest.fixture
def folder(tmp_path):
    made = tmp_path / "picker"
    made.mkdir()
    return made


def watched(folder, n_looks=0):
    made = WatchedFolder(folder)
    for _ in range(n_looks):
        made.look()
    return made


def write_table(path, *rows):
    lines = [f"{name} {x} {y}" for name, x, y in rows]
    head = "data_\nloop_\n_rlnMicrographName\n_rlnCoordinateX\n_rlnCoordinateY\n"
    path.write_text(head + "\n".join(lines) + "\n")


def test_a_file_is_taken_when_it_did_not_change_between_two_looks(folder):
    found = watched(folder, 1)
    (folder / "a.box").write_text(BOX[:16])
    assert found.look()
    assert found.micrographs == []
    (folder / "a.box").write_text(BOX)
    assert found.look()
    assert found.micrographs == []
    assert found.look()
    assert found.micrographs == ["a"]
    assert not found.look()
    taken = found.read("a")
    np.testing.assert_array_equal(np.c_[taken.x, taken.y, taken.score], [[18, 28, 0.5],
                                                                       [38, 48, 0.25]])  # fmt: skip
    assert taken.box_size_px == 16


def test_a_half_written_file_is_a_problem_until_it_is_whole(folder):
    (folder / "a.cbox").write_text(CBOX[: CBOX.index("0.75")])
    (folder / "b.box").write_text(BOX)
    found = watched(folder, 2)
    assert found.micrographs == ["b"]
    (problem,) = found.problems.values()
    assert "a.cbox" in problem
    assert found.unread() == [folder / "a.cbox"]
    assert not found.look()
    (folder / "a.cbox").write_text(CBOX)
    assert found.look()
    assert found.look()
    assert found.problems == {}
    assert found.unread() == []
    assert sorted(found.micrographs) == ["a", "b"]


def test_of_a_table_that_grows_micrographs_are_taken_that_were_the_same_twice(folder):
    found = watched(folder, 1)
    table = folder / "picks.star"
    write_table(table, ("a.mrc", 1, 2), ("b.mrc", 3, 4))
    found.look()
    write_table(table, ("a.mrc", 1, 2), ("b.mrc", 3, 4), ("b.mrc", 5, 6))
    found.look()
    assert found.micrographs == []
    write_table(table, ("a.mrc", 1, 2), ("b.mrc", 3, 4), ("b.mrc", 5, 6), ("b.mrc", 7, 8))
    found.look()
    assert found.micrographs == ["a"]
    found.look()
    assert found.micrographs == ["a", "b"]
    assert found.read("b").x.tolist() == [3, 5, 7]
    assert np.isnan(found.read("a").score).all()


def test_it_takes_what_the_folder_as_a_whole_has(folder):
    (folder / "a.box").write_text(BOX)
    (folder / "none.box").write_text("")
    (folder / "notes.txt~").write_text("not picks")
    (folder / "m_automatch.star").write_text(
        "data_\nloop_\n_rlnCoordinateX\n_rlnCoordinateY\n1 2\n"
    )
    (folder / "m_rejected.star").write_text("data_\nloop_\n_rlnCoordinateX\n_rlnCoordinateY\n9 9\n")
    (folder / "job.star").write_text("data_job\n_rlnJobIsContinue 0\n")
    write_table(folder / "table.star", ("c.mrc", 1, 2), ("d.mrc", 3, 4), ("c.mrc", 5, 6))
    found, whole = watched(folder, 2), read_picker_folder(folder).picks
    assert sorted(found.micrographs) == sorted(whole.micrograph_names)
    for number, name in enumerate(whole.micrograph_names):
        assert found.read(name).x.tolist() == whole.x[whole.micrograph == number].tolist()
    assert found.problems == {}


def test_the_stamp_of_a_folder_tells_of_any_change_of_its_pick_files(folder):
    (folder / "a.box").write_text(BOX)
    first = folder_stamp(folder)
    (folder / "log.out").write_text("more")
    assert folder_stamp(folder) == first
    (folder / "b.box").write_text("")
    second = folder_stamp(folder)
    (folder / "b.box").write_text(BOX)
    assert len({first, second, folder_stamp(folder)}) == 3


def test_files_that_are_still_written_can_be_left_out(folder):
    (folder / "a.box").write_text(BOX)
    (folder / "b.box").write_text("1 2")
    loaded = read_picker_folder(folder, without=[folder / "b.box"])
    assert loaded.picks.micrograph_names == ("a",)
