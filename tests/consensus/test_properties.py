"""What holds for every data set, whatever the picks."""

from dataclasses import replace
from unittest import mock

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from repic_plugin.consensus import assembly, packing
from tests import oracle
from tests.consensus.inputs import (
    DataSet,
    assert_is_consensus,
    assert_same,
    crowd,
    data_sets,
    oracle_of,
    particles,
    picks_of,
    random_picks,
    rows_of,
)
from tests.plain_consensus import find_consensus


@given(data_sets(), st.sampled_from(["member", "mean"]))
def test_result_is_a_packing_of_cliques(data, position):
    assert_is_consensus(data.consensus(position=position), data)


@pytest.mark.parametrize("k", [2, 3, 4, 5])
def test_result_of_crowded_micrographs_is_a_packing_of_cliques(k):
    for quorum in range(2, k + 1):
        data = DataSet(random_picks(k, k, n_micrographs=2), (60,) * k, 0.2, quorum)
        assert_is_consensus(data.consensus(), data)


@given(data_sets())
def test_never_worse_than_greedy(data):
    objective = data.consensus().micrographs.objective
    for m in range(data.picks.n_micrographs):
        _, _, cliques, weights, _ = oracle_of(data, m)
        assert objective[m] >= oracle.greedy_weight(cliques, weights) - 1e-9


@pytest.mark.parametrize("factor", [1.0, 1e-6, 1e-9])
def test_never_worse_than_greedy_where_scores_are_faint(factor):
    rows = [(*row[:4], row[4] * factor) for row in rows_of(crowd([5, 5, 5]))]
    data = DataSet(picks_of(rows), (100,) * 3, 0.3, 3)
    _, _, cliques, weights, _ = oracle_of(data, 0)
    greedy = oracle.greedy_weight(cliques, weights)
    assert data.consensus().micrographs.objective[0] >= greedy * (1 - 1e-6)


# Order


def renumbered(picks, column, new):
    """The same picks with pickers or micrographs numbered otherwise: i becomes new[i]."""
    names = getattr(picks, f"{column}_names")
    moved = tuple(names[new.index(i)] for i in range(len(names)))
    index = np.asarray(new, np.int64)[getattr(picks, column)]
    return replace(picks, **{column: index, f"{column}_names": moved})


@given(data_sets(), st.data())
def test_order_of_picks_does_not_matter(data, draw):
    order = draw.draw(st.permutations(range(len(data.picks))))
    shuffled = data._replace(picks=data.picks.take(np.array(order, np.int64)))
    assert particles(shuffled.consensus()) == particles(data.consensus())


@given(data_sets(), st.data())
def test_order_of_pickers_does_not_matter(data, draw):
    new = draw.draw(st.permutations(range(data.picks.n_pickers)))
    sizes = tuple(data.sizes[new.index(i)] for i in range(len(new)))
    turned = data._replace(picks=renumbered(data.picks, "picker", new), sizes=sizes)
    assert particles(turned.consensus()) == particles(data.consensus())


@given(data_sets(max_micrographs=1), st.data())
def test_order_of_picks_does_not_matter_for_the_largest_component(data, draw):
    assume(len(data.picks))
    order = draw.draw(st.permutations(range(len(data.picks))))
    shuffled = data._replace(picks=data.picks.take(np.array(order, np.int64)))
    expected = particles(data.consensus(largest_component=True))
    assert particles(shuffled.consensus(largest_component=True)) == expected


def test_order_of_picks_does_not_matter_for_equally_large_components():
    pair = [(0, 0, 0, 0, 0.5), (0, 1, 2, 0, 0.5)]
    there = [(m, p, x + 50, y, score) for m, p, x, y, score in pair]
    here_first, there_first = (
        find_consensus(picks_of(rows), 10, largest_component=True)
        for rows in (pair + there, there + pair)
    )
    assert len(here_first) == 1
    assert particles(here_first) == particles(there_first)


@given(data_sets(max_micrographs=4), st.data())
def test_order_of_micrographs_does_not_matter(data, draw):
    new = draw.draw(st.permutations(range(data.picks.n_micrographs)))
    turned = data._replace(picks=renumbered(data.picks, "micrograph", new))
    assert particles(turned.consensus()) == particles(data.consensus())


def lattice(seed):
    """Large components with many equal optima."""
    rng = np.random.default_rng(seed)
    places = [(3 * x, 3 * y) for x in range(9) for y in range(9)]
    return [(0, int(rng.integers(3)), x, y, 0.5) for x, y in places]


@pytest.mark.parametrize("quorum", [2, 3])
@pytest.mark.parametrize("small_component", [0, 62])
@pytest.mark.parametrize("seed", range(4))
def test_order_does_not_matter_for_equal_optima(monkeypatch, seed, small_component, quorum):
    monkeypatch.setattr(packing, "SMALL_COMPONENT", small_component)
    rows = lattice(seed)
    data = DataSet(picks_of(rows), (10, 10, 10), 0.3, quorum)
    result = data.consensus()
    assert result.is_optimal
    rng = np.random.default_rng(seed)
    shuffled = data.picks.take(rng.permutation(len(rows)))
    turned = renumbered(data.picks, "picker", [2, 0, 1])
    for picks in (shuffled, turned):
        assert particles(data._replace(picks=picks).consensus()) == particles(result)


# Place and scale


@given(data_sets(), st.integers(-5000, 5000), st.integers(-5000, 5000))
def test_translation_moves_the_particles_and_nothing_else(data, dx, dy):
    moved = replace(data.picks, x=data.picks.x + dx, y=data.picks.y + dy)
    result, there = data.consensus(), data._replace(picks=moved).consensus()
    np.testing.assert_array_equal(there.members, result.members)
    np.testing.assert_array_equal(there.weight, result.weight)
    np.testing.assert_array_equal(there.x, result.x + dx)
    np.testing.assert_array_equal(there.y, result.y + dy)


@given(data_sets())
def test_binning_changes_nothing_but_the_unit(data):
    binned = replace(data.picks, x=data.picks.x / 2, y=data.picks.y / 2)
    sizes = tuple(size / 2 for size in data.sizes)
    result, there = data.consensus(), data._replace(picks=binned, sizes=sizes).consensus()
    np.testing.assert_array_equal(there.members, result.members)
    np.testing.assert_array_equal(there.weight, result.weight)


@given(data_sets())
def test_mirroring_and_turning_keep_the_objective(data):
    turned = replace(data.picks, x=-data.picks.y, y=data.picks.x)
    expected = data.consensus().micrographs
    found = data._replace(picks=turned).consensus().micrographs
    np.testing.assert_array_equal(found.n_cliques, expected.n_cliques)
    assert found.objective == pytest.approx(expected.objective)


@given(data_sets(), st.sampled_from([1, 3, 5]))
def test_rank_does_not_ask_for_the_scale_of_the_scores(data, power):
    stretched = replace(data.picks, score=5 * data.picks.score**power - 2)
    result = data.consensus(score_transform="rank")
    assert_same(data._replace(picks=stretched).consensus(score_transform="rank"), result)


# Batches and threads


@given(data_sets(max_micrographs=5), st.sampled_from(["identity", "rank"]))
def test_batches_change_nothing(data, transform):
    whole = data.consensus(score_transform=transform)
    with mock.patch.object(assembly, "BATCH_SIZE", 1):
        assert_same(data.consensus(score_transform=transform), whole)
    with mock.patch.object(assembly, "BATCH_SIZE", 2):
        assert_same(data.consensus(score_transform=transform), whole)


@given(data_sets(max_micrographs=5), st.data())
def test_a_subset_of_micrographs_gives_their_part_of_the_whole(data, draw):
    n = data.picks.n_micrographs
    wanted = draw.draw(st.lists(st.integers(0, n - 1), unique=True))
    whole = data.consensus(score_transform="rank")
    part = data.consensus(score_transform="rank", micrographs=wanted)
    rows = np.concatenate([np.flatnonzero(whole.micrograph == m) for m in wanted] or [[]])
    rows = rows.astype(int)
    for name in ("micrograph", "x", "y", "weight", "overlap", "score", "members"):
        np.testing.assert_array_equal(getattr(part, name), getattr(whole, name)[rows])
    for name in ("n_picks", "n_edges", "n_cliques", "n_selected", "objective", "is_optimal"):
        expected = getattr(whole.micrographs, name)[np.array(wanted, int)]
        np.testing.assert_array_equal(getattr(part.micrographs, name), expected)
    assert part.micrographs.names == tuple(whole.micrograph_names[m] for m in wanted)
    in_part = np.isin(data.picks.micrograph, wanted)
    np.testing.assert_array_equal(part.is_unmatched, whole.is_unmatched & in_part)


@pytest.mark.parametrize("n_threads", [2, 3, 16])
def test_threads_change_nothing(n_threads):
    picks = random_picks(8, 3, n_particles=30, n_micrographs=10)
    alone = find_consensus(picks, 50, mode="quorum")
    assert_same(find_consensus(picks, 50, mode="quorum", n_threads=n_threads), alone)


def test_a_result_can_be_had_again():
    picks = random_picks(8, 4, n_micrographs=2)
    assert_same(find_consensus(picks, 70), find_consensus(picks, 70))


def test_a_micrograph_asked_for_twice_does_not_use_its_picks_twice():
    picks = random_picks(8, 3, n_particles=10)
    try:
        result = find_consensus(picks, 50, micrographs=[0, 0])
    except ValueError as error:
        assert "micrographs" in str(error)
    else:
        used = result.members[result.members >= 0]
        assert len(np.unique(used)) == len(used)


# More pickers


@given(data_sets(max_pickers=4))
def test_a_picker_that_agrees_with_nobody_changes_nothing(data):
    lonely = [(m, data.picks.n_pickers, 900, 900, 0.5) for m in range(data.picks.n_micrographs)]
    picks = picks_of(
        rows_of(data.picks) + lonely,
        micrograph_names=data.picks.micrograph_names,
        picker_names=(*data.picks.picker_names, "lonely"),
    )
    more = DataSet(picks, (*data.sizes, 12), data.min_overlap, data.quorum)
    assert particles(more.consensus()) == particles(data.consensus())


@given(data_sets())
def test_a_lower_quorum_never_has_fewer_pickers_to_offer(data):
    """Every clique of the stricter quorum is one of the weaker, and weighs as much more."""
    if data.quorum == 2:
        return
    strict, weak = data.consensus(), data._replace(quorum=2).consensus()
    extra = (data.quorum - 2) * strict.micrographs.n_selected
    assert (weak.micrographs.n_cliques >= strict.micrographs.n_cliques).all()
    assert (weak.micrographs.objective >= strict.micrographs.objective + extra - 1e-9).all()


@given(data_sets())
def test_in_quorum_mode_with_all_pickers_it_is_mode_all(data):
    whole = data._replace(quorum=data.picks.n_pickers)
    assert_same(whole.consensus(), whole.consensus(mode="all"))


@given(data_sets())
def test_the_consensus_of_a_consensus_with_itself_is_itself(data):
    first = data.consensus()
    rows = [
        (m, copy, x, y, 1.0)
        for copy in range(2)
        for m, x, y in zip(first.micrograph.tolist(), first.x.tolist(), first.y.tolist())
    ]
    picks = picks_of(rows, micrograph_names=first.micrograph_names, picker_names=["first", "again"])
    second = find_consensus(picks, 12, min_overlap=data.min_overlap)
    places = [row[:3] for row in particles(first)]
    assert [row[:3] for row in particles(second)] == places
    assert (second.weight == 1.0).all()
