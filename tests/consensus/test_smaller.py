"""Groups of fewer pickers than have to agree."""

import numpy as np
import pytest

from repic_plugin.consensus import Picks, SmallerGroups, find_consensus, merged, smaller_line
from repic_plugin.consensus.result import result_from_arrays, result_to_arrays

BOX_PX = 20
FAR = 100  # px between places
# which of three pickers is at each place, on two micrographs
PLACES = [(0, 1, 2)] * 4 + [(0, 1)] * 3 + [(1, 2)] * 2 + [(0,)] * 5 + [(2,)]


def picks_at(places, n_pickers, micrograph=None):
    rows = [(place, who) for place, members in enumerate(places) for who in members]
    place, who = np.array(rows).T
    on = place % 2 if micrograph is None else np.full(len(place), micrograph)
    x = FAR * (place + 1.0) + who  # boxes of 20 px, at most 3 px apart
    return Picks.from_columns(on, who, x, np.full(len(x), 50.0), np.full(len(x), 0.5))


def counted(groups):
    return {
        tuple(np.flatnonzero(row).tolist()): n
        for row, n in zip(groups.found, groups.count.tolist())
    }


@pytest.mark.filterwarnings("ignore")
def test_pairs_are_told_from_singles():
    found = find_consensus(picks_at(PLACES, 3), BOX_PX, count_smaller=True)
    assert len(found) == 4
    assert counted(found.smaller) == {(0, 1): 3, (1, 2): 2}
    assert found.smaller.n_groups == 5
    assert found.smaller.n_picks.tolist() == [3, 5, 2]
    assert smaller_line(found.smaller, found.quorum, 3) == (
        "Not in the consensus, but found by more than one picker: 5 by 2 of 3 pickers; a smaller "
        "quorum would keep them, with those that are chance."
    )


@pytest.mark.filterwarnings("ignore")
def test_they_are_what_a_quorum_of_two_finds_besides():
    rng = np.random.default_rng(0)
    truth = rng.uniform(0, 4000, (250, 2))
    rows = []
    for who in range(4):
        seen = rng.random(len(truth)) < 0.7
        rows.append((np.full(seen.sum(), who), truth[seen] + rng.normal(0, 2, (seen.sum(), 2))))
    who, where = (np.concatenate(one) for one in zip(*rows))
    picks = Picks.from_columns(np.arange(len(who)) * 0, who, *where.T, rng.random(len(who)))
    strict = find_consensus(picks, 60, count_smaller=True)
    loose = find_consensus(picks, 60, mode="quorum", quorum=2)
    sizes = strict.smaller.found.sum(axis=1)
    for size in (2, 3):
        n = int(strict.smaller.count[sizes == size].sum())
        assert n == int((loose.n_members == size).sum()) > 10
    assert len(strict) == int((loose.n_members == 4).sum())
    middle = find_consensus(picks, 60, mode="quorum", quorum=3, count_smaller=True)
    assert set(middle.smaller.found.sum(axis=1).tolist()) == {2}


@pytest.mark.filterwarnings("ignore")
def test_the_best_particles_that_are_kept_do_not_change_them():
    every = find_consensus(picks_at(PLACES, 3), BOX_PX, count_smaller=True)
    best = find_consensus(picks_at(PLACES, 3), BOX_PX, count_smaller=True, num_particles=1)
    assert len(best) == 2
    assert counted(best.smaller) == counted(every.smaller)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("given", [{}, {"mode": "quorum", "quorum": 2, "count_smaller": True}])
def test_none_where_not_asked_for_or_where_any_pair_is_enough(given):
    assert find_consensus(picks_at(PLACES, 3), BOX_PX, **given).smaller is None


@pytest.mark.filterwarnings("ignore")
def test_they_are_stored_with_the_result():
    found = find_consensus(picks_at(PLACES, 3), BOX_PX, count_smaller=True)
    again = result_from_arrays(result_to_arrays(found))
    assert counted(again.smaller) == counted(found.smaller)
    plain = find_consensus(picks_at(PLACES, 3), BOX_PX)
    assert result_from_arrays(result_to_arrays(plain)).smaller is None


def test_batches_are_added_up():
    parts = [
        SmallerGroups(np.array([[True, True, False]]), np.array([3])),
        SmallerGroups(np.array([[True, True, False], [False, True, True]]), np.array([4, 1])),
        SmallerGroups(np.zeros((0, 3), bool), np.zeros(0, np.int64)),
    ]
    assert counted(merged(parts)) == {(0, 1): 7, (1, 2): 1}


def test_nothing_to_add_is_no_line():
    nothing = SmallerGroups(np.zeros((0, 3), bool), np.zeros(0, np.int64))
    assert smaller_line(nothing, 3, 3) == ""
