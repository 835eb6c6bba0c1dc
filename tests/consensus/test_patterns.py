"""Sets found by some pickers and not by others, against overlaps of all pairs."""

from dataclasses import replace
from functools import partial

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from repic_plugin import consensus
from repic_plugin.consensus import Pattern, find_consensus, parse_patterns
from tests import oracle
from tests.consensus.inputs import data_sets, member_tuples, oracle_of, particles, picks_of

find_pattern = partial(consensus.find_pattern, min_distance_px=0)

NAMES = ("topaz", "topaz - job 12, second", "crYOLO (2); fine", "log")


def pairwise_jaccard(picks, sizes):
    """Jaccard index of the boxes of all pairs of picks, 0 on different micrographs."""
    half = np.array(sizes, float)[picks.picker] / 2
    common = np.ones((len(picks), len(picks)))
    for centre in (picks.x, picks.y):
        low, high = centre - half, centre + half
        common *= np.maximum(np.minimum.outer(high, high) - np.maximum.outer(low, low), 0)
    area = 4 * half**2
    return np.where(
        np.equal.outer(picks.micrograph, picks.micrograph),
        common / (np.add.outer(area, area) - common),
        0,
    )


def eligible(data, named, excluded):
    """The picks of the named pickers that overlap none of an excluded one."""
    who, index = data.picks.picker, pairwise_jaccard(data.picks, data.sizes)
    is_met = (index[:, np.isin(who, excluded)] > data.min_overlap).any(axis=1)
    return np.flatnonzero(np.isin(who, named) & ~is_met)


@st.composite
def with_pattern(draw):
    """Picks, and pickers that found and that did not find."""
    data = draw(data_sets())
    order = draw(st.permutations(range(data.picks.n_pickers)))
    n_named = draw(st.integers(1, len(order)))
    n_excluded = draw(st.integers(0, len(order) - n_named))
    return data, sorted(order[:n_named]), sorted(order[n_named : n_named + n_excluded])


def pattern_of(data, named, excluded):
    names = data.picks.picker_names
    return Pattern(tuple(names[i] for i in named), tuple(names[i] for i in excluded))


def found_with(data, named, excluded, **changes):
    options = {"min_overlap": data.min_overlap}
    pattern = pattern_of(data, named, excluded)
    return find_pattern(data.picks, data.consensus(), pattern, data.sizes, **options, **changes)


@given(with_pattern())
def test_a_particle_is_a_pick_of_each_named_picker_that_no_excluded_one_has_found(case):
    data, named, excluded = case
    result = found_with(*case)
    index = pairwise_jaccard(data.picks, data.sizes)
    free = set(eligible(data, named, excluded).tolist())
    members = member_tuples(result.members)
    assert oracle.is_packing(members)
    for place, picks in enumerate(members):
        assert sorted(data.picks.picker[list(picks)].tolist()) == named
        assert set(picks) <= free
        assert all(index[i, j] > data.min_overlap for i in picks for j in picks if i < j)
        assert {data.picks.micrograph[i] for i in picks} == {result.micrograph[place]}
    assert result.micrographs.n_picks.sum() == len(free)


@given(with_pattern())
def test_the_particles_have_the_largest_total_weight_of_all_choices(case):
    data, named, excluded = case
    result = found_with(*case)
    free = eligible(data, named, excluded)
    score = consensus.comparable_scores(data.picks, result.score_transforms)
    if len(named) == 1:
        assert sorted(result.members[:, named[0]].tolist()) == free.tolist()
        assert result.weight.sum() == pytest.approx(score[free].sum())
        return
    part = data._replace(picks=data.picks.take(free), quorum=len(named))
    for m in range(data.picks.n_micrographs):
        _, _, cliques, weights, _ = oracle_of(part, m)
        if len(cliques) <= 12:
            best = oracle.best_weight(cliques, weights)
            assert result.micrographs.objective[m] == pytest.approx(best, abs=1e-9)


@given(data_sets())
def test_all_pickers_are_mode_all(data):
    everybody = list(range(data.picks.n_pickers))
    whole = data._replace(quorum=len(everybody)).consensus()
    result = found_with(data, everybody, [])
    assert particles(result) == particles(whole)
    np.testing.assert_array_equal(result.members, whole.members)
    np.testing.assert_array_equal(result.micrographs.objective, whole.micrographs.objective)


@given(with_pattern(), st.data())
def test_the_order_of_the_picks_does_not_matter(case, draw):
    data, named, excluded = case
    order = draw.draw(st.permutations(range(len(data.picks))))
    shuffled = data._replace(picks=data.picks.take(np.array(order, np.int64)))
    assert particles(found_with(shuffled, named, excluded)) == particles(found_with(*case))


@given(with_pattern())
def test_the_mode_of_the_consensus_does_not_matter(case):
    data, named, excluded = case
    pattern = pattern_of(data, named, excluded)
    options = {"min_overlap": data.min_overlap}
    size = 12.0
    results = [
        find_consensus(data.picks, size, copy_distance_px=0, min_distance_px=0, **options, **mode)
        for mode in ({}, {"mode": "quorum", "quorum": 2, "num_particles": 1})
    ]
    found = [find_pattern(data.picks, one, pattern, size, **options) for one in results]
    assert particles(found[0]) == particles(found[1])


# What counts as found

TWO = {"picker_names": ["A", "B"]}
FAR = (0, 0, 500, 500, 0.5)  # a pick of A that nobody else has


def found_by_a_alone(rows, **options):
    """Places of what A found and B did not."""
    picks = picks_of([*rows, FAR], **TWO)
    result = consensus.find_pattern(picks, find_consensus(picks, 100, **options), "A, not B", 100)
    return sorted(zip(result.x.tolist(), result.y.tolist()))


def test_a_pick_below_the_minimum_score_finds_nothing():
    rows = [(0, 0, 100, 100, 0.9), (0, 1, 104, 100, 0.2)]
    assert found_by_a_alone(rows) == [(500, 500)]
    assert found_by_a_alone(rows, min_score={"B": 0.3}) == [(100, 100), (500, 500)]


@pytest.mark.filterwarnings("ignore:.*of its picks are copies")
def test_a_pick_that_is_a_copy_or_at_the_edge_is_no_particle_and_finds_nevertheless():
    # B's second pick is a copy of its first, which does not overlap A's box enough
    rows = [(0, 0, 100, 100, 0.9), (0, 1, 172, 100, 0.9), (0, 1, 150, 100, 0.5)]
    assert found_by_a_alone(rows[:2]) == [(100, 100), (500, 500)]
    assert found_by_a_alone(rows) == [(500, 500)]
    edge = [(0, 0, 52, 100, 0.9), (0, 1, 48, 100, 0.9)]
    assert found_by_a_alone(edge, micrograph_size_px=(1000, 1000)) == [(500, 500)]
    own = [(0, 0, 48, 100, 0.9), (0, 0, 300, 300, 0.9), (0, 0, 310, 300, 0.5)]
    assert found_by_a_alone(own, micrograph_size_px=(1000, 1000)) == [(300, 300), (500, 500)]


def test_that_a_picker_has_not_looked_says_nothing():
    rows = [(0, 0, 100, 100, 0.9), (0, 1, 300, 300, 0.9), (1, 0, 100, 100, 0.9)]
    picks = picks_of(rows, **TWO)
    result = find_consensus(picks, 100)
    unseen = np.array([[False, False], [False, True]])
    everywhere, seen = (
        consensus.find_pattern(picks, result, "A, not B", 100, unseen=one) for one in (None, unseen)
    )
    assert everywhere.micrograph.tolist() == [0, 1]
    assert seen.micrograph.tolist() == [0]
    named = consensus.find_pattern(picks, result, "A", 100, unseen=unseen)
    assert named.micrograph.tolist() == [0, 1]


def test_particles_of_one_picker_keep_the_distance_the_best_first():
    picks = picks_of([(0, 0, 100, 100, 0.5), (0, 0, 140, 100, 0.9), (0, 1, 600, 0, 0.5)], **TWO)
    result = find_consensus(picks, 100)
    both = consensus.find_pattern(picks, result, "A, not B", 100)
    assert both.x.tolist() == [140, 100]
    assert both.weight.tolist() == [0.9, 0.5]
    one = consensus.find_pattern(picks, result, "A, not B", 100, min_distance_px=60)
    assert one.x.tolist() == [140]
    assert np.flatnonzero(one.is_unmatched).tolist() == [0]


def test_ranks_are_those_of_the_consensus():
    rng = np.random.default_rng(0)
    rows = [(0, p, *rng.uniform(0, 2000, 2), rng.normal(0, 9)) for p in (0, 1) for _ in range(40)]
    picks = picks_of(rows, **TWO)
    result = find_consensus(picks, 100)
    assert result.score_transforms == ("rank", "rank")
    found = find_pattern(picks, result, "A, not B", 100)
    mine = found.members[:, 0]
    everything = consensus.comparable_scores(picks, result.score_transforms)
    assert 10 < len(mine) < 40
    np.testing.assert_array_equal(found.weight, everything[mine])
    among = {"A": np.full(5, 1e3)}
    low = find_pattern(picks, result, "A, not B", 100, ranked_among=among)
    assert (low.weight == 0.1).all()  # half a rank of five


def test_no_picks_at_all():
    picks = picks_of([], micrograph_names=["m"], **TWO)
    result = find_consensus(picks, 100)
    for pattern in ("A, not B", "A, B"):
        found = consensus.find_pattern(picks, result, pattern, 100)
        assert len(found) == 0
        assert found.micrographs.names == ("m",)


def test_a_result_that_was_stored_is_refused():
    picks = picks_of([FAR], **TWO)
    stored = replace(find_consensus(picks, 100), fate=None)
    with pytest.raises(ValueError, match="outcome of each pick"):
        consensus.find_pattern(picks, stored, "A", 100)


# Writing patterns


@given(st.permutations(NAMES), st.integers(1, 4), st.integers(0, 3), st.permutations(NAMES))
def test_patterns_are_read_as_they_are_written(order, n_named, n_excluded, names):
    chosen = sorted(order[:n_named], key=names.index)
    excluded = sorted(order[n_named : n_named + n_excluded], key=names.index)
    pattern = Pattern(tuple(chosen), tuple(excluded))
    assert parse_patterns(str(pattern), names) == [pattern]
    only = Pattern(("log",)) if pattern != Pattern(("log",)) else Pattern(("topaz",))
    assert parse_patterns(f" {pattern} ;{only}", names) == [pattern, only]


def test_spaces_and_the_order_of_names_do_not_matter():
    (pattern,) = parse_patterns("  not   log ,crYOLO (2); fine,topaz", NAMES)
    assert pattern == Pattern(("topaz", "crYOLO (2); fine"), ("log",))
    assert pattern.sentence == "found by topaz and crYOLO (2); fine, not by log"
    assert Pattern(("A", "B", "C"), ("D", "E")).sentence == "found by A, B and C, not by D or E"
    assert Pattern(("A",)).sentence == "found by A"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("topaz, not cryolo", ["'cryolo'", *NAMES]),
        ("topaz; not Log, topaz", ["'not Log, topaz' names picker 'Log'"]),
        ("topaz,", ["names picker ''"]),
        ("topaz;", ["pattern '' names picker ''"]),
        ("", ["pattern '' names picker ''"]),
        ("topaz and log", ["names picker 'topaz and log'"]),
        (
            "not topaz, not log",
            ["'not topaz, not log' must name a picker that found", "add one of"],
        ),
        ("log, topaz, not log", ["names picker log twice"]),
        ("log, topaz; topaz,log", ["'topaz, log' is given twice"]),
    ],
)
def test_wrong_patterns_are_refused_in_one_line(text, words):
    with pytest.raises(ValueError) as error:
        parse_patterns(text, NAMES)
    message = str(error.value)
    assert "\n" not in message
    for word in words:
        assert word in message


def test_a_pattern_of_unknown_names_is_refused():
    picks = picks_of([FAR], **TWO)
    result = find_consensus(picks, 100)
    with pytest.raises(ValueError, match="names picker 'C', but the pickers are A, B"):
        consensus.find_pattern(picks, result, Pattern(("A",), ("C",)), 100)
    with pytest.raises(ValueError, match="pattern must be one, got 2"):
        consensus.find_pattern(picks, result, "A; B", 100)
