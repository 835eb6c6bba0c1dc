"""The program itself, as a process of its own."""

import subprocess
import sys
from pathlib import Path

import pytest

import repic_plugin
from tests.commands.helpers import PREFIX

NO_SCIPION = """
import sys
from repic_plugin.cli import main
made, found, size = sys.argv[1], sys.argv[2], ["--box-size", "60"]
small = ["--micrographs", "1", "--particles", "5", "--micrograph-size", "600", "600", "--draw"]
assert main(["simulate", made, *small, *size]) == 0
assert main(["consensus", made + "/picks", *size, "--out", found]) == 0
assert main(["evaluate", found, made + "/reference", *size]) == 0
print(*sorted({name.split(".")[0] for name in sys.modules}), sep="\\n")
"""


@pytest.fixture(scope="module")
def program():
    """The console script beside the interpreter."""
    path = Path(sys.executable).with_name("repic-plugin")
    if not path.is_file():
        pytest.skip(f"no {path}: the package is not installed")
    return path


def process(*arguments):
    command = [str(argument) for argument in arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_version(program):
    done = process(program, "--version")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"repic-plugin {repic_plugin.__version__}\n"


def test_bad_input(program, tmp_path):
    arguments = ("consensus", tmp_path / "gone", "--box-size", 100, "--out", tmp_path / "out")
    done = process(program, *arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"{PREFIX}{tmp_path}/gone: no such folder; check the name\n"


def test_work_without_a_terminal_leaves_stderr_empty(program, tiny, out):
    done = process(program, "consensus", tiny, "--box-size", 100, "--out", out)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.endswith(f"written to {out}\n")


def test_scipion_is_not_imported(tmp_path):
    done = process(sys.executable, "-c", NO_SCIPION, tmp_path / "made", tmp_path / "found")
    assert done.returncode == 0, done.stderr
    loaded = set(done.stdout.split())
    assert "repic_plugin" in loaded
    assert not loaded & {"pwem", "pyworkflow", "scipion"}


@pytest.mark.parametrize("command", [(), ("consensus",), ("evaluate",), ("simulate",), ("demo",)])
def test_help(run, command):
    outcome = run(*command, "--help")
    assert (outcome.code, outcome.err) == (0, ())
    assert outcome.out[0].startswith(" ".join(("usage: repic-plugin", *command)))


def test_help_names_every_command(run):
    text = "\n".join(run("--help").out)
    assert all(command in text for command in ("consensus", "evaluate", "simulate", "demo"))
