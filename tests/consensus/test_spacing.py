"""Copies within a picker, and particles that are too close to be two."""

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from repic_plugin.consensus import FATES, Picks, find_consensus
from repic_plugin.consensus import spacing as spacing_module
from repic_plugin.consensus.spacing import find_copies, too_close
from repic_plugin.evaluation import Scores, match_scores
from repic_plugin.formats import read_picks_dir
from repic_plugin.simulation import simulate_picks
from tests import oracle
from tests.consensus.inputs import picks_of

BOX = 180


def slow_copies(picks, reach):
    """Best first (then amid the others), each pick that is close to one that is kept."""
    copy_of = np.full(len(picks), -1)
    for group in (rows for one in picks.rows_by_group() for rows in one):
        places = {i: np.array([picks.x[i], picks.y[i]]) for i in group}
        far = reach[picks.picker[group[0]]] if len(group) else 0

        def apart(i, j, places=places):
            return np.hypot(*(places[i] - places[j]))

        near = {i: sum(max(0, far - apart(i, j)) for j in group if j != i) for i in group.tolist()}
        order = sorted(near, key=lambda i: (-picks.score[i], -near[i], picks.x[i], picks.y[i]))
        kept = []
        for i in order:
            close = [(apart(i, j), j) for j in kept if apart(i, j) < far]
            if close:
                copy_of[i] = min(close)[1]
            else:
                kept.append(i)
    return copy_of


coordinate = st.integers(0, 30)
row = st.tuples(
    st.integers(0, 1), st.integers(0, 1), coordinate, coordinate, st.sampled_from([0.1, 0.5, 0.9])
)
rows = st.lists(row, unique_by=lambda r: r[:4], max_size=25)


@given(rows)
def test_copies_are_those_of_the_plain_way(rows):
    picks = picks_of(rows) if rows else Picks.from_columns([], [], [], [])
    if picks.n_pickers < 2:
        return
    reach = np.array([4.0, 7.5])
    found = find_copies(picks, reach)
    expected = slow_copies(picks, reach)
    np.testing.assert_array_equal(found >= 0, expected >= 0)
    kept = found < 0
    for i in np.flatnonzero(~kept):
        assert kept[found[i]]
        assert picks.score[found[i]] >= picks.score[i]


def test_order_of_the_picks_does_not_matter():
    rng = np.random.default_rng(0)
    n = 300
    columns = (np.zeros(n, int), rng.integers(0, 2, n), *rng.integers(0, 90, (2, n)))
    score = rng.integers(0, 3, n) / 2
    order = rng.permutation(n)
    picks = Picks.from_columns(*columns, score)
    other = Picks.from_columns(*(c[order] for c in columns), score[order])
    reach = np.array([6.0, 6.0])
    is_copy = find_copies(picks, reach) >= 0
    assert 20 < is_copy.sum() < n - 20
    np.testing.assert_array_equal(is_copy[order], find_copies(other, reach) >= 0)


def best_with_distance(picks, box, min_overlap, quorum, distance):
    """Greatest weight of cliques that share no pick and are not too close, trying all."""
    centres = np.column_stack([picks.x, picks.y])
    graph = oracle.build_graph(centres, picks.picker, [box] * picks.n_pickers, min_overlap)
    cliques = oracle.cliques_of(graph, quorum)
    weights = [oracle.weight_of(c, graph, picks.score, quorum) for c in cliques]
    middle = [centres[list(c)].T @ picks.score[list(c)] / picks.score[list(c)].sum()
              for c in cliques]  # fmt: skip

    def rivals(i, j):
        shared = set(cliques[i]) & set(cliques[j])
        return bool(shared) or np.hypot(*(middle[i] - middle[j])) < distance

    def best(left):
        if not left:
            return 0.0
        first, rest = left[0], left[1:]
        taken = weights[first] + best([i for i in rest if not rivals(first, i)])
        return max(taken, best(rest))

    return best(range(len(cliques)))


@pytest.mark.parametrize("solver", ["search", "highs"])
@pytest.mark.parametrize("seed", range(12))
def test_the_choice_is_the_best_of_those_that_keep_the_distance(seed, solver, monkeypatch):
    from repic_plugin.consensus import packing

    if solver == "highs":
        monkeypatch.setattr(packing, "SMALL_COMPONENT", 1)
    rng = np.random.default_rng(seed)
    n = 11
    picks = Picks.from_columns(
        np.zeros(n, int), rng.integers(0, 4, n), *rng.uniform(0, 60, (2, n)),
        rng.uniform(0.2, 1, n), picker_names=list("abcd"),
    )  # fmt: skip
    for distance in (0, 12, 25):
        result = find_consensus(
            picks, 40, mode="quorum", quorum=2, min_overlap=0.1, position="mean",
            copy_distance_px=0, min_distance_px=distance,
        )  # fmt: skip
        expected = best_with_distance(picks, 40, 0.1, 2, distance)
        assert result.micrographs.objective[0] == pytest.approx(expected, abs=1e-9)
        assert result.is_optimal
        places = np.column_stack([result.x, result.y])
        apart = [np.hypot(*(a - b)) for a, b in combinations(places, 2)]
        assert min(apart, default=np.inf) >= distance


def f1(simulated, result):
    total = Scores()
    for m in range(simulated.picks.n_micrographs):
        found = np.column_stack([result.x, result.y])[result.micrograph == m]
        truth = simulated.truth.centers[simulated.truth.micrograph == m]
        total += match_scores(found, truth, BOX / 4)
    return total.f1


def tripled(picks, jitter, scores, seed=0):
    """Seven in ten picks of two pickers three times."""
    rng = np.random.default_rng(seed)
    some = np.flatnonzero((picks.picker < 2) & (rng.random(len(picks)) < 0.7))
    rows = np.concatenate([np.arange(len(picks)), some, some])
    moved = np.zeros((len(rows), 2))
    moved[len(picks) :] = jitter(rng, (2 * len(some), 2))
    score = picks.score[rows].copy()
    if scores == "lower":
        score[len(picks) :] *= rng.uniform(0.8, 1, 2 * len(some))
    return Picks.from_columns(
        picks.micrograph[rows], picks.picker[rows], *(picks.centers[rows] + moved).T, score,
        micrograph_names=picks.micrograph_names, picker_names=picks.picker_names,
    )  # fmt: skip


@pytest.mark.parametrize("mode", ["all", "quorum", "probabilistic"])
@pytest.mark.parametrize("scores", ["same", "lower"])
@pytest.mark.parametrize("kind", ["uniform", "normal"])
def test_copies_do_not_spoil_the_consensus(mode, scores, kind):
    """18 px of a box of 180: without the rule F1 falls to 0.7 in two of the modes."""
    simulated = simulate_picks(n_micrographs=12, random_state=1)
    draw = {
        "uniform": lambda rng, shape: rng.uniform(-18, 18, shape),
        "normal": lambda rng, shape: rng.normal(0, 18, shape),
    }[kind]
    picks = tripled(simulated.picks, draw, scores)
    clean = find_consensus(simulated.picks, BOX, mode=mode)
    assert not (clean.copy_of >= 0).any()
    with pytest.warns(UserWarning, match=r"picker_1: [\d,]+ of its picks are copies"):
        result = find_consensus(picks, BOX, mode=mode)
    # copies 45 px away and more are left of normal jitter
    lost = 0.02 if (mode, kind) == ("probabilistic", "normal") else 0.01
    assert f1(simulated, result) > f1(simulated, clean) - lost
    if mode != "all":
        old = find_consensus(picks, BOX, mode=mode, copy_distance_px=0, min_distance_px=0)
        assert f1(simulated, old) < f1(simulated, clean) - 0.15


def test_real_picks_of_the_paper_keep_their_consensus(shared_data):
    empiar_picks = read_picks_dir(shared_data / "empiar-10017").picks
    plain = find_consensus(empiar_picks, BOX, copy_distance_px=0, min_distance_px=0)
    default = find_consensus(empiar_picks, BOX)
    np.testing.assert_array_equal(default.members, plain.members)
    assert (default.copy_of >= 0).sum() == 0


def test_of_close_particles_the_better_is_kept():
    x = np.array([0.0, 3, 10, 12, 100])
    weight = np.array([0.5, 0.9, 0.2, 0.1, 0.3])
    lost = too_close(np.zeros(5, int), x, np.zeros(5), weight, 8)
    assert lost.tolist() == [True, False, True, False, False]
    assert not too_close(np.arange(5), x, np.zeros(5), weight, 8).any()


def test_every_pick_has_a_fate():
    """One of each kind; box 10, a copy is closer than 2.5."""
    rows = [
        # m, picker, x, y, score
        (0, 0, 50, 50, 0.9), (0, 1, 51, 50, 0.8),  # a particle
        (0, 0, 52, 50, 0.5),  # a copy of the first
        (0, 0, 90, 90, 0.9),  # alone
        (0, 0, 2, 50, 0.9),  # sticks out
        (0, 1, 50, 90, 0.1),  # low
        (0, 0, 70, 20, 0.9), (0, 1, 71, 20, 0.9), (0, 1, 73.9, 20, 0.8),  # one of two groups
        (1, 0, 50, 50, 0.9),  # the other picker has nothing here
    ]  # fmt: skip
    result = find_consensus(
        picks_of(rows), 10, min_score=0.2, micrograph_size_px=[100, 100], num_particles=1
    )
    found = [FATES[fate] for fate in result.fate]
    assert found == [
        "left out", "left out", "copy", "alone", "at the edge", "below the minimum score",
        "in a particle", "in a particle", "not chosen", "unmatched micrograph",
    ]  # fmt: skip
    assert result.copy_of.tolist() == [-1, -1, 0, *[-1] * 7]


@pytest.mark.parametrize("name", ["copy_distance_px", "min_distance_px"])
@pytest.mark.parametrize("value", [-1, np.nan, np.inf])
def test_a_bad_distance_is_refused(name, value):
    with pytest.raises(ValueError, match=f"{name} must be 0 or more and finite"):
        find_consensus(picks_of([(0, 0, 1, 1, 1), (0, 1, 1, 1, 1)]), 10, **{name: value})


def test_the_search_gives_up_with_a_word(monkeypatch):
    """Were there no end of conflicts, the better of two particles would stay."""
    from repic_plugin.consensus import packing

    monkeypatch.setattr(packing, "MAX_ROUNDS", 0)
    rows = [(0, 0, 50, 50, 0.9), (0, 1, 50, 50, 0.9), (0, 2, 52, 50, 0.8), (0, 3, 52, 50, 0.8)]
    with pytest.warns(UserWarning, match="not proven optimal"):
        result = find_consensus(
            picks_of(rows), 10, mode="quorum", quorum=2, min_overlap=0.9, min_distance_px=5
        )
    assert result.x.tolist() == [50]
    assert spacing_module.CLOSEST < 0.3
