from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from repic_plugin.consensus import cliques as cliques_module
from repic_plugin.consensus.cliques import find_cliques
from repic_plugin.consensus.graph import OverlapGraph
from repic_plugin.consensus.records import BatchPicks
from tests import oracle
from tests.consensus.inputs import (
    DataSet,
    cliques_in,
    crowd,
    data_sets,
    member_tuples,
    oracle_of,
    picks_of,
    random_picks,
)
from tests.plain_consensus import find_consensus


def assert_cliques_are_the_oracles(data, tolerance=1e-12):
    found = cliques_in(data)
    _, graph, expected, weights, _ = oracle_of(data, 0)
    by_members = dict(zip(member_tuples(found.members), found.weight.tolist()))
    assert len(by_members) == len(found.members)
    assert by_members == pytest.approx(dict(zip(expected, weights)), rel=tolerance)
    return found, graph


@given(data_sets(max_micrographs=1))
def test_cliques_and_weights_of_small_sets_are_the_oracles(data):
    found, graph = assert_cliques_are_the_oracles(data)
    for clique, overlap, score in zip(member_tuples(found.members), found.overlap, found.score):
        pairs = combinations(clique, 2)
        assert overlap == pytest.approx(np.median([graph.edges[p]["weight"] for p in pairs]))
        assert score == np.median(data.picks.score[list(clique)])


@pytest.mark.parametrize(("k", "quorum"), [(k, q) for k in range(2, 6) for q in range(2, k + 1)])
def test_cliques_of_crowded_micrographs_are_the_oracles(k, quorum):
    assert_cliques_are_the_oracles(DataSet(random_picks(k, k), (50,) * k, 0.3, quorum))


@given(data_sets(max_micrographs=1))
def test_cliques_stand_best_first_and_members_ascend(data):
    found = cliques_in(data)
    assert (np.diff(found.weight) <= 0).all()
    assert found.n_members.tolist() == [len(row) for row in member_tuples(found.members)]


@given(data_sets(max_micrographs=1))
def test_in_mode_all_a_clique_weighs_overlap_times_score(data):
    whole = data._replace(quorum=data.picks.n_pickers)
    found = cliques_in(whole)
    np.testing.assert_array_equal(found.weight, found.overlap * found.score)
    result = whole.consensus(mode="all")
    np.testing.assert_array_equal(result.weight, result.overlap * result.score)


@given(data_sets(max_micrographs=1))
def test_representative_has_the_highest_total_overlap(data):
    found, graph = assert_cliques_are_the_oracles(data)
    for clique, representative in zip(member_tuples(found.members), found.representative):
        total = {u: sum(graph.edges[u, v]["weight"] for v in clique if v != u) for u in clique}
        best = [u for u in clique if total[u] >= max(total.values()) - 1e-12]
        picks = data.picks
        expected = min(best, key=lambda u: (-picks.score[u], picks.x[u], picks.y[u]))
        assert representative == expected


def complete_graph(overlaps, scores):
    """One pick for each picker, all joined, with any overlaps and scores."""
    k = len(scores)
    neighbours = np.array([j for i in range(k) for j in range(i + 1, k)])
    starts = np.append(0, np.cumsum(np.arange(k - 1, -1, -1)))
    place = np.arange(k)
    picks = BatchPicks(
        np.array([0, k]), place, np.zeros(k, np.int64), place, place * 1.0, place * 1.0,
        np.array(scores),
    )  # fmt: skip
    return OverlapGraph(starts, neighbours, np.array(overlaps[: len(neighbours)])), picks


share = st.floats(0.001, 1.0)


@given(
    st.lists(share, min_size=2, max_size=6), st.lists(share, min_size=15, max_size=15), st.data()
)
def test_a_clique_weighs_more_than_its_parts_together(scores, overlaps, data):
    k = len(scores)
    quorum = data.draw(st.integers(2, k))
    graph, picks = complete_graph(overlaps, scores)
    found = find_cliques(graph, picks, k, quorum)
    weight = dict(zip(member_tuples(found.members), found.weight.tolist()))
    whole = tuple(range(k))
    parts = [clique for clique in weight if clique != whole]
    assert weight[whole] > max((weight[part] for part in parts), default=0)
    for a, b in combinations(parts, 2):
        if not set(a) & set(b):
            rest = tuple(v for v in whole if v not in a + b)
            assert weight[whole] > weight[a] + weight[b] + weight.get(rest, 0)


@given(data_sets(max_micrographs=1))
def test_parts_are_never_selected_in_place_of_a_whole_clique(data):
    selected = [set(clique) for clique in member_tuples(data.consensus().members)]
    for clique in member_tuples(cliques_in(data).members):
        met = [other for other in selected if other & set(clique)]
        assert met
        assert not all(other < set(clique) for other in met)


def test_every_choice_of_a_crowd_is_a_clique():
    result = find_consensus(crowd([3, 4, 5]), 100)
    assert result.micrographs.n_cliques.tolist() == [60]
    everything = find_consensus(crowd([3, 4, 5]), 100, mode="quorum", quorum=2)
    assert everything.micrographs.n_cliques.tolist() == [60 + 12 + 15 + 20]


@pytest.mark.parametrize("most", [1, 10, 59])
def test_too_many_cliques_are_refused(monkeypatch, most):
    monkeypatch.setattr(cliques_module, "MAX_CLIQUES", most)
    with pytest.raises(ValueError, match=rf"more than {most} cliques.*raise min_overlap") as error:
        find_consensus(crowd([3, 4, 5]), 100)
    assert "\n" not in str(error.value)


def test_as_many_cliques_as_allowed_are_fine(monkeypatch):
    monkeypatch.setattr(cliques_module, "MAX_CLIQUES", 60)
    assert find_consensus(crowd([3, 4, 5]), 100).micrographs.n_cliques.tolist() == [60]


def test_the_bound_on_cliques_does_not_depend_on_batches(monkeypatch):
    monkeypatch.setattr(cliques_module, "MAX_CLIQUES", 1)
    picks = picks_of([(m, p, 5, 5, 0.5) for m in range(3) for p in range(2)])
    assert len(find_consensus(picks, 10, micrographs=[1])) == 1
    assert len(find_consensus(picks, 10)) == 3


def test_oracle_finds_the_cliques_inside_cliques():
    graph = oracle.build_graph(np.zeros((3, 2)), [0, 1, 2], [5, 5, 5])
    assert oracle.cliques_of(graph, 2) == [(0, 1), (0, 1, 2), (0, 2), (1, 2)]
