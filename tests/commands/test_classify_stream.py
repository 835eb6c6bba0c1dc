"""`repic-plugin classify --stream`: a growing list of particles, classified by many calls."""

import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from repic_plugin.cli import build_parser
from repic_plugin.commands.classify_stream import FOLDER, run_stream
from repic_plugin.commands.out_folder import growing_folder
from repic_plugin.formats import (
    StreamFolder,
    read_class_tables,
    read_particles,
    write_particles_star,
    write_stack,
)
from tests.classification.particles import agreement
from tests.commands.helpers import assert_refused, command, csv_rows, tree
from tests.commands.small_particles import (
    BOX,
    FILES,
    PIXEL_SIZE,
    draw_once,
    labels_of,
    small_particles,
    star_columns,
)

N_VIEWS, PER_VIEW = 4, 60
N, FIRST, BLOCK = N_VIEWS * PER_VIEW, 80, 50
USUAL = ("--classes", 4, "--first", FIRST, "--block", BLOCK, "--threads", 1)
PAGE = Path(__file__).parents[2] / "docs/use/classes.md"


class Growing:
    """Particles in mixed order, of which a STAR file names more and more."""

    def __init__(self, folder, **options):
        made = small_particles(folder, n_per_view=PER_VIEW, **options)
        self.folder, self.star, self.ctf = folder, folder / "all.star", made.ctf
        self.order = np.random.default_rng(0).permutation(N)
        self.view = made.view[self.order]

    def grow(self, n, order=None):
        """Name the first n particles."""
        rows = (self.order if order is None else order)[:n]
        names = [f"{row + 1:06d}@particles.mrcs" for row in rows]
        ctf = self.ctf.take(rows)
        write_particles_star(self.star, names, PIXEL_SIZE, BOX, ctf)
        return self.star


@pytest.fixture(scope="module")
def growing(tmp_path_factory):
    draw_once()
    return Growing(tmp_path_factory.mktemp("growing") / "sim", snr=0.5)


def classify(growing, n, folder, *options, usual=USUAL):
    return command("classify", growing.grow(n), "--stream", folder, *usual, *options)


def streamed(growing, folder, ends, *last):
    """Calls after so many particles each; the last one has options of its own."""
    for end in ends:
        told = classify(growing, end, folder, *(last if end == ends[-1] else ()))
        assert told.code == 0, told.err
    return told


@pytest.fixture(scope="module")
def whole(growing, tmp_path_factory):
    """All particles in one call."""
    folder = tmp_path_factory.mktemp("whole") / "classes"
    return streamed(growing, folder, [N], "--final"), folder


@pytest.fixture(scope="module")
def passed(growing, tmp_path_factory):
    """The same, and a full pass."""
    folder = tmp_path_factory.mktemp("passed") / "classes"
    return streamed(growing, folder, [N], "--final", "--full-pass"), folder


def test_the_files_are_those_of_a_classification(growing, whole):
    told, folder = whole
    assert sorted(path.name for path in folder.iterdir()) == [*FILES, "stream"]
    assert f"{N} particles with CTF (weight) in 4 classes" in told.out[0]
    assert f"{N} of them new" in told.out[0] and told.out[-1] == f"written to {folder}"
    tables = read_class_tables(folder)
    assert np.array_equal(np.bincount(tables.labels, minlength=4), tables.sizes)
    assert agreement(labels_of(folder), growing.view) > 0.9
    numbers = np.array(star_columns(folder / "classes.star")["rlnClassNumber"], int)
    assert np.array_equal(numbers - 1, labels_of(folder))


def test_further_particles_can_be_assigned_to_it(growing, whole, tmp_path):
    star = growing.grow(N)
    told = command("classify", star, "--into", whole[1], "--out", tmp_path / "more")
    assert told.code == 0, told.err
    assert (labels_of(tmp_path / "more") == labels_of(whole[1])).mean() > 0.95


@pytest.mark.parametrize("ends", [(30, 79, 80, 140, 141, N), (200, 200, N)])
def test_it_does_not_matter_how_often_it_is_called(growing, whole, tmp_path, ends):
    streamed(growing, tmp_path / "classes", ends, "--final")
    assert tree(tmp_path / "classes") == tree(whole[1])


def test_before_there_are_enough_it_waits(growing, tmp_path):
    told = classify(growing, FIRST - 1, tmp_path / "classes")
    assert told.code == 0 and [*(tmp_path / "classes").iterdir()] == [tmp_path / "classes/stream"]
    assert told.out == (
        f"{FIRST - 1} particles so far; classes are made of the first {FIRST}, or with --final of "
        "those that there are",
    )


def test_particles_of_an_incomplete_block_wait(growing, tmp_path):
    told = classify(growing, FIRST + BLOCK + 7, tmp_path / "classes")
    assert "7 particles wait until a block is complete, or for --final" in told.out
    rows = csv_rows(tmp_path / "classes/assignments.csv")
    assert len(rows) == FIRST + BLOCK
    assert len(read_particles(tmp_path / "classes/classes.star")) == FIRST + BLOCK
    told = classify(growing, FIRST + BLOCK + 7, tmp_path / "classes", "--final")
    again = csv_rows(tmp_path / "classes/assignments.csv")
    assert len(again) == FIRST + BLOCK + 7
    assert [one["class"] for one in again[: len(rows)]] == [one["class"] for one in rows]


def test_a_full_pass_is_made_once(growing, passed, tmp_path):
    told, folder = passed
    assert "all were classified again, from the classes as they were" in told.out
    before = tree(folder)
    again = classify(growing, N, folder, "--final", "--full-pass")
    assert "no full pass: no particles have come since the last one" in again.out
    assert tree(folder) == before
    used = csv_rows(folder / "sizes.csv")[0]
    assert used["is_measured"] == "1" and float(used["particle_diameter_angstrom"]) > 0
    kept = StreamFolder(folder / "stream")
    assert kept.n_passes == 1 and kept.state.n_seen == N
    assert agreement(labels_of(folder), growing.view) > 0.9


def test_it_goes_on_after_a_full_pass(growing, tmp_path):
    folder, n = tmp_path / "classes", FIRST + BLOCK
    streamed(growing, folder, [n], "--full-pass")
    told = streamed(growing, folder, [N], "--final", "--full-pass")
    assert "all were classified again, from the classes as they were" in told.out
    assert StreamFolder(folder / "stream").n_passes == 2
    assert len(labels_of(folder)) == N and agreement(labels_of(folder), growing.view) > 0.9


def with_image(growing, row, value):
    """Give one of the particles, by its row in the list, one value everywhere."""
    stack = growing.folder / "particles.mrcs"
    raw, size = bytearray(stack.read_bytes()), BOX * BOX * 4
    at = len(raw) - (N - int(growing.order[row])) * size
    raw[at : at + size] = np.full(BOX * BOX, value, "<f4").tobytes()
    stack.write_bytes(raw)


def test_an_empty_image_is_in_no_class(tmp_path):
    few = Growing(tmp_path / "sim", snr=0.5)
    with_image(few, FIRST + 3, 0)
    told = streamed(few, tmp_path / "classes", [N], "--final", "--full-pass")
    assert any("1 particle excluded: its image is empty" in line for line in told.err)
    assert np.flatnonzero(labels_of(tmp_path / "classes") < 0).tolist() == [FIRST + 3]


def test_a_damaged_image_is_named_and_the_stream_goes_on_without_it(growing, whole, tmp_path):
    few, folder, row = Growing(tmp_path / "sim", snr=0.5), tmp_path / "classes", FIRST + BLOCK + 3
    stack = few.folder / "particles.mrcs"
    good = stack.read_bytes()
    with_image(few, row, np.nan)
    told = classify(few, N, folder)
    name = f"{few.order[row] + 1:06d}@particles.mrcs"
    refused(told, f"particle {row + 1}, {name}, has values that are not finite")
    assert StreamFolder(folder / "stream").state.n_seen == FIRST + BLOCK
    stack.write_bytes(good)
    streamed(few, folder, [N], "--final")
    assert labels_of(folder).tolist() == labels_of(whole[1]).tolist()


# Other particles, other settings


def refused(told, *words):
    assert told.code == 2 and len(told.err) == 1, told.err
    assert all(word in told.err[0] for word in words), told.err


def test_other_particles_are_refused_by_their_row(growing, whole):
    before = tree(whole[1])
    swapped = growing.order.copy()
    swapped[[100, 103]] = swapped[[103, 100]]
    growing.grow(N, swapped)
    told = command("classify", growing.star, "--stream", whole[1], *USUAL)
    refused(told, "particle 101, ", f"{swapped[100] + 1:06d}@particles.mrcs", "the same order")
    refused(classify(growing, N - 1, whole[1]), f"has {N - 1} particles, but {N} were classified")
    assert tree(whole[1]) == before


def test_particles_that_wait_may_be_others(growing, tmp_path):
    assert classify(growing, FIRST + 5, tmp_path / "classes").code == 0
    other = growing.order.copy()
    other[FIRST : FIRST + 5] = growing.order[FIRST + 5 : FIRST + 10]
    growing.grow(FIRST + 5, other)
    told = command("classify", growing.star, "--stream", tmp_path / "classes", *USUAL)
    assert told.code == 0, told.err


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--classes", 5), ("--classes was 4", "is 5 now")),
        (("--first", 81), ("--first was 80", "is 81 now")),
        (("--block", 51), ("--block was 50", "is 51 now")),
        (("--beta", 0.4), ("--beta was 0.5", "is 0.4 now")),
        (("--no-trade",), ("--no-trade was not given", "is given now")),
        (("--no-own-contrast",), ("--no-own-contrast was not given", "is given now")),
        (("--mask-diameter-px", 20), ("--mask-diameter-px was not given", "is 20.0 now")),
        (("--ctf", "none"), ("--ctf was weight", "is none now")),
    ],
)
def test_other_settings_are_refused(growing, whole, options, words):
    before = tree(whole[1])
    told = classify(growing, N, whole[1], *options)
    refused(told, *words, "give those of the first call, or another folder to begin again")
    assert tree(whole[1]) == before


def test_particles_of_another_kind_are_refused(growing, whole):
    text = growing.grow(N).read_text()
    growing.star.write_text(text.replace(f" {PIXEL_SIZE:.6f} ", f" {PIXEL_SIZE + 1:.6f} "))
    changed = growing.star.read_text() != text
    told = command("classify", growing.star, "--stream", whole[1], *USUAL)
    assert changed, text[:600]
    refused(told, "pixel size (Å) was 5", "is 6")


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        (("--checkpoint", "c.npz"), "--checkpoint has no effect with --stream"),
        (("--overwrite",), "--overwrite has no effect with --stream"),
        (("--first", 3), "--first must be"),
        (("--block", 0), "--block must be"),
        (("--rings", 99), "--rings"),
    ],
)
def test_settings_that_are_wrong_begin_nothing(growing, tmp_path, options, problem):
    told = classify(growing, 10, tmp_path / "classes", *options)
    refused(told, problem)
    assert not (tmp_path / "classes").exists()


def test_options_of_a_stream_need_one(growing, run, out):
    growing.grow(N)
    for option in ("--final", "--full-pass"):
        outcome = run("classify", growing.star, "--classes", 4, "--out", out, option)
        assert_refused(outcome, f"{option} is for particles that come later; add --stream DIR")
    outcome = run("classify", growing.star, "--into", out, "--stream", out)
    assert_refused(outcome, "--stream makes classes, got --into; give --classes K instead")


def test_it_is_one_process(growing, out):
    words = [str(word) for word in ("classify", growing.star, "--stream", out, *USUAL)]
    args = build_parser("classify").parse_args(words)
    with pytest.raises(ValueError, match=r"--stream works in one process, got 2 \(MPI\); start"):
        run_stream(args, SimpleNamespace(size=2))
    assert not out.exists()


def test_a_folder_with_other_files_is_refused(growing, tmp_path):
    (tmp_path / "classes").mkdir()
    (tmp_path / "classes/mine.txt").write_text("kept")
    told = classify(growing, N, tmp_path / "classes")
    refused(told, "holds mine.txt, which was not written by this command with --stream")
    assert tree(tmp_path / "classes") == {"mine.txt": b"kept"}
    refused(classify(growing, N, growing.folder), "contains the particles")


def test_the_folder_of_a_classification_without_a_stream_is_refused(growing, tmp_path):
    words = ("classify", growing.grow(FIRST), "--out", tmp_path / "made", "--classes", 2)
    assert command(*words, "--threads", 1).code == 0
    before = tree(tmp_path / "made")
    refused(classify(growing, N, tmp_path / "made"), "holds a classification by --out")
    assert tree(tmp_path / "made") == before


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("settings.json", b"{", "its settings are damaged"),
        ("particles.npz", b"", "particles.npz"),
        ("state.npz", b"PK", "state.npz"),
    ],
)
def test_a_damaged_record_is_named_with_a_remedy(growing, whole, tmp_path, name, content, words):
    shutil.copytree(whole[1], tmp_path / "classes")
    (tmp_path / "classes" / FOLDER / name).write_bytes(content)
    told = classify(growing, N, tmp_path / "classes")
    refused(told, words)
    assert "again" in told.err[0] or "restart" in told.err[0]


def test_noise_is_said_not_to_look_like_particles(growing, whole, tmp_path):
    noise = np.random.default_rng(0).normal(size=(200, BOX, BOX))
    write_stack(tmp_path / "noise.mrcs", noise.astype(np.float32), PIXEL_SIZE)
    words = ("classify", tmp_path / "noise.mrcs", "--stream", tmp_path / "classes")
    told = command(*words, "--classes", 2, "--first", 100, "--block", 50, "--threads", 1)
    assert any("nothing here looks like particles" in line for line in told.out)
    assert not any("junk" in line for line in classify(growing, N, whole[1]).out)


# Two at a time, and kills


def test_two_at_a_time_are_refused(growing, whole):
    """The other one holds the folder as the command does."""
    before = tree(whole[1])
    with growing_folder(whole[1], own=(*FILES, FOLDER), option="--stream"):
        refused(classify(growing, N, whole[1]), "another run is writing it")
    assert tree(whole[1]) == before
    assert classify(growing, N, whole[1]).code == 0


@pytest.mark.slow
def test_kills_at_any_moment_leave_the_same_bytes(growing, passed, tmp_path):
    """At each of the writes of one run in turn, by the process itself, with a full pass."""
    folder = tmp_path / "classes"
    text = (
        "import os, signal, sys\n"
        "from repic_plugin.formats.base import atomic\n"
        "left, replace = int(sys.argv.pop(1)), os.replace\n"
        "def counting(*paths):\n"
        "    global left\n"
        "    left -= 1\n"
        "    if left < 0:\n"
        "        os.kill(os.getpid(), signal.SIGKILL)\n"
        "    replace(*paths)\n"
        "atomic.os.replace = counting\n"
        "from repic_plugin.cli import main\n"
        "sys.exit(main(sys.argv[1:]))\n"
    )
    words = ["classify", growing.grow(N), "--stream", folder, *USUAL, "--final", "--full-pass"]
    rng, n_kills = np.random.default_rng(0), 0
    for i in range(40):
        call = [sys.executable, "-c", text, rng.integers(0, 8 + 3 * i), *words]
        done = subprocess.run([str(word) for word in call], capture_output=True, check=False)
        n_kills += done.returncode == -signal.SIGKILL
        if done.returncode == 0:
            break
        assert done.returncode == -signal.SIGKILL, done.stderr
    assert done.returncode == 0 and n_kills > 3
    assert tree(folder) == tree(passed[1])


# The page


def test_the_commands_of_the_page_run(growing, tmp_path, monkeypatch):
    section = PAGE.read_text("utf-8").split("## Particles that keep coming")[1].split("\n## ")[0]
    lines = [line for line in re.findall(r"```\n(.*?)```", section, re.S)[0].splitlines() if line]
    assert len(lines) == 2 and "--stream" in lines[0] and "--full-pass" in lines[1]
    monkeypatch.chdir(growing.folder)
    stars = {"all_so_far.star": growing.grow(N)}
    for line in lines:
        program, *words = shlex.split(line)
        assert program == "repic-plugin"
        small = [stars.get(word, word) for word in words]
        small[small.index("--classes") + 1] = 4
        small[small.index("--stream") + 1] = tmp_path / "classes"
        told = command(*small, *USUAL[2:])
        assert told.code == 0, told.err
    assert len(labels_of(tmp_path / "classes")) == N
    assert json.loads((tmp_path / "classes/references.json").read_text())
    assert os.listdir(tmp_path) == ["classes"]
