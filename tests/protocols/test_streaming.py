"""A consensus that follows inputs while they grow, in a real Scipion project."""

import random
import threading
from functools import partial
from pathlib import Path

import numpy as np
import psutil
import pytest

from repic_plugin.formats import read_agreement, read_consensus_tables
from tests.protocols.growing_sets import Feeder
from tests.protocols.iterative_runs import after_the_kill, kill, run_again
from tests.protocols.scipion_project import coordinates, write_images, write_picker

pytestmark = pytest.mark.slow

N_MICROGRAPHS, BOX_PX = 14, 20
NAMES = [f"m{i:02d}" for i in range(N_MICROGRAPHS)]
JUDGED = {"minAgreement": 0.7, "minExpected": 11.0}  # likewise
PATTERNS = "one, not two; two, three, not one"  # of the runs in mode quorum
EMPTY = {"two": [3], "three": [3, 5], "one": [3, 8]}  # micrographs without a pick


@pytest.fixture(scope="module")
def material(tmp_path_factory):
    """Micrographs, and three pickers' folders."""
    folder = tmp_path_factory.mktemp("streaming")
    rng = np.random.default_rng(1)
    true = {name: rng.uniform(20, 480, (12, 2)) for name in NAMES}
    for picker in ("one", "two", "three"):
        found = {
            name: (rows + rng.normal(0, 2, rows.shape))[rng.random(len(rows)) < 0.8].round()
            for name, rows in true.items()
        }
        found.update({NAMES[i]: [] for i in EMPTY[picker]})
        scores = {name: rng.random(len(rows)).round(3) for name, rows in found.items()}
        write_picker(folder / picker, found, BOX_PX, scores)
    return write_images(folder / "images", NAMES, 512), folder


@pytest.fixture(scope="module")
def pickers(project, material):
    images, folder = material
    micrographs = project.micrographs("followed", images)
    return [project.picks(name, micrographs, folder / name) for name in ("one", "two", "three")]


@pytest.fixture(scope="module")
def at_once(project, pickers):
    """The one-shot results that streaming has to end with, before the sets are taken back."""
    found = {}
    for mode in (0, 1):
        patterns = PATTERNS if mode else ""
        values = {"mode": mode, "patterns": patterns, **(JUDGED if mode else {})}
        run = project.run(project.consensus(pickers, f"at once {mode}", **values))
        assert run.isFinished(), run.getErrorMessage()
        found[mode] = told(run)
    found["sets"] = sets_of(run)
    found["micrographs"] = micrographs_of(run)
    return found


@pytest.fixture
def feeders(project, pickers, at_once):
    """The pickers' sets, open and empty; whole and closed again in the end."""
    made = [Feeder(project, one) for one in pickers]
    yield made
    for one in made:
        one.feed(*[mic for mic in one.rows if mic not in one.fed])
        one.close()


def told(run):
    """What a run found, in a form that can be compared: by micrograph."""
    tables = read_consensus_tables(run._getExtraPath())
    particles = sorted(
        zip(
            [tables.micrograph_names[m] for m in tables.micrograph],
            tables.x,
            tables.y,
            tables.weight,
            tables.n_members.tolist(),
            tables.false_agreement,
        )
    )
    assert np.isfinite(tables.false_agreement).all()
    assert read_agreement(run._getExtraPath()).is_above_chance
    counts = sorted(zip(tables.micrograph_names, map(tuple, tables.n_picks), tables.n_selected))
    return particles, counts, sorted(coordinates(run))


def sets_of(run):
    """The coordinates of each pattern."""
    return [coordinates(run, f"outputPattern{number}") for number in (1, 2)]


def micrographs_of(run):
    """Accepted and rejected micrographs, and the table of their quality."""
    names = ("outputMicrographs", "outputMicrographsRejected")
    sets = [[(one.getObjId(), one.getFileName()) for one in getattr(run, name)] for name in names]
    return [*map(sorted, sets), Path(run._getExtraPath("micrographs.csv")).read_bytes()]


def launched(project, pickers, label, **values):
    values = {"streamingSleepOnWait": 1, **values}
    run = project.consensus(pickers, label, **values)
    assert run.validate() == []
    project.project.launchProtocol(run, wait=False)
    return run


def until(condition, what, run):
    """Wait for it, as long as the run lives."""
    pause = threading.Event()
    for _ in range(600):
        if condition():
            return
        assert psutil.Process().children(), f"the run ended before {what}"
        pause.wait(0.1)
    raise AssertionError(f"waited in vain: {what}")


def n_done(project, run):
    """Micrographs on record."""
    from repic_plugin.formats import read_arrays

    folder = project.folder(run) / "stream"
    files = sorted(folder.glob("batch_*.npz"))
    return sum(len(read_arrays(file, ["micrograph_ids"])["micrograph_ids"]) for file in files)


def has_done(project, run, n):
    return n_done(project, run) >= n


def ended(project, run):
    """The run once it has finished."""
    _, alive = psutil.wait_procs(psutil.Process().children(), timeout=120)
    assert not alive
    finished = current(project, run)
    assert finished.isFinished(), finished.getErrorMessage()
    return finished


def current(project, run):
    """The run as it says itself now."""
    found = {one.getObjId(): one for one in project.project.getRuns(refresh=True)}
    return found[run.getObjId()]


def test_it_follows_and_ends_as_at_once(project, pickers, feeders, at_once):
    one, two, three = feeders
    ids = sorted({mic for feeder in feeders for mic in feeder.rows})
    run = launched(project, pickers, "follows")
    until((project.folder(run) / "stream").is_dir, "it began without a pick", run)
    one.feed(*ids[:6])
    two.feed(*ids[:4])
    three.feed(*ids[2:5])
    of_all = len(picked_by_all(feeders))
    until(lambda: n_done(project, run) == of_all, "what all have picked", run)
    three.feed(*ids[:2])
    until(lambda: n_done(project, run) == len(picked_by_all(feeders)) > of_all, "more", run)
    shown = current(project, run)
    assert shown.outputCoordinates.isStreamOpen()
    assert any("micrographs wait" in line for line in shown._summary())
    finish(feeders, ids)
    finished = ended(project, run)
    assert told(finished) == at_once[0]
    assert finished.outputCoordinates.isStreamClosed()
    assert any("another picker on" in line for line in finished._summary())
    files = sorted((project.folder(run) / "stream").iterdir())
    again = run_again(project, finished)
    assert again.isFinished(), again.getErrorMessage()
    assert told(again) == at_once[0]
    assert sorted((project.folder(run) / "stream").iterdir()) == files  # nothing twice


def test_killed_again_and_again_it_ends_as_at_once(project, pickers, feeders, at_once):
    ids = sorted({mic for feeder in feeders for mic in feeder.rows})
    run = launched(project, pickers, "killed", mode=1, patterns=PATTERNS, **JUDGED)
    assert all(len(found) > 2 for found in at_once["micrographs"])
    assert all(len(found) > 3 for found in at_once["sets"])
    dice = random.Random(0)
    for step in range(0, len(ids), 3):
        for feeder in feeders:
            feeder.feed(*ids[step : step + 3])
        wanted = dice.randint(0, len(picked_by_all(feeders)))
        until(partial(has_done, project, run, wanted), "its kill", run)
        kill(run, with_children=True)
        run = after_the_kill(project, run)
        project.project.launchProtocol(run, wait=False)
    finish(feeders, ids)
    finished = ended(project, run)
    assert told(finished) == at_once[1]
    assert sets_of(finished) == at_once["sets"]
    assert micrographs_of(finished) == at_once["micrographs"]
    done = read_consensus_tables(finished._getExtraPath()).micrograph_names
    assert sorted(done) == sorted(set(done))
    assert len(done) == N_MICROGRAPHS


@pytest.mark.thorough
def test_late_pickers_are_not_waited_for(project, pickers, feeders):
    one, two, three = feeders
    both = sorted(set(one.rows) & set(two.rows))
    values = {"mode": 1, "lateAfter": 1, "endAfterIdle": 4, "patterns": "one, not three; one"}
    run = launched(project, pickers, "late", **values)
    one.feed(*one.rows)
    two.feed(*two.rows)
    until(lambda: n_done(project, run) >= len(both), "those of two pickers", run)
    three.feed(*three.rows)
    finished = ended(project, run)  # though nobody closes its inputs
    tables = read_consensus_tables(finished._getExtraPath())
    assert len(tables.micrograph_names) == N_MICROGRAPHS
    assert tables.n_picks[:, 2].sum() < sum(map(len, three.rows.values()))
    # that a late picker has not found something says nothing
    waited_for = {f"{tables.micrograph_names[m]}.mrc" for m in np.flatnonzero(tables.n_picks[:, 2])}
    alone, of_one = ({mic for mic, _, _ in rows} for rows in sets_of(finished))
    assert alone <= waited_for
    assert len(of_one - waited_for) > 3
    summary = " ".join(finished._summary())
    assert "Stopped with one, two, three still open: no new data for 4 s" in summary
    assert "three: picks on" in summary
    assert "have changed since they were used" in summary


@pytest.mark.thorough
def test_an_input_that_is_emptied_and_written_anew_repeats_nothing(
    project, pickers, feeders, at_once
):
    ids = sorted({mic for feeder in feeders for mic in feeder.rows})
    run = launched(project, pickers, "reset")
    for feeder in feeders:
        feeder.feed(*ids[:7])
    until(lambda: n_done(project, run) >= len(picked_by_all(feeders)), "a part", run)
    feeders[1].empty()
    feeders[1].fed = []
    until(
        lambda: any("emptied or rewritten" in line for line in current(project, run)._summary()),
        "it was told",
        run,
    )
    finish(feeders, ids)
    finished = ended(project, run)
    assert told(finished) == at_once[0]
    assert not any("have changed since" in line for line in finished._summary())


@pytest.mark.thorough
def test_a_damaged_input_is_told_and_waited_for(project, pickers, feeders, at_once):
    ids = sorted({mic for feeder in feeders for mic in feeder.rows})
    run = launched(project, pickers, "damaged")
    feeders[0].feed(*ids[:3])
    until((project.folder(run) / "stream").is_dir, "it began", run)
    whole = Path(feeders[0].file).read_bytes()
    Path(feeders[0].file).write_bytes(whole[: len(whole) // 2])
    until(
        lambda: any("cannot be read" in line for line in current(project, run)._summary()),
        "it was told",
        run,
    )
    Path(feeders[0].file).write_bytes(whole)
    finish(feeders, ids)
    finished = ended(project, run)
    assert told(finished) == at_once[0]


@pytest.mark.thorough
def test_other_values_begin_anew(project, pickers, feeders, at_once):
    ids = sorted({mic for feeder in feeders for mic in feeder.rows})
    run = launched(project, pickers, "anew")
    for feeder in feeders:
        feeder.feed(*ids[:5])
    until(lambda: n_done(project, run) > 0, "a part", run)
    kill(run, with_children=True)
    run = after_the_kill(project, run)
    run.mode.set(1)
    run.patterns.set(PATTERNS)
    finish(feeders, ids)
    finished = run_again(project, run)
    assert finished.isFinished(), finished.getErrorMessage()
    assert told(finished) == at_once[1]
    assert sets_of(finished) == at_once["sets"]


def test_a_closed_input_without_a_pick_is_no_reason_to_wait(project, material, pickers, feeders):
    folder = material[1]
    micrographs = pickers[0].inputMicrographs.getObjValue()
    write_picker(folder / "nothing", {name: [] for name in NAMES}, BOX_PX)
    nothing = project.picks("nothing", micrographs, folder / "nothing", BOX_PX)
    run = launched(project, [pickers[0], pickers[1], nothing], "nothing", mode=1)
    for feeder in feeders[:2]:
        feeder.feed(*feeder.rows)
        feeder.close()
    finished = ended(project, run)
    tables = read_consensus_tables(finished._getExtraPath())
    assert len(tables.micrograph_names) == N_MICROGRAPHS
    assert len(tables) > 0


def picked_by_all(feeders):
    """Micrographs that every picker has picks on, of what they wrote so far."""
    return set.intersection(*({m for m in one.fed if m in one.rows} for one in feeders))


def finish(feeders, ids):
    """Write what is missing, and close."""
    for feeder in feeders:
        feeder.feed(*[mic for mic in ids if mic not in feeder.fed])
        feeder.close()
