"""One-to-one matching against two independent oracles."""

from itertools import permutations

import networkx as nx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from repic_plugin.evaluation import Scores, match_scores

# Whole coordinates and radii: distances on the boundary are compared exactly.
COORDINATES = st.integers(-6, 6)
CENTERS = st.lists(st.tuples(COORDINATES, COORDINATES), max_size=12)
FEW = st.lists(st.tuples(COORDINATES, COORDINATES), max_size=5)
RADII = st.integers(1, 6)


def is_near(a, b, radius):
    return (a[0] - b[0]) ** 2 + (a[1] - b[1]) ** 2 <= radius**2


def greedy_pairs(picks, reference, radius):
    free = set(range(len(reference)))
    for pick in picks:
        partner = next((j for j in sorted(free) if is_near(pick, reference[j], radius)), None)
        free.discard(partner)
    return len(reference) - len(free)


@settings(deadline=None)
@given(CENTERS, CENTERS, RADII)
def test_agrees_with_networkx(picks, reference, radius):
    graph = nx.Graph()
    graph.add_edges_from(
        (("pick", i), ("reference", j))
        for i, p in enumerate(picks)
        for j, r in enumerate(reference)
        if is_near(p, r, radius)
    )
    n_pairs = len(nx.max_weight_matching(graph, maxcardinality=True))
    expected = Scores(n_pairs, len(picks) - n_pairs, len(reference) - n_pairs)
    assert match_scores(picks, reference, radius) == expected


@settings(deadline=None)
@given(FEW, FEW, RADII)
def test_agrees_with_all_assignments(picks, reference, radius):
    few, many = sorted((picks, reference), key=len)
    best = max(
        sum(is_near(a, b, radius) for a, b in zip(few, chosen))
        for chosen in permutations(many, len(few))
    )
    assert match_scores(picks, reference, radius).tp == best


@settings(deadline=None)
@given(CENTERS, CENTERS, RADII)
def test_greedy_is_never_better(picks, reference, radius):
    assert greedy_pairs(picks, reference, radius) <= match_scores(picks, reference, radius).tp


def test_where_greedy_fails():
    # The first pick reaches both particles, the second only the one that greed gives away.
    picks, reference = [(0, 0), (-4, 0)], [(-2, 0), (2, 0)]
    assert greedy_pairs(picks, reference, 3) == 1
    assert match_scores(picks, reference, 3) == Scores(2, 0, 0)


@settings(deadline=None)
@given(CENTERS, CENTERS, RADII)
def test_swapping_roles_swaps_precision_and_recall(picks, reference, radius):
    forth, back = match_scores(picks, reference, radius), match_scores(reference, picks, radius)
    assert forth == Scores(back.tp, back.fn, back.fp)


@settings(deadline=None)
@given(CENTERS, CENTERS, RADII, COORDINATES, st.randoms(use_true_random=False))
def test_order_and_translation_change_nothing(picks, reference, radius, shift, random):
    shuffled = [(x + shift, y - shift) for x, y in picks]
    random.shuffle(shuffled)
    moved = [(x + shift, y - shift) for x, y in reference]
    assert match_scores(shuffled, moved, radius) == match_scores(picks, reference, radius)


@settings(deadline=None)
@given(CENTERS.filter(len), RADII)
def test_a_set_against_itself_is_perfect(picks, radius):
    assert match_scores(picks, picks, radius) == Scores(len(picks), 0, 0)


def test_the_radius_itself_is_near_enough():
    assert match_scores([(0, 0)], [(3, 4)], 5).tp == 1
    assert match_scores([(0, 0)], [(3, 4)], 4.99).tp == 0


def test_a_second_pick_on_a_particle_is_false():
    assert match_scores([(0, 0), (1, 0)], [(0, 0)], 5) == Scores(1, 1, 0)


def test_nothing_on_either_side():
    assert match_scores([], [], 5) == Scores()
    assert match_scores([], [(1, 1)], 5) == Scores(0, 0, 1)
    assert match_scores([(1, 1)], [], 5) == Scores(0, 1, 0)


@pytest.mark.parametrize("radius", [0, -1, np.nan, np.inf])
def test_bad_radius(radius):
    with pytest.raises(ValueError, match="radius_px must be positive and finite, got"):
        match_scores([], [], radius)
