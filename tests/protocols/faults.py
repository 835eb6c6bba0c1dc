"""Runs that are killed, starved or misled at places that are named, and what is left of them."""

import hashlib
import json
import os
import re
from contextlib import contextmanager
from pathlib import Path

from tests.protocols.iterative_runs import after_the_kill

HOOK = Path(__file__).parent / "killing"
NAMES = ("KILL", "FULL", "CLOCK", "PLACES")
UNIMPORTANT = {"report.html", "session.html"}  # tell times
SECONDS = re.compile(rb"(?<=,)[\d.]+(?=\r?\n)")  # the last column of summary.csv


@contextmanager
def faults(places=os.devnull, **values):
    """What is started within has them; see killing/sitecustomize.py."""
    before = dict(os.environ)
    paths = [str(HOOK), before.get("PYTHONPATH")]
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, paths))
    os.environ["REPIC_TEST_PLACES"] = str(places)
    os.environ.update({f"REPIC_TEST_{name.upper()}": str(one) for name, one in values.items()})
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def killed(project, run, where, folder):
    """Launch a run to be killed; the run as it is seen then, and the place, empty for no kill."""
    places = folder / "places.txt"
    places.write_text("")
    with faults(places, kill=where):
        project.project.launchProtocol(run, wait=True)
    seen = after_the_kill(project, run)
    place = places.read_text()
    assert seen.isFinished() == (not place), seen.getErrorMessage()
    assert seen._summary()  # can be told at any time
    return seen, place


def n_touched(project, run, folder):
    """How often each step touches a file of its run, which is run for it."""
    places = folder / "counts.txt"
    with faults(places, kill="count"):
        project.project.launchProtocol(run, wait=True)
    done = after_the_kill(project, run)
    assert done.isFinished(), done.getErrorMessage()
    lines = places.read_text().splitlines()
    return done, {int(step): int(n) for step, n in map(str.split, lines)}


def outcome(project, run):
    """All that a run leaves, in a form that can be compared with that of another."""
    found = {name: _items(run, output) for name, output in run.iterOutputAttributes()}
    return found, files(project, run)


def _items(run, output):
    if not hasattr(output, "iterItems"):
        return [_item(run, output)]
    told = []
    for item in output.iterItems(orderBy="id"):
        told.append(_item(run, item))
        if hasattr(item, "iterItems"):
            told += [_item(run, one) for one in item.iterItems(orderBy="id")]
    state = (output.getSize(), output.isStreamClosed(), str(output.getObjComment()))
    output.close()
    return [state, *told]


def _item(run, item):
    values = {name: str(one) for name, one in item.getObjDict(includeClass=False).items()}
    text = json.dumps({"id": item.getObjId(), **values}, sort_keys=True)
    return text.replace(run.workingDir.get(), "RUN")


def files(project, run):
    """Digest of each file of a run's extra folder, without the name of the run."""
    folder = project.folder(run)
    name = run.workingDir.get().encode()
    return {
        str(file.relative_to(folder)): _digest(file, name)
        for file in sorted(folder.rglob("*"))
        if file.is_file() and file.parent.name != "stream"  # how a run was cut into batches
    }


def _digest(file, name):
    if file.name in UNIMPORTANT:
        return ""
    data = file.read_bytes().replace(name, b"RUN")
    if file.name == "summary.csv":
        data = SECONDS.sub(b"", data)
    return hashlib.sha256(data).hexdigest()


def unfinished(project, run):
    """Files anywhere in a run's folder that a process left which was writing them."""
    folder = Path(project.project.path, run.workingDir.get())
    return [str(one) for one in folder.rglob("*") if one.name.endswith((".tmp", "-journal"))]
