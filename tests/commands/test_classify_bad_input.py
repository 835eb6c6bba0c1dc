"""`repic-plugin classify` with input that is wrong or odd: one line, and nothing left behind."""

import errno
import os
import shutil
from dataclasses import replace

import mrcfile
import numpy as np
import pytest

from repic_plugin.classification import classify_particles
from repic_plugin.commands import classify as classify_module
from repic_plugin.formats import read_particles, write_stack
from tests.commands.helpers import PREFIX, assert_refused, csv_rows, tree
from tests.commands.small_particles import (
    N_VIEWS,
    PER_VIEW,
    N,
    draw_once,
    labels_of,
    log_of,
    small_particles,
    star_columns,
    with_images,
    write_raw,
)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A folder with particles; not to be changed."""
    draw_once()
    folder = tmp_path_factory.mktemp("made")
    small_particles(folder)
    return folder


@pytest.fixture
def particles(made, tmp_path):
    """Particles of a test of its own."""
    shutil.copytree(made, tmp_path / "sim")
    return tmp_path / "sim"


@pytest.fixture
def classify(run, out):
    """Classify into `out`; options come on top."""

    def run_classify(path, *options):
        counts = () if "--classes" in options else ("--classes", N_VIEWS)
        return run("classify", path, "--out", out, *counts, *options)

    return run_classify


@pytest.fixture
def no_work(monkeypatch):
    """Fail if it comes to work."""

    def work(*_arguments, **_keywords):
        raise AssertionError("it must not come to this")

    monkeypatch.setattr(classify_module, "classify_particles", work)


# Values


@pytest.mark.parametrize(
    "options, words",
    [
        (["--classes", "1"], ["--classes must be a whole number, 2 or more, got 1"]),
        (["--classes", "0"], ["--classes", "got 0"]),
        (["--classes", "41"], ["--classes must not exceed the number of images, 40, got 41"]),
        (["--classes", "2.5"], ["--classes", "'2.5'"]),
        (["--method", "best"], ["--method", "'best'", "ack"]),
        (["--alignment", "best"], ["--alignment", "'best'", "mra"]),
        (["--ctf", "best"], ["--ctf", "'best'", "weight"]),
        (["--beta", "-1"], ["--beta must be 0 or more", "got -1"]),
        (["--beta", "inf"], ["--beta", "got inf"]),
        (["--tolerance", "2"], ["--tolerance must lie in [0, 1]", "got 2"]),
        (["--max-iterations", "0"], ["--max-iterations", "1 or more", "got 0"]),
        (["--max-shift-px", "-1"], ["--max-shift-px", "got -1"]),
        (["--max-shift-px", "nan"], ["--max-shift-px", "got nan"]),
        (["--rings", "3"], ["--rings", "4 or more", "got 3"]),
        (["--rings", "15"], ["--rings must be 14 or less in a box of 32 px", "got 15", "coarser"]),
        (["--rings", "9", "--resolution-angstrom", "9"], ["--rings", "--resolution-angstrom"]),
        (["--resolution-angstrom", "10"], ["--resolution-angstrom", "14 or less", "got 16"]),
        (["--resolution-angstrom", "1e9"], ["--resolution-angstrom", "4 or more", "got 0"]),
        (["--resolution-angstrom", "1e-320"], ["--resolution-angstrom", "14 or less"]),
        (["--resolution-angstrom", "0"], ["--resolution-angstrom must be positive", "got 0"]),
        (["--resolution-angstrom", "nan"], ["--resolution-angstrom", "got nan"]),
        (["--mask-diameter-px", "0"], ["--mask-diameter-px must be positive", "got 0"]),
        (["--mask-diameter-px", "30"], ["box of 32 px is too small", "give --mask-diameter-px of"]),
        (["--seed", "-1"], ["--seed", "0 or more", "got -1"]),
        (["--threads", "0"], ["--threads", "1 or more", "got 0"]),
        (["--pixel-size", "0"], ["particles.star", "pixel size", "got 0", "--pixel-size"]),
        (["--pixel-size", "nan"], ["particles.star", "got nan", "--pixel-size"]),
        (["--pixel-size", "4"], ["5 Å, --pixel-size 4", "omit --pixel-size"]),
    ],
    ids=lambda value: "=".join(value) if value[0].startswith("--") else "",
)
def test_bad_value(classify, made, tmp_path, options, words):
    assert_refused(classify(made / "particles.star", *options), *words)
    assert list(tmp_path.iterdir()) == []


def test_it_has_to_be_told_how_many(run, made, out):
    outcome = run("classify", made / "particles.star", "--out", out)
    assert_refused(outcome, "--classes")


def test_words_that_are_no_arguments_stay(classify, made, monkeypatch):
    def fails(*_arguments, **_keywords):
        raise ValueError("the method of each mirror must_not n_classes; beta n_threads")

    monkeypatch.setattr(classify_module, "classify_particles", fails)
    line = "the method of each mirror must_not --classes; beta --threads"
    assert_refused(classify(made / "particles.star"), f"error: {line}")


@pytest.mark.parametrize("step", ["classify_particles", "draw"])
def test_more_memory_than_there_is(classify, made, tmp_path, monkeypatch, step):
    def fails(*_arguments, **_keywords):
        raise MemoryError

    monkeypatch.setattr(classify_module, step, fails)
    outcome = classify(made / "particles.star")
    assert outcome.code == 2
    assert outcome.err[-1].startswith(f"{PREFIX}40 particles and 4 classes need more memory")
    assert "fewer --classes" in outcome.err[-1]
    assert list(tmp_path.iterdir()) == []


# Files


@pytest.mark.parametrize("name", ["gone.star", "gone.mrcs"])
def test_no_such_file(classify, tmp_path, name):
    assert_refused(classify(tmp_path / name), name, "no such file", "check the name")


@pytest.mark.parametrize("name", ["truth.csv", "."])
def test_not_particles(classify, made, name):
    assert_refused(classify(made / name), "must be a file that ends in", ".star", ".mrcs")


def test_a_stack_that_is_gone(classify, particles, out):
    (particles / "particles.mrcs").unlink()
    outcome = classify(particles / "particles.star")
    assert_refused(outcome, "particles.star, line", "no such file: particles.mrcs")
    assert not out.exists()


def test_a_stack_that_is_too_short(classify, particles, out):
    images = read_particles(particles / "particles.star").images[:]
    write_raw(particles / "particles.mrcs", images[:30])
    outcome = classify(particles / "particles.star")
    assert_refused(outcome, "particles.star, line", "image 31", "1 to 30", "extract it again")
    assert not out.exists()


def test_a_stack_that_is_cut_off(classify, particles):
    path = particles / "particles.mrcs"
    path.write_bytes(path.read_bytes()[:-1])
    assert_refused(classify(path), "particles.mrcs", "cut short")


def test_particles_of_two_sizes(classify, particles):
    images = read_particles(particles / "particles.star").images[:]
    write_raw(particles / "other.mrcs", images[:, :24, :24])
    text = (particles / "particles.star").read_text()
    text = text.replace("000002@particles.mrcs", "000002@other.mrcs")
    (particles / "particles.star").write_text(text)
    assert_refused(classify(particles / "particles.star"), "other.mrcs", "of one size", "24 px")


def test_a_stack_that_says_no_pixel_size(classify, particles):
    path = particles / "particles.mrcs"
    with mrcfile.open(path, mode="r+") as mrc:
        mrc.voxel_size = 0
    assert_refused(classify(path), "no pixel size", "--pixel-size")


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_an_image_that_is_not_finite(classify, particles, tmp_path, value):
    with_images(particles, lambda images: images[17, 3].fill(value))
    outcome = classify(particles / "particles.star")
    words = ["particles.star: particle 18, 000018@particles.mrcs,", "not finite", "leave it out"]
    assert_refused(outcome, *words)
    assert list(tmp_path.iterdir()) == [particles]


def test_the_name_of_an_image_that_is_not_finite(classify, particles):
    """It is that of the row, not of the place in the stack."""
    with_images(particles, lambda images: images[0].fill(np.nan))
    text = (particles / "particles.star").read_text()
    first, last = "000001@particles", f"{N:06d}@particles"
    text = text.replace(first, "x").replace(last, first).replace("x", last)
    (particles / "particles.star").write_text(text)
    assert_refused(classify(particles / "particles.star"), f"particle {N}, 000001@particles.mrcs,")


def test_boxes_that_are_too_small(classify, particles):
    images = read_particles(particles / "particles.star").images[:]
    write_raw(particles / "particles.mrcs", images[:, :12, :12])
    outcome = classify(particles / "particles.mrcs")
    assert_refused(outcome, "particles.mrcs: images must have a box", "got 12", "larger boxes")


# Particles that are put aside, and other warnings


def test_empty_particles_are_put_aside(classify, particles, out):
    def blank(images):
        images[3], images[17] = 0, 7

    with_images(particles, blank)
    outcome = classify(particles / "particles.star")
    assert outcome.code == 0
    *lines, warning = outcome.err
    log_of(lines)
    assert warning == (
        "repic-plugin: warning: 2 particles excluded: "
        "their images are empty (the same value everywhere)"
    )
    assert outcome.out[1].startswith(f"{N} particles with")
    labels = labels_of(out)
    assert np.flatnonzero(labels < 0).tolist() == [3, 17]
    rows = csv_rows(out / "assignments.csv")
    assert list(rows[17].values())[1:] == ["-1", "0.0000", "0.0000", "0.0000", "0", "", "0"]
    assert np.array(star_columns(out / "classes.star")["rlnClassNumber"], int).tolist() == (
        (labels + 1).tolist()
    )
    sizes = [int(row["size"]) for row in csv_rows(out / "classes.csv")]
    assert sizes == np.bincount(labels[labels >= 0], minlength=N_VIEWS).tolist()
    assert np.isfinite(mrcfile.read(out / "class_averages.mrcs")).all()


def test_one_empty_particle(classify, particles):
    with_images(particles, lambda images: images[3].fill(0))
    assert "1 particle excluded" in classify(particles / "particles.star").err[-1]


def test_it_did_not_converge(classify, made):
    outcome = classify(made / "particles.star", "--max-iterations", 1)
    assert outcome.code == 0
    assert outcome.err[1:] == (
        "repic-plugin: warning: not converged in 1 iteration; raise --max-iterations",
    )
    assert ", 1 iteration, " in outcome.out[1]


def test_junk_and_empty_classes_are_told(classify, made, out, monkeypatch):
    def flagged(*arguments, **keywords):
        found = classify_particles(*arguments, **keywords)
        labels = np.where(found.labels == 3, 2, found.labels)
        sizes = np.bincount(labels, minlength=N_VIEWS)
        is_junk = np.array([True, False, True, False])
        return replace(found, labels=labels, sizes=sizes, is_junk=is_junk)

    monkeypatch.setattr(classify_module, "classify_particles", flagged)
    outcome = classify(made / "particles.star")
    assert f"{N_VIEWS} classes of 0 to {2 * PER_VIEW}, 1 empty (" in outcome.out[1]
    junk = f"probable junk: classes 0, 2 ({3 * PER_VIEW} particles; scores below "
    assert any(line.startswith(junk) for line in outcome.out)
    assert [row["is_junk"] for row in csv_rows(out / "classes.csv")] == ["1", "0", "1", "0"]


def test_all_particles_are_empty(classify, particles, tmp_path):
    with_images(particles, lambda images: images.fill(3))
    outcome = classify(particles / "particles.star")
    assert_refused(outcome, "--classes", "images that are not empty, 0, got 4")
    assert list(tmp_path.iterdir()) == [particles]


# Folders


def test_a_run_is_replaced(classify, made, out):
    classify(made / "particles.star", "--classes", 3)
    assert_refused(classify(made / "particles.star"), str(out), "is not empty", "--overwrite")
    assert labels_of(out).max() == 2
    assert classify(made / "particles.star", "--overwrite").code == 0
    assert labels_of(out).max() == N_VIEWS - 1


def test_what_others_wrote_is_not_replaced(classify, made, out, no_work):
    out.mkdir()
    (out / "thesis.tex").write_text("dear")
    for options, word in ((), "is not empty"), (("--overwrite",), "was not written by this"):
        assert_refused(classify(made / "particles.star", *options), str(out), word)
    assert tree(out) == {"thesis.tex": b"dear"}


def test_the_folder_of_the_particles(run, particles, no_work):
    before = tree(particles)
    options = ("--classes", 3, "--overwrite")
    outcome = run("classify", particles / "particles.star", "--out", particles, *options)
    assert_refused(outcome, str(particles), "was not written by this command")
    assert tree(particles) == before


def test_a_folder_beside_the_particles(run, particles):
    before = tree(particles)
    out = particles / "classes"
    assert run("classify", particles / "particles.star", "--classes", 3, "--out", out).code == 0
    shutil.rmtree(out)
    assert tree(particles) == before


@pytest.mark.parametrize("name", ["classes.star", "class_averages.mrcs"])
def test_a_run_is_not_replaced_by_what_is_made_of_it(classify, made, out, monkeypatch, name):
    classify(made / "particles.star")
    before = tree(out)
    outcome = classify(out / name, "--classes", 2, "--overwrite")
    assert_refused(outcome, "contains the particles", name, "choose another folder")
    assert tree(out) == before


def test_a_name_below_a_file(classify, made, run):
    place = made / "truth.csv" / "out"
    outcome = run("classify", made / "particles.star", "--classes", 3, "--out", place)
    assert_refused(outcome, "truth.csv", "is a file")


def refuses(*_arguments, **_keywords):
    raise PermissionError(errno.EACCES, "Permission denied", "/secret/.name.partial")


def test_a_folder_that_cannot_be_written(classify, made, out, no_work, monkeypatch):
    monkeypatch.setattr("pathlib.Path.mkdir", refuses)
    outcome = classify(made / "particles.star")
    assert_refused(outcome, f"--out {out}: cannot be written (Permission denied)", "choose another")
    assert ".partial" not in outcome.err[0]


@pytest.mark.parametrize("step", ["write_class_files", "draw"])
@pytest.mark.parametrize("earlier", [False, True])
def test_the_disk_is_full(classify, made, out, tmp_path, monkeypatch, step, earlier):
    def full(*_arguments, **_keywords):
        raise OSError(errno.ENOSPC, "No space left on device")

    if earlier:
        classify(made / "particles.star")
    before = tree(tmp_path)
    monkeypatch.setattr(classify_module, step, full)
    outcome = classify(made / "particles.star", "--seed", 5, "--overwrite")
    assert outcome.code == 2
    assert outcome.err[-1] == (
        f"repic-plugin: error: --out {out}: cannot be written (No space left on device); "
        "free disk space or choose another folder"
    )
    assert tree(tmp_path) == before


def test_the_disk_is_full_after_some_files(classify, made, tmp_path, monkeypatch):
    replace_file, calls = os.replace, []

    def full(*places):
        calls.append(places)
        if len(calls) > 2:
            raise OSError(errno.ENOSPC, "No space left on device")
        return replace_file(*places)

    monkeypatch.setattr("repic_plugin.formats.base.atomic.os.replace", full)
    assert "No space left" in classify(made / "particles.star").err[-1]
    assert list(tmp_path.iterdir()) == []


def test_while_it_works_no_folder_is_there(classify, made, tmp_path, monkeypatch):
    """What is killed leaves none behind."""

    def look(*arguments, **keywords):
        assert [one.name for one in tmp_path.iterdir()] == [".out-run.partial"]  # keeps the name
        return classify_particles(*arguments, **keywords)

    monkeypatch.setattr(classify_module, "classify_particles", look)
    assert classify(made / "particles.star").code == 0


def test_interrupted(classify, made, tmp_path, monkeypatch):
    def interrupt(*_arguments, **_keywords):
        raise KeyboardInterrupt

    monkeypatch.setattr(classify_module, "draw", interrupt)
    outcome = classify(made / "particles.star")
    assert outcome.code == 130
    assert outcome.err[-1] == "repic-plugin: interrupted; nothing was written"
    assert list(tmp_path.iterdir()) == []


def test_images_that_are_there_twice_are_reported(classify, particles):
    path = particles / "particles.mrcs"
    with mrcfile.open(path, permissive=True) as mrc:
        images = mrc.data.copy()
    write_stack(path, np.concatenate([images, images[3:5]]), 5.0)
    outcome = classify(path)
    assert outcome.code == 0
    (line,) = [line for line in outcome.err if "are the same as another" in line]
    assert f"2 images of {len(images) + 2} are the same as another" in line
    write_stack(path, images, 5.0)
    outcome = classify(path, "--overwrite")
    assert not any("the same as another" in line for line in outcome.err)
