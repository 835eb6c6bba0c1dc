"""Iterative picking in a real Scipion project: what it makes, when it ends, what it survives."""

import csv
import re
from pathlib import Path

import numpy as np
import pytest
from scipy.spatial import cKDTree

from repic_plugin import constants
from repic_plugin.convert import read_micrographs
from repic_plugin.formats import micrograph_name, read_iterations
from repic_plugin.protocols.iterative.sets import reference_picks
from repic_plugin.protocols.iterative.settings import find_box_size
from tests.protocols.iterative_runs import (
    BOX,
    N_PARTICLES,
    PIXEL_SIZE,
    TEMPLATE,
    after_the_kill,
    children,
    iterative,
    kill,
    places,
    run_again,
    stop,
    wait_for_stage,
    write_material,
)
from tests.protocols.scipion_project import write_images, write_picker

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def material(tmp_path_factory):
    return write_material(tmp_path_factory.mktemp("iterative"))


@pytest.fixture(scope="module")
def micrographs(project, material):
    return project.micrographs("simulated micrographs", material[0], sampling=8.0)


@pytest.fixture(scope="module")
def truth(project, micrographs, material):
    return project.picks("truth of them", micrographs, material[1])


@pytest.fixture(scope="module")
def done(project, micrographs, truth):
    """One iteration from scratch."""
    run = project.run(iterative(project, micrographs, truth, "from scratch"))
    assert run.isFinished(), run.getErrorMessage()
    return run


def first_consensus(project, run):
    """Of the first iteration: there may be more by now."""
    return places(children(project, run)["iter 1 - consensus"].outputCoordinates)


STAGES = [
    "micrographs to train and test on",
    "iter 0 - Template (1) pick",
    "iter 0 - Template (2) pick",
    "iter 0 - consensus",
    "iter 0 - labels",
    *(
        f"iter 1 - {stage}"
        for stage in (
            "Template (1) train",
            "Template (1) pick",
            "Template (2) train",
            "Template (2) pick",
            "consensus",
            "labels",
        )
    ),
]


def test_every_stage_is_a_run_of_the_project(project, done):
    made = children(project, done)
    assert sorted(made) == sorted(STAGES)
    assert all(run.isFinished() for run in made.values())
    graph = project.project.getRunsGraph(refresh=True)
    node = graph.getNode(str(made["iter 1 - Template (1) train"].getObjId()))
    parents = {parent.run.getObjLabel() for parent in node.getParents()}
    assert parents == {"iter 0 - labels", "micrographs to train and test on"}


def test_pickers_learn_from_training_micrographs_only(project, done):
    made = children(project, done)
    training = set(read_micrographs(made[STAGES[0]].outputTraining).names)
    assert len(training) == 3
    for k in range(2):
        labels = made[f"iter {k} - labels"].outputCoordinates
        assert {item.getMicName() for item in labels} <= training
        assert 0 < labels.getSize() <= 3 * N_PARTICLES


def test_the_table_has_a_row_for_each_iteration_set_and_subset(done):
    rows = read_iterations(done.table_file())
    keys = [(row.iteration, row.subset, row.name) for row in rows]
    assert keys == [
        (k, subset, name)
        for k in range(2)
        for subset in ("training", "testing", "all")
        for name in ("Template (1)", "Template (2)", "consensus")
    ]
    by = dict(zip(keys, rows))
    last = by[1, "all", "consensus"]
    assert last.n_particles == done.outputCoordinates.getSize()
    assert last.f1 > 0.6
    assert all(0 <= row.agreement <= 1 for row in rows if row.name != "consensus")
    assert by[1, "testing", "consensus"].n_micrographs == 6
    with open(done.table_file(), encoding="utf-8", newline="") as file:
        assert len(list(csv.DictReader(file))) == len(rows)


def test_training_pays(done):
    rows = read_iterations(done.table_file())
    f1 = {(row.iteration, row.name): row.f1 for row in rows if row.subset == "testing"}
    for name in ("Template (1)", "Template (2)"):
        assert f1[1, name] > f1[0, name]


def test_outputs_are_the_last_sets_and_models(project, done):
    made = children(project, done)
    consensus = made["iter 1 - consensus"].outputCoordinates
    assert places(done.outputCoordinates) == places(consensus)
    assert done.outputCoordinates.getFileName() != consensus.getFileName()
    assert done.outputCoordinates.getBoxSize() == BOX
    for number in (1, 2):
        picks = getattr(done, f"outputCoordinates_Template{number}")
        assert places(picks) == places(made[f"iter 1 - Template ({number}) pick"].outputCoordinates)
        model = getattr(done, f"outputModel_Template{number}")
        assert model.getSize() >= 1
        assert Path(model.getFirstItem().getFileName()).is_file()


def test_the_summary_tells_the_last_iteration(done):
    summary = " ".join(done._summary())
    assert "After iteration 1" in summary
    assert "Template (1)" in summary
    assert "F1" in summary
    assert "Template (2)" in done._methods()[0]


def test_the_summary_links_the_runs_of_each_iteration(project, done):
    made = {run.getObjId(): label for label, run in children(project, done).items()}
    lines = [line for line in done._summary() if line.startswith("Runs of iteration ")]
    assert [line.split(":")[0] for line in lines] == ["Runs of iteration 0", "Runs of iteration 1"]
    (_, last) = lines
    linked = {
        int(number): label for number, label in re.findall(r"sci-open:(\d+)\]\[(.*?)\]", last)
    }
    start = "iter 1 - "
    of_last = {number: name for number, name in made.items() if name.startswith(start)}
    assert {number: f"{start}{label}" for number, label in linked.items()} == of_last


def test_the_report_has_no_links_of_the_window(done, tmp_path):
    from repic_plugin.reports import write_run_report

    write_run_report(done, tmp_path / "report.html")
    text = (tmp_path / "report.html").read_text("utf-8")
    assert "Runs of iteration 1: " in text
    assert "sci-open" not in text


def test_labels_are_the_best_by_weight(project, done):
    made = children(project, done)
    weights = {}
    for item in made["iter 1 - consensus"].outputCoordinates:
        weight = getattr(item, constants.WEIGHT).get()
        weights.setdefault(item.getMicName(), []).append((weight, item.getX(), item.getY()))
    for item in made["iter 1 - labels"].outputCoordinates:
        best = sorted(weights[item.getMicName()], reverse=True)[:N_PARTICLES]
        assert (item.getX(), item.getY()) in {(x, y) for _, x, y in best}


# disturbances

STOPPED = "iter 1 - Template (1) train"  # by the user; the others are killed


@pytest.mark.parametrize(
    "stages",
    [
        pytest.param(STAGES[1::4], id="three"),  # a picking, a training, a consensus
        pytest.param(STAGES, id="every", marks=pytest.mark.thorough),
    ],
)
def test_stopped_and_killed_at_its_stages_it_ends_as_if_nothing_had_happened(
    project, micrographs, truth, done, stages
):
    protocol = iterative(project, micrographs, truth, f"disturbed at {len(stages)}")
    for number, stage in enumerate(stages):
        project.project.launchProtocol(protocol, wait=False)
        wait_for_stage(project, protocol, stage)
        if stage == STOPPED:
            protocol = stop(project, protocol)
        else:
            kill(protocol, with_children=number % 2 == 0)
            protocol = after_the_kill(project, protocol)
    ids = {label: run.getObjId() for label, run in children(project, protocol).items()}
    assert list(ids) == STAGES[: STAGES.index(stages[-1]) + 1]
    mended = run_again(project, protocol)
    assert mended.isFinished(), mended.getErrorMessage()
    made = {label: run.getObjId() for label, run in children(project, mended).items()}
    assert sorted(made) == sorted(STAGES)
    assert {label: made[label] for label in ids} == ids
    assert places(mended.outputCoordinates) == first_consensus(project, done)
    tables = (list(map(str, read_iterations(run.table_file()))) for run in (mended, done))
    assert next(tables) == next(tables)


# other starts and ends


@pytest.mark.thorough
def test_more_iterations_go_on_from_the_last(project, done):
    before = {label: run.getObjId() for label, run in children(project, done).items()}
    done.numIterations.set(2)
    done.runMode.set(0)
    again = run_again(project, done)
    assert again.isFinished(), again.getErrorMessage()
    after = {label: run.getObjId() for label, run in children(project, again).items()}
    assert {label: after[label] for label in before} == before
    assert len(after) == len(before) + 6
    assert max(row.iteration for row in read_iterations(again.table_file())) == 2


@pytest.mark.thorough
def test_manual_picks_start_it(project, micrographs, truth):
    inputs = {"manualCoordinates": (truth, "outputCoordinates")}
    values = {"initialisation": 1, "manualProbability": 0.5, "boxSize": 0}
    run = project.run(iterative(project, micrographs, truth, "manual", inputs, **values))
    assert run.isFinished(), run.getErrorMessage()
    made = children(project, run)
    assert "iter 0 - consensus" not in made
    assert 5 <= made["iter 0 - labels"].outputCoordinates.getSize() < 3 * N_PARTICLES
    assert min(row.iteration for row in read_iterations(run.table_file())) == 1


@pytest.mark.thorough
def test_models_of_other_data_pick_first_and_a_consensus_that_no_longer_changes_ends_it(
    project, micrographs, truth, done
):
    inputs = {f"model{i}": (done, f"outputModel_Template{i}") for i in (1, 2)}
    stable = {"numIterations": 2, "stopWhenStable": True, "stableAgreement": 0.0}
    transfer = iterative(
        project, micrographs, truth, "transfer", inputs, initialisation=2, **stable
    )
    run = project.run(transfer)
    assert run.isFinished(), run.getErrorMessage()
    made = children(project, run)
    assert not any(label.startswith("iter 2") for label in made)
    assert made["iter 0 - Template (1) pick"].inputAverages.get() is not None
    f1 = {
        (row.iteration, row.name): row.f1
        for row in read_iterations(run.table_file())
        if row.subset == "all"
    }
    assert f1[0, "consensus"] > 0.6
    assert max(iteration for iteration, _ in f1) == 1


@pytest.mark.thorough
def test_at_the_same_time_they_do_the_same(project, micrographs, truth, done):
    run = project.run(iterative(project, micrographs, truth, "at once", numberOfThreads=3))
    assert run.isFinished(), run.getErrorMessage()
    assert places(run.outputCoordinates) == first_consensus(project, done)


@pytest.mark.thorough
def test_coordinates_that_are_there_are_taken_and_the_worst_picker_is_trained_again(
    project, micrographs, truth, done
):
    inputs = {"coordinates1": (done, "outputCoordinates_Template1")}
    values = {"numIterations": 2, "retrainWorst": True}
    run = project.run(iterative(project, micrographs, truth, "worst", inputs, **values))
    assert run.isFinished(), run.getErrorMessage()
    made = children(project, run)
    assert "iter 0 - Template (1) pick" not in made
    pointers = [one.getObjValue().getObjId() for one in made["iter 0 - consensus"].inputCoordinates]
    assert pointers[0] == done.getObjId()
    rows = [row for row in read_iterations(run.table_file()) if row.iteration == 1]
    pickers = [row for row in rows if row.subset == "all" and row.name != "consensus"]
    worst = min(pickers, key=lambda row: row.agreement).name
    assert {label for label in made if label.endswith("train")} == {
        "iter 1 - Template (1) train",
        "iter 1 - Template (2) train",
        f"iter 2 - {worst} train",
    }


# failures

NEVER = "minScore=1"  # no correlation is as high


@pytest.mark.thorough
def test_a_picker_that_finds_nothing_stops_the_run_or_the_others_go_on(project, micrographs):
    third = {"picker3": TEMPLATE, "options3": NEVER}
    run = project.run(iterative(project, micrographs, None, "fails", **third))
    assert run.isFailed()
    assert "Template (3) failed in iteration 0, picking" in run.getErrorMessage()
    assert "without a single coordinate" in run.getErrorMessage()
    assert not hasattr(run, "outputCoordinates")
    run.ifPickerFails.set(1)
    run.runMode.set(0)
    again = run_again(project, run)
    assert again.isFinished(), again.getErrorMessage()
    assert {row.name for row in read_iterations(again.table_file())} == {
        "Template (1)",
        "Template (2)",
        "consensus",
    }
    assert any("Excluded: Template (3)" in line for line in again._summary())
    assert not any(label == "iter 1 - Template (3) train" for label in children(project, again))


@pytest.mark.thorough
def test_one_picker_alone_stops_and_goes_on_when_the_other_is_mended(project, micrographs):
    values = {"ifPickerFails": 1, "options2": NEVER}
    run = project.run(iterative(project, micrographs, None, "one left", **values))
    assert run.isFailed()
    assert "only Template (1) is left, but a consensus needs two" in run.getErrorMessage()
    before = {label: one.getObjId() for label, one in children(project, run).items()}
    run.options2.set("train.numberOfTemplates=1")
    run.runMode.set(0)
    again = run_again(project, run)
    assert again.isFinished(), again.getErrorMessage()
    after = {label: one.getObjId() for label, one in children(project, again).items()}
    assert after["iter 0 - Template (1) pick"] == before["iter 0 - Template (1) pick"]
    assert after["iter 0 - Template (2) pick"] != before["iter 0 - Template (2) pick"]


# other pixel sizes


@pytest.fixture(scope="module")
def binned(project, truth, tmp_path_factory):
    """The truth on the same micrographs at twice the pixel size."""
    folder = tmp_path_factory.mktemp("binned")
    centres = {}
    for name, x, y in places(truth.outputCoordinates):
        centres.setdefault(micrograph_name(name), []).append((x / 2, y / 2))
    images = write_images(folder / "images", centres, 128)
    imported = project.micrographs("binned", images, 2 * PIXEL_SIZE)
    return project.picks("binned truth", imported, write_picker(folder / "b", centres, BOX // 2))


def test_a_reference_at_another_pixel_size_is_rescaled(project, micrographs, truth, binned):
    own, other = (
        reference_picks(one.outputCoordinates, micrographs.outputMicrographs)
        for one in (truth, binned)
    )
    assert own.micrograph_names == other.micrograph_names
    for m in range(len(own.micrograph_names)):
        mine, theirs = (
            np.column_stack([one.x, one.y])[one.micrograph == m] for one in (own, other)
        )
        assert len(mine) == len(theirs)
        assert cKDTree(theirs).query(mine)[0].max() < 2  # Scipion keeps whole px


def test_so_is_the_box_of_manual_picks(project, micrographs, binned):
    inputs = {"manualCoordinates": (binned, "outputCoordinates")}
    run = iterative(project, micrographs, None, "box", inputs, initialisation=1, boxSize=0)
    assert find_box_size(run) == BOX


def test_picks_to_start_with_have_to_be_at_the_pixel_size(project, micrographs, binned):
    inputs = {"coordinates1": (binned, "outputCoordinates")}
    (problem,) = iterative(project, micrographs, None, "coarse", inputs)._validate()
    assert (
        "on micrographs of 16 Å/px, the inputs have 8 Å/px; use the protocol 'training labels'"
        in problem
    )


# what is told before the run


@pytest.mark.parametrize(
    "values, words",
    [
        ({"picker2": 0}, "A consensus needs at least two pickers, got 1"),
        ({"boxSize": 0}, '"Box size \\(px\\)" must be given'),
        ({"numValidation": 6}, "9 micrographs are too few: 6 for validation .* need 12"),
        ({"numIterations": 0}, '"Iterations" must be a whole number, 1 or more, got 0'),
        ({"initialisation": 1}, '"Manual picks" are missing'),
        ({"initialisation": 2}, r"Template \(1\): its model is missing"),
        ({"options1": "colour=red"}, "option colour: no parameter of"),
        ({"options1": "angularStep=wide"}, r"Template \(1\): option angularStep: must be a number"),
        ({"options1": "colour"}, r"Template \(1\): \"Options\" must be name=value"),
        ({"threshold1": "high"}, "\"Minimum score\" must be a number, got 'high'"),
    ],
)
def test_bad_values_are_told_before_the_run(project, micrographs, values, words):
    problems = iterative(project, micrographs, None, "bad", **values)._validate()
    assert any(re.search(words, problem) for problem in problems), problems
    assert all("\n" not in problem for problem in problems)


def test_the_expected_number_lets_all_picks_of_a_network_into_the_consensus(project, micrographs):
    from repic_plugin.pickers import PICKERS
    from repic_plugin.protocols.iterative.settings import iterative_settings, picker_lines

    def lines(**values):
        run = iterative(project, micrographs, None, "least", picker1="deeppicker", **values)
        return picker_lines(run)[0], iterative_settings(run)

    own = PICKERS["deeppicker"].suggested_threshold
    line, _ = lines(numParticles=0)
    assert (line.threshold, line.consensus_threshold) == (own, own)
    line, without = lines(numParticles=9)
    assert (line.threshold, line.consensus_threshold) == (own, None)
    line, _ = lines(numParticles=9, mode=2)  # by probability
    assert (line.threshold, line.consensus_threshold) == (own, own)
    line, given = lines(numParticles=9, threshold1=f"{own}")  # the user's holds
    assert (line.threshold, line.consensus_threshold) == (own, own)
    assert given != without  # so that Continue repeats the consensus
