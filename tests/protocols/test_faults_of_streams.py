"""A consensus whose process, clock or inputs fail while it follows them."""

import os
import random
import re
import sqlite3
import subprocess
import sys
from collections import Counter
from contextlib import closing, suppress
from pathlib import Path

import psutil
import pytest

from repic_plugin.formats import read_consensus_tables
from tests.protocols import test_streaming as followed
from tests.protocols.faults import faults, unfinished
from tests.protocols.iterative_runs import after_the_kill
from tests.protocols.test_streaming import (
    N_MICROGRAPHS,
    current,
    ended,
    finish,
    has_done,
    launched,
    n_done,
    picked_by_all,
    told,
    until,
)

pytestmark = pytest.mark.slow
material, pickers = followed.material, followed.pickers
at_once, feeders = followed.at_once, followed.feeders

N_IDLE = 5  # looks at a run that has nothing to do, before it is killed nonetheless

# Writes more than SQLite keeps in memory, and is killed before it says that all is done.
HALF_WRITTEN = """
import os, signal, sqlite3, sys
connection = sqlite3.connect(sys.argv[1])
connection.execute("PRAGMA cache_size = 1")
connection.execute("CREATE TABLE half (written)")
connection.executemany("INSERT INTO half VALUES (?)", [("x" * 500,)] * 500)
connection.execute("UPDATE Properties SET value = '2' WHERE key = '_streamState'")
os.kill(os.getpid(), signal.SIGKILL)
"""


def write_half(file):
    subprocess.run([sys.executable, "-c", HALF_WRITTEN, file], check=False)
    assert Path(f"{file}-journal").stat().st_size


def cut(file):
    os.truncate(file, Path(file).stat().st_size // 2)


def says(project, run, words):
    return any(words in line for line in current(project, run)._summary())


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (None, "another program is writing it; try again later"),
        (cut, "again"),
        (write_half, "its writer was killed); continue the protocol that wrote it"),
    ],
    ids=["locked", "cut", "half written"],
)
def test_a_set_that_cannot_be_read_is_refused_in_one_line(project, pickers, damage, words):
    file = Path(project.project.path, pickers[1].outputCoordinates.getFileName())
    whole = file.read_bytes()
    with closing(sqlite3.connect(file, isolation_level=None)) as writer:
        if damage is None:
            writer.execute("BEGIN EXCLUSIVE")
        else:
            damage(str(file))
        (message,) = project.consensus(pickers)._validate()
    Path(f"{file}-journal").unlink(missing_ok=True)
    file.write_bytes(whole)
    assert "coordinates.sqlite: cannot be read" in message
    assert words in message
    assert "\n" not in message
    assert project.consensus(pickers)._validate() == []


@pytest.mark.thorough
def test_locked_and_half_written_inputs_are_waited_for(project, pickers, feeders, at_once):
    ids = sorted({mic for feeder in feeders for mic in feeder.rows})
    run = launched(project, pickers, "locked")
    for feeder in feeders:
        feeder.feed(*ids[:3])
    until(lambda: n_done(project, run) >= len(picked_by_all(feeders)), "a part", run)
    file = feeders[1].file
    with closing(sqlite3.connect(file, isolation_level=None)) as writer:
        writer.execute("BEGIN EXCLUSIVE")
        os.utime(file)  # it is looked at again if it has changed
        until(lambda: says(project, run, "database is locked"), "it was told", run)
    write_half(file)
    until(lambda: says(project, run, "killed while it wrote it"), "it was told", run)
    finish(feeders, ids)  # who writes on takes back what was half written
    finished = ended(project, run)
    assert told(finished) == at_once[0]
    assert not says(project, run, "cannot be read")


@pytest.mark.thorough
def test_runs_on_the_same_inputs_do_not_disturb_each_other(project, pickers, feeders, at_once):
    ids = sorted({mic for feeder in feeders for mic in feeder.rows})
    both = [launched(project, pickers, f"both {mode}", mode=mode) for mode in (0, 1)]
    for mic in ids:  # written to while both read
        for feeder in feeders:
            feeder.feed(mic)
    finish(feeders, ids)
    ended(project, both[0])
    assert [told(current(project, run)) for run in both] == [at_once[0], at_once[1]]
    both = [launched(project, pickers, f"both at once {mode}", mode=mode) for mode in (0, 1)]
    ended(project, both[0])
    assert [told(current(project, run)) for run in both] == [at_once[0], at_once[1]]


@pytest.mark.thorough
def test_a_clock_that_jumps_by_years_changes_nothing(project, pickers, feeders, at_once):
    ids = sorted({mic for feeder in feeders for mic in feeder.rows})
    with faults(clock=1):
        run = launched(project, pickers, "jumps", mode=1, lateAfter=86400, endAfterIdle=86400)
    one, two, three = feeders
    one.feed(*ids)
    two.feed(*ids)
    three.feed(*ids[:4])
    ready = len(picked_by_all(feeders))
    until(lambda: n_done(project, run) >= ready, "what all have picked", run)
    assert n_done(project, run) == ready  # the third picker is not late
    finish(feeders, ids)
    finished = ended(project, run)
    assert told(finished) == at_once[1]
    assert "still open" not in " ".join(finished._summary())


@pytest.mark.thorough
def test_killed_fifty_times_it_ends_as_at_once(project, pickers, feeders, at_once, tmp_path):
    n_kills = 50
    ids = sorted({mic for feeder in feeders for mic in feeder.rows})
    dice = random.Random(0)
    parts = [(feeder, mic) for mic in ids for feeder in dice.sample(feeders, len(feeders))]
    run = project.consensus(pickers, "fifty", mode=1, unmatchedOutput=True, streamingSleepOnWait=1)
    places = Counter()
    for life in range(n_kills):
        n_before, n_now = (len(parts) * n // n_kills for n in (life, life + 1))
        for feeder, mic in parts[n_before:n_now]:
            feeder.feed(mic)
        where = dice.choice([f"1 {dice.randint(1, 9)}", f"cpu {dice.uniform(0, 0.06):.3f}"])
        places[killed_there(project, run, where, feeders, tmp_path)] += 1
        run = after_the_kill(project, run)
        assert run._summary()
    finish(feeders, ids)
    project.project.launchProtocol(run, wait=False)
    finished = ended(project, run)
    assert told(finished) == at_once[1]
    done = read_consensus_tables(finished._getExtraPath()).micrograph_names
    assert len(done) == len(set(done)) == N_MICROGRAPHS
    assert unfinished(project, finished) == []
    print(f"{sum(places.values())} kills:", *sorted(places.items()), sep="\n  ")


def killed_there(project, run, where, feeders, folder):
    """Launch a run and have it killed at a place, or when there is nothing more for it to do."""
    told_in, begun = folder / "places.txt", folder / "begun"
    told_in.write_text("")
    begun.unlink(missing_ok=True)
    with faults(told_in, kill=where, begun=begun):
        project.project.launchProtocol(run, wait=False)
    ready = len(picked_by_all(feeders))
    n_idle = 0
    for _ in range(600):
        _, alive = psutil.wait_procs(psutil.Process().children(recursive=True), timeout=0.2)
        if not alive:
            place = place_of(told_in.read_text())
            assert place, f"it ended by itself: {where}"
            return place
        n_idle += begun.exists() and has_done(project, run, ready)
        if n_idle > N_IDLE:
            for process in alive:
                with suppress(psutil.NoSuchProcess):  # it may just have been killed
                    process.kill()
            psutil.wait_procs(alive, timeout=60)
            return place_of(told_in.read_text()) or "while it waited"
    raise AssertionError(f"it was not killed: {where}")


def place_of(text):
    """A line of the hook, or the innermost function that Python was in."""
    frame = re.search(r'File ".*?([^/"]+)", line \d+ in (\w+)', text)
    if frame:
        return f"in {frame[1]}, {frame[2]}"
    place = re.sub(
        r"\.[0-9a-f]{32}\.tmp", "a file that is written", text.partition(": ")[2].strip()
    )
    return re.sub(r"_\d+", "", place)
