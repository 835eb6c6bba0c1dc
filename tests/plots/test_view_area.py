"""Zoom and scale bar of a micrograph."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from repic_plugin.plots.view_area import MAX_BAR, ViewArea, scale_bar

WHOLE = (4000.0, 3000.0)
fractions = st.floats(0, 1)


@given(st.lists(st.tuples(fractions, fractions, st.floats(0.2, 5)), max_size=8))
def test_a_view_stays_within_the_micrograph_and_in_its_proportions(steps):
    area = ViewArea.of_all(WHOLE)
    for x, y, factor in steps:
        area = area.zoomed(x * WHOLE[0], y * WHOLE[1], factor).moved(300 * factor, -200 * factor)
        left, right, bottom, top = area.limits
        assert -1e-6 <= left < right <= WHOLE[0] + 1e-6
        assert -1e-6 <= top < bottom <= WHOLE[1] + 1e-6
        assert (right - left) / (bottom - top) == pytest.approx(WHOLE[0] / WHOLE[1])


@given(fractions, fractions)
def test_the_point_below_the_cursor_stays_where_it_is(across, down):
    area = ViewArea.of_all(WHOLE)
    for factor in (1.5, 2.0, 1.25):
        left, right, bottom, top = area.limits
        x, y = left + across * (right - left), top + down * (bottom - top)
        area = area.zoomed(x, y, factor)
        left, right, bottom, top = area.limits
        assert left + across * (right - left) == pytest.approx(x, abs=1e-6)
        assert top + down * (bottom - top) == pytest.approx(y, abs=1e-6)
    assert area.zoom == pytest.approx(3.75)


def test_zooming_out_ends_with_all_and_zooming_in_with_some_pixels():
    area = ViewArea.of_all(WHOLE).zoomed(100, 200, 4).zoomed(3000, 100, 0.01)
    assert area == ViewArea.of_all(WHOLE)
    near = area.zoomed(100, 200, 1e9)
    assert min(near.size_px) == pytest.approx(16)


def test_the_zoom_is_kept_on_another_micrograph():
    area = ViewArea.of_all(WHOLE).zoomed(1000, 900, 4)
    assert area.on(WHOLE) == area
    smaller = area.on((1200.0, 900.0))
    assert smaller.zoom == 4
    assert smaller.limits[1] <= 1200
    assert ViewArea.of_all(WHOLE).on((500.0, 800.0)) == ViewArea.of_all((500.0, 800.0))


@given(st.floats(16, 20000), st.floats(0.3, 12))
def test_a_scale_bar_has_a_round_length(width_px, pixel_size):
    length_px, text = scale_bar(width_px, pixel_size)
    number, unit = text.split()
    angstrom = float(number.replace(",", ""))
    assert unit == "Å"
    assert length_px * pixel_size == pytest.approx(angstrom)
    assert f"{angstrom:e}"[0] in "125"
    assert float(f"{angstrom:e}".split("e")[0]) in (1, 2, 5)
    assert MAX_BAR * width_px / 2.6 <= length_px <= MAX_BAR * width_px * 1.001


def test_a_scale_bar_of_known_length():
    assert scale_bar(4096, 1.0) == (1000, "1,000 Å")
    assert scale_bar(4096, 5.0) == (1000, "5,000 Å")
    length_px, text = scale_bar(4096, 0)
    assert (length_px, text) == (1000, "1,000 px")
    assert np.isclose(scale_bar(100, 0.05)[0], 20)
