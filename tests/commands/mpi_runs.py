"""Real MPI for the tests of commands: where it is, and how a run is started."""

import os
import shutil
import subprocess
import sys
from functools import lru_cache
from pathlib import Path

import pytest

# Root may start processes, and more than there are processors: in tests only.
PERMISSIONS = {
    "OMPI_ALLOW_RUN_AS_ROOT": "1",
    "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1",
    "OMPI_MCA_rmaps_base_oversubscribe": "1",  # Open MPI 4
    "PRTE_MCA_rmaps_default_mapping_policy": ":oversubscribe",  # Open MPI 5
    "OMP_NUM_THREADS": "1",
}
PATIENCE_S = 240


def mpirun():
    """The one beside this Python, which mpi4py finds first too, or the system's."""
    beside = Path(sys.executable).with_name("mpirun")
    return str(beside) if beside.exists() else shutil.which("mpirun")


def environment():
    return {**os.environ, **PERMISSIONS}


@lru_cache(maxsize=None)
def no_mpi():
    """Why MPI cannot be tested here; None if it can."""
    if mpirun() is None:
        return "there is no mpirun"
    probe = "from mpi4py import MPI; print(MPI.COMM_WORLD.Get_size())"
    found = subprocess.run(
        [mpirun(), "-n", "2", sys.executable, "-c", probe],
        env=environment(),
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
    if found.stdout.split() == ["2", "2"]:
        return None
    last = (found.stderr.strip() or "mpi4py and mpirun are of two MPIs").splitlines()
    return next((line for line in last if "Error" in line), last[-1])


@pytest.fixture
def needs_mpi():
    """Skip a test, with the reason, where there is no MPI."""
    if no_mpi():
        pytest.skip(f"no MPI: {no_mpi()}")


def command(n_ranks, *words):
    """`repic-plugin` on so many ranks."""
    program = [sys.executable, "-m", "repic_plugin.cli", *map(str, words)]
    return [mpirun(), "-n", str(n_ranks), *program]


def run_on_ranks(n_ranks, *words):
    """The finished process, its output as text."""
    return subprocess.run(
        command(n_ranks, *words),
        env=environment(),
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
