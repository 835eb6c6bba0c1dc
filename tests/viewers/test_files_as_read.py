"""Files that a window has read, and that are written again."""

import os

import pytest

from repic_plugin.viewers.files_as_read import FilesAsRead


def test_a_file_that_is_written_again_is_another_and_one_that_grows_is_not(tmp_path):
    file, other = tmp_path / "set.sqlite", tmp_path / "other.sqlite"
    for one in (file, other):
        one.write_text("rows")
    read = FilesAsRead([str(file), str(other)])
    with file.open("a") as growing:
        growing.write("more rows")
    read.check(str(file))
    read.check(str(tmp_path / "never read"))
    file.unlink()
    with pytest.raises(OSError, match="No such file"):
        read.check(str(file))
    file.write_text("rows")  # on many disks with the same number as before
    with pytest.raises(ValueError, match="executed again since this window was opened"):
        read.check(str(file))
    read.check(str(other))


def test_no_file_stays_open(tmp_path):
    file = tmp_path / "set.sqlite"
    file.touch()
    before = len(os.listdir("/proc/self/fd"))
    reads = [FilesAsRead([str(file)]) for _ in range(9)]
    assert len(os.listdir("/proc/self/fd")) == before + 9
    del reads
    assert len(os.listdir("/proc/self/fd")) == before
