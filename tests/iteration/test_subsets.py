"""Micrographs to train on, to validate with and to test on."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from repic_plugin.iteration import SUBSETS, draw_subsets


@st.composite
def draws(draw):
    n_validation = draw(st.integers(0, 9))
    n = draw(st.integers(n_validation + 6, 80))
    defocus = draw(
        st.none() | st.lists(st.floats(1e3, 5e4), min_size=n, max_size=n).map(np.asarray)
    )
    fraction = draw(st.floats(0.01, 0.99))
    return n, {
        "n_validation": n_validation,
        "mean_defocus_angstrom": defocus,
        "training_fraction": fraction,
        "random_state": draw(st.integers(0, 2**32)),
    }


@given(draws())
def test_every_micrograph_is_in_one_subset(drawn):
    n, options = drawn
    subsets = draw_subsets(n, **options)
    parts = [getattr(subsets, name) for name in SUBSETS]
    assert sorted(np.concatenate(parts).tolist()) == list(range(n))
    assert len(subsets.validation) == options["n_validation"]
    assert len(subsets.training) >= 3
    assert len(subsets.testing) >= 3
    assert [subsets.names()[i] for i in subsets.training] == ["training"] * len(subsets.training)


@given(draws())
def test_each_subset_has_as_many_of_each_third(drawn):
    n, options = drawn
    subsets = draw_subsets(n, **options)
    for name in SUBSETS:
        counts = np.bincount(subsets.bins[getattr(subsets, name)], minlength=3)
        assert counts.max() - counts.min() <= 1, name
    assert len(subsets.training) % 3 == 0


@given(draws())
def test_thirds_are_of_low_medium_and_high_defocus(drawn):
    n, options = drawn
    subsets = draw_subsets(n, **options)
    counts = np.bincount(subsets.bins, minlength=3)
    assert counts.max() - counts.min() <= 1
    defocus = options["mean_defocus_angstrom"]
    if defocus is not None:
        assert defocus[subsets.bins == 0].max() <= defocus[subsets.bins == 1].min()
        assert defocus[subsets.bins == 1].max() <= defocus[subsets.bins == 2].min()


@given(draws())
def test_the_same_seed_draws_the_same(drawn):
    n, options = drawn
    one, other = (draw_subsets(n, **options) for _ in range(2))
    assert one.names() == other.names()


def test_seeds_differ_and_all_micrographs_are_drawn_alike():
    names = np.array([draw_subsets(30, random_state=seed).names() for seed in range(400)])
    part = (names == "training").mean(axis=0)
    assert part == pytest.approx(np.full(30, 6 / 30), abs=0.08)


def test_the_paper_s_numbers():
    subsets = draw_subsets(84)  # 6 for validation, a fifth of 78 to train on, in threes
    assert [len(getattr(subsets, name)) for name in SUBSETS] == [15, 6, 63]


@pytest.mark.parametrize(
    "n, options, words",
    [
        (11, {}, "11 micrographs are too few: 6 for validation and 3 each .* need 12"),
        (12, {"n_validation": -1}, "n_validation must be a whole number, 0 or more, got -1"),
        (12, {"training_fraction": 1.0}, "training_fraction must lie between 0 and 1, got 1.0"),
        (12, {"mean_defocus_angstrom": [1.0] * 11}, "must be 12 finite numbers"),
        (12, {"mean_defocus_angstrom": [np.nan] * 12}, "must be 12 finite numbers"),
    ],
)
def test_bad_input_is_told_in_one_line(n, options, words):
    with pytest.raises(ValueError, match=words) as caught:
        draw_subsets(n, **options)
    assert "\n" not in str(caught.value)
