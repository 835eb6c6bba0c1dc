"""The compiled writer of tables against Python's formatting."""

import math

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from repic_plugin.formats.base import number_rows
from repic_plugin.formats.base.number_rows import (
    coordinate_cells,
    fixed_cells,
    plain_rows,
    pointed_cells,
    rows_text,
    score_cells,
    whole_cells,
    word_cells,
)

STYLES = (fixed_cells, coordinate_cells, score_cells, pointed_cells)
HALVES = st.tuples(st.integers(-(10**10), 10**10), st.integers(0, 30)).map(
    lambda p: p[0] / 2 ** p[1]
)
POWERS = st.integers(-14, 10).map(lambda n: 10.0**n)
NEAR_POWERS = st.tuples(POWERS, st.integers(-3, 3)).map(lambda p: p[0] * (1 + p[1] * 1e-10))
VALUES = st.one_of(
    st.floats(allow_infinity=False),
    st.floats(-1e6, 1e6),
    st.floats(0, 1),
    HALVES,
    POWERS,
    NEAR_POWERS,
    POWERS.map(lambda value: float(np.nextafter(value, 0))),
)


@settings(max_examples=500, deadline=None)
@given(st.lists(VALUES, min_size=1, max_size=6), st.sampled_from(STYLES))
@example([0.0, -0.0, 0.5, 1.5, 2.5, 0.00005, 0.00015], coordinate_cells)
@example([0.0, -0.0, 0.0000005, 1.0000005, -1e-9], fixed_cells)
@example(
    [
        999999999.9999999,
        99999999.9999999,
        99999.99995,
        999999999.4,
        999999999.5,
        9.9999999995e-05,
        1e-13,
        1e-14,
    ],
    score_cells,
)
@example([1e-5, 12345678.25, 1e8, 1e9, math.nan, 0.1], pointed_cells)
def test_bytes_are_those_of_the_plain_formatting(values, style):
    columns = [word_cells(["a", "ä b"], np.arange(len(values)) % 2), style(np.array(values))]
    assert rows_text(columns, ",") == plain_rows(columns, ",")


def test_usual_numbers_take_the_fast_way(monkeypatch):
    monkeypatch.setattr(number_rows, "plain_rows", None)
    rng = np.random.default_rng(0)
    values = np.append(rng.random(5000) * 10.0 ** rng.integers(-10, 9, 5000), [0.0, -0.0])
    for style in STYLES:
        rows = rows_text([style(values)], "\t").decode().split("\n")
        assert len(rows) == len(values) + 1
    assert rows_text([score_cells(values)], ",").decode().split() == [f"{v:.9g}" for v in values]


@pytest.mark.parametrize("large", [0, 10**12])
def test_whole_numbers_words_and_empty_cells(large):
    columns = [
        word_cells(["b", "", '"c,d"'], [2, 0, 1]),
        whole_cells(np.array([7, -1, 10]) + large, missing=large - 1),
        score_cells(np.array([np.nan, 0.25, np.nan])),
    ]
    rows = f'"c,d",{7 + large},\nb,,0.25\n,{10 + large},\n'
    assert rows_text(columns, ",").decode() == rows


def test_no_rows():
    assert rows_text([score_cells(np.zeros(0)), word_cells([], [])], " ") == b""
