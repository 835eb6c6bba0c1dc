"""Which classes a person has chosen."""

import numpy as np
import pytest

from repic_plugin.plots import ClassChoice, ranges_text

SIZES = [100, 40, 0, 70, 10, 30]
SCORES = [0.5, 0.9, 0.95, 0.2, 0.3, 0.8]
JUNK = [False, False, False, True, True, False]
RESOLUTION = [20.0, 7.54, np.nan, np.nan, 30.0, 9.0]


def choice(**changes):
    known = {"scores": SCORES, "resolutions_angstrom": RESOLUTION}
    return ClassChoice(SIZES, is_junk=JUNK, **{**known, **changes})


def test_the_best_come_first_without_the_empty_ones():
    assert choice().shown.tolist() == [1, 5, 0, 4, 3]
    assert choice(scores=None).shown.tolist() == [0, 3, 1, 5, 4]


def test_at_first_it_is_the_judgement():
    one = choice()
    assert one.numbers() == [1, 2, 6]
    assert one.numbers(good=False) == [4, 5]
    assert (one.n_particles(), one.n_particles(good=False)) == (170, 80)
    assert one.least_good_score() == 0.5
    assert one.label() == "classes 1-2, 6"
    assert one.label(good=False) == "classes 4-5"


@pytest.mark.parametrize(
    ("score", "numbers"), [(0.0, [1, 2, 4, 5, 6]), (0.3, [1, 2, 5, 6]), (0.81, [2]), (1.0, [])]
)
def test_a_threshold_replaces_the_judgement(score, numbers):
    one = choice()
    one.set_threshold(score)
    assert one.numbers() == numbers
    assert sorted(one.numbers() + one.numbers(good=False)) == [1, 2, 4, 5, 6]
    assert one.n_particles() + one.n_particles(good=False) == sum(SIZES)
    assert one.label() == f"classes of score {score:.2f} or more"
    assert one.label(good=False) == f"classes of score below {score:.2f}"


def test_the_threshold_is_that_of_the_label():
    one = choice()
    one.set_threshold(0.5049)
    assert one.threshold == 0.5
    assert 1 in one.numbers()


def test_what_is_marked_by_hand_stays():
    one = choice()
    one.mark(0, False)
    one.mark(3, True)
    one.mark(1, True)  # as it is
    assert one.numbers() == [2, 4, 6]
    for score in (0.0, 1.0):
        one.set_threshold(score)
        assert {2, 4} <= {*one.numbers()}
        assert 1 not in one.numbers()
    assert one.label() == "classes of score 1.00 or more, with 2, 4"
    assert one.label(good=False) == "classes of score below 1.00, without 2, 4"
    one.set_threshold(0.6)
    assert one.label() == "classes of score 0.60 or more, with 4"
    one.set_threshold(0.4)
    assert one.label() == "classes of score 0.40 or more, with 4, without 1"
    assert one.summary().splitlines()[0] == "Good: score 0.40 or more, 2 by hand"
    one.reset()
    assert one.numbers() == [1, 2, 6]
    assert one.threshold is None


def test_marking_twice_takes_it_back():
    one = choice()
    one.toggle(0)
    assert one.numbers() == [2, 6]
    one.toggle(0)
    assert one.numbers() == [1, 2, 6]
    one.set_threshold(0.6)  # no mark is left that would keep it
    assert one.numbers() == [2, 6]
    one.toggle(0)
    one.set_threshold(0.4)  # its mark says what the rule says now
    one.toggle(0)
    assert one.numbers() == [2, 6]


def test_going_on_ends_at_the_first_and_last():
    one = choice()
    seen = []
    for by in (1, 3, 2, -1, -9):
        one.step(by)
        seen.append(one.current)
    assert seen == [5, 3, 3, 4, 1]
    one.go_to(0)
    assert one.place == 2


def test_what_is_known_of_a_class():
    one = choice(is_off_centre=[True, False, False, True, False, False])
    assert one.caption(1) == ["2: 40 particles", "7.5 Å, score 0.900"]
    assert one.caption(3) == ["4: 70 particles", "score 0.200"]
    assert [one.badge(k) for k in (0, 1, 3)] == ["off centre", "", "junk"]
    one.mark(3, True)
    assert one.describe(3) == [
        "Class 4: 70 particles",
        "Score 0.2000",
        "Resolution unknown",
        "Judged junk, off centre",
        "Chosen as good by hand",
    ]
    assert one.summary().splitlines() == [
        "Good: as judged, 1 by hand",
        "4 of 5 classes, 1 empty",
        "240 of 250 particles (96%)",
    ]


def test_without_scores_there_is_the_judgement_and_the_hand():
    one = choice(scores=None, resolutions_angstrom=None)
    one.set_threshold(0.9)
    assert one.numbers() == [1, 2, 6]
    one.toggle(1)
    assert one.label() == "classes 1, 6"
    assert one.caption(4) == ["5: 10 particles", ""]


@pytest.mark.parametrize(
    ("numbers", "letters", "text"),
    [
        ([], None, ""),
        ([3], None, "3"),
        ([1, 2, 3, 7, 9, 10], None, "1-3, 7, 9-10"),
        ([1, 2, 3, 7, 9, 10], 12, "1-3, 7, 9-10"),
        ([1, 2, 3, 7, 9, 10], 11, "1-3, 7, ... (6)"),
        ([1, 3, 5], 1, "1, ... (3)"),
    ],
)
def test_numbers_as_ranges(numbers, letters, text):
    assert ranges_text(numbers, letters) == text


def test_a_class_of_unknown_score_is_not_the_lowest_good_one():
    scores = np.array([np.nan, 0.7, 0.4])
    choice = ClassChoice(np.array([5, 5, 5]), is_junk=np.zeros(3, bool), scores=scores)
    assert choice.least_good_score() == 0.4
    choice = ClassChoice(np.array([5]), is_junk=np.zeros(1, bool), scores=np.array([np.nan]))
    assert choice.least_good_score() == 0
