"""Particles ranked by weight or by confidence, and the number to train on that follows."""

import math

import numpy as np
import pytest
from hypothesis import given

from repic_plugin.consensus import (
    RANKINGS,
    recommended_num_particles,
    recommended_number,
    result_from_arrays,
    result_to_arrays,
)
from repic_plugin.formats import read_picks_dir
from tests.consensus.inputs import data_sets, random_picks
from tests.plain_consensus import find_consensus


def plain_number(values, micrograph):
    """Mean number per micrograph, rounded up, of the best that first reach 70 per cent."""
    ordered, total = sorted(values, reverse=True), 0.0
    for n_best, value in enumerate(ordered, 1):
        total += value
        if total >= 0.7 * math.fsum(ordered) - 1e-12:
            return math.ceil(n_best / len(set(micrograph)))
    return 0


def median_scores(result, picks):
    """Median score of each particle's members, one particle at a time."""
    return [
        float(np.median([picks.score[pick] for pick in row if pick >= 0]))
        for row in result.members.tolist()
    ]


@given(data_sets())
def test_the_same_particles_in_the_order_of_their_median_scores(data):
    by_weight, found = data.consensus(), data.consensus(rank_by="confidence")
    assert sorted(found.members.tolist()) == sorted(by_weight.members.tolist())
    confidence = median_scores(found, data.picks)
    np.testing.assert_allclose(found.ranking, confidence)
    keys = list(zip(found.micrograph.tolist(), (-found.ranking).tolist(), (-found.weight).tolist()))
    assert keys == sorted(keys)
    assert recommended_num_particles(found) == plain_number(confidence, found.micrograph.tolist())
    micrograph = by_weight.micrograph.tolist()
    assert recommended_num_particles(by_weight) == plain_number(by_weight.weight, micrograph)
    np.testing.assert_array_equal(found.micrographs.objective, by_weight.micrographs.objective)
    np.testing.assert_array_equal(found.is_unmatched, by_weight.is_unmatched)


@pytest.mark.parametrize("n", [1, 5, 1000])
def test_those_of_the_highest_confidence_are_kept(n):
    picks = random_picks(3, 3, n_micrographs=3)
    everything = find_consensus(picks, 50, mode="quorum", rank_by="confidence")
    best = find_consensus(picks, 50, mode="quorum", rank_by="confidence", num_particles=n)
    for m in range(3):
        scores = sorted(everything.score[everything.micrograph == m].tolist(), reverse=True)
        assert best.score[best.micrograph == m].tolist() == scores[:n]
    by_weight = find_consensus(picks, 50, mode="quorum", num_particles=n)
    assert (set(map(tuple, best.members)) == set(map(tuple, by_weight.members))) == (n == 1000)


def test_stored_results_remember_their_ranking():
    result = find_consensus(random_picks(1, 3), 50, rank_by="confidence")
    arrays = result_to_arrays(result)
    assert result_from_arrays(arrays).rank_by == "confidence"
    del arrays["rank_by"]  # as version 0.2.0 stored them
    assert result_from_arrays(arrays).rank_by == RANKINGS[0] == "weight"


def test_a_ranking_that_is_unknown_or_has_no_meaning_is_refused():
    picks = random_picks(1, 3)
    with pytest.raises(ValueError, match="rank_by must be weight or confidence, got 'size'"):
        find_consensus(picks, 50, rank_by="size")
    with pytest.raises(ValueError, match="rank_by confidence has no meaning in mode probabilistic"):
        find_consensus(picks, 50, mode="probabilistic", rank_by="confidence")


def test_real_picks_by_weight_and_by_confidence(shared_data):
    """REPIC's code ranks by confidence: 775 of 1,175 particles, 130 on each of 6 micrographs."""
    picks = read_picks_dir(shared_data / "empiar-10017").picks
    numbers = {one: find_consensus(picks, 180, rank_by=one) for one in RANKINGS}
    assert [len(one) for one in numbers.values()] == [1175, 1175]
    assert recommended_num_particles(numbers["weight"]) == 117
    assert recommended_num_particles(numbers["confidence"]) == 130
    found = numbers["weight"]
    assert recommended_number(found.score, found.micrograph) == 130
    reached = np.sort(found.score)[::-1].cumsum() >= 0.7 * found.score.sum()
    assert np.flatnonzero(reached)[0] + 1 == 775
