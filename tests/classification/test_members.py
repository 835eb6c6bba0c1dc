"""Particles and aligned noise in the classes of candidates."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from repic_plugin.classification import particle_probabilities

SIZE = 45


def candidates(seed, purity, mean=1.5, n_junk_classes=10):
    """Classes of particles, each `purity` pure, then classes of noise: agreement and truth."""
    rng = np.random.default_rng(seed)
    k = len(purity) + n_junk_classes
    labels = np.repeat(np.arange(k), SIZE)
    part = np.append(purity, np.zeros(n_junk_classes))
    is_particle = rng.random(len(labels)) < part[labels]
    agreement = np.where(
        is_particle, rng.normal(mean, 0.2, len(labels)), rng.normal(1.0, 0.08, len(labels))
    )
    return agreement, labels, is_particle, np.where(part > 0, 0.99, 0.02)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("mean, least", [(1.4, 0.85), (2.0, 0.97)])
def test_noise_in_classes_of_particles_is_told_from_them(seed, mean, least):
    purity = np.array([0.95, 0.8, 0.6, 0.4])
    agreement, labels, is_particle, share = candidates(seed, purity, mean)
    found = particle_probabilities(share, agreement, labels)
    good = labels < len(purity)
    assert ((found > 0.5) == is_particle)[good].mean() > least
    part = np.bincount(labels, found)[: len(purity)] / SIZE
    truth = np.bincount(labels, is_particle)[: len(purity)] / SIZE
    assert part == pytest.approx(truth, abs=0.15)
    assert (share[labels[good]] > 0.9).all()  # which is what the classes alone say


@pytest.mark.parametrize("seed", range(3))
def test_a_class_of_noise_that_looks_good_has_hardly_a_particle(seed):
    """The negative control: the score of a class may be wrong, its members agree by chance."""
    agreement, labels, _, share = candidates(seed, np.array([0.9, 0.0]))
    share[1] = 0.99
    found = particle_probabilities(share, agreement, labels)
    assert found[labels == 1].mean() < 0.2
    assert found[labels == 0].mean() > 0.8


def test_pure_classes_stay_pure():
    agreement, labels, _, share = candidates(0, np.ones(4), mean=1.7)
    assert particle_probabilities(share, agreement, labels)[labels < 4].mean() > 0.93


def test_images_without_a_class_have_no_probability():
    agreement, labels, _, share = candidates(0, np.ones(2))
    labels[::7], agreement[::7] = -1, np.nan
    found = particle_probabilities(share, agreement, labels)
    assert np.array_equal(np.isnan(found), labels < 0)


@given(st.integers(0, 2**32 - 1), st.integers(1, 6), st.integers(0, 80))
@settings(max_examples=60, deadline=None)
def test_more_agreement_is_never_less_probable_and_no_image_beats_its_class(seed, k, n):
    rng = np.random.default_rng(seed)
    labels, agreement, share = rng.integers(-1, k, n), rng.normal(1.3, 0.5, n), rng.random(k)
    found = particle_probabilities(share, agreement, labels)
    assert (found[labels >= 0] <= share[labels[labels >= 0]] + 1e-12).all()
    for one in range(k):
        mine = np.flatnonzero(labels == one)
        in_order = found[mine[np.argsort(agreement[mine])]]
        assert (np.diff(in_order) >= -1e-12).all()
        assert (in_order >= 0).all()


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=20, deadline=None)
def test_order_of_images_and_names_of_classes_do_not_matter(seed):
    agreement, labels, _, share = candidates(seed, np.array([0.9, 0.5]))
    rng = np.random.default_rng(seed)
    order, names = rng.permutation(len(labels)), rng.permutation(len(share))
    renamed = np.empty_like(share)
    renamed[names] = share
    expected = particle_probabilities(share, agreement, labels)[order]
    found = particle_probabilities(renamed, agreement[order], names[labels][order])
    assert found == pytest.approx(expected, abs=1e-9)
