"""Classes written to Scipion's sets, without a project."""

import sqlite3
from contextlib import closing

import numpy as np
import pytest

from repic_plugin import constants
from tests.protocols.particle_set import PIXEL_SIZE, change, loaded, poses, write_particle_set

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


def assignment(particles, empty_class=None):
    """Members of some classes, and what is known of these."""
    from repic_plugin.convert import ClassMembers, ClassSummary, transform_matrices
    from repic_plugin.formats import ClassScores

    rng = np.random.default_rng(4)
    number = rng.integers(1, K + 1, N)
    if empty_class is not None:
        number[number == empty_class] = K
    kept = rng.random(N) < 0.9
    matrices = transform_matrices(*poses(rng, N))
    ids = np.arange(11, 11 + N)
    members = ClassMembers(
        ids[kept], number[kept], matrices[kept], rng.random(N)[kept], rng.random(N)[kept]
    )
    sizes = np.bincount(number[kept], minlength=K + 1)[1:]
    stack = particles.getFirstItem().getFileName()
    resolution = np.where(np.arange(K) == 1, np.nan, 20.0)
    off_centre = np.arange(K) == 2
    scores = ClassScores(rng.random(K), rng.random(K), resolution, off_centre, rng.random(N))
    return members, ClassSummary(stack, sizes, rng.random(K), np.arange(K) == 2, scores)


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
            setattr(item, constants.PROBABILITY, Float(float(members.probability[row])))

    def update_class(item):
        number = item.getObjId()
        item.setAlignment2D()
        item.getRepresentative().setLocation(number, summary.averages_file)
        item.getRepresentative().setSamplingRate(PIXEL_SIZE)
        item.getRepresentative().setClassId(number)
        setattr(item, constants.EXPLAINED, Float(float(summary.explained[number - 1])))
        setattr(item, constants.IS_JUNK, Boolean(bool(summary.is_junk[number - 1])))
        item.setObjComment("junk, off centre" if summary.is_junk[number - 1] else "")
        scores, part = summary.scores, summary.sizes[number - 1] / summary.sizes.sum()
        resolution = scores.resolution_angstrom[number - 1]
        resolved = 999.0 if np.isnan(resolution) else float(resolution)
        setattr(item, constants.PROBABILITY, Float(float(scores.probability[number - 1])))
        setattr(item, constants.OFF_CENTRE, Boolean(bool(scores.is_off_centre[number - 1])))
        item._rlnPredictedClassScore = Float(float(scores.score[number - 1]))
        item._rlnEstimatedResolution = Float(resolved)
        item._rlnClassDistribution = Float(float(part))

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
    particles = change(particles, statement)
    members, summary = assignment(particles)
    enabled = [item.getObjId() for item in particles if item.isEnabled()]
    members = members.take(np.isin(members.ids, enabled))
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
        assert one.getObjComment() == ("junk, off centre" if number == 3 else "")
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


def test_selected_particles_are_as_scipion_would_copy_them(tmp_path, particles):
    from pwem.objects import SetOfParticles

    from repic_plugin.convert import append_members

    members, _ = assignment(particles)
    some = members.take(members.number % 2 == 0)
    sets = []
    for name in ("fast", "slow"):
        (tmp_path / name).mkdir()
        found = SetOfParticles(filename=str(tmp_path / name / "particles.sqlite"))
        found.copyInfo(particles)
        found.setAlignment2D()
        sets.append(found)
    append_members(sets[0], particles, some)
    for row in np.argsort(some.ids).tolist():
        sets[1].append(some.item(particles, row))
    sets[1].write()
    fast, slow = map(contents, sets)
    assert fast == slow
    assert sets[0].getSize() == len(some.ids) > 10


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
