"""An extraction that follows coordinates and CTFs while they grow, in a real Scipion project."""

import random
from pathlib import Path

import mrcfile
import numpy as np
import pytest

from tests.protocols.faults import files, killed, outcome, unfinished
from tests.protocols.growing_sets import CtfFeeder, Feeder
from tests.protocols.iterative_runs import after_the_kill, kill, run_again
from tests.protocols.pwem_sets import write_ctfs
from tests.protocols.scipion_project import write_picker
from tests.protocols.test_streaming import current, ended, until

pytestmark = pytest.mark.slow

BOX, SIZE, N_MICROGRAPHS = 16, 96, 10
NAMES = [f"e{i:02d}" for i in range(N_MICROGRAPHS)]
EMPTY = NAMES[4]  # without a pick
AT_THE_EDGE = 3  # picks that extend beyond their micrograph, of all


@pytest.fixture(scope="module")
def micrographs(project, tmp_path_factory):
    folder = tmp_path_factory.mktemp("extracted")
    rng = np.random.default_rng(3)
    for name in NAMES:
        with mrcfile.new(folder / f"{name}.mrc") as file:
            file.set_data(rng.normal(50, 4, (SIZE, SIZE)).astype(np.float32))
    return project.micrographs("extracted in a stream", folder)


class Session:
    """Coordinates and CTFs that grow, and extractions that follow them."""

    def __init__(self, project, micrographs, folder, has_ctfs=True):
        self.project = project
        rng = np.random.default_rng(4)
        centres = {name: rng.integers(BOX, SIZE - BOX, (5, 2)) for name in NAMES}
        centres[EMPTY] = []
        for name in NAMES[:AT_THE_EDGE]:
            centres[name][0] = (2, 40)
        self.picks = project.picks("growing", micrographs, write_picker(folder, centres, BOX))
        self.feeder = Feeder(project, self.picks)
        self.ctfs = self.ctf_feeder = None
        if has_ctfs:
            defocus = {f"{name}.mrc": 10000 + 100.0 * i for i, name in enumerate(NAMES)}
            self.ctfs = write_ctfs(project, micrographs, defocus.get)
            self.ctf_feeder = CtfFeeder(project, self.ctfs)
        items = micrographs.outputMicrographs.iterItems(orderBy="id")
        self.ids = {item.getMicName()[:-4]: item.getObjId() for item in items}
        self.paths = {
            item.getMicName()[:-4]: Path(project.project.path, item.getFileName()).resolve()
            for item in micrographs.outputMicrographs
        }

    def extraction(self, label, **values):
        inputs = {"inputCoordinates": (self.picks, "outputCoordinates")}
        if self.ctfs is not None:
            inputs["inputCTFs"] = (self.ctfs, "outputCTF")
        values = {"numberOfThreads": 2, "streamingSleepOnWait": 1, **values}
        return self.project.new("ProtRepicExtract", label, inputs, **values)

    def launched(self, label, **values):
        run = self.extraction(label, **values)
        assert run.validate() == []
        self.project.project.launchProtocol(run, wait=False)
        return run

    def pick(self, *names):
        self.feeder.feed(*[self.ids[name] for name in names])

    def estimate(self, *names):
        self.ctf_feeder.feed(*[self.ids[name] for name in names])

    def close(self):
        self.feeder.close()
        if self.ctf_feeder is not None:
            self.ctf_feeder.close()

    def n_cut(self, run):
        """Micrographs whose stacks are written."""
        return len(list(self.project.folder(run).glob("particles_*.mrcs")))

    def at_once(self, label="at once"):
        """What a run leaves that finds all its inputs closed."""
        done = self.project.run(self.extraction(label))
        assert done.isFinished(), done.getErrorMessage()
        return done


@pytest.fixture
def session(project, micrographs, tmp_path):
    made = Session(project, micrographs, tmp_path / "picks")
    yield made
    made.close()


def particles_of(project, run):
    """Id, micrograph, defocus and pixels of each particle, read apart from the plugin."""
    found = {}
    for item in run.outputParticles.iterItems(orderBy="id"):
        number, path = item.getLocation()
        with mrcfile.open(Path(project.project.path, path)) as file:
            pixels = file.data[number - 1].copy()
        mic = item.getCoordinate().getMicName()[:-4]
        found[item.getObjId()] = (mic, item.getCTF().getDefocusU(), pixels)
    run.outputParticles.close()
    return found


def says(project, run, words):
    return any(words in line for line in current(project, run)._summary())


def test_each_micrograph_waits_for_its_ctf_and_all_ends_as_at_once(project, session):
    run = session.launched("follows")
    until((project.folder(run) / "stream").is_dir, "it began without a pick", run)
    session.pick(*NAMES[:4])
    until(lambda: says(project, run, "4 micrographs waiting"), "it waits for CTFs", run)
    assert session.n_cut(run) == 0
    session.estimate(NAMES[2], NAMES[0], NAMES[9])
    until(lambda: session.n_cut(run) == 2, "those with a CTF", run)
    until(lambda: says(project, run, "the set of CTFs has 2 left"), "it was told", run)
    shown = current(project, run)
    assert shown.outputParticles.isStreamOpen()
    assert {one[0] for one in particles_of(project, shown).values()} == {NAMES[0], NAMES[2]}
    session.pick(*reversed(NAMES[5:]))
    session.estimate(*[one for one in NAMES[:8] if one not in (NAMES[0], NAMES[2])])
    session.close()  # the CTF of one never came
    finished = ended(project, run)
    assert finished.outputParticles.isStreamClosed()
    summary = " ".join(finished._summary())
    assert f"1 micrograph without a CTF: {NAMES[8]}." in summary
    assert "waiting" not in summary
    assert outcome(project, finished) == outcome(project, session.at_once())
    found = particles_of(project, finished)
    with_ctf = {*NAMES} - {EMPTY, NAMES[8]}
    assert {mic for mic, _, _ in found.values()} == with_ctf
    assert len(found) == 5 * len(with_ctf) - AT_THE_EDGE
    assert all(u == 10100 + 100.0 * NAMES.index(mic) for mic, u, _ in found.values())
    assert "3 boxes extend beyond" in summary
    assert "5 particles have no CTF" in summary
    before = files(project, finished)
    again = run_again(project, finished)
    assert again.isFinished(), again.getErrorMessage()
    assert files(project, again) == before


def test_an_unreadable_micrograph_in_the_middle_is_named_and_the_others_go_on(project, session):
    session.estimate(*NAMES)
    bad, late = (session.paths[name] for name in (NAMES[2], NAMES[5]))
    whole = {path: path.read_bytes() for path in (bad, late)}
    for path, data in whole.items():
        path.write_bytes(data[:2000])
    try:
        run = session.launched("unreadable")
        session.pick(NAMES[2])  # a batch of which nothing can be used
        until(lambda: says(project, run, f"cannot be used: {NAMES[2]}"), "it was named", run)
        session.pick(*NAMES[3:])
        until(lambda: session.n_cut(run) == 5, "the others", run)
        late.write_bytes(whole[late])
        session.pick(*NAMES[:2])
        session.close()
        finished = ended(project, run)
        expected = session.at_once("at once, unreadable")
        assert outcome(project, finished) == outcome(project, expected)
    finally:
        for path, data in whole.items():
            path.write_bytes(data)
    for one in (finished, expected):
        assert f"1 micrograph cannot be used: {NAMES[2]}." in " ".join(one._summary())
    mics = {mic for mic, _, _ in particles_of(project, finished).values()}
    assert mics == {*NAMES} - {EMPTY, NAMES[2]}  # what could be read in the end is there


def test_nothing_but_unreadable_micrographs_is_an_error(project, session):
    session.estimate(*NAMES)
    session.pick(NAMES[0])
    whole = session.paths[NAMES[0]].read_bytes()
    session.paths[NAMES[0]].write_bytes(b"")
    try:
        session.close()
        failed = run_again(project, session.extraction("nothing"))
    finally:
        session.paths[NAMES[0]].write_bytes(whole)
    assert failed.isFailed()
    assert "none of 1 micrographs can be used" in failed.getErrorMessage()
    done = run_again(project, failed)
    assert done.isFinished(), done.getErrorMessage()
    assert len(particles_of(project, done)) == 4


def test_coordinates_that_come_in_parts_or_change_end_as_at_once(project, session):
    session.estimate(*NAMES)
    run = session.launched("in parts")
    one, two, three = (session.ids[name] for name in NAMES[:3])
    whole = dict(session.feeder.rows)
    session.feeder.rows.update({one: whole[one][:2], two: whole[two]})
    session.feeder.feed(one, two)
    until(lambda: session.n_cut(run) == 2, "a part", run)
    session.feeder.rows[one] = whole[one][2:]
    session.feeder.feed(one, three)
    until(lambda: session.n_cut(run) == 3, "the next", run)
    session.close()
    finished = ended(project, run)
    assert outcome(project, finished) == outcome(project, session.at_once("at once, parts"))
    assert len(particles_of(project, finished)) == 15 - AT_THE_EDGE


def test_coordinates_that_are_written_anew_end_as_at_once(project, session):
    session.estimate(*NAMES)
    run = session.launched("anew")
    session.pick(*NAMES[:3])
    until(lambda: session.n_cut(run) == 3, "a part", run)
    session.feeder.empty()
    session.pick(NAMES[5], NAMES[1])  # with the ids that others had
    session.close()
    finished = ended(project, run)
    expected = session.at_once("at once, anew")
    assert outcome(project, finished)[0] == outcome(project, expected)[0]
    assert {mic for mic, _, _ in particles_of(project, finished).values()} == {NAMES[5], NAMES[1]}
    assert "was emptied or rewritten" in " ".join(finished._summary())


def test_killed_again_and_again_it_ends_as_at_once(project, session):
    run = session.extraction("killed")
    dice = random.Random(1)
    names = dice.sample(NAMES, len(NAMES))
    for first in range(0, len(names), 3):
        part = names[first : first + 3]
        session.pick(*part)
        session.estimate(*part[::-1])
        project.project.launchProtocol(run, wait=False)
        most = len(set(names[: first + 3]) - {EMPTY})
        wanted = dice.randint(max(0, most - 3), most)
        until(lambda n=wanted, run=run: session.n_cut(run) >= n, "its kill", run)
        kill(run, with_children=True)
        run = after_the_kill(project, run)
        assert run._summary()
    session.close()
    finished = run_again(project, run)
    assert finished.isFinished(), finished.getErrorMessage()
    assert outcome(project, finished) == outcome(project, session.at_once("at once, killed"))
    assert unfinished(project, finished) == []


@pytest.mark.thorough
def test_killed_at_every_file_while_the_inputs_grow_it_ends_as_at_once(project, session, tmp_path):
    run = session.extraction("killed at files", endAfterIdle=1)
    places = []
    for number in range(1, 31):
        name = NAMES[number % len(NAMES)]
        if session.ids[name] not in session.feeder.fed:
            session.pick(name)
            session.estimate(name)
        run, place = killed(project, run, f"1 {number}", tmp_path)
        places.append(place.strip())
    session.close()
    done = run_again(project, run)
    assert done.isFinished(), done.getErrorMessage()
    assert outcome(project, done) == outcome(project, session.at_once("at once, files"))
    assert unfinished(project, done) == []
    assert sum(map(bool, places)) > 10
    print(*filter(None, places), sep="\n  ")
