"""Built-in asymmetric phantom molecule."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from repic_plugin.arguments import check_box_size, check_seed
from repic_plugin.simulation.checks import SMALLEST_BOX_PX

# Size and sampling of the map for the benchmark of ACK-means.
PHANTOM_BOX_PX = 64
PHANTOM_PIXEL_SIZE_ANGSTROM = 5.0
N_BLOBS = 150
# Semi-axes of the ellipsoid of the blobs' centres, as fractions of the box, all different.
SEMI_AXES = (0.32, 0.28, 0.24)
# Standard deviations of the blobs, as fractions of the box, and their masses; some are holes.
STD_RANGE = (0.02, 0.045)
MASS_RANGE = (-0.5, 1.0)


def phantom_map(box_size_px: int = PHANTOM_BOX_PX, *, random_state: int = 0) -> NDArray[np.float32]:
    """Density of a phantom molecule: isotropic Gaussians at random positions in an ellipsoid.

    Parameters
    ----------
    box_size_px : int
        The molecule spans about two thirds of it.
    random_state : int
        Seed, which defines the molecule independently of the box size.

    Returns
    -------
    ndarray of float32, shape (box, box, box)
        z, y, x; its centre of mass lies at voxel box // 2.

    Raises
    ------
    ValueError
        If the box or the seed is out of range.
    """
    box_px = check_box_size("box_size_px", box_size_px, SMALLEST_BOX_PX)
    rng = np.random.default_rng(check_seed(random_state))
    directions = rng.standard_normal((N_BLOBS, 3))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    centers = directions * np.cbrt(rng.random((N_BLOBS, 1))) * SEMI_AXES
    stds = rng.uniform(*STD_RANGE, N_BLOBS)
    masses = rng.uniform(*MASS_RANGE, N_BLOBS)
    centers -= np.average(centers, axis=0, weights=masses)
    grid = (np.arange(box_px) - box_px // 2) / box_px
    # a Gaussian is a product of one along each axis
    along = np.exp(-0.5 * ((grid - centers[..., None]) / stds[:, None, None]) ** 2)
    peaks = masses / (stds / np.mean(stds)) ** 3
    density = np.einsum("b,bz,by,bx->zyx", peaks, *np.moveaxis(along, 1, 0), optimize=True)
    return np.asarray(density, dtype=np.float32)
