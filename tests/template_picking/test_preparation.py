"""Micrographs made ready: small, flat, white."""

import numpy as np
import pytest
from scipy import fft, ndimage
from skimage.measure import block_reduce

from repic_plugin.template_picking import cut_boxes, prepare_micrograph, reduced, reduction
from repic_plugin.template_picking.reduced import reduced_box_px

BOX = 72


def noise(seed=0, shape=(300, 420)):
    return np.random.default_rng(seed).normal(size=shape)


def ring_power(image, n_rings=16):
    """Mean power in rings of the transform, from low to high frequencies."""
    power = np.abs(fft.fft2(image)) ** 2
    y, x = (fft.fftfreq(side) for side in image.shape)
    ring = np.minimum((2 * n_rings * np.hypot(y[:, None], x)).astype(int), n_rings)
    return np.array([power[ring == one].mean() for one in range(n_rings)])


@pytest.mark.parametrize("box", [*range(16, 80), 100, 128, 180, 200, 333, 512])
def test_boxes_become_about_as_large_as_classes_need(box):
    small = reduced_box_px(box)
    assert small % 2 == 0
    assert abs(small - box / reduction(box)) <= 1
    assert min(box, 24) <= small + 1
    assert small <= 54


def test_reduced_px_are_means_of_blocks():
    image = noise(shape=(50, 61)) + 1e4
    found = reduced.block_means(image, 3)
    expected = block_reduce(image[:48, :60], (3, 3), np.mean)
    np.testing.assert_allclose(found - found.mean(), expected - expected.mean(), atol=1e-3)


def test_result_is_small_and_of_variance_one():
    found = prepare_micrograph(noise(), BOX)
    assert (found.shape, found.dtype) == ((150, 210), np.float32)
    assert found.mean() == pytest.approx(0, abs=1e-3)
    assert found.std() == pytest.approx(1, abs=1e-3)


@pytest.mark.parametrize(("factor", "offset"), [(1e-5, 0), (250, 30_000), (3, -1e5)])
def test_brightness_and_contrast_do_not_matter(factor, offset):
    image = ndimage.gaussian_filter(noise(), 1.5)
    other = prepare_micrograph(factor * image + offset, BOX)
    np.testing.assert_allclose(other, prepare_micrograph(image, BOX), atol=2e-3)


def test_whole_numbers_are_as_good():
    image = np.rint(100 * noise()).astype(np.int16)
    found = prepare_micrograph(image, BOX)
    np.testing.assert_allclose(found, prepare_micrograph(image.astype(float), BOX), atol=1e-5)


def test_all_frequencies_become_equal():
    coloured = ndimage.gaussian_filter(noise(), 4) * 20 + 0.3 * noise(1)
    before, after = ring_power(coloured[::2, ::2]), ring_power(prepare_micrograph(coloured, BOX))
    assert before.max() > 50 * before.min()
    assert after[1:].max() < 1.5 * after[1:].min()


def test_a_slope_of_the_brightness_is_taken_off():
    image = noise()
    y, x = np.mgrid[:300, :420] / 100
    found = prepare_micrograph(image + 20 * x - 10 * y, BOX)
    assert np.corrcoef(found.ravel(), prepare_micrograph(image, BOX).ravel())[0, 1] > 0.95


def test_hot_pixels_are_cut_off():
    image = noise()
    hot = image.copy()
    hot[::60, ::60] = 1e4
    found, expected = (prepare_micrograph(one, BOX) for one in (hot, image))
    assert np.abs(found).max() < 15
    assert np.corrcoef(found.ravel(), expected.ravel())[0, 1] > 0.85


def test_a_blank_micrograph_stays_blank():
    assert not prepare_micrograph(np.full((200, 200), 7), BOX).any()


def test_a_micrograph_that_is_blank_mostly_is_still_prepared():
    image = noise()
    image[:, 150:] = 0
    found = prepare_micrograph(image, BOX)
    assert found[:, :75].std() == pytest.approx(1, abs=1e-3)
    assert not found[:, 75:].any()


def test_boxes_are_cut_around_centres():
    prepared = np.arange(150 * 210, dtype=np.float32).reshape(150, 210)
    half = reduced_box_px(BOX) // 2
    # the middle of the reduced pixel in row 60, column 80, and a corner of it
    boxes = cut_boxes(prepared, [(161, 121), (160, 120)], BOX)
    assert boxes.shape == (2, 2 * half, 2 * half)
    assert boxes[0, half, half] == boxes[1, half, half] == prepared[60, 80]
    assert boxes[0, half + 3, half - 2] == prepared[63, 78]


def test_boxes_that_stick_out_are_left_out():
    prepared = np.zeros((150, 210), np.float32)
    fitting = [(36, 36), (420 - 36, 300 - 36)]
    outside = [(33, 100), (100, 33), (388, 100), (100, 268), (-50, 20), (5000, 20)]
    assert len(cut_boxes(prepared, fitting, BOX)) == 2
    assert len(cut_boxes(prepared, outside, BOX)) == 0
    assert cut_boxes(prepared, [], BOX).shape == (0, 36, 36)


@pytest.mark.parametrize(
    ("image", "box", "words"),
    [
        (np.zeros((3, 90, 90)), BOX, ["micrograph", "(3, 90, 90)", "one micrograph"]),
        (np.zeros((90, 90), complex), BOX, ["micrograph", "complex"]),
        (np.zeros((90, 70)), BOX, ["box_size_px", "70 x 90", "72", "smaller"]),
        (np.full((90, 90), np.nan), BOX, ["micrograph", "finite"]),
        (np.diag(np.full(90, 1e300)), BOX, ["micrograph", "finite"]),
        (np.zeros((90, 90)), 15, ["box_size_px", "16", "15"]),
        (np.zeros((90, 90)), 20.5, ["box_size_px", "whole", "20.5"]),
    ],
)
def test_bad_input_is_one_line(image, box, words):
    with pytest.raises(ValueError) as error:
        prepare_micrograph(image, box)
    assert "\n" not in str(error.value)
    assert all(word in str(error.value) for word in words)


@pytest.mark.parametrize("centers", [[1, 2], [(1, np.nan)], [(1, 2, 3)]])
def test_bad_centres_are_one_line(centers):
    with pytest.raises(ValueError, match=r"centers must (be finite|have shape \(n, 2\)), got"):
        cut_boxes(np.zeros((50, 50), np.float32), centers, BOX)
