"""Contrasts of single images: found where they vary, 1 where they do not; centred classes."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from repic_plugin.classification import course as course_module
from repic_plugin.classification.averages import Alignment
from repic_plugin.classification.refinement import class_offsets
from repic_plugin.simulation import phantom_map, simulate_particles
from tests.classification.particles import classified


@pytest.fixture
def estimated(monkeypatch):
    """The contrasts of each call."""
    found, original = [], course_module.contrasts

    def watched(*arguments, **options):
        found.append(original(*arguments, **options))
        return found[-1]

    monkeypatch.setattr(course_module, "contrasts", watched)
    return found


def made(factors, snr=0.5, n_views=3):
    options = {"pixel_size_angstrom": 8.0, "max_shift_px": 1.0, "spread_deg": 2.0}
    n_per_view = len(factors) // n_views
    noisy, clean = (
        simulate_particles(phantom_map(32), n_views, n_per_view, snr=one, **options)
        for one in (snr, None)
    )
    images = noisy.images + (factors[:, None, None] - 1) * np.float32(snr**0.5) * clean.images
    return replace(noisy, images=images.astype(np.float32))


def test_contrasts_that_vary_are_found(estimated):
    factors = np.random.default_rng(0).uniform(0.4, 1.6, 240)
    result = classified(made(factors))
    assert np.corrcoef(estimated[-1], factors)[0, 1] > 0.8
    assert 0.75 * factors.std() < estimated[-1].std() < 1.25 * factors.std()
    assert (result.labels >= 0).all()


def test_equal_contrasts_stay_1_to_the_last_bit(estimated):
    found = made(np.ones(240))
    expected = classified(found, own_contrast=False)
    assert not estimated
    result = classified(found)
    assert (estimated[-1] == 1).all()
    assert np.array_equal(result.labels, expected.labels)
    assert np.array_equal(result.averages, expected.averages)


@settings(max_examples=50)
@given(st.integers(1, 40), st.integers(1, 4), st.integers(0, 1000))
def test_shifts_of_a_class_cancel_once_its_offset_is_subtracted(n, n_classes, seed):
    rng = np.random.default_rng(seed)
    shift, labels = rng.normal(size=(n, 2)), rng.integers(0, n_classes, n)
    alignment = Alignment(rng.uniform(-7, 7, n), np.zeros((n, 2)), rng.random(n) < 0.5)
    left = shift - class_offsets(shift, alignment, labels, n_classes)
    cos, sin = np.cos(-alignment.angle), np.sin(-alignment.angle)
    x = np.where(alignment.mirror, -left[:, 0], left[:, 0])
    turned = np.column_stack((cos * x - sin * left[:, 1], sin * x + cos * left[:, 1]))
    for k in range(n_classes):
        if (labels == k).any():
            assert np.allclose(turned[labels == k].mean(axis=0), 0, atol=1e-9)
