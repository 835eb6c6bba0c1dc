"""Template picking of micrographs that are still arriving, in a real Scipion project."""

from pathlib import Path

import pytest

from tests.protocols.faults import killed, outcome, unfinished
from tests.protocols.growing_sets import Microscope
from tests.protocols.iterative_runs import after_the_kill, kill, run_again
from tests.protocols.template_runs import PIXEL_SIZE, centres, picking, write_micrographs
from tests.protocols.test_streaming import current, ended, until
from tests.template_picking.material import BOX

pytestmark = pytest.mark.slow
NAMES = ("a", "b", "c", "d", "e", "f")


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    return write_micrographs(tmp_path_factory.mktemp("arriving") / "mics", NAMES)[0]


class Session:
    """Micrographs that arrive, and pickings that follow them."""

    def __init__(self, project, images):
        self.project = project
        self.imported = project.micrographs("arriving", images, PIXEL_SIZE)
        self.paths = [
            Path(project.project.path, item.getFileName()).resolve()
            for item in self.imported.outputMicrographs.iterItems(orderBy="id")
        ]
        self.microscope = Microscope(project, self.imported)

    def picking(self, label, **values):
        values = {"boxSize": BOX, "keepMasks": True, "streamingSleepOnWait": 1, **values}
        return picking(self.project, self.imported, None, label, **values)

    def launched(self, label):
        run = self.picking(label)
        assert run.validate() == []
        self.project.project.launchProtocol(run, wait=False)
        return run

    def close(self):
        self.microscope.expose(len(self.microscope.waiting), is_open=False)

    def n_picked(self, run):
        return len(list((self.project.folder(run) / "masks").glob("*.mrc")))

    def at_once(self, label="at once"):
        done = self.project.run(self.picking(label))
        assert done.isFinished(), done.getErrorMessage()
        return done


@pytest.fixture
def session(project, images):
    made = Session(project, images)
    yield made
    made.close()


def same(project, runs):
    """Whether runs leave the same, but for the name that each pick has of its picker."""
    found = [outcome(project, run) for run in runs]
    rows = [
        [str(row).replace(run.getObjLabel(), "PICKER") for row in one[0]["outputCoordinates"]]
        for run, one in zip(runs, found)
    ]
    return rows[0] == rows[1] and found[0][1] == found[1][1]


def says(project, run, words):
    return any(words in line for line in current(project, run)._summary())


def test_it_follows_and_ends_as_at_once_without_an_unreadable_one(project, session):
    bad, late = session.paths[1], session.paths[3]
    whole = {path: path.read_bytes() for path in (bad, late)}
    for path, data in whole.items():
        path.write_bytes(data[:3000])
    try:
        run = session.launched("follows")
        until((project.folder(run) / "stream").is_dir, "it began without a micrograph", run)
        session.microscope.expose(4)
        until(lambda: session.n_picked(run) == 2, "two of four", run)
        until(lambda: says(project, run, "2 micrographs cannot be used: b, d."), "told", run)
        shown = current(project, run)
        assert shown.outputCoordinates.isStreamOpen()
        assert set(centres(shown)) == {"a", "c"}
        late.write_bytes(whole[late])
        session.close()
        finished = ended(project, run)
        expected = session.at_once()
    finally:
        for path, data in whole.items():
            path.write_bytes(data)
    assert same(project, [finished, expected])
    assert finished.outputCoordinates.isStreamClosed()
    assert set(centres(finished)) == {"a", "c", "d", "e", "f"}
    summary = " ".join(finished._summary())
    assert "1 micrograph cannot be used: b." in summary
    assert "waiting" not in summary


def test_killed_again_and_again_it_ends_as_at_once(project, session):
    run = session.picking("killed")
    for n in (1, 3, 4):
        session.microscope.expose(n - len(NAMES) + len(session.microscope.waiting))
        project.project.launchProtocol(run, wait=False)
        until(lambda n=n, run=run: session.n_picked(run) >= n, "its kill", run)
        kill(run, with_children=True)
        run = after_the_kill(project, run)
        assert run._summary()
    session.close()
    finished = run_again(project, run)
    assert finished.isFinished(), finished.getErrorMessage()
    assert same(project, [finished, session.at_once()])
    assert set(centres(finished)) == set(NAMES)
    assert unfinished(project, finished) == []


@pytest.mark.thorough
def test_killed_at_every_file_while_micrographs_arrive_it_ends_as_at_once(
    project, session, tmp_path
):
    run = session.picking("killed at files", endAfterIdle=1)
    places = []
    for number in range(1, 25):
        if number % 3 == 1:
            session.microscope.expose(1)
        run, place = killed(project, run, f"1 {number}", tmp_path)
        places.append(place.strip())
    session.close()
    done = run_again(project, run)
    assert done.isFinished(), done.getErrorMessage()
    assert same(project, [done, session.at_once()])
    assert unfinished(project, done) == []
    assert sum(map(bool, places)) > 6
    print(*filter(None, places), sep="\n  ")
