import networkx as nx
import numpy as np
import pytest
from hypothesis import assume, given

from repic_plugin.consensus import micrograph_graph
from tests import oracle
from tests.consensus.inputs import (
    DataSet,
    crowd,
    data_sets,
    oracle_of,
    particles,
    picks_of,
    random_picks,
)
from tests.plain_consensus import find_consensus


def edges(graph):
    return {tuple(sorted(pair)): graph.edges[pair]["weight"] for pair in graph.edges}


def assert_graph_is_the_oracles(data, tolerance=0.0):
    for m in range(data.picks.n_micrographs):
        graph = micrograph_graph(data.picks, m, data.sizes, data.min_overlap)
        mine, expected, *_ = oracle_of(data, m)
        expected = nx.relabel_nodes(expected, dict(enumerate(mine.tolist())))
        assert set(graph.nodes) == set(expected.nodes)
        assert edges(graph) == pytest.approx(edges(expected), rel=tolerance, abs=tolerance)


@given(data_sets(max_picks=30))
def test_graph_of_small_sets_is_the_oracles(data):
    assert_graph_is_the_oracles(data)


@pytest.mark.parametrize("sizes", [(50, 50, 50), (40, 50, 60)])
@pytest.mark.parametrize("min_overlap", [0.0, 0.3])
@pytest.mark.parametrize("seed", range(3))
def test_graph_of_crowded_micrographs_is_the_oracles(sizes, min_overlap, seed):
    picks = random_picks(seed, 3, n_particles=120, n_micrographs=2)
    assert_graph_is_the_oracles(DataSet(picks, sizes, min_overlap, 2), tolerance=1e-12)


@pytest.mark.parametrize("stretch", [(1, 1000), (1000, 1), (1e5, 1e5)])
def test_cells_lose_no_pair_in_long_or_empty_micrographs(stretch):
    picks = random_picks(7, 3, n_particles=80)
    rows = [
        (0, p, x + 600 * stretch[0] * (i % 3), y + 600 * stretch[1] * (i % 5 // 2), 1.0)
        for i, (p, x, y) in enumerate(zip(picks.picker, picks.x, picks.y))
    ]
    assert_graph_is_the_oracles(DataSet(picks_of(rows), (90, 90, 90), 0.1, 2), tolerance=1e-12)


def test_consensus_counts_the_edges_of_every_micrograph():
    data = DataSet(random_picks(3, 3, n_micrographs=3), (50, 50, 50), 0.3, 3)
    counts = data.consensus().micrographs.n_edges
    expected = [oracle_of(data, m)[1].number_of_edges() for m in range(3)]
    assert counts.tolist() == expected


def test_boxes_on_different_micrographs_are_not_joined():
    picks = picks_of([(0, 0, 5, 5, 1), (1, 1, 5, 5, 1)])
    assert find_consensus(picks, 10).micrographs.n_edges.tolist() == [0, 0]


def test_boxes_of_one_picker_are_not_joined():
    picks = picks_of([(0, 0, 5, 5, 1), (0, 0, 6, 5, 1), (0, 1, 90, 90, 1)])
    assert micrograph_graph(picks, 0, 10).number_of_edges() == 0


@pytest.mark.parametrize(
    ("shift_px", "size_b_px", "expected"),
    [(0, 10, 1.0), (5, 10, 1 / 3), (10, 10, 0.0), (30, 10, 0.0), (0, 20, 0.25), (5, 20, 0.25)],
)
def test_jaccard_index_by_hand(shift_px, size_b_px, expected):
    along_x = picks_of([(0, 0, 0, 0, 1), (0, 1, shift_px, 0, 1)])
    along_y = picks_of([(0, 0, 0, 0, 1), (0, 1, 0, -shift_px, 1)])
    for picks, sizes_px in ((along_x, (10, size_b_px)), (along_y, (size_b_px, 10))):
        found = micrograph_graph(picks, 0, sizes_px, 0.0).edges(data="weight")
        assert sum(weight for _, _, weight in found) == pytest.approx(expected)


def test_an_overlap_equal_to_the_bound_is_not_enough():
    picks = picks_of([(0, 0, 0, 0, 1), (0, 1, 5, 0, 1)])  # a Jaccard index of a third
    assert micrograph_graph(picks, 0, 10, 1 / 3).number_of_edges() == 0
    assert micrograph_graph(picks, 0, 10, np.nextafter(1 / 3, 0)).number_of_edges() == 1


def test_boxes_that_touch_do_not_overlap():
    picks = picks_of([(0, 0, 0, 0, 1), (0, 1, 10, 0, 1), (0, 2, 10, 10, 1)])
    assert micrograph_graph(picks, 0, 10, 0.0).number_of_edges() == 0


def test_nodes_carry_what_the_picks_say():
    picks = picks_of(
        [(1, 1, 3, 4, 7.5), (0, 0, 1, 2, 0.5), (1, 0, 5, 6, None)], picker_names=["a", "b"]
    )
    graph = micrograph_graph(picks, 1, 10)
    assert dict(graph.nodes(data=True)) == {
        0: {"picker": "b", "x": 3.0, "y": 4.0, "score": 7.5},
        2: {"picker": "a", "x": 5.0, "y": 6.0, "score": None},
    }


def test_graph_of_a_micrograph_without_picks_is_empty():
    picks = picks_of([(1, 0, 1, 1, 1), (1, 1, 1, 1, 1)])
    assert micrograph_graph(picks, 0, 10).number_of_nodes() == 0


def test_picks_very_far_apart_take_no_memory_to_bin():
    far = [(0, p, x + 1e9 * corner, y, 0.5) for corner in (0, 1) for p in (0, 1)
           for x, y in ((p, 0.0), (p, 1e9))]  # fmt: skip
    result = find_consensus(picks_of(far), 10)
    assert result.micrographs.n_edges.tolist() == [4]
    assert len(result) == 4


def largest_components_by_networkx(data):
    """The component with the most picks and the greatest overlap; more than one if they tie."""
    graph = micrograph_graph(data.picks, 0, data.sizes, data.min_overlap)
    components = [sorted(nodes) for nodes in nx.connected_components(graph)]
    extent = [(len(c), round(graph.subgraph(c).size(weight="weight"), 9)) for c in components]
    return [c for c, e in zip(components, extent) if e == max(extent)]


@given(data_sets(max_micrographs=1, max_picks=24))
def test_largest_component_is_networkx_s(data):
    assume(len(data.picks))
    result = data.consensus(largest_component=True)
    alone = [
        data._replace(picks=data.picks.take(component)).consensus()
        for component in largest_components_by_networkx(data)
    ]
    assert particles(result) in [particles(consensus) for consensus in alone]
    assert result.micrographs.n_edges[0] in [c.micrographs.n_edges[0] for c in alone]


def test_each_micrograph_keeps_its_own_largest_component():
    pair = [(0, 0, 0.5), (1, 0, 0.5)]
    rows = [(0, p, x, y, s) for p, (x, y, s) in enumerate(pair)]
    rows += [(0, p, x + 100, y, s) for p, (x, y, s) in enumerate([*pair, (2, 0, 0.5)])]
    rows += [(1, p, x + 200, y, s) for p, (x, y, s) in enumerate(pair)]
    result = find_consensus(picks_of(rows), 10, mode="quorum", largest_component=True)
    assert [(row[0], row[1]) for row in particles(result)] == [("mic0", 101.0), ("mic1", 200.0)]


@pytest.mark.parametrize("n_micrographs", [0, 2])
def test_largest_component_of_nothing_is_nothing(n_micrographs):
    names = [f"mic{i}" for i in range(n_micrographs)]
    picks = picks_of([], micrograph_names=names, picker_names=["a", "b"])
    assert len(find_consensus(picks, 10, largest_component=True)) == 0


def test_largest_component_of_no_micrographs_is_nothing():
    assert len(find_consensus(crowd([2, 2]), 40, micrographs=[], largest_component=True)) == 0


def test_oracle_knows_a_third():
    assert oracle.overlap((0, 0), (5, 0), 10, 10) == pytest.approx(1 / 3)
