"""A session at the microscope, two hours at 100 times their speed, followed by a consensus.

Micrographs appear, three pickers write their picks at different rates, and the consensus is killed
twice. Microscope and pickers are stand-ins (growing_sets.py): what they write is real.
"""

import threading

import numpy as np
import psutil
import pytest

from repic_plugin.formats import read_arrays, read_consensus_tables
from tests.protocols.growing_sets import Feeder, Microscope
from tests.protocols.iterative_runs import after_the_kill, kill
from tests.protocols.scipion_project import coordinates, write_images, write_picker

pytestmark = pytest.mark.slow

N_MICROGRAPHS, N_PARTICLES, BOX_PX, SIZE_PX = 500, 30, 20, 512
TICK_S = 1.0
PER_TICK = 7  # of 500 in 7,200 s / 100
# micrographs that a picker can do in a tick, and how many ticks it starts late
RATES = {"fast": (20, 0), "steady": (8, 2), "slow": (7, 5)}
KILLS = (20, 45)  # ticks
BEHIND = 2  # batches


@pytest.fixture(scope="module")
def session(project, tmp_path_factory):
    """The microscope, the pickers, and what a consensus of all at once finds."""
    folder = tmp_path_factory.mktemp("session")
    rng = np.random.default_rng(5)
    names = [f"m{i:03d}" for i in range(N_MICROGRAPHS)]
    true = {name: rng.uniform(10, SIZE_PX - 10, (N_PARTICLES, 2)) for name in names}
    imported = project.micrographs("session", write_images(folder / "images", names, SIZE_PX))
    pickers = []
    for picker in RATES:
        found = {
            name: (rows + rng.normal(0, 2, rows.shape))[rng.random(len(rows)) < 0.8].round()
            for name, rows in true.items()
        }
        scores = {name: rng.random(len(rows)).round(3) for name, rows in found.items()}
        write_picker(folder / picker, found, BOX_PX, scores)
        pickers.append(project.picks(picker, imported, folder / picker))
    at_once = project.run(project.consensus(pickers, "at once", mode=1))
    assert at_once.isFinished(), at_once.getErrorMessage()
    expected = told(at_once)
    return (
        Microscope(project, imported),
        pickers,
        [Feeder(project, one) for one in pickers],
        expected,
    )


def told(run):
    """By micrograph, whatever the order in which they were done."""
    tables = read_consensus_tables(run._getExtraPath())
    counts = zip(tables.micrograph_names, map(tuple, tables.n_picks), tables.n_selected)
    return sorted(counts), sorted(coordinates(run))


class Watched:
    """What the consensus has done, read from its record."""

    def __init__(self, folder):
        self.folder, self.done, self.n_batches = folder / "stream", set(), 0
        self.owed = []  # number of batches at which micrographs have to be done, and these

    def look(self, ready):
        """Read new batches; what all pickers have is owed within the next ones."""
        while (file := self.folder / f"batch_{self.n_batches:06d}.npz").is_file():
            ids = read_arrays(file, ["micrograph_ids"])["micrograph_ids"].tolist()
            assert not self.done & set(ids), "a micrograph was done twice"
            self.done |= set(ids)
            self.n_batches += 1
        for due, micrographs in self.owed:
            assert self.n_batches < due or micrographs <= self.done, "it falls behind"
        self.owed = [one for one in self.owed if one[0] > self.n_batches]
        self.owed.append((self.n_batches + BEHIND, set(ready)))


def test_a_session_is_followed_and_ends_as_at_once(project, session):
    microscope, pickers, feeders, expected = session
    run = project.consensus(pickers, "follows", mode=1, streamingSleepOnWait=1)
    assert run.validate() == []
    project.project.launchProtocol(run, wait=False)
    watched, pause = Watched(project.folder(run)), threading.Event()
    exposed, tick = [], 0
    while microscope.waiting or any(len(one.fed) < N_MICROGRAPHS for one in feeders):
        if microscope.waiting:
            exposed += microscope.expose(PER_TICK, is_open=len(microscope.waiting) > PER_TICK)
        for feeder, (rate, delay) in zip(feeders, RATES.values()):
            if tick >= delay:
                feeder.feed(*exposed[len(feeder.fed) : len(feeder.fed) + rate])
        watched.look(set.intersection(*(set(one.fed) for one in feeders)))
        if tick in KILLS:
            kill(run, with_children=True)
            run = after_the_kill(project, run)
            project.project.launchProtocol(run, wait=False)
        tick += 1
        pause.wait(TICK_S)
    for feeder in feeders:
        feeder.close()
    _, alive = psutil.wait_procs(psutil.Process().children(), timeout=120)
    assert not alive
    runs = {one.getObjId(): one for one in project.project.getRuns(refresh=True)}
    finished = runs[run.getObjId()]
    assert finished.isFinished(), finished.getErrorMessage()
    watched.look([])
    assert len(watched.done) == N_MICROGRAPHS
    assert watched.n_batches > tick / 3  # it did not wait for the end
    assert told(finished) == expected
