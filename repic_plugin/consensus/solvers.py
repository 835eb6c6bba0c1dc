"""Integer programs behind one function: HiGHS, which comes with scipy, and Gurobi."""

from __future__ import annotations

import glob
import os
import threading
from functools import lru_cache
from typing import Any, Callable, Optional, Tuple

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

SOLVERS = ("auto", "highs", "gurobi")

# limit of the licence inside gurobipy's wheel, which is not for production use
WHEEL_LICENCE_VARIABLES = 2000

_of_thread = threading.local()

Solver = Callable[
    [NDArray[np.int64], NDArray[np.float64], Optional[float]], Tuple[NDArray[np.bool_], bool]
]


class SolverError(ValueError):
    """The requested solver is unknown, unavailable or not licensed."""


def choose_solver(name: str = "auto") -> str:
    """Name of the solver to use.

    Parameters
    ----------
    name : {'auto', 'highs', 'gurobi'}
        ``auto`` is Gurobi if the user has their own licence, HiGHS otherwise.

    Returns
    -------
    {'highs', 'gurobi'}

    Raises
    ------
    SolverError
        If the name is unknown, or Gurobi is requested and is absent or has no valid licence.
    """
    if name not in SOLVERS:
        raise SolverError(f"solver must be auto, highs or gurobi, got {name!r}")
    if name == "gurobi":
        _gurobi_environment().dispose()
    if name == "auto":
        return "gurobi" if _licence_is_visible() and _gurobi_is_unlimited() else "highs"
    return name


def get_solver(name: str) -> Solver:
    """Function that packs cliques by an integer program.

    It maximises ``weight @ x`` over binary x such that for each vertex the x of its cliques sum
    to at most 1 (Cameron et al. 2024, Online Methods).

    Parameters
    ----------
    name : {'highs', 'gurobi'}

    Returns
    -------
    callable
        ``solve(members, weight, time_limit_s) -> (is_selected, is_optimal)``; `members` holds
        vertex indices from 0, its rows padded with -1.
    """
    return {"highs": _solve_with_highs, "gurobi": _solve_with_gurobi}[name]


def _incidence(members: NDArray[np.int64]) -> csr_matrix:
    """Incidence matrix, vertices x cliques: 1 if the clique contains the vertex."""
    clique, place = np.nonzero(members >= 0)
    vertex = members[clique, place]
    ones = np.ones(len(vertex))
    return csr_matrix((ones, (vertex, clique)), shape=(members.max() + 1, len(members)))


def _solve_with_highs(
    members: NDArray[np.int64], weight: NDArray[np.float64], time_limit_s: Optional[float]
) -> Tuple[NDArray[np.bool_], bool]:
    from scipy.optimize import Bounds, LinearConstraint, milp  # noqa: PLC0415 - half a second

    options = {"mip_rel_gap": 0.0}
    if time_limit_s is not None:
        options["time_limit"] = time_limit_s
    answer = milp(
        -weight,
        integrality=np.ones(len(weight)),
        bounds=Bounds(0, 1),
        constraints=LinearConstraint(_incidence(members), -np.inf, 1),
        options=options,
    )
    if answer.x is None:
        return np.zeros(len(weight), dtype=bool), False
    return np.asarray(answer.x > 0.5), answer.status == 0


def _solve_with_gurobi(
    members: NDArray[np.int64], weight: NDArray[np.float64], time_limit_s: Optional[float]
) -> Tuple[NDArray[np.bool_], bool]:
    import gurobipy  # noqa: PLC0415 - optional at run time

    with gurobipy.Model(env=_threads_environment()) as model:
        x = model.addMVar(len(weight), vtype="B")
        model.addConstr(_incidence(members) @ x <= 1)
        model.setObjective(weight @ x, gurobipy.GRB.MAXIMIZE)
        model.Params.MIPGap = 0
        model.Params.Threads = 1
        if time_limit_s is not None:
            model.Params.TimeLimit = time_limit_s
        try:
            model.optimize()
        except gurobipy.GurobiError as error:
            raise SolverError(
                f"Gurobi cannot solve a program of {len(weight):,} variables: {error}; "
                f"choose solver highs"
            ) from error
        if model.SolCount == 0:
            return np.zeros(len(weight), dtype=bool), False
        return np.asarray(x.X > 0.5), model.Status == gurobipy.GRB.OPTIMAL


def _threads_environment() -> Any:
    """Gurobi environment of this thread: one licence token for all programs."""
    if not hasattr(_of_thread, "environment"):
        _of_thread.environment = _gurobi_environment()
    return _of_thread.environment


def _gurobi_environment() -> Any:
    """A started, silent Gurobi environment, or a `SolverError` that names what is missing."""
    try:
        import gurobipy  # noqa: PLC0415 - optional at run time
    except ImportError as error:
        raise SolverError(
            "solver gurobi needs the package gurobipy, which is not installed; choose solver highs"
        ) from error
    environment = gurobipy.Env(empty=True)
    try:
        environment.setParam("OutputFlag", 0)
        environment.start()
    except gurobipy.GurobiError as error:
        environment.dispose()
        raise SolverError(
            f"Gurobi does not start ({str(error).strip()}); install a licence or choose "
            f"solver highs"
        ) from error
    return environment


def _licence_is_visible() -> bool:
    """Whether the user's own licence is where Gurobi looks for one."""
    if any(os.environ.get(name) for name in ("GRB_LICENSE_FILE", "GRB_WLSACCESSID")):
        return True
    return _licence_is_installed()


@lru_cache(maxsize=None)
def _licence_is_installed() -> bool:
    homes = [os.path.expanduser("~"), "/Library/gurobi", *glob.glob("/opt/gurobi*")]
    return any(os.path.isfile(os.path.join(home, "gurobi.lic")) for home in homes)


def _gurobi_is_unlimited() -> bool:
    """Whether Gurobi accepts one variable more than the licence in its wheel allows."""
    try:
        with _gurobi_environment() as environment:
            import gurobipy  # noqa: PLC0415 - the environment could be made, so it is there

            with gurobipy.Model(env=environment) as model:
                model.addVars(WHEEL_LICENCE_VARIABLES + 1)
                try:
                    model.optimize()
                except gurobipy.GurobiError:
                    return False
    except SolverError:
        return False
    return True
