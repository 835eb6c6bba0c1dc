"""Precision and recall by threshold, against matching anew at every threshold."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from repic_plugin.consensus import Picks
from repic_plugin.evaluation import evaluate_picks, match_scores, precision_recall_curve
from repic_plugin.simulation import simulate_picks

BOX = 8  # pairs lie within 2 px


def picks_of(rows, micrographs=("a", "b"), pickers=("one",)):
    """Rows of micrograph, picker, x, y, score; a score of None is missing."""
    columns = list(zip(*rows)) or [[], [], [], [], []]
    score = np.array([np.nan if value is None else value for value in columns[4]], dtype=float)
    return Picks.from_columns(
        np.array(columns[0], dtype=int),
        np.array(columns[1], dtype=int),
        columns[2],
        columns[3],
        np.nan_to_num(score),
        has_score=~np.isnan(score),
        micrograph_names=micrographs,
        picker_names=pickers,
    )


# A few places and a few scores, so that paths, ties and doubles are common.
places = st.integers(0, 7)
scores = st.sampled_from([0.0, -1.5, 2.0, 3.25]) | st.none()
rows_of_picks = st.lists(st.tuples(st.integers(0, 1), st.just(0), places, places, scores))
rows_of_reference = st.lists(st.tuples(st.integers(0, 1), st.just(0), places, places, st.none()))


def at_threshold(picks, reference, threshold):
    """Numbers of picks and of pairs at or above a threshold, matched from nothing."""
    score = np.where(picks.has_score, picks.score, -np.inf)
    n_picks = n_true = 0
    for micrograph in range(2):
        mine = (picks.micrograph == micrograph) & (score >= threshold)
        theirs = reference.micrograph == micrograph
        found = match_scores(
            np.column_stack([picks.x, picks.y])[mine],
            np.column_stack([reference.x, reference.y])[theirs],
            BOX / 4,
        )
        n_picks, n_true = n_picks + mine.sum(), n_true + found.tp
    return n_picks, n_true


@given(rows_of_picks, rows_of_reference)
def test_every_threshold_is_that_of_matching_anew(rows, reference_rows):
    picks, reference = picks_of(rows), picks_of(reference_rows)
    (curve,) = precision_recall_curve(picks, reference, BOX, max_points=None)
    present = np.unique(np.where(picks.has_score, picks.score, -np.inf))[::-1]
    np.testing.assert_array_equal(curve.threshold, present)
    counts = np.array([at_threshold(picks, reference, t) for t in present]).reshape(-1, 2)
    n_picks, n_true = counts.T
    np.testing.assert_array_equal(curve.n_picks, n_picks)
    np.testing.assert_allclose(curve.precision, n_true / n_picks)
    np.testing.assert_allclose(curve.recall, n_true / max(len(reference), 1))
    f1 = 2 * n_true / (n_picks + len(reference))
    assert curve.best_f1 == pytest.approx(max(f1, default=0))
    if len(f1):
        assert curve.best_threshold == present[np.argmax(f1)]


@given(rows_of_picks, rows_of_reference)
def test_the_last_point_is_the_whole_set(rows, reference_rows):
    picks, reference = picks_of(rows), picks_of(reference_rows)
    (curve,) = precision_recall_curve(picks, reference, BOX)
    (scores,) = evaluate_picks(picks, reference, BOX)
    if len(picks):
        assert curve.precision[-1] == pytest.approx(scores.matching.precision)
        assert curve.recall[-1] == pytest.approx(scores.matching.recall)
        assert curve.n_picks[-1] == scores.n_picks


def test_a_later_pick_may_take_over_a_particle():
    # The better pick can have either particle, the worse one only the first.
    reference = picks_of([(0, 0, 0, 0, None), (0, 0, 3, 0, None)])
    picks = picks_of([(0, 0, 1, 0, 0.9), (0, 0, -1, 0, 0.5)])
    (curve,) = precision_recall_curve(picks, reference, BOX)
    assert curve.recall.tolist() == [0.5, 1.0]
    assert curve.precision.tolist() == [1.0, 1.0]


def test_area_by_hand():
    # True, false, true of falling score, and a particle that is never found.
    reference = picks_of([(0, 0, 0, 0, None), (1, 0, 0, 0, None), (1, 0, 50, 50, None)])
    picks = picks_of([(0, 0, 0, 0, 3), (0, 0, 90, 90, 2), (1, 0, 0, 0, 1)])
    (curve,) = precision_recall_curve(picks, reference, BOX)
    assert curve.average_precision == pytest.approx(1 / 3 * 1 + 1 / 3 * 2 / 3)
    assert curve.threshold.tolist() == [3, 2, 1]
    assert (curve.best_f1, curve.best_threshold) == (pytest.approx(2 / 3), 1)


def test_ties_count_together():
    reference = picks_of([(0, 0, 0, 0, None)])
    picks = picks_of([(0, 0, 0, 0, 1), (0, 0, 90, 90, 1)])
    (curve,) = precision_recall_curve(picks, reference, BOX)
    assert curve.threshold.tolist() == [1]
    assert curve.average_precision == 0.5


def test_without_scores_there_is_one_point_and_no_area():
    reference = picks_of([(0, 0, 0, 0, None)])
    picks = picks_of([(0, 0, 0, 0, None), (0, 0, 90, 90, None)])
    (curve,) = precision_recall_curve(picks, reference, BOX)
    assert curve.threshold.tolist() == [-np.inf]
    assert (curve.precision.tolist(), curve.recall.tolist()) == ([0.5], [1.0])
    assert np.isnan(curve.average_precision)
    assert curve.best_f1 == pytest.approx(2 / 3)


def test_picks_without_a_score_come_last():
    reference = picks_of([(0, 0, 0, 0, None), (1, 0, 0, 0, None)])
    picks = picks_of([(0, 0, 0, 0, None), (1, 0, 0, 0, -99)])
    (curve,) = precision_recall_curve(picks, reference, BOX)
    assert curve.threshold.tolist() == [-99, -np.inf]
    assert curve.recall.tolist() == [0.5, 1.0]


def test_nothing_picked():
    (curve,) = precision_recall_curve(picks_of([]), picks_of([(0, 0, 0, 0, None)]), BOX)
    assert len(curve.threshold) == len(curve.recall) == 0
    assert (curve.average_precision, curve.best_f1) == (0, 0)
    assert np.isnan(curve.best_threshold)


def test_micrographs_are_joined_by_name_and_those_without_a_reference_left_out():
    reference = picks_of([(0, 0, 5, 5, None)], ["b"])
    picks = picks_of([(0, 0, 5, 5, 9), (1, 0, 5, 5, 1)])
    (curve,) = precision_recall_curve(picks, reference, BOX)
    assert curve.threshold.tolist() == [1]
    assert curve.precision.tolist() == [1]


def test_the_radius():
    reference, picks = picks_of([(0, 0, 0, 0, None)]), picks_of([(0, 0, 3, 0, 1)])
    assert precision_recall_curve(picks, reference, BOX)[0].recall.tolist() == [0]
    assert precision_recall_curve(picks, reference, BOX, radius_px=3)[0].recall.tolist() == [1]


@pytest.fixture(scope="module")
def simulated():
    """Three pickers with a score of their own for each pick."""
    found = simulate_picks(3, 3, n_particles=120, random_state=1)
    score = np.random.default_rng(2).normal(size=len(found.picks))
    picks = found.picks
    columns = (picks.micrograph, picks.picker, picks.x, picks.y, score)
    names = {name: getattr(picks, name) for name in ("micrograph_names", "picker_names")}
    return Picks.from_columns(*columns, **names), found.truth


def test_fewer_points_leave_area_and_best_as_they_are(simulated):
    every = precision_recall_curve(*simulated, 180, max_points=None)
    few = precision_recall_curve(*simulated, 180, max_points=20)
    for one, whole in zip(few, every):
        assert len(one.threshold) <= 20 < len(whole.threshold)
        assert one.average_precision == whole.average_precision > 0
        assert (one.best_f1, one.best_threshold) == (whole.best_f1, whole.best_threshold)
        at = np.searchsorted(-whole.threshold, -one.threshold)
        np.testing.assert_array_equal(one.precision, whole.precision[at])
        assert {0, len(whole.threshold) - 1} <= set(at)
        assert one.best_threshold in one.threshold


def test_order_of_picks_changes_nothing(simulated):
    picks, truth = simulated
    order = np.random.default_rng(0).permutation(len(picks))
    for one, two in zip(
        precision_recall_curve(picks, truth, 180, radius_px=120),
        precision_recall_curve(picks.take(order), truth, 180, radius_px=120),
    ):
        np.testing.assert_array_equal(one.precision, two.precision)
        assert one.average_precision == two.average_precision


def test_better_scores_have_more_area(simulated):
    picks, truth = simulated
    worse = precision_recall_curve(picks, truth, 180)[0].average_precision
    distance = [
        np.hypot(truth.x[on] - x, truth.y[on] - y).min()
        for x, y, on in (
            (x, y, truth.micrograph == m) for x, y, m in zip(picks.x, picks.y, picks.micrograph)
        )
    ]
    by_truth = Picks.from_columns(
        picks.micrograph,
        picks.picker,
        picks.x,
        picks.y,
        -np.array(distance),
        micrograph_names=picks.micrograph_names,
        picker_names=picks.picker_names,
    )
    assert precision_recall_curve(by_truth, truth, 180)[0].average_precision > worse + 0.05


def test_bad_arguments(simulated):
    picks, truth = simulated
    with pytest.raises(ValueError, match="max_points must be a whole number, 3 or more, got 2"):
        precision_recall_curve(picks, truth, 180, max_points=2)
    with pytest.raises(ValueError, match="reference must have one picker"):
        precision_recall_curve(picks, picks, 180)
    with pytest.raises(ValueError, match="radius_px must be positive"):
        precision_recall_curve(picks, truth, 180, radius_px=0)
    with pytest.raises(ValueError, match="box_size_px"):
        precision_recall_curve(picks, truth, 0)
    with pytest.raises(ValueError, match="at least one micrograph"):
        precision_recall_curve(picks_of([]), truth, 180)
