"""`mpirun -n N repic-plugin classify`: the files are those of one process, and nothing hangs."""

import os
import shutil
import signal
import subprocess
import sys

import numpy as np
import psutil
import pytest

from repic_plugin.classification import ALONE
from repic_plugin.commands.mpi import the_ranks
from repic_plugin.commands.simulate_particles import write_particles
from repic_plugin.simulation import phantom_map, simulate_particles
from tests.commands.helpers import PREFIX, tree
from tests.commands.mpi_runs import (  # noqa: F401  the fixture
    PATIENCE_S,
    command,
    environment,
    needs_mpi,
    run_on_ranks,
)
from tests.commands.small_particles import with_images

USUAL = ("--classes", 6, "--tolerance", 0, "--max-iterations", 14, "--threads", 1)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """520 particles: five blocks for up to four ranks, the last not full."""
    folder = tmp_path_factory.mktemp("made")
    made = simulate_particles(
        phantom_map(32), 5, 104, pixel_size_angstrom=5.0, snr=0.5, max_shift_px=2, random_state=0
    )
    write_particles(folder, made)
    return folder / "particles.star"


@pytest.fixture(scope="module")
def whole(made, tmp_path_factory):
    """The files and iterations of one process."""
    out = tmp_path_factory.mktemp("whole") / "out"
    words = [sys.executable, "-m", "repic_plugin.cli", "classify", made, "--out", out, *USUAL]
    found = subprocess.run(
        list(map(str, words)),
        env=environment(),  # pictures depend on the number of threads of the matrix library
        capture_output=True,
        text=True,
        check=True,
        timeout=PATIENCE_S,
    )
    return tree(out), iterations(found.stderr)


def iterations(text):
    return [line for line in text.splitlines() if line.startswith("iteration")]


def errors(text):
    return [line for line in text.splitlines() if line.startswith(PREFIX)]


@pytest.mark.slow
@pytest.mark.usefixtures("needs_mpi")
@pytest.mark.parametrize("n_ranks", [2, 4])
def test_the_files_are_those_of_one_process(made, whole, out, n_ranks):
    found = run_on_ranks(n_ranks, "classify", made, "--out", out, *USUAL)
    assert found.returncode == 0, found.stderr
    assert tree(out) == whole[0]
    assert iterations(found.stderr) == whole[1]
    assert found.stdout.count("written to") == 1


@pytest.mark.slow
@pytest.mark.usefixtures("needs_mpi")
def test_a_rank_that_is_killed_ends_all_and_another_number_goes_on(made, whole, out, tmp_path):
    file = tmp_path / "state.npz"
    words = ("classify", made, "--out", out, *USUAL, "--checkpoint", file)
    with subprocess.Popen(
        command(2, *words), env=environment(), stderr=subprocess.PIPE, text=True
    ) as process:
        for line in process.stderr:
            if line.startswith("iteration 3 "):
                kill_last_rank(process.pid)
                break
        seen = process.stderr.read()
        assert process.wait(PATIENCE_S) != 0
    assert not out.exists()
    assert file.exists()
    found = run_on_ranks(4, *words)
    assert found.returncode == 0, found.stderr
    assert tree(out) == whole[0]
    done = whole[1].index(iterations(found.stderr)[0])
    assert done >= 3, seen
    assert iterations(found.stderr) == whole[1][done:]
    assert not file.exists()


def kill_last_rank(pid):
    ranks = [
        child
        for child in psutil.Process(pid).children(recursive=True)
        if "repic_plugin.cli" in child.cmdline() and "mpirun" not in child.cmdline()[0]
    ]
    os.kill(max(child.pid for child in ranks), signal.SIGKILL)


@pytest.mark.slow
@pytest.mark.usefixtures("needs_mpi")
def test_an_image_of_the_last_rank_that_is_no_good(made, out, tmp_path):
    shutil.copytree(made.parent, tmp_path / "sim")

    def spoil(images):
        images[500] = np.nan

    with_images(tmp_path / "sim", spoil)
    star = tmp_path / "sim" / "particles.star"
    found = run_on_ranks(3, "classify", star, "--out", out, *USUAL)
    assert found.returncode == 2
    assert len(errors(found.stderr)) == 1
    assert "particle 501, " in errors(found.stderr)[0]
    assert "not finite" in errors(found.stderr)[0]
    assert not out.exists()


@pytest.mark.thorough
@pytest.mark.usefixtures("needs_mpi")
def test_bad_words_are_told_once(made, out):
    for words in (("--classes", 6000), ("--method", "eqk")):
        found = run_on_ranks(2, "classify", made, "--out", out, *USUAL, *words)
        assert found.returncode == 2
        told = errors(found.stderr)
        assert len(set(told)) == 1
        assert words[0] in told[0]


# who was started with others


def test_one_process_has_no_mpi(monkeypatch):
    monkeypatch.setitem(sys.modules, "mpi4py", None)
    for variables in (
        {},
        {"OMPI_COMM_WORLD_SIZE": "1", "OMPI_COMM_WORLD_RANK": "0"},
        {"PMI_SIZE": "1"},
        {"SLURM_STEP_NUM_TASKS": "8", "SLURM_PROCID": "3"},  # of a job that is no MPI program
        {"SLURM_STEP_NUM_TASKS": "1", "SLURM_PROCID": "0", "PMIX_RANK": "0"},
    ):
        assert the_ranks(variables) is ALONE


STARTERS = [
    {"OMPI_COMM_WORLD_SIZE": "2", "OMPI_COMM_WORLD_RANK": "{}"},
    {"PMI_SIZE": "2", "PMI_RANK": "{}"},
    {"SLURM_STEP_NUM_TASKS": "2", "SLURM_PROCID": "{}", "PMIX_RANK": "{}"},
]


@pytest.mark.parametrize("variables", STARTERS, ids=lambda v: next(iter(v)))
def test_without_mpi4py_the_first_of_several_says_so(monkeypatch, variables):
    monkeypatch.setitem(sys.modules, "mpi4py", None)
    with pytest.raises(ValueError, match=r"2 processes .* mpi4py .* pip install .*\[mpi\]"):
        the_ranks({name: value.format(0) for name, value in variables.items()})
    with pytest.raises(SystemExit) as end:
        the_ranks({name: value.format(1) for name, value in variables.items()})
    assert end.value.code == 0


def test_two_mpis_that_do_not_know_each_other_are_told(monkeypatch):
    class Alone:
        class COMM_WORLD:
            @staticmethod
            def Get_size():
                return 1

    module = type(sys)("mpi4py")
    module.MPI = Alone
    monkeypatch.setitem(sys.modules, "mpi4py", module)
    with pytest.raises(ValueError, match="mpi4py sees 1: it uses another MPI library than mpirun"):
        the_ranks({"PMI_SIZE": "2", "PMI_RANK": "0"})
