"""The tables of a classification, written and read back."""

from dataclasses import replace

import numpy as np
import pytest

from repic_plugin.formats import (
    FormatError,
    read_arrays,
    read_class_tables,
    write_arrays,
    write_class_files,
    write_stack,
)
from repic_plugin.formats.images.particles import read_particles


@pytest.fixture
def found():
    """A classification of six particles, one of them put aside."""
    from repic_plugin.classification import (
        Classification,
        GreyScale,
        IterationRecord,
        Preparation,
        particle_sizes,
    )

    rng = np.random.default_rng(0)
    labels = np.array([1, 0, 1, -1, 1, 0])
    grey_scale = GreyScale(
        np.zeros(6), np.array([1, 1, 1, 1, 1, 9.0]), np.array([0, 3, 0, 0, 0, 0])
    )
    return Classification(
        labels=labels,
        rotation_deg=rng.uniform(-180, 180, 6),
        shift_px=rng.normal(size=(6, 2)),
        mirror=labels > 0,
        dissimilarity=np.where(labels < 0, np.nan, 0.5),
        averages=np.zeros((3, 8, 8), np.float32),
        sizes=np.array([2, 3, 0]),
        explained=np.array([0.25, 0.5, 0.0]),
        is_junk=np.array([False, True, False]),
        converged=True,
        records=(
            IterationRecord(1, "global", 0.75, 10.0, 1, 3),
            IterationRecord(2, "local", 0.125, 9.0, 2, 3),
        ),
        preparation=Preparation(particle_sizes(16, 5.0), True, grey_scale),
    )


@pytest.fixture
def folder(tmp_path, found):
    write_stack(tmp_path / "s.mrcs", np.zeros((6, 8, 8), np.float32), 1.0)
    folder = tmp_path / "classes"
    folder.mkdir()
    write_class_files(folder, read_particles(tmp_path / "s.mrcs"), found)
    return folder


QUALITY = {
    "score": np.array([0.125, 0.9, 0.0]),
    "probability": np.array([0.25, 0.95, 0.0]),
    "resolution_angstrom": np.array([20.5, np.nan, np.nan]),
    "is_off_centre": np.array([True, False, False]),
}
MEMBERS = np.array([0.9, 0.1, 0.95, 0.0, 0.5, 0.25])


def test_scores_are_read_back_and_not_needed(tmp_path, folder, found):
    from repic_plugin.classification import ClassQuality

    assert read_class_tables(folder).scores is None  # as an earlier version wrote them
    scored = replace(
        found,
        quality=ClassQuality(
            threshold=0.5, member_probability=MEMBERS, agreement=MEMBERS, **QUALITY
        ),
    )
    write_class_files(folder, read_particles(tmp_path / "s.mrcs"), scored)
    scores = read_class_tables(folder).scores
    for name, expected in QUALITY.items():
        assert np.array_equal(getattr(scores, name), expected, equal_nan=True), name
    assert np.array_equal(scores.particle_probability, MEMBERS)


def test_what_is_written_is_read_back(folder, found):
    tables = read_class_tables(folder)
    assert [name.partition("@")[0] for name in tables.names] == [f"{i:06d}" for i in range(1, 7)]
    for name in ("labels", "mirror", "sizes", "is_junk", "explained"):
        assert np.array_equal(getattr(tables, name), getattr(found, name)), name
    for name in ("rotation_deg", "shift_px", "dissimilarity"):
        expected = getattr(found, name)
        assert np.allclose(getattr(tables, name), expected, atol=1e-4, equal_nan=True), name
    assert tables.convergence["fraction_changed"].tolist() == [0.75, 0.125]


@pytest.mark.parametrize("name", ["assignments.csv", "classes.csv", "convergence.csv"])
def test_a_damaged_table_is_told_in_one_line(folder, name):
    text = (folder / name).read_text()
    (folder / name).write_text(text.replace("1", "x"))
    with pytest.raises(FormatError, match=name) as caught:
        read_class_tables(folder)
    assert "\n" not in str(caught.value)
    (folder / name).unlink()
    with pytest.raises(FormatError, match=name):
        read_class_tables(folder)


def test_some_arrays_of_a_file(tmp_path):
    write_arrays(tmp_path / "a.npz", {"one": np.arange(3), "two": np.arange(4)})
    assert set(read_arrays(tmp_path / "a.npz")) == {"one", "two"}
    (only,) = read_arrays(tmp_path / "a.npz", ["two"]).items()
    assert only[0] == "two"
    assert only[1].tolist() == [0, 1, 2, 3]
    with pytest.raises(KeyError):
        read_arrays(tmp_path / "a.npz", ["three"])
