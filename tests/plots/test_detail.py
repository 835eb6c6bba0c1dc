"""Parts of a micrograph, read again for a zoomed view."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from repic_plugin.plots.detail import Detail, detail_of, useful_step
from repic_plugin.plots.display import low_passed, reduced_micrograph, reduced_part

IMAGE = np.random.default_rng(0).normal(3, 1, (203, 307)).astype(np.float32)


def detail(limits, step=1, low_pass_px=0.0, image=IMAGE):
    return detail_of("a.mrc", image.shape, reduced_micrograph(image, 40), limits, step, low_pass_px)


corner = st.tuples(st.floats(0, 280), st.floats(0, 180), st.floats(16, 300), st.floats(16, 200))


@given(corner, st.integers(1, 5), st.sampled_from([0.0, 3.0, 25.0]))
def test_a_part_is_what_it_would_be_in_the_whole(corner, step, low_pass_px):
    x, y, width, height = corner
    right, bottom = min(x + width, 307), min(y + height, 203)
    one = detail((x, right, bottom, y), step, low_pass_px)
    whole = reduced_part(IMAGE, (0, 307 // step * step, 203 // step * step, 0), step, 0)
    left, last, low, top = (edge // step for edge in one.extent)
    expected = low_passed(whole, low_pass_px)[top:low, left:last]
    np.testing.assert_allclose(one.read(lambda _: IMAGE), expected, rtol=1e-4)
    assert one.extent[0] <= x
    assert one.extent[3] <= y
    assert one.extent[1] > right - step
    assert one.extent[2] > bottom - step


def test_dead_pixels_are_the_ground_of_the_whole_and_stay_single():
    image = IMAGE.copy()
    image[50:90, 60:100] = np.nan
    one = detail((60, 100, 90, 50), low_pass_px=4.0, image=image)
    shown = one.read(lambda _: image)
    assert np.isfinite(shown).all()
    assert shown[15:25, 15:25] == pytest.approx(3, abs=0.05)


def test_a_file_that_has_become_another_is_not_shown_in_its_place():
    with pytest.raises(ValueError, match=r"a\.mrc.*from 307 x 203 to 203 x 307 px"):
        detail((0, 50, 50, 0)).read(lambda _: IMAGE.T)


def test_a_part_covers_parts_of_itself_with_the_same_low_pass():
    wide = detail((20, 120, 90, 10))
    assert wide.covers(detail((30, 120, 80, 10)))
    assert wide.covers(detail((30, 110, 80, 12), step=3))
    for other in (
        detail((19, 120, 90, 10)),
        detail((20, 121, 90, 10)),
        detail((20, 120, 91, 10)),
        detail((20, 120, 90, 9)),
        detail((30, 110, 80, 12), low_pass_px=5.0),
        Detail("b.mrc", *(getattr(wide, name) for name in list(vars(wide))[1:])),
    ):
        assert not wide.covers(other)
    assert not detail((20, 120, 90, 10), step=3).covers(detail((30, 110, 80, 12)))


def test_blocks_are_as_small_as_the_picture_and_the_low_pass_can_show():
    assert useful_step((0, 4096, 4096, 0), 1400, 0) == 3
    assert useful_step((0, 1000, 1000, 0), 1400, 0) == 1
    assert useful_step((0, 1000, 1000, 0), 1400, 50) == 9


@pytest.mark.parametrize("low_pass_px", [20.0, 50.0])
def test_a_low_pass_hides_what_larger_blocks_lose(low_pass_px):
    """Of the shortest wave that the blocks can show, a hundredth is left."""
    step = useful_step((0, 100, 100, 0), 1400, low_pass_px)
    wave = np.cos(np.pi * np.arange(400) / step) * np.ones((400, 1))
    micrograph = reduced_micrograph(wave.astype(np.float32), 400)
    assert np.ptp(low_passed(micrograph, low_pass_px)[150:250, 150:250]) / 2 < 0.011
    finer = np.cos(2 * np.pi * np.arange(400) / (3 * step)) * np.ones((400, 1))
    seen = low_passed(reduced_micrograph(finer.astype(np.float32), 400), low_pass_px)
    assert np.ptp(seen[150:250, 150:250]) / 2 > 0.011
