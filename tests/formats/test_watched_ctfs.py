"""Lists of micrographs with their CTFs that are read while they are written."""

import pytest

from repic_plugin.formats import FormatError, WatchedCtfs

HEAD = """data_

loop_
_rlnMicrographName
_rlnDefocusU
_rlnDefocusV
_rlnDefocusAngle
_rlnVoltage
_rlnSphericalAberration
_rlnAmplitudeContrast
"""
ROWS = [f"m{i}.mrc {10000 + i} {9000 + i} 30 300 2.7 0.1\n" for i in range(3)]


def text(n):
    return HEAD + "".join(ROWS[:n])


def test_a_row_is_taken_when_it_was_the_same_twice(tmp_path):
    file = tmp_path / "ctfs.star"
    file.write_text(text(1) + "m1.mrc 10001 9001 30 300 2.7 0.")
    found = WatchedCtfs(file)
    found.look()
    assert found.micrographs == []
    file.write_text(text(3)[:-2])
    assert found.look()
    assert found.micrographs == ["m0.mrc"]  # m1 was read as 0 amplitude contrast before
    file.write_text(text(3))
    found.look()
    assert found.micrographs == ["m0.mrc", "m1.mrc"]
    assert found.look()
    assert found.micrographs == ["m0.mrc", "m1.mrc", "m2.mrc"]
    assert not found.look()
    assert found.read("m1.mrc")[:3] == (10001, 9001, 30)


def test_complete_files_are_taken_at_the_first_look(tmp_path):
    for i in range(3):
        (tmp_path / f"m{i}.star").write_text(HEAD + ROWS[i])
    found = WatchedCtfs(tmp_path, is_complete=True)
    assert found.look()
    assert found.micrographs == ["m0.mrc", "m1.mrc", "m2.mrc"]


def test_a_bad_file_is_a_problem_until_it_is_whole(tmp_path):
    (tmp_path / "a.star").write_text(HEAD + ROWS[0][:12])
    found = WatchedCtfs(tmp_path)
    found.look()
    assert found.problems == {}  # it may be in the making
    found.look()
    (problem,) = found.problems.values()
    assert "a.star" in problem
    (tmp_path / "a.star").write_text(text(1))
    found.look()
    found.look()
    assert (found.problems, found.micrographs) == ({}, ["m0.mrc"])


def test_a_failed_estimation_leaves_the_other_micrographs(tmp_path):
    file = tmp_path / "ctfs.star"
    file.write_text(HEAD + ROWS[0] + "m1.mrc nan 9001 30 300 2.7 0.1\n" + ROWS[2])
    found = WatchedCtfs(file, is_complete=True)
    found.look()
    assert (found.micrographs, found.problems) == (["m0.mrc", "m2.mrc"], {})
    assert "the CTF of m1.mrc is no number" in found.notes[file]
    assert found.read("m2.mrc")[:3] == (10002, 9002, 30)
    file.write_text(text(3))
    found.look()
    assert (len(found.micrographs), found.notes) == (3, {})


def test_no_file_is_an_error(tmp_path):
    with pytest.raises(FormatError, match="no such file or folder"):
        WatchedCtfs(tmp_path / "none").look()
