"""Images are assigned to fixed classes as they would be classified, and noise to none."""

from dataclasses import replace
from functools import lru_cache
from itertools import product

import numpy as np
import pytest

from repic_plugin.classification import assign_particles
from repic_plugin.classification.references import References
from repic_plugin.classification.sizes import particle_sizes
from tests.classification.particles import agreement, classified, particles
from tests.classification.pictures import draw, image_of, onto, random_poses, scene

BOX, N_PER_VIEW, SNR = 32, 40, 0.1
COLUMNS = ("labels", "rotation_deg", "shift_px", "mirror", "dissimilarity", "posterior")
COLUMNS += ("correlation", "fit", "contrast", "sizes", "explained")


@lru_cache(maxsize=None)
def made(seed=0):
    return particles(4, N_PER_VIEW, SNR, random_state=seed)


@lru_cache(maxsize=None)
def classes():
    return classified(made())


def assigned(found, **options):
    options = {"ctf": found.ctf, **options}
    return assign_particles(found.images, classes().references(), **options)


def turns_apart(first, second):
    return np.abs((first - second + 180) % 360 - 180)


def same_bytes(one, other):
    return all(getattr(one, name).tobytes() == getattr(other, name).tobytes() for name in COLUMNS)


@lru_cache(maxsize=None)
def scenes(n_classes=5):
    """Averages without noise, as references whose sizes are known."""
    averages = np.float32([draw(scene(k), BOX) for k in range(n_classes)])
    sizes = particle_sizes(BOX, 4.0, mask_diameter_px=24.0, n_rings=8, max_shift_px=2.0)
    return References(averages, sizes, "none")


def pictures(labels, seed, noise, contrast=1.0, mirrors=False):
    """Images of scenes in known poses."""
    rotation, shift, mirror = random_poses(len(labels), seed, 2.0, mirrors)
    poses = zip(labels, rotation, shift, mirror)
    clean = np.stack([draw(image_of(scene(k), *pose), BOX) for k, *pose in poses])
    pixels = np.random.default_rng(seed).normal(0, noise, clean.shape)
    return np.float32(clean * np.reshape(contrast, (-1, 1, 1)) + pixels), rotation, shift, mirror


# Beside the classification


def test_the_images_of_a_classification_stay_where_they_are():
    found = assigned(made())
    same = found.labels == classes().labels
    assert same.mean() >= 0.97
    turned = turns_apart(found.rotation_deg, classes().rotation_deg)[same]
    moved = np.hypot(*(found.shift_px - classes().shift_px)[same].T)
    assert np.median(turned) < 3 and np.median(moved) < 0.5
    assert found.sizes.sum() == len(found)


def test_new_images_get_the_class_of_their_view():
    new = made(1)
    found = assigned(new)
    assert agreement(found.labels, new.view) > agreement(classes().labels, made().view) - 0.02
    assert np.median(found.fit) > 2
    assert found.is_explained.mean() > 0.95


def test_one_damaged_empty_image_is_left_out():
    images = made().images[:20].copy()
    images[3] = 7.0
    found = assigned(replace(made(), images=images), ctf=made().ctf.take(slice(0, 20)))
    assert found.labels[3] == -1 and np.isnan(found.dissimilarity[3])
    assert found.posterior[3] == 0 and found.sizes.sum() == 19


# Negative controls


def test_noise_is_explained_by_no_class():
    noise = np.random.default_rng(5).normal(size=(160, BOX, BOX)).astype(np.float32)
    found = assign_particles(noise, classes().references(), ctf=made().ctf)
    assert (found.fit < 1.25).mean() > 0.97 and np.median(found.fit) < 1
    new = assigned(made(1))
    assert found.posterior.mean() < 0.8 < new.posterior.mean()
    assert np.quantile(found.correlation, 0.95) < np.quantile(new.correlation, 0.05)


def test_noise_among_particles_is_found_by_its_fit():
    images = made(1).images.copy()
    is_noise = np.arange(len(images)) % 4 == 0
    images[is_noise] = np.random.default_rng(5).normal(images.mean(), images.std(), (40, BOX, BOX))
    found = assigned(replace(made(1), images=images))
    ranks = found.fit.argsort().argsort()
    n_wrong = (ranks[is_noise] >= is_noise.sum()).sum()
    assert n_wrong <= 4


def test_inverted_contrast_is_refused():
    with pytest.raises(ValueError, match="opposite contrast of the classes"):
        assigned(replace(made(1), images=-made(1).images))


def test_a_ctf_is_needed_where_the_classes_had_one():
    with pytest.raises(ValueError, match="ctf must be given"):
        assigned(made(), ctf=None)


# Properties


def test_neither_batches_nor_threads_change_a_byte():
    images = np.concatenate([made(seed).images for seed in range(8)])  # 1,280 images
    many = replace(scenes(), averages=np.float32([draw(scene(k), BOX) for k in range(33)]))
    one = assign_particles(images, many)
    for options in ({"images_per_batch": 1}, {"images_per_batch": 1000}, {"n_threads": 3}):
        assert same_bytes(one, assign_particles(images, many, **options)), options


def test_permuted_references_permute_the_labels():
    order = np.random.default_rng(0).permutation(4)
    references = classes().references()
    turned = replace(references, averages=references.averages[order])
    found = assigned(made(1))
    again = assign_particles(made(1).images, turned, ctf=made(1).ctf)
    assert np.array_equal(order[again.labels], found.labels)
    assert np.allclose(again.fit, found.fit, rtol=1e-4)


def test_an_empty_class_gets_no_image():
    references = classes().references()
    averages = np.insert(references.averages, 1, 0, axis=0)
    found = assign_particles(
        made(1).images, replace(references, averages=averages), ctf=made(1).ctf
    )
    assert len(found.sizes) == 5 and found.sizes[1] == 0
    assert np.array_equal(found.labels - (found.labels > 1), assigned(made(1)).labels)


def test_one_class_without_shifts():
    one = replace(scenes(), averages=scenes().averages[:1])
    one = replace(one, sizes=replace(one.sizes, max_shift_px=0.0))
    images, *_ = pictures(np.zeros(20, int), 1, 0.5)
    found = assign_particles(images, one)
    assert (found.labels == 0).all() and (found.posterior == 1).all()
    assert not found.shift_px.any()


@pytest.mark.parametrize("turn", [1, 2, 3])
def test_images_that_are_turned_are_found_turned(turn):
    """About the pixel (box // 2, box // 2): a quarter turn of the others, without the first row."""
    labels = np.arange(30) % 5
    images, *_ = pictures(labels, 2, 0.2)
    turned = images.copy()
    turned[:, 1:, 1:] = np.rot90(images[:, 1:, 1:], -turn, axes=(1, 2))
    first, then = (assign_particles(one, scenes()) for one in (images, turned))
    assert np.array_equal(first.labels, labels) and np.array_equal(then.labels, labels)
    assert np.median(turns_apart(first.rotation_deg - 90 * turn, then.rotation_deg)) < 3


def test_images_that_are_moved_are_found_moved():
    labels = np.arange(30) % 5
    images, *_ = pictures(labels, 3, 0.1)
    moved = np.roll(images, (1, -1), axis=(1, 2))
    first, then = (assign_particles(one, scenes()) for one in (images, moved))
    assert np.array_equal(then.labels, labels)
    assert np.abs(np.median(then.shift_px - first.shift_px, axis=0) - (1, -1)).max() < 0.26


@pytest.mark.parametrize("mirrors", [False, True])
def test_poses_are_those_that_were_drawn(mirrors):
    labels = np.arange(40) % 5
    images, rotation, shift, mirror = pictures(labels, 4, 0.2, mirrors=mirrors)
    found = assign_particles(images, replace(scenes(), mirror=mirrors))
    assert np.array_equal(found.labels, labels)
    assert np.array_equal(found.mirror, mirror)
    assert np.median(turns_apart(found.rotation_deg, rotation)) < 2
    assert np.median(np.hypot(*(found.shift_px - shift).T)) < 0.35


def test_as_every_pose_in_turn():
    """Brute force over pixels, in plain numpy: the class that fits best in any of its poses."""
    labels, noise = np.arange(60) % 5, 1.7
    images, *_ = pictures(labels, 6, noise)
    grey = replace(scenes(), averages=scenes().averages / np.float32(noise))
    found = assign_particles(images, grey)
    along = np.arange(BOX) - BOX // 2
    disc = np.hypot(along[:, None], along) < 13
    ring = np.fft.ifftshift(np.hypot(along[:, None], along))
    compared = (ring > 1.5) & (ring < 8.5)  # rings 2 to 8
    masked = (images - images.mean(axis=(1, 2), keepdims=True)) * disc
    distance = np.full((len(images), 5), np.inf)
    for k, turn, dx, dy in product(range(5), range(0, 360, 6), range(-3, 4), range(-3, 4)):
        if np.hypot(dx, dy) > 3.2:  # the fine search reaches beyond the maximum shift
            continue
        shown = draw(image_of(scene(k), turn, (dx, dy)), BOX) * disc
        shown = np.fft.ifft2(np.fft.fft2(shown) * compared).real
        score = np.tensordot(masked, shown, 2)
        distance[:, k] = np.minimum(distance[:, k], (shown**2).sum() - 2 * score)
    lost = distance[np.arange(60), found.labels] - distance.min(axis=1)
    assert (lost == 0).mean() >= 0.9
    assert lost.mean() < 0.02 * np.ptp(distance, axis=1).mean()
    assert (found.labels != labels).any()  # noise decides some of them


# Posterior


@pytest.mark.parametrize("noise", [1.5, 2.5])
def test_the_posterior_is_the_part_that_is_right(noise):
    labels = np.arange(1500) % 5
    images, *_ = pictures(labels, 7, noise)
    grey = replace(scenes(), averages=scenes().averages / np.float32(noise))
    found = assign_particles(images, grey, keep_posteriors=True)
    right = (found.labels == labels).mean()
    assert 0.5 < right < 0.99
    assert abs(found.posterior.mean() - right) < 0.06
    assert np.allclose(found.posteriors.sum(axis=1), 1, atol=1e-5)
    assert np.array_equal(found.posteriors.argmax(axis=1), found.labels)


def test_images_of_varied_contrast():
    """Weak images are not all taken for the class of least density."""
    labels = np.arange(600) % 5
    contrast = np.where(np.arange(600) // 5 % 2, 0.4, 1.6)
    images, *_ = pictures(labels, 8, 1.0, contrast)
    found = assign_particles(images, scenes())
    weak = contrast < 1
    assert found.measured.prior.spread_variance > 0.1
    assert found.contrast[weak].mean() < 0.7
    assert found.contrast[~weak].mean() > 1.3
    without = replace(found.measured, prior=replace(found.measured.prior, spread_variance=0.0))
    plain = assign_particles(images, scenes(), measured_before=without)
    right, before = ((one.labels == labels)[weak].mean() for one in (found, plain))
    assert right > before


def test_the_noise_is_that_of_the_images():
    """White noise has 1 on all rings, in the grey values of its pixels."""
    noise = np.random.default_rng(1).normal(3, 20, (1024, BOX, BOX)).astype(np.float32)
    found = assign_particles(noise, scenes())
    assert np.abs(found.measured.noise - 1).max() < 0.15
    assert np.median(found.fit) == pytest.approx(0.9, abs=0.2)


def test_onto_is_the_pose_of_an_assignment():
    """The pose brings the content of an image onto its average, as `Classification` says."""
    images, rotation, shift, mirror = pictures(np.zeros(1, int), 9, 0.01)
    found = assign_particles(np.repeat(images, 20, axis=0), scenes())
    pose = (found.rotation_deg[0], found.shift_px[0], bool(found.mirror[0]))
    drawn = image_of(scene(0), rotation[0], shift[0], mirror[0])
    back = draw(onto(drawn, *pose), BOX)
    assert np.corrcoef(back.ravel(), scenes().averages[0].ravel())[0, 1] > 0.98


# What no class explains


def test_shortfall_and_residual_are_those_of_noise():
    """Members in white noise: normally distributed of variance 1, and all but noise explained."""
    noise = 1.5
    labels = np.arange(1000) % 5
    images, *_ = pictures(labels, 10, noise)
    grey = replace(scenes(), averages=scenes().averages / np.float32(noise))
    found = assign_particles(images, grey)
    assert abs(np.median(found.shortfall)) < 0.5 and 0.8 < found.shortfall.std() < 1.3
    assert found.residual.mean() == pytest.approx(1, abs=0.02)
    assert (found.factor <= 1).all() and (found.factor == 1).mean() > 0.95


def test_a_missing_class_shows_in_both():
    labels = np.arange(500) % 5
    images, *_ = pictures(labels, 11, 1.0)
    known = assign_particles(images, scenes()).measured
    without = replace(scenes(), averages=scenes().averages[:4])
    found = assign_particles(images, without, measured_before=known)
    missing = labels == 4
    for values in (found.shortfall, found.residual):
        assert np.median(values[missing]) > np.quantile(values[~missing], 0.9)
