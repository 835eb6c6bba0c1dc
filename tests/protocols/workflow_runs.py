"""Small material and workflows for `repic-plugin run`, and the command as a process of its own."""

import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import mrcfile
import numpy as np

from tests.protocols.scipion_project import write_picker

PROGRAM = str(Path(sys.executable).with_name("repic-plugin"))
BOX, SIZE = 24, 128
CENTRES = {"m1": [(30, 30), (90, 40), (60, 90)], "m2": [(40, 40), (90, 90)]}
N_PARTICLES = sum(map(len, CENTRES.values()))
LONG_SECONDS = 3600


def write_material(folder):
    """Two micrographs with dark discs, and three pickers that all found them."""
    (folder / "micrographs").mkdir(parents=True)
    y, x = np.mgrid[:SIZE, :SIZE]
    for seed, (name, centres) in enumerate(CENTRES.items()):
        image = np.random.default_rng(seed).normal(100, 5, (SIZE, SIZE))
        for centre_x, centre_y in centres:
            image[np.hypot(x - centre_x, y - centre_y) < 5] -= 25
        with mrcfile.new(folder / "micrographs" / f"{name}.mrc") as file:
            file.set_data(image.astype(np.float32))
    for number in (1, 2, 3):
        moved = {name: [(x + number, y) for x, y in rows] for name, rows in CENTRES.items()}
        scores = {name: np.linspace(0.5, 0.9, len(rows)) for name, rows in CENTRES.items()}
        write_picker(folder / "picks" / f"picker{number}", moved, BOX, scores)
    return folder


def template_values(folder):
    """Of the consensus templates."""
    picks = [f"picks{n}={folder / 'picks' / f'picker{n}'}" for n in (1, 2, 3)]
    return [f"micrographs={folder / 'micrographs'}", "pixel=2.5", *picks]


def protocol(number, name, label, **values):
    entry = {"object.id": str(number), "object.className": name, "object.label": label}
    return {**entry, **values}


def importing(folder, **values):
    files = {"filesPath": str(folder / "micrographs"), "filesPattern": "*.mrc"}
    return protocol(1, "ProtImportMicrographs", "micrographs", **files, **values)


def picks_of(folder, number=2, **values):
    picks = {"inputMicrographs": "1.outputMicrographs"}
    picks["picksFolder"] = str(folder / "picks" / "picker1")
    return protocol(number, "ProtRepicImportPicks", "picks", **picks, **values)


def extraction(number, label, **values):
    source = {"inputCoordinates": "2.outputCoordinates"}
    return protocol(number, "ProtRepicExtract", label, **source, **values)


def endless(folder):
    """Micrographs that go on coming."""
    growing = {"dataStreaming": True, "timeout": LONG_SECONDS, "fileTimeout": 1}
    return [importing(folder, **growing), picks_of(folder)]


def write_workflow(path, protocols):
    path.write_text(json.dumps(protocols))
    return path


class Command:
    """One call of `repic-plugin run`, with what it has printed."""

    def __init__(self, *words):
        self.process = subprocess.Popen(
            [PROGRAM, "run", *map(str, words)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        self.lines = []

    def ended(self, seconds=120):
        """Its exit code, once it has ended and its pipes are closed."""
        out, self.errors = self.process.communicate(timeout=seconds)
        self.lines += out.splitlines()
        return self.process.returncode

    def story(self):
        """All that it has printed."""
        return "\n".join([*self.lines, self.errors])

    def until(self, words):
        """Read on until a line has some words."""
        watchdog = threading.Timer(120, self.process.kill)
        watchdog.start()
        try:
            for line in self.process.stdout:
                self.lines.append(line.rstrip("\n"))
                if words in line:
                    return self
        finally:
            watchdog.cancel()
        raise AssertionError(f"no line with {words!r} in {self.lines}")

    def signalled(self, number):
        """The exit code after a signal to the whole group, as a terminal sends it."""
        os.killpg(self.process.pid, number)
        return self.ended()


def project_folder(name):
    return Path(os.environ["SCIPION_USER_DATA"]) / "projects" / name


def run_folders(name):
    return sorted(path.name for path in (project_folder(name) / "Runs").iterdir())


def read_summary(name):
    """The summary's protocols by their labels, and the exit code."""
    found = json.loads((project_folder(name) / "repic-run-summary.json").read_text())
    return {one["label"]: one for one in found["protocols"]}, found["exit_code"]


def kill_command(command):
    command.process.send_signal(signal.SIGKILL)
    return command.ended()
