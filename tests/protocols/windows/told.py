"""Starts the driver of the project's window, and finds what it reported."""

import json
import os
import shutil
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

from repic_plugin import constants
from repic_plugin.formats import micrograph_name
from tests.virtual_screen import ARTIFACTS, VIRTUAL, a_screen, window_manager

DRIVER = Path(__file__).parents[1] / "window_driver.py"
REPOSITORY = Path(__file__).parents[3]
N_PAGES = 2  # that the driver looks at
SCREENS = ("1366x768", "1920x1080")


def drive(project, plan, folder, size):
    """What the driver tells, and all that was written meanwhile."""
    files = [folder / f"{name}_{size}.json" for name in ("plan", "state")]
    files[0].write_text(json.dumps(plan), encoding="utf-8")
    path = project.project.path
    command = [sys.executable, "-O", str(DRIVER), path, *map(str, files)]
    log = Path(path, "Logs", "project.log")
    before = log.stat().st_size if log.is_file() else 0
    with a_screen(size) as screen, window_manager(screen):
        if screen == VIRTUAL and shutil.which("import") and size == SCREENS[0]:
            ARTIFACTS.mkdir(exist_ok=True)
            command.append(str(ARTIFACTS))
        paths = os.pathsep.join([str(REPOSITORY), os.environ.get("PYTHONPATH", "")])
        ended = subprocess.run(
            command,
            check=False,
            capture_output=True,
            text=True,
            env={**os.environ, "PYTHONPATH": paths},
            timeout=900,
        )
    written = ended.stdout + ended.stderr
    if log.is_file():
        written += log.read_bytes()[before:].decode("utf-8", "replace")
    assert files[1].is_file(), written
    state = json.loads(files[1].read_text(encoding="utf-8"))
    assert state["problem"] is None, f"{state['problem']}\n{written}"
    assert ended.returncode == 0, written
    return {**state, "written": written}


def opened(seen, runs, label, output=None):
    """What was reported of the window of a run, or of an output that was opened from its menu."""
    number = runs[label].getObjId()
    (told,) = [
        one
        for one in seen["opened"]
        if (one["run"], one.get("output")) == (number, output) and "link" not in one
    ]
    return told


def counted(**sets):
    """Number of coordinates in each set on the first two micrographs, as reported of the boxes."""
    counts = {
        layer: Counter(micrograph_name(item.getMicName()) for item in one.iterItems())
        for layer, one in sets.items()
    }
    names = sorted(set().union(*counts.values()))[:N_PAGES]
    return {name: {layer: found[name] for layer, found in counts.items()} for name in names}


def assert_boxes(told, expected):
    """On every micrograph, as boxes and as text."""
    assert told["boxes"] == expected
    words = {name: {one: f"{n:,}" for one, n in row.items()} for name, row in expected.items()}
    assert told["counts"] == words
    assert told["fits"]


def bars(tab, axes=0, side=1):
    """Lengths of bars: of upright ones (1) or of lying ones (0)."""
    return [bar[side] for bar in tab["axes"][axes]["bars"]]


def all_told(told, name=""):
    """Every window that was reported, within others too, and its name."""
    inner = {key: value for key, value in told.items() if isinstance(value, dict)}
    found = [(name, told)] if "cut" in told else []
    return found + [one for key, value in inner.items() for one in all_told(value, f"{name}/{key}")]


def clicked_item(told, coordinates):
    """The item whose box was clicked."""
    name, place = next(iter(told["boxes"])), tuple(told["clicked"]["at"])
    (item,) = [
        item.clone()
        for item in coordinates.iterItems()
        if micrograph_name(item.getMicName()) == name and (item.getX(), item.getY()) == place
    ]
    return item


def rows(coordinates):
    """Micrograph and place of each coordinate, and who found it."""
    return {
        (micrograph_name(one.getMicName()), one.getX(), one.getY()): getattr(
            one, constants.PICKERS
        ).get()
        for one in coordinates.iterItems()
    }


def finished_run(project, label):
    """A run that was started by the window, once it has ended."""
    for _ in range(120):
        runs = project.project.getRuns(refresh=True, checkPids=True)
        (run,) = [one for one in runs if one.getObjLabel() == label]
        if not run.isActive():
            break
        time.sleep(0.5)
    assert run.isFinished(), run.getErrorMessage()
    return run
