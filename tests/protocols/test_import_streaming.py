"""Import of pick files that appear while micrographs arrive, in a real Scipion project."""

import numpy as np
import pytest

from tests.protocols.faults import killed, outcome, unfinished
from tests.protocols.growing_sets import Microscope
from tests.protocols.iterative_runs import after_the_kill, kill, run_again
from tests.protocols.scipion_project import coordinates, write_images, write_picker
from tests.protocols.test_streaming import current, ended, n_done, until

pytestmark = pytest.mark.slow
NAMES = [f"m{i}" for i in range(8)]
BOX_PX, SIZE_PX = 20, 256


class Session:
    """Micrographs that arrive, and a folder in which files of picks do."""

    def __init__(self, project, folder):
        self.project, self.folder = project, folder / "picks"
        rng = np.random.default_rng(3)
        images = write_images(folder / "images", NAMES, SIZE_PX)
        rows = {name: rng.uniform(20, 230, (5, 2)).round() for name in NAMES}
        rows[NAMES[4]] = []
        scores = {name: rng.random(len(one)).round(3) for name, one in rows.items()}
        self.whole = write_picker(folder / "whole", rows, BOX_PX, scores)
        self.folder.mkdir()
        imported = project.micrographs("micrographs of a session", images)
        self.at_rest = project.micrographs("all micrographs", images)
        self.imported, self.microscope = imported, Microscope(project, imported)

    def run(self, label, micrographs=None, **values):
        inputs = {"inputMicrographs": (micrographs or self.imported, "outputMicrographs")}
        values = {"picksFolder": str(self.folder), "streamingSleepOnWait": 1, **values}
        return self.project.new("ProtRepicImportPicks", label, inputs, **values)

    def launched(self, label, **values):
        run = self.run(label, **values)
        assert run.validate() == []
        self.project.project.launchProtocol(run, wait=False)
        return run

    def pick(self, *names, part=None):
        """Files appear: whole, or a part of them."""
        for name in names:
            text = (self.whole / f"{name}.box").read_text()
            (self.folder / f"{name}.box").write_text(text if part is None else text[:part])

    def close(self):
        self.microscope.expose(len(self.microscope.waiting), is_open=False)

    def at_once(self, label, micrographs=None):
        """A run on the complete set and folder, as it always was."""
        done = self.project.run(self.run(label, micrographs))
        assert done.isFinished(), done.getErrorMessage()
        return done


@pytest.fixture
def session(project, tmp_path):
    made = Session(project, tmp_path)
    yield made
    made.close()


def picks(project, run):
    """The set that a run has, item by item, without what tells of the set of micrographs."""
    return outcome(project, run)[0]["outputCoordinates"]


def says(project, run, words):
    return any(words in line for line in current(project, run)._summary())


def is_open(project, run, name):
    """Whether an output is registered, and open; a batch is on record before."""
    output = getattr(current(project, run), name, None)
    return output is not None and output.isStreamOpen()


def test_all_there_at_the_start_ends_as_at_once_to_the_last_byte(project, session):
    session.pick(*NAMES)
    run = session.launched("watches")
    until((project.folder(run) / "stream").is_dir, "it watched", run)
    session.microscope.expose(5)
    until(lambda: n_done(project, run) == 5, "all that had come", run)
    until(lambda: is_open(project, run, "outputCoordinates"), "an open output", run)
    session.close()
    finished = ended(project, run)
    expected = session.at_once("watches", session.at_rest)
    assert not (project.folder(expected) / "stream").exists()
    assert picks(project, finished) == picks(project, expected)
    assert len(picks(project, finished)) == 1 + 5 * 7
    again = run_again(project, finished)
    assert picks(project, again) == picks(project, expected)


def test_a_part_of_a_file_is_not_taken_and_what_never_comes_is_named(project, session):
    session.microscope.expose(4)
    run = session.launched("parts", waitForPicks=2)
    session.pick("m0", "m1")
    until(lambda: n_done(project, run) == 2, "two files", run)
    session.pick("m2", part=7)  # no row ends there
    until(lambda: says(project, run, "m2.box"), "that the file is bad", run)
    assert n_done(project, run) == 2
    session.pick("m2")
    until(lambda: n_done(project, run) == 3, "the whole file", run)
    session.pick("m7", "m6", "m4")
    session.pick("m5", part=7)
    session.close()
    finished = ended(project, run)
    found = {name for name, _, _ in coordinates(finished)}
    assert found == {"m0.mrc", "m1.mrc", "m2.mrc", "m6.mrc", "m7.mrc"}  # m4 has no pick
    summary = " ".join(finished._summary())
    assert "2 micrographs not in the files of picks: m3, m5." in summary
    assert "m5.box" in summary


def test_a_file_that_changes_after_it_was_taken_counts_as_it_is_in_the_end(project, session):
    session.microscope.expose(len(NAMES))
    run = session.launched("changes")
    session.pick("m0", part=len((session.whole / "m0.box").read_text().splitlines()[0]) + 1)
    session.pick("m1")
    until(lambda: n_done(project, run) == 2, "two files", run)
    session.pick(*NAMES)
    session.close()
    finished = ended(project, run)
    assert picks(project, finished) == picks(project, session.at_once("changes", session.at_rest))


def test_killed_again_and_again_it_ends_as_at_once(project, session):
    run = session.run("killed")
    for n in (2, 5, 8):
        session.microscope.expose(n - len(NAMES) + len(session.microscope.waiting))
        session.pick(*NAMES[:n])
        project.project.launchProtocol(run, wait=False)
        until(lambda n=n, run=run: n_done(project, run) == n, "its kill", run)
        kill(run, with_children=True)
        run = after_the_kill(project, run)
        assert run._summary()
    session.close()
    finished = run_again(project, run)
    assert finished.isFinished(), finished.getErrorMessage()
    assert picks(project, finished) == picks(project, session.at_once("killed", session.at_rest))
    assert unfinished(project, finished) == []


def test_a_complete_set_is_watched_where_the_user_asks_for_it(project, session):
    run = session.run("asked", session.at_rest, watchFolder=True)
    assert run.validate() == []  # though there is no file yet
    project.project.launchProtocol(run, wait=False)
    until((project.folder(run) / "stream").is_dir, "it watched", run)
    session.pick(*NAMES)
    finished = ended(project, run)
    expected = session.at_once("asked", session.at_rest)
    assert picks(project, finished) == picks(project, expected)


@pytest.mark.thorough
def test_killed_at_every_file_it_ends_as_at_once(project, session, tmp_path):
    run = session.run("killed at files", endAfterIdle=3)
    session.pick(*NAMES[:2])
    places = []
    for number in range(1, 25):
        if number % 3 == 1 and session.microscope.waiting:
            session.microscope.expose(1)
            session.pick(NAMES[len(NAMES) - len(session.microscope.waiting) - 1])
        run, place = killed(project, run, f"1 {number}", tmp_path)
        places.append(place.strip())
    session.pick(*NAMES)
    session.close()
    done = run_again(project, run)
    assert done.isFinished(), done.getErrorMessage()
    expected = session.at_once("killed at files", session.at_rest)
    assert picks(project, done) == picks(project, expected)
    assert unfinished(project, done) == []
    assert sum(map(bool, places)) > 6
    print(*filter(None, places), sep="\n  ")
