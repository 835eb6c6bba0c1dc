"""Iterative picking that looks at the images: labels, the worst picker, and junk alone."""

import csv
import json
from dataclasses import replace

import numpy as np
import pytest

from repic_plugin import constants
from repic_plugin.consensus import NOTHING, Picks, find_consensus
from repic_plugin.formats import read_ensemble, write_mrc
from tests.protocols.iterative_runs import N_PARTICLES, children, iterative, write_material

LOOKING = {"mode": 2, "lookAtImages": True}
NAMES = ("iter 1 - Template (1) pick", "iter 1 - Template (1) pick again")


@pytest.fixture(scope="module")
def micrographs(project, tmp_path_factory):
    folder = tmp_path_factory.mktemp("images")
    return project.micrographs("to look at", write_material(folder)[0], sampling=8.0)


@pytest.fixture(scope="module")
def model():
    """Of two pickers, with a warning about the first."""
    rng = np.random.default_rng(0)
    rows = [
        (m, picker, *(100.0 * np.array(divmod(i, 5)) + rng.normal(0, 1, 2)), rng.random())
        for m in range(12)
        for i in range(25)
        for picker in range(2)
        if rng.random() < 0.8
    ]
    columns = map(np.array, zip(*rows))
    names = {"picker_names": NAMES}
    ensemble = find_consensus(
        Picks.from_columns(*columns, **names), 40, mode="probabilistic", decoys=False
    ).ensemble
    return replace(ensemble, warnings=(f"{NAMES[1]} is worse than {NAMES[0]}",))


# ------------------------------------------------------------------ what is said


def test_pickers_have_their_names_of_the_form_in_warnings_too(model):
    from repic_plugin.protocols.iterative.sets import renamed

    found = renamed(model, ["A", "B"])
    assert found.picker_names == ("A", "B")
    assert found.warnings == ("B is worse than A",)


def test_that_nothing_was_found_comes_first(model):
    from repic_plugin.iteration import IterationRow
    from repic_plugin.protocols.iterative.summary import summary_lines

    rows = [IterationRow(0, "consensus", "all", 9, 50, np.nan, np.nan, np.nan, np.nan)]
    nothing = replace(model, warnings=(*model.warnings, NOTHING))
    lines = summary_lines(rows, {}, True, nothing)
    assert lines[0] == f"Caution: {NOTHING}."
    assert " ".join(lines).count(NOTHING) == 1
    assert f"Caution: {model.warnings[0]}." in lines
    assert summary_lines(rows, {}, True, model)[0].startswith("*After iteration 0*")


# ------------------------------------------------------------------ the form


def test_settings_of_runs_that_do_not_look_are_those_of_before(project, micrographs):
    from repic_plugin.protocols.iterative.settings import iterative_settings

    def settings(**values):
        return iterative_settings(iterative(project, micrographs, label="form", **values))

    plain = settings(mode=2)
    assert "images" not in plain
    assert settings(mode=1, lookAtImages=True, imageClasses=9) == settings(mode=1)
    looking = settings(**LOOKING)
    assert looking != plain
    assert settings(**LOOKING, imageClasses=9) != looking != settings(**LOOKING, ifNoParticles=1)


def test_one_class_is_refused(project, micrographs):
    (message,) = iterative(project, micrographs, imageClasses=1, **LOOKING)._validate()
    assert message.startswith('"Number of 2D classes" must be 0 (automatic) or at least 2')
    assert iterative(project, micrographs, imageClasses=1, mode=2)._validate() == []


def test_boxes_without_room_for_an_image_are_refused_before_the_run(project, micrographs):
    small = {"boxSize": 14}
    (message,) = iterative(project, micrographs, **small, **LOOKING)._validate()
    assert "must be 16 px or more for their images to be looked at, got 14" in message
    assert iterative(project, micrographs, mode=2, **small)._validate() == []


# ------------------------------------------------------------------ runs


def rows_of(file):
    with open(file, encoding="utf-8", newline="") as table:
        return list(csv.DictReader(table))


@pytest.mark.slow
def test_noise_is_not_trained_on(project, tmp_path):
    """The negative control: blobs of noise, on which two pickers agree."""
    rng = np.random.default_rng(0)
    folder = tmp_path / "noise"
    folder.mkdir()
    for number in range(9):
        image = rng.normal(size=(256, 256)).astype(np.float32)
        write_mrc(folder / f"noise{number}.mrc", image, 8.0)
    noise = project.micrographs("noise", folder, sampling=8.0)
    run = project.run(iterative(project, noise, label="only noise", **LOOKING))
    assert run.isFailed()
    error = run.getErrorMessage()
    assert "iteration 0: no 2D class of the candidates looks like particles" in error
    assert '"If no class shows particles" to proceed' in error
    made = children(project, run)
    assert "iter 0 - consensus" in made
    assert not any(label.endswith(("train", "labels")) for label in made)


@pytest.mark.thorough
def test_labels_and_the_worst_picker_are_those_of_the_images(project, micrographs):
    values = {**LOOKING, "numIterations": 2, "retrainWorst": True, "imageClasses": 9}
    run = project.run(iterative(project, micrographs, label="looks", **values))
    assert run.isFinished(), run.getErrorMessage()
    made = children(project, run)
    for iteration in range(3):
        consensus = made[f"iter {iteration} - consensus"]
        assert len(rows_of(consensus._getExtraPath("image_classes.csv"))) == 9
        weights = {}
        for item in consensus.outputCoordinates:
            probability = getattr(item, constants.WEIGHT).get()
            weights.setdefault(item.getMicName(), []).append((probability, item.getX()))
        for item in made[f"iter {iteration} - labels"].outputCoordinates:
            best = sorted(weights[item.getMicName()], reverse=True)[:N_PARTICLES]
            assert item.getX() in {x for _, x in best}
    first = read_ensemble(made["iter 1 - consensus"]._getExtraPath())
    worst = ("Template (1)", "Template (2)")[int(first.f1.argmin())]
    assert "with images" in first.threshold_rule
    assert [one for one in made if one.startswith("iter 2") and one.endswith("train")] == [
        f"iter 2 - {worst} train"
    ]
    last = read_ensemble(run._getExtraPath())
    assert last.picker_names == ("Template (1)", "Template (2)")
    told = json.dumps(run._summary())
    assert not any(
        name in told
        for name in read_ensemble(made["iter 2 - consensus"]._getExtraPath()).picker_names
    )
    assert "2D classes [Xu2016]" in run._methods()[0]
    assert "Xu2016" in run._citations()
