import os

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from repic_plugin.formats import FormatError, read_particles, write_classes_star, write_stack

OLD = """
data_

loop_
_rlnVoltage #1
_rlnDefocusU #2
_rlnDefocusV #3
_rlnDefocusAngle #4
_rlnSphericalAberration #5
_rlnDetectorPixelSize #6
_rlnMagnification #7
_rlnAmplitudeContrast #8
_rlnImageName #9
300.0 15000 14000 30 2.7 5.0 20000 0.1 000002@Extract/job7/a.mrcs
300.0 25000 24000 40 2.7 5.0 20000 0.1 000001@Extract/job7/b.mrcs
200.0 35000 34000 50 2.7 5.0 20000 0.07 000001@Extract/job7/a.mrcs
"""

OPTICS = """
# version 30001

data_optics

loop_
_rlnOpticsGroup #1
_rlnOpticsGroupName #2
_rlnVoltage #3
_rlnSphericalAberration #4
_rlnAmplitudeContrast #5
_rlnImagePixelSize #6
_rlnImageSize #7
_rlnImageDimensionality #8
2 second 200.0 1.4 0.07 2.5 4 2
1 first 300.0 2.7 0.1 2.5 4 2

"""

PARTICLES = """
# version 30001

data_particles

loop_
_rlnImageName #1
_rlnOpticsGroup #2
_rlnDefocusU #3
_rlnDefocusV #4
_rlnDefocusAngle #5
_rlnPhaseShift #6
000002@Extract/job7/a.mrcs 1 15000 14000 30 0
000001@Extract/job7/b.mrcs 2 25000 24000 40 90
000001@Extract/job7/a.mrcs 1 35000 34000 50 10

"""

PAIRS = """
data_optics

_rlnOpticsGroup 1   # the only one
_rlnOpticsGroupName "one group"
_rlnVoltage 300.0
_rlnSphericalAberration 2.7
_rlnAmplitudeContrast 0.1
_rlnImagePixelSize 2.5
_rlnImageSize 4

"""


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A folder as RELION's, in which we are: two stacks of 3 and 2 images of 4 px."""
    folder = tmp_path / "project"
    (folder / "Extract/job7").mkdir(parents=True)
    for name, values in (("a", (11, 12, 13)), ("b", (21, 22))):
        images = np.array([np.full((4, 4), value) for value in values])
        write_stack(folder / f"Extract/job7/{name}.mrcs", images, 2.5)
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def star(project):
    """Write a STAR file into the project's folder and return its path."""

    def write(text, name="particles.star"):
        path = project / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    return write


def assert_one_line(caught, path, *parts):
    message = str(caught.value)
    assert message.startswith(f"{path}")
    assert message.isprintable()
    for part in parts:
        assert part in message


@pytest.mark.parametrize("table_name", ["data_", "data_images", "data_particles"])
def test_relion_3_0_has_everything_in_its_rows(star, table_name):
    table = read_particles(star(OLD.replace("data_", table_name, 1)))
    assert table.images[:][:, 0, 0].tolist() == [12, 21, 11]
    assert len(table) == 3
    assert table.pixel_size_angstrom == 2.5
    assert table.names[1] == "000001@Extract/job7/b.mrcs"
    expected = [[15000, 25000, 35000], [14000, 24000, 34000], [30, 40, 50], [300, 300, 200]]
    expected += [[2.7] * 3, [0.1, 0.1, 0.07], [0] * 3]  # in the order of the parameters
    assert [column.tolist() for column in table.ctf.columns()] == expected
    assert (table.phase_flipped, table.ctf_premultiplied) == (False, False)


def test_relion_3_1_has_optics_groups(star):
    table = read_particles(star(OPTICS + PARTICLES))
    assert table.images[:][:, 0, 0].tolist() == [12, 21, 11]
    assert table.pixel_size_angstrom == 2.5
    assert table.ctf.voltage_kv.tolist() == [300, 200, 300]
    assert table.ctf.spherical_aberration_mm.tolist() == [2.7, 1.4, 2.7]
    assert table.ctf.amplitude_contrast.tolist() == [0.1, 0.07, 0.1]
    assert table.ctf.phase_shift_deg.tolist() == [0, 90, 10]


def test_a_block_without_loop_is_a_group(star):
    one_group = PARTICLES.replace(".mrcs 2", ".mrcs 1")
    table = read_particles(star(PAIRS + one_group))
    assert table.pixel_size_angstrom == 2.5
    assert table.ctf.voltage_kv.tolist() == [300] * 3


def test_the_only_group_need_not_be_named(star):
    rows = PARTICLES.replace("_rlnOpticsGroup #2\n", "")
    for group in ("1", "2"):
        rows = rows.replace(f".mrcs {group} ", ".mrcs ")
    assert read_particles(star(PAIRS + rows)).ctf.voltage_kv.tolist() == [300] * 3
    with pytest.raises(FormatError, match=r"_rlnOpticsGroup is missing in data_particles.* 2 grou"):
        read_particles(star(OPTICS + rows))


def test_other_tables_and_the_order_do_not_matter(star):
    other = "\ndata_micrographs\n\nloop_\n_rlnMicrographName #1\nm.mrc\n\ndata_general\n_rlnX 1\n"
    table = read_particles(star(other + PARTICLES + OPTICS))
    assert table.images[:][:, 0, 0].tolist() == [12, 21, 11]
    assert table.ctf.voltage_kv.tolist() == [300, 200, 300]


def test_a_value_in_the_row_goes_before_the_group_s(star):
    text = PARTICLES.replace("_rlnPhaseShift #6", "_rlnVoltage #6").replace(" 50 10", " 50 100")
    text = text.replace(" 30 0", " 30 120").replace(" 40 90", " 40 80")
    assert read_particles(star(OPTICS + text)).ctf.voltage_kv.tolist() == [120, 80, 100]


def test_without_a_defocus_there_is_no_ctf(star):
    text = "data_\nloop_\n_rlnImageName #1\n_rlnPixelSize #2\n1@Extract/job7/a.mrcs 3.5\n"
    table = read_particles(star(text))
    assert table.ctf is None
    assert table.pixel_size_angstrom == 3.5
    assert table.images[:][:, 0, 0].tolist() == [11]


def test_half_a_ctf_is_an_error(star):
    for column in ("rlnVoltage", "rlnSphericalAberration", "rlnAmplitudeContrast"):
        path = star(OPTICS.replace(column, "rlnOther") + PARTICLES)
        with pytest.raises(FormatError) as caught:
            read_particles(path)
        assert_one_line(caught, path, f"_{column} is missing", "required with _rlnDefocusU")
    path = star(OPTICS.replace(" 200.0 ", " 0 ") + PARTICLES)
    with pytest.raises(FormatError) as caught:
        read_particles(path)
    assert_one_line(caught, path, "voltage")


@pytest.mark.parametrize(
    ("column", "attribute"),
    [
        ("rlnCtfDataArePhaseFlipped", "phase_flipped"),
        ("rlnCtfDataAreCtfPremultiplied", "ctf_premultiplied"),
    ],
)
def test_flags_of_what_was_done_to_the_images(star, column, attribute):
    for value in (0, 1):
        in_rows = OLD.replace("rlnVoltage", column).replace(
            "_rlnImageName #9\n", "_rlnImageName #9\n_rlnVoltage #10\n"
        )
        in_rows = in_rows.replace("300.0 ", f"{value} ").replace("200.0 ", f"{value} ")
        in_rows = in_rows.replace(".mrcs\n", ".mrcs 300\n")
        in_groups = OPTICS.replace("_rlnImageDimensionality", f"_{column}")
        in_groups = in_groups.replace("2.5 4 2", f"2.5 4 {value}")
        for text in (in_rows, in_groups + PARTICLES):
            assert getattr(read_particles(star(text)), attribute) is bool(value)
    path = star(in_groups.replace("4 1", "4 0", 1) + PARTICLES)
    with pytest.raises(FormatError) as caught:
        read_particles(path)
    assert_one_line(caught, f"{path}, line 31", column, "same for all", "got 0 and before 1")


def test_groups_of_one_pixel_size_only(star):
    other = OPTICS.replace("0.07 2.5", "0.07 2.6")
    path = star(other + PARTICLES)
    with pytest.raises(FormatError) as caught:
        read_particles(path)
    assert_one_line(caught, f"{path}, line 31", "rlnImagePixelSize", "2.6", "2.5", "classify each")
    # a group that no particle belongs to may be anything
    table = read_particles(star(other + PARTICLES.replace(".mrcs 2", ".mrcs 1")))
    assert table.pixel_size_angstrom == 2.5
    path = star(OPTICS.replace("2.5 4 2\n1", "2.5 6 2\n1") + PARTICLES)
    with pytest.raises(FormatError) as caught:
        read_particles(path)
    assert_one_line(caught, f"{path}, line 31", "rlnImageSize", "4 px", "got 6")


def test_where_the_pixel_size_comes_from(star, project):
    bare = "data_\nloop_\n_rlnImageName #1\n1@Extract/job7/a.mrcs\n"
    assert read_particles(star(bare)).pixel_size_angstrom == 2.5  # the header's
    assert read_particles(star(bare), 3.0).pixel_size_angstrom == 3.0
    assert read_particles(star(OLD), 2.5).pixel_size_angstrom == 2.5
    with pytest.raises(FormatError, match=r"2\.5 Å, --pixel-size 3; omit --pixel-size"):
        read_particles(star(OLD), 3.0)
    for zero in (OLD.replace(" 5.0 ", " 0 "), OLD.replace(" 20000 ", " 0 ")):
        path = star(zero)
        with pytest.raises(FormatError) as caught:
            read_particles(path)
        rule = "rlnDetectorPixelSize / rlnMagnification must be > 0, got 0"
        assert_one_line(caught, f"{path}, line 14: ", rule)
    with pytest.raises(FormatError, match="rlnImagePixelSize must be > 0, got 0"):
        read_particles(star(OPTICS.replace(" 2.5 ", " 0 ") + PARTICLES))


@pytest.mark.parametrize("name", ["p.star", "Extract/job7/p.star", "Class2D/job9/deep/p.star"])
def test_stacks_are_found_from_the_star_file_s_folders(star, tmp_path, monkeypatch, name):
    path = star(OPTICS + PARTICLES, name)
    monkeypatch.chdir(tmp_path)
    assert read_particles(path).images[:][:, 0, 0].tolist() == [12, 21, 11]
    monkeypatch.chdir(path.parent)
    assert read_particles(path.name).images[:][:, 0, 0].tolist() == [12, 21, 11]


def test_the_current_folder_goes_first(star, project, tmp_path, monkeypatch):
    path = star("data_\nloop_\n_rlnImageName #1\n1@Extract/job7/a.mrcs\n")
    (tmp_path / "Extract/job7").mkdir(parents=True)
    write_stack(tmp_path / "Extract/job7/a.mrcs", np.full((1, 4, 4), 5.0), 2.5)
    monkeypatch.chdir(tmp_path)
    there = tmp_path / "Extract/job7/a.mrcs"
    found = read_particles(path)
    assert found.images[:].max() == 5
    (note,) = found.notes
    assert f"{there}" in note and f"{project / 'Extract/job7/a.mrcs'}" in note
    there.unlink()
    there.symlink_to(project / "Extract/job7/a.mrcs")
    assert read_particles(path).notes == ()
    there.unlink()
    found = read_particles(path)
    assert found.images[:].max() == 11
    assert found.notes == ()


def test_absolute_names_relion_s_formats_and_single_images(star, project, tmp_path):
    (project / "Extract/job7/a.mrcs").rename(tmp_path / "c.mrc")
    write_stack(tmp_path / "one.mrc", np.full((1, 4, 4), 5.0), 2.5)
    rows = [f"3@{tmp_path}/c.mrc:mrcs", f"{tmp_path}/one.mrc", "00000000002@Extract/job7/b.mrcs"]
    table = read_particles(star("data_\nloop_\n_rlnImageName #1\n" + "\n".join(rows) + "\n"))
    assert table.images[:][:, 0, 0].tolist() == [13, 5, 22]
    assert table.names == tuple(rows)


def test_a_missing_stack_names_the_line_and_the_folders(star, project):
    path = star(OPTICS + PARTICLES.replace("a.mrcs", "c.mrcs"))
    with pytest.raises(FormatError) as caught:
        read_particles(path)
    assert_one_line(caught, f"{path}, line 30: ", "no such file: Extract/job7/c.mrcs", str(project))
    path = star(OPTICS + PARTICLES.replace("Extract/job7/b", "/no/b"))
    with pytest.raises(FormatError) as caught:
        read_particles(path)
    assert_one_line(caught, f"{path}, line 31: ", "no such file: /no/b.mrcs;", "correct rlnIm")


def test_a_stack_shorter_than_the_star_file_says(star):
    path = star(OPTICS + PARTICLES.replace("000001@Extract/job7/b", "000003@Extract/job7/b"))
    with pytest.raises(FormatError) as caught:
        read_particles(path)
    assert_one_line(caught, f"{path}, line 31: ", "image 3", "1 to 2", "b.mrcs", "extract it again")


def test_a_stack_that_is_cut_short_or_of_another_box(star, project):
    path = star(OPTICS + PARTICLES)
    stack = project / "Extract/job7/b.mrcs"
    os.truncate(stack, stack.stat().st_size - 1)
    with pytest.raises(FormatError) as caught:
        read_particles(path)
    assert_one_line(caught, stack, "cut short")
    write_stack(stack, np.zeros((2, 6, 6)), 2.5)
    with pytest.raises(FormatError) as caught:
        read_particles(path)
    assert_one_line(caught, stack, "one size", "6 px", "4 px")


@pytest.mark.parametrize(
    "name",
    [
        *("000000@a.mrcs", "x@a.mrcs", "@a.mrcs", "1@", "-1@a.mrcs", "1.5@a.mrcs"),
        *(f"{'9' * 30}@a.mrcs", "Extract/job7/a.mrcs"),
    ],
)
def test_names_that_name_no_image(star, name):
    path = star(f"data_\nloop_\n_rlnImageName #1\n1@Extract/job7/a.mrcs\n{name}\n")
    with pytest.raises(FormatError) as caught:
        read_particles(path)
    assert_one_line(caught, f"{path}, line 5: ", "000001@stack.mrcs", "counted from 1")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", ["is empty"]),
        ("hello\n", ["_rlnImageName", "found none"]),
        ("data_\nloop_\n_rlnMicrographName #1\nm.mrc\n", ["_rlnImageName", "rlnMicrographName"]),
        (OPTICS, ["_rlnImageName", "data_optics"]),
        ("data_particles\nloop_\n_rlnImageName #1\n\n", ["data_particles has no particles"]),
        (OPTICS + PARTICLES.replace(" 2 25000", " 3 25000"), ["line 31", "be one of 1, 2, got 3"]),
        (OPTICS + PARTICLES.replace(" 2 25000", " 25000"), ["line 31", "6 values", "got 5"]),
        (OPTICS + PARTICLES.replace(" 25000", " nan"), ["line 31", "rlnDefocusU must be finite"]),
        (OPTICS + PARTICLES.replace(" 25000", " abc"), ["line 31", "rlnDefocusU must be a number"]),
        (OPTICS.replace("2.7", "x") + PARTICLES, ["line 16", "rlnSphericalAberration"]),
        (OPTICS[:-70] + "\n" + PARTICLES, ["rlnOpticsGroup must be one of none"]),
        (OPTICS.replace("4 2", "4 3") + PARTICLES, ["rlnImageDimensionality must be 2, got 3"]),
    ],
)
def test_a_bad_star_file_is_one_line(star, text, said):
    path = star(text)
    with pytest.raises(FormatError) as caught:
        read_particles(path)
    assert_one_line(caught, path, *said)


def test_no_file_and_no_particles(project):
    for name, said in [
        ("gone.star", "no such file"),
        ("gone.mrcs", "no such file"),
        ("a.cs", ".star, .mrcs, .mrc, .st, got '.cs'"),
        ("Extract", "got ''"),
    ]:
        with pytest.raises(FormatError) as caught:
            read_particles(name)
        assert_one_line(caught, name, said)


def test_a_stack_that_calls_itself_a_star_file(project):
    (project / "a.star").write_bytes((project / "Extract/job7/a.mrcs").read_bytes())
    with pytest.raises(FormatError, match="must be text, got a zero byte"):
        read_particles("a.star")


PIECES = [OPTICS, PARTICLES, OLD, PAIRS, "data_optics", "data_particles", "loop_", "\n", " ", "#"]
PIECES += ["_rlnImageName", "1@Extract/job7/a.mrcs", "nan", "0", '"', "'", "@", ":mrcs", "_a"]


@settings(deadline=None, max_examples=150)
@given(text=st.lists(st.sampled_from(PIECES) | st.text(max_size=3), max_size=9).map("".join))
def test_whatever_the_text_it_is_particles_or_one_line(tmp_path_factory, text):
    folder = tmp_path_factory.getbasetemp() / "any"
    if not folder.exists():
        (folder / "Extract/job7").mkdir(parents=True)
        for name in "ab":
            write_stack(folder / f"Extract/job7/{name}.mrcs", np.zeros((2, 4, 4)), 2.5)
    path = folder / "p.star"
    path.write_bytes(text.encode("utf-8", "surrogatepass"))
    try:
        table = read_particles(path)
    except FormatError as exc:
        assert str(exc).isprintable()
    else:
        assert table.images[:].shape == (len(table.names), 4, 4)


def test_a_stack(project):
    table = read_particles("Extract/job7/a.mrcs")
    assert table.names == tuple(f"00000{i}@Extract/job7/a.mrcs" for i in (1, 2, 3))
    assert table.images[:][:, 0, 0].tolist() == [11, 12, 13]
    assert table.pixel_size_angstrom == 2.5
    assert table.ctf is None
    assert table.star is None
    assert read_particles("Extract/job7/a.mrcs", 1.1).pixel_size_angstrom == 1.1


def test_a_stack_without_a_pixel_size(project):
    path = project / "Extract/job7/a.mrcs"
    content = bytearray(path.read_bytes())
    content[40:52] = bytes(12)
    path.write_bytes(content)
    with pytest.raises(FormatError) as caught:
        read_particles(path)
    assert_one_line(caught, path, "no pixel size", "--pixel-size")
    assert read_particles(path, 1.1).pixel_size_angstrom == 1.1
    for wrong in (0, -1, float("nan"), float("inf")):
        with pytest.raises(FormatError) as caught:
            read_particles(path, wrong)
        assert_one_line(caught, path, "positive", "--pixel-size")


# The first of them


@pytest.mark.parametrize("n", [1, 2, 3])
@pytest.mark.parametrize(("before", "rows"), [("", OLD), (OPTICS, PARTICLES)])
def test_the_first_particles_are_those_of_a_list_that_ends_there(star, project, before, rows, n):
    """Written again with classes, too; with other tables after the particles."""
    lines = rows.splitlines()
    dropped = [line for line in lines if "@" in line][n:]
    short = "\n".join(line for line in lines if line not in dropped)
    tail = "\n\ndata_other\n\nloop_\n_rlnX #1\n7\n"
    first = read_particles(star(before + rows + tail)).first(n)
    cut = read_particles(star(before + short + tail, "short.star"))
    assert first.names == cut.names and len(first) == len(cut) == n
    assert np.array_equal(first.images[:], cut.images[:])
    for one, other in zip(first.ctf.columns(), cut.ctf.columns()):
        assert np.array_equal(one, other)
    poses = (np.arange(n), np.zeros(n), np.zeros(n), np.zeros(n), np.zeros(n, bool))
    for name, table in (("a.star", first), ("b.star", cut)):
        write_classes_star(project / name, table, *poses)
    assert (project / "a.star").read_bytes() == (project / "b.star").read_bytes()


def test_the_first_particles_of_a_stack(project):
    first = read_particles("Extract/job7/a.mrcs").first(2)
    assert list(first.names) == ["000001@Extract/job7/a.mrcs", "000002@Extract/job7/a.mrcs"]
    assert first.images[:][:, 0, 0].tolist() == [11, 12] and len(first) == 2
