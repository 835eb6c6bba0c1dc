"""Labels: the best of each micrograph, and random parts."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from repic_plugin.iteration import best_of_each, sampled


@given(
    st.lists(st.tuples(st.integers(0, 4), st.integers(0, 9)), max_size=60),
    st.integers(0, 8),
)
def test_the_best_of_each_micrograph_are_kept(particles, n_best):
    micrograph = np.array([m for m, _ in particles], dtype=int)
    weight = np.array([w for _, w in particles], dtype=float)
    kept = best_of_each(micrograph, weight, n_best)
    expected = []
    for m in range(5):
        mine = [i for i in range(len(particles)) if micrograph[i] == m]
        best = sorted(mine, key=lambda i: (-weight[i], i))
        expected += best if n_best == 0 else best[:n_best]
    assert kept.tolist() == sorted(expected)


@given(st.integers(0, 200), st.floats(0.01, 1.0), st.integers(0, 1000))
def test_a_sample_keeps_five_at_least_and_what_a_smaller_one_keeps(n, probability, seed):
    kept = sampled(n, probability, random_state=seed)
    assert len(kept) >= min(5, n)
    assert len(set(kept.tolist())) == len(kept)
    assert set(kept.tolist()) <= set(range(n))
    smaller = sampled(n, probability / 2, random_state=seed)
    assert set(smaller.tolist()) <= set(kept.tolist())
    assert sampled(n, probability, random_state=seed).tolist() == kept.tolist()


def test_each_is_kept_with_the_same_probability():
    kept = np.zeros(50)
    for seed in range(400):
        kept[sampled(50, 0.4, random_state=seed)] += 1
    assert kept / 400 == pytest.approx(np.full(50, 0.4), abs=0.1)


def test_bad_input_is_told():
    with pytest.raises(ValueError, match=r"probability must lie in \(0, 1\], got 0"):
        sampled(10, 0)
    with pytest.raises(ValueError, match="of one length"):
        best_of_each([0, 1], [1.0], 2)
    with pytest.raises(
        ValueError, match="n_best must be a whole number, 0 or more, got -1; 0 keeps all"
    ):
        best_of_each([0], [1.0], -1)
