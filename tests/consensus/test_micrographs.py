"""Quality of micrographs: what is counted, and which are accepted."""

from dataclasses import replace

import numpy as np
import pytest

from repic_plugin.consensus import (
    ALL_CANDIDATES,
    ImageClasses,
    MicrographQuality,
    Thresholds,
    accepted,
    fall_lines,
    falls_of,
    find_consensus,
    joined,
    median_scores,
    micrograph_quality,
    shares_of_junk,
)
from repic_plugin.simulation import simulate_picks

BOX = 180
MODES = [{"mode": "all"}, {"mode": "quorum", "quorum": 2}, {"mode": "probabilistic"}]


def simulated(n_micrographs=8, **values):
    return simulate_picks(n_micrographs, 3, recall=0.8, precision=0.7, **values).picks


def quality(n, **columns):
    """Of `n` micrographs of one picker, unknown but for some columns."""
    unknown = np.full(n, np.nan)
    values = {"agreement": unknown, "n_expected": unknown, "precision": unknown, "junk": unknown}
    values.update(n_particles=np.full(n, 100), score=np.full((n, 1), np.nan))
    values.update({name: np.asarray(column) for name, column in columns.items()})
    return MicrographQuality(tuple(f"m{i}" for i in range(n)), ("a",), **values)


@pytest.mark.parametrize("options", MODES, ids=lambda one: one["mode"])
def test_counts_equal_those_of_a_loop(options):
    result = find_consensus(simulated(), BOX, **options)
    found = micrograph_quality(result)
    for m, n_picks in enumerate(result.micrographs.n_picks.sum(axis=1)):
        mine = [row for row in range(len(result)) if result.micrograph[row] == m]
        sizes = [int((result.members[row] >= 0).sum()) for row in mine]
        assert found.agreement[m] == sum(size for size in sizes if size > 1) / n_picks
        assert found.n_particles[m] == len(mine)
        if result.ensemble is None:
            assert np.isnan(found.n_expected[m])
            assert found.number[m] == len(mine)
        else:
            assert found.n_expected[m] == pytest.approx(sum(result.weight[mine]))
            assert found.precision[m] == pytest.approx(np.mean(result.weight[mine]))
            assert found.number[m] == found.n_expected[m]
    assert 0 < found.agreement.min() < found.agreement.max() < 1


def test_some_micrographs_in_another_order_have_the_same_quality():
    picks = simulated()
    every = micrograph_quality(find_consensus(picks, BOX, mode="quorum"))
    some = find_consensus(picks, BOX, mode="quorum", micrographs=[2, 5, 6])
    few = micrograph_quality(some)
    assert few.names == every.take([2, 5, 6]).names
    np.testing.assert_array_equal(few.agreement, every.agreement[[2, 5, 6]])
    np.testing.assert_array_equal(few.n_particles, every.n_particles[[2, 5, 6]])


def test_a_micrograph_without_picks_is_unknown_and_rejected_by_its_number_only():
    picks = replace(simulated(3), micrograph_names=("mic0", "mic1", "mic2", "empty"))
    found = micrograph_quality(find_consensus(picks, BOX, mode="quorum"))
    assert np.isnan(found.agreement[3])
    assert found.n_particles[3] == 0
    assert accepted(found, Thresholds(min_agreement=0.01))[3]
    assert not accepted(found, Thresholds(min_particles=1))[3]


def test_median_scores_equal_those_of_numpy():
    picks = simulated()
    has_score = np.random.default_rng(0).random(len(picks)) < 0.5
    has_score[picks.picker == 1] = False
    found = median_scores(replace(picks, has_score=has_score))
    assert np.isnan(found[:, 1]).all()
    for m in range(picks.n_micrographs):
        for picker in (0, 2):
            mine = (picks.micrograph == m) & (picks.picker == picker) & has_score
            assert found[m, picker] == np.median(picks.score[mine])


def test_junk_is_the_share_of_picks_with_an_image():
    picks = simulated()
    options = {"mode": "probabilistic", "num_particles": ALL_CANDIDATES}
    candidates = find_consensus(picks, BOX, **options)
    label = np.random.default_rng(1).integers(-1, 3, len(candidates))
    classes = ImageClasses(label, np.array([0.9, 0.1, 0.2]))
    found = shares_of_junk(candidates, classes)
    for m in range(picks.n_micrographs):
        mine = candidates.micrograph == m
        n = [candidates.n_members[mine & (label == k)].sum() for k in range(3)]
        assert found[m] == (n[1] + n[2]) / sum(n)
    nothing = shares_of_junk(candidates, ImageClasses(np.full(len(label), -1), np.ones(1)))
    assert np.isnan(nothing).all()
    assert np.isnan(shares_of_junk(candidates, classes._replace(is_filtered=True))).all()


def test_no_micrograph_is_rejected_by_default():
    worst = quality(3, agreement=[0, 0, np.nan], n_particles=[0, 0, 0], junk=[1, 1, 1])
    assert accepted(worst, Thresholds()).all()


@pytest.mark.parametrize(
    ("thresholds", "expected"),
    [
        (Thresholds(min_agreement=0.5), [True, True, False, True]),
        (Thresholds(min_particles=50), [True, False, True, True]),
        (Thresholds(max_junk=0.5), [True, True, True, False]),
        (Thresholds(0.5, 50, 0.5), [True, False, False, False]),
    ],
)
def test_thresholds_are_the_last_values_accepted(thresholds, expected):
    of = quality(4, agreement=[0.5, 0.9, 0.49, np.nan], n_expected=[50, 49.9, 80, 50.0],
                 junk=[0.5, np.nan, 0.1, 0.51])  # fmt: skip
    assert accepted(of, thresholds).tolist() == expected


def test_batches_joined_are_the_whole():
    whole = micrograph_quality(find_consensus(simulated(), BOX, mode="quorum"))
    parts = [whole.take([0, 1, 2]), whole.take([3]), whole.take([4, 5, 6, 7])]
    again = joined(parts)
    assert again.names == whole.names
    np.testing.assert_array_equal(again.agreement, whole.agreement)
    np.testing.assert_array_equal(again.score, whole.score)


def test_the_rank_of_scores_does_not_depend_on_their_scale():
    score = np.array([[3.0], [np.nan], [1.0], [2.0], [2.0]])
    rank = quality(5, score=score).score_rank[:, 0]
    np.testing.assert_allclose(rank, [1, np.nan, 0, 0.5, 0.5])
    np.testing.assert_array_equal(quality(5, score=np.exp(score)).score_rank[:, 0], rank)


def test_a_fall_of_agreement_is_told_and_nothing_else():
    rng = np.random.default_rng(2)
    agreement = np.where(np.arange(1000) < 812, 0.7, 0.2) + rng.normal(0, 0.1, 1000)
    of = quality(1000, agreement=agreement, n_particles=rng.poisson(200, 1000),
                 score=rng.random((1000, 1)))  # fmt: skip
    lines = fall_lines(of, falls_of(of))
    assert lines == ["since micrograph 813 (m812) agreement fell from 0.69 to 0.21 (medians)"]


def test_scores_that_fall_are_told_by_their_rank():
    rng = np.random.default_rng(3)
    score = rng.normal(-2, 1, (200, 1))
    score[120:] -= 3
    of = quality(200, score=score)
    (line,) = fall_lines(of, falls_of(of))
    assert "rank of the scores of a fell from 0." in line
