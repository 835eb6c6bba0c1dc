"""Micrographs are binned, blurred and stretched for display."""

import warnings

import mrcfile
import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from repic_plugin.formats import open_mrc
from repic_plugin.plots import display
from repic_plugin.plots.display import (
    contrast,
    default_low_pass_px,
    for_display,
    low_passed,
    reduced_micrograph,
)

RNG = np.random.default_rng(3)


def write(path, data):
    with warnings.catch_warnings(), mrcfile.new(path) as file:
        warnings.simplefilter("ignore")  # half floats
        file.set_data(data)
    return path


@pytest.mark.parametrize("shape, size_px", [((300, 420), 100), ((1000, 130), 90), ((64, 50), 400)])
@pytest.mark.parametrize("block_px", [1, 1000, 1 << 18])
def test_blocks_are_means_whatever_is_read_at_a_time(shape, size_px, block_px, monkeypatch):
    monkeypatch.setattr(display, "BLOCK_PX", block_px)
    image = RNG.normal(5, 2, shape).astype(np.float32)
    shown, (left, right, bottom, top) = for_display(image, size_px)
    step = max(1, round(max(shape) / size_px))
    rows, columns = shape[0] // step, shape[1] // step
    means = [
        [image[r * step : (r + 1) * step, c * step : (c + 1) * step].mean() for c in range(columns)]
        for r in range(rows)
    ]
    expected = gaussian_filter(np.array(means, np.float32), display.DISPLAY_BLUR)
    np.testing.assert_allclose(shown, expected, rtol=2e-5)
    assert (left, right, bottom, top) == (0, columns * step, rows * step, 0)


@pytest.mark.parametrize("dtype", [np.int8, np.int16, np.uint16, np.float16, np.float32])
def test_an_mrc_file_is_shown_as_its_array(tmp_path, dtype):
    image = (RNG.normal(size=(90, 120)) * 20 + 60).astype(dtype)
    path = write(tmp_path / "ein Mikrograph ü.mrc", image)
    np.testing.assert_array_equal(open_mrc(path), image)
    np.testing.assert_array_equal(for_display(open_mrc(path), 40)[0], for_display(image, 40)[0])


def test_an_mrc_file_is_not_read_before_it_is_looked_at(tmp_path):
    opened = open_mrc(write(tmp_path / "a.mrc", np.ones((30, 40), np.float32)))
    assert not opened.flags.owndata
    assert not opened.flags.writeable
    with mrcfile.mmap(tmp_path / "a.mrc", "r+") as file:
        file.data[3, 4] = 7
    assert opened[3, 4] == 7


def test_sums_of_integers_do_not_overflow():
    shown, _ = for_display(np.full((400, 400), 30000, np.int16), 40)
    np.testing.assert_allclose(shown, 30000)


@pytest.mark.parametrize("what", ["missing", "cut", "text", "stack"])
def test_files_that_are_no_micrograph(tmp_path, what):
    path = tmp_path / "a.mrc"
    if what == "stack":
        write(path, np.zeros((3, 8, 8), np.float32))
    elif what == "cut":
        whole = write(path, np.zeros((64, 64), np.float32)).read_bytes()
        path.write_bytes(whole[:3000])
    elif what == "text":
        path.write_text("nothing to see")
    said = {
        "missing": "no such file",
        "cut": "cut short",
        "text": "cut short",
        "stack": "one image",
    }
    with pytest.raises(ValueError, match=f"a.mrc.*{said[what]}"):
        open_mrc(path)


def test_contrast_spans_something_for_flat_images():
    low, high = contrast(np.full((5, 5), 7, np.float32))
    assert low < 7 < high


def test_contrast_and_brightness_move_the_greys():
    shown = RNG.normal(10, 3, (200, 200)).astype(np.float32)
    low, high = contrast(shown)
    narrow = contrast(shown, stretch=2)
    assert narrow[1] - narrow[0] == pytest.approx((high - low) / 2)
    assert sum(narrow) == pytest.approx(low + high)
    lighter = contrast(shown, brightness=0.25)
    assert np.subtract(lighter, (low, high)) == pytest.approx(-0.25 * (high - low))


@pytest.mark.parametrize("size_px", [240, 120])
def test_half_of_the_amplitude_is_left_at_the_period_of_the_low_pass(size_px):
    period = 40
    wave = np.cos(2 * np.pi * np.arange(240) / period) * np.ones((240, 1))
    micrograph = reduced_micrograph(wave.astype(np.float32), size_px)
    middle = slice(len(micrograph.pixels) // 4, -len(micrograph.pixels) // 4)
    left = np.ptp(low_passed(micrograph, period)[middle, middle])
    assert left / np.ptp(low_passed(micrograph, 0)[middle, middle]) == pytest.approx(0.5, abs=0.01)


def contrast_to_noise(shown, rows, columns, radius):
    """Of dark discs: how far their middles are from the ground, in its standard deviations."""
    y, x = np.indices(shown.shape)
    distance = np.min([np.hypot(y - r, x - c) for r, c in zip(rows, columns)], axis=0)
    ground = shown[distance > 2 * radius]
    return (ground.mean() - shown[distance < radius / 2].mean()) / ground.std()


def test_a_low_pass_that_follows_the_box_makes_particles_visible():
    """At 5 Å/px, boxes of 180 Å, particles of 110 Å: far below the noise of a pixel."""
    box_px, radius = 36, 11
    rows, columns = (place.ravel() for place in np.mgrid[30:500:60, 30:500:60])
    y, x = np.indices((512, 512))
    particles = sum(np.hypot(y - r, x - c) < radius for r, c in zip(rows, columns))
    noise = RNG.normal(0, 2.5, (512, 512))
    micrograph = reduced_micrograph(np.float32(noise - particles), 1400)
    nothing = reduced_micrograph(np.float32(noise), 1400)

    def seen(one, low_pass_px):
        return contrast_to_noise(low_passed(one, low_pass_px), rows, columns, radius)

    best = default_low_pass_px(box_px)
    assert seen(micrograph, 0) < 0.5
    assert seen(micrograph, best) > 4 * seen(micrograph, 0)
    assert seen(micrograph, 10 * box_px) < seen(micrograph, best)
    assert abs(seen(nothing, best)) < 0.3, "noise alone is no particle"
