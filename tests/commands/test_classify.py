"""`repic-plugin classify`: what it writes and says, and that others can go on from it."""

import fcntl
import os
import pty
import shutil
import struct
import subprocess
import sys
import termios
from contextlib import suppress

import mrcfile
import numpy as np
import pytest
from scipy.ndimage import map_coordinates

from repic_plugin.classification import classify_particles
from repic_plugin.formats import read_particles
from tests.commands.helpers import csv_header, csv_rows, tree
from tests.commands.small_particles import (
    BOX,
    FILES,
    N_VIEWS,
    PER_VIEW,
    PIXEL_SIZE,
    N,
    draw_once,
    labels_of,
    log_of,
    small_particles,
    star_columns,
    with_images,
)

ASSIGNMENTS = ["particle", "class", "rotation_deg", "shift_x_px", "shift_y_px", "mirror"]
ASSIGNMENTS += ["dissimilarity", "particle_probability"]


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A folder with particles; not to be changed."""
    draw_once()
    folder = tmp_path_factory.mktemp("made")
    small_particles(folder)
    return folder


@pytest.fixture(scope="module")
def clean(tmp_path_factory):
    """The same almost without noise, and without a CTF."""
    folder = tmp_path_factory.mktemp("clean")
    small_particles(folder, snr=50.0, ctf=False)
    return folder


@pytest.fixture
def classify(run, out):
    """Classify into `out`; options come on top."""

    def run_classify(path, *options):
        counts = () if "--classes" in options else ("--classes", N_VIEWS)
        return run("classify", path, "--out", out, *counts, *options)

    return run_classify


def transformed(image, rotation_deg, shift, mirror):
    """The image brought onto its class average as the columns are meant to be read."""
    y, x = np.mgrid[:BOX, :BOX] - BOX // 2
    r = np.deg2rad(rotation_deg)
    # from a place in the average back to the image
    back_x, back_y = np.cos(r) * x + np.sin(r) * y, -np.sin(r) * x + np.cos(r) * y
    back_x = -back_x if mirror else back_x
    places = [back_y - shift[1] + BOX // 2, back_x - shift[0] + BOX // 2]
    return map_coordinates(image, places, order=3)


def agreement(averages, members_of):
    """Correlation of each class average with the mean of its members, inside the mask."""
    y, x = np.mgrid[:BOX, :BOX] - BOX // 2
    inside = np.hypot(x, y) < 0.4 * BOX
    return [
        np.corrcoef(np.mean(members_of(k), axis=0)[inside], average[inside])[0, 1]
        for k, average in enumerate(averages)
    ]


def test_what_is_written_and_said(classify, made, out):
    outcome = classify(made / "particles.star")
    assert outcome.code == 0
    assert sorted(tree(out)) == FILES
    first, summary, used, few, *_, last = outcome.out
    sizes = np.bincount(labels_of(out), minlength=N_VIEWS)
    n_iterations = len(csv_rows(out / "convergence.csv"))
    assert summary.startswith(
        f"{N} particles with CTF (weight), {N_VIEWS} classes of {sizes.min()} to {sizes.max()} "
        f"(coefficient of variation {sizes.std() / sizes.mean():.2f}), {n_iterations} iterations, "
    )
    (row,) = csv_rows(out / "sizes.csv")
    assert used.startswith(
        f"particle diameter {float(row['particle_diameter_angstrom']):.0f} Å (measured), mask "
        f"{float(row['mask_diameter_px']) * PIXEL_SIZE:.3g} Å"
    )
    assert used.endswith("shifts up to 10 Å (2 px)")  # a sixteenth of 32 px
    advice = "10.0 particles per class on average, fewer than 30: averages will be noisy; use "
    advice += "more particles"
    assert first == few == advice  # before the iterations and in the summary
    assert last == f"written to {out}"
    assert len(log_of(outcome.err)) == n_iterations


def test_progress_goes_where_it_is_wanted(classify, made):
    loud = classify(made / "particles.star", "--max-iterations", 2, "--progress", "stdout")
    assert not any(line.startswith("iteration") for line in loud.err)
    n_lines = sum(line.startswith("iteration ") for line in loud.out)
    assert n_lines == len(csv_rows(loud.out[-1].partition("written to ")[2] + "/convergence.csv"))


def test_the_views_are_told_apart(classify, made, out):
    classify(made / "particles.star")
    views = [row["view"] for row in csv_rows(made / "truth.csv")]
    assert len(set(zip(views, labels_of(out)))) == N_VIEWS


def test_it_is_what_the_function_finds(classify, made, out):
    classify(made / "particles.star", "--seed", 3)
    table = read_particles(made / "particles.star")
    found = classify_particles(
        table.images[:], N_VIEWS, pixel_size_angstrom=PIXEL_SIZE, ctf=table.ctf, random_state=3
    )
    rows = csv_rows(out / "assignments.csv")
    assert csv_header(out / "assignments.csv") == ASSIGNMENTS
    assert [row["particle"] for row in rows] == list(table.names)
    poses = np.column_stack([found.labels, found.rotation_deg, found.shift_px, found.mirror])
    cells = [[float(row[name]) for name in ASSIGNMENTS[1:-2]] for row in rows]
    assert cells == pytest.approx(poses, abs=5.1e-5)
    loss = [float(row["dissimilarity"]) for row in rows]
    assert loss == pytest.approx(found.dissimilarity, rel=1e-5)
    assert np.array_equal(mrcfile.read(out / "class_averages.mrcs"), found.averages)
    classes = csv_rows(out / "classes.csv")
    assert [int(row["size"]) for row in classes] == found.sizes.tolist()
    assert [row["is_junk"] for row in classes] == [str(int(junk)) for junk in found.is_junk]
    quality = found.quality
    for name in ("score", "probability", "resolution_angstrom"):
        told = [float(row[name] or "nan") for row in classes]
        assert told == pytest.approx(getattr(quality, name), rel=1e-5, nan_ok=True)
    own = [float(row["particle_probability"]) for row in rows]
    assert own == pytest.approx(quality.member_probability, rel=1e-5)
    star = star_columns(out / "classes.star", "model_classes")
    assert [float(cell) for cell in star["rlnPredictedClassScore"]] == pytest.approx(
        quality.score, abs=1e-6
    )
    assert [float(cell) for cell in star["rlnClassDistribution"]] == pytest.approx(
        found.sizes / found.sizes.sum(), abs=1e-6
    )
    of_particles = star_columns(out / "classes.star")
    assert [float(cell) for cell in of_particles["rlnPredictedClassScore"]] == pytest.approx(
        quality.score[found.labels], abs=1e-6
    )
    course = csv_rows(out / "convergence.csv")
    assert [row["stage"] for row in course] == [record.stage for record in found.records]
    objective = [float(row["objective"]) for row in course]
    assert objective == pytest.approx([record.objective for record in found.records], rel=1e-8)


def test_the_log_is_the_table(classify, made, out):
    told = log_of(classify(made / "particles.star", "--classes", 3).err)
    rows = csv_rows(out / "convergence.csv")
    assert [line.iteration for line in told] == list(range(1, len(rows) + 1))
    for line, row in zip(told, rows):
        assert (str(line.iteration), line.stage) == (row["iteration"], row["stage"])
        assert line.fraction_changed == pytest.approx(float(row["fraction_changed"]), abs=5.1e-4)
        assert line.sizes == (int(row["smallest"]), int(row["largest"]))


def test_averages_are_a_valid_stack(classify, made, out):
    classify(made / "particles.star")
    assert mrcfile.validate(str(out / "class_averages.mrcs"))
    with mrcfile.open(out / "class_averages.mrcs") as mrc:
        assert mrc.is_image_stack()
        assert mrc.data.shape == (N_VIEWS, BOX, BOX)
        assert float(mrc.voxel_size.x) == pytest.approx(PIXEL_SIZE)


@pytest.mark.parametrize("mirrored", [False, True])
def test_averages_are_those_of_the_members(classify, clean, tmp_path, out, mirrored):
    shutil.copytree(clean, tmp_path / "sim")

    def mirror_some(images):
        images[::3] = np.roll(images[::3, :, ::-1], 1, axis=2)  # about the pixel in the middle

    if mirrored:
        with_images(tmp_path / "sim", mirror_some)
    classify(tmp_path / "sim" / "particles.star", *(["--mirror"] if mirrored else []))
    rows = csv_rows(out / "assignments.csv")
    assert ({row["mirror"] for row in rows} == {"0", "1"}) == mirrored
    images = read_particles(tmp_path / "sim" / "particles.star").images[:]
    brought = [
        transformed(
            image,
            float(row["rotation_deg"]),
            (float(row["shift_x_px"]), float(row["shift_y_px"])),
            row["mirror"] == "1",
        )
        for image, row in zip(images, rows)
    ]
    labels = labels_of(out)
    averages = mrcfile.read(out / "class_averages.mrcs")
    assert np.bincount(labels).tolist() == [PER_VIEW] * N_VIEWS
    assert min(agreement(averages, lambda k: np.array(brought)[labels == k])) > 0.97
    # the images as they lie do not look like it
    assert max(agreement(averages, lambda k: images[labels == k])) < 0.9


@pytest.mark.skipif(shutil.which("relion_stack_create") is None, reason="RELION is not installed")
def test_relion_brings_members_onto_our_averages(classify, clean, out):
    classify(clean / "particles.star")
    command = ["relion_stack_create", "--i", "classes.star", "--o", "brought"]
    subprocess.run([*command, "--apply_transformation"], cwd=out, check=True, capture_output=True)
    brought = mrcfile.read(out / "brought.mrcs")
    # RELION sorts no rows: they are the input's
    labels = np.array(star_columns(out / "classes.star")["rlnClassNumber"], int) - 1
    averages = mrcfile.read(out / "class_averages.mrcs")
    assert min(agreement(averages, lambda k: brought[labels == k])) > 0.97


@pytest.mark.skipif(shutil.which("relion_refine") is None, reason="RELION is not installed")
def test_relion_goes_on_from_the_classes(classify, made, out):
    classify(made / "particles.star")
    options = "--K 4 --iter 1 --skip_align --particle_diameter 120 --dont_check_norm --ctf --j 1"
    command = ["relion_refine", "--i", "classes.star", "--o", "./run", *options.split()]
    subprocess.run(command, cwd=out, check=True, capture_output=True)
    assert mrcfile.read(out / "run_it001_classes.mrcs").shape == (4, BOX, BOX)


def test_the_star_file_has_the_assignments(classify, made, out):
    classify(made / "particles.star")
    rows, columns = csv_rows(out / "assignments.csv"), star_columns(out / "classes.star")
    before = star_columns(made / "particles.star")
    assert [int(number) - 1 for number in columns["rlnClassNumber"]] == labels_of(out).tolist()
    for label, name, unit in (
        ("rlnAnglePsi", "rotation_deg", 1),
        ("rlnOriginXAngst", "shift_x_px", PIXEL_SIZE),
        ("rlnOriginYAngst", "shift_y_px", PIXEL_SIZE),
    ):
        expected = [float(row[name]) * unit for row in rows]
        assert [float(cell) for cell in columns[label]] == pytest.approx(expected, abs=3e-4)
    assert columns["rlnDefocusU"] == before["rlnDefocusU"]
    again = read_particles(out / "classes.star")
    table = read_particles(made / "particles.star")
    assert np.array_equal(again.images[:], table.images[:])


def test_scores_of_the_classes(run, classify, made, out):
    classify(made / "particles.star")
    outcome = run("score-classes", out / "assignments.csv", made / "truth.csv")
    assert (outcome.code, outcome.err) == (0, ())
    table = dict(line.rsplit(None, 1) for line in outcome.out[1:12])
    assert table["pairs within 15 degrees"] == table["pairs of the true views within 15 degrees"]


def test_its_own_classes_can_be_classified_again(run, classify, made, out, tmp_path):
    classify(made / "particles.star")
    again = tmp_path / "again"
    outcome = run("classify", out / "classes.star", "--classes", N_VIEWS, "--out", again)
    assert outcome.code == 0
    assert np.array_equal(labels_of(again), labels_of(out))


def test_the_picture(classify, made, out):
    classify(made / "particles.star")
    assert (out / "classes.png").read_bytes().startswith(b"\x89PNG")


# As a process of its own


def test_only_its_own_words_on_stderr(made, out):
    command = [sys.executable, "-m", "repic_plugin.cli", "classify"]
    command += [made / "particles.star", "--classes", "4", "--out", out]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    log_of(done.stderr.splitlines())
    assert done.stdout.endswith(f"written to {out}\n")


def shown_on_a_terminal(command):
    """What a program writes to stderr if that is a terminal of 80 columns."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    shown = b""
    with subprocess.Popen(command, stderr=theirs, stdout=subprocess.DEVNULL) as process:
        os.close(theirs)
        with suppress(OSError):  # how Linux says that the other end is closed
            while True:
                shown += os.read(ours, 1 << 16)
    os.close(ours)
    assert process.returncode == 0, shown
    return shown.decode()


def test_a_bar_on_a_terminal(made, out):
    command = [sys.executable, "-m", "repic_plugin.cli", "classify"]
    shown = shown_on_a_terminal([*command, made / "particles.star", "--classes", "4", "--out", out])
    n_iterations = len(csv_rows(out / "convergence.csv"))
    assert "\n" not in shown  # nothing scrolls
    assert all(f"iteration {i + 1} (" in shown for i in range(n_iterations))
    assert shown.rstrip("\r").rsplit("\r", 1)[1].strip() == ""  # and nothing is left
