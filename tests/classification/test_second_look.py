"""Particles that ended in classes of junk are found again, and junk is not taken for them."""

from dataclasses import replace
from functools import lru_cache

import numpy as np
import pytest

from repic_plugin.classification import (
    assign_particles,
    classify_particles,
    judge_candidates,
    particle_probabilities,
    particle_shares,
)
from tests.classification.particles import BOX_PX, PIXEL_SIZE_ANGSTROM, particles

N_VIEWS, N_PER_VIEW, N_JUNK, N_CLASSES, SNR = 4, 40, 640, 18, 0.1
N_PARTICLES = N_VIEWS * N_PER_VIEW
IS_PARTICLE = np.arange(N_PARTICLES + N_JUNK) < N_PARTICLES
SEEDS = (0, 1)
SPOTS = 40  # of contamination


def noise(n, seed):
    """Images of the noise of the particles."""
    corners = particles(N_VIEWS, N_PER_VIEW, SNR, random_state=0).images[:, :3, :3]
    rng = np.random.default_rng(seed)
    return rng.normal(corners.mean(), corners.std(), (n, BOX_PX, BOX_PX)).astype(np.float32)


def spots(n, seed, amplitude):
    """Images of round spots of many sizes, in standard deviations of the noise."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:BOX_PX, :BOX_PX] - BOX_PX // 2
    centers, radii = rng.normal(0, 1, (n, 2, 1, 1)), rng.uniform(2, 6, (n, 1, 1))
    shape = np.exp(-((x - centers[:, 0]) ** 2 + (y - centers[:, 1]) ** 2) / (2 * radii**2))
    images = noise(n, seed)
    return images + np.float32(amplitude * images.std() * shape)


@lru_cache(maxsize=None)
def candidates(seed=0, amplitude=0.0):
    """Particles, then noise, of which the last ones are spots of this amplitude, if any."""
    images = [particles(N_VIEWS, N_PER_VIEW, SNR, random_state=seed).images, noise(N_JUNK, seed)]
    if amplitude:
        images[1][-SPOTS:] = spots(SPOTS, seed, amplitude)
    return np.concatenate(images)


@lru_cache(maxsize=None)
def classes(seed=0, amplitude=0.0):
    """A classification of the candidates, and the share of particles by its scores."""
    found = classify_particles(
        candidates(seed, amplitude),
        N_CLASSES,
        pixel_size_angstrom=PIXEL_SIZE_ANGSTROM,
        mask_diameter_px=0.84 * BOX_PX,
    )
    return found, particle_shares(found.quality.score, found.sizes)


@lru_cache(maxsize=None)
def judged(seed=0, amplitude=0.0):
    return judge_candidates(candidates(seed, amplitude), *classes(seed, amplitude))


def in_junk(seed=0, amplitude=0.0):
    found, share = classes(seed, amplitude)
    return (found.labels >= 0) & (share[found.labels] < 0.5)


def without_second_look(seed=0):
    found, share = classes(seed)
    return particle_probabilities(share, found.quality.agreement, found.labels)


# The images of the classification


@pytest.mark.parametrize("seed", SEEDS)
def test_particles_in_classes_of_junk_are_found_and_noise_is_not(seed):
    _, probability = judged(seed)
    hidden, is_noise = in_junk(seed) & IS_PARTICLE, in_junk(seed) & ~IS_PARTICLE
    assert hidden.sum() > 20  # a fifth of the particles
    assert (without_second_look(seed)[hidden] < 0.5).all()
    assert (probability[hidden] > 0.5).mean() > 0.7
    assert (probability[is_noise] > 0.5).mean() < 0.02


@pytest.mark.parametrize("seed", SEEDS)
def test_the_number_of_hidden_particles_is_estimated(seed):
    judge, probability = judged(seed)
    rows = in_junk(seed)
    n_hidden = (rows & IS_PARTICLE).sum()
    assert judge.second.part * rows.sum() == pytest.approx(n_hidden, rel=0.3)
    assert probability[rows].sum() == pytest.approx(n_hidden, rel=0.3)


def test_members_of_classes_of_particles_are_as_before_and_none_is_less_probable():
    _, probability = judged()
    rows, before = in_junk(), without_second_look()
    assert np.array_equal(probability[~rows], before[~rows])
    assert (probability[rows] >= before[rows]).all()


@pytest.mark.parametrize("amplitude", [12.0, -3.0, -12.0])
def test_contamination_of_high_contrast_is_not_taken_for_particles(amplitude):
    """Dark or bright: it agrees with anything, or with nothing."""
    found, _ = classes(0, amplitude)
    share = np.where(np.bincount(found.labels, IS_PARTICLE) > found.sizes / 2, 0.99, 0.01)
    _, probability = judge_candidates(candidates(0, amplitude), found, share)
    rows = share[found.labels] < 0.5
    is_spot = np.arange(len(rows)) >= len(rows) - SPOTS
    assert (rows & is_spot).sum() > SPOTS / 2
    assert (probability[rows & is_spot] < 0.5).all()
    hidden = rows & IS_PARTICLE
    assert (probability[hidden] > 0.5).mean() > 0.6


def test_inverted_particles_in_classes_of_junk_are_not_refused():
    """A picker may pick what is opposite; the run has to go on."""
    found, share = classes()
    is_good = share[found.labels] >= 0.5
    inverted = 2 * candidates().mean() - np.resize(candidates()[:N_PARTICLES], candidates().shape)
    images = np.where(is_good[:, None, None], candidates(), inverted)
    own = replace(found.references(), averages=found.averages[share >= 0.5])
    with pytest.raises(ValueError, match="opposite contrast"):
        assign_particles(images[~is_good], own)
    _, probability = judge_candidates(images, found, share)
    assert (probability[~is_good] < 0.5).all()


# Classes without a second look


def test_with_all_or_no_classes_of_particles_there_is_nothing_to_look_at_again():
    found, _ = classes()
    for one in (0.99, 0.01):
        share = np.full(N_CLASSES, one)
        judge, probability = judge_candidates(candidates(), found, share)
        assert judge.second is None
        expected = particle_probabilities(share, found.quality.agreement, found.labels)
        assert np.array_equal(probability, expected)


def test_an_empty_class_is_none_of_particles():
    """Its share says nothing, and its average is blank."""
    found, share = classes()
    blank = np.zeros_like(found.averages[:1])
    more = replace(
        found,
        averages=np.concatenate([blank, found.averages]),
        sizes=np.append(0, found.sizes),
        labels=found.labels + 1,
    )
    judge, probability = judge_candidates(candidates(), more, np.append(1.0, share))
    assert np.array_equal(judge.second.good, judged()[0].second.good + 1)
    assert probability == pytest.approx(judged()[1], abs=1e-9)


def test_empty_images_have_no_probability():
    images = candidates().copy()
    images[::50] = 0
    found = classify_particles(
        images, N_CLASSES, pixel_size_angstrom=PIXEL_SIZE_ANGSTROM, mask_diameter_px=0.84 * BOX_PX
    )
    share = particle_shares(found.quality.score, found.sizes)
    judge, probability = judge_candidates(images, found, share)
    is_empty = np.arange(len(images)) % 50 == 0
    assert np.array_equal(np.isnan(probability), is_empty)
    again = assign_particles(images, found.references())
    assert np.array_equal(np.isnan(judge.probability(images, again)), is_empty)


# Further images


@pytest.mark.parametrize("seed", SEEDS)
def test_further_images_are_judged_as_those_of_the_classification(seed):
    found, _ = classes()
    new = particles(N_VIEWS, N_PER_VIEW, SNR, random_state=seed + 10).images
    images = np.concatenate([new, noise(N_JUNK, seed + 10)])
    probability = judged()[0].probability(images, assign_particles(images, found.references()))
    assert (probability[IS_PARTICLE] > 0.5).mean() > 0.8
    assert (probability[~IS_PARTICLE] > 0.5).mean() < 0.03


def test_further_particles_in_classes_of_junk_are_found():
    found, share = classes()
    junk = np.flatnonzero(share < 0.5)
    references = found.references()
    only = replace(references, averages=references.averages[junk])
    images = np.concatenate(
        [particles(N_VIEWS, N_PER_VIEW, SNR, random_state=7).images, noise(N_JUNK, 7)]
    )
    known = assign_particles(candidates(), references).measured
    there = assign_particles(images, only, measured_before=known)
    there = replace(there, labels=junk[there.labels])
    probability = judged()[0].probability(images, there)
    assert (probability[IS_PARTICLE] > 0.5).mean() > 0.8
    assert (probability[~IS_PARTICLE] > 0.5).mean() < 0.03


@pytest.mark.parametrize("n", [0, 1])
def test_few_further_images(n):
    found, _ = classes()
    images = candidates()
    again = assign_particles(images, found.references())
    every = judged()[0].probability(images, again)
    row = int(np.flatnonzero(in_junk() & IS_PARTICLE)[0])
    rows = slice(row, row + n)
    kept = ("labels", "fit", "dissimilarity")
    one = replace(again, **{name: getattr(again, name)[rows] for name in kept})
    assert judged()[0].probability(images[rows], one) == pytest.approx(every[rows], abs=1e-6)


# What may not matter


def test_threads_change_no_bit():
    found, share = classes()
    judge, probability = judge_candidates(candidates(), found, share, n_threads=2)
    assert np.array_equal(probability, judged()[1])
    again = assign_particles(candidates(), found.references())
    one, two = (judge.probability(candidates(), again, n_threads=n) for n in (1, 2))
    assert np.array_equal(one, two)


def test_names_of_classes_and_order_of_images_do_not_matter():
    found, share = classes()
    rng = np.random.default_rng(0)
    names, order = rng.permutation(N_CLASSES), rng.permutation(len(found))
    number = np.argsort(names)  # new number of each class
    quality = replace(found.quality, agreement=found.quality.agreement[order])
    other = replace(
        found,
        labels=number[found.labels[order]],
        dissimilarity=found.dissimilarity[order],
        averages=found.averages[names],
        sizes=found.sizes[names],
        quality=quality,
    )
    _, probability = judge_candidates(candidates()[order], other, share[names])
    assert probability == pytest.approx(judged()[1][order], abs=1e-4)


def test_classes_that_were_not_judged_are_refused():
    found, share = classes()
    with pytest.raises(ValueError, match="quality of its classes"):
        judge_candidates(candidates(), replace(found, quality=None), share)
