"""Whole data sets: joining by name, sums over micrographs, flips."""

import numpy as np
import pytest

from repic_plugin.consensus import Picks
from repic_plugin.evaluation import Scores, evaluate_picks, flip_y
from repic_plugin.simulation import simulate_picks


def picks_of(rows, micrographs, pickers):
    columns = np.array(rows, dtype=float).reshape(-1, 4)
    return Picks.from_columns(
        columns[:, 0].astype(int),
        columns[:, 1].astype(int),
        columns[:, 2],
        columns[:, 3],
        micrograph_names=micrographs,
        picker_names=pickers,
    )


@pytest.fixture
def picks():
    rows = [(0, 0, 50, 50), (1, 0, 20, 20), (1, 1, 80, 80), (2, 1, 50, 50)]
    return picks_of(rows, ["a", "b", "c"], ["one", "two"])


@pytest.fixture
def reference():
    # Other order of micrographs; "c" is missing, "d" was not picked.
    rows = [(0, 0, 5, 5), (1, 0, 20, 20), (1, 0, 80, 80), (2, 0, 50, 52)]
    return picks_of(rows, ["d", "b", "a"], ["hand"])


def test_micrographs_are_joined_by_name(picks, reference):
    one, two = evaluate_picks(picks, reference, 20)
    assert (one.picker, two.picker) == ("one", "two")
    assert one.matching == Scores(2, 0, 1)
    assert two.matching == Scores(1, 0, 2)
    assert one.pixel == Scores(400 + 20 * 18, 40, 40 + 400)
    assert two.pixel == Scores(400, 0, 800)
    assert (one.n_picks, one.n_reference) == (2, 3)
    assert (one.n_micrographs, one.n_left_out) == (2, 1)
    assert two.n_picks == 1


def test_the_radius_is_a_quarter_of_the_box_unless_given(picks, reference):
    near = evaluate_picks(picks, reference, 20, radius_px=1)[0]
    assert near.matching == Scores(1, 1, 2)
    assert evaluate_picks(picks, reference, 8)[0].matching.tp == 2
    assert evaluate_picks(picks, reference, 7)[0].matching.tp == 1


def test_boxes_may_differ_and_are_clipped(picks, reference):
    two = evaluate_picks(
        picks, reference, 20, reference_box_size_px=10, micrograph_size_px=(80, 100)
    )[1]
    # The box at (80, 80) is cut in half; the others are 10 px wide and whole.
    assert two.pixel == Scores(5 * 10, 10 * 20 - 5 * 10, 2 * 100)


def test_a_set_against_itself_is_perfect():
    truth = simulate_picks(3, 1, n_particles=40).truth
    (scores,) = evaluate_picks(truth, truth, 180)
    assert scores.n_picks == scores.n_reference == 120
    assert (scores.pixel.f1, scores.matching.f1) == (1.0, 1.0)


def test_order_of_picks_changes_nothing():
    simulated = simulate_picks(3, 2, n_particles=40)
    order = np.random.default_rng(0).permutation(len(simulated.picks))
    shuffled = evaluate_picks(simulated.picks.take(order), simulated.truth, 180)
    assert shuffled == evaluate_picks(simulated.picks, simulated.truth, 180)


def test_sides_without_picks(reference):
    none = picks_of([], ["a"], ["one"])
    (scores,) = evaluate_picks(none, reference, 20)
    assert scores.matching == Scores(0, 0, 1)
    assert evaluate_picks(reference, none, 20)[0].matching == Scores(0, 1, 0)
    assert evaluate_picks(picks_of([], ["a"], []), reference, 20) == ()


def test_no_common_micrograph(picks):
    other = picks_of([], ["x.mrc"], ["hand"])
    with pytest.raises(ValueError, match=r"at least one micrograph .*'x.mrc'.*'a'.*names the same"):
        evaluate_picks(picks, other, 20)


def test_reference_has_one_picker(picks):
    with pytest.raises(ValueError, match=r"reference must have one picker, got \['one', 'two'\]"):
        evaluate_picks(picks, picks, 20)


def test_bad_reference_box(picks, reference):
    with pytest.raises(ValueError, match="reference_box_size_px"):
        evaluate_picks(picks, reference, 20, reference_box_size_px=0)


def test_flip_mirrors_about_the_middle(picks):
    flipped = flip_y(picks, 100)
    np.testing.assert_array_equal(flipped.y, 100 - picks.y)
    np.testing.assert_array_equal(flipped.x, picks.x)
    np.testing.assert_array_equal(flip_y(flipped, 100).y, picks.y)


def test_flipping_both_sides_changes_no_score():
    simulated = simulate_picks(2, 1, n_particles=30, micrograph_size_px=(2048, 2048))
    both = [flip_y(simulated.picks, 2048), flip_y(simulated.truth, 2048)]
    expected = evaluate_picks(simulated.picks, simulated.truth, 180)
    assert evaluate_picks(*both, 180) == expected


def test_flip_takes_a_height_for_each_micrograph(picks):
    np.testing.assert_array_equal(flip_y(picks, [100, 200, 300]).y, [50, 180, 120, 250])


@pytest.mark.parametrize("height", [0, -5, np.nan, [100, 200]])
def test_bad_height(picks, height):
    with pytest.raises(ValueError, match="height_px must be"):
        flip_y(picks, height)
