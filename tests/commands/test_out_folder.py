"""The folder of --out: its name is taken at the start, and nobody else's files are touched."""

import ctypes
import os
import signal
import stat
import subprocess
import sys
import threading
import time

import pytest

from repic_plugin.commands import consensus as consensus_module
from repic_plugin.commands.out_folder import RESULT, Own, new_folder
from tests.commands.helpers import TINY, assert_refused, tree, write_picks
from tests.small_disks import small_disk

OWN = Own(("table.csv",), lambda _folder: ("table.csv", "grid/m1.box"))


def write(path, **options):
    """A small result; returns where it went."""
    with new_folder(path, **options) as new:
        (new.path / "table.csv").write_text("new")
        (new.path / "grid").mkdir()
        (new.path / "grid" / "m1.box").write_text("new")
    return new.place


@pytest.fixture
def result(out):
    write(out)
    return out


NEW = {"table.csv": b"new", "grid/m1.box": b"new"}


def files_in(folder):
    return {name: content for name, content in tree(folder).items() if content is not None}


# What others wrote


@pytest.mark.parametrize("name", ["notes.txt", "grid/m2.box", "classes/classes.star", ".hidden"])
def test_an_earlier_result_with_other_files_is_not_replaced(result, name):
    (result / name).parent.mkdir(exist_ok=True)
    (result / name).write_text("dear")
    before = tree(result)
    with pytest.raises(ValueError, match=f"holds {name.split('/m')[0].split('/c')[0]}"):
        write(result, overwrite=True, own=OWN)
    assert tree(result) == before


def test_pick_files_that_the_consensus_did_not_write_stay(consensus, out):
    consensus()
    (out / "m9.box").write_text("1 2 3 4 5\n")
    before = tree(out)
    assert_refused(consensus("--overwrite"), "holds m9.box", "choose another folder")
    assert tree(out) == before


def test_what_is_written_to_an_earlier_result_meanwhile_stays(result):
    warned = pytest.warns(UserWarning, match="was taken by another program meanwhile")
    with warned, new_folder(result, overwrite=True, own=OWN) as new:
        (new.path / "table.csv").write_text("newer")
        (result / "notes.txt").write_text("dear")
    assert files_in(result) == {**NEW, "notes.txt": b"dear"}
    assert new.place == f"{result}-2"
    assert files_in(result.with_name("out-2")) == {"table.csv": b"newer"}


@pytest.mark.parametrize("is_there", [False, True])
def test_a_folder_that_is_filled_meanwhile_stays(out, is_there):
    if is_there:
        out.mkdir()
    with pytest.warns(UserWarning, match="the result is in"), new_folder(out) as new:
        (new.path / "table.csv").write_text("new")
        (out / "notes").mkdir(parents=True)
        (out / "notes" / "precious.txt").write_text("weeks of work")
    assert files_in(out) == {"notes/precious.txt": b"weeks of work"}
    assert files_in(out.with_name("out-2")) == {"table.csv": b"new"}
    assert new.place == f"{out}-2"


def test_a_file_of_that_name_stays(out):
    with pytest.warns(UserWarning, match="the result is in"), new_folder(out):
        out.write_text("dear")
    assert out.read_text() == "dear"


def test_the_second_result_beside_it_has_a_name_of_its_own(out):
    write(out.with_name("out-2"))
    with pytest.warns(UserWarning), new_folder(out) as new:
        out.write_text("dear")
    assert new.place == f"{out}-3"


# Two runs


def test_a_second_run_with_the_same_name_is_refused(out):
    with new_folder(out) as new:
        with pytest.raises(ValueError, match="another run is writing it"):
            write(out)
        (new.path / "table.csv").write_text("first")
    assert files_in(out) == {"table.csv": b"first"}


def test_a_second_run_into_an_empty_folder_is_refused(out):
    out.mkdir()
    with new_folder(out), pytest.raises(ValueError, match="another run is writing it"):
        write(out)


def test_runs_with_names_of_their_own_do_not_meet(tmp_path):
    with new_folder(tmp_path / "a" / "out"), new_folder(tmp_path / "b" / "out"):
        pass
    assert {one.name for one in tmp_path.iterdir()} == {"a", "b"}


# Runs that were killed

KILLED = """
import os, signal, sys
from repic_plugin.commands.out_folder import new_folder
with new_folder(sys.argv[1]) as new:
    (new.path / "half").write_text("half")
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.parametrize("is_there", [False, True])
def test_what_a_killed_run_left_is_removed_by_the_next(out, tmp_path, is_there):
    if is_there:
        out.mkdir()
    subprocess.run([sys.executable, "-c", KILLED, str(out)], check=False)
    left = list(tmp_path.rglob("*.partial"))
    assert len(left) == 1 and (left[0] / RESULT / "half").exists()
    write(out)
    assert files_in(tmp_path) == {f"out/{name}": text for name, text in NEW.items()}
    assert not list(tmp_path.rglob("*.partial"))


def test_an_earlier_result_is_back_after_a_kill_in_the_last_step(result):
    hidden = result.with_name(".out-run.partial")
    hidden.mkdir()
    os.rename(result, hidden / "before")
    with pytest.raises(ValueError, match="is not empty"):
        write(result, own=OWN)
    assert files_in(result) == NEW
    assert not hidden.exists()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_ended_by_a_signal(consensus, tmp_path, tiny, monkeypatch, request, number):
    earlier = signal.signal(number, signal.SIG_DFL)  # nohup has it ignored, which is respected
    request.addfinalizer(lambda: signal.signal(number, earlier))
    before = tree(tmp_path)
    monkeypatch.setattr(
        consensus_module, "find_consensus", lambda *_a, **_k: (os.kill(os.getpid(), number),
                                                               time.sleep(5)),
    )  # fmt: skip
    outcome = consensus()
    assert outcome.code == 128 + number
    assert outcome.err == ("repic-plugin: interrupted; nothing was written",)
    assert tree(tmp_path) == before


def test_a_signal_within_a_call_of_the_compiler_is_not_lost(consensus, tmp_path, tiny, monkeypatch):
    """C calls Python back: an exception raised there is printed and forgotten."""
    before = tree(tmp_path)
    text = "def called_back():\n    os.kill(os.getpid(), number)\n"
    names = {"os": os, "number": signal.SIGTERM}
    exec(compile(text, "llvmlite/binding/executionengine.py", "exec"), names)

    def find(*_a, **_k):
        ctypes.CFUNCTYPE(None)(names["called_back"])()
        threading.Event().wait(10)

    monkeypatch.setattr(consensus_module, "find_consensus", find)
    assert consensus().code == 128 + signal.SIGTERM
    assert tree(tmp_path) == before


# The folder itself


def test_an_empty_folder_keeps_its_mode(out):
    out.mkdir()
    out.chmod(0o2775)
    inode = out.stat().st_ino
    write(out)
    assert (stat.S_IMODE(out.stat().st_mode), out.stat().st_ino) == (0o2775, inode)


def test_a_replaced_folder_keeps_its_mode(result):
    result.chmod(0o2770)
    write(result, overwrite=True, own=OWN)
    assert stat.S_IMODE(result.stat().st_mode) == 0o2770
    assert files_in(result) == NEW


@pytest.mark.parametrize("is_filled", [False, True])
def test_a_disk_of_its_own(out, is_filled):
    out.mkdir()
    with small_disk(out, 256):
        if is_filled:
            write(out)
            (out / "table.csv").write_text("old")
        write(out, overwrite=True, own=OWN)
        assert files_in(out) == NEW


def test_folders_above_are_removed_where_the_work_fails(tmp_path):
    with pytest.raises(OSError), new_folder(tmp_path / "a" / "b" / "out"):
        raise OSError
    assert list(tmp_path.iterdir()) == []


# Inputs


def test_picks_inside_an_earlier_result(run, tiny, out):
    run("consensus", tiny, "--box-size", 100, "--out", out)
    write_picks(out / "picks", TINY)
    before = tree(out)
    outcome = run("consensus", out / "picks", "--box-size", 100, "--out", out, "--overwrite")
    assert_refused(outcome, str(out), "choose another folder")
    assert tree(out) == before


@pytest.mark.parametrize("part", ["", "topaz", "topaz/m1.box"])
def test_picks_that_links_lead_to(run, tiny, out, tmp_path, part):
    run("consensus", tiny, "--box-size", 100, "--out", out)
    (out / part).mkdir(exist_ok=True) if part == "topaz" else None
    picks = tmp_path / "linked"
    if not part:
        write_picks(picks, {"one": TINY["crYOLO"]})
        (picks / "two").symlink_to(out)
    elif part == "topaz":
        write_picks(picks, {"one": TINY["crYOLO"]})
        (out / part / "m1.box").write_text("100 100 100 100 0.9\n")
        (picks / "two").symlink_to(out / part)
    else:
        write_picks(picks, {"one": TINY["crYOLO"], "two": {"m2.box": ""}})
        (picks / "two" / "m1.box").symlink_to(out / "m1.box")
    before = tree(out)
    outcome = run("consensus", picks, "--box-size", 100, "--out", out, "--overwrite")
    assert_refused(outcome, str(out), "choose another folder")
    assert tree(out) == before


def test_a_folder_in_a_picker_s_folder_that_a_link_leads_to(run, tiny, tmp_path):
    picks = tmp_path / "linked"
    write_picks(picks, {"one": TINY["crYOLO"]})
    (picks / "two").symlink_to(tiny / "topaz")
    outcome = run("consensus", picks, "--box-size", 100, "--out", tiny / "topaz" / "result")
    assert_refused(outcome, "lies in", "choose another folder")
    assert not (tiny / "topaz" / "result").exists()
