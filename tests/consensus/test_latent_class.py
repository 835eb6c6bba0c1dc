"""The two latent classes against formulas, other solvers, and data whose parameters are known."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import brentq, minimize
from scipy.special import expit

from repic_plugin.consensus.ensemble.latent_class import (
    Cells,
    LatentClasses,
    fit_latent_classes,
    population,
    posterior,
    rising,
)

EVERY = 10_000.0


def patterns(k):
    return np.array([row for row in product([False, True], repeat=k) if any(row)])


def expected(found, n, rate):
    return n * np.prod(np.where(found, rate, 1 - np.asarray(rate)), axis=1)


def unscored(found, n):
    return Cells(found, np.full(found.shape, -1), np.asarray(n, dtype=float))


@given(st.lists(st.floats(0.05, 0.99), min_size=2, max_size=6), st.floats(10, 1e6))
def test_the_population_is_the_root_of_its_equation(rates, n):
    rates = np.array(rates)
    n_seen, n_found = n * (1 - np.prod(1 - rates)), n * rates

    def excess(size):
        return size * (1 - np.prod(1 - np.minimum(n_found / size, 1))) - n_seen

    low = max(n_seen, n_found.max())
    root = brentq(excess, low, 1e9) if excess(low) < 0 else low
    assert population(n_seen, n_found, np.inf) == pytest.approx(root, rel=1e-6)


@pytest.mark.parametrize(("most", "answer"), [(500.0, 500.0), (np.inf, 100e3)])
def test_a_population_of_which_nothing_was_found_twice_has_no_bound_of_its_own(most, answer):
    assert population(100.0, np.array([60.0, 40.0]), most) == answer


@given(st.lists(st.tuples(st.floats(0, 1), st.floats(0.1, 9)), min_size=1, max_size=9))
def test_rising_values_are_the_greatest_of_the_least_means(pairs):
    values, weights = np.array(pairs).T
    n = len(values)

    def mean(a, b):
        return np.average(values[a : b + 1], weights=weights[a : b + 1])

    by_formula = [max(min(mean(a, b) for b in range(i, n)) for a in range(i + 1)) for i in range(n)]
    assert np.allclose(rising(values, weights), by_formula)


def test_the_posterior_is_bayes_rule():
    scores = np.array([[0.2, 0.8], [0.5, 0.5]])
    junk = np.array([[0.9, 0.1], [0.3, 0.7]])
    fit = LatentClasses(80.0, np.array([0.9, 0.6]), 400.0, np.array([0.2, 0.05]), scores, junk)
    cells = Cells(np.array([[True, False], [True, True]]), np.array([[1, -1], [0, 1]]), np.ones(2))
    particle = 80 * np.array([0.9 * 0.4 * 0.8, 0.9 * 0.6 * 0.2 * 0.5])
    false = 400 * np.array([0.2 * 0.95 * 0.1, 0.2 * 0.05 * 0.9 * 0.7])
    assert np.allclose(posterior(fit, cells), particle / (particle + false))


@pytest.mark.parametrize("is_free", [False, True])
def test_parameters_are_found_again_from_the_counts_that_they_predict(is_free):
    found = patterns(5)
    recall, junk_rate = [0.9, 0.75, 0.6, 0.45, 0.3], [0.02, 0.1, 0.05, 0.08, 0.15]
    n_junk = 0.2 * EVERY if is_free else EVERY - 0.3 * EVERY
    counts = 1000 * (expected(found, 0.3 * EVERY, recall) + expected(found, n_junk, junk_rate))
    fit, _ = fit_latent_classes(unscored(found, counts), 2, 1000 * EVERY, is_free)
    assert fit.has_converged
    assert np.allclose(fit.recall, recall, atol=0.003)
    assert fit.n_particles == pytest.approx(300 * EVERY, rel=0.005)
    assert fit.n_junk == pytest.approx(1000 * n_junk, rel=0.02)


def test_three_pickers_against_another_solver():
    found = patterns(3)
    truth = (3000.0, [0.58, 0.31, 0.48]), (15000.0, [0.07, 0.075, 0.035])
    rng = np.random.default_rng(2)
    counts = rng.poisson(sum(expected(found, *one) for one in truth))
    n_places = 18_000.0
    fit, _ = fit_latent_classes(unscored(found, counts), 2, n_places, False)

    def loss(values):
        n = np.exp(values[0])
        rates = expit(values[1:])
        total = expected(found, n, rates[:3]) + expected(found, n_places - n, rates[3:])
        return (total - counts * np.log(np.maximum(total, 1e-9))).sum()

    best = min(
        (
            minimize(loss, [np.log(n), *rng.normal(0, 1, 3), *rng.normal(-3, 0.5, 3)])
            for n in (1500, 3000, 4500)
        ),
        key=lambda one: one.fun,
    )
    assert fit.n_particles == pytest.approx(np.exp(best.x[0]), rel=0.03)
    assert np.allclose(fit.recall, expit(best.x[1:4]), atol=0.01)
    assert np.allclose(fit.recall, truth[0][1], atol=0.06)


def test_scores_separate_what_agreement_leaves_open():
    """Two pickers: only their scores tell how many of the single picks are true."""
    n_bins, recall, junk_rate = 6, np.array([0.8, 0.6]), np.array([0.05, 0.08])
    good = np.arange(1, n_bins + 1) ** 2.0
    good[:2] = 0.0  # no particle scores lowest, and no junk highest
    bad = np.arange(n_bins, 0, -1) ** 2.0
    bad[-2:] = 0.0
    good, bad = good / good.sum(), bad / bad.sum()
    rows, counts = [], []
    for bins in product(range(-1, n_bins), repeat=2):
        found = np.array(bins) >= 0
        if not found.any():
            continue
        n = [
            size * np.prod(np.where(found, rate * np.append(density, 0)[list(bins)], 1 - rate))
            for size, rate, density in ((1e5, recall, good), (2e5, junk_rate, bad))
        ]
        rows.append(bins)
        counts.append(sum(n))
    bins = np.array(rows)
    fit, _ = fit_latent_classes(Cells(bins >= 0, bins, np.array(counts)), n_bins, 2e5, True)
    assert np.allclose(fit.recall, recall, atol=0.02)
    assert np.allclose(fit.particle_scores, good, atol=0.02)
