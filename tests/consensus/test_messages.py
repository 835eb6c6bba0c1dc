"""Picks far outside of everything are reported, and nothing else is."""

import warnings

import numpy as np
import pytest

from repic_plugin.consensus import Picks, find_consensus


def picks_with(extra=(), n=200, n_micrographs=2, seed=0):
    rng = np.random.default_rng(seed)
    true = rng.uniform(90, 4000, (n, 2))
    centers = np.concatenate([true + rng.normal(0, 5, true.shape) for _ in range(2)])
    micrograph = np.tile(np.arange(n) % n_micrographs, 2)
    picker = np.repeat((0, 1), n)
    if len(extra):
        centers = np.concatenate((centers, extra))
        micrograph = np.append(micrograph, np.ones(len(extra), int))
        picker = np.append(picker, np.ones(len(extra), int))
    return Picks.from_columns(
        micrograph,
        picker,
        *centers.T,
        np.full(len(centers), 0.5) + 1e-3 * np.arange(len(centers)) / len(centers),
        micrograph_names=("m0", "m1"),
        picker_names=("a", "b"),
    )


def told(picks):
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        find_consensus(picks, 180)
    return [str(one.message) for one in found if "far out" in str(one.message)]


@pytest.mark.parametrize("value", [2e4, 1e6, -1e9])
def test_a_wild_pick_is_named(value):
    (line,) = told(picks_with([(value, 100.0), (1.1 * value, 7.0)]))
    assert line.startswith("2 of b's picks lie more than 4 times as far out")
    assert f"({1.1 * value:g}, 7) on m1" in line


@pytest.mark.parametrize("seed", range(5))
def test_picks_on_a_micrograph_are_not(seed):
    assert not told(picks_with(seed=seed))
    assert not told(picks_with(seed=seed, n=20))
    assert not told(picks_with([(5700.0, 4000.0)], seed=seed))  # another camera
