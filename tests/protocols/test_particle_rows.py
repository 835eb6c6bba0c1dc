"""Particles read from Scipion's sets, without a project."""

from dataclasses import replace

import numpy as np
import pytest

from repic_plugin.formats import read_particles, write_particles_star
from tests.protocols.particle_set import PIXEL_SIZE, change, loaded, write_particle_set

N = 60


@pytest.fixture
def images():
    return np.random.default_rng(0).normal(size=(N, 16, 16)).astype(np.float32)


@pytest.fixture
def ctf():
    from repic_plugin.classification import CtfParameters

    rng = np.random.default_rng(1)
    return CtfParameters.from_columns(
        rng.uniform(10000, 20000, N),
        rng.uniform(8000, 10000, N),
        rng.uniform(0, 90, N),
        voltage_kv=300,
        spherical_aberration_mm=2.7,
        amplitude_contrast=0.1,
    )


@pytest.fixture
def particles(tmp_path, images, ctf):
    return loaded(write_particle_set(tmp_path / "input", images, ctf, first_id=11))


def test_what_is_read_is_what_was_written(particles, images, ctf, tmp_path):
    from repic_plugin.convert import read_particle_rows

    rows = read_particle_rows(particles)
    assert rows.ids.tolist() == list(range(11, 11 + N))
    star = tmp_path / "particles.star"
    write_particles_star(star, rows.names(), PIXEL_SIZE, 16, rows.ctf)
    table = read_particles(star)
    assert np.array_equal(table.images[:], images)
    for found, expected in zip(table.ctf.columns(), ctf.columns()):
        assert np.allclose(found, expected, atol=1e-5)


def test_disabled_particles_are_left_out(particles):
    from repic_plugin.convert import read_particle_rows

    particles = change(particles, "UPDATE Objects SET enabled = 0 WHERE id IN (11, 14)")
    rows = read_particle_rows(particles)
    assert len(rows) == N - 2
    assert not {11, 14} & set(rows.ids.tolist())
    assert rows.names()[0].startswith("000002@")
    nobody = change(particles, "UPDATE Objects SET enabled = 0")
    with pytest.raises(ValueError, match="no enabled particle"):
        read_particle_rows(nobody)


def test_the_microscope_is_the_sets_where_a_particle_does_not_say(particles):
    from repic_plugin.convert import read_particle_rows

    particles = change(particles, "UPDATE Objects SET {_acquisition_voltage} = NULL WHERE id > 40")
    particles.getAcquisition().setVoltage(200.0)
    voltage = read_particle_rows(particles).ctf.voltage_kv
    assert voltage.tolist() == [300.0] * 30 + [200.0] * 30


def test_a_phase_shift_is_read(particles, tmp_path, images, ctf):
    from repic_plugin.convert import read_particle_rows

    assert not read_particle_rows(particles).ctf.phase_shift_deg.any()
    shifted = replace(ctf, phase_shift_deg=np.linspace(0, 90, N))
    plate = loaded(write_particle_set(tmp_path / "plate", images, shifted))
    assert read_particle_rows(plate).ctf.phase_shift_deg == pytest.approx(np.linspace(0, 90, N))


def test_a_particle_without_its_ctf_is_told_in_one_line(particles):
    from repic_plugin.convert import read_particle_rows

    particles = change(particles, "UPDATE Objects SET {_ctfModel_defocusU} = NULL WHERE id = 13")
    with pytest.raises(ValueError, match=r"1 of 60 particles .* id 13") as caught:
        read_particle_rows(particles)
    assert "\n" not in str(caught.value)
    assert read_particle_rows(particles, with_ctf=False).ctf is None


def test_an_image_of_its_own_has_no_number():
    from repic_plugin.convert import ParticleRows

    rows = ParticleRows(np.array([1, 2]), ("a.mrc", "b.stk"), np.array([0, 3]), None)
    assert rows.names({"b.stk": "b.mrcs"}) == ["a.mrc", "000003@b.mrcs"]


def test_spider_stacks_are_converted(tmp_path, images):
    from repic_plugin.convert import as_mrc_stacks, unreadable_stacks

    stack = write_spider(tmp_path / "particles.stk", images)
    files = [str(stack), "other.mrcs", str(stack)]
    assert unreadable_stacks([*files, "x.hdf", "x.hdf", "s.mrc:mrcs"]) == ["x.hdf"]
    new = as_mrc_stacks(files, str(tmp_path / "new"), PIXEL_SIZE)
    assert list(new) == [str(stack)]
    table = read_particles(new[str(stack)])
    assert np.array_equal(table.images[:], images)
    assert table.pixel_size_angstrom == PIXEL_SIZE
    assert as_mrc_stacks(["other.mrcs"], str(tmp_path / "none"), PIXEL_SIZE) == {}
    assert not (tmp_path / "none").exists()


def write_spider(path, images):
    """As Xmipp writes it: a header for the stack, then one before each image."""
    n, box, _ = images.shape
    per_header = -(-1024 // (4 * box))
    header = np.zeros(per_header * box, np.float32)
    values = {1: 1, 2: box, 5: 1, 12: box, 13: per_header, 22: header.nbytes, 23: 4 * box, 26: n}
    for place, value in values.items():  # counted from 1 in SPIDER's documentation
        header[place - 1] = value
    parts = [header.tobytes()]
    for image in images:
        parts += [header.tobytes(), image.tobytes()]
    path.write_bytes(b"".join(parts))
    return path
