"""Pictures of particles in ice, seen through an electron microscope."""

from __future__ import annotations

from typing import Optional, Sequence, Tuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from repic_plugin.arguments import (
    check_box_size,
    check_centers,
    check_micrograph_size,
    check_positive,
    check_seed,
)

__all__ = ["background_micrograph", "simulate_micrograph"]

# The particle: x, y, standard deviation (as fractions of the box) and weight of round Gaussians.
# Two unequal halves and a few lobes in no symmetric order, so that no turn of it looks like
# another, within a wide weak ground of the other sign: the bright fringe that defocus makes.
_LOBES = np.array(
    [
        (-0.06, 0.02, 0.105, 1.00),
        (0.13, -0.02, 0.080, 0.80),
        (-0.14, 0.15, 0.060, 0.60),
        (0.08, 0.19, 0.045, 0.65),
        (-0.05, -0.18, 0.050, 0.70),
        (0.20, -0.15, 0.040, 0.55),
        (0.24, 0.08, 0.035, 0.45),
        (-0.23, -0.06, 0.040, 0.35),
        (0.01, 0.01, 0.250, -0.36),
    ]
)
# Ice grows and thins over about this part of the longer side.
ICE_PATCH_FRACTION = 1 / 6
# Standard deviation of the ice's brightness, in units of the particle's.
ICE_CONTRAST = 0.35
# As pixels of unprocessed micrographs have it, roughly.
DEFAULT_SNR = 0.03


def simulate_micrograph(
    centers: ArrayLike,
    micrograph_size_px: Sequence[int],
    box_size_px: int,
    *,
    snr: Optional[float] = DEFAULT_SNR,
    random_state: int = 0,
) -> NDArray[np.float32]:
    """Draw dark particles on the light ground of ice.

    All particles are the same asymmetrical body, which spans about two thirds of the box, each
    turned in the plane by a random angle. Parts outside the micrograph are cut off.

    Parameters
    ----------
    centers : array_like of float, shape (n, 2)
        x, y in px, measured from the outer edge of the first pixels: the centre of the pixel in
        row i and column j is (j + 0.5, i + 0.5).
    micrograph_size_px : (int, int)
        Width and height.
    box_size_px : int
    snr : float or None
        Variance of one particle over its box divided by the variance of the white noise. None
        draws particles alone, on 0.
    random_state : int
        Seed of angles, ice and noise. The angle of a particle depends on its place in `centers`,
        not on `snr`.

    Returns
    -------
    ndarray of float32, shape (height, width)
        In units of the standard deviation of one particle over its box.

    Raises
    ------
    ValueError
        If an argument breaks its rule.
    """
    width, height = check_micrograph_size(micrograph_size_px)
    box_px = check_box_size("box_size_px", box_size_px, 4)
    points = check_centers("centers", centers)
    angle_seed, ground_seed = np.random.SeedSequence(check_seed(random_state)).spawn(2)
    angles = np.random.default_rng(angle_seed).uniform(0, 2 * np.pi, len(points))
    if snr is None:
        micrograph = np.zeros((height, width), dtype=np.float32)
    else:
        noise_std = check_positive("snr", snr) ** -0.5
        micrograph = _ground((width, height), noise_std, np.random.default_rng(ground_seed))
    _draw(micrograph, points, angles, box_px)
    return micrograph


def background_micrograph(
    micrograph_size_px: Sequence[int], random_state: int = 0
) -> NDArray[np.float32]:
    """Draw ice without particles, to show picks on whose micrographs are not at hand.

    Parameters
    ----------
    micrograph_size_px : (int, int)
        Width and height.
    random_state : int
        Seed.

    Returns
    -------
    ndarray of float32, shape (height, width)
        White noise on slowly changing ice, as `simulate_micrograph` has it at its default `snr`.

    Raises
    ------
    ValueError
        If an argument breaks its rule.
    """
    size_px = check_micrograph_size(micrograph_size_px)
    rng = np.random.default_rng(check_seed(random_state))
    return _ground(size_px, DEFAULT_SNR**-0.5, rng)


def _draw(
    micrograph: NDArray[np.float32],
    centers: NDArray[np.float64],
    angles: NDArray[np.float64],
    box_px: int,
) -> None:
    """Add the particles to `micrograph`, in place, each within its box."""
    scale = np.float32(-1.0 / _particle_std(box_px))
    for (x, y), angle in zip(centers, angles):
        columns = _pixels_near(x, box_px, micrograph.shape[1])
        rows = _pixels_near(y, box_px, micrograph.shape[0])
        if len(rows) and len(columns):
            patch = _particle(columns + 0.5 - x, rows + 0.5 - y, angle, box_px)
            micrograph[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1] += scale * patch


def _pixels_near(center: float, box_px: int, size_px: int) -> NDArray[np.int64]:
    # The fringe runs out of the box; it is drawn as far as it can be seen.
    lower = max(np.floor(center - box_px), 0.0)
    upper = min(np.ceil(center + box_px), float(size_px))
    return np.arange(lower, max(lower, upper)).astype(np.int64)


def _particle(
    x: NDArray[np.float64], y: NDArray[np.float64], angle: float, box_px: int
) -> NDArray[np.float32]:
    """Density at offsets x, y (px) from the centre, shape (len(y), len(x)).

    A round Gaussian turned about the centre is a round Gaussian elsewhere, and a product of one
    of x and one of y: the sum over all is one matrix product.
    """
    cos, sin = np.cos(angle), np.sin(angle)
    lobe_x = (cos * _LOBES[:, 0] - sin * _LOBES[:, 1])[:, None] * box_px
    lobe_y = (sin * _LOBES[:, 0] + cos * _LOBES[:, 1])[:, None] * box_px
    std_px = _LOBES[:, 2, None] * box_px
    along_x = np.exp(-0.5 * ((x - lobe_x) / std_px) ** 2).astype(np.float32)
    along_y = np.exp(-0.5 * ((y - lobe_y) / std_px) ** 2) * _LOBES[:, 3, None]
    patch: NDArray[np.float32] = along_y.astype(np.float32).T @ along_x
    return patch


def _particle_std(box_px: int) -> float:
    inside = np.arange(box_px) + 0.5 - box_px / 2
    return float(_particle(inside, inside, 0.0, box_px).std())


def _ground(
    size_px: Tuple[int, int], noise_std: float, rng: np.random.Generator
) -> NDArray[np.float32]:
    """Ice that changes slowly in thickness, under white noise."""
    width, height = size_px
    micrograph = rng.standard_normal((height, width), dtype=np.float32)
    micrograph *= np.float32(noise_std)
    patch_px = max(size_px) * ICE_PATCH_FRACTION
    along_y, along_x = (_bumps(side, patch_px) for side in (height, width))
    heights = rng.standard_normal((along_y.shape[1], along_x.shape[1])).astype(np.float32)
    micrograph += (ICE_CONTRAST * (along_y @ heights)).astype(np.float32) @ along_x.T
    return micrograph


def _bumps(side_px: int, patch_px: float) -> NDArray[np.float32]:
    """Gaussians along a side, one for each column; their squares sum to 1 at each pixel."""
    knots = np.arange(-patch_px, side_px + 2 * patch_px, patch_px / 2)
    offsets = (np.arange(side_px)[:, None] - knots[None, :]) / (patch_px / 2)
    bumps = np.exp(-0.5 * offsets**2)
    bumps /= np.linalg.norm(bumps, axis=1, keepdims=True)
    return np.asarray(bumps, dtype=np.float32)
