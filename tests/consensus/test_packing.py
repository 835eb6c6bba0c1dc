import networkx as nx
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from repic_plugin.consensus import Picks, micrograph_graph, packing
from repic_plugin.consensus.packing import greedy_packing, pack
from repic_plugin.consensus.solvers import get_solver
from tests import oracle
from tests.consensus.inputs import (
    DataSet,
    crowd,
    data_sets,
    make_cliques,
    member_tuples,
    oracle_of,
    picks_of,
    random_picks,
)
from tests.plain_consensus import find_consensus


def no_solver(*arguments):
    raise AssertionError("the search alone should have done this")


class CountingSolver:
    """HiGHS, and how many cliques it was given at a time."""

    def __init__(self):
        self.n_cliques = []

    def __call__(self, members, weight, time_limit_s):
        self.n_cliques.append(len(weight))
        return get_solver("highs")(members, weight, time_limit_s)


@st.composite
def packings(draw, max_cliques=12):
    """Few vertices, so that most cliques stand in each other's way."""
    vertices = st.sets(st.integers(0, 9), min_size=2, max_size=4)
    members = draw(st.lists(vertices, max_size=max_cliques, unique_by=frozenset))
    eighths = st.integers(0, 16).map(lambda n: n / 8)
    weight = draw(st.lists(eighths, min_size=len(members), max_size=len(members)))
    return [tuple(sorted(m)) for m in members], weight


def chosen(cliques, is_selected):
    return [m for m, s in zip(member_tuples(cliques.members), is_selected.tolist()) if s]


def assert_is_best(cliques, answer, expected, tolerance=1e-9):
    assert oracle.is_packing(chosen(cliques, answer.is_selected))
    assert answer.is_optimal.all()
    assert cliques.weight[answer.is_selected].sum() == pytest.approx(expected, abs=tolerance)


@given(packings())
def test_search_equals_brute_force(problem):
    cliques = make_cliques(*problem)
    answer = pack(cliques, 10, 1, no_solver)
    assert_is_best(cliques, answer, oracle.best_weight(*problem))


@given(packings())
def test_selection_leaves_no_clique_that_could_be_added(problem):
    cliques = make_cliques(*problem)
    selected = chosen(cliques, pack(cliques, 10, 1, no_solver).is_selected)
    held = {v for clique in selected for v in clique}
    assert all(held & set(clique) for clique in problem[0])


@pytest.mark.parametrize(("name", "value"), [("SMALL_COMPONENT", 0), ("SMALL_COMPONENT", 1),
                                             ("SEARCH_NODES", 0), ("SEARCH_NODES", 1)])  # fmt: skip
@given(problem=packings())
def test_program_path_equals_brute_force(name, value, problem):
    cliques = make_cliques(*problem)
    solver = CountingSolver()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(packing, name, value)
        answer = pack(cliques, 10, 1, solver)
    assert_is_best(cliques, answer, oracle.best_weight(*problem), tolerance=1e-6)
    if value == 0 and len(problem[0]) > 1 and nx.is_connected(conflict_graph(problem[0])):
        assert solver.n_cliques == [len(problem[0])]


def conflict_graph(members):
    graph = nx.Graph()
    graph.add_nodes_from(range(len(members)))
    graph.add_edges_from(
        (i, j) for i in range(len(members)) for j in range(i) if set(members[i]) & set(members[j])
    )
    return graph


@pytest.mark.parametrize(("name", "value"), [("SMALL_COMPONENT", 0), ("SEARCH_NODES", 0)])
def test_every_component_goes_to_the_program_by_itself(monkeypatch, name, value):
    monkeypatch.setattr(packing, name, value)
    members = [(0, 1), (1, 2), (2, 3), (4, 5), (5, 6), (7, 8)]
    cliques, solver = make_cliques(members, [2, 3, 2, 1, 1.5, 0.5]), CountingSolver()
    answer = pack(cliques, 9, 1, solver)
    assert sorted(solver.n_cliques) == [2, 3]
    assert chosen(cliques, answer.is_selected) == [(0, 1), (2, 3), (5, 6), (7, 8)]


def test_two_lesser_cliques_beat_the_best_one():
    cliques = make_cliques([(0, 1), (1, 2), (2, 3)], [2, 3, 2])
    answer = pack(cliques, 4, 1, no_solver)
    assert chosen(cliques, answer.is_selected) == [(0, 1), (2, 3)]


def test_greedy_takes_the_best_one():
    cliques = make_cliques([(0, 1), (1, 2), (2, 3)], [2, 3, 2])
    assert chosen(cliques, greedy_packing(cliques.members, 4)) == [(1, 2)]


@given(packings())
def test_greedy_is_the_oracles(problem):
    cliques = make_cliques(*problem)
    is_selected = greedy_packing(cliques.members, 10)
    assert oracle.is_packing(chosen(cliques, is_selected))
    assert cliques.weight[is_selected].sum() == oracle.greedy_weight(
        member_tuples(cliques.members), cliques.weight.tolist()
    )


def test_nothing_to_pack():
    answer = pack(make_cliques([], []), 5, 3, no_solver)
    assert answer.is_selected.shape == (0,)
    assert answer.is_optimal.tolist() == [True] * 3


@pytest.mark.parametrize("n", [61, 62, 63, 64, 65, 200])
def test_a_path_of_cliques_at_and_above_the_width_of_an_integer(n):
    weight = np.random.default_rng(n).integers(1, 100, n) / 4
    cliques, solver = make_cliques([(i, i + 1) for i in range(n)], weight), CountingSolver()
    with_last, without_last = 0.0, 0.0  # best of the path so far
    for w in weight:
        with_last, without_last = without_last + w, max(with_last, without_last)
    assert_is_best(cliques, pack(cliques, n + 1, 1, solver), max(with_last, without_last))
    assert solver.n_cliques in ([], [n])
    assert n <= packing.SMALL_COMPONENT or solver.n_cliques == [n]


@pytest.mark.parametrize("counts", [[5, 5, 5], [4, 4, 4, 2], [9, 8]])
def test_a_component_of_more_cliques_than_the_search_takes(counts):
    data = DataSet(crowd(counts), (100,) * len(counts), 0.3, len(counts))
    result = data.consensus()
    assert result.micrographs.n_cliques[0] == np.prod(counts) > packing.SMALL_COMPONENT
    assert result.micrographs.objective[0] == pytest.approx(oracle_of(data, 0)[-1], abs=1e-6)
    assert result.is_optimal


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("size", [30, 70])
def test_two_pickers_are_a_maximum_matching(seed, size):
    picks = random_picks(seed, 2)
    graph = micrograph_graph(picks, 0, size)
    for u, v, pair in graph.edges(data=True):
        pair["weight"] *= (picks.score[u] + picks.score[v]) / 2
    matching = nx.max_weight_matching(graph)
    expected = sum(graph.edges[pair]["weight"] for pair in matching)
    result = find_consensus(picks, size)
    assert result.micrographs.objective[0] == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("k", [2, 3, 4, 5])
@pytest.mark.parametrize("mode", ["all", "quorum"])
def test_objective_of_crowded_micrographs_is_the_oracles(k, mode):
    quorum = k if mode == "all" else 2
    data = DataSet(random_picks(k, k, n_micrographs=2), (50,) * k, 0.3, quorum)
    result = data.consensus(mode=mode)
    expected = [oracle_of(data, m)[-1] for m in range(2)]
    assert result.micrographs.objective == pytest.approx(expected, abs=1e-6)
    assert result.is_optimal


@given(data_sets())
def test_objective_of_small_sets_is_the_oracles(data):
    objective = data.consensus().micrographs.objective
    for m in range(data.picks.n_micrographs):
        _, _, cliques, weights, expected = oracle_of(data, m)
        if len(cliques) <= 12:
            expected = oracle.best_weight(cliques, weights)
        assert objective[m] == pytest.approx(expected, abs=1e-6)


@given(data_sets())
def test_program_path_equals_the_search(data):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(packing, "SMALL_COMPONENT", 0)
        by_program = data.consensus()
    by_search = data.consensus()
    assert by_program.micrographs.objective == pytest.approx(
        by_search.micrographs.objective, abs=1e-6
    )


@pytest.mark.parametrize("small_component", [0, 62])
@pytest.mark.parametrize("factor", [2.0**-20, 2.0**-30, 2.0**-40])
def test_selection_does_not_depend_on_the_scale_of_the_scores(monkeypatch, small_component, factor):
    monkeypatch.setattr(packing, "SMALL_COMPONENT", small_component)
    picks = random_picks(11, 3)
    rows = list(zip(picks.picker.tolist(), picks.x, picks.y, picks.score))
    faint = picks_of([(0, p, x, y, score * factor) for p, x, y, score in rows])
    objective = find_consensus(picks, 70).micrographs.objective[0]
    faint_objective = find_consensus(faint, 70).micrographs.objective[0]
    assert faint_objective / factor == pytest.approx(objective, rel=1e-6)


def test_oracles_agree():
    cliques, weights = [(0, 1), (1, 2), (2, 3), (0, 3)], [1.0, 1.5, 1.0, 0.25]
    best = oracle.best_packing(cliques, weights)
    assert sum(weights[i] for i in best) == oracle.best_weight(cliques, weights) == 2.0


def test_a_program_that_is_too_large_for_its_time_is_not_begun(monkeypatch):
    """HiGHS looks at the clock rarely: 2 s became 118 s on crowded micrographs."""
    rng = np.random.default_rng(0)
    xy = rng.uniform(0, 400, (450, 2))
    picks = Picks.from_columns(np.zeros(450, int), np.repeat(range(3), 150), *xy.T, rng.random(450))
    sizes = []

    def counting(name):
        def solver(members, weight, time_limit_s):
            sizes.append((len(members), time_limit_s))
            return packing.greedy_packing(members, members.max() + 1), False

        return solver

    monkeypatch.setattr("repic_plugin.consensus.batch.get_solver", counting)
    with pytest.warns(UserWarning, match="not proven optimal"):
        limited = find_consensus(picks, 180, time_limit_s=1)
    assert sizes == []
    assert limited.micrographs.n_cliques[0] > 10_000
    members = limited.members[limited.members >= 0]
    assert len(np.unique(members)) == len(members)
    with pytest.warns(UserWarning, match="not proven optimal"):
        find_consensus(picks, 180, time_limit_s=100)
    assert sizes
