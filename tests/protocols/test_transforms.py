"""The matrices of 2D alignment, as Scipion and its plugins take them."""

import numpy as np
import pytest

from repic_plugin.simulation import phantom_map, simulate_particles
from tests.protocols.particle_set import PIXEL_SIZE, aligned, poses


def test_the_matrix_takes_a_particle_to_its_average():
    """Against the definition, point by point, and against images of a known pose."""
    from repic_plugin.convert import transform_matrices

    rng = np.random.default_rng(0)
    rotation, shift, mirror = poses(rng, 20)
    for matrix, r, s, m in zip(
        transform_matrices(rotation, shift, mirror), np.deg2rad(rotation), shift, mirror
    ):
        point = rng.uniform(-20, 20, 2) + s
        moved = [-point[0] if m else point[0], point[1]]
        turned = np.array([[np.cos(r), -np.sin(r)], [np.sin(r), np.cos(r)]]) @ moved
        assert matrix @ [*(point - s), 0, 1] == pytest.approx([*turned, 0, 1])
        assert np.linalg.det(matrix[:2, :2]) == pytest.approx(-1 if m else 1)


def test_simulated_particles_come_to_lie_on_each_other():
    """Projections of one view, brought into register by the matrix of their true pose."""
    from repic_plugin.convert import transform_matrices

    made = simulate_particles(
        phantom_map(64),
        1,
        12,
        pixel_size_angstrom=PIXEL_SIZE,
        snr=1e6,
        spread_deg=0.0,
        max_shift_px=4.0,
        defocus_range_angstrom=None,
    )
    psi = made.euler_deg[:, 2]
    candidates = [
        np.mean(
            [
                aligned(image, matrix)
                for image, matrix in zip(
                    made.images, transform_matrices(sign * psi, -made.shift_px, [False] * 12)
                )
            ],
            axis=0,
        ).var()
        for sign in (1, -1)
    ]
    # one sense of rotation is right, and then averaging loses next to nothing
    assert max(candidates) > 0.95 * made.images.var()
    assert min(candidates) < 0.8 * max(candidates)


def test_xmipps_plugin_reads_the_pose():
    """As `alignmentToRow` of scipion-em-xmipp 29.0.1, then `geo2TransformationMatrix` of Xmipp."""
    from repic_plugin.convert import transform_matrices

    rng = np.random.default_rng(2)
    for matrix in transform_matrices(*poses(rng, 20)):
        flip, shift, psi = as_xmipp_reads(matrix.copy())
        c, s = np.cos(np.deg2rad(psi)), np.sin(np.deg2rad(psi))
        applied = np.array([[c, s, shift[0]], [-s, c, shift[1]]])
        if flip:
            applied[0, :2] *= -1
        assert applied == pytest.approx(matrix[:2, [0, 1, 3]])


def as_xmipp_reads(matrix):
    from pwem.convert.transformations import euler_from_matrix, translation_from_matrix

    flip = bool(np.linalg.det(matrix[0:2, 0:2]) < 0)
    if flip:
        matrix[0, :2] *= -1.0
        matrix[2, 2] = 1.0
    angles = -np.rad2deg(euler_from_matrix(matrix, axes="szyz"))
    return flip, translation_from_matrix(matrix), angles[0] + angles[2]


def test_relions_plugin_reads_the_pose():
    """As `_align2DToRow` of scipion-em-relion 5.0.2 writes the columns that RELION reads."""
    from pwem.convert.transformations import euler_from_matrix, translation_from_matrix

    from repic_plugin.convert import transform_matrices

    rotation, shift, mirror = poses(np.random.default_rng(3), 20, mirrored=False)
    matrices = transform_matrices(rotation, shift, mirror, "before")
    for matrix, r, s in zip(matrices, rotation, shift):
        angles = -np.rad2deg(euler_from_matrix(matrix, axes="szyz"))
        assert translation_from_matrix(matrix)[:2] == pytest.approx(s)
        difference = -(angles[0] + angles[2]) - r
        assert (difference + 180) % 360 - 180 == pytest.approx(0, abs=1e-6)


def test_an_unknown_order_of_shift_is_refused():
    from repic_plugin.convert import transform_matrices

    with pytest.raises(ValueError, match="shift_order"):
        transform_matrices([0.0], [[0, 0]], [False], "during")
