import os
import sys
import threading
from itertools import combinations
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from repic_plugin.consensus import SolverError, batch, packing, solvers
from repic_plugin.consensus.solvers import choose_solver, get_solver
from tests import oracle
from tests.consensus.inputs import (
    DataSet,
    assert_is_consensus,
    crowd,
    make_cliques,
    member_tuples,
    oracle_of,
    picks_of,
    random_picks,
)
from tests.plain_consensus import find_consensus

SOLVERS = ("brute force", "highs", "gurobi")


@pytest.fixture
def no_licence(monkeypatch, tmp_path):
    """No licence of the user's own anywhere that Gurobi looks."""
    for name in [name for name in os.environ if name.startswith("GRB_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    if list(Path("/opt").glob("gurobi*/gurobi.lic")):
        pytest.skip("a Gurobi licence in /opt cannot be hidden")


@pytest.fixture
def gurobi(no_licence):
    """The package with the licence in its wheel; skips where that does not start."""
    gurobipy = pytest.importorskip("gurobipy")
    try:
        choose_solver("gurobi")
    except SolverError as error:
        pytest.skip(f"{error}")
    return gurobipy


def solve_by_brute_force(members, weight, time_limit_s):
    cliques = member_tuples(members)
    n = len(cliques)
    subsets = (s for size in range(n + 1) for s in combinations(range(n), size))
    packings = [s for s in subsets if oracle.is_packing([cliques[i] for i in s])]
    best = max(packings, key=lambda s: sum(weight[i] for i in s))
    return np.isin(np.arange(n), best), True


@pytest.fixture(params=SOLVERS)
def solver(request):
    if request.param == "gurobi":
        request.getfixturevalue("gurobi")
    return solve_by_brute_force if request.param == "brute force" else get_solver(request.param)


def random_packing(seed, n_vertices=9, n_cliques=12):
    rng = np.random.default_rng(seed)
    members = {
        tuple(sorted(rng.choice(n_vertices, size, replace=False).tolist()))
        for size in rng.integers(2, 5, n_cliques)
    }
    return make_cliques(sorted(members), rng.uniform(0.1, 2, len(members)))


@pytest.mark.parametrize("seed", range(8))
def test_solvers_find_the_best_packing(solver, seed):
    cliques = random_packing(seed)
    is_selected, is_optimal = solver(cliques.members, cliques.weight, None)
    members = member_tuples(cliques.members)
    assert is_optimal
    assert is_selected.dtype == bool
    assert oracle.is_packing([m for m, s in zip(members, is_selected) if s])
    best = oracle.best_weight(members, cliques.weight.tolist())
    assert cliques.weight[is_selected].sum() == pytest.approx(best, abs=1e-6)


@pytest.mark.parametrize("seed", range(3))
def test_solvers_serve_pack_alike(solver, seed, monkeypatch):
    monkeypatch.setattr(packing, "SMALL_COMPONENT", 0)
    cliques = random_packing(seed)
    answer = packing.pack(cliques, 9, 1, solver, time_limit_s=60.0)
    best = oracle.best_weight(member_tuples(cliques.members), cliques.weight.tolist())
    assert cliques.weight[answer.is_selected].sum() == pytest.approx(best, abs=1e-6)
    assert answer.is_optimal.all()


def test_gurobi_finds_the_consensus_that_highs_finds(gurobi):
    data = DataSet(random_picks(5, 4), (90,) * 4, 0.2, 2)
    by_gurobi, by_highs = data.consensus(solver="gurobi"), data.consensus(solver="highs")
    assert by_gurobi.solver == "gurobi"
    assert by_gurobi.micrographs.objective == pytest.approx(by_highs.micrographs.objective)
    assert_is_consensus(by_gurobi, data)


def refusal(action):
    """The one line that a solver refuses with, and that it names the way out."""
    with pytest.raises(SolverError) as error:
        action()
    message = str(error.value)
    assert "\n" not in message
    assert "solver highs" in message
    return message


def test_gurobi_stops_above_the_limit_of_the_licence_in_its_wheel(gurobi):
    cliques = make_cliques([(0, i) for i in range(1, 2002)], np.ones(2001))
    message = refusal(lambda: get_solver("gurobi")(cliques.members, cliques.weight, None))
    assert "2,001 variables" in message


def test_a_component_above_the_limit_is_refused_with_advice(gurobi):
    refusal(lambda: find_consensus(crowd([13, 13, 13]), 200, solver="gurobi"))


def test_gurobi_works_up_to_the_limit_of_the_licence_in_its_wheel(gurobi):
    cliques = make_cliques(list(combinations(range(64), 2))[:2000], np.ones(2000))
    is_selected, is_optimal = get_solver("gurobi")(cliques.members, cliques.weight, None)
    assert is_selected.sum() == 32
    assert is_optimal


def test_gurobi_not_installed(monkeypatch):
    monkeypatch.setitem(sys.modules, "gurobipy", None)
    message = refusal(lambda: find_consensus(crowd([1, 1]), 100, solver="gurobi"))
    assert "not installed" in message


class GurobiRefuses(Exception):
    pass


class EnvironmentWithoutLicence:
    def __init__(self, empty=False):
        pass

    def setParam(self, name, value):
        pass

    def start(self):
        raise GurobiRefuses("License expired 2020-01-01\n")

    def dispose(self):
        pass


def test_gurobi_without_a_valid_licence(monkeypatch):
    fake = SimpleNamespace(Env=EnvironmentWithoutLicence, GurobiError=GurobiRefuses)
    monkeypatch.setitem(sys.modules, "gurobipy", fake)
    message = refusal(lambda: find_consensus(crowd([1, 1]), 100, solver="gurobi"))
    assert "License expired 2020-01-01" in message


def test_gurobi_with_a_licence_file_that_is_not_there(monkeypatch, tmp_path):
    pytest.importorskip("gurobipy")
    monkeypatch.setenv("GRB_LICENSE_FILE", str(tmp_path / "absent.lic"))
    refusal(lambda: choose_solver("gurobi"))


def test_auto_is_highs_without_a_licence_of_the_users_own(no_licence):
    assert choose_solver("auto") == "highs"
    assert find_consensus(crowd([1, 1]), 100).solver == "highs"


def test_auto_is_highs_where_gurobi_is_not_installed(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "gurobipy", None)
    monkeypatch.setenv("GRB_LICENSE_FILE", str(tmp_path))
    assert choose_solver("auto") == "highs"


def test_auto_is_highs_for_a_copy_of_the_licence_in_the_wheel(no_licence, monkeypatch, tmp_path):
    gurobipy = pytest.importorskip("gurobipy")
    licences = list(Path(gurobipy.__file__).parent.rglob("gurobi.lic"))
    if not licences:
        pytest.skip("this gurobipy brings no licence file")
    copy = tmp_path / "gurobi.lic"
    copy.write_bytes(licences[0].read_bytes())
    monkeypatch.setenv("GRB_LICENSE_FILE", str(copy))
    assert choose_solver("auto") == "highs"


def test_auto_is_gurobi_with_an_unlimited_licence(monkeypatch, tmp_path):
    class Model:
        def __init__(self, env):
            pass

        def __enter__(self):
            return self

        def __exit__(self, *error):
            pass

        def addVars(self, n):
            self.n = n

        def optimize(self):
            assert self.n > 2000

    class Environment(EnvironmentWithoutLicence):
        def start(self):
            pass

        __enter__, __exit__ = Model.__enter__, Model.__exit__

    fake = SimpleNamespace(Env=Environment, Model=Model, GurobiError=GurobiRefuses)
    monkeypatch.setitem(sys.modules, "gurobipy", fake)
    monkeypatch.setenv("GRB_LICENSE_FILE", str(tmp_path))
    assert choose_solver("auto") == "gurobi"


# A time limit: solvers that stop early in every way there is


@pytest.fixture
def stop_early(monkeypatch):
    """Send every component to a stand-in for a solver that ran out of time."""

    def install(stand_in):
        monkeypatch.setattr(packing, "SMALL_COMPONENT", 0)
        monkeypatch.setattr(batch, "get_solver", lambda name: stand_in)

    return install


def nothing(members, weight, time_limit_s):
    return np.zeros(len(weight), dtype=bool), False


def only_the_worst(members, weight, time_limit_s):
    return np.arange(len(weight)) == len(weight) - 1, False


def the_best_unproven(members, weight, time_limit_s):
    return get_solver("highs")(members, weight, None)[0], False


CHAIN = picks_of([(0, i % 2, 6.0 * i, 0, (0.8, 0.9)[i in (1, 2)]) for i in range(4)])


@pytest.mark.parametrize("stand_in", [nothing, only_the_worst])
def test_out_of_time_without_an_answer_is_greedy(stop_early, stand_in):
    stop_early(stand_in)
    data = DataSet(CHAIN, (20, 20), 0.3, 2)
    with pytest.warns(UserWarning, match="time limit ended the search on 1 micrograph: the"):
        result = data.consensus(time_limit_s=5.0)
    _, _, cliques, weights, best = oracle_of(data, 0)
    greedy = oracle.greedy_weight(cliques, weights)
    assert result.micrographs.objective[0] == pytest.approx(greedy)
    assert greedy < best
    assert not result.is_optimal
    assert result.micrographs.is_optimal.tolist() == [False]
    assert_is_consensus(result, data)


def test_out_of_time_with_a_better_answer_keeps_it(stop_early):
    stop_early(the_best_unproven)
    data = DataSet(CHAIN, (20, 20), 0.3, 2)
    with pytest.warns(UserWarning, match="not proven optimal"):
        result = data.consensus(time_limit_s=5.0)
    assert result.micrographs.objective[0] == pytest.approx(oracle_of(data, 0)[-1])
    assert not result.is_optimal


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("stand_in", [nothing, only_the_worst, the_best_unproven])
def test_out_of_time_is_still_a_consensus_and_no_worse_than_greedy(stop_early, stand_in, seed):
    stop_early(stand_in)
    data = DataSet(random_picks(seed, 3), (70,) * 3, 0.3, 2)
    with pytest.warns(UserWarning):
        result = data.consensus(time_limit_s=5.0)
    assert_is_consensus(result, data)
    _, _, cliques, weights, _ = oracle_of(data, 0)
    assert result.micrographs.objective[0] >= oracle.greedy_weight(cliques, weights) - 1e-9


def test_only_the_micrograph_that_ran_out_of_time_is_unproven(stop_early):
    stop_early(nothing)
    far = picks_of([(0, 0, 5, 5, 1), (0, 1, 5, 5, 1), (2, 0, 5, 5, 1), (2, 1, 5, 5, 1)])
    rows = list(zip(far.micrograph, far.picker, far.x, far.y, far.score))
    rows += [(1, p, x, y, s) for p, x, y, s in zip(CHAIN.picker, CHAIN.x, CHAIN.y, CHAIN.score)]
    with pytest.warns(UserWarning, match="on 1 micrograph: the"):
        result = find_consensus(picks_of(rows), 20)
    assert result.micrographs.is_optimal.tolist() == [True, False, True]


def test_components_of_a_micrograph_share_its_time(stop_early, monkeypatch):
    given_s = []

    def slow(members, weight, time_limit_s):
        given_s.append(time_limit_s)
        return get_solver("highs")(members, weight, None)

    stop_early(slow)
    ticks = iter(range(1000))
    clock = SimpleNamespace(perf_counter=lambda: 2.0 * next(ticks))  # 2 s for every component
    monkeypatch.setattr(packing, "time", clock)
    rows = [(m, p, x + 1000 * c, y, s) for m in range(2) for c in range(3)
            for p, x, y, s in zip(CHAIN.picker, CHAIN.x, CHAIN.y, CHAIN.score)]  # fmt: skip
    with pytest.warns(UserWarning, match="on 2 micrographs"):
        find_consensus(picks_of(rows), 20, time_limit_s=3.0)
    assert given_s == [3.0, 1.0] * 2  # and nothing is left for the third component


def test_highs_with_hardly_any_time(monkeypatch):
    monkeypatch.setattr(packing, "SMALL_COMPONENT", 0)
    cliques = make_cliques(member_tuples(np.array(list(combinations(range(40), 2)))), np.ones(780))
    answer = packing.pack(cliques, 40, 1, get_solver("highs"), time_limit_s=1e-6)
    selected = [m for m, s in zip(member_tuples(cliques.members), answer.is_selected) if s]
    assert oracle.is_packing(selected)
    assert len(selected) == 20


def test_programs_of_a_thread_share_one_gurobi_environment(gurobi, monkeypatch):
    started = []
    monkeypatch.setattr(solvers, "_of_thread", threading.local())
    start = solvers._gurobi_environment
    monkeypatch.setattr(solvers, "_gurobi_environment", lambda: started.append(1) or start())
    cliques = make_cliques([(0, 1), (1, 2)], [1, 2])
    for _ in range(3):
        get_solver("gurobi")(cliques.members, cliques.weight, None)
    assert len(started) == 1
