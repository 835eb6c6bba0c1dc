"""Directions, rotations and projections: hand-made cases, real-space sums, RELION."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.ndimage import affine_transform, map_coordinates
from scipy.spatial import cKDTree

from repic_plugin.simulation import (
    directions_from_euler,
    euler_from_directions,
    half_sphere_directions,
    phantom_map,
    project_map,
    projections,
    resize_box,
    rotation_matrices,
)
from tests.relion import relion_project

BOX = 48


def random_euler(n, seed=0):
    return np.random.default_rng(seed).uniform([-180, 0, -180], [180, 180, 180], (n, 3))


def correlation(first, second):
    return np.corrcoef(np.ravel(first), np.ravel(second))[0, 1]


# Directions


@pytest.mark.parametrize("n", [1, 2, 25, 100, 1000])
def test_half_sphere(n):
    directions = half_sphere_directions(n)
    assert directions.shape == (n, 3)
    assert np.allclose(np.linalg.norm(directions, axis=1), 1)
    assert (directions[:, 2] > 0).all()


@pytest.mark.parametrize("n", [25, 100, 1000])
def test_half_sphere_is_even(n):
    directions = half_sphere_directions(n)
    # zones between equal heights have equal areas
    zones = np.histogram(directions[:, 2], np.linspace(0, 1, 6))[0]
    assert (zones == n // 5).all()
    quarters = np.histogram(np.arctan2(*directions[:, 1::-1].T), np.linspace(-np.pi, np.pi, 5))[0]
    assert np.abs(quarters - n / 4).max() <= 2
    nearest = cKDTree(directions).query(directions, 2)[0][:, 1]
    ideal = np.sqrt(2 / np.sqrt(3) * 2 * np.pi / n)  # of a hexagonal lattice of this density
    assert nearest.min() > 0.75 * ideal
    assert nearest.max() < 1.05 * ideal


def test_half_sphere_of_nothing():
    with pytest.raises(ValueError, match="n must be a whole number, 1 or more, got 0"):
        half_sphere_directions(0)


units = st.tuples(*[st.floats(-1, 1)] * 3).filter(lambda v: np.linalg.norm(v) > 1e-3)


@given(units, st.floats(-180, 180))
def test_there_and_back(vector, psi):
    euler = euler_from_directions([vector], psi)
    assert 0 <= euler[0, 1] <= 180
    assert euler[0, 2] == psi
    assert np.allclose(directions_from_euler(euler), vector / np.linalg.norm(vector), atol=1e-12)


def test_directions_near_the_pole_keep_their_digits():
    tilt = np.rad2deg(1e-9)
    direction = directions_from_euler([[30, tilt, 0]])
    assert euler_from_directions(direction)[0, :2] == pytest.approx([30, tilt], rel=1e-6)


@given(st.floats(-360, 360), st.floats(-360, 360), st.floats(-360, 360))
def test_matrices_are_rotations(rot, tilt, psi):
    (matrix,) = rotation_matrices([[rot, tilt, psi]])
    assert np.allclose(matrix @ matrix.T, np.eye(3))
    assert np.linalg.det(matrix) == pytest.approx(1)


def test_matrices_as_relion_writes_them():
    # euler.cpp, Euler_angles2matrix
    for rot, tilt, psi in np.deg2rad(random_euler(5)):
        ca, cb, cg = np.cos([rot, tilt, psi])
        sa, sb, sg = np.sin([rot, tilt, psi])
        expected = [
            [cg * cb * ca - sg * sa, cg * cb * sa + sg * ca, -cg * sb],
            [-sg * cb * ca - cg * sa, -sg * cb * sa + cg * ca, sg * sb],
            [sb * ca, sb * sa, cb],
        ]
        assert np.allclose(rotation_matrices(np.rad2deg([[rot, tilt, psi]]))[0], expected)


# Projections


def blob(x, y, z, box=BOX, std=2.0):
    grid = np.arange(box) - box // 2
    along = [np.exp(-0.5 * ((grid - c) / std) ** 2) for c in (z, y, x)]
    return np.einsum("z,y,x->zyx", *along).astype(np.float32)


@pytest.mark.parametrize("box", [BOX, BOX + 1])
def test_without_rotation_a_projection_is_the_sum_over_z(box):
    volume = blob(7, -3, 5, box) + blob(-2, 6, -4, box)
    (image,) = project_map(volume, [[0, 0, 0]])
    assert (image.shape, image.dtype) == ((box, box), np.float32)
    assert np.abs(image - volume.sum(axis=0)).max() < 2e-3 * image.max()


@pytest.mark.parametrize(
    "euler, expected",
    [
        ([0, 0, 0], (7, -3)),
        # the frame turns from x to y: what lay along y comes to lie along x
        ([90, 0, 0], (-3, -7)),
        ([0, 0, 90], (-3, -7)),
        # the view from +x: -z comes to lie along x
        ([0, 90, 0], (-5, -3)),
        ([90, 90, 0], (-5, -7)),
        ([0, 180, 0], (-7, -3)),
    ],
    ids=str,
)
def test_where_a_blob_goes(euler, expected):
    (image,) = project_map(blob(7, -3, 5), [euler])
    row, column = np.unravel_index(image.argmax(), image.shape)
    assert (column - BOX // 2, row - BOX // 2) == expected


@given(st.tuples(*[st.floats(-180, 180)] * 3))
def test_a_blob_goes_where_the_matrix_says(euler):
    (image,) = project_map(blob(7, -3, 5), [euler])
    grid = np.arange(BOX) - BOX // 2
    found = [image.sum(axis=0) @ grid / image.sum(), image.sum(axis=1) @ grid / image.sum()]
    assert np.allclose(found, (rotation_matrices([euler])[0] @ [7, -3, 5])[:2], atol=0.02)


def rotated_sum(volume, matrix):
    """A projection in real space: turn the map, add up its layers."""
    box, pad = len(volume), len(volume) // 2
    wide = np.pad(np.float64(volume), pad)
    center = np.full(3, box // 2 + pad)
    to_map = matrix.T[::-1, ::-1]  # z, y, x of the image's frame to those of the map
    turned = affine_transform(wide, to_map, offset=center - to_map @ center, order=3)
    return turned.sum(axis=0)[pad : pad + box, pad : pad + box]


@pytest.mark.parametrize("box", [BOX, BOX + 1])
def test_as_in_real_space(box):
    volume, euler = phantom_map(box), random_euler(6)
    for image, matrix in zip(project_map(volume, euler), rotation_matrices(euler)):
        expected = rotated_sum(volume, matrix)
        assert correlation(image, expected) > 0.999
        assert np.abs(image - expected).max() < 0.02 * expected.max()


def test_as_in_real_space_for_a_ribosome(shared_data):
    mrcfile = pytest.importorskip("mrcfile")
    volume = resize_box(mrcfile.read(shared_data / "ribosome_70s_65.mrc"), 64)
    euler = random_euler(3)
    for image, matrix in zip(project_map(volume, euler), rotation_matrices(euler)):
        assert correlation(image, rotated_sum(volume, matrix)) > 0.999


def test_as_relion_projects(tmp_path):
    volume, euler = phantom_map(BOX), random_euler(4)
    labels = ("rlnAngleRot", "rlnAngleTilt", "rlnAnglePsi")
    theirs = relion_project(tmp_path, volume, 5.0, dict(zip(labels, euler.T)))
    for ours, other in zip(project_map(volume, euler), theirs):
        assert correlation(ours, other) > 0.99
        slope = np.polyfit(other.ravel(), ours.ravel(), 1)[0]
        assert slope == pytest.approx(1, abs=0.02)


def test_psi_turns_the_image_in_its_plane():
    first, turned = project_map(phantom_map(BOX), [[30, 50, 0], [30, 50, 90]])
    # a quarter turn about pixel box // 2; row and column 0 have no partner
    quarter = np.rot90(first[1:, 1:], 1)
    assert np.abs(turned[1:, 1:] - quarter).max() < 1e-3 * first.max()


def test_the_other_side_is_the_mirror_image():
    front, back = project_map(phantom_map(BOX), [[30, 50, 20], [210, 130, -20]])
    assert np.allclose(
        directions_from_euler([[30, 50, 0]]), -directions_from_euler([[210, 130, 0]])
    )
    assert np.abs(front[1:] - back[:0:-1]).max() < 1e-3 * front.max()


def test_blocks_change_nothing(monkeypatch):
    volume, euler = phantom_map(16), random_euler(5)
    whole = project_map(volume, euler)
    monkeypatch.setattr(projections, "_BLOCK_SAMPLES", 250)  # two images of 16 px
    assert len(projections.MapSlices(volume).blocks(5)) == 3
    assert np.array_equal(project_map(volume, euler), whole)
    assert project_map(volume, np.zeros((0, 3))).shape == (0, 16, 16)


@pytest.mark.parametrize("image_px", [36, 45, 96])
def test_images_of_another_size_show_the_same(image_px):
    volume, euler = phantom_map(BOX), random_euler(3)
    slices = projections.MapSlices(volume, image_px)
    images = slices.images(slices.spectra(euler))
    for image, whole in zip(images, project_map(volume, euler)):
        places = np.arange(-8, 9)[:, None] * np.ones(17)  # in voxels of the map, off the origin
        rows, columns = places, places.T
        scale = image_px / BOX
        seen = [
            map_coordinates(one, np.stack([rows, columns]) * factor + len(one) // 2, order=3)
            for one, factor in ((image, scale), (whole, 1.0))
        ]
        assert correlation(*seen) > 0.99
        assert seen[0].std() == pytest.approx(seen[1].std(), rel=0.1)


def test_the_map_is_left_as_it_was():
    volume = phantom_map(16)
    before = volume.copy()
    project_map(volume, random_euler(2))
    assert np.array_equal(volume, before)


# Boxes and the phantom


@pytest.mark.parametrize("old, new", [(9, 8), (9, 11), (8, 9), (8, 13), (10, 8), (11, 8), (8, 8)])
def test_the_origin_stays_the_origin(old, new):
    volume = np.random.default_rng(0).random((old,) * 3).astype(np.float32)
    resized = resize_box(volume, new)
    assert resized.shape == (new,) * 3
    reach = min(old, new) // 2
    for step in (-reach, -1, 0, reach - 1):
        assert resized[new // 2 + step, new // 2, new // 2 - 1] == pytest.approx(
            volume[old // 2 + step, old // 2, old // 2 - 1]
        )
    if new > old:
        assert resized.sum() == pytest.approx(volume.sum(), rel=1e-5)


def test_an_odd_box_loses_its_last_layers():
    volume = np.random.default_rng(0).random((9, 9, 9)).astype(np.float32)
    assert np.array_equal(resize_box(volume, 8), volume[:8, :8, :8])


@pytest.mark.parametrize("box", [32, 33, 64])
def test_phantom(box):
    volume = phantom_map(box)
    assert (volume.shape, volume.dtype) == ((box,) * 3, np.float32)
    grid = np.arange(box) - box // 2
    for axis in range(3):
        others = tuple(a for a in range(3) if a != axis)
        assert abs(volume.sum(axis=others) @ grid / volume.sum()) < 0.01 * box
    edge = np.concatenate([volume[0].ravel(), volume[:, 0].ravel(), volume[..., -1].ravel()])
    assert np.abs(edge).max() < 0.01 * volume.max()
    assert np.array_equal(phantom_map(box), volume)
    assert correlation(phantom_map(box, random_state=1), volume) < 0.9


def test_views_of_the_phantom_differ():
    euler = euler_from_directions(half_sphere_directions(25))
    images = project_map(phantom_map(32), euler).reshape(25, -1)
    assert np.corrcoef(images)[np.triu_indices(25, 1)].max() < 0.9


# Bad input


@pytest.mark.parametrize(
    "volume, words",
    [
        (np.zeros((8, 8)), "volume must be a cube"),
        (np.zeros((8, 8, 9)), "volume must be a cube"),
        (np.ones((4, 4, 4)), "volume must be a cube of 8 voxels or more"),
        (np.full((8, 8, 8), np.nan), "volume must be finite"),
        (np.ones((8, 8, 8)), "volume must vary"),
    ],
)
def test_bad_map(volume, words):
    with pytest.raises(ValueError, match=words):
        project_map(volume, [[0, 0, 0]])


@pytest.mark.parametrize("euler", [[0, 0, 0], [[0, 0]], [[0, 0, np.nan]]], ids=str)
def test_bad_angles(euler):
    with pytest.raises(ValueError, match="euler_deg must be finite and of shape"):
        project_map(phantom_map(16), euler)


@pytest.mark.parametrize("directions", [[[0, 0, 0]], [[np.nan, 0, 1]], [1, 0, 0]], ids=str)
def test_bad_directions(directions):
    with pytest.raises(ValueError, match="directions must"):
        euler_from_directions(directions)
