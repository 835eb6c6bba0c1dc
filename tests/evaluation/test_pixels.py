"""Pixel precision and recall against sets of pixels."""

import math
import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from repic_plugin.evaluation import Scores, pixel_scores

COORDINATES = st.floats(-20, 40, allow_nan=False)
CENTERS = st.lists(st.tuples(COORDINATES, COORDINATES), max_size=8)
BOXES = st.integers(1, 12)
SIZES = st.none() | st.tuples(st.integers(1, 30), st.integers(1, 30))


def covered(centers, box, size=None):
    """The pixels of all boxes as a set of (column, row)."""
    pixels = set()
    for x, y in centers:
        left, top = (math.floor(c - box / 2 + 0.5) for c in (x, y))
        pixels |= {(left + i, top + j) for i in range(box) for j in range(box)}
    if size is not None:
        pixels = {(i, j) for i, j in pixels if 0 <= i < size[0] and 0 <= j < size[1]}
    return pixels


@settings(deadline=None)
@given(CENTERS, CENTERS, BOXES, BOXES, SIZES)
def test_agrees_with_sets_of_pixels(picks, reference, box, reference_box, size):
    found, wanted = covered(picks, box, size), covered(reference, reference_box, size)
    scores = pixel_scores(
        picks, reference, box, reference_box_size_px=reference_box, micrograph_size_px=size
    )
    assert scores == Scores(len(found & wanted), len(found - wanted), len(wanted - found))


def test_hand_worked_overlap():
    # 10 x 10 boxes, shifted by 5 and 2: 5 x 8 pixels in common.
    scores = pixel_scores([(5, 5)], [(10, 7)], 10)
    assert scores == Scores(40, 60, 60)
    assert scores.precision == 0.4


def test_a_pixel_covered_twice_counts_once():
    assert pixel_scores([(5, 5), (5, 5), (6, 5)], [(5, 5)], 10) == Scores(100, 10, 0)


def test_halves_round_up():
    # An odd box on a whole centre starts on a half pixel: floor(5 - 1.5 + 0.5) = 4.
    assert pixel_scores([(5, 5)], [(5.5, 5.5)], 3) == Scores(9, 0, 0)


def test_boxes_at_negative_coordinates_count_unless_clipped():
    assert pixel_scores([(0, 0)], [(0, 0)], 10) == Scores(100, 0, 0)
    assert pixel_scores([(0, 0)], [(0, 0)], 10, micrograph_size_px=(50, 50)) == Scores(25, 0, 0)


def test_size_is_width_then_height():
    assert pixel_scores([(15, 5)], [], 10, micrograph_size_px=(20, 10)) == Scores(0, 100, 0)
    assert pixel_scores([(15, 5)], [], 10, micrograph_size_px=(10, 20)) == Scores()


@settings(deadline=None)
@given(CENTERS, CENTERS, BOXES, BOXES)
def test_swapping_roles_swaps_precision_and_recall(picks, reference, box, reference_box):
    forth = pixel_scores(picks, reference, box, reference_box_size_px=reference_box)
    back = pixel_scores(reference, picks, reference_box, reference_box_size_px=box)
    assert (forth.precision, forth.recall, forth.f1) == (back.recall, back.precision, back.f1)


@settings(deadline=None)
@given(CENTERS, CENTERS, BOXES, st.tuples(st.integers(-999, 999), st.integers(-999, 999)))
def test_translation_changes_nothing(picks, reference, box, shift):
    # On quarters of a pixel a sum with a whole number is exact.
    picks, reference = (np.round(np.reshape(c, (-1, 2)) * 4) / 4 for c in (picks, reference))
    moved = pixel_scores(picks + shift, reference + shift, box)
    assert moved == pixel_scores(picks, reference, box)


@settings(deadline=None)
@given(CENTERS.filter(len), BOXES)
def test_a_set_against_itself_is_perfect(picks, box):
    scores = pixel_scores(picks, picks, box)
    assert (scores.precision, scores.recall, scores.f1) == (1.0, 1.0, 1.0)


@settings(deadline=None)
@given(CENTERS, CENTERS, CENTERS, BOXES)
def test_more_picks_never_lower_recall(picks, more, reference, box):
    few, many = (pixel_scores(p, reference, box) for p in (picks, picks + more))
    assert many.tp >= few.tp
    assert many.recall >= few.recall


def test_nothing_on_either_side():
    assert pixel_scores([], [], 10) == Scores()
    assert pixel_scores(np.empty((0, 2)), [(5, 5)], 10) == Scores(0, 0, 100)


def test_far_boxes_are_refused_with_the_remedy():
    with pytest.raises(ValueError, match="give micrograph_size_px") as error:
        pixel_scores([(1e9, 5)], [(5, 5)], 10)
    assert "\n" not in str(error.value)
    clipped = pixel_scores([(1e9, 5), (5, 5)], [(5, 5)], 10, micrograph_size_px=(100, 100))
    assert clipped == Scores(100, 0, 0)


def test_memory_stays_below_two_masks_of_the_micrograph():
    rng = np.random.default_rng(0)
    picks, reference = rng.uniform(0, 2048, (2, 2000, 2))
    tracemalloc.start()
    pixel_scores(picks, reference, 60, micrograph_size_px=(2048, 2048))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 3 * 2048**2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([(1, 2, 3)], [], 10), r"centers must have shape \(n, 2\), got \(1, 3\)"),
        (([], [1.0, 2.0], 10), r"reference_centers must have shape"),
        (([(1, np.nan)], [], 10), r"centers must be finite, got \[1.0, nan\] in row 0"),
        (([], [], 0), "box_size_px must be a whole number of px, 1 or more, got 0"),
        (([], [], 9.5), "got 9.5; round it"),
        (([], [], np.nan), "box_size_px must .* got nan"),
        (([], [], np.inf), "box_size_px must .* got inf"),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(ValueError, match=message) as error:
        pixel_scores(*arguments)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("size", [(10,), (10, 0), (10, 9.5), (1, 2, 3), (np.inf, 5)])
def test_bad_micrograph_size(size):
    with pytest.raises(ValueError, match=r"micrograph_size_px must be .* \(width, height\)"):
        pixel_scores([], [], 10, micrograph_size_px=size)


def test_bad_reference_box():
    with pytest.raises(ValueError, match="reference_box_size_px"):
        pixel_scores([], [], 10, reference_box_size_px=-1)
