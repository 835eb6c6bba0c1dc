import dataclasses
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given

import repic_plugin
from repic_plugin.consensus import (
    Picks,
    default_quorum,
    recommended_num_particles,
)
from tests.consensus.inputs import (
    assert_same,
    data_sets,
    particles,
    picks_of,
    random_picks,
    rows_of,
)
from tests.plain_consensus import find_consensus

# Three pickers around (100, 100); the first lies between the others. One pick far away.
TRIPLE = picks_of(
    [(0, 0, 100, 100, 0.9), (0, 1, 104, 100, 0.6), (0, 2, 97, 100, 0.3), (0, 0, 400, 400, 0.9)],
    picker_names=["a", "b", "c"],
)


def test_a_particle_by_hand():
    result = find_consensus(TRIPLE, 20)
    overlaps = [(20 - d) * 20 / (800 - (20 - d) * 20) for d in (4, 3, 7)]
    assert result.overlap == pytest.approx([np.median(overlaps)])
    assert result.score == pytest.approx([0.6])
    assert result.weight == pytest.approx([np.median(overlaps) * 0.6])
    assert result.members.tolist() == [[0, 1, 2]]
    assert result.n_members.tolist() == [3]
    assert (result.x.tolist(), result.y.tolist()) == ([100.0], [100.0])
    assert result.is_unmatched.tolist() == [False, False, False, True]
    counts = result.micrographs
    assert counts.n_picks.tolist() == [[2, 1, 1]]
    assert (counts.n_edges[0], counts.n_cliques[0], counts.n_selected[0]) == (3, 1, 1)
    assert counts.objective == pytest.approx(result.weight)
    assert result.quorum == 3
    assert result.is_optimal


def test_the_record_is_frozen():
    with pytest.raises(dataclasses.FrozenInstanceError):
        find_consensus(TRIPLE, 20).quorum = 2


def test_a_quorum_takes_particles_that_one_picker_missed():
    picks = picks_of([row for row in rows_of(TRIPLE) if row[1] != 2], picker_names=["a", "b", "c"])
    assert len(find_consensus(picks, 20)) == 0
    result = find_consensus(picks, 20, mode="quorum")
    assert result.quorum == 2
    assert result.members.tolist() == [[0, 1, -1]]


def test_a_larger_clique_weighs_one_more():
    result = find_consensus(TRIPLE, 20, mode="quorum", quorum=2)
    assert result.members.tolist() == [[0, 1, 2]]
    assert result.weight == pytest.approx(result.overlap * result.score + 1)


@pytest.mark.parametrize(("k", "expected"), [(2, 2), (3, 2), (4, 3), (5, 3), (6, 4)])
def test_default_quorum_is_the_smallest_majority(k, expected):
    assert default_quorum(k) == expected
    picks = picks_of([], picker_names=[str(i) for i in range(k)])
    assert find_consensus(picks, 10, mode="quorum").quorum == expected


def test_mean_position_is_weighted_by_score():
    result = find_consensus(TRIPLE, 20, position="mean")
    assert result.x == pytest.approx([(0.9 * 100 + 0.6 * 104 + 0.3 * 97) / 1.8])
    assert result.y == pytest.approx([100.0])


def test_mean_position_uses_comparable_scores():
    picks = picks_of([(0, 0, 0, 0, 3.0), (0, 0, 90, 0, 1.0), (0, 1, 2, 0, 0.5)])
    result = find_consensus(picks, 20, position="mean", score_transform=["rank", "identity"])
    assert result.x == pytest.approx([(1.0 * 0 + 0.5 * 2) / 1.5])


@given(data_sets())
def test_mean_position_is_the_weighted_mean_inside_the_members(data):
    result, picks = data.consensus(position="mean"), data.picks
    for x, y, members in zip(result.x, result.y, result.members):
        m = members[members >= 0]
        assert x == pytest.approx(np.average(picks.x[m], weights=picks.score[m]))
        assert y == pytest.approx(np.average(picks.y[m], weights=picks.score[m]))
        assert picks.x[m].min() - 1e-9 <= x <= picks.x[m].max() + 1e-9
        assert picks.y[m].min() - 1e-9 <= y <= picks.y[m].max() + 1e-9


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ([(0, 0, 7, 5, 0.4), (0, 1, 5, 5, 0.6)], (5, 5)),  # the better score
        ([(0, 0, 7, 5, 0.5), (0, 1, 5, 9, 0.5)], (5, 9)),  # then the lower x
        ([(0, 0, 5, 9, 0.5), (0, 1, 5, 5, 0.5)], (5, 5)),  # then the lower y
    ],
)
def test_ties_for_the_position_are_settled_by_score_then_place(rows, expected):
    for order in (rows, rows[::-1]):
        result = find_consensus(picks_of(order), 20)
        assert (result.x[0], result.y[0]) == expected


@given(data_sets())
def test_particles_stand_by_micrograph_best_first(data):
    result = data.consensus()
    keys = list(zip(result.micrograph.tolist(), (-result.weight).tolist()))
    assert keys == sorted(keys)


@pytest.mark.parametrize("n", [1, 2, 5, 1000])
def test_num_particles_keeps_the_best_of_each_micrograph(n):
    picks = random_picks(2, 3, n_micrographs=3)
    everything, best = find_consensus(picks, 50), find_consensus(picks, 50, num_particles=n)
    for m in range(3):
        mine, all_mine = best.micrograph == m, everything.micrograph == m
        np.testing.assert_array_equal(best.members[mine], everything.members[all_mine][:n])
    np.testing.assert_array_equal(best.micrographs.n_selected, everything.micrographs.n_selected)
    np.testing.assert_array_equal(best.micrographs.objective, everything.micrographs.objective)
    np.testing.assert_array_equal(best.is_unmatched, everything.is_unmatched)


@pytest.mark.parametrize(
    ("weights", "micrographs", "expected"),
    [
        ([], [], 0),
        ([1.0], [4], 1),
        ([5, 3, 2], [0, 0, 0], 2),  # 5 of 10, 8 of 10
        ([7, 2, 1], [0, 0, 0], 1),  # exactly 70 per cent
        ([5, 3, 2], [0, 1, 3], 1),  # 2 particles on 3 micrographs
        ([1] * 10, [0] * 9 + [1], 4),  # 7 particles on 2 micrographs, rounded up
        ([2, 5, 3], [0, 0, 0], 2),  # best first over the data set, in whatever order given
        ([0, 0], [0, 0], 1),
    ],
)
def test_recommended_number_by_hand(weights, micrographs, expected):
    class Result(SimpleNamespace):
        def __len__(self):
            return len(self.ranking)

    result = Result(ranking=np.array(weights, float), micrograph=np.array(micrographs, int))
    assert recommended_num_particles(result) == expected


def test_recommended_number_of_a_real_result():
    result = find_consensus(random_picks(2, 3, n_micrographs=3), 50)
    n = recommended_num_particles(result)
    best = np.sort(result.weight)[::-1]
    assert best[: 3 * n].sum() >= 0.7 * best.sum()
    assert best[: 3 * (n - 1)].sum() < 0.7 * best.sum()


def test_boxes_that_stick_out_are_dropped_on_request():
    pair = [(0, 0), (0, 1)]
    places = [(10, 10), (90, 40), (9.9, 10), (10, 40.1), (50, 25)]
    picks = picks_of([(*mp, x, y, 0.5) for x, y in places for mp in pair])
    assert len(find_consensus(picks, 20)) == 5
    result = find_consensus(picks, 20, micrograph_size_px=(100, 50))
    assert sorted(result.x.tolist()) == [10, 50, 90]  # a box may touch the edge
    assert result.micrographs.n_picks.tolist() == [[3, 3]]
    assert not result.is_unmatched.any()


def test_each_picker_and_micrograph_has_its_own_size():
    rows = [(m, p, 95, 50, 0.5) for m in range(2) for p in range(2)]
    sizes_px = [(100, 100), (110, 100)]
    result = find_consensus(picks_of(rows), [8, 12], micrograph_size_px=sizes_px)
    assert result.micrographs.n_picks.tolist() == [[1, 0], [1, 1]]


@given(data_sets())
def test_unmatched_picks_are_those_of_no_particle(data):
    result = data.consensus()
    used = set(result.members[result.members >= 0].tolist())
    assert set(np.flatnonzero(result.is_unmatched).tolist()) == set(range(len(data.picks))) - used


@given(data_sets())
def test_counts_are_those_of_the_particles_and_picks(data):
    result = data.consensus()
    counts, n = result.micrographs, data.picks.n_micrographs
    assert counts.names == data.picks.micrograph_names
    assert counts.n_picks.shape == (n, data.picks.n_pickers)
    assert counts.n_picks.sum() == len(data.picks)
    assert counts.n_selected.tolist() == np.bincount(result.micrograph, minlength=n).tolist()
    for m in range(n):
        total = result.weight[result.micrograph == m].sum()
        assert counts.objective[m] == pytest.approx(total)
    assert (counts.seconds >= 0).all()


def test_box_sizes_by_name_and_by_place_are_the_same():
    by_place = find_consensus(TRIPLE, [20, 22, 24])
    by_name = find_consensus(TRIPLE, {"c": 24, "a": 20, "b": 22})
    assert_same(by_place, by_name)


def test_progress_counts_up_to_all_micrographs():
    seen = []
    picks = random_picks(0, 2, n_particles=5, n_micrographs=150)
    find_consensus(picks, 30, progress=lambda done, total: seen.append((done, total)))
    assert seen[-1] == (150, 150)
    assert seen == sorted(seen)
    assert {total for _, total in seen} == {150}


def test_columns_of_a_table_give_what_plain_arrays_give():
    picks = random_picks(4, 3, n_micrographs=2)
    table = np.column_stack((picks.x, picks.y, picks.score))
    table.setflags(write=False)
    views = Picks.from_columns(picks.micrograph, picks.picker, *table.T)
    assert_same(find_consensus(views, 50), find_consensus(picks, 50))


@pytest.mark.parametrize("mode", ["all", "quorum"])
def test_the_picks_are_not_changed(mode):
    picks = random_picks(4, 3, n_micrographs=2)
    before = rows_of(picks)
    find_consensus(picks, 50, mode=mode, min_score=0.1, score_transform="rank")
    assert rows_of(picks) == before


# Nothing in, nothing out


def assert_empty(result, n_micrographs, n_pickers, n_picks):
    assert len(result) == 0
    for column in (result.x, result.y, result.weight, result.overlap, result.score):
        assert column.shape == (0,)
        assert column.dtype == np.float64
    assert result.micrograph.shape == (0,)
    assert result.micrograph.dtype == np.int64
    assert result.members.shape == (0, n_pickers)
    assert result.n_members.shape == (0,)
    assert result.is_unmatched.shape == (n_picks,)
    counts = result.micrographs
    assert counts.n_picks.shape == (n_micrographs, n_pickers)
    for column in (counts.n_edges, counts.n_cliques, counts.n_selected, counts.objective):
        assert column.tolist() == [0] * n_micrographs
    assert counts.is_optimal.tolist() == [True] * n_micrographs
    assert counts.seconds.shape == (n_micrographs,)
    assert result.is_optimal
    assert recommended_num_particles(result) == 0


@pytest.mark.parametrize("position", ["member", "mean"])
@pytest.mark.parametrize("mode", ["all", "quorum"])
@pytest.mark.parametrize("n_micrographs", [0, 1, 3])
def test_no_picks_at_all(n_micrographs, mode, position):
    picks = picks_of(
        [], micrograph_names=[f"m{i}" for i in range(n_micrographs)], picker_names=["a", "b", "c"]
    )
    result = find_consensus(
        picks, 10, mode=mode, position=position, num_particles=3, micrograph_size_px=(100, 100)
    )
    assert_empty(result, n_micrographs, 3, 0)


@pytest.mark.parametrize("position", ["member", "mean"])
def test_picks_that_never_agree(position):
    picks = picks_of([(0, 0, 0, 0, 0.5), (1, 1, 0, 0, 0.5)])
    result = find_consensus(picks, 10, position=position)
    assert_empty(result, 2, 2, 2)
    assert result.is_unmatched.all()


def test_a_picker_without_a_pick():
    rows = [(0, p, 0, 0, 0.5) for p in range(2)]
    picks = picks_of(rows, picker_names=["a", "b", "c"])
    assert len(find_consensus(picks, 10)) == 0
    assert find_consensus(picks, 10, mode="quorum").members.tolist() == [[0, 1, -1]]


def test_every_pick_below_the_threshold():
    result = find_consensus(TRIPLE, 20, min_score=2.0)
    assert_empty(result, 1, 3, 4)
    assert not result.is_unmatched.any()


def test_micrographs_without_picks_between_others():
    rows = [(m, p, 5, 5, 0.5) for m in (1, 3) for p in range(2)]
    picks = picks_of(rows, micrograph_names=[f"m{i}" for i in range(6)])
    result = find_consensus(picks, 10)
    assert [row[0] for row in particles(result)] == ["m1", "m3"]
    assert result.micrographs.n_selected.tolist() == [0, 1, 0, 1, 0, 0]


def test_no_micrographs_asked_for():
    assert_empty(find_consensus(TRIPLE, 20, micrographs=[]), 0, 3, 4)


def test_import_brings_nothing_heavy():
    code = "import sys, repic_plugin.consensus; print(*sys.modules)"
    root = Path(repic_plugin.__file__).parents[1]
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=root, check=True, capture_output=True, text=True
    )
    loaded = {name.split(".")[0] for name in done.stdout.split()}
    assert "repic_plugin" in loaded
    assert not loaded & {"pwem", "pyworkflow", "gurobipy", "networkx", "matplotlib"}
