"""What is no file among inputs is refused before it is opened: it may never end, or never begin."""

import os
import socket

import numpy as np
import pytest

from repic_plugin.formats import (
    FormatError,
    open_mrc,
    open_stack,
    read_arrays,
    read_map,
    read_particles,
    read_picks_dir,
    read_picks_file,
    write_stack,
)


def pipe(path):
    os.mkfifo(path)


def device(path):
    path.symlink_to("/dev/zero")


def a_socket(path):
    with socket.socket(socket.AF_UNIX) as one:
        folder = os.getcwd()
        os.chdir(path.parent)  # the names of sockets are short
        one.bind(path.name)
        os.chdir(folder)


READERS = {
    "m.box": read_picks_file,
    "m.cbox": read_picks_file,
    "m.star": read_picks_file,
    "m.txt": read_picks_file,
    "m.csv": read_picks_file,
    "p.star": read_particles,
    "p.mrcs": open_stack,
    "p.mrc": open_mrc,
    "p.map": read_map,
    "state.npz": read_arrays,
}


@pytest.mark.parametrize("make", [pipe, device, a_socket])
@pytest.mark.parametrize("name", READERS)
def test_what_is_no_file(tmp_path, name, make):
    make(tmp_path / name)
    with pytest.raises(
        FormatError, match=r"must be a file, got a .*; remove or replace it"
    ) as told:
        READERS[name](tmp_path / name)
    assert str(tmp_path / name) in str(told.value)


def test_a_pipe_in_a_picker_s_folder(tmp_path):
    for picker in ("one", "two"):
        (tmp_path / picker).mkdir()
        (tmp_path / picker / "m1.box").write_text("1 2 3 4\n")
    pipe(tmp_path / "two" / "m2.box")
    with pytest.raises(FormatError, match=r"m2\.box: must be a file, got a named pipe"):
        read_picks_dir(tmp_path)


def test_a_name_that_is_no_text(tmp_path):
    path = os.fsencode(tmp_path) + b"/m\xff.box"
    with open(path, "w", encoding="utf-8") as file:
        file.write("1 2 3 4\n")
    with pytest.raises(FormatError, match=r"m\?\.box: has a name that is no UTF-8 text; rename"):
        read_picks_file(os.fsdecode(path))


def test_a_stack_that_is_cut_after_it_was_read_from(tmp_path):
    """With a memory map the next read would kill the process."""
    path = tmp_path / "a.mrcs"
    write_stack(path, np.ones((40, 64, 64), "f4"), 2.0)
    images = open_stack(path)
    assert images[:3].sum() == 3 * 64 * 64
    os.truncate(path, 1024 + 2 * 64 * 64 * 4)
    with pytest.raises(FormatError, match="has become shorter since it was opened"):
        images[:]
    assert images[:2].sum() == 2 * 64 * 64


def test_names_of_a_stack_are_made_when_they_are_asked_for(tmp_path):
    """20 million images of a pixel are a file of 20 MB: their names alone would take 1.5 GB."""
    path = tmp_path / "a.mrcs"
    write_stack(path, np.ones((1, 1, 1), "f4"), 2.0)
    head = bytearray(path.read_bytes()[:1024])
    head[8:12] = (20_000_000).to_bytes(4, "little")
    with open(path, "wb") as file:
        file.write(head)
        file.truncate(1024 + 4 * 20_000_000)
    table = read_particles(path)
    assert len(table.names) == len(table) == 20_000_000
    assert table.names[-1] == f"20000000@{path}"
    assert table.names[:2] == [f"00000{i}@{path}" for i in (1, 2)]
    assert not isinstance(table.names, (list, tuple))
