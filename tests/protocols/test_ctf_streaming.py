"""Import of CTFs that appear while micrographs arrive, in a real Scipion project."""

import pytest

from tests.formats.test_watched_ctfs import HEAD
from tests.protocols.growing_sets import Microscope
from tests.protocols.iterative_runs import after_the_kill, kill, run_again
from tests.protocols.scipion_project import write_images
from tests.protocols.test_import_streaming import is_open
from tests.protocols.test_streaming import n_done, until

pytestmark = pytest.mark.slow
NAMES = [f"m{i}" for i in range(6)]


class Session:
    """Micrographs that arrive, and a list of CTFs that grows."""

    def __init__(self, project, folder):
        self.project, self.file = project, folder / "ctfs.star"
        images = write_images(folder / "images", NAMES)
        self.imported = project.micrographs("for CTFs", images)
        self.at_rest = project.micrographs("all for CTFs", images)
        self.microscope = Microscope(project, self.imported)

    def write(self, n):
        rows = [f"{name}.mrc {10000 + i} {9000 + i} 30 300 2.7 0.1" for i, name in enumerate(NAMES)]
        self.file.write_text(HEAD + "\n".join(rows[:n]) + "\n")

    def run(self, label, micrographs=None, **values):
        inputs = {"inputMicrographs": (micrographs or self.imported, "outputMicrographs")}
        values = {"ctfsPath": str(self.file), "streamingSleepOnWait": 1, **values}
        return self.project.new("ProtRepicImportCtfs", label, inputs, **values)

    def close(self):
        self.microscope.expose(len(self.microscope.waiting), is_open=False)


@pytest.fixture
def session(project, tmp_path):
    made = Session(project, tmp_path)
    yield made
    made.close()


def test_killed_twice_it_ends_as_a_run_on_the_complete_list(project, session):
    session.write(1)
    run = session.run("CTFs", waitForCtfs=1)
    assert run.validate() == []
    for n in (2, 4):
        session.microscope.expose(n - len(NAMES) + len(session.microscope.waiting))
        session.write(n)
        project.project.launchProtocol(run, wait=False)
        until(lambda n=n, run=run: n_done(project, run) == n, "its kill", run)
        until(lambda run=run: is_open(project, run, "outputCTF"), "an open output", run)
        kill(run, with_children=True)
        run = after_the_kill(project, run)
    session.write(5)
    session.close()
    finished = run_again(project, run)
    assert finished.isFinished(), finished.getErrorMessage()
    assert "1 micrograph without a CTF in the files: m5." in " ".join(finished._summary())
    at_once = project.run(session.run("CTFs", session.at_rest))
    assert at_once.isFinished(), at_once.getErrorMessage()
    assert finished.outputCTF.isStreamClosed()
    assert places(finished) == places(at_once)
    assert places(finished)[1] == ("m1.mrc", 10001, 9001, 30, 300)


def places(run):
    return [
        (
            one.getMicrograph().getMicName(),
            one.getDefocusU(),
            one.getDefocusV(),
            one.getDefocusAngle(),
            one.getMicrograph().getAcquisition().getVoltage(),
        )
        for one in run.outputCTF.iterItems(orderBy="id")
    ]


def test_what_is_odd_about_ctfs_stays_in_the_summary(project, session):
    rows = ["m0.mrc 10000 9000 30 200 2.7 0.1", "m1.mrc 0 0 0 300 2.7 0.1"]
    rows += [f"m{i}.mrc 10000 9000 30 300 2.7 0.1" for i in (2, 3, 4)]
    rows += ["m5.mrc -nan inf 30 300 2.7 0.1"]
    session.file.write_text(HEAD + "\n".join(rows) + "\n")
    done = project.run(session.run("odd", session.at_rest))
    assert done.isFinished(), done.getErrorMessage()
    told = " ".join(done._summary())
    assert "estimated with voltage (kV) 200, the micrographs have 300, which is used" in told
    assert "1 micrograph with a defocus of 0, which is used as it is: m1." in told
    assert "the CTF of m5.mrc is no number, it is taken to have none" in told
    assert "1 micrograph without a CTF in the files: m5." in told
    assert "spherical" not in told
    assert len(places(done)) == 5


def test_a_list_that_cannot_be_read_is_the_error(project, session):
    session.file.write_text(HEAD + "m0.mrc nan 9000 30 300 2.7 0.1\n")
    done = project.run(session.run("not a number", session.at_rest, watchFile=True, waitForCtfs=1))
    assert "has no CTF that is a number" in done.getErrorMessage()


def test_no_ctf_of_any_micrograph_is_an_error(project, session):
    session.file.write_text(HEAD + "other.mrc 10000 9000 30 300 2.7 0.1\n")
    done = project.run(session.run("none", session.at_rest))
    assert "has no CTF of any micrograph" in done.getErrorMessage()
