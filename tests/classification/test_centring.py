"""Where the density of classes lies."""

import numpy as np
import pytest

from repic_plugin.classification.centring import best_match, lies_elsewhere

BOX = 64
Y, X = np.mgrid[-BOX // 2 : BOX // 2, -BOX // 2 : BOX // 2]


def shell(x=0.0, y=0.0):
    """A hollow particle: the middle is darker than the ground."""
    radius = np.hypot(X - x, Y - y)
    return np.exp(-(((radius - 14) / 3) ** 2)) - 0.5 * np.exp(-((radius / 12) ** 2))


def bar(turn):
    along = X * np.cos(turn) + Y * np.sin(turn)
    across = Y * np.cos(turn) - X * np.sin(turn)
    return np.exp(-((along / 16) ** 2) - (across / 6) ** 2)


CASES = {
    "at the centre": (shell(), False),
    "as far as members are searched": (shell(2, 1), False),
    "off centre": (shell(12, -6), True),
    "between two": (shell(-20, 0) + shell(20, 0), True),
}


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("sign", [1, -1])
def test_density_elsewhere_is_found(case, sign):
    image, expected = CASES[case]
    noise = 0.1 * np.random.default_rng(0).normal(size=(4, BOX, BOX))
    averages = sign * np.stack([shell(), shell(), shell(), image]) + noise
    assert lies_elsewhere(averages, np.array([1.0, 1, 1, 0.5])).tolist() == [False] * 3 + [expected]


def test_views_of_other_shapes_are_at_the_centre():
    averages = np.stack([bar(turn) for turn in (0, 1, 2)] + [0.5 * bar(0) + 0.5 * bar(np.pi / 2)])
    distance, at_centre = best_match(averages, np.ones(4))
    assert (distance == 0).all()
    assert (at_centre == 1).all()


def test_scale_and_ground_do_not_matter():
    averages = np.stack([shell(), shell(9, 3), bar(0.3)])
    weight = np.array([2.0, 1, 1])
    expected = best_match(averages, weight)
    found = best_match(averages * np.array([1, 30, 0.1])[:, None, None] + 5, weight)
    for one, other in zip(expected, found):
        assert np.allclose(one, other)


def test_empty_classes_and_no_good_class():
    averages = np.stack([shell(), np.zeros((BOX, BOX))])
    assert not lies_elsewhere(averages, np.array([1.0, 0]))[0]
    assert not lies_elsewhere(averages, np.zeros(2)).any()
