"""Averages of whole images: against scipy's interpolation, exact pictures, and RELION."""

import shutil
import subprocess

import mrcfile
import numpy as np
import pytest
from scipy import ndimage

from repic_plugin.classification import CtfParameters, contrast_transfer, full_averages
from repic_plugin.formats import read_particles, write_classes_star, write_stack
from tests.classification.pictures import (
    correlation,
    draw,
    image_of,
    matrix,
    random_poses,
    scene,
)

PIXEL = 3.0
MIDDLE = (slice(6, -6), slice(6, -6))  # corners are turned out of the box


def average(images, labels, poses, n_classes=None, **options):
    images, labels = np.asarray(images), np.asarray(labels)
    n_classes = labels.max() + 1 if n_classes is None else n_classes
    return full_averages.full_averages(
        images, labels, *poses, n_classes, pixel_size_angstrom=PIXEL, **options
    ).averages


@pytest.fixture
def plainly(monkeypatch):
    """Without Wiener's filter: sums divided by weights."""
    monkeypatch.setattr(
        full_averages, "noise_over_signal", lambda power, *others: np.zeros(len(power))
    )


def blobs(box, n, seed=0):
    """Smooth images without anything near their border."""
    return np.array([draw(scene(seed + i, radius_px=6.0), box) for i in range(n)])


def transformed(image, rotation_deg, shift, mirror):
    """p' = R M (p + shift) by scipy's interpolation."""
    center = len(image) // 2
    y, x = np.indices(image.shape) - center
    back = np.linalg.inv(matrix(rotation_deg, mirror)) @ [x.ravel(), y.ravel()]
    source = back - np.reshape(shift, (2, 1)) + center
    return ndimage.map_coordinates(image, source[::-1], order=5).reshape(image.shape)


def plain_averages(images, labels, poses, n_classes):
    centred = images - images.mean(axis=(1, 2), keepdims=True)
    moved = np.array([transformed(image, *pose) for image, *pose in zip(centred, *poses)])
    return np.array([moved[labels == k].mean(axis=0) for k in range(n_classes)])


def some_ctf(n, seed=0, astigmatism=2_000.0):
    rng = np.random.default_rng(seed)
    u = rng.uniform(10_000, 25_000, n)
    return CtfParameters.from_columns(
        u,
        u - astigmatism * rng.random(n),
        rng.uniform(-90, 90, n),
        voltage_kv=300,
        spherical_aberration_mm=2.7,
        amplitude_contrast=0.1,
    )


def seen_through(images, ctf, change=lambda values: values):
    """Images multiplied by their CTF, or by what `change` makes of it."""
    box = images.shape[-1]
    values = contrast_transfer(ctf, np.fft.fftfreq(box, PIXEL), np.fft.fftfreq(box, PIXEL)[:, None])
    return np.fft.ifft2(np.fft.fft2(images) * change(values)).real


@pytest.mark.parametrize("box", [40, 41])
@pytest.mark.parametrize("n_threads", [1, 3])
def test_as_the_plain_average_of_moved_images(plainly, box, n_threads):
    images, labels = blobs(box, 12), np.arange(12) % 3
    poses = random_poses(12, 1)
    found = average(images, labels, poses, n_threads=n_threads)
    assert (found.shape, found.dtype) == ((3, box, box), np.float32)
    expected = plain_averages(images, labels, poses, 3)
    along = np.arange(box) - box // 2
    disc = np.hypot(along[:, None], along) < box / 2 - 6  # what is never turned out of the box
    assert np.abs(found - expected)[:, disc].max() < 0.01 * np.abs(expected).max()
    wrong = plain_averages(images, labels, (-poses[0], *poses[1:]), 3)
    assert correlation(found[0][MIDDLE], wrong[0][MIDDLE]) < 0.95


@pytest.mark.parametrize("box", [40, 41])
def test_images_of_one_picture_give_that_picture(box):
    here = scene(3, radius_px=8.0)
    poses = random_poses(20, 2)
    images = [draw(image_of(here, *pose), box) for pose in zip(*poses)]
    found = average(images, np.zeros(20, dtype=int), poses)[0]
    expected = draw(here, box)
    assert correlation(found[MIDDLE], expected[MIDDLE]) > 0.999
    # the Wiener filter takes a little off
    slope = np.polyfit(expected[MIDDLE].ravel(), found[MIDDLE].ravel(), 1)[0]
    assert 0.95 < slope < 1.01


def test_an_image_in_its_own_pose_is_kept_but_for_its_border(plainly):
    images = np.random.default_rng(0).standard_normal((1, 24, 24))
    still = (np.zeros(1), np.zeros((1, 2)), np.zeros(1, dtype=bool))
    found = average(images, [0], still)[0]
    inside = (slice(1, -2), slice(1, -2))
    assert np.allclose(found[inside], (images[0] - images.mean())[inside], atol=1e-5)


@pytest.mark.parametrize("quarters", [1, 2, 3])
def test_quarter_turns_and_mirrors_are_exact(plainly, quarters):
    images = np.random.default_rng(0).standard_normal((1, 25, 25))
    turned = np.rot90(images[0] - images.mean(), -quarters)  # x (right) towards y (down)
    inside = (slice(3, -3), slice(3, -3))
    for mirror in (False, True):
        pose = (np.array([90.0 * quarters]), np.zeros((1, 2)), np.array([mirror]))
        before = images[0][:, ::-1] if mirror else images[0]
        turned = np.rot90(before - images.mean(), -quarters)
        assert np.allclose(average(images, [0], pose)[0][inside], turned[inside], atol=1e-4)


def test_shifts_are_exact_between_pixels(plainly):
    here = scene(5, radius_px=6.0)
    shift = np.array([[1.37, -2.21]])
    image = draw(image_of(here, shift_px=shift[0]), 40)
    found = average(image[None], [0], (np.zeros(1), shift, np.zeros(1, dtype=bool)))[0]
    expected = draw(here, 40)
    assert np.allclose((found - expected)[MIDDLE], -image.mean(), atol=1e-4)


def test_classes_without_members_and_images_without_class(plainly):
    images, poses = blobs(40, 8), random_poses(8, 1)
    labels = np.array([0, -1, 2, 0, 2, -1, 0, 4])
    found = average(images, labels, poses, 6)
    assert not found[[1, 3, 5]].any()
    kept = labels >= 0
    few = average(images[kept], labels[kept], tuple(column[kept] for column in poses), 6)
    assert np.allclose(found, few, atol=1e-6)
    assert np.isfinite(average(np.zeros((4, 20, 20)), np.array([0, 0, 1, 2]),
                               random_poses(4), 4)).all()  # fmt: skip


def test_chunks_threads_and_the_order_of_images_change_nothing(monkeypatch):
    images, labels, poses = blobs(32, 30), np.arange(30) % 4, random_poses(30, 3)
    whole = average(images, labels, poses)
    monkeypatch.setattr(full_averages, "IMAGES_PER_CHUNK", 3)
    one, three = (average(images, labels, poses, n_threads=n) for n in (1, 3))
    assert np.array_equal(one, three)
    assert np.allclose(one, whole, atol=1e-5)
    order = np.random.default_rng(0).permutation(30)
    shuffled = average(images[order], labels[order], tuple(column[order] for column in poses))
    assert np.allclose(shuffled, whole, atol=1e-5)


def test_the_grey_level_of_the_background_changes_nothing():
    images, labels, poses = blobs(32, 10), np.arange(10) % 2, random_poses(10, 3)
    levels = 100 * np.random.default_rng(0).random((10, 1, 1))
    found = average(images + levels, labels, poses)
    assert np.allclose(found, average(images, labels, poses), atol=1e-3)


def test_flipped_phases(plainly):
    images, labels, poses, ctf = blobs(40, 12), np.arange(12) % 2, random_poses(12, 4), some_ctf(12)
    seen = seen_through(images, ctf)
    found = average(seen, labels, poses, ctf=ctf)
    flipped = seen_through(seen, ctf, np.sign)
    assert np.allclose(found, average(flipped, labels, poses), atol=1e-3)
    expected = plain_averages(flipped, labels, poses, 2)
    assert correlation(found[0][MIDDLE], expected[0][MIDDLE]) > 0.999
    # flipped before: only not flipped again
    kept = average(flipped, labels, poses, ctf=ctf, flip=False)
    assert np.allclose(kept, found, atol=1e-3)


def through_many_ctfs(astigmatism, n=60, box=48):
    here = scene(6, radius_px=9.0)
    poses, ctf = random_poses(n, 7), some_ctf(n, astigmatism=astigmatism)
    images = np.array([draw(image_of(here, *pose), box, 1.5) for pose in zip(*poses)])
    return seen_through(images, ctf), poses, ctf, draw(here, box, 1.5)


@pytest.mark.parametrize("astigmatism", [0.0, 4_000.0])
def test_weighted_averages_restore_the_picture(astigmatism):
    images, poses, ctf, truth = through_many_ctfs(astigmatism)
    labels = np.zeros(len(images), dtype=int)
    found = average(images, labels, poses, ctf=ctf, weight=True)[0]
    assert correlation(found[MIDDLE], truth[MIDDLE]) > 0.99
    slope = np.polyfit(truth[MIDDLE].ravel(), found[MIDDLE].ravel(), 1)[0]
    assert slope == pytest.approx(1, abs=0.1)  # flipping alone leaves a half
    only_flipped = average(images, labels, poses, ctf=ctf)[0]
    assert correlation(only_flipped[MIDDLE], truth[MIDDLE]) < 0.95
    # flipped before: weighted with abs(CTF), the same
    before = seen_through(images, ctf, np.sign)
    again = average(before, labels, poses, ctf=ctf, weight=True, flip=False)[0]
    assert correlation(again, found) > 0.9999


def test_weights_on_a_ring_are_its_mean_square(plainly):
    # one image, not moved: the sum is CTF x image, and is divided ring by ring
    box = 32
    images, ctf = blobs(box, 1), some_ctf(1, astigmatism=8_000.0)
    still = (np.zeros(1), np.zeros((1, 2)), np.zeros(1, dtype=bool))
    found = average(images, [0], still, ctf=ctf, weight=True)[0]
    x, y = np.fft.fftfreq(box, PIXEL), np.fft.fftfreq(box, PIXEL)[:, None]
    values = contrast_transfer(ctf, x, y)[0]
    ring = np.minimum(np.rint(np.hypot(x, y) * box * PIXEL), box // 2).astype(int)
    mean = np.bincount(ring.ravel(), values.ravel() ** 2) / np.bincount(ring.ravel())
    weighted = seen_through(images - images.mean(), ctf)[0]
    inside = np.zeros_like(weighted)
    inside[1:-2, 1:-2] = weighted[1:-2, 1:-2]
    expected = np.fft.ifft2(np.fft.fft2(inside) / mean[ring]).real
    assert np.allclose(found, expected, atol=1e-3 * np.abs(expected).max())


def test_noise_is_kept_down():
    """Wiener's filter: nearer to the truth than the plain mean."""
    here, poses = scene(6, radius_px=9.0), random_poses(60, 7)
    images = np.array([draw(image_of(here, *pose), 48) for pose in zip(*poses)])
    images += 3 * np.random.default_rng(1).standard_normal(images.shape)
    labels = np.zeros(60, dtype=int)
    found = average(images, labels, poses)[0]
    truth = draw(here, 48)
    truth -= truth.mean()
    plain = plain_averages(images, labels, poses, 1)[0]

    def error(picture):
        return np.linalg.norm((picture - truth)[MIDDLE])

    assert error(found) < 0.8 * error(plain)


def test_nothing_given_is_changed():
    images, labels = np.float32(blobs(32, 6)), np.arange(6) % 2
    poses, ctf = random_poses(6, 3), some_ctf(6)
    before = [array.copy() for array in (images, labels, *poses, *ctf.columns())]
    average(images, labels, poses, ctf=ctf, weight=True)
    after = (images, labels, *poses, *ctf.columns())
    assert all(np.array_equal(one, other) for one, other in zip(before, after))


@pytest.mark.parametrize("box", [48, 49])
def test_relion_moves_and_adds_up_the_same_images(plainly, tmp_path, monkeypatch, box):
    program = shutil.which("relion_stack_create")
    if program is None:
        pytest.skip("no relion_stack_create to compare with; install RELION (Debian: relion)")
    monkeypatch.chdir(tmp_path)
    images, labels = np.float32(blobs(box, 9)), np.arange(9) % 3
    rotation, shift, mirror = random_poses(9, 5, mirrors=False)  # RELION does not mirror
    write_stack("some.mrcs", images, PIXEL)
    table = read_particles("some.mrcs")
    write_classes_star("classes.star", table, labels, rotation, *shift.T, mirror)
    command = [program, "--i", "classes.star", "--o", "moved", "--apply_transformation"]
    subprocess.run(command, check=True, capture_output=True)
    moved = mrcfile.read("moved.mrcs")
    found = average(table.images, labels, (rotation, shift, mirror))
    for k in range(3):
        theirs = moved[labels == k].mean(axis=0)
        assert correlation(found[k][MIDDLE], theirs[MIDDLE]) > 0.995
        other = moved[labels == (k + 1) % 3].mean(axis=0)
        assert correlation(found[k][MIDDLE], other[MIDDLE]) < 0.95
