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


def told_of_fewer(counts, mode="all", names=("a", "b", "c"), **options):
    """Lines on scarce pickers, of picks in rows: `counts` by micrograph and picker."""
    counts = np.asarray(counts)
    micrograph, picker = (
        np.repeat(one.ravel(), counts.ravel()) for one in np.indices(counts.shape)
    )
    n = np.concatenate([np.arange(most) for most in counts.ravel()])
    places = (300.0 * (n % 30), 300.0 * (n // 30), 0.2 + 0.6 * n / counts.max())
    picks = Picks.from_columns(micrograph, picker, *places, picker_names=names[: len(counts[0])])
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        find_consensus(picks, 180, mode=mode, decoys=False, **options)
    return [
        str(one.message) for one in found if "picks per micrograph (median)" in str(one.message)
    ]


def test_a_picker_with_far_fewer_picks_is_named_where_all_have_to_agree():
    # those of REPIC's example
    counts = [(627, 299, 732), (711, 313, 793), (770, 324, 790), (803, 290, 799)]
    (line,) = told_of_fewer(counts, names=("crYOLO", "deepPicker", "topaz"))
    assert line == (
        "deepPicker has 306 picks per micrograph (median), the other pickers 766: where all "
        "pickers have to agree, it limits what is found; lower its threshold, leave it out, or "
        "choose mode quorum"
    )
    assert not told_of_fewer(counts, "quorum")
    assert told_of_fewer(counts, "quorum", quorum=3)
    assert not told_of_fewer(counts, "probabilistic")


def test_a_threshold_that_leaves_few_picks_counts():
    counts = [(40, 40, 40)] * 4
    (line,) = told_of_fewer(counts, min_score={"b": 0.7})
    assert line.startswith("b has ")


def test_of_two_pickers_none_can_be_left_out():
    counts = [(100, 40)] * 4
    (line,) = told_of_fewer(counts, names=("a", "b"))
    assert line.endswith("lower its threshold or choose mode probabilistic")
    assert not told_of_fewer(counts, "probabilistic", names=("a", "b"))


def test_similar_pickers_bad_luck_and_few_data_are_not_named():
    assert not told_of_fewer([(146, 96, 87), (135, 132, 102), (147, 119, 80)])
    assert not told_of_fewer([(50, 50, 50), (52, 2, 48), (47, 51, 50), (50, 49, 0)])
    assert not told_of_fewer([(100, 10, 100)] * 2)
    assert not told_of_fewer([(6, 1, 6)] * 5)
