"""2D classes of particles that still arrive, in a real Scipion project."""

import random
import sqlite3
from collections import Counter
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from repic_plugin import constants
from repic_plugin.formats import StreamFolder, open_stack, read_class_tables
from repic_plugin.protocols.classification.streaming.summary import class_lines
from repic_plugin.protocols.common.following.record import text_of
from tests.protocols.faults import faults, files, killed, outcome, unfinished
from tests.protocols.growing_sets import ParticleFeeder
from tests.protocols.iterative_runs import after_the_kill, kill, run_again
from tests.protocols.particle_set import import_set, simulated, write_particle_set
from tests.protocols.test_streaming import current, ended, until

pytestmark = pytest.mark.slow

N_VIEWS, PER_VIEW, FIRST, BATCH, EMPTY, LATE = 4, 60, 100, 40, 7, 3
N = N_VIEWS * PER_VIEW


@pytest.fixture(scope="module")
def made():
    return simulated(n_views=N_VIEWS, per_view=PER_VIEW)


@pytest.fixture(scope="module")
def mixed(made):
    """Order of the particles in the file, in which views follow each other at random."""
    return np.random.default_rng(1).permutation(len(made))


def session_of(project, made, rows, folder, label):
    images = made.images[rows].copy()
    images[EMPTY] = 3.0
    ctf = made.ctf.take(rows)
    file = write_particle_set(folder, images, ctf, n_stacks=5)
    return Session(project, import_set(project, label, file))


class Session:
    """Particles that arrive, and classifications that follow them."""

    def __init__(self, project, imported):
        self.project, self.imported = project, imported
        self.feeder = ParticleFeeder(project, imported)
        self.ids = sorted(self.feeder.items)

    def protocol(self, label, **values):
        usual = {
            "numberOfClasses": N_VIEWS,
            "firstParticles": FIRST,
            "particlesPerBatch": BATCH,
            "numberOfThreads": 1,
            "streamingSleepOnWait": 1,
        }
        inputs = {"inputParticles": (self.imported, "outputParticles")}
        return self.project.new("ProtAckMeans2DStream", label, inputs, **{**usual, **values})

    def launched(self, label, **values):
        run = self.protocol(label, **values)
        assert run.validate() == []
        self.project.project.launchProtocol(run, wait=False)
        return run

    def feed(self, n):
        """The next n."""
        first = len(self.feeder.fed)
        self.feeder.feed(self.ids[first : first + n])

    def close(self):
        self.feed(len(self.ids))
        self.feeder.close()

    def n_done(self, run):
        state = StreamFolder(self.project.folder(run) / "stream").state
        return 0 if state is None else state.n_seen

    def at_once(self, label="at once", **values):
        done = self.project.run(self.protocol(label, **values))
        assert done.isFinished(), done.getErrorMessage()
        return done


@pytest.fixture
def session(project, made, mixed, tmp_path):
    found = session_of(project, made, mixed, tmp_path / "set", "arriving")
    yield found
    found.close()


def classes_of(run, name):
    """Class of each particle of an output."""
    found = {item.getObjId(): item.getClassId() for item in getattr(run, name)}
    getattr(run, name).close()
    return found


def test_classes_come_before_the_end_and_all_ends_as_at_once(project, session, made, mixed):
    run = session.launched("follows")
    session.feed(FIRST - 1)
    until(lambda: says(project, run, f"{FIRST - 1} so far"), "it waits for the first", run)
    assert session.n_done(run) == 0
    session.feed(31)
    until(lambda: session.n_done(run) == FIRST, "the classes", run)
    until(lambda: says(project, run, f"*{FIRST - 1} particles in 4 classes*"), "it tells", run)
    shown = current(project, run)
    assert shown.outputParticles.isStreamOpen() and shown.outputAverages.isStreamOpen()
    assert not hasattr(shown, "outputClasses")
    assert sorted(one.getObjId() for one in shown.outputAverages) == [1, 2, 3, 4]
    assert len(classes_of(shown, "outputParticles")) == FIRST - 1  # one is empty
    session.feed(70)
    until(lambda: session.n_done(run) == FIRST + 2 * BATCH, "the next batches", run)
    session.close()
    finished = ended(project, run)
    view = {i + 1: made.view[row] for i, row in enumerate(mixed) if i != EMPTY}
    found = classes_of(finished, "outputParticles")
    assert set(found) == set(view)
    assert len({(view[i], number) for i, number in found.items()}) == N_VIEWS
    for name in ("outputClasses", "outputParticles", "outputAverages"):
        assert getattr(finished, name).isStreamClosed()
    assert outcome(project, finished) == outcome(project, session.at_once())
    assert "waiting" not in " ".join(finished._summary())
    before = files(project, finished)
    again = run_again(project, finished)
    assert again.isFinished() and files(project, again) == before


@pytest.mark.parametrize(
    ("is_junk", "rule", "told"),
    [
        ([True, True], "", "nothing here looks like particles"),
        ([True, True], "0.9", "nothing here looks like particles"),
        ([False, True], "0.9", "No class has a score of 0.9 or more: the highest is 0.80."),
    ],
)
def test_no_good_class_is_explained(is_junk, rule, told):
    state = SimpleNamespace(
        sizes=np.array([30, 20]),
        made_after=np.zeros(2, int),
        n_first=40,
        n_seen=50,
        is_junk=np.array(is_junk),
        scores=SimpleNamespace(score=np.array([0.8, 0.1])),
    )
    (line,) = [one for one in class_lines(state, np.zeros(2, bool), rule) if one[0] == "!"]
    assert told in line


def says(project, run, words):
    return any(words in line for line in current(project, run)._summary())


def test_disabled_particles_are_told_and_come_when_they_are_enabled(project, session):
    session.close()
    enable(project, session, "enabled = id % 4 != 1")
    done = session.at_once("disabled")
    n_disabled = N // 4
    assert done.outputClasses.getSize() == N_VIEWS
    assert f"Disabled particles, in no class: {n_disabled}." in done._summary()
    before = classes_of(done, "outputParticles")
    assert len(before) == N - n_disabled - 1  # one is empty
    enable(project, session, "enabled = 1")
    again = run_again(project, done)
    assert again.isFinished(), again.getErrorMessage()
    now = classes_of(again, "outputParticles")
    assert len(now) == N - 1
    assert before.keys() < now.keys()
    enable(project, session, "enabled = id > 10")
    told = " ".join(run_again(project, again)._summary())
    assert "10 particles were disabled in the input after having been classified" in told
    enable(project, session, "enabled = 1")


def enable(project, session, values):
    """Enable and disable particles of the input."""
    with closing(sqlite3.connect(session.feeder.file)) as connection, connection:
        connection.execute(f"UPDATE Objects SET {values}")


def test_sets_and_files_tell_the_same(project, session):
    session.close()
    done = session.at_once("told")
    tables = read_class_tables(done.classes_folder())
    sizes = {one.getObjId(): one.getSize() for one in done.outputClasses}
    assert sizes == {k: n for k, n in enumerate(tables.sizes.tolist(), 1) if n}
    found = classes_of(done, "outputParticles")
    assert Counter(found.values()) == sizes
    assert [found.get(i + 1, 0) - 1 for i in range(N)] == tables.labels.tolist()
    averages = open_stack(Path(done.classes_folder()) / "class_averages.mrcs")
    state = StreamFolder(project.folder(done) / "stream").state
    assert np.array_equal(averages[:], state.references.averages)
    assert {one.getObjId() for one in done.outputAverages} == set(sizes)
    for item in done.outputAverages:
        assert getattr(item, constants.CLASS_SIZE).get() == sizes[item.getObjId()]
        score = getattr(item, constants.CLASS_SCORE).get()
        assert score == pytest.approx(state.scores.score[item.getObjId() - 1], abs=1e-6)
    for item in done.outputParticles:
        assert 0.5 < getattr(item, constants.PROBABILITY).get() <= 1
        assert item.getTransform() is not None and item.getCTF().getDefocusU() > 0
    done.outputParticles.close()
    assert done.summary() and "ACK-means" in done._methods()[0]
    subset = done.create_subset([1, 2], wait=True)
    assert subset.outputParticles.getSize() == sizes[1] + sizes[2]


def test_killed_again_and_again_it_ends_as_at_once(project, session):
    run, dice = session.protocol("killed"), random.Random(2)
    for n in (50, 60, 40, 45):
        session.feed(n)
        before = len(session.feeder.fed)
        project.project.launchProtocol(run, wait=False)
        most = 0 if before < FIRST else FIRST + (before - FIRST) // BATCH * BATCH
        wanted = min(dice.choice([0, FIRST, most]), most)
        until(lambda n=wanted, run=run: session.n_done(run) >= n, "its kill", run)
        kill(run, with_children=True)
        run = after_the_kill(project, run)
        assert run._summary()
    session.close()
    finished = run_again(project, run)
    assert finished.isFinished(), finished.getErrorMessage()
    assert outcome(project, finished) == outcome(project, session.at_once("at once, killed"))
    assert unfinished(project, finished) == []


@pytest.mark.thorough
def test_killed_at_every_file_it_ends_as_at_once(project, session, tmp_path):
    session.close()
    run, places = session.protocol("killed at files"), []
    for number in range(1, 51):
        run, place = killed(project, run, f"1 {2 * number}", tmp_path)
        places.append(place.strip())
    done = run_again(project, run)
    assert done.isFinished(), done.getErrorMessage()
    assert outcome(project, done) == outcome(project, session.at_once("at once, files"))
    assert unfinished(project, done) == []
    assert sum(map(bool, places)) > 20
    print(*filter(None, places), sep="\n  ")


def test_a_view_that_comes_late_gets_a_class_in_all_outputs(project, made, tmp_path):
    """Particles that go to it from other classes are in the right ones at the end, too."""
    view = made.view
    rng = np.random.default_rng(5)
    early = rng.permutation(np.flatnonzero(view != LATE))[: FIRST + BATCH]
    others = rng.permutation(np.setdiff1d(np.arange(len(made)), early))
    rows = np.concatenate([early, others])
    session = session_of(project, made, rows, tmp_path / "set", "with a late view")
    session.close()
    done = session.at_once("late view", numberOfClasses=N_VIEWS - 1)
    kept = StreamFolder(project.folder(done) / "stream")
    found = kept.particles()
    assert len(kept.state) == N_VIEWS and (kept.state.made_after > 0).sum() == 1
    assert "1 class appended for new views" in " ".join(done._summary())
    late = found.labels[view[rows] == LATE]
    assert (late == N_VIEWS - 1).mean() > 0.9
    expected = {i + 1: k + 1 for i, k in enumerate(found.labels.tolist()) if k >= 0}
    good, rejected = (
        classes_of(done, name) if hasattr(done, name) else {}
        for name in ("outputParticles", "outputRejected")
    )
    assert {**good, **rejected} == expected and not set(good) & set(rejected)
    sizes = {one.getObjId(): one.getSize() for one in done.outputClasses}
    assert sizes == Counter(expected.values())


def test_only_classes_of_a_minimum_score_are_good(project, session):
    session.close()
    first = session.at_once("all good")
    scores = StreamFolder(project.folder(first) / "stream").state.scores.score
    limit = float(np.sort(scores)[1]) + 1e-6
    done = session.at_once("two good", selection=1, minScore=limit)
    good, rejected = classes_of(done, "outputParticles"), classes_of(done, "outputRejected")
    is_good = scores >= limit
    assert is_good.sum() == 2
    assert set(good.values()) == {*(np.flatnonzero(is_good) + 1).tolist()}
    assert set(rejected.values()) == {*(np.flatnonzero(~is_good) + 1).tolist()}
    assert len(good) + len(rejected) == N - 1
    done.selection.set(0)
    again = run_again(project, done)
    assert len(classes_of(again, "outputParticles")) == N - 1
    assert again.outputRejected.getSize() == 0 and again.outputRejected.isStreamClosed()


def test_time_makes_classes_of_fewer_particles(project, session):
    """The clock jumps by ten years in this run."""
    session.feed(81)
    with faults(clock=1):
        run = session.launched("late start", startAfter=60)
        until(lambda: session.n_done(run) == 81, "classes of what is there", run)
    session.close()
    done = ended(project, run)
    assert StreamFolder(project.folder(done) / "stream").state.n_first == 81
    assert "the first ones were made of 81 particles" in " ".join(done._summary())


def test_too_few_particles_are_an_error_with_the_remedy(project, session):
    session.feeder.feed(session.ids[:3], is_open=False)
    failed = project.run(session.protocol("too few"))
    assert failed.isFailed()
    assert "must not exceed the number of images, 3" in failed.getErrorMessage()
    assert not hasattr(failed, "outputParticles")


def test_particles_that_were_taken_back_are_in_no_output_and_told(project, session):
    import sqlite3

    run = session.launched("taken back")
    session.feed(FIRST)
    until(lambda: session.n_done(run) == FIRST, "the classes", run)
    gone = session.ids[20:23]
    with sqlite3.connect(session.feeder.file) as connection:
        connection.execute(f"DELETE FROM Objects WHERE id IN ({','.join(map(str, gone))})")
    connection.close()
    session.close()
    done = ended(project, run)
    assert "3 particles were taken out of the input" in " ".join(done._summary())
    found = classes_of(done, "outputParticles")
    assert not set(found) & set(gone) and len(found) == N - 1 - 3


def test_the_form_refuses_what_cannot_be(session):
    session.feed(FIRST)
    wrong = {
        "numberOfClasses": 1,
        "firstParticles": 3,
        "particlesPerBatch": 0,
        "resolution": -1.0,
        "minScore": 2.0,
    }
    for name, value in wrong.items():
        run = session.protocol("wrong", **{name: value, "selection": 1})
        (line,) = run.validate()
        assert run.getParam(name).label.get() in line
    assert session.protocol("few", firstParticles=20)._warnings()


def test_at_the_end_all_can_be_classified_again(project, session):
    """Of few first particles; killed once in the middle of the last pass."""
    session.close()
    done = session.at_once("again", firstParticles=60, fullPass=True)
    kept = StreamFolder(project.folder(done) / "stream")
    assert (kept.n_passes, kept.n_passed) == (1, N)
    assert "finally classified again" in done._methods()[0]
    found = kept.particles()
    expected = {i + 1: k + 1 for i, k in enumerate(found.labels.tolist()) if k >= 0}
    assert classes_of(done, "outputParticles") == expected
    before = files(project, done)
    again = run_again(project, done)
    assert again.isFinished() and files(project, again) == before
    kept = StreamFolder(project.folder(again) / "stream")
    assert kept.n_passes == 1


def test_the_page_tells_what_the_summary_does(project, session):
    from tests.reports.html_page import Page

    session.feed(FIRST + 10)
    run = session.launched("page")
    until(lambda: session.n_done(run) == FIRST, "the classes", run)
    page = project.folder(run) / "session.html"
    until(lambda: "in good classes" in (text_of(page) or ""), "the page", run)
    assert 'http-equiv="refresh"' in page.read_text("utf-8")
    session.close()
    done = ended(project, run)
    text = page.read_text("utf-8")
    assert 'http-equiv="refresh"' not in text
    assert str(N - 1) in " ".join(Page(text).texts)
    assert any("session.html" in line for line in done._summary())


def test_the_report_of_the_project_has_its_classes_and_links_its_page(project, session):
    from repic_plugin.reports.document import Link, Picture, render_report  # Scipion's variables
    from repic_plugin.reports.project import project_sections

    session.close()
    done = session.at_once("in the report")
    (mine,) = (
        one
        for one in project_sections(project.project.path)
        if one.title.startswith("in the report:")
    )
    (link,) = (one for one in mine.blocks if isinstance(one, Link))
    page = project.folder(done) / "session.html"
    assert Path(link.file).samefile(page)
    pictures = [one.caption for one in mine.blocks if isinstance(one, Picture)]
    assert pictures[0].startswith("Class averages")
    text = render_report("t", "a", [mine], place=project.project.path)
    assert f'href="./{page.resolve().relative_to(Path(project.project.path).resolve())}"' in text


def test_particles_that_lack_the_ctf_which_their_set_promises_are_told(project, made, tmp_path):
    images = made.images[np.random.default_rng(1).permutation(len(made))]
    file = write_particle_set(tmp_path / "set", images, None)
    imported = import_set(project, "promising", file)
    imported.outputParticles.setHasCTF(True)
    project.project.mapper.store(imported.outputParticles)
    project.project.mapper.commit()
    inputs = {"inputParticles": (imported, "outputParticles")}
    values = {"numberOfClasses": N_VIEWS, "firstParticles": FIRST, "numberOfThreads": 1}
    done = project.run(project.new("ProtAckMeans2DStream", "promised", inputs, **values))
    assert done.isFinished(), done.getErrorMessage()
    assert "no CTF correction was applied; assign one" in " ".join(done._summary())
