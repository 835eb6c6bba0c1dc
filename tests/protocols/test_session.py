"""A simulated session, from the first micrograph to the classes, as a user starts it."""

import os
import signal
import subprocess
import sys
import threading

import numpy as np
import pytest

from repic_plugin.commands.session.figures import Figures
from repic_plugin.formats import read_consensus_tables, write_arrays
from tests.protocols.workflow_runs import Command, project_folder, read_summary, run_folders

N_MICROGRAPHS, N_PARTICLES = 20, 12
# a quorum does not depend on when the pickers are characterised, nor these scores on the others
VALUES = ["mode=1", "transforms=identity identity logistic", "idle=6", "wait=6"]


def session(name, folder, *words):
    """The answer of the command."""
    return subprocess.run(
        [
            *(sys.executable, "-m", "repic_plugin.cli", "simulate-session", "phantom"),
            *("--project", name, "--out", str(folder), "--micrographs", str(N_MICROGRAPHS)),
            *("--particles", str(N_PARTICLES), "--classes", "2", "--speed", "200", *words),
        ],
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )


def found(name):
    """Particles of the consensus, whatever the order of the micrographs."""
    (folder,) = project_folder(name).glob("Runs/*_ProtRepicConsensus")
    tables = read_consensus_tables(folder / "extra")
    names = [tables.micrograph_names[m] for m in tables.micrograph]
    return sorted(zip(names, tables.x, tables.y, tables.weight, tables.n_members.tolist()))


def sizes(rows, label):
    return {one["name"]: one["size"] for one in rows[label]["outputs"]}


@pytest.mark.thorough
def test_a_session_that_is_killed_ends_as_one_that_is_complete_at_the_start(tmp_path):
    answer = session("session", tmp_path / "files", "--kills", "2", "--values", *VALUES)
    assert answer.returncode == 0, answer.stdout + answer.stderr
    assert "kills: 2" in answer.stdout
    assert "micrographs behind at most: the extraction" in answer.stdout
    assert "session.html" in answer.stdout
    rows, code = read_summary("session")
    assert code == 0
    assert {row["status"] for row in rows.values()} == {"finished"}
    assert sizes(rows, "micrographs") == {"outputMicrographs": N_MICROGRAPHS}
    assert sizes(rows, "CTFs") == {"outputCTF": N_MICROGRAPHS}
    judged = sizes(rows, "consensus")
    assert judged["outputMicrographs"] + judged["outputMicrographsRejected"] == N_MICROGRAPHS
    assert sizes(rows, "2D classes")["outputClasses"] >= 2
    assert len(run_folders("session")) == len(rows)

    files = tmp_path / "files"
    folders = {"micrographs": files / "micrographs", "ctfs": files / "ctfs"}
    folders.update({f"picks{n}": files / "picks" / f"picker_{n}" for n in (1, 2)})
    words = [f"{name}={folder}" for name, folder in folders.items()]
    words += ["blobs=true", "box=64", "classes=0", "images=false", "look=1", "settled=1", *VALUES]
    at_once = Command("facility-picks", *words, "--project", "session-at-once")
    assert at_once.ended(300) == 0, at_once.story()
    expected, _ = read_summary("session-at-once")
    assert "2D classes" not in expected
    assert found("session") == found("session-at-once")
    assert sizes(rows, "particles") == sizes(expected, "particles")
    assert len(found("session")) > N_MICROGRAPHS * N_PARTICLES / 2


def test_a_session_is_refused_where_its_folder_is_taken(tmp_path):
    answer = session("taken", tmp_path)
    assert answer.returncode == 2
    assert "exists; remove it, or choose another --out" in answer.stderr


@pytest.mark.parametrize(
    ("name", "words", "told"),
    [
        ("a/b", [], "--project must be of letters"),
        ("", [], "--project must be of letters"),
        ("p", ["--values", "picks1.scale=2", "nosuch=3"], "--values nosuch=3: must be name=value"),
        ("p", ["--values", "box"], "--values box: must be name=value"),
        ("p", ["--particles", "0"], "--particles must be a whole number, 1 or more"),
        ("p", ["--classes", "-1"], "--classes must be a whole number, 0 or more"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_drawn(tmp_path, name, words, told):
    answer = session(name, tmp_path / "files", *words)
    assert answer.returncode == 2
    assert told in answer.stderr
    assert len(answer.stderr.splitlines()) == 1
    assert not (tmp_path / "files").exists()


def test_a_session_whose_values_the_pipeline_refuses_leaves_no_files(tmp_path):
    answer = session("refused", tmp_path / "files", "--values", "box=wide", "--micrographs", "2")
    assert answer.returncode == 2
    assert "box" in answer.stderr
    assert "behind at most" not in answer.stdout
    assert not (tmp_path / "files").exists()


class OneTick:
    """Material of a session that is interrupted once the pipeline is at work."""

    def __init__(self, ready, interrupt):
        self.names, self._ready, self._interrupt = ["mic_001"], ready, interrupt

    def bring(self, tick):
        if tick == 0:
            return True
        pause = threading.Event()
        while not self._ready.exists():
            pause.wait(0.05)
        raise self._interrupt


class Terminated(KeyboardInterrupt):
    number = signal.SIGTERM


AT_WORK = """
import pathlib, signal, sys
def end(number, _frame):
    pathlib.Path(sys.argv[2]).write_text(str(number))
    sys.exit(1)
signal.signal(signal.SIGTERM, end)
signal.signal(signal.SIGINT, end)
pathlib.Path(sys.argv[1]).touch()
signal.pause()
"""


@pytest.mark.parametrize(
    ("interrupt", "number", "code"),
    [
        (KeyboardInterrupt(), signal.SIGINT, 130),
        (Terminated(), signal.SIGTERM, 143),
        (OSError("the disk is full"), signal.SIGTERM, None),
    ],
)
def test_whatever_ends_the_session_ends_the_pipeline(tmp_path, interrupt, number, code):
    from repic_plugin.commands.session.command import Session

    ready, ended = tmp_path / "ready", tmp_path / "ended"
    one = Session(OneTick(ready, interrupt), "p", [], tmp_path)
    one._command = [sys.executable, "-c", AT_WORK, str(ready), str(ended)]
    if code is None:
        with pytest.raises(OSError, match="full"):
            one.run(0.0, 0)
    else:
        assert one.run(0.0, 0) == code
    assert ended.read_text() == str(int(number))


def values_of(folder, *words):
    """Values of the template for a session of 120 micrographs, by name."""
    from repic_plugin.cli import build_parser
    from repic_plugin.commands.session.command import _values
    from repic_plugin.commands.session.material import Material

    words = ["simulate-session", "phantom", "--project", "p", *words]
    material = Material(folder, ["mic"] * 120, 64, 5.0)
    return dict(one.split("=", 1) for one in _values(build_parser().parse_args(words), material))


def test_a_slow_session_waits_for_the_next_micrograph_and_its_pick_files(tmp_path):
    slow, fast = values_of(tmp_path, "--speed", "1"), values_of(tmp_path)
    assert int(slow["idle"]) > 60  # s between micrographs
    assert int(slow["wait"]) > 3 * 60  # the second picker is so far behind
    assert int(fast["idle"]) < 30
    assert values_of(tmp_path, "--speed", "1", "--values", "wait=7")["wait"] == "7"


def test_nothing_more_comes_after_the_last_file(tmp_path):
    from repic_plugin.commands.session.material import Material

    material = Material(tmp_path, ["m"], 64, 5.0)
    for folder in (material.micrographs, material.ctfs, *material.picks):
        coming = tmp_path / "coming" / folder.relative_to(tmp_path)
        folder.mkdir(parents=True)
        coming.mkdir(parents=True)
        for name in ("m.mrc", "m.box"):
            (coming / name).touch()
    (tmp_path / "coming" / "micrographs.star").write_text("micrographs/m.mrc 1\n")
    last = material.picks[1] / "m.box"
    ticks = [(material.bring(tick), last.exists()) for tick in range(4)]
    assert ticks == [(True, False), (True, False), (True, False), (False, True)]


def test_micrographs_behind_are_counted_until_they_are_on_record(tmp_path):
    figures = Figures(tmp_path)
    figures.look(3)
    folder = tmp_path / "Runs" / "000005_ProtRepicConsensus" / "extra" / "stream"
    folder.mkdir(parents=True)
    write_arrays(folder / "batch_000000.npz", {"micrograph_ids": np.arange(4)})
    figures.look(5)
    assert figures.most_behind == {"ProtRepicConsensus": 3, "ProtRepicExtract": 5}
    assert figures.peak_bytes == 0  # no process has the folder on its command line
    assert os.getpid() not in {one.pid for one in figures.processes()}


def test_names_of_folders_are_words_of_the_pipeline_whatever_is_in_them(tmp_path):
    from repic_plugin.cli import build_parser
    from repic_plugin.commands.session.command import Session, _values
    from repic_plugin.commands.session.material import Material

    folder = tmp_path / "a; touch pwned $(touch pwned) 'b\" c"
    args = build_parser().parse_args(["simulate-session", "phantom", "--project", "p"])
    material = Material(folder, ["mic_001"], 64, 5.0)
    command = Session(material, "p", _values(args, material), tmp_path)._command
    assert f"micrographs={folder / 'micrographs'}" in command
    assert f"picks2={folder / 'picks' / 'picker_2'}" in command
