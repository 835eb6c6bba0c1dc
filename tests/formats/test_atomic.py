import os
import subprocess
import sys
from pathlib import Path

import pytest

import repic_plugin
from repic_plugin.formats import atomic_open, atomic_write, write_picks_file
from repic_plugin.formats.base import atomic as atomic_module


def test_writes_text_and_bytes_as_they_are(tmp_path):
    path = tmp_path / "a"
    atomic_write(path, "é\r\n")
    assert path.read_bytes() == b"\xc3\xa9\r\n"
    atomic_write(path, b"\x00", sync=True)
    assert path.read_bytes() == b"\x00"
    assert list(tmp_path.iterdir()) == [path]


def test_an_error_in_the_block_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "a"
    path.write_text("old")
    with pytest.raises(KeyboardInterrupt), atomic_open(path) as file:
        file.write(b"half")
        raise KeyboardInterrupt
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("name", ["box", "star", "csv"])
def test_a_full_disk_leaves_nothing(tmp_path, monkeypatch, name):
    def fail(source, target):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(atomic_module.os, "replace", fail)
    with pytest.raises(OSError, match="No space left"):
        write_picks_file(tmp_path / f"a.{name}", [1], [1], box_size_px=9)
    assert not list(tmp_path.iterdir())


def test_a_killed_process_leaves_the_old_file(tmp_path):
    path = tmp_path / "a.box"
    path.write_text("old")
    code = (
        "import os, sys\n"
        "from repic_plugin.formats import atomic_open\n"
        "with atomic_open(sys.argv[1]) as file:\n"
        "    file.write(b'half'); file.flush(); os.kill(os.getpid(), 9)\n"
    )
    root = Path(repic_plugin.__file__).parents[1]
    done = subprocess.run([sys.executable, "-c", code, str(path)], check=False, cwd=root)
    assert done.returncode == -9
    assert path.read_text() == "old"
    assert all(entry == path or entry.name.startswith(".") for entry in tmp_path.iterdir())


def test_the_mode_follows_the_umask_and_a_link_stays_a_link(tmp_path):
    target, link = tmp_path / "target", tmp_path / "link"
    target.write_text("old")
    link.symlink_to(target)
    previous = os.umask(0o027)
    try:
        atomic_write(link, "new")
    finally:
        os.umask(previous)
    assert link.is_symlink()
    assert target.read_text() == "new"
    assert target.stat().st_mode & 0o777 == 0o640


def test_the_longest_name_can_be_written(tmp_path):
    path = tmp_path / ("a" * 255)
    atomic_write(path, "x")
    assert path.read_text() == "x"


def test_a_missing_folder_is_an_error(tmp_path):
    with pytest.raises(FileNotFoundError):
        atomic_write(tmp_path / "none" / "a", "x")
