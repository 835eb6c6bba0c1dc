"""A consensus that follows inputs while they grow, in a real Scipion project."""

import random
import threading

import numpy as np
import psutil
import pytest
from growing_sets import Feeder
from iterative_runs import after_the_kill, kill
from scipion_project import coordinates, write_images, write_picker

from repic_plugin.formats import read_consensus_tables

pytestmark = pytest.mark.slow

N_MICROGRAPHS, BOX_PX = 14, 20
NAMES = [f"m{i:02d}" for i in range(N_MICROGRAPHS)]
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
        run = project.run(project.consensus(pickers, f"at once {mode}", mode=mode))
        assert run.isFinished(), run.getErrorMessage()
        found[mode] = told(run)
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
            map(tuple, tables.members[:, :0]),
        )
    )
    counts = sorted(zip(tables.micrograph_names, map(tuple, tables.n_picks), tables.n_selected))
    return particles, counts, sorted(coordinates(run))


def launched(project, pickers, label, **values):
    values = {"streamingSleepOnWait": 1, **values}
    run = project.consensus(pickers, label, **values)
    assert run._validate() == []
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


def ended(project, run):
    gone, alive = psutil.wait_procs(psutil.Process().children(), timeout=60)
    assert not alive
    found = {one.getObjId(): one for one in project.project.getRuns(refresh=True)}
    return found[run.getObjId()]


def test_it_follows_and_ends_as_at_once(project, pickers, feeders, at_once):
    one, two, three = feeders
    ids = sorted({mic for feeder in feeders for mic in feeder.rows})
    run = launched(project, pickers, "follows")
    one.feed(*ids[:6])
    two.feed(*ids[:4])
    three.feed(*ids[2:5])
    # micrographs 3 to 4 of all; those without a pick of one wait for its end
    until(lambda: n_done(project, run) >= 2, "the first micrographs", run)
    assert n_done(project, run) == len(set(ids[2:4]) & picked(feeders))
    three.feed(*ids[:2])
    until(lambda: n_done(project, run) >= 4, "two more", run)
    for feeder in feeders:
        feeder.feed(*[mic for mic in ids if mic not in feeder.fed])
        feeder.close()
    finished = ended(project, run)
    assert finished.isFinished(), finished.getErrorMessage()
    assert told(finished) == at_once[0]
    assert finished.outputCoordinates.isStreamClosed()


def picked(feeders):
    """Micrographs that every picker has picks on, of what they wrote so far."""
    return set.intersection(*({m for m in one.fed if m in one.rows} for one in feeders))
