"""The files of a classification, and the state from which it goes on."""

import os
from dataclasses import replace

import mrcfile
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from repic_plugin.classification import (
    Classification,
    CtfParameters,
    GreyScale,
    IterationRecord,
    Preparation,
    State,
    particle_sizes,
    state_to_arrays,
)
from repic_plugin.classification.averages import Alignment
from repic_plugin.formats import (
    CLASS_FILES,
    FormatError,
    checkpoint_owner,
    read_arrays,
    read_checkpoint,
    read_class_tables,
    read_particles,
    write_arrays,
    write_checkpoint,
    write_class_files,
    write_stack,
)

N, BOX, PIXEL_SIZE = 4, 16, 2.5
PARAMETERS = {"n_classes": 3, "beta": 0.5, "n_rings": None, "method": "ack"}
RECORDS = (
    IterationRecord(1, "global", 0.75, 1234567.8, 0, 3),
    IterationRecord(2, "local", 1 / 3, 1234567.1, 1, 2),
)
PREPARATION = Preparation(
    particle_sizes(BOX, PIXEL_SIZE, particle_diameter_angstrom=25.0),
    False,
    GreyScale(np.zeros(N, np.float32), np.ones(N, np.float32), np.zeros(N, np.int64)),
)
FOUND = Classification(
    labels=np.array([2, 0, -1, 2]),
    rotation_deg=np.array([-180.0, 12.34567, 0.0, -0.00001]),
    shift_px=np.array([[1.5, -2.25], [-0.00004, 3.0], [0.0, 0.0], [0.1, 0.2]]),
    mirror=np.array([False, True, False, False]),
    dissimilarity=np.array([1.25, 1234567.0, np.nan, 0.001]),
    averages=np.arange(3 * BOX * BOX, dtype=np.float32).reshape(3, BOX, BOX),
    sizes=np.array([1, 0, 2]),
    explained=np.array([0.5, 0.0, 2.0]),
    is_junk=np.array([False, True, False]),
    converged=True,
    records=RECORDS,
    preparation=PREPARATION,
)


@pytest.fixture
def table(tmp_path, monkeypatch):
    """Particles in the current folder."""
    monkeypatch.chdir(tmp_path)
    write_stack("a.mrcs", np.random.default_rng(0).normal(size=(N, BOX, BOX)), PIXEL_SIZE)
    return read_particles("a.mrcs")


@pytest.fixture
def written(table, tmp_path):
    folder = tmp_path / "classes"
    folder.mkdir()
    write_class_files(folder, table, FOUND)
    return folder


def test_the_files(written):
    names = sorted(path.name for path in written.iterdir())
    assert names == sorted([*CLASS_FILES, "classes.csv", "references.json", "sizes.csv"])


def test_assignments(written):
    assert (written / "assignments.csv").read_text() == (
        "particle,class,rotation_deg,shift_x_px,shift_y_px,mirror,dissimilarity\n"
        "000001@a.mrcs,2,-180.0000,1.5000,-2.2500,0,1.25\n"
        "000002@a.mrcs,0,12.3457,0.0000,3.0000,1,1.23457e+06\n"
        "000003@a.mrcs,-1,0.0000,0.0000,0.0000,0,\n"
        "000004@a.mrcs,2,0.0000,0.1000,0.2000,0,0.001\n"
    )


def test_classes(written):
    assert (written / "classes.csv").read_text() == (
        "class,size,explained,is_junk\n0,1,0.5,0\n1,0,0,1\n2,2,2,0\n"
    )


def test_convergence(written):
    """The objective moves little in the end, and all of that must be seen."""
    assert (written / "convergence.csv").read_text() == (
        "iteration,stage,fraction_changed,objective,smallest,largest\n"
        "1,global,0.750000,1234567.8,0,3\n"
        "2,local,0.333333,1234567.1,1,2\n"
    )


def test_averages(written):
    assert mrcfile.validate(str(written / "class_averages.mrcs"))
    with mrcfile.open(written / "class_averages.mrcs") as mrc:
        assert np.array_equal(mrc.data, FOUND.averages)
        assert float(mrc.voxel_size.x) == PIXEL_SIZE


def test_the_star_file(written):
    rows = [row.split() for row in (written / "classes.star").read_text().splitlines()]
    rows = [row for row in rows if row and "@" in row[0]]
    # the image, class from 1, psi, origins in angstrom, flip, group
    assert rows[1][1:] == ["1", "12.345670", "-0.000100", "7.500000", "1", "1"]
    assert rows[2][1:] == ["0", "0.000000", "0.000000", "0.000000", "0", "1"]


def test_the_tables_are_read_again(written, table):
    found = read_class_tables(written)
    assert tuple(found.names) == table.names
    assert np.array_equal(found.labels, FOUND.labels)
    assert np.array_equal(found.mirror, FOUND.mirror)
    assert np.array_equal(found.sizes, FOUND.sizes)
    assert np.array_equal(found.is_junk, FOUND.is_junk)
    assert np.allclose(found.rotation_deg, FOUND.rotation_deg, atol=5.1e-5)
    assert np.allclose(found.shift_px, FOUND.shift_px, atol=5.1e-5)
    assert np.allclose(found.dissimilarity, FOUND.dissimilarity, rtol=1e-5, equal_nan=True)


def test_a_folder_that_is_not_there(table, tmp_path):
    with pytest.raises(FileNotFoundError):
        write_class_files(tmp_path / "gone", table, FOUND)


# The state of a classification


def made_state(n, seed, records=RECORDS, before=False):
    rng = np.random.default_rng(seed)

    def alignment():
        return Alignment(rng.uniform(0, 7, n), rng.normal(size=(n, 2)), rng.random(n) < 0.5)

    return State(
        labels=rng.integers(0, 5, n),
        alignment=alignment(),
        offset_px=rng.normal(size=(n, 2)),
        stage="local",
        contrast=rng.uniform(0.5, 2, n),
        stage_iteration=int(rng.integers(9)),
        n_rounds=int(rng.integers(3)),
        constraint=float(rng.random()),
        records=records,
        before_trade=(float(rng.normal()), rng.integers(0, 5, n), alignment()) if before else None,
        converged=bool(rng.random() < 0.5),
    )


def assert_same_arrays(found, expected):
    assert found.keys() == expected.keys()
    for name, array in expected.items():
        assert found[name].dtype == array.dtype, name
        assert np.array_equal(found[name], array), name


@given(
    n=st.integers(1, 20),
    seed=st.integers(0, 2**32 - 1),
    n_records=st.integers(0, 2),
    before=st.booleans(),
)
def test_a_state_comes_back(tmp_path_factory, n, seed, n_records, before):
    path = tmp_path_factory.getbasetemp() / "state.npz"
    state = made_state(n, seed, RECORDS[:n_records], before)
    write_checkpoint(path, "me", state)
    found = read_checkpoint(path, "me")
    assert found.records == state.records
    assert (found.stage, found.converged) == (state.stage, state.converged)
    assert_same_arrays(state_to_arrays(found), state_to_arrays(state))


def test_a_state_of_somebody_else(tmp_path):
    write_checkpoint(tmp_path / "a.npz", "me", made_state(3, 0))
    with pytest.raises(FormatError, match=r"a\.npz: was written with other particles"):
        read_checkpoint(tmp_path / "a.npz", "you")


def test_a_state_that_cannot_be_written(tmp_path):
    write_checkpoint(tmp_path / "a.npz", "me", made_state(3, 0))
    with pytest.raises(OSError, match="No such file"):
        write_checkpoint(tmp_path / "gone" / "a.npz", "me", made_state(3, 0))


@pytest.mark.parametrize("name", sorted(state_to_arrays(made_state(3, 0, before=True))))
def test_a_state_that_lacks_something(tmp_path, name):
    path = tmp_path / "a.npz"
    write_checkpoint(path, "me", made_state(3, 0, before=True))
    arrays = read_arrays(path)
    del arrays[name]
    write_arrays(path, arrays)
    with pytest.raises(FormatError, match=f"damaged or not a checkpoint .'{name}' is missing"):
        read_checkpoint(path, "me")


def test_any_damage_is_seen(tmp_path):
    """One wrong byte: an error, or none of the numbers is another."""
    path = tmp_path / "a.npz"
    state = made_state(3, 0, before=True)
    write_checkpoint(path, "me", state)
    whole = path.read_bytes()
    n_refused = 0
    for place in range(0, len(whole), 13):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 0x55]) + whole[place + 1 :])
        try:
            found = read_checkpoint(path, "me")
        except FormatError:
            n_refused += 1
        else:
            assert_same_arrays(state_to_arrays(found), state_to_arrays(state))
    assert n_refused > len(whole) / 26
    for n_bytes in range(0, len(whole), 97):
        path.write_bytes(whole[:n_bytes])
        with pytest.raises(FormatError, match=r"a\.npz"):
            read_checkpoint(path, "me")


# What a state belongs to


def test_the_owner_depends_on_the_parameters(table):
    owner = checkpoint_owner(table, PARAMETERS)
    assert checkpoint_owner(table, dict(reversed(list(PARAMETERS.items())))) == owner
    for name, value in (("n_classes", 4), ("beta", 0.25), ("n_rings", 12), ("method", "eqk")):
        assert checkpoint_owner(table, {**PARAMETERS, name: value}) != owner


def test_the_owner_depends_on_the_ctf(table):
    columns = {"voltage_kv": 300, "spherical_aberration_mm": 2.7, "amplitude_contrast": 0.1}
    owners = {checkpoint_owner(table, PARAMETERS)}
    for defocus in (1e4, 1.1e4):
        ctf = CtfParameters.from_columns(np.full(N, defocus), **columns)
        owners.add(checkpoint_owner(replace(table, ctf=ctf), PARAMETERS))
    assert len(owners) == 3


def test_the_owner_depends_on_the_images(table):
    owner = checkpoint_owner(table, PARAMETERS)
    os.rename("a.mrcs", "b.mrcs")  # in another place, but the same
    assert checkpoint_owner(read_particles("b.mrcs"), PARAMETERS) == owner
    seconds = os.stat("b.mrcs").st_mtime
    os.utime("b.mrcs", (seconds + 1, seconds + 1))
    assert checkpoint_owner(read_particles("b.mrcs"), PARAMETERS) != owner


# Arrays


def test_some_arrays_only(tmp_path):
    write_arrays(tmp_path / "a.npz", {"x": np.arange(3), "y": np.ones(2)})
    assert_same_arrays(read_arrays(tmp_path / "a.npz", ["y"]), {"y": np.ones(2)})
    with pytest.raises(KeyError):
        read_arrays(tmp_path / "a.npz", ["z"])


@pytest.mark.parametrize("data", [b"", b"\x93NUMPY", b"PK", b"dear"])
def test_files_of_another_kind(tmp_path, data):
    (tmp_path / "a.npz").write_bytes(data)
    with pytest.raises(FormatError, match=r"a\.npz: cannot be read .*; restart the run"):
        read_arrays(tmp_path / "a.npz")


def test_one_array_is_of_another_kind(tmp_path):
    np.save(tmp_path / "a.npy", np.arange(3))
    with pytest.raises(FormatError, match="of another kind"):
        read_arrays(tmp_path / "a.npy")


def test_arrays_that_are_not_there(tmp_path):
    with pytest.raises(FormatError, match=r"cannot be read \(No such file or directory\); do it"):
        read_arrays(tmp_path / "a.npz", remedy="do it")
