"""The 2D classification with Scipion's own mpirun line."""

from pathlib import Path

import pytest

from tests.commands.mpi_runs import PERMISSIONS, needs_mpi  # noqa: F401  the fixture
from tests.protocols.particle_set import (
    classification,
    classify,
    import_set,
    members,
    simulated,
    write_particle_set,
)

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def imported(project, tmp_path_factory):
    made = simulated(per_view=70)
    folder = tmp_path_factory.mktemp("particles") / "set"
    return import_set(project, "particles", write_particle_set(folder, made.images, made.ctf))


@pytest.mark.thorough
@pytest.mark.usefixtures("needs_mpi")
def test_two_processes_give_the_classes_of_one(project, imported, monkeypatch):
    for name, value in PERMISSIONS.items():
        monkeypatch.setenv(name, value)
    values = {"numberOfClasses": 4, "maxIterations": 12}
    one, two = (
        classify(project, imported, f"{n} processes", numberOfMpi=n, **values) for n in (1, 2)
    )
    assert "mpirun -np 2" in Path(two.getStdoutLog()).read_text()
    for name in ("assignments.csv", "class_averages.mrcs", "convergence.csv", "classes.csv"):
        files = [Path(run.classes_folder(), name).read_bytes() for run in (one, two)]
        assert files[0] == files[1], name
    assert len(members(two)) == 280


def test_one_process_is_the_default(project, imported):
    assert classification(project, imported, "default").numberOfMpi.get() == 1


def test_without_mpi4py_it_is_told_before_the_run(project, imported, monkeypatch):
    monkeypatch.setattr(
        "repic_plugin.protocols.classification.settings.find_spec", lambda name: None
    )
    values = {"numberOfClasses": 4}
    assert classification(project, imported, "one", numberOfMpi=1, **values)._validate() == []
    (message,) = classification(project, imported, "two", numberOfMpi=2, **values)._validate()
    assert "mpi4py" in message
    assert "pip install" in message


def test_equal_sizes_need_one_process(project, imported, monkeypatch):
    monkeypatch.setattr(
        "repic_plugin.protocols.classification.settings.find_spec", lambda name: name
    )
    values = {"numberOfClasses": 4, "method": 2}
    assert classification(project, imported, "one", numberOfMpi=1, **values)._validate() == []
    (message,) = classification(project, imported, "two", numberOfMpi=2, **values)._validate()
    assert "sorts all pairs of an image and a class in one process, got 2 of them" in message
