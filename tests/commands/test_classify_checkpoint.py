"""`repic-plugin classify --checkpoint`: work that is stopped is not lost, and goes on as it was."""

import errno
import os
import shutil
import signal
import subprocess
import sys
from contextlib import contextmanager

import numpy as np
import pytest

import repic_plugin.formats.results.class_files
from repic_plugin.commands import classify as classify_module
from repic_plugin.formats import read_particles, write_arrays, write_checkpoint
from tests.commands.helpers import PREFIX, assert_refused, tree
from tests.commands.small_particles import (
    draw_once,
    log_of,
    small_particles,
    with_images,
)

# In these particles there are more classes to be found than there are views, which takes longer.
USUAL = ("--classes", 6, "--tolerance", 0)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A folder with particles; not to be changed."""
    draw_once()
    folder = tmp_path_factory.mktemp("made")
    small_particles(folder, snr=0.5)
    return folder


@pytest.fixture
def particles(made, tmp_path):
    """Particles of a test of its own."""
    shutil.copytree(made, tmp_path / "sim")
    return tmp_path / "sim" / "particles.star"


@pytest.fixture
def file(tmp_path):
    """The checkpoint."""
    return tmp_path / "state.npz"


@pytest.fixture
def classify(run, made, out, file):
    """Classify with a checkpoint; options come on top."""

    def run_classify(*options, path=None):
        words = ("--out", out, "--checkpoint", file, *USUAL, *options)
        return run("classify", path or made / "particles.star", *words)

    return run_classify


@pytest.fixture
def stop(monkeypatch):
    """Let a fault happen in place of the checkpoint after so many iterations."""

    @contextmanager
    def stop_after(n_iterations, fault):
        def write(path, owner, state):
            if state.iteration > n_iterations:
                raise fault
            write_checkpoint(path, owner, state)

        with monkeypatch.context() as patch:
            patch.setattr(classify_module, "write_checkpoint", write)
            yield

    return stop_after


@pytest.fixture
def stopped(classify, stop, file):
    """Stop a run after so many iterations; options come on top."""

    def run_and_stop(n_iterations, *options, **keywords):
        with stop(n_iterations, KeyboardInterrupt()):
            outcome = classify(*options, **keywords)
        assert outcome.code == 130
        assert file.exists() == (n_iterations > 0)
        return outcome

    return run_and_stop


@pytest.fixture
def whole(run, made, tmp_path):
    """The files of a run without a stop, and its log."""

    def run_whole(*options):
        out = tmp_path / "whole"
        outcome = run("classify", made / "particles.star", "--out", out, *USUAL, *options)
        return tree(out), outcome.err

    return run_whole


def went_on(outcome):
    """After which iteration it went on."""
    assert outcome.code == 0, outcome.err
    first = outcome.err[0]
    assert first.startswith("resuming after iteration ")
    return int(first.split()[-1])


def ways(test):
    """Run a test with several kinds of classification."""
    options = [
        (),
        ("--method", "kmeans"),
        ("--alignment", "msa"),
        ("--alignment", "rfa"),
        ("--mirror", "--ctf", "flip"),
        ("--max-iterations", 4),
    ]
    return pytest.mark.parametrize("options", options, ids=lambda o: " ".join(map(str, o)))(test)


@pytest.mark.slow
@ways
def test_it_goes_on_as_if_nothing_had_happened(classify, stopped, whole, out, file, options):
    expected, log = whole(*options)
    n_iterations = len([line for line in log if line.startswith("iteration")])
    for n in sorted({1, n_iterations // 2, n_iterations - 1}):
        stopped(n, *options)
        assert not out.exists()
        outcome = classify(*options)
        assert went_on(outcome) == n
        assert outcome.err[1:] == log[n:]
        assert tree(out) == expected
        assert not file.exists()
        shutil.rmtree(out)


@pytest.mark.slow
def test_killed_again_and_again(made, whole, out, file, tmp_path):
    expected, log = whole()
    command = [sys.executable, "-m", "repic_plugin.cli", "classify", made / "particles.star"]
    command += ["--out", out, "--checkpoint", file, *USUAL]
    seen, n_kills = [], 0
    for _ in range(len(log)):
        arguments = [str(word) for word in command]
        with subprocess.Popen(arguments, stderr=subprocess.PIPE, text=True) as process:
            fresh = []
            for line in process.stderr:
                if line.startswith("iteration"):
                    fresh.append(line.rstrip())
                if len(fresh) == 5:
                    process.send_signal(signal.SIGKILL)
                    n_kills += 1
                    break
        seen += fresh
        if process.returncode == 0:
            break
        assert process.returncode == -signal.SIGKILL
        names = {path.name for path in tmp_path.iterdir() if path.suffix != ".tmp"}
        assert names == {"state.npz", "whole", ".out-run.partial"}  # the next run removes that
    assert n_kills > 1
    assert set(seen) <= set(log)
    assert tree(out) == expected
    assert not file.exists()


def test_interrupted(stopped, out, file, tmp_path):
    outcome = stopped(2)
    assert len(log_of(outcome.err[:-1])) == 2
    assert outcome.err[-1] == (
        f"repic-plugin: interrupted; no classes were written, {file} is kept: run again to resume"
    )
    assert list(tmp_path.iterdir()) == [file]


def test_interrupted_before_there_is_a_state(stopped, tmp_path):
    assert stopped(0).err == ("repic-plugin: interrupted; nothing was written",)
    assert list(tmp_path.iterdir()) == []


# A signal sent from outside may come after a run as short as this one has ended.
INTERRUPTS_ITSELF = """
import os, signal, sys
from repic_plugin.cli import main

class Watched:
    def __init__(self, stream):
        self.stream, self.line = stream, ""
    def write(self, text):
        self.stream.write(text)
        *lines, self.line = (self.line + text).split("\\n")
        if any(line.startswith("iteration 2 ") for line in lines):
            os.kill(os.getpid(), signal.SIGINT)
    def __getattr__(self, name):
        return getattr(self.stream, name)

signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored below a shell in background
sys.stderr = Watched(sys.stderr)
sys.exit(main())
"""


def test_a_process_that_is_interrupted(made, out, file):
    command = [sys.executable, "-c", INTERRUPTS_ITSELF, "classify", made / "particles.star"]
    command += ["--out", out, "--checkpoint", file, *USUAL]
    answer = subprocess.run(list(map(str, command)), stderr=subprocess.PIPE, text=True, check=False)
    assert answer.returncode == 130
    last = answer.stderr.splitlines()[-1]
    assert last.startswith("repic-plugin: interrupted; no classes were written")
    assert str(file) in last
    assert file.exists()
    assert not out.exists()


def test_the_number_of_threads_may_change(classify, stopped, whole, out):
    expected, _ = whole("--threads", 1)
    stopped(3, "--threads", 1)
    assert went_on(classify("--threads", 2)) == 3
    assert tree(out) == expected


def test_another_folder_may_be_written(run, made, stopped, file, tmp_path):
    stopped(3)
    other = ("--out", tmp_path / "other", "--checkpoint", file, *USUAL)
    assert went_on(run("classify", made / "particles.star", *other)) == 3


def test_the_same_particles_by_another_name(classify, stopped, particles, monkeypatch):
    stopped(3, path=particles)
    monkeypatch.chdir(particles.parent)
    assert went_on(classify(path="particles.star")) == 3


def test_the_disk_is_full_in_the_end(classify, made, out, file, tmp_path, monkeypatch):
    def full(*_arguments):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(classify_module, "write_class_files", full)
        outcome = classify()
    assert outcome.code == 2
    assert outcome.err[-1] == (
        f"{PREFIX}--out {out}: cannot be written (No space left on device); free disk space or "
        f"choose another folder; {file} is kept: run again to resume"
    )
    assert list(tmp_path.iterdir()) == [file]
    n_iterations = len(log_of(outcome.err[:-1]))
    outcome = classify()
    assert went_on(outcome) == n_iterations
    assert len(outcome.err) == 1  # all was done
    assert not file.exists()


def test_the_disk_is_full_for_the_checkpoint(classify, stop, file, tmp_path):
    full = OSError(errno.ENOSPC, "No space left on device", "/secret/.name.tmp")
    begins = (
        f"{PREFIX}--checkpoint {file}: cannot be written (No space left on device); free disk space"
    )
    with stop(0, full):
        outcome = classify()
    assert (outcome.code, outcome.err) == (2, (f"{begins} or choose another file",))
    assert list(tmp_path.iterdir()) == []
    with stop(2, full):
        outcome = classify()
    remedy = " and run again: it resumes from the previous iteration"
    assert outcome.err[-1] == begins + remedy
    assert went_on(classify()) == 2


def test_a_checkpoint_that_somebody_took_away(classify, out, monkeypatch):
    draw = classify_module.draw

    def draw_and_take(folder, *arguments):
        draw(folder, *arguments)
        os.unlink(out.parent / "state.npz")

    monkeypatch.setattr(classify_module, "draw", draw_and_take)
    assert classify().code == 0


# Checkpoints that are no use


def assert_not_used(outcome, file, out, *words):
    before = file.read_bytes()
    assert_refused(outcome, str(file), *words, "choose another checkpoint")
    assert file.read_bytes() == before
    assert not out.exists()


@pytest.mark.parametrize(
    "options",
    [
        ("--classes", 5),
        ("--seed", 1),
        ("--beta", 0.4),
        ("--tolerance", 0.1),
        ("--max-iterations", 61),
        ("--max-shift-px", 3),
        ("--rings", 8),
        ("--mask-diameter-px", 20),
        ("--method", "kmeans"),
        ("--alignment", "msa"),
        ("--ctf", "none"),
        ("--mirror",),
        ("--no-trade",),
    ],
    ids=lambda options: options[0],
)
def test_other_parameters(classify, stopped, file, out, options):
    stopped(1)
    assert_not_used(classify(*options), file, out, "other particles or parameters")


def other_images(star):
    with_images(star.parent, lambda images: images[0].fill(0))


def other_defocus(star):
    lines = star.read_text().strip().splitlines()
    lines[-1] = lines[-1].replace(lines[-1].split()[2], "12345.0")
    star.write_text("\n".join(lines) + "\n")


def other_order(star):
    text, first, second = star.read_text(), "000001@particles", "000002@particles"
    star.write_text(text.replace(first, "x").replace(second, first).replace("x", second))


def fewer(star):
    star.write_text("\n".join(star.read_text().strip().splitlines()[:-1]) + "\n")


@pytest.mark.parametrize("change", [other_images, other_defocus, other_order, fewer])
def test_other_particles(classify, stopped, particles, file, out, change):
    stopped(1, path=particles)
    change(particles)
    read_particles(particles)  # it can still be read
    assert_not_used(classify(path=particles), file, out, "other particles or parameters")


def test_another_version(classify, stopped, file, out, monkeypatch):
    stopped(1)
    monkeypatch.setattr(repic_plugin.formats.results.class_files, "__version__", "0.0.9")
    assert_not_used(classify(), file, out, "another version")


@pytest.mark.parametrize(
    "damage",
    [
        lambda path: path.write_bytes(b""),
        lambda path: path.write_bytes(path.read_bytes()[:-100]),
        lambda path: path.write_bytes(path.read_bytes()[:2000]),
        lambda path: path.write_text("dear\n"),
        lambda path: write_arrays(path, {"labels": np.arange(3)}),
    ],
    ids=["empty", "end cut off", "cut off", "a text", "other arrays"],
)
def test_damaged(classify, stopped, file, out, damage):
    stopped(2)
    damage(file)
    assert_not_used(classify(), file, out)


def test_particles_are_no_checkpoint(run, particles, out):
    before = particles.read_bytes()
    options = ("--out", out, *USUAL, "--checkpoint", particles)
    outcome = run("classify", particles, *options)
    assert_refused(outcome, str(particles), "cannot be read", "of another kind")
    assert particles.read_bytes() == before


@pytest.mark.parametrize(
    "place, words",
    [
        ("gone/state.npz", ["folder that exists", "choose another"]),
        (".", ["must be a file"]),
        ("out/state.npz", ["must not lie in --out"]),
        ("out", ["must be a file"]),
    ],
)
def test_places_where_no_checkpoint_can_be(run, made, out, tmp_path, place, words):
    if place == "out":
        out.mkdir()
    options = ("--out", out, *USUAL, "--checkpoint", tmp_path / place)
    assert_refused(run("classify", made / "particles.star", *options), "--checkpoint", *words)
    assert list(tmp_path.rglob("*")) == ([out] if place == "out" else [])
