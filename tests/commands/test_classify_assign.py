"""`repic-plugin classify --into` and `--references`: further particles in given classes."""

import json
import shutil

import mrcfile
import numpy as np
import pytest

from repic_plugin.formats import (
    open_stack,
    read_class_tables,
    read_particles,
    read_references,
    write_stack,
)
from tests.classification.particles import agreement
from tests.commands.helpers import assert_refused, command, csv_rows
from tests.commands.small_particles import (
    BOX,
    FILES,
    PIXEL_SIZE,
    labels_of,
    small_particles,
    star_columns,
    with_images,
)

MEASURES = ("posterior", "correlation", "fit")


@pytest.fixture(scope="module")
def material(tmp_path_factory):
    """Classes of some particles, and further particles of the same views."""
    folder = tmp_path_factory.mktemp("assign")
    small_particles(folder / "first")
    new = small_particles(folder / "new", random_state=1)
    told = command("classify", folder / "first/particles.star", "--classes", 4, "--threads", 1,
                   "--out", folder / "classes")  # fmt: skip
    assert told.code == 0, told.err
    return folder, new


@pytest.fixture(scope="module")
def assigned(material):
    folder, _ = material
    told = assign(folder, "--into", folder / "classes", "--out", folder / "assigned")
    assert told.code == 0, told.err
    return told, folder / "assigned"


def assign(folder, *options, particles="new"):
    return command("classify", folder / particles / "particles.star", "--threads", 1, *options)


def test_the_files_are_those_of_a_classification(material, assigned):
    told, out = assigned
    assert sorted(path.name for path in out.iterdir()) == FILES
    assert f"assigned to 4 classes of {material[0] / 'classes'}" in told.out[0]
    tables = read_class_tables(out)
    assert len(tables.labels) == 40 and len(tables.convergence["iteration"]) == 0
    assert np.array_equal(np.bincount(tables.labels, minlength=4), tables.sizes)


def test_new_particles_get_the_class_of_their_view(material, assigned):
    _, new = material
    assert agreement(labels_of(assigned[1]), new.view) > 0.9
    rows = csv_rows(assigned[1] / "assignments.csv")
    measures = np.array([[float(row[name]) for name in MEASURES] for row in rows])
    assert (measures[:, 0] > 0.9).all() and (measures[:, 2] > 1.5).all()
    assert all(float(row["particle_probability"]) <= 1 for row in rows)


def test_classes_stay_as_they_were(material, assigned):
    before, after = material[0] / "classes", assigned[1]
    for name in ("class_averages.mrcs", "references.json"):
        assert (before / name).read_bytes() == (after / name).read_bytes()
    for row, other in zip(csv_rows(before / "classes.csv"), csv_rows(after / "classes.csv")):
        same = ("class", "score", "probability", "resolution_angstrom", "is_junk")
        assert [row[name] for name in same] == [other[name] for name in same]


def test_the_star_file_has_the_classes(assigned):
    columns = star_columns(assigned[1] / "classes.star")
    numbers = np.array(columns["rlnClassNumber"], dtype=int)
    assert np.array_equal(numbers - 1, labels_of(assigned[1]))


def test_the_particles_of_the_classes_stay_there(material, tmp_path):
    folder, _ = material
    told = assign(
        folder, "--into", folder / "classes", "--out", tmp_path / "out", particles="first"
    )
    assert told.code == 0, told.err
    assert (labels_of(tmp_path / "out") == labels_of(folder / "classes")).mean() >= 0.97


def test_what_was_assigned_can_be_assigned_to_and_selected_from(material, assigned, tmp_path):
    folder, _ = material
    assert assign(folder, "--into", assigned[1], "--out", tmp_path / "again").code == 0
    again = (tmp_path / "again/assignments.csv").read_bytes()
    assert again == (assigned[1] / "assignments.csv").read_bytes()
    chosen = command("select-classes", assigned[1], "--classes", "0", "--out", tmp_path / "chosen")
    assert chosen.code == 0, chosen.err
    n_chosen = len(read_particles(tmp_path / "chosen/particles.star"))
    assert n_chosen == (labels_of(assigned[1]) == 0).sum()


def test_the_report_shows_them(assigned, tmp_path):
    told = command("report", assigned[1], "--out", tmp_path / "report.html")
    assert told.code == 0, told.err
    text = (tmp_path / "report.html").read_text()
    assert "Class averages" in text and "Convergence" not in text


@pytest.mark.parametrize("factor", [1.0, 0.01])
def test_averages_of_another_program(material, assigned, tmp_path, factor):
    """In another order, box and grey scale."""
    folder, _ = material
    averages = open_stack(folder / "classes/class_averages.mrcs")[:][::-1]
    averages = factor * np.pad(averages, ((0, 0), (4, 4), (4, 4)))
    write_stack(tmp_path / "averages.mrcs", averages, PIXEL_SIZE)
    told = assign(folder, "--references", tmp_path / "averages.mrcs", "--out", tmp_path / "out")
    assert told.code == 0, told.err
    assert any("the averages were multiplied by" in line for line in told.err)
    assert np.array_equal(3 - labels_of(tmp_path / "out"), labels_of(assigned[1]))
    assert read_references(tmp_path / "out").averages.shape == (4, BOX, BOX)
    assert read_class_tables(tmp_path / "out").scores is None


def test_another_box_is_reported(material, assigned, tmp_path):
    folder, _ = material
    shutil.copytree(folder / "new", tmp_path / "padded")
    stack, star = (tmp_path / "padded" / f"particles.{kind}" for kind in ("mrcs", "star"))
    images = read_particles(star).images[:]
    write_stack(stack, np.pad(images, ((0, 0), (4, 4), (4, 4)), "wrap"), PIXEL_SIZE)
    star.write_text(star.read_text().replace(f" {BOX} ", " 40 "))
    words = ("--into", folder / "classes", "--out", tmp_path / "out")
    told = assign(tmp_path, *words, particles="padded")
    assert told.code == 0, told.err
    boxes = "the averages were brought from boxes of 32 px at 5 Å/px to 40 px at 5 Å/px"
    assert any(boxes in line for line in told.err)
    assert (labels_of(tmp_path / "out") == labels_of(assigned[1])).mean() > 0.95


# Errors


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        (("--beta", "0.3"), "--beta is for new classes, got --into; omit it"),
        (("--mirror",), "--mirror is as it was for"),
        (("--ctf", "none"), "--ctf is as it was for"),
        (("--checkpoint", "state"), "--checkpoint is for new classes"),
        (("--classes", "3"), "not allowed with argument"),
        (("--references", "a.mrcs"), "not allowed with argument"),
    ],
)
def test_options_without_effect_are_refused(material, tmp_path, options, problem):
    folder, _ = material
    words = ("--into", folder / "classes", "--out", tmp_path / "out", *options)
    try:
        told = assign(folder, *words)
    except SystemExit as ended:  # argparse's own
        assert ended.code == 2
        return
    assert_refused(told, problem)
    assert not (tmp_path / "out").exists()


def test_a_folder_without_classes_is_refused(material, tmp_path):
    folder, _ = material
    told = assign(folder, "--into", folder / "first", "--out", tmp_path / "out")
    assert_refused(told, "references.json: no such file; give the output of classify")


@pytest.mark.parametrize(
    "change",
    [
        lambda stored: stored.pop("sizes"),
        lambda stored: stored["sizes"].pop("n_rings"),
        lambda stored: stored["sizes"].update(mask_diameter_px="wide"),
        lambda stored: stored.update(ctf_mode="some"),
        lambda stored: stored["sizes"].update(box_px=48),
    ],
)
def test_damaged_settings_are_refused(material, tmp_path, change):
    folder, _ = material
    shutil.copytree(folder / "classes", tmp_path / "classes")
    path = tmp_path / "classes/references.json"
    stored = json.loads(path.read_text())
    change(stored)
    path.write_text(json.dumps(stored))
    told = assign(folder, "--into", tmp_path / "classes", "--out", tmp_path / "out")
    assert_refused(told, "references.json")


def test_particles_without_a_ctf_are_refused(material, tmp_path):
    folder, _ = material
    told = command("classify", folder / "new/particles.mrcs", "--threads", 1,
                   "--into", folder / "classes", "--out", tmp_path / "out")  # fmt: skip
    assert_refused(told, "has no CTF, but the classes of")


def test_inverted_contrast_is_refused(material, tmp_path):
    folder, _ = material
    shutil.copytree(folder / "new", tmp_path / "dark")

    def invert(images):
        images *= -1

    with_images(tmp_path / "dark", invert)
    told = assign(tmp_path, "--into", folder / "classes", "--out", tmp_path / "out",
                  particles="dark")  # fmt: skip
    assert_refused(told, "opposite contrast of the classes")
    assert not (tmp_path / "out").exists()


def test_references_without_a_pixel_size_are_refused(material, tmp_path):
    folder, _ = material
    write_stack(tmp_path / "averages.mrcs", np.ones((2, BOX, BOX), np.float32), PIXEL_SIZE)
    with mrcfile.open(tmp_path / "averages.mrcs", "r+") as mrc:
        mrc.voxel_size = 0
    told = assign(folder, "--references", tmp_path / "averages.mrcs", "--out", tmp_path / "out")
    assert_refused(told, "the header has no pixel size")


def test_the_classes_are_not_overwritten(material):
    folder, _ = material
    classes = folder / "classes"
    told = assign(folder, "--into", classes, "--out", classes, "--overwrite")
    assert_refused(told, "classes")
    assert read_references(classes).sizes.box_px == BOX
