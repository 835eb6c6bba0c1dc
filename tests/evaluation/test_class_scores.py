"""Scores of 2D classes against known views: hand-made cases, and one pair after another."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from repic_plugin.evaluation import class_scores, score_classes


def on_a_circle(*degrees):
    """Directions in one plane; None for junk."""
    return np.array(
        [
            [np.nan] * 3 if d is None else [math.sin(math.radians(d)), 0, math.cos(math.radians(d))]
            for d in degrees
        ]
    )


def angle_deg(first, second):
    """Of two unit vectors; slow and obvious."""
    return math.degrees(math.acos(max(-1.0, min(1.0, float(np.dot(first, second))))))


def slow(labels, directions, max_angle):
    """One pair after another: pair fraction, particle fraction, angles of all pairs."""
    known = [i for i, d in enumerate(directions) if labels[i] >= 0 and not np.isnan(d[0])]
    pairs = [
        (i, j, angle_deg(directions[i], directions[j]))
        for i, j in itertools.combinations(known, 2)
        if labels[i] == labels[j]
    ]
    near = [pair for pair in pairs if pair[2] <= max_angle]
    fractions = []
    for i in known:
        mates = sum(i in pair[:2] for pair in pairs)
        fractions.append(sum(i in pair[:2] for pair in near) / mates if mates else 0.0)
    return (
        len(near) / len(pairs) if pairs else 0.0,
        sum(fractions) / len(fractions) if fractions else 0.0,
        [pair[2] for pair in pairs],
    )


def test_a_case_worked_out_by_hand():
    # class 0 at 0, 10, 20: pairs of 10, 20, 10; class 1 at 50, 90: 40; class 2 alone; one aside
    directions = on_a_circle(0, 10, 20, 50, 90, 7, 3)
    scores = score_classes([0, 0, 0, 1, 1, 2, -1], directions)
    assert scores.max_angle_deg == 15
    assert scores.pair_fraction == pytest.approx(2 / 4)
    # halves, all, half; none, none; alone
    assert scores.particle_fraction == pytest.approx((0.5 + 1 + 0.5 + 0 + 0 + 0) / 6)
    assert scores.class_pair_fractions == pytest.approx([2 / 3, 0, 0])
    assert scores.sizes.tolist() == [3, 2, 1]
    assert (scores.n_classes, scores.smallest, scores.largest) == (3, 1, 3)
    assert scores.size_variation == pytest.approx(np.std([3, 2, 1]) / 2)
    assert scores.n_under_5 == 3
    assert (scores.n_unclassified, scores.n_junk) == (1, 0)
    assert scores.perfect_fraction is None
    assert scores.angle_counts.sum() == 4


def test_the_histogram():
    scores = score_classes([0, 0, 0], on_a_circle(0, 10.5, 180))
    assert scores.angle_edges_deg.tolist() == list(range(181))
    assert scores.angle_counts.shape == (180,)
    assert np.flatnonzero(scores.angle_counts).tolist() == [10, 169, 179]  # 180 to the last bin


def test_pairs_are_weighted_by_pair_and_particles_by_particle():
    # ten of one view, and two of two views
    scores = score_classes([0] * 10 + [1] * 2, on_a_circle(*[0] * 10, 0, 90))
    assert scores.pair_fraction == pytest.approx(45 / 46)
    assert scores.particle_fraction == pytest.approx(10 / 12)


@pytest.mark.parametrize("max_angle, expected", [(0, 0), (9.99, 0), (10.01, 1), (180, 1)])
def test_max_angle(max_angle, expected):
    scores = score_classes([0, 0], on_a_circle(0, 10), max_angle_deg=max_angle)
    assert (scores.max_angle_deg, scores.pair_fraction) == (max_angle, expected)


def test_the_length_of_a_direction_does_not_matter():
    directions = on_a_circle(0, 10, 30)
    scores = [score_classes([0, 0, 0], d).pair_fraction for d in (directions, 7 * directions)]
    assert scores[0] == scores[1] == pytest.approx(1 / 3)


def test_opposite_views_are_mirror_images_and_far_apart():
    assert score_classes([0, 0], on_a_circle(20, 200)).pair_fraction == 0


# Junk


def test_junk_has_no_pairs():
    with_junk = score_classes([0, 0, 0, 0, 1], on_a_circle(0, 10, 20, None, None))
    without = score_classes([0, 0, 0], on_a_circle(0, 10, 20))
    assert with_junk.pair_fraction == without.pair_fraction
    assert with_junk.particle_fraction == without.particle_fraction
    assert np.array_equal(with_junk.angle_counts, without.angle_counts)
    assert with_junk.sizes.tolist() == [4, 1]
    assert with_junk.junk_sizes.tolist() == [1, 1]
    assert with_junk.junk_fractions == pytest.approx([0.25, 1])
    assert with_junk.n_junk == 2


def test_a_view_of_minus_1_is_junk_whatever_its_direction():
    directions = on_a_circle(0, 10, 60)
    scores = score_classes([0, 0, 0], directions, view=[3, 3, -1])
    assert scores.pair_fraction == 1
    assert scores.junk_sizes.tolist() == [1]
    assert np.isfinite(directions).all()  # the caller's array is as it was


def test_junk_that_was_put_aside_is_in_no_class():
    scores = score_classes([0, -1], on_a_circle(0, None))
    assert (scores.n_junk, scores.n_unclassified) == (1, 1)
    assert scores.junk_sizes.tolist() == [0]


# Perfect classes


def test_the_perfect_score_is_that_of_the_true_views():
    directions = on_a_circle(0, 20, 90, 91, 92, None)
    view = [4, 4, 0, 0, 0, -1]
    scores = score_classes([0, 1, 0, 1, 0, 0], directions, view=view)
    assert scores.perfect_fraction == pytest.approx(3 / 4)
    assert scores.perfect_fraction == score_classes(view, directions).pair_fraction


def test_true_views_count_even_of_particles_put_aside():
    scores = score_classes([-1, 0, 0], on_a_circle(0, 20, 1), view=[0, 0, 1])
    assert scores.perfect_fraction == 0


# Sizes


def test_empty_classes_count():
    directions = on_a_circle(0, 0, 0, 0)
    scores = score_classes([1, 1, 1, 1], directions)
    assert scores.sizes.tolist() == [0, 4]
    assert scores.n_under_5 == 2
    assert scores.size_variation == pytest.approx(1)
    more = score_classes([1, 1, 1, 1], directions, n_classes=4)
    assert more.sizes.tolist() == [0, 4, 0, 0]
    assert more.class_pair_fractions.tolist() == [0, 1, 0, 0]
    assert more.size_variation == pytest.approx(np.std([0, 4, 0, 0]))
    assert more.pair_fraction == 1


def test_nobody_in_a_class():
    scores = score_classes([-1, -1], on_a_circle(0, 0), n_classes=2)
    assert (scores.pair_fraction, scores.particle_fraction, scores.size_variation) == (0, 0, 0)
    assert (scores.smallest, scores.largest, scores.n_unclassified) == (0, 0, 2)


def test_all_alone():
    scores = score_classes([0, 1], on_a_circle(0, 0))
    assert (scores.pair_fraction, scores.particle_fraction) == (0, 0)


# Against the slow one


particles = st.lists(st.tuples(st.integers(-1, 3), st.booleans()), min_size=1)


@given(particles, st.integers(0, 6))
def test_as_the_slow_one(rows, seed):
    labels = [row[0] for row in rows]
    directions = np.random.default_rng(seed).standard_normal((len(rows), 3))
    directions[: len(rows) // 2] = [0, 0, 1]  # some together
    directions += 0.05 * np.random.default_rng(seed + 1).standard_normal(directions.shape)
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    directions[[row[1] for row in rows]] = np.nan
    scores = score_classes(labels, directions, max_angle_deg=30, n_classes=4)
    pair_fraction, particle_fraction, angles = slow(labels, directions, 30)
    assert scores.pair_fraction == pytest.approx(pair_fraction)
    assert scores.particle_fraction == pytest.approx(particle_fraction)
    assert np.array_equal(scores.angle_counts, np.histogram(angles, np.arange(181))[0])


def test_blocks_change_nothing(monkeypatch):
    rng = np.random.default_rng(0)
    labels, directions = rng.integers(0, 3, 200), rng.standard_normal((200, 3))
    whole = score_classes(labels, directions)
    monkeypatch.setattr(class_scores, "_BLOCK_PAIRS", 500)
    blocks = score_classes(labels, directions)
    assert np.array_equal(whole.angle_counts, blocks.angle_counts)
    assert whole.pair_fraction == blocks.pair_fraction
    assert whole.particle_fraction == pytest.approx(blocks.particle_fraction, rel=1e-12)


def test_neither_order_nor_names_of_classes_matter():
    rng = np.random.default_rng(0)
    labels, directions = rng.integers(0, 5, 100), rng.standard_normal((100, 3))
    order, names = rng.permutation(100), rng.permutation(5)
    one, other = (
        score_classes(labels, directions),
        score_classes(names[labels][order], directions[order]),
    )
    assert one.pair_fraction == other.pair_fraction
    assert one.particle_fraction == pytest.approx(other.particle_fraction)
    assert np.array_equal(one.angle_counts, other.angle_counts)
    assert sorted(one.sizes) == sorted(other.sizes)


def test_random_classes_score_what_chance_gives():
    rng = np.random.default_rng(0)
    scores = score_classes(rng.integers(0, 10, 5000), rng.standard_normal((5000, 3)))
    # the part of the sphere within 15 degrees of a point
    assert scores.pair_fraction == pytest.approx((1 - math.cos(math.radians(15))) / 2, rel=0.05)


# Bad input


@pytest.mark.parametrize(
    "arguments, words",
    [
        ({"labels": [0, 0]}, r"directions must have shape \(2, 3\)"),
        ({"labels": [[0]]}, r"labels must have shape \(n,\)"),
        ({"labels": []}, r"labels must have shape \(n,\)"),
        ({"labels": [0, 0.5, 0]}, "labels must be whole numbers .* got 0.5 in row 1"),
        ({"labels": [0, -2, 0]}, "labels must be whole numbers from 0, or -1"),
        ({"view": [0]}, r"view must have shape \(3,\)"),
        ({"directions": [[0, 0, 1], [0, 0, 0], [0, 0, 1]]}, "directions must be finite and not 0"),
        ({"directions": [[0, 0, 1], [0, 0, np.nan], [0, 0, 1]]}, "in row 1"),
        ({"max_angle_deg": -1}, r"max_angle_deg must lie in \[0, 180\], got -1"),
        ({"max_angle_deg": np.nan}, "max_angle_deg must lie"),
        ({"n_classes": 1}, "n_classes must be a whole number, 2 or more, got 1"),
    ],
    ids=str,
)
def test_bad_value(arguments, words):
    usual = {"labels": [0, 1, 1], "directions": on_a_circle(0, 1, 2)}
    with pytest.raises(ValueError, match=words) as error:
        score_classes(**{**usual, **arguments})
    assert "\n" not in str(error.value)
