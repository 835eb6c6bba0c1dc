"""MPI processes that mpirun or srun has started."""

from __future__ import annotations

import os
import sys
import traceback
import warnings
from contextlib import contextmanager
from typing import TYPE_CHECKING, Iterator, Mapping, Optional, Tuple

if TYPE_CHECKING:
    from repic_plugin.classification import Ranks

# Environment variables with the number of processes and the rank of this one: Open MPI; MPICH,
# Intel MPI and srun --mpi=pmi2.
SIZE_AND_RANK = (("OMPI_COMM_WORLD_SIZE", "OMPI_COMM_WORLD_RANK"), ("PMI_SIZE", "PMI_RANK"))
# srun --mpi=pmix: the first is set with PMIx only, the others by every srun.
PMIX, SLURM_STEP = "PMIX_RANK", ("SLURM_STEP_NUM_TASKS", "SLURM_PROCID")
INSTALL = "install it into this Python: pip install 'scipion-em-repic-plugin[mpi]'"


def the_ranks(environment: Optional[Mapping[str, str]] = None) -> Ranks:
    """The MPI processes started together; `ALONE` if there is only this one, without loading MPI.

    If MPI cannot be used, the first rank raises a ValueError and the others exit silently.
    """
    from repic_plugin.classification import ALONE  # noqa: PLC0415 - for classify alone

    size, rank = _started(os.environ if environment is None else environment)
    if size < 2:
        return ALONE
    try:
        return _mpi_ranks(size)
    except ValueError:
        if rank > 0:  # with 0: mpirun stops all as soon as one fails, and the first has to report
            raise SystemExit(0) from None
        raise


def n_started() -> int:
    """How many processes were started together with this one, itself included."""
    return max(1, _started(os.environ)[0])


def _started(environment: Mapping[str, str]) -> Tuple[int, int]:
    """Number of processes started together, and the rank of this one."""
    pairs = [*SIZE_AND_RANK, *([SLURM_STEP] if PMIX in environment else [])]
    for size, rank in pairs:
        if environment.get(size, "").isdigit():
            number = environment.get(rank, "")
            return int(environment[size]), int(number) if number.isdigit() else 0
    return 1, 0


def _mpi_ranks(size: int) -> Ranks:
    from repic_plugin.classification import MpiRanks  # noqa: PLC0415 - for classify alone

    started = f"{size} processes were started together (MPI), but"
    try:
        from mpi4py import MPI  # noqa: PLC0415  one process does not need MPI
    except ImportError as error:
        reason = " ".join(str(error).split())
        raise ValueError(f"{started} mpi4py cannot be used ({reason}); {INSTALL}") from error
    except RuntimeError as error:  # there is no libmpi
        reason = " ".join(str(error).split())
        raise ValueError(
            f"{started} mpi4py found no MPI library ({reason}); load the module of the MPI whose "
            "mpirun was used"
        ) from error
    found = MPI.COMM_WORLD.Get_size()
    if found != size:
        raise ValueError(
            f"{started} mpi4py sees {found}: it uses another MPI library than mpirun; "
            "load the module of one of them, or pip install --force-reinstall mpi4py"
        )
    return MpiRanks(MPI.COMM_WORLD, MPI.SUM, MPI.MAX)


def warn_if_bound(ranks: Ranks, n_threads: int) -> None:
    """Warn if mpirun has bound the process to fewer processors than there are threads."""
    n_processors = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else n_threads
    if ranks.size > 1 and ranks.is_first and n_processors < n_threads:
        warnings.warn(
            f"{n_threads} threads on {n_processors} processor(s) per MPI process; give it more "
            "(Open MPI: mpirun --bind-to none; SLURM: --cpus-per-task) or use fewer --threads",
            stacklevel=2,
        )


@contextmanager
def ending_together(ranks: Ranks) -> Iterator[None]:
    """End all ranks when one ends, with one error message."""
    try:
        yield
    except BaseException as error:
        if ranks.size == 1:
            raise
        if ranks.has_agreed:  # all are here
            if ranks.is_first:
                raise
            raise SystemExit(2) from None
        ranks.abort(_said(error))


def _said(error: BaseException) -> int:
    """Print an error that the other ranks do not know of; return the exit code."""
    if isinstance(error, SystemExit):
        return error.code if isinstance(error.code, int) else 1
    if isinstance(error, (ValueError, OSError)):
        print(f"repic-plugin: error: {' '.join(str(error).split())}", file=sys.stderr, flush=True)
        return 2
    if isinstance(error, KeyboardInterrupt):
        return 130
    traceback.print_exception(type(error), error, error.__traceback__)
    sys.stderr.flush()
    return 1
