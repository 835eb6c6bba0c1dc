"""Particles whose files contradict each other, repeat themselves or count in other units."""

import numpy as np
import pytest

from repic_plugin.formats import FormatError, open_stack, read_particles, write_stack

OPTICS = """data_optics

loop_
_rlnOpticsGroup #1
_rlnImagePixelSize #2
_rlnVoltage #3
_rlnSphericalAberration #4
_rlnAmplitudeContrast #5
1 {0} 300 2.7 0.1
2 {1} 300 2.7 0.1

"""
PARTICLES = "data_particles\n\nloop_\n_rlnImageName #1\n_rlnOpticsGroup #2\n_rlnDefocusU #3\n"
ROWS = "1@a.mrcs 1 15000\n2@a.mrcs 1 16000\n1@b.mrcs 2 17000\n2@b.mrcs 2 18000\n"


@pytest.fixture
def star(tmp_path):
    """Write a STAR file beside two stacks whose headers say 5 and 7 angstrom."""
    for name, size in (("a.mrcs", 5.0), ("b.mrcs", 7.0)):
        write_stack(tmp_path / name, np.random.default_rng(0).normal(size=(2, 8, 8)), size)

    def write(text):
        (tmp_path / "p.star").write_text(text)
        return tmp_path / "p.star"

    return write


def test_the_star_file_decides_over_headers(star):
    table = read_particles(star(OPTICS.format(5, 5) + PARTICLES + ROWS))
    assert (table.pixel_size_angstrom, table.notes) == (5, ())
    bare = "data_\nloop_\n_rlnImageName #1\n1@a.mrcs\n1@b.mrcs\n"
    with pytest.raises(FormatError, match="one pixel size"):
        read_particles(star(bare))
    assert read_particles(star(bare), 6.0).pixel_size_angstrom == 6


@pytest.mark.parametrize(("one", "other"), [(1.08, 1.0825), (0.6575, 0.66), (5, 5.004)])
def test_sizes_that_differ_by_rounding_are_one(star, one, other):
    table = read_particles(star(OPTICS.format(one, other) + PARTICLES + ROWS))
    assert table.pixel_size_angstrom == one
    assert table.notes == ()


@pytest.mark.parametrize("other", [5.2, 5.03, 10])
def test_groups_of_several_sizes(star, other):
    path = star(OPTICS.format(5, other) + PARTICLES + ROWS)
    with pytest.raises(FormatError, match="give --pixel-size to take them as they are"):
        read_particles(path)
    table = read_particles(path, 5.0)
    assert table.pixel_size_angstrom == 5
    assert table.notes == (f"{path}: has pixel sizes of 5, {other:g} Å; 5 is used for all",)


def test_without_ctf_its_columns_may_be_missing(star):
    optics = OPTICS.format(5, 5).replace("_rlnAmplitudeContrast", "_rlnOther")
    path = star(optics + PARTICLES + ROWS)
    with pytest.raises(FormatError, match=r"_rlnAmplitudeContrast is missing.*--ctf none"):
        read_particles(path)
    assert read_particles(path, with_ctf=False).ctf is None


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        (" 300 2.7", " 300000 2.7", "rlnVoltage must be from 10 to 3500 kV, got 300000"),
        (" 300 2.7", " 0.3 2.7", "rlnVoltage must be from 10 to 3500 kV, got 0.3"),
        (" 300 2.7", " 300 2.7e7", "rlnSphericalAberration must be .* mm, got 2.7e"),
        ("000\n", "\n", "rlnDefocusU must be in Å, .* got a median of 1[67]"),
        ("000\n", "0000000\n", "rlnDefocusU must be in Å"),
        (" 5 300", " 5e300 300", "rlnImagePixelSize must be from 0.01 to 1000"),
    ],
)
def test_units_of_no_microscope(star, old, new, told):
    text = (OPTICS.format(5, 5) + PARTICLES + ROWS).replace(old, new)
    with pytest.raises(FormatError, match=told):
        read_particles(star(text))


@pytest.mark.parametrize("size", [1e300, 1e-9, 5000])
def test_a_pixel_size_of_no_microscope(star, tmp_path, size):
    with pytest.raises(FormatError, match=r"must be from 0\.01 to 1000 Å"):
        read_particles(tmp_path / "a.mrcs", size)


def test_some_particles_close_to_focus_are_right(star):
    text = OPTICS.format(5, 5) + PARTICLES + ROWS.replace("15000", "5")
    assert read_particles(star(text)).ctf.defocus_u_angstrom[0] == 5


def test_a_defocus_of_zero_is_told(star):
    text = OPTICS.format(5, 5) + PARTICLES + ROWS.replace("15000", "0")
    table = read_particles(star(text))
    assert "the defocus of 1 of " in table.notes[0]
    assert "--ctf none" in table.notes[0]
    assert read_particles(star(text), with_ctf=False).notes == ()


def test_particles_that_stand_there_twice(star):
    path = star(OPTICS.format(5, 5) + PARTICLES + ROWS + ROWS)
    (note,) = read_particles(path).notes
    assert note.startswith(f"{path}: 4 of 8 particles stand there more than once (1@a.mrcs)")


def test_a_second_table_of_particles(star):
    path = star(OPTICS.format(5, 5) + PARTICLES + ROWS + "\n" + PARTICLES.replace("s\n", "s2\n", 1))
    (note,) = read_particles(path).notes
    assert "2 tables (data_particles, data_particles2), of which only data_particles" in note


def test_a_stack_longer_than_its_header(star, tmp_path):
    path = tmp_path / "a.mrcs"
    assert open_stack(path).notes == ()
    with open(path, "ab") as file:
        file.write(bytes(8 * 8 * 4 - 1))
    assert open_stack(path).notes == ()
    with open(path, "ab") as file:
        file.write(bytes(8 * 8 * 4 * 2 + 1))
    (note,) = read_particles(path).notes
    assert note.startswith(f"{path}: longer than the header says, 2 images with room for 3 more")
