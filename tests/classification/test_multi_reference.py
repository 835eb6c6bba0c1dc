"""Multi-reference alignment: against every pose by itself, and known poses found again."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from repic_plugin.classification import classify_particles, multi_reference
from repic_plugin.classification.averages import Alignment, ClassSums, class_sums
from repic_plugin.classification.correlation import shift_grid
from repic_plugin.classification.multi_reference import (
    Comparison,
    MultiReference,
    best_rotations,
    moved_averages,
)
from repic_plugin.classification.polar import polar_grid
from tests.classification.pictures import (
    Scene,
    correlation,
    draw,
    harmonics,
    image_of,
    matrix,
    noisy_images,
    onto,
    polar_images,
    polar_samples,
    scene,
)

GRID = polar_grid(64, 10, 44.0)
SMALL = polar_grid(32, 4, 16.0)


def close(first, second, tolerance):
    return np.linalg.norm(first - second) <= tolerance * np.linalg.norm(second)


def random_coefficients(grid, n, seed=0):
    parts = np.random.default_rng(seed).standard_normal((2, n, grid.n_coefficients))
    parts[1][:, grid.order == 0] = 0
    return (parts[0] + 1j * parts[1]).astype(np.complex64)


def sums_whose_averages_are(grid, averages):
    weight = np.ones((len(averages), len(grid.rings)), np.float32)
    return ClassSums(grid, averages, weight, np.zeros(len(grid.rings), np.float32))


def every_dissimilarity(images, averages, shifts, mirror):
    """Squared distance of each image from each average in each pose, (n, k, c, n_angles)."""
    grid = images.grid
    angles = 2 * np.pi * np.arange(grid.n_angles) / grid.n_angles
    moved = moved_averages(grid, averages, shifts, mirror)
    # the average turned towards the image, seen with the image's weight
    turned = moved[:, :, None].astype(complex) * np.exp(-1j * np.outer(angles, grid.order))
    flat = turned.reshape(-1, turned.shape[-1])
    found = []
    for image, weight in zip(grid.coefficients(images.samples), images.weight[:, grid.ring]):
        cross = (np.conj(image) * weight * flat).real.sum(axis=1)
        norms = (weight**2 * np.abs(averages) ** 2).sum(axis=1)  # shifts keep them, but at the rim
        norms = np.repeat(norms, flat.shape[0] // len(averages))
        found.append((np.abs(image) ** 2).sum() + norms - 2 * cross)
    return np.reshape(found, (len(images), *turned.shape[:3]))


@given(
    st.integers(1, 6), st.integers(1, 4), st.sampled_from([0.0, 1.0, 2.0]), st.booleans(),
    st.integers(0, 99),
)  # fmt: skip
def test_dissimilarity_is_the_least_of_all_poses(n, k, radius, mirror, seed):
    images, averages = noisy_images(SMALL, n, seed), random_coefficients(SMALL, k, seed + 1)
    shifts = shift_grid(radius, 1.0)
    setting = MultiReference(images, shifts, mirror=mirror)
    found = setting.compare(sums_whose_averages_are(SMALL, averages))
    every = every_dissimilarity(images, averages, shifts, mirror).reshape(n, k, -1)
    slack = 1e-4 * every.max()
    assert found.dissimilarity.shape == found.place.shape == (n, k)
    assert np.allclose(found.dissimilarity, every.min(axis=2), atol=slack)
    there = np.take_along_axis(every, found.place[..., None].astype(int), axis=2)[..., 0]
    assert np.allclose(there, found.dissimilarity, atol=slack)


def test_averages_are_moved_then_mirrored():
    pictures = [scene(seed) for seed in (1, 2)]
    shifts = shift_grid(2.0, 2.0)
    moved = moved_averages(GRID, harmonics(GRID, pictures), shifts, True)
    assert moved.shape == (2, 10, GRID.n_coefficients)
    for k, picture in enumerate(pictures):
        for j, shift in enumerate(shifts):
            there = onto(picture, shift_px=shift)
            assert close(moved[k, j], harmonics(GRID, [there])[0], 5e-3)
            mirrored = onto(there, mirror=True)
            assert close(moved[k, 5 + j], harmonics(GRID, [mirrored])[0], 5e-3)
    plain = moved_averages(GRID, harmonics(GRID, pictures), shifts, False)
    assert np.array_equal(plain, moved[:, :5])


def turns_apart(first, second):
    """Between two rotations, degrees."""
    return np.abs((np.asarray(first) - second + 180) % 360 - 180)


def posed(averages, poses, std_px=2.0):
    """Images of the averages, each in its pose: (class, steps, shift, mirror)."""
    step = 360 / GRID.n_angles
    pictures = [image_of(averages[k], a * step, shift, m) for k, a, shift, m in poses]
    return polar_images(GRID, polar_samples(GRID, pictures, std_px))


@pytest.mark.parametrize("mirror", [False, True])
def test_known_poses_are_found_again(mirror):
    rng = np.random.default_rng(3)
    averages = [scene(seed) for seed in (1, 2, 3)]
    n = 30
    labels, steps = rng.integers(0, 3, n), rng.integers(0, GRID.n_angles, n)
    mirrors = mirror & (rng.random(n) < 0.5)
    rotation_deg = 360 / GRID.n_angles * steps
    shifts = rng.uniform(-2, 2, (n, 2))
    images = posed(averages, zip(labels, steps, shifts, mirrors))
    sums = sums_whose_averages_are(GRID, harmonics(GRID, averages))
    setting = MultiReference(images, shift_grid(3.0, 0.5), mirror=mirror)
    found = setting.compare(sums)
    assert found.dissimilarity.argmin(axis=1).tolist() == labels.tolist()
    alignment = found.alignment(labels)
    assert alignment.mirror.tolist() == mirrors.tolist()
    # half a step of the angle either way, for shifts are only near
    assert turns_apart(-np.rad2deg(alignment.angle), rotation_deg).max() <= 1.01 * 360 / 68
    assert np.hypot(*(alignment.shift_px - shifts).T).max() < 0.5
    aligned = setting.aligned(alignment)
    expected = sums.averages()[labels]
    assert close(aligned, expected, 0.12)
    assert not close(setting.aligned(alignment.take(np.arange(n)[::-1])), expected, 0.5)


def test_poses_on_the_grid_are_found_exactly():
    # the shift of the search is one of the average: p = R(-turn) u for the image
    averages, shifts = [scene(4)], shift_grid(2.0, 1.0)
    step = 2 * np.pi / GRID.n_angles
    poses, expected = [], []
    for i, u in enumerate(shifts):
        for mirror in (False, True):
            steps = 5 * i + 3
            shift = -matrix(-np.rad2deg(steps * step), False) @ u
            shift = shift * [-1, 1] if mirror else shift
            poses.append((0, steps, shift, mirror))
            expected.append((steps * step, *shift, mirror))
    setting = MultiReference(posed(averages, poses), shifts, mirror=True)
    found = setting.compare(sums_whose_averages_are(GRID, harmonics(GRID, averages)))
    alignment = found.alignment(np.zeros(len(poses), dtype=int))
    turn, x, y, mirror = np.transpose(expected)
    assert alignment.mirror.tolist() == mirror.astype(bool).tolist()
    assert turns_apart(-np.rad2deg(alignment.angle), np.rad2deg(turn)).max() < 1e-6
    assert np.allclose(alignment.shift_px, np.column_stack([x, y]), atol=1e-9)
    own = np.abs(setting.weighted).astype(float) ** 2
    assert (found.dissimilarity[:, 0] < 1e-3 * own.sum(axis=1)).all()


def test_alignment_to_any_class_and_to_none():
    place = np.array([[3, 7], [5, 1]], dtype=np.int32)
    found = Comparison(SMALL, np.zeros((2, 2), np.float32), place, np.zeros((1, 2)))
    step = 2 * np.pi / SMALL.n_angles
    assert found.alignment(np.array([1, 0])).angle == pytest.approx([7 * step, 5 * step])
    assert found.alignment(np.array([-1, 1])).angle == pytest.approx([3 * step, step])


def compared(labels, mirror=False, n_threads=1, seed=0, setting=MultiReference):
    labels = np.asarray(labels)
    images = noisy_images(SMALL, len(labels), seed)
    made = setting(images, shift_grid(1.0, 1.0), mirror=mirror, n_threads=n_threads)
    rng = np.random.default_rng(seed)
    alignment = Alignment(
        rng.uniform(0, 6, len(labels)), rng.uniform(-2, 2, (len(labels), 2)),
        mirror & (rng.random(len(labels)) < 0.5),
    )  # fmt: skip
    members = made.aligned(alignment)
    sums = class_sums(images, members, labels, 3)
    return made, sums, members, labels


@settings(max_examples=25)
@given(st.lists(st.integers(-1, 2), min_size=1, max_size=9), st.booleans(), st.integers(0, 99))
def test_leaving_one_out_is_comparing_with_the_average_of_the_others(labels, mirror, seed):
    made, sums, members, labels = compared(labels, mirror, seed=seed)
    whole = made.compare(sums)
    found = made.compare(sums, members, labels)
    for i, k in enumerate(labels):
        others = np.arange(3) != k
        assert np.array_equal(found.dissimilarity[i, others], whole.dissimilarity[i, others])
        assert np.array_equal(found.place[i, others], whole.place[i, others])
        if k < 0:
            continue
        rest = np.flatnonzero((labels == k) & (np.arange(len(labels)) != i))
        average = (
            members[rest].sum(axis=0)
            / ((made.images.weight[rest] ** 2).sum(axis=0) + sums.prior)[SMALL.ring]
        )
        every = every_dissimilarity(
            made.images.take([i]), average[None].astype(np.complex64), made.shifts_px, mirror
        )[0, 0]
        # at the shift that was best with the whole average, at any angle
        candidate, angle = np.divmod(found.place[i, k], SMALL.n_angles)
        assert candidate == whole.place[i, k] // SMALL.n_angles
        slack = 1e-4 * np.abs(every).max()
        assert found.dissimilarity[i, k] == pytest.approx(every[candidate].min(), abs=slack)
        assert every[candidate, angle] == pytest.approx(every[candidate].min(), abs=slack)


def test_an_image_alone_in_its_class_resembles_nothing():
    made, sums, members, labels = compared([0, 1, 1, 1, 2, 2])
    found = made.compare(sums, members, labels)
    assert found.dissimilarity[0, 0] == pytest.approx(made.images.energy[0], rel=1e-5)
    assert made.compare(sums).dissimilarity[0, 0] < made.images.energy[0]


@pytest.mark.parametrize("mirror", [False, True])
def test_chunks_and_threads_change_nothing(monkeypatch, mirror):
    monkeypatch.setattr(multi_reference, "IMAGES_PER_CHUNK", 7)
    labels = np.arange(30) % 4 - 1
    results = []
    for n_threads in (1, 3):
        made, sums, members, _ = compared(labels, mirror, n_threads)
        results.append(made.compare(sums, members, labels))
    assert np.array_equal(results[0].dissimilarity, results[1].dissimilarity)
    assert np.array_equal(results[0].place, results[1].place)


def test_some_of_the_images():
    made, sums, members, labels = compared(np.arange(12) % 3, mirror=True)
    rows = np.array([7, 2, 3])
    part = made.take(rows)
    whole = made.compare(sums, members, labels)
    some = part.compare(sums, members[rows], labels[rows])
    assert np.allclose(some.dissimilarity, whole.dissimilarity[rows], rtol=1e-4)
    assert len(made.images) == 12  # as it was
    assert len(part.aligned(Alignment(np.zeros(3), np.zeros((3, 2)), np.zeros(3, bool)))) == 3


@given(st.integers(1, 5), st.integers(1, 6), st.integers(0, 99))
def test_finer_rotations(n, finer, seed):
    products = random_coefficients(SMALL, n, seed)
    score, place = best_rotations(SMALL, products, finer)
    angles = 2 * np.pi * np.arange(finer * SMALL.n_angles) / (finer * SMALL.n_angles)
    curves = (products[:, None] * np.exp(1j * np.outer(angles, SMALL.order))).real.sum(axis=2)
    assert np.allclose(score, curves.max(axis=1), rtol=1e-4, atol=1e-4)
    assert np.allclose(curves[np.arange(n), place], score, rtol=1e-4, atol=1e-4)


BOX = 48


def in_pixels(averages, n, mirrors, seed):
    """Images in the plane, what class each is of and in which pose."""
    rng = np.random.default_rng(seed)
    labels = np.arange(n) % len(averages)
    rotation, shift = rng.uniform(-180, 180, n), rng.uniform(-3, 3, (n, 2))
    mirror = mirrors & (rng.random(n) < 0.5)
    images = [
        draw(image_of(averages[k], r, s, m), BOX)
        for k, r, s, m in zip(labels, rotation, shift, mirror)
    ]
    noise = 0.1 * rng.standard_normal((n, BOX, BOX))
    return np.array(images) + noise, labels, (rotation, shift, mirror)


def transformed(image, rotation_deg, shift, mirror):
    """The image in its class average, p' = R M (p + shift), by scipy's interpolation."""
    center = len(image) // 2
    y, x = np.indices(image.shape) - center
    back = np.linalg.inv(matrix(rotation_deg, mirror)) @ [x.ravel(), y.ravel()]
    source = back - np.reshape(shift, (2, 1)) + center
    return ndimage.map_coordinates(image, source[::-1]).reshape(image.shape)


# RFA aligns all images to one mean of both classes, and coarsely.
@pytest.mark.parametrize(
    "alignment, mirror, tolerance_px",
    [("mra", False, 0.4), ("mra", True, 0.4), ("msa", False, 0.4), ("msa", True, 0.4),
     ("rfa", False, 2.5)],
)  # fmt: skip
def test_the_poses_of_a_classification_bring_images_onto_their_average(
    alignment, mirror, tolerance_px
):
    averages = [scene(seed, n_blobs=5, radius_px=9.0) for seed in (1, 2)]
    images, truth, poses = in_pixels(averages, 48, mirror, seed=4)
    found = classify_particles(
        images,
        2,
        alignment=alignment,
        mirror=mirror,
        n_rings=10,
        max_shift_px=4.0,
        mask_diameter_px=40.0,
        random_state=1,
    )
    assert {(a, b) for a, b in zip(truth, found.labels)} in ({(0, 0), (1, 1)}, {(0, 1), (1, 0)})
    middle = (slice(8, -8),) * 2
    for k in range(2):
        landed = []
        for i in np.flatnonzero(found.labels == k):
            pose = found.rotation_deg[i], found.shift_px[i], found.mirror[i]
            smooth = ndimage.gaussian_filter(transformed(images[i], *pose), 1)
            assert correlation(smooth[middle], found.averages[k][middle]) > 0.85
            marks = Scene(9 * np.array([(1.0, 0), (0, 1), (-1, 1)]), np.ones(3))
            place = [pose[i] for pose in poses]
            landed.append(onto(image_of(marks, *place), *pose).places)
        # one rigid transform takes the true frame of the class to the one found
        spread = np.hypot(*np.moveaxis(landed - np.median(landed, axis=0), 2, 0))
        assert np.sqrt(np.mean(spread**2)) < tolerance_px
        assert (np.abs(found.rotation_deg) <= 180).all()
