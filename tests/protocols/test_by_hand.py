"""Picking by hand in the window of a real Scipion project, whose window is killed."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from pyworkflow.protocol import MODE_RESUME

from repic_plugin import constants
from repic_plugin.convert import coordinate_places, read_item_columns
from repic_plugin.formats import ADD, REMOVE, Edit, append_edit
from repic_plugin.protocols.picking.protocol_by_hand import NOT_SAVED
from tests.protocols.scipion_project import coordinates, write_images, write_picker
from tests.virtual_screen import photograph

pytestmark = pytest.mark.slow

DRIVER = Path(__file__).with_name("hand_driver.py")
REPOSITORY = Path(__file__).parents[2]
NAMES = ("mic_1", "mic_2")
SIZE_PX, BOX_PX = 256, 24
FOUND = {"mic_1": [(40, 40), (120, 60), (200, 180)], "mic_2": [(70, 70)]}
SCORES = {"mic_1": [0.9, 0.5, 0.4], "mic_2": [0.7]}
OUTPUT = "outputCoordinates"


@pytest.fixture(scope="module")
def micrographs(project, tmp_path_factory):
    folder = write_images(tmp_path_factory.mktemp("by_hand") / "mics", NAMES, SIZE_PX)
    return project.micrographs("by hand", folder)


@pytest.fixture(scope="module")
def picked(project, micrographs, tmp_path_factory):
    """Coordinates with scores, to be corrected."""
    folder = write_picker(tmp_path_factory.mktemp("picker") / "one", FOUND, BOX_PX, SCORES)
    return project.picks("one", micrographs, folder)


def by_hand(project, micrographs, picked=None, label="by hand", **values):
    inputs = {"inputMicrographs": (micrographs, "outputMicrographs")}
    if picked is not None:
        inputs["inputCoordinates"] = (picked, OUTPUT)
    return project.new("ProtRepicByHand", label, inputs, **values)


@pytest.fixture
def use_window(project, screen):
    """Take steps in the window of a run, then kill it; what it said after each."""

    def use(run, *steps, picture=None):
        path = project.project.path
        command = [sys.executable, "-O", str(DRIVER), path, str(run.getObjId()), json.dumps(steps)]
        environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
        window = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
        )
        said = []
        for line in window.stdout:
            if line.strip() == "done":
                break
            if line.split(" ", 1)[0].isdigit():
                said.append(line.split(" ", 1)[1].strip())
        if picture:
            photograph(screen, picture)
        os.kill(window.pid, signal.SIGKILL)
        _, problem = window.communicate()
        assert len(said) == len(steps), problem
        return said

    return use


def finished(project, run):
    """A run that its window has started, once it has ended."""
    for _ in range(120):
        stored = project.project.getProtocol(run.getObjId())
        project.project._updateProtocol(stored)
        if stored.isFinished() and hasattr(stored, OUTPUT):
            return stored
        assert not stored.isFailed(), stored.getErrorMessage()
        time.sleep(0.5)
    raise AssertionError(f"the run does not end: {stored.getStatus()}")


def test_a_killed_window_loses_nothing_and_the_next_one_goes_on(project, micrographs, use_window):
    run = project.run(by_hand(project, micrographs, boxSize=BOX_PX))
    assert run.isFinished(), run.getErrorMessage()
    assert not hasattr(run, OUTPUT)
    assert run.summary() == ["Nothing is picked yet: Analyze results opens the window."]
    steps = [[50, 60, "add"], [150, 90, "add"], [151, 91, "add"], "next", [80, 200, "add"]]
    said = use_window(run, *steps, picture="by_hand.png")
    assert said[2] == "['2 picks, 2 by hand']", "a click on a pick adds none"
    assert said[-1] == "['3 picks, 3 by hand']"
    assert "3 picks: 3 added by hand, 0 removed." in run.summary()[0]
    said = use_window(run, [150, 90, "remove"], [20, 20, "add"], "undo", "save")
    assert said[0] == "['2 picks, 2 by hand']"
    assert said[2] == "['2 picks, 2 by hand']"
    assert "writes them as its output" in said[3]
    done = finished(project, run)
    rows = coordinates(done)
    assert [(name.split(".")[0], *rest) for name, *rest in rows] == [
        ("mic_1", pytest.approx(50, abs=1), pytest.approx(60, abs=1)),
        ("mic_2", pytest.approx(80, abs=1), pytest.approx(200, abs=1)),
    ]
    who = {getattr(item, constants.PICKERS).get() for item in done.outputCoordinates}
    assert who == {"by hand"}
    assert done.outputCoordinates.getBoxSize() == BOX_PX
    assert done.summary() == ["2 picks: 2 added by hand, 0 removed."]


def test_an_edited_copy_keeps_the_attributes_of_what_was_kept(
    project, micrographs, picked, use_window
):
    run = project.run(by_hand(project, micrographs, picked, "edited"))
    assert coordinates(run) == coordinates(picked), "without a change it is a copy"
    use_window(run, [120, 60, "remove"], [90, 210, "add"], "save")
    done, found = with_added(project, run)
    (added,) = [place for place, (_, who) in found.items() if who == "by hand"]
    assert added == (pytest.approx(90, abs=1), pytest.approx(210, abs=1))
    assert found.pop(added)[0] is None, "nothing is known of its score"
    assert {place: score for place, (score, _) in found.items()} == {
        (40, 40): pytest.approx(0.9),
        (200, 180): pytest.approx(0.4),
        (70, 70): pytest.approx(0.7),
    }
    assert "4 picks: 1 added by hand, 1 removed." in done.summary()


def rows_of(project, run):
    """Place, score and picker of each coordinate, read from the file as it is now."""
    file = Path(project.project.path, run.outputCoordinates.getFileName())
    labels = ["_x", "_y", constants.PICK_SCORE, constants.PICKERS]
    return {(x, y): (score, who) for x, y, score, who in read_item_columns(str(file), labels)}


def with_added(project, run):
    """The finished run, and its coordinates, once some of them are by hand."""
    for _ in range(20):
        done = finished(project, run)
        rows = rows_of(project, done)
        if any(who == constants.BY_HAND for _, who in rows.values()):
            return done, rows
        time.sleep(0.5)
    raise AssertionError(f"the output does not change: {rows}")


def test_an_output_in_use_is_not_changed_but_a_new_run_has_the_changes(
    project, micrographs, picked, use_window
):
    run = project.run(by_hand(project, micrographs, picked, "used"))
    user = project.run(project.consensus([run, picked], "uses it", mode=1))
    assert user.isFinished(), user.getErrorMessage()
    before = coordinates(run)
    said = use_window(run, [90, 210, "add"], "save")
    assert "writes them as its output" in said[1]
    runs = project.project.getRuns(refresh=True)
    (copy,) = [one for one in runs if one.getObjLabel().startswith("used (copy")]
    _, found = with_added(project, copy)
    assert len(found) == len(before) + 1
    assert len(rows_of(project, run)) == len(before)
    assert "not in the output yet" in run.summary()[1]


def again(project, run):
    """The run after Continue."""
    run.runMode.set(MODE_RESUME)
    return project.run(run)


def test_changes_that_leave_the_number_as_it_was_are_not_in_the_output_yet(
    project, micrographs, picked
):
    run = project.run(by_hand(project, micrographs, picked, "moved"))
    journal = Path(project.project.path, run.journal_file())
    for edit in (Edit(ADD, (1, 5, 5)), Edit(REMOVE, (2, 70, 70))):
        append_edit(journal, edit)
    assert "not in the output yet" in run.summary()[1]
    run = again(project, run)
    assert not any("not in the output yet" in line for line in run.summary())


def test_a_run_whose_picks_are_all_removed_does_not_finish_with_the_former_output(
    project, micrographs, picked
):
    run = project.run(by_hand(project, micrographs, picked, "emptied"))
    journal = Path(project.project.path, run.journal_file())
    for _, micrograph, x, y in coordinate_places(run.outputCoordinates).tolist():
        append_edit(journal, Edit(REMOVE, (micrograph, x, y)))
    assert run.summary()[:2] == ["0 picks: 0 added by hand, 4 removed.", NOT_SAVED]
    run = again(project, run)
    assert run.isFailed()
    assert "all picks were removed" in run.getErrorMessage()


def test_picks_are_not_put_on_other_micrographs_of_the_same_ids(
    project, micrographs, picked, tmp_path
):
    names = ("other_1", "other_2")
    others = project.micrographs("same ids", write_images(tmp_path / "others", names, SIZE_PX))
    corrected = by_hand(project, others, picked, "wrong inputs")
    (line,) = corrected.validate()
    assert "are of other micrographs" in line
    run = project.run(by_hand(project, micrographs, boxSize=BOX_PX, label="moved to others"))
    picks, journal = run.hand_picks(), Path(project.project.path, run.journal_file())
    append_edit(journal, picks.edit(ADD, (2, 30, 30)))
    run = again(project, run)
    assert [place for _, *place in coordinates(run)] == [[30, 30]]
    run.inputMicrographs.set(others)
    run.inputMicrographs.setExtended("outputMicrographs")
    assert any(line.startswith("1 changes by hand do not fit") for line in run.summary())
    assert len(run.hand_picks()) == 0
    run = again(project, run)
    assert run.isFailed(), "the output is still of the first micrographs"


def test_a_box_size_below_zero_is_refused(project, micrographs):
    (line,) = by_hand(project, micrographs, boxSize=-5).validate()
    assert line.startswith('"Box size (px)" must be a whole number of px, 1 or more')


def test_what_is_missing_is_said_in_the_form(project, micrographs, picked, tmp_path):
    (line,) = by_hand(project, micrographs).validate()
    assert line.startswith('"Box size (px)" is missing')
    others = project.micrographs("others", write_images(tmp_path / "others", NAMES[:1], 64), 2.0)
    (line,) = by_hand(project, others, picked).validate()
    assert "are of other micrographs" in line
