"""The record of counts and its ratios."""

import dataclasses

import pytest

from repic_plugin.evaluation import Scores


def test_ratios_of_a_hand_worked_case():
    scores = Scores(tp=6, fp=2, fn=4)
    assert scores.precision == 0.75
    assert scores.recall == 0.6
    assert scores.f1 == pytest.approx(2 * 0.75 * 0.6 / (0.75 + 0.6))


def test_nothing_to_nothing_is_zero():
    assert (Scores().precision, Scores().recall, Scores().f1) == (0.0, 0.0, 0.0)
    assert Scores(fp=3).recall == 0.0
    assert Scores(fn=3).precision == 0.0


def test_scores_add_up():
    assert Scores(1, 2, 3) + Scores(10, 20, 30) == Scores(11, 22, 33)
    assert sum([Scores(1, 2, 3)] * 3, Scores()) == Scores(3, 6, 9)
    with pytest.raises(TypeError):
        Scores() + 1


def test_scores_are_frozen():
    with pytest.raises(dataclasses.FrozenInstanceError):
        Scores().tp = 1
