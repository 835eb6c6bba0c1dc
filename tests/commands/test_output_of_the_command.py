"""What the command prints, where names, the terminal or the disk are unusual."""

import os
import subprocess
import sys

import pytest

from tests.commands.helpers import TINY, assert_refused, write_picks

COMMAND = [sys.executable, "-m", "repic_plugin.cli"]


@pytest.mark.parametrize("name", ["ü", "$x$"])
def test_a_terminal_without_the_letters_of_a_name(tmp_path, name):
    picks = write_picks(tmp_path / "picks", {name: TINY["crYOLO"], "b": TINY["topaz"]})
    words = [*COMMAND, "consensus", picks, "--box-size", "100", "--out", tmp_path / "out"]
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    done = subprocess.run(words, env=environment, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    assert name.encode("ascii", "backslashreplace") in done.stdout


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no /dev/full here")
def test_what_is_printed_has_no_room(tmp_path, tiny):
    words = [*COMMAND, "consensus", tiny, "--box-size", "100", "--out", tmp_path / "out"]
    with open("/dev/full", "w", encoding="utf-8") as full:
        environment = {**os.environ, "PYTHONUNBUFFERED": ""}
        done = subprocess.run(
            words, stdout=full, stderr=subprocess.PIPE, env=environment, check=False
        )
    assert done.returncode == 2
    told = done.stderr.decode().splitlines()
    assert len(told) == 1 and "what the command prints cannot be written" in told[0]
    assert (tmp_path / "out" / "summary.csv").exists()


def test_a_picker_whose_name_is_no_text(run, tmp_path, out):
    picks = write_picks(tmp_path / "picks", {"a": TINY["crYOLO"], "b": TINY["topaz"]})
    (picks / "b").rename(picks / os.fsdecode(b"b\xff"))
    outcome = run("consensus", picks, "--box-size", 100, "--out", out)
    assert_refused(outcome, r"b\udcff", "no UTF-8 text", "rename it")


def test_memory_that_ends(consensus, monkeypatch):
    def full(*_args, **_kwargs):
        raise MemoryError

    monkeypatch.setattr("repic_plugin.commands.consensus.find_consensus", full)
    assert_refused(consensus(), "more memory is needed")
