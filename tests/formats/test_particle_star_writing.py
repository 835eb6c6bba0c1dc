"""What write_particles_star writes, read back by our reader, emtable and RELION."""

import shutil
import subprocess
from pathlib import Path

import emtable
import mrcfile
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from repic_plugin.classification import CtfParameters
from repic_plugin.formats import FormatError, read_particles, write_particles_star, write_stack

N, BOX, PIXEL_SIZE = 6, 16, 2.5


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The current folder, with a stack."""
    monkeypatch.chdir(tmp_path)
    images = np.random.default_rng(0).normal(size=(N, BOX, BOX)).astype(np.float32)
    write_stack("stack.mrcs", images, PIXEL_SIZE)
    return tmp_path


def names(stack="stack.mrcs", n=N):
    return [f"{number:06d}@{stack}" for number in range(n, 0, -1)]


def ctf_of(n=N, voltage=300.0, phase_shift=0.0):
    rng = np.random.default_rng(1)
    return CtfParameters.from_columns(
        rng.uniform(10000, 20000, n),
        rng.uniform(8000, 10000, n),
        rng.uniform(0, 90, n),
        voltage_kv=voltage,
        spherical_aberration_mm=2.7,
        amplitude_contrast=0.07,
        phase_shift_deg=phase_shift,
    )


@pytest.mark.parametrize("phase_shift", [0.0, 45.0])
@pytest.mark.parametrize("voltage", [300.0, [300, 200, 300, 200, 200, 120.0]])
@pytest.mark.parametrize("flipped", [False, True])
def test_what_is_written_is_read_back(folder, phase_shift, voltage, flipped):
    ctf = ctf_of(voltage=voltage, phase_shift=phase_shift)
    write_particles_star("p.star", names(), PIXEL_SIZE, BOX, ctf, flipped)
    table = read_particles("p.star")
    assert list(table.names) == names()
    assert np.array_equal(table.images[:], mrcfile.read("stack.mrcs")[::-1])
    assert table.pixel_size_angstrom == PIXEL_SIZE
    assert table.phase_flipped == flipped
    for found, expected in zip(table.ctf.columns(), ctf.columns()):
        assert np.allclose(found, expected, rtol=0, atol=1e-6)


def test_an_optics_group_for_each_microscope(folder):
    ctf = ctf_of(voltage=[300, 200, 300, 200, 200, 120.0])
    write_particles_star("p.star", names(), PIXEL_SIZE, BOX, ctf)
    optics = list(emtable.Table.iterRows("optics@p.star"))
    particles = list(emtable.Table.iterRows("particles@p.star"))
    voltage = {row.rlnOpticsGroup: row.rlnVoltage for row in optics}
    assert sorted(voltage.values()) == [120, 200, 300]
    found = [voltage[row.rlnOpticsGroup] for row in particles]
    assert found == [300, 200, 300, 200, 200, 120]
    assert {row.rlnImageSize for row in optics} == {BOX}
    assert len({row.rlnOpticsGroupName for row in optics}) == 3


def test_without_ctf(folder):
    write_particles_star("p.star", names(), PIXEL_SIZE, BOX)
    assert read_particles("p.star").ctf is None
    assert "Defocus" not in Path("p.star").read_text()


@pytest.mark.parametrize("stack", ["my stack.mrcs", "a/b's.mrcs", "#1.mrcs"])
def test_names_that_need_quotes(folder, stack):
    Path(stack).parent.mkdir(exist_ok=True)
    shutil.copy("stack.mrcs", stack)
    write_particles_star("p.star", [*names(stack, 2), *names(n=1)], PIXEL_SIZE, BOX)
    assert list(read_particles("p.star").names) == [*names(stack, 2), *names(n=1)]


def test_a_name_that_cannot_be_written_leaves_no_file(folder):
    with pytest.raises(FormatError, match="rename the file"):
        write_particles_star("p.star", ["1@a\"b'c d.mrcs"], PIXEL_SIZE, BOX)
    assert not Path("p.star").exists()


@given(value=st.floats(100, 1e5), angle=st.floats(-360, 360))
def test_numbers_keep_six_decimals(tmp_path_factory, value, angle):
    folder = tmp_path_factory.mktemp("p")
    write_stack(folder / "s.mrcs", np.zeros((1, BOX, BOX), np.float32), 1.0)
    ctf = CtfParameters.from_columns(
        [value], [value / 2], angle, voltage_kv=300, spherical_aberration_mm=0, amplitude_contrast=0
    )
    write_particles_star(folder / "p.star", ["1@s.mrcs"], 1.0, BOX, ctf)
    found = read_particles(folder / "p.star").ctf
    assert found.defocus_u_angstrom[0] == pytest.approx(value, abs=1e-6)
    assert found.defocus_angle_deg[0] == pytest.approx(angle, abs=1e-6)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (([], PIXEL_SIZE, BOX), "names"),
        ((names(), 0.0, BOX), "pixel_size"),
        ((names(), np.nan, BOX), "pixel_size"),
        ((names(), PIXEL_SIZE, 0), "box_size"),
        ((names(), PIXEL_SIZE, BOX, ctf_of(3)), "6 particles, got 3"),
    ],
)
def test_wrong_arguments_are_refused(folder, arguments, words):
    with pytest.raises(ValueError, match=words):
        write_particles_star("p.star", *arguments)
    assert not Path("p.star").exists()


@pytest.mark.skipif(shutil.which("relion_stack_create") is None, reason="RELION is not installed")
@pytest.mark.parametrize("ctf", [None, ctf_of(voltage=[300, 200, 300, 200, 200, 120.0])])
def test_relion_reads_it(folder, ctf):
    write_particles_star("p.star", names(), PIXEL_SIZE, BOX, ctf, phase_flipped=True)
    command = ["relion_stack_create", "--i", "p.star", "--o", "again"]
    subprocess.run(command, check=True, capture_output=True)
    assert np.array_equal(mrcfile.read("again.mrcs"), mrcfile.read("stack.mrcs")[::-1])
