"""Whether probabilities keep their word, and which picks a reference confirms."""

import numpy as np
import pytest

from repic_plugin.consensus import Picks
from repic_plugin.evaluation import (
    confirmed_picks,
    evaluate_picks,
    precision_recall_curve,
    reliability,
)
from repic_plugin.simulation import simulate_picks


def test_bins_by_hand():
    found = reliability([0.05, 0.3, 0.38, 0.95, 0.99, 0.96], [0, 1, 0, 1, 1, 0])
    assert found.edges.tolist() == [i / 10 for i in range(11)]
    assert found.count.tolist() == [1, 0, 0, 2, 0, 0, 0, 0, 0, 3]
    some = found.count > 0
    assert found.mean_probability[some] == pytest.approx([0.05, 0.34, 2.9 / 3])
    assert found.share_true[some] == pytest.approx([0, 1 / 2, 2 / 3])
    assert np.isnan(found.mean_probability[~some]).all()
    assert np.isnan(found.share_true[~some]).all()


def test_a_bin_holds_its_lower_edge_and_the_last_one_both():
    edges = [i / 10 for i in range(11)]
    assert reliability(edges, [True] * 11).count.tolist() == [1] * 9 + [2]


@pytest.mark.parametrize("n_bins", [1, 4, 10, 33])
def test_everything_is_in_one_bin(n_bins):
    rng = np.random.default_rng(n_bins)
    probability, is_true = rng.random(500), rng.random(500) < 0.5
    found = reliability(probability, is_true, n_bins)
    some = found.count > 0
    assert len(found.edges) == n_bins + 1
    assert found.count.sum() == 500
    assert found.count[some] @ found.share_true[some] == pytest.approx(is_true.sum())
    assert found.count[some] @ found.mean_probability[some] == pytest.approx(probability.sum())
    inside = (found.edges[:-1] <= found.mean_probability) & (
        found.mean_probability <= found.edges[1:]
    )
    assert inside[some].all()


def test_calibrated_probabilities_come_true_and_boasts_do_not():
    rng = np.random.default_rng(0)
    probability = rng.random(40_000)
    is_true = rng.random(40_000) < probability
    honest, boast = reliability(probability, is_true), reliability(probability**0.5, is_true)
    assert np.abs(honest.share_true - honest.mean_probability).max() < 0.03
    assert (boast.mean_probability - boast.share_true)[2:8].min() > 0.1


def test_nothing():
    found = reliability([], [])
    assert found.count.tolist() == [0] * 10
    assert np.isnan(found.share_true).all()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (([0.5, 1.2], [True, True]), "probability must lie in [0, 1], got 1.2"),
        (([-0.1], [True]), "got -0.1"),
        (([np.nan], [True]), "got nan"),
        (([0.5], [True, False]), "the same length"),
        (([[0.5]], [[True]]), "one dimension"),
        (([0.5], [True], 0), "n_bins must be a whole number, 1 or more, got 0"),
        (([0.5], [True], 2.5), "got 2.5"),
    ],
)
def test_refused(arguments, words):
    with pytest.raises(ValueError) as caught:
        reliability(*arguments)
    assert words in str(caught.value)


@pytest.fixture(scope="module")
def simulated():
    return simulate_picks(
        3, 2, n_particles=60, micrograph_size_px=(1500, 1500), box_size_px=80, jitter_px=12
    )


def test_confirmed_are_the_pairs_of_the_evaluation(simulated):
    picks, box_px = simulated.picks, simulated.box_size_px
    found = confirmed_picks(picks, simulated.truth, box_px)
    assert found.is_compared.all()
    n_confirmed = np.bincount(picks.picker[found.is_confirmed])
    scores = evaluate_picks(picks, simulated.truth, box_px)
    assert n_confirmed.tolist() == [one.matching.tp for one in scores]
    assert 0 < n_confirmed.sum() < len(picks)


def test_confirmed_best_first_as_in_the_curve(simulated):
    picks, box_px = simulated.picks, simulated.box_size_px
    is_confirmed = confirmed_picks(picks, simulated.truth, box_px).is_confirmed
    curves = precision_recall_curve(picks, simulated.truth, box_px, max_points=None)
    for number, curve in enumerate(curves):
        mine = picks.picker == number
        order = np.argsort(-picks.score[mine], kind="stable")
        assert np.cumsum(is_confirmed[mine][order]) / curve.n_picks == pytest.approx(
            curve.precision
        )


def at(x, score=None, micrographs=("m1",), picker="p", micrograph=0):
    n = len(x)
    return Picks.from_columns(
        np.full(n, micrograph),
        np.zeros(n, int),
        np.array(x, float),
        np.zeros(n),
        score,
        micrograph_names=micrographs,
        picker_names=[picker],
    )


def test_of_two_picks_on_a_particle_the_better_one_is_confirmed():
    found = confirmed_picks(at([1, 0], [0.2, 0.9]), at([0]), 40)
    assert found.is_confirmed.tolist() == [False, True]
    found = confirmed_picks(at([1, 0], [0.9, 0.2]), at([0]), 40)
    assert found.is_confirmed.tolist() == [True, False]


def test_the_radius():
    assert confirmed_picks(at([10]), at([0]), 40).is_confirmed.tolist() == [True]
    assert confirmed_picks(at([10.1]), at([0]), 40).is_confirmed.tolist() == [False]
    assert confirmed_picks(at([10.1]), at([0]), 40, radius_px=11).is_confirmed.tolist() == [True]


def test_micrographs_that_the_reference_lacks_are_not_compared():
    both = Picks.from_columns([0, 1], [0, 0], [5, 5], [0, 0], micrograph_names=["m1", "m2"])
    found = confirmed_picks(both, at([5], micrographs=("m2",)), 40)
    assert found.is_compared.tolist() == [False, True]
    assert found.is_confirmed.tolist() == [False, True]
