"""Commands that write to a disk that is full: a real one of some kilobytes."""

import gc
import math
import resource
import subprocess
import sys

import numpy as np
import pytest

from repic_plugin.formats import write_arrays
from tests.commands.helpers import assert_refused, box_text, tree, write_picks
from tests.commands.small_particles import draw_once, small_particles
from tests.small_disks import small_disk

FULL = "No space left on device"
BLOCK_KB = 4  # what a file takes at least


@pytest.fixture(scope="module")
def picks(tmp_path_factory):
    """Three pickers, enough to fill some blocks."""
    rng = np.random.default_rng(0)
    mics = {f"m{i}": rng.uniform(100, 3900, (120, 2)) for i in range(4)}
    pickers = {
        name: {f"{mic}.box": box_text(rows + rng.normal(0, 5, rows.shape), 100)
               .replace("\n", "\t0.5\n").replace("0.5", "0.4", 1) for mic, rows in mics.items()}
        for name in ("one", "two", "three")
    }  # fmt: skip
    return write_picks(tmp_path_factory.mktemp("picks"), pickers)


@pytest.fixture(scope="module")
def particles(tmp_path_factory):
    draw_once()
    folder = tmp_path_factory.mktemp("particles")
    small_particles(folder)
    return folder / "particles.star"


@pytest.fixture
def words(picks, particles):
    """A command without its output, by name."""
    first = picks / "one"
    size = ("--micrograph-size", 400, 400, "--box-size", 50)
    return {
        "consensus": ("consensus", picks, "--box-size", 100, "--copy-distance", 0, "--out"),
        "evaluate": ("evaluate", picks, first, "--box-size", 100, "--out"),
        "simulate": ("simulate", "--micrographs", 3, "--particles", 3, *size, "--draw"),
        "classify": ("classify", particles, "--classes", 2, "--max-iterations", 2, "--out"),
    }


def used_kb(folder):
    files = [one for one in folder.rglob("*") if one.is_file()]
    return sum(-(-one.stat().st_size // 1024 // BLOCK_KB) * BLOCK_KB for one in files)


@pytest.mark.parametrize("part", [0.0, 0.3, 0.9])
@pytest.mark.parametrize("name", ["consensus", "evaluate", "simulate", "classify"])
def test_it_is_told_in_one_line_and_nothing_is_left(run, words, tmp_path, name, part):
    target = "scores.csv" if name == "evaluate" else "result"
    (tmp_path / "large").mkdir()
    done = run(*words[name], tmp_path / "large" / target)
    assert done.code == 0, done.err
    needed = used_kb(tmp_path / "large")
    disk = tmp_path / "disk"
    disk.mkdir()
    with small_disk(disk, 64 + needed):
        ballast = disk / "ballast"
        blocks = 64 // BLOCK_KB + math.ceil((1 - part) * needed / BLOCK_KB)
        ballast.write_bytes(bytes(1024 * BLOCK_KB * blocks))
        before = tree(disk)
        outcome = run(*words[name], disk / target)
        told = [line for line in outcome.err if not line.startswith("iteration ")]
        assert_refused(outcome._replace(err=tuple(told)), FULL)
        assert tree(disk) == before
        ballast.unlink()
        again = run(*words[name], disk / target)
        assert again.code == 0, again.err
        assert sorted(tree(disk)) == sorted(tree(tmp_path / "large"))


def test_arrays_that_do_not_fit_leave_no_open_archive(tmp_path, monkeypatch):
    """Python would print a traceback when it is collected, after the line of the error."""
    printed = []
    monkeypatch.setattr(sys, "unraisablehook", printed.append)
    with small_disk(tmp_path, 64):
        with pytest.raises(OSError, match="No space left"):
            write_arrays(tmp_path / "large.npz", {"a": np.ones(10), "b": np.ones(100_000)})
        gc.collect()
        assert list(tmp_path.iterdir()) == []
    assert printed == []


@pytest.mark.slow
def test_files_that_may_not_grow_are_told_likewise(words, tmp_path):
    command = [sys.executable, "-m", "repic_plugin.cli", *map(str, words["consensus"])]
    done = subprocess.run(
        [*command, str(tmp_path / "result")],
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000)),
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert "File too large" in line
    assert list(tmp_path.iterdir()) == []
