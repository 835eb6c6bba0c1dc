"""What write_classes_star writes, read back by our reader and carried out by RELION."""

import os
import shutil
import subprocess
from pathlib import Path

import mrcfile
import numpy as np
import pytest
from scipy import ndimage

from repic_plugin.formats import FormatError, read_particles, write_classes_star, write_stack
from repic_plugin.formats.base import star_reading as star_text
from repic_plugin.formats.base.text_tables import raw_words

PIXEL_SIZE = 2.5
OLD = """
data_images

loop_
_rlnVoltage #1
_rlnDefocusU #2
_rlnSphericalAberration #3
_rlnDetectorPixelSize #4
_rlnMagnification #5
_rlnAmplitudeContrast #6
_rlnImageName #7
_rlnOriginX #8
_rlnOriginY #9
_rlnAnglePsi #10
_rlnAngleRot #11
_rlnAngleTilt #12
_rlnClassNumber #13
_rlnMicrographName #14
300.0 15000 2.7 5.0 20000 0.1 000002@Extract/job7/a.mrcs 1 2 33 44 55 7 "my mic.mrc"
300.0 25000 2.7 5.0 20000 0.1 000001@Extract/job7/a.mrcs 1 2 33 44 55 7 mic2.mrc
200.0 35000 2.7 5.0 20000 0.1 000003@Extract/job7/a.mrcs 1 2 33 44 55 7 mic3.mrc
"""
NEW = """
data_optics

loop_
_rlnOpticsGroup #1
_rlnOpticsGroupName #2
_rlnImagePixelSize #3
_rlnImageSize #4
_rlnImageDimensionality #5
_rlnVoltage #6
_rlnSphericalAberration #7
_rlnAmplitudeContrast #8
_rlnEvenZernike #9
1 first 2.5 16 2 300.0 2.7 0.1 [0,0.5,1]
2 second 2.5 16 2 300.0 2.7 0.1 [0,0,0]

data_particles

loop_
_rlnImageName #1
_rlnOpticsGroup #2
_rlnDefocusU #3
_rlnIsFlip #4
_rlnOriginXAngst #5
_rlnCoordinateX #6
000002@Extract/job7/a.mrcs 2 15000 1 9.5 1024.123456
000001@Extract/job7/a.mrcs 1 25000 1 9.5 2048.123456
000003@Extract/job7/a.mrcs 2 35000 1 9.5 4096.123456

"""
ALIGNMENT = {
    "labels": [0, 4, -1],
    "rotation_deg": [90.0, -45.5, 0.0],
    "shift_x_px": [1.0, 0.25, 0.0],
    "shift_y_px": [-2.0, 0.0, 0.0],
    "mirror": np.zeros(3, bool),
}


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A folder as RELION's, in which we are, with a stack of 3 images of 16 px."""
    folder = tmp_path / "project"
    (folder / "Extract/job7").mkdir(parents=True)
    write_stack(folder / "Extract/job7/a.mrcs", np.random.default_rng(0).random((3, 16, 16)), 2.5)
    monkeypatch.chdir(folder)
    return folder


def read_tables(path):
    """The tables of a STAR file by name, and of each the columns, as they stand there."""
    tables = {}
    for table in star_text.star_tables(Path(path)):
        rows = [raw_words(row) for row in table.rows()]
        assert {len(row) for row in rows} <= {len(table.columns)}
        tables[table.name] = dict(zip(table.columns, map(list, zip(*rows))))
    return tables


def classify(text, out="classes.star", **changed):
    """Write a STAR file, classify its particles, and return the tables that are written."""
    with open("particles.star", "w") as file:
        file.write(text)
    write_classes_star(out, read_particles("particles.star"), **{**ALIGNMENT, **changed})
    return read_tables(out)


def numbers(column):
    return [float(value) for value in column]


def transformed(image, rotation_deg, shift, mirror=False, order=1):
    """An image whose content at p stands at R M (p + shift), by interpolation."""
    center = len(image) // 2
    turn = np.deg2rad(rotation_deg)
    matrix = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    matrix = matrix @ np.diag([-1.0 if mirror else 1.0, 1.0])
    y, x = np.mgrid[: len(image), : len(image)] - center
    source = np.linalg.inv(matrix) @ [x.ravel(), y.ravel()] - np.reshape(shift, (2, 1))
    values = ndimage.map_coordinates(image.astype(float), source[::-1] + center, order=order)
    return values.reshape(image.shape)


def test_the_columns_of_the_alignment(project):
    particles = classify(NEW)["data_particles"]
    # (5, 0) px from the centre, shifted to (6, -2), turned by 90 degrees to (2, 6). RELION 3.1.3
    # does this for these numbers: see test_relion_turns_and_shifts_as_we_do.
    assert particles["rlnAnglePsi"] == ["90.000000", "-45.500000", "0.000000"]
    assert particles["rlnOriginXAngst"] == ["2.500000", "0.625000", "0.000000"]
    assert particles["rlnOriginYAngst"] == ["-5.000000", "0.000000", "0.000000"]
    assert particles["rlnClassNumber"] == ["1", "5", "0"]
    image = np.zeros((16, 16))
    image[8, 13] = 1
    moved = transformed(image, 90, (1, -2))
    assert np.unravel_index(moved.argmax(), moved.shape) == (14, 10)


def relion(*arguments):
    program = shutil.which(arguments[0])
    if program is None:
        pytest.skip(f"{arguments[0]} is not installed; RELION is not asked")
    done = subprocess.run([program, *arguments[1:]], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def body(box):
    """A figure that looks like no turned or mirrored view of itself."""
    y, x = np.mgrid[:box, :box] - box // 2
    lobes = [(7, 2, 3, 1.0), (-5, 6, 2.5, 0.8), (-3, -8, 2, 1.3), (3, 9, 2, 0.5)]
    squares = [((x - a) ** 2 + (y - b) ** 2) / (2 * s * s) for a, b, s, _ in lobes]
    return sum(lobe[3] * np.exp(-square) for lobe, square in zip(lobes, squares))


def correlation(a, b):
    return np.corrcoef(np.ravel(a), np.ravel(b))[0, 1]


@pytest.mark.parametrize("box", [64, 65])
def test_relion_turns_and_shifts_as_we_do(project, box):
    n = 8
    rng = np.random.default_rng(box)
    rotation, shift = rng.uniform(-180, 180, n), rng.uniform(-5, 5, (2, n))
    rotation[0], shift[:, 0] = 90, (1, -2)
    write_stack("in.mrcs", np.repeat(body(box)[None], n, 0), PIXEL_SIZE)
    mirror = np.arange(n) % 2 == 1
    table = read_particles("in.mrcs")
    write_classes_star("classes.star", table, np.arange(n), rotation, *shift, mirror)
    arguments = ("--i", "classes.star", "--o", "out", "--apply_transformation")
    relion("relion_stack_create", *arguments)
    found = mrcfile.read("out.mrcs")

    def agreement(turns, moves, **mirrored):
        expected = [transformed(body(box), t, m, **mirrored) for t, m in zip(turns, moves.T)]
        return [correlation(a, b) for a, b in zip(found, expected)]

    assert min(agreement(rotation, shift)) > 0.999
    for wrong in [(-rotation, shift), (rotation, -shift), (rotation, shift[::-1])]:
        assert min(agreement(*wrong)) < 0.9
    # RELION does not look at rlnIsFlip
    assert max(agreement(rotation, shift, mirror=True)) < 0.9


def test_relion_averages_what_we_align(project):
    """Its 2D refinement, kept from searching, brings turned images back to one."""
    n, box = 40, 64
    rng = np.random.default_rng(1)
    rotation, shift = rng.uniform(-180, 180, n), rng.uniform(-4, 4, (2, n))
    # the inverse of the transform takes the figure apart
    turned = [transformed(body(box), -r, (0, 0), order=3) for r in rotation]
    images = [transformed(t, 0, -s, order=3) for t, s in zip(turned, shift.T)]
    write_stack("in.mrcs", np.array(images) + rng.normal(0, 0.3, (n, box, box)), PIXEL_SIZE)
    labels, mirror = np.zeros(n, int), rng.random(n) < 0.5
    write_classes_star("c.star", read_particles("in.mrcs"), labels, rotation, *shift, mirror)
    os.mkdir("Class2D")
    options = "--K 1 --iter 1 --skip_align --particle_diameter 140 --dont_check_norm --j 1"
    relion("relion_refine", "--i", "c.star", "--o", "Class2D/run", *options.split())
    average = mrcfile.read("Class2D/run_it001_classes.mrcs")
    assert correlation(average, body(box)) > 0.85
    assert correlation(average, body(box)[::-1]) < 0.7


def test_relion_reads_what_becomes_of_its_older_files(project):
    tables = classify(OLD.replace('"my mic.mrc"', "mic1.mrc"))
    relion("relion_star_handler", "--i", "classes.star", "--o", "again.star")
    again = read_tables("again.star")
    for name, columns in tables.items():
        assert {*columns} == {*again[name]}
    arguments = ("--i", "classes.star", "--o", "out", "--apply_transformation")
    relion("relion_stack_create", *arguments)
    data = read_particles("particles.star").images[:]
    expected = transformed(data[0], 90, (1, -2))
    assert correlation(mrcfile.read("out.mrcs")[0], expected) > 0.99
    # relion_convert_star, RELION's own way from 3.0 to 3.1, makes the same groups
    relion("relion_convert_star", "--i", "particles.star", "--o", "converted.star")
    optics = read_tables("converted.star")["data_optics"]
    for label in ("rlnOpticsGroup", "rlnVoltage", "rlnSphericalAberration", "rlnImagePixelSize"):
        assert numbers(optics[label]) == numbers(tables["data_optics"][label])


@pytest.mark.parametrize("name", ["s.mrc", "s.st", "s.mrcs"])
def test_relion_opens_stacks_of_other_endings(project, name):
    shutil.copy("Extract/job7/a.mrcs", name)
    write_classes_star("classes.star", read_particles(name), **ALIGNMENT)
    relion("relion_stack_create", "--i", "classes.star", "--o", "out")
    np.testing.assert_array_equal(mrcfile.read("out.mrcs"), mrcfile.read("Extract/job7/a.mrcs"))


def test_a_new_file_keeps_its_groups_and_columns(project):
    tables = classify(NEW)
    assert list(tables) == ["data_optics", "data_particles"]
    optics, particles = tables["data_optics"], tables["data_particles"]
    assert optics["rlnEvenZernike"] == ["[0,0.5,1]", "[0,0,0]"]
    assert optics["rlnOpticsGroupName"] == ["first", "second"]
    assert particles["rlnOpticsGroup"] == ["2", "1", "2"]
    assert particles["rlnCoordinateX"] == ["1024.123456", "2048.123456", "4096.123456"]
    assert particles["rlnImageName"][0] == "000002@Extract/job7/a.mrcs"
    assert "rlnIsFlip" not in particles  # nothing is mirrored any more
    assert "rlnAngleRot" not in particles
    assert (project / "classes.star").read_text().startswith("\n# version 30001\n\ndata_optics\n")


def test_an_old_file_gets_groups(project):
    tables = classify(OLD)
    optics, particles = tables["data_optics"], tables["data_particles"]
    assert optics["rlnVoltage"] == ["300.0", "200.0"]
    assert optics["rlnSphericalAberration"] == ["2.7", "2.7"]
    assert optics["rlnOpticsGroup"] == ["1", "2"]
    assert len(set(optics["rlnOpticsGroupName"])) == 2
    assert numbers(optics["rlnImagePixelSize"]) == [2.5, 2.5]
    assert optics["rlnImageSize"] == ["16", "16"]
    assert optics["rlnImageDimensionality"] == ["2", "2"]
    assert particles["rlnOpticsGroup"] == ["1", "1", "2"]
    assert particles["rlnDefocusU"] == ["15000", "25000", "35000"]
    assert particles["rlnMicrographName"] == ['"my mic.mrc"', "mic2.mrc", "mic3.mrc"]
    # in the optics groups, in px, or of a former 3D alignment
    assert not {"rlnVoltage", "rlnOriginX", "rlnOriginY"} & {*particles}
    assert numbers(particles["rlnAngleRot"]) == numbers(particles["rlnAngleTilt"]) == [0, 0, 0]
    assert numbers(particles["rlnAnglePsi"]) == [90, -45.5, 0]


@pytest.mark.parametrize("text", [OLD, NEW])
def test_what_is_written_is_read_again(project, text):
    classify(text)
    before, after = read_particles("particles.star"), read_particles("classes.star")
    np.testing.assert_array_equal(after.images[:], before.images[:])
    assert after.names == before.names
    assert after.pixel_size_angstrom == before.pixel_size_angstrom
    for one, other in zip(before.ctf.columns(), after.ctf.columns()):
        np.testing.assert_array_equal(one, other)
    first = (project / "classes.star").read_text()
    write_classes_star("classes.star", after, **ALIGNMENT)
    assert (project / "classes.star").read_text() == first


def test_mirrored_particles(project):
    mirror = np.array([False, True, False])
    particles = classify(NEW, mirror=mirror)["data_particles"]
    assert particles["rlnIsFlip"] == ["0", "1", "0"]
    assert classify(OLD, mirror=mirror)["data_particles"]["rlnIsFlip"] == ["0", "1", "0"]


def test_the_only_group_is_named_in_the_rows(project):
    pairs = "data_optics\n_rlnOpticsGroupName all\n_rlnImagePixelSize 2.5\n\n"
    rows = NEW[NEW.index("data_particles") :].replace("_rlnDefocusU", "_rlnOther")
    tables = classify(pairs + rows.replace("_rlnOpticsGroup ", "_rlnOld "))
    assert tables["data_optics"]["rlnOpticsGroupName"] == ["all"]
    assert tables["data_optics"]["rlnOpticsGroup"] == ["1"]
    assert numbers(tables["data_optics"]["rlnVoltage"]) == [0]
    assert tables["data_particles"]["rlnOpticsGroup"] == ["1"] * 3


def test_a_plain_stack(project):
    write_classes_star("c.star", read_particles("Extract/job7/a.mrcs"), **ALIGNMENT)
    tables = read_tables("c.star")
    particles = tables["data_particles"]
    assert particles["rlnImageName"] == [f"00000{i}@Extract/job7/a.mrcs" for i in (1, 2, 3)]
    assert particles["rlnOpticsGroup"] == ["1"] * 3
    optics = tables["data_optics"]
    assert numbers(optics["rlnImagePixelSize"]) == [2.5]
    assert (optics["rlnImageSize"], optics["rlnImageDimensionality"]) == (["16"], ["2"])
    # not known, and RELION does not go without
    assert numbers(optics["rlnVoltage"] + optics["rlnSphericalAberration"]) == [0, 0]
    again = read_particles("c.star")
    assert again.ctf is None
    np.testing.assert_array_equal(again.images[:], read_particles("Extract/job7/a.mrcs").images[:])


def test_many_rows_go_block_by_block(project, monkeypatch):
    whole = classify(NEW, out="whole.star")
    monkeypatch.setattr("repic_plugin.formats.images.class_star.ROWS_PER_BLOCK", 2)
    assert classify(NEW, out="parts.star") == whole


def test_names_stay_relative_where_they_lead_to_the_stack(project, tmp_path):
    (project / "Class2D").mkdir()
    for out in ("classes.star", "Class2D/classes.star", project / "Class2D/classes.star"):
        assert classify(NEW, out=out)["data_particles"]["rlnImageName"][0].endswith(
            "@Extract/job7/a.mrcs"
        )
    elsewhere = classify(NEW, out=tmp_path / "classes.star")["data_particles"]["rlnImageName"]
    assert elsewhere == [f"00000{i}@{project}/Extract/job7/a.mrcs" for i in (2, 1, 3)]


def test_names_become_absolute_where_they_were_relative_to_another_folder(
    project, tmp_path, monkeypatch
):
    (project / "particles.star").write_text(NEW)
    monkeypatch.chdir(tmp_path)
    write_classes_star("c.star", read_particles("project/particles.star"), **ALIGNMENT)
    names = read_tables("c.star")["data_particles"]["rlnImageName"]
    assert names[1] == f"000001@{project}/Extract/job7/a.mrcs"
    monkeypatch.chdir("/")
    assert len(read_particles(tmp_path / "c.star")) == 3


def test_absolute_names_stay(project, tmp_path):
    text = NEW.replace("@", f"@{project}/")
    for out in ("c.star", tmp_path / "c.star"):
        names = classify(text, out=out)["data_particles"]["rlnImageName"]
        assert names[0] == f"000002@{project}/Extract/job7/a.mrcs"


def test_names_with_spaces_are_quoted(project):
    shutil.copy("Extract/job7/a.mrcs", "my stack.mrcs")
    write_classes_star("c.star", read_particles("my stack.mrcs"), **ALIGNMENT)
    assert read_tables("c.star")["data_particles"]["rlnImageName"][0] == '"000001@my stack.mrcs"'
    table = read_particles("c.star")
    assert table.names[2] == "000003@my stack.mrcs"
    write_classes_star("d.star", table, **ALIGNMENT)
    assert read_tables("d.star") == read_tables("c.star")


@pytest.mark.parametrize("name", ["a\nb.mrcs", "a \"'.mrcs"])
def test_names_that_no_star_file_can_hold(project, name):
    shutil.copy("Extract/job7/a.mrcs", name)
    with pytest.raises(FormatError, match="rename the file"):
        write_classes_star("c.star", read_particles(name), **ALIGNMENT)
    assert not os.path.exists("c.star")


def test_single_images_keep_their_names(project):
    write_stack("one.mrc", np.ones((1, 16, 16)), 2.5)
    text = NEW.replace("000001@Extract/job7/a.mrcs", "one.mrc")
    assert classify(text)["data_particles"]["rlnImageName"][1] == "one.mrc"


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("labels", [0, 1], "3 integers"),
        ("labels", [0, 1, -2], "smallest -2"),
        ("labels", [0.0, 1.0, 2.0], "float64"),
        ("rotation_deg", [0, 0, np.nan], "rotation_deg must be 3 finite"),
        ("shift_x_px", [[0, 0, 0]], "shift_x_px must be 3 finite"),
        ("shift_y_px", [0, np.inf, 0], "shift_y_px must be 3 finite"),
        ("mirror", [0, 1, 0], "mirror must be 3 bools"),
        ("mirror", [True], "mirror must be 3 bools"),
    ],
)
def test_columns_that_do_not_fit_leave_the_old_file(project, name, value, said):
    (project / "classes.star").write_text("old")
    with pytest.raises(ValueError, match=said):
        classify(NEW, **{name: value})
    assert (project / "classes.star").read_text() == "old"
    assert not [path for path in project.iterdir() if path.name.startswith(".")]


def test_a_folder_that_is_not_there(project):
    with pytest.raises(FileNotFoundError):
        classify(NEW, out="gone/classes.star")
