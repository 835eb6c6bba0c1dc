"""Sudden falls: those that are there, and none in sessions without one."""

import numpy as np
import pytest

from repic_plugin.consensus import running_median, sudden_falls


def session(n, place, rng, sd=0.1):
    return np.where(np.arange(n) < place, 0.7, 0.2) + rng.normal(0, sd, n)


@pytest.mark.parametrize(("n", "place"), [(1000, 812), (100, 70)])
def test_a_fall_is_found_where_it_is(n, place):
    n_found = 0
    for seed in range(20):
        falls = sudden_falls(session(n, place, np.random.default_rng(seed)))
        n_found += len(falls) == 1 and abs(falls[0].place - place) <= 3
        assert falls[0].before == pytest.approx(0.7, abs=0.1)
        assert falls[0].after == pytest.approx(0.2, abs=0.1)
    assert n_found >= 18


STATIONARY = {
    "normal": lambda n, rng: rng.normal(0.7, 0.1, n),
    "few picks": lambda n, rng: rng.binomial(10, 0.6, n) / 10,
    "mostly zero": lambda n, rng: (rng.random(n) < 0.05) * 1.0,
    "particles": lambda n, rng: rng.poisson(rng.gamma(3, 50, n)).astype(float),
}


@pytest.mark.parametrize("kind", STATIONARY)
@pytest.mark.parametrize(("n", "n_sessions"), [(30, 200), (100, 200), (400, 100)])
def test_sessions_without_a_fall_have_none(kind, n, n_sessions):
    rng = np.random.default_rng(4)
    alarms = sum(bool(sudden_falls(STATIONARY[kind](n, rng))) for _ in range(n_sessions))
    assert alarms <= n_sessions / 100


def test_differences_of_grid_squares_are_no_fall():
    rng = np.random.default_rng(5)
    alarms = 0
    for _ in range(100):
        square = np.repeat(rng.normal(0, 0.05, 20), 20)
        alarms += bool(sudden_falls(0.7 + square + rng.normal(0, 0.08, 400)))
    assert alarms <= 1


def test_a_rise_is_no_fall_and_a_dip_is_one():
    rng = np.random.default_rng(6)
    assert sudden_falls(session(400, 250, rng)[::-1]) == []
    dip = np.concatenate([session(450, 350, rng), rng.normal(0.7, 0.1, 300)])
    (fall,) = sudden_falls(dip)
    assert abs(fall.place - 350) <= 3


def test_unknown_values_are_left_out_and_places_kept():
    values = session(300, 200, np.random.default_rng(7))
    values[::3] = np.nan
    (fall,) = sudden_falls(values)
    assert abs(fall.place - 200) <= 4
    assert not np.isnan(values[fall.place])


@pytest.mark.parametrize("values", [[], [0.5] * 5, [0.5] * 100, [np.nan] * 100])
def test_without_what_could_fall(values):
    assert sudden_falls(values) == []


def test_order_matters_and_scale_does_not():
    values = session(200, 120, np.random.default_rng(8))
    assert [one.place for one in sudden_falls(1000 * values)] == [
        one.place for one in sudden_falls(values)
    ]
    assert sudden_falls(np.random.default_rng(9).permutation(values)) == []


def test_the_running_median_follows_a_fall():
    values = session(300, 200, np.random.default_rng(10))
    values[50] = np.nan
    median = running_median(values)
    assert np.isnan(median[50])
    assert abs(median[190] - 0.7) < 0.15
    assert abs(median[210] - 0.2) < 0.15
