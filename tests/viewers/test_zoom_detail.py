"""A zoomed micrograph shows what its binned picture has lost."""

import threading
import warnings

import mrcfile
import numpy as np
import pytest

from repic_plugin.formats import HandPicks, open_mrc
from repic_plugin.plots import OverlayModel
from tests.viewers.test_micrograph_view import drag, limits, place_of, press, wheel
from tests.viewers.windows import LATEST_S, opened_view, until
from tests.virtual_screen import photograph

WIDTH_PX, HEIGHT_PX, PERIOD_PX, BOX_PX = 4096, 2048, 3, 40


@pytest.fixture(scope="module")
def pixels():
    """A fine pattern in noise."""
    wave = 40 * np.cos(2 * np.pi * np.arange(WIDTH_PX) / PERIOD_PX)
    noise = np.random.default_rng(0).normal(0, 15, (HEIGHT_PX, WIDTH_PX))
    return np.clip(wave + noise, -127, 127).astype(np.int8)


@pytest.fixture
def file(tmp_path, pixels):
    path = tmp_path / "fine.mrc"
    with mrcfile.new(path) as one, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        one.set_data(pixels)
    return path


@pytest.fixture(params=["boxes", "by hand"])
def window(request, screen, file, tmp_path):
    from repic_plugin.viewers.overlay.hand_panel import HandSession
    from repic_plugin.viewers.overlay.window import OverlayWindow

    picks = HandPicks([1], [3000], [1500])
    hand = HandSession(picks, [1], str(tmp_path / "changes.txt"), BOX_PX, lambda: "by hand")
    model = OverlayModel(["fine.mrc"], [str(file)], [hand.box_set()], None, 1.0)
    by_hand = hand if request.param == "by hand" else None
    opened = opened_view(OverlayWindow(None, "test", lambda: model, open_mrc, hand=by_hand))
    opened.image_panel.sliders["low-pass"].set(0)
    opened.window.update()
    yield opened
    opened.window.destroy()


def is_complete(window):
    return window.picture.missing_detail() is None


def drawn_amplitude(window):
    """Of the pattern, in what is on the screen; white is 1."""
    canvas, axes = window.frame.canvas, window.picture.axes
    canvas.draw()
    seen = np.asarray(canvas.buffer_rgba())[..., 0] / 255
    left, low, right, high = (round(edge) for edge in axes.bbox.extents)
    middle = (low + high) // 2
    rows = seen[len(seen) - middle - 20 : len(seen) - middle + 20, left + 2 : right - 2]
    columns = np.arange(left + 2, right - 2) + 0.5
    x = axes.transData.inverted().transform(np.column_stack([columns, 0 * columns + middle]))[:, 0]
    wave = np.exp(-2j * np.pi * x / PERIOD_PX)
    profile = rows.mean(axis=0)
    return 2 * abs(np.mean((profile - profile.mean()) * wave))


def test_a_fine_pattern_is_seen_once_zoomed_in(window, screen):
    greys = window.picture.image.get_clim()
    assert is_complete(window)
    assert drawn_amplitude(window) < 0.05
    wheel(window, place_of(window, 1000, 900), 11)
    is_there = window.picture.detail.get_visible()  # already, on a slow screen
    window.picture.detail.set_visible(False)
    binned = drawn_amplitude(window)
    window.picture.detail.set_visible(is_there)
    until(window, lambda: is_complete(window))
    photograph(screen, "zoom_detail.png")
    assert binned < 0.1
    assert drawn_amplitude(window) > 0.4
    assert window.picture.detail.get_clim() == window.picture.image.get_clim() == greys
    press(window, "<c>", "<l>")
    assert window.picture.detail.get_clim() == window.picture.image.get_clim() != greys
    assert drawn_amplitude(window) > 0.4
    press(window, "<Key-0>")
    assert drawn_amplitude(window) < 0.05


def test_wheel_and_picture_go_on_while_a_part_is_read(window):
    may_read, is_reading, n_read = threading.Event(), threading.Event(), []

    def slow(file):
        is_reading.set()
        assert may_read.wait(LATEST_S)
        n_read.append(file)
        return open_mrc(file)

    window.picture.open_image = slow
    wheel(window, place_of(window, 1000, 900), 5)
    until(window, is_reading.is_set)
    wheel(window, place_of(window, 1000, 900), 6)
    assert window.picture.area.zoom == pytest.approx(1.25**11)
    assert not window.picture.detail.get_visible()
    assert drawn_amplitude(window) < 0.1
    may_read.set()
    until(window, lambda: is_complete(window))
    assert len(n_read) == 2, "the first part was no longer in view"
    assert drawn_amplitude(window) > 0.4


def test_a_drag_to_the_edge_reads_up_to_it(window, pixels):
    start = place_of(window, 4000, 2000)
    wheel(window, start, 9)
    until(window, lambda: is_complete(window))
    for _ in range(3):
        drag(window, {"x": 400, "y": 300}, {"x": 200, "y": 150})
    until(window, lambda: is_complete(window))
    left, right, bottom, top = limits(window)
    assert (right, bottom) == (WIDTH_PX, HEIGHT_PX)
    assert drawn_amplitude(window) > 0.4
    shown, extent = window.picture.detail.get_array(), window.picture.detail.get_extent()
    assert list(extent[1:3]) == [WIDTH_PX, HEIGHT_PX]
    assert extent[0] <= left
    assert extent[3] <= top
    np.testing.assert_array_equal(shown, pixels[extent[3] :, extent[0] :])


def test_a_low_pass_that_hides_the_rest_reads_nothing(window):
    wheel(window, place_of(window, 1000, 900), 11)
    until(window, lambda: is_complete(window))
    window.image_panel.sliders["low-pass"].set(30)
    window.window.update()
    assert is_complete(window)
    assert not window.picture.detail.get_visible(), "it has another low-pass"
    window.image_panel.sliders["low-pass"].set(6)
    window.window.update()
    until(window, lambda: is_complete(window))
    assert 0.01 < drawn_amplitude(window) < 0.4
    assert window.picture.detail.get_visible()


def test_a_file_that_has_vanished_stays_binned_and_is_named(window, file, screen):
    before = np.asarray(window.picture.image.get_array()).copy()
    file.unlink()
    wheel(window, place_of(window, 1000, 900), 11)
    until(window, lambda: "no such file" in window.frame.title["text"])
    photograph(screen, "zoom_vanished.png")
    name, why = window.frame.title["text"].split("\n")
    assert name == "fine.mrc"
    assert why.startswith("Still binned 3 x 3 px, for no more can be read")
    assert str(file) in why
    assert not window.picture.detail.get_visible()
    assert not window.picture.message.get_visible()
    np.testing.assert_array_equal(window.picture.image.get_array(), before)
    assert drawn_amplitude(window) < 0.1
