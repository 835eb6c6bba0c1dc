"""Particles read from Scipion's sets, and classes written to them, without a project."""

import sqlite3
from contextlib import closing
from dataclasses import replace

import numpy as np
import pytest
from particle_set import PIXEL_SIZE, aligned, loaded, write_particle_set

from repic_plugin import constants
from repic_plugin.formats import read_particles, write_particles_star
from repic_plugin.simulation import phantom_map, simulate_particles

N, K = 60, 5


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


def change(particles, statement, *arguments):
    """Change the file of a set with SQL in which {label} is an attribute's column."""
    particles.close()
    with closing(sqlite3.connect(particles.getFileName())) as connection, connection:
        rows = connection.execute("SELECT label_property, column_name FROM Classes")
        columns = {label.replace(".", ""): column for label, column in rows}
        connection.execute(statement.format(**columns), arguments)
    return loaded(particles.getFileName())


# Reading


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


# The matrix


def poses(rng, n, mirrored=True):
    mirror = rng.random(n) < 0.5 if mirrored else np.zeros(n, dtype=bool)
    return rng.uniform(-180, 180, n), rng.uniform(-4, 4, (n, 2)), mirror


def test_the_matrix_takes_a_particle_to_its_average():
    """Against the definition, point by point, and against images of a known pose."""
    from repic_plugin.convert import transform_matrices

    rng = np.random.default_rng(0)
    rotation, shift, mirror = poses(rng, 20)
    for matrix, r, s, m in zip(
        transform_matrices(rotation, shift, mirror), np.deg2rad(rotation), shift, mirror
    ):
        point = rng.uniform(-20, 20, 2) + s
        moved = [-point[0] if m else point[0], point[1]]
        turned = np.array([[np.cos(r), -np.sin(r)], [np.sin(r), np.cos(r)]]) @ moved
        assert matrix @ [*(point - s), 0, 1] == pytest.approx([*turned, 0, 1])
        assert np.linalg.det(matrix[:2, :2]) == pytest.approx(-1 if m else 1)


def test_simulated_particles_come_to_lie_on_each_other():
    """Projections of one view, brought into register by the matrix of their true pose."""
    from repic_plugin.convert import transform_matrices

    made = simulate_particles(
        phantom_map(64),
        1,
        12,
        pixel_size_angstrom=PIXEL_SIZE,
        snr=1e6,
        spread_deg=0.0,
        max_shift_px=4.0,
        defocus_range_angstrom=None,
    )
    psi = made.euler_deg[:, 2]
    candidates = [
        np.mean(
            [
                aligned(image, matrix)
                for image, matrix in zip(
                    made.images, transform_matrices(sign * psi, -made.shift_px, [False] * 12)
                )
            ],
            axis=0,
        ).var()
        for sign in (1, -1)
    ]
    # one sense of rotation is right, and then averaging loses next to nothing
    assert max(candidates) > 0.95 * made.images.var()
    assert min(candidates) < 0.8 * max(candidates)


def test_xmipps_plugin_reads_the_pose():
    """As `alignmentToRow` of scipion-em-xmipp 29.0.1, then `geo2TransformationMatrix` of Xmipp."""
    from repic_plugin.convert import transform_matrices

    rng = np.random.default_rng(2)
    for matrix in transform_matrices(*poses(rng, 20)):
        flip, shift, psi = as_xmipp_reads(matrix.copy())
        c, s = np.cos(np.deg2rad(psi)), np.sin(np.deg2rad(psi))
        applied = np.array([[c, s, shift[0]], [-s, c, shift[1]]])
        if flip:
            applied[0, :2] *= -1
        assert applied == pytest.approx(matrix[:2, [0, 1, 3]])


def as_xmipp_reads(matrix):
    from pwem.convert.transformations import euler_from_matrix, translation_from_matrix

    flip = bool(np.linalg.det(matrix[0:2, 0:2]) < 0)
    if flip:
        matrix[0, :2] *= -1.0
        matrix[2, 2] = 1.0
    angles = -np.rad2deg(euler_from_matrix(matrix, axes="szyz"))
    return flip, translation_from_matrix(matrix), angles[0] + angles[2]


def test_relions_plugin_reads_the_pose():
    """As `_align2DToRow` of scipion-em-relion 5.0.2 writes the columns that RELION reads."""
    from pwem.convert.transformations import euler_from_matrix, translation_from_matrix

    from repic_plugin.convert import transform_matrices

    rotation, shift, mirror = poses(np.random.default_rng(3), 20, mirrored=False)
    matrices = transform_matrices(rotation, shift, mirror, "before")
    for matrix, r, s in zip(matrices, rotation, shift):
        angles = -np.rad2deg(euler_from_matrix(matrix, axes="szyz"))
        assert translation_from_matrix(matrix)[:2] == pytest.approx(s)
        difference = -(angles[0] + angles[2]) - r
        assert (difference + 180) % 360 - 180 == pytest.approx(0, abs=1e-6)


def test_an_unknown_order_of_shift_is_refused():
    from repic_plugin.convert import transform_matrices

    with pytest.raises(ValueError, match="shift_order"):
        transform_matrices([0.0], [[0, 0]], [False], "during")


# Writing classes


def assignment(particles, empty_class=None):
    """Members of some classes, and what is known of these."""
    from repic_plugin.convert import ClassMembers, ClassSummary, transform_matrices

    rng = np.random.default_rng(4)
    number = rng.integers(1, K + 1, N)
    if empty_class is not None:
        number[number == empty_class] = K
    kept = rng.random(N) < 0.9
    matrices = transform_matrices(*poses(rng, N))
    ids = np.arange(11, 11 + N)
    members = ClassMembers(ids[kept], number[kept], matrices[kept], rng.random(N)[kept])
    sizes = np.bincount(number[kept], minlength=K + 1)[1:]
    stack = particles.getFirstItem().getFileName()
    return members, ClassSummary(stack, sizes, rng.random(K), np.arange(K) == 2)


def new_classes(folder, particles):
    from pwem.objects import SetOfClasses2D

    classes = SetOfClasses2D(filename=str(folder / "classes.sqlite"))
    classes._imagesPointer.set(particles)
    return classes


def written_fast(folder, particles, members, summary):
    from repic_plugin.convert import append_classes

    folder.mkdir()
    classes = new_classes(folder, particles)
    append_classes(classes, particles, members, summary)
    classes.write()
    return classes


def written_by_scipion(folder, particles, members, summary):
    from pwem.objects import Transform
    from pyworkflow.object import Boolean, Float

    folder.mkdir()
    classes = new_classes(folder, particles)
    row_of = {number: row for row, number in enumerate(members.ids.tolist())}

    def update_particle(item, _):
        row = row_of.get(item.getObjId())
        item._appendItem = row is not None
        if row is not None:
            item.setClassId(int(members.number[row]))
            item.setTransform(Transform(members.matrices[row]))
            setattr(item, constants.DISSIMILARITY, Float(float(members.dissimilarity[row])))

    def update_class(item):
        number = item.getObjId()
        item.setAlignment2D()
        item.getRepresentative().setLocation(number, summary.averages_file)
        item.getRepresentative().setSamplingRate(PIXEL_SIZE)
        item.getRepresentative().setClassId(number)
        setattr(item, constants.EXPLAINED, Float(float(summary.explained[number - 1])))
        setattr(item, constants.IS_JUNK, Boolean(bool(summary.is_junk[number - 1])))
        item.setObjComment("junk" if summary.is_junk[number - 1] else "")

    classes.classifyItems(updateItemCallback=update_particle, updateClassCallback=update_class)
    classes.write()
    return classes


def contents(classes):
    """All tables of a set's file: their SQL, and their rows with the types of the values."""
    with closing(sqlite3.connect(classes.getFileName())) as connection:
        tables = connection.execute(
            "SELECT name, sql FROM sqlite_master WHERE name NOT LIKE 'sqlite_%'"
        ).fetchall()
        found = dict(tables)
        for name, _ in tables:
            columns = [row[1] for row in connection.execute(f"PRAGMA table_info({name})")]
            kept = ", ".join(column for column in columns if column != "creation")
            rows = connection.execute(f"SELECT {kept} FROM {name} ORDER BY 1").fetchall()
            found[f"rows of {name}"] = [
                [(type(value), value) for value in row] for row in rows if row[0] != "_mapperPath"
            ]
        return found


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE Objects SET enabled = 1",  # nothing
        "UPDATE Objects SET label = 'mine', comment = 'yours' WHERE id % 3",
        "UPDATE Objects SET enabled = 0 WHERE id IN (12, 13)",
        "UPDATE Objects SET {_acquisition_magnification} = 7 WHERE id % 3",
        "UPDATE Objects SET {_ctfModel_defocusU} = NULL, {_filename} = 'gone.mrcs' WHERE id > 60",
        "UPDATE Objects SET {_samplingRate} = 1.25 WHERE id % 2",
        "UPDATE Properties SET value = NULL WHERE key = '_acquisition._magnification'",
    ],
)
def test_the_file_is_that_of_classify_items(tmp_path, particles, statement):
    from repic_plugin.convert import ClassMembers

    particles = change(particles, statement)
    members, summary = assignment(particles)
    enabled = np.isin(members.ids, [item.getObjId() for item in particles if item.isEnabled()])
    members = ClassMembers(
        members.ids[enabled],
        members.number[enabled],
        members.matrices[enabled],
        members.dissimilarity[enabled],
    )
    fast = contents(written_fast(tmp_path / "a", particles, members, summary))
    slow = contents(written_by_scipion(tmp_path / "b", particles, members, summary))
    assert fast == slow
    assert len(fast["rows of Class001_Objects"]) > 1


def test_the_sets_acquisition_is_taken_where_a_particle_has_none(tmp_path, particles):
    # not compared with classifyItems, which forgets the set's own on the way
    statement = "UPDATE Objects SET {_acquisition_voltage} = NULL, {_acquisition_doseInitial} = 7"
    particles = change(particles, statement + " WHERE id % 3")
    classes = written_fast(tmp_path / "a", particles, *assignment(particles))
    for one in classes:
        for item in one:
            found = item.getAcquisition()
            assert found.getVoltage() == 300.0
            assert found.getDoseInitial() == particles.getAcquisition().getDoseInitial() == 0
    assert particles.getAcquisition().getVoltage() == 300.0


def test_attributes_of_other_programs_are_kept(tmp_path, images):
    from pyworkflow.object import Float, Integer, String

    from repic_plugin.convert import read_particle_rows

    particles = loaded(write_particle_set(tmp_path / "input", images, None, first_id=11))
    from pwem.objects import SetOfParticles

    extended = SetOfParticles(filename=str(tmp_path / "extended.sqlite"))
    extended.copyInfo(particles)
    for place, item in enumerate(particles):
        item._rlnThing, item._flag = Float(place / 7), Integer(place)
        item._note = String("1.0") if place % 2 else String()
        setattr(item, constants.DISSIMILARITY, Float(99.0))  # of an earlier classification
        extended.append(item)
    extended.write()
    assert read_particle_rows(extended).ctf is None
    members, summary = assignment(extended)
    fast = contents(written_fast(tmp_path / "a", extended, members, summary))
    assert fast == contents(written_by_scipion(tmp_path / "b", extended, members, summary))
    assert "_rlnThing" in str(fast["rows of Class001_Classes"])


def test_what_scipion_reads_back(tmp_path, particles):
    from pwem.utils import loadSetFromDb

    members, summary = assignment(particles, empty_class=2)
    written_fast(tmp_path / "a", particles, members, summary).close()
    classes = loadSetFromDb(str(tmp_path / "a" / "classes.sqlite"))
    assert type(classes).__name__ == "SetOfClasses2D"
    assert classes.isStreamClosed()
    seen = {}
    for one in classes:
        number = one.getObjId()
        assert one.getAlignment() == "2D"
        assert one.getSamplingRate() == PIXEL_SIZE
        assert one.getRepresentative().getLocation() == (number, summary.averages_file)
        assert one.getSize() == len(one) == summary.sizes[number - 1]
        assert getattr(one, constants.IS_JUNK).get() == (number == 3)
        assert one.getObjComment() == ("junk" if number == 3 else "")
        for item in one:
            assert item.getClassId() == number
            seen[item.getObjId()] = (number, item.getTransform().getMatrix().copy())
    assert sorted({number for number, _ in seen.values()}) == [1, 3, 4, 5]
    assert classes.getSize() == 4
    assert sorted(seen) == members.ids.tolist()
    for number, cls, matrix in zip(members.ids.tolist(), members.number, members.matrices):
        assert seen[number][0] == cls
        assert np.array_equal(seen[number][1], matrix)


def test_no_class_at_all_is_an_empty_set(tmp_path, particles):
    members, summary = assignment(particles)
    nothing = type(members)(*(column[:0] for column in vars(members).values()))
    assert written_fast(tmp_path / "a", particles, nothing, summary).getSize() == 0


def test_a_particle_that_is_gone_is_told(tmp_path, particles):
    members, summary = assignment(particles)
    particles = change(particles, "DELETE FROM Objects WHERE id = ?", int(members.ids[7]))
    with pytest.raises(ValueError, match=f"id {members.ids[7]}.*restart"):
        written_fast(tmp_path / "a", particles, members, summary)


def test_averages(tmp_path, particles):
    from pwem.objects import SetOfAverages

    from repic_plugin.convert import append_averages

    _, summary = assignment(particles, empty_class=2)
    averages = SetOfAverages(filename=str(tmp_path / "averages.sqlite"))
    averages.setSamplingRate(PIXEL_SIZE)
    append_averages(averages, particles, summary)
    found = [(a.getObjId(), a.getIndex(), getattr(a, constants.CLASS_SIZE).get()) for a in averages]
    assert found == [(k, k, summary.sizes[k - 1]) for k in (1, 3, 4, 5)]
    assert [getattr(a, constants.IS_JUNK).get() for a in averages] == [False, True, False, False]
