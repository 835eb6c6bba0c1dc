"""Micrographs to train on, and labels on them, in a real Scipion project."""

import csv

import numpy as np
import pytest

from repic_plugin import constants
from repic_plugin.convert import mean_defocus, read_micrographs
from tests.protocols.pwem_sets import write_ctfs
from tests.protocols.scipion_project import write_images, write_picker

pytestmark = pytest.mark.slow

FILES = [f"mic {i:02d}" for i in range(15)]
NAMES = [name.replace(" ", "") for name in FILES]  # as Scipion has them
BOX = 20


@pytest.fixture(scope="module")
def micrographs(project, tmp_path_factory):
    folder = write_images(tmp_path_factory.mktemp("subsets") / "micrographs", FILES)
    return project.micrographs("micrographs of subsets", folder)


@pytest.fixture(scope="module")
def defocus():
    """Of each micrograph; the thirds are no runs of names."""
    return dict(zip(NAMES, 1e4 + 500.0 * np.random.default_rng(0).permutation(15)))


@pytest.fixture(scope="module")
def ctfs(project, micrographs, defocus):
    return write_ctfs(project, micrographs, lambda name: defocus[name.rpartition(".")[0] or name])


@pytest.fixture(scope="module")
def subsets(project, micrographs, ctfs):
    inputs = {
        "inputMicrographs": (micrographs, "outputMicrographs"),
        "inputCTFs": (ctfs, "outputCTF"),
    }
    return project.finished("ProtRepicSubsets", "subsets", inputs, numValidation=3, seed=5)


def names_of(micrographs):
    return [name.rpartition(".")[0] or name for name in read_micrographs(micrographs).names]


def test_every_micrograph_is_in_one_subset(subsets, micrographs):
    parts = [subsets.outputTraining, subsets.outputValidation, subsets.outputTesting]
    assert [part.getSize() for part in parts] == [3, 3, 9]
    assert sorted(name for part in parts for name in names_of(part)) == NAMES
    whole = micrographs.outputMicrographs
    ids = dict(zip(names_of(whole), read_micrographs(whole).ids))
    for part in parts:
        assert part.getSamplingRate() == 1.0
        assert read_micrographs(part).ids == tuple(ids[name] for name in names_of(part))


def test_a_third_of_each_defocus(subsets, defocus):
    order = sorted(NAMES, key=defocus.get)
    third = {name: place // 5 for place, name in enumerate(order)}
    for part in (subsets.outputTraining, subsets.outputValidation, subsets.outputTesting):
        counts = np.bincount([third[name] for name in names_of(part)], minlength=3)
        assert counts.min() == counts.max()
    with open(subsets._getExtraPath("subsets.csv"), encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    words = ("low", "medium", "high")
    assert [row["defocus"] for row in rows] == [
        words[third[row["micrograph"].rpartition(".")[0] or row["micrograph"]]] for row in rows
    ]
    assert "3 for training, 3 for validation, 9 for testing" in subsets._summary()[0]
    assert "by mean defocus" in subsets._summary()[0]


def test_a_micrograph_without_a_ctf_is_named(project, micrographs, ctfs):
    some = write_ctfs(project, micrographs, lambda _: 1e4, n_left_out=1)
    table = read_micrographs(micrographs.outputMicrographs)
    found = mean_defocus(some.outputCTF, table)
    assert [name for name, one in zip(table.names, found) if np.isnan(one)] == ["mic14.mrc"]
    inputs = {
        "inputMicrographs": (micrographs, "outputMicrographs"),
        "inputCTFs": (some, "outputCTF"),
    }
    (message,) = project.new("ProtRepicSubsets", "without a CTF", inputs)._validate()
    assert "1 micrographs have no CTF in the given set, such as mic14.mrc" in message


def test_too_few_micrographs_are_told_before_the_run(project, micrographs):
    inputs = {"inputMicrographs": (micrographs, "outputMicrographs")}
    one = project.new("ProtRepicSubsets", "too few", inputs, numValidation=12)
    assert "15 micrographs are too few" in one._validate()[0]
    assert "need 18" in one._validate()[0]


# labels


@pytest.fixture(scope="module")
def picked(project, micrographs, tmp_path_factory):
    """Six particles on each micrograph, of rising score."""
    folder = tmp_path_factory.mktemp("labels") / "picker"
    centres = {name: [(10 * i, 30) for i in range(1, 6 + 1)] for name in FILES}
    scores = {name: [0.1 * i for i in range(1, 6 + 1)] for name in FILES}
    write_picker(folder, centres, BOX, scores)
    return project.picks("picked", micrographs, folder)


def labels(project, picked, subsets, label, **values):
    inputs = {
        "inputCoordinates": (picked, "outputCoordinates"),
        "inputMicrographs": (subsets, "outputTraining"),
    }
    return project.finished("ProtRepicLabels", label, inputs, **values)


def test_the_best_on_the_training_micrographs_become_labels(project, picked, subsets):
    found = labels(project, picked, subsets, "labels", numParticles=2).outputCoordinates
    training = read_micrographs(subsets.outputTraining)
    places = {(item.getMicId(), item.getX()) for item in found}
    assert places == {(i, x) for i in training.ids for x in (50, 60)}
    assert found.getBoxSize() == BOX
    assert found.getMicrographs().getSize() == 3
    scores = sorted(getattr(item, constants.PICK_SCORE).get() for item in found)
    assert scores == pytest.approx([0.5] * 3 + [0.6] * 3)


def test_a_random_part_of_five_at_least(project, picked, subsets):
    found = labels(project, picked, subsets, "sample", probability=0.01).outputCoordinates
    assert found.getSize() == 5


def test_no_label_on_the_training_micrographs_is_an_error(project, subsets, tmp_path, micrographs):
    training = set(names_of(subsets.outputTraining))
    elsewhere = next(name for name in NAMES if name not in training)
    write_picker(tmp_path / "elsewhere", {elsewhere: [(30, 30)]}, BOX)
    one = project.picks("elsewhere", micrographs, tmp_path / "elsewhere")
    inputs = {
        "inputCoordinates": (one, "outputCoordinates"),
        "inputMicrographs": (subsets, "outputTraining"),
    }
    run = project.run(project.new("ProtRepicLabels", "none", inputs))
    assert run.isFailed()
    assert "none of the coordinates lies on the 3 training micrographs" in run.getErrorMessage()
    assert not hasattr(run, "outputCoordinates")
