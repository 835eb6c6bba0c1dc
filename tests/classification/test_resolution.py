"""Resolution of averages from halves, against signals that end at a known ring."""

import numpy as np
import pytest

from repic_plugin.classification.agreement import Agreement
from repic_plugin.classification.full_averages import full_averages
from repic_plugin.classification.resolution import _of_halves, estimated_resolution

BOX = 48


def band(first, last, rng):
    """An image with power between two rings, to within one ring, of variance 1."""
    radius = np.hypot(np.fft.fftfreq(BOX, 1 / BOX)[:, None], np.fft.rfftfreq(BOX, 1 / BOX))
    spectrum = np.fft.rfft2(rng.normal(size=(BOX, BOX)))
    image = np.fft.irfft2(spectrum * ((radius >= first) & (radius <= last)), s=(BOX, BOX))
    x = np.arange(BOX) - BOX // 2
    image *= np.exp(-(x**2 + x[:, None] ** 2) / (2 * 9.0**2))  # away from the border
    return image / image.std()


def of_classes(images, labels, white_chance=0.0, last_ring=8):
    n_classes, n = labels.max() + 1, len(images)
    still = (np.zeros(n), np.zeros((n, 2)), np.zeros(n, dtype=bool))
    halves = full_averages(images.astype(np.float32), labels, *still, n_classes)
    nothing = np.zeros((n_classes, last_ring - 1))
    agreement = Agreement(
        np.arange(2, last_ring + 1), nothing, nothing, nothing[:, 0], np.zeros(n), white_chance
    )
    return estimated_resolution(halves.ring_correlation, agreement, np.bincount(labels), BOX * 2.0)


@pytest.mark.parametrize("last", [5, 9, 15])
def test_it_is_that_of_the_last_ring_with_signal(last):
    rng = np.random.default_rng(last)
    labels = np.repeat([0, 1], 30)
    images = 0.5 * band(2, last, rng) + rng.normal(size=(60, BOX, BOX))
    found = of_classes(images, labels)
    assert np.abs(BOX * 2.0 / found - last).max() <= 1.5


def test_noise_has_none_or_next_to_none():
    rng = np.random.default_rng(0)
    found = of_classes(rng.normal(size=(120, BOX, BOX)), np.repeat(np.arange(4), 30))
    assert (np.isnan(found) | (found >= BOX * 2.0 / 3)).all()


def test_a_gap_without_signal_does_not_end_it():
    rng = np.random.default_rng(3)
    signal = band(2, 4, rng) + 2 * band(8, 12, rng)
    found = of_classes(0.3 * signal + rng.normal(size=(40, BOX, BOX)), np.zeros(40, dtype=int))
    assert BOX * 2.0 / found[0] == pytest.approx(12, abs=1.5)


def test_where_the_ratio_of_the_average_is_1():
    rng = np.random.default_rng(5)
    n, signal = 30, band(2, 20, rng)
    strong, weak = (
        of_classes(signal * factor / np.sqrt(n) + rng.normal(size=(n, BOX, BOX)), np.zeros(n, int))
        for factor in (2.0, 0.4)
    )
    assert BOX * 2.0 / strong[0] > 15
    assert np.isnan(weak[0]) or BOX * 2.0 / weak[0] < 8


def test_what_aligned_noise_gives_is_taken_off():
    rng = np.random.default_rng(7)
    common = band(2, 8, rng)  # as if noise had been aligned on the rings compared
    images = 0.4 * common + rng.normal(size=(30, BOX, BOX))
    labels = np.zeros(30, dtype=int)
    assert BOX * 2.0 / of_classes(images, labels)[0] == pytest.approx(8, abs=1.5)
    assert np.isnan(of_classes(images, labels, white_chance=0.9))


@pytest.mark.parametrize("n", [4, 30, 200])
@pytest.mark.parametrize("pair", [0.01, 0.1, 0.5])
def test_halves_from_the_correlation_with_the_other_members(n, pair):
    one_with_rest = pair * np.sqrt(n - 1) / np.sqrt(1 + (n - 2) * pair)
    halves = n / 2 * pair / (1 + (n / 2 - 1) * pair)
    assert _of_halves(one_with_rest, np.array([n]))[0] == pytest.approx(halves)
