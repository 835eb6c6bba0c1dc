"""Particles made of round Gaussians: exact at any rotation, shift and mirror image."""

from typing import NamedTuple

import numpy as np

from repic_plugin.classification.preparation import PolarImages


class Scene(NamedTuple):
    """Blobs at places x, y from the pixel (box // 2, box // 2), in px."""

    places: np.ndarray  # (n, 2)
    masses: np.ndarray  # (n,)


def scene(seed=0, n_blobs=8, radius_px=9.0):
    """A picture without symmetry."""
    rng = np.random.default_rng(seed)
    turns = 2 * np.pi * rng.random(n_blobs)
    lengths = radius_px * np.sqrt(rng.random(n_blobs))
    places = lengths[:, None] * np.column_stack([np.cos(turns), np.sin(turns)])
    return Scene(places, rng.uniform(0.5, 1.5, n_blobs))


def matrix(rotation_deg, mirror=False):
    """Mirrored where told (x becomes -x), then turned from x towards y."""
    cos, sin = np.cos(np.deg2rad(rotation_deg)), np.sin(np.deg2rad(rotation_deg))
    return np.array([[cos, -sin], [sin, cos]]) @ np.diag([-1.0 if mirror else 1.0, 1.0])


def onto(image, rotation_deg=0.0, shift_px=(0.0, 0.0), mirror=False):
    """Where the content of an image stands in its class average."""
    return Scene((image.places + shift_px) @ matrix(rotation_deg, mirror).T, image.masses)


def image_of(average, rotation_deg=0.0, shift_px=(0.0, 0.0), mirror=False):
    """The image that this pose brings onto the average."""
    back = np.linalg.inv(matrix(rotation_deg, mirror))
    return Scene(average.places @ back.T - shift_px, average.masses)


def draw(picture, box, std_px=2.0):
    """Pixels, shape (box, box)."""
    along = np.arange(box) - box // 2
    x, y = (np.exp(-0.5 * ((along - p[:, None]) / std_px) ** 2) for p in picture.places.T)
    return np.einsum("b,by,bx->yx", picture.masses, y, x)


def transform(picture, frequency_x, frequency_y, std_px=2.0):
    """The Fourier transform that `draw` samples, about the centre; frequencies in 1/px."""
    turns = np.multiply.outer(picture.places[:, 0], frequency_x)
    turns = turns + np.multiply.outer(picture.places[:, 1], frequency_y)
    waves = np.tensordot(picture.masses, np.exp(-2j * np.pi * turns), 1)
    squared = np.square(frequency_x) + np.square(frequency_y)
    return 2 * np.pi * std_px**2 * np.exp(-2 * (np.pi * std_px) ** 2 * squared) * waves


def random_poses(n, seed=0, max_shift_px=3.0, mirrors=True):
    """Rotations (degrees), shifts (px) and mirrors of n images."""
    rng = np.random.default_rng(seed)
    mirror = rng.random(n) < 0.5 if mirrors else np.zeros(n, dtype=bool)
    return (
        rng.uniform(-180, 180, n),
        rng.uniform(-max_shift_px, max_shift_px, (n, 2)) / np.sqrt(2),
        mirror,
    )


def correlation(a, b):
    """Pearson's, of two arrays."""
    return float(np.corrcoef(np.ravel(a), np.ravel(b))[0, 1])


def harmonics(grid, pictures):
    """Circular harmonics of pictures, shape (n, n_coefficients)."""
    return grid.coefficients(polar_samples(grid, pictures))


def polar_samples(grid, pictures, std_px=2.0):
    """Samples of pictures on the rings, shape (n, n_rings, n_angles / 2)."""
    samples = [transform(picture, *grid.frequencies(), std_px) for picture in pictures]
    return np.stack(samples).astype(np.complex64)


def polar_images(grid, samples, weight=None):
    """Images on rings, as `prepare_images` makes them of pixels."""
    n = len(samples)
    if weight is None:
        weight = np.ones((n, len(grid.rings)))
    energy = grid.power(grid.coefficients(samples)).sum(axis=1)
    return PolarImages(grid, samples, np.float32(weight), energy, np.zeros(n, dtype=bool))


def noisy_images(grid, n, seed=0, weights=(0.3, 1.0)):
    """Images of noise alone, unevenly weighted."""
    rng = np.random.default_rng(seed)
    parts = rng.standard_normal((2, n, len(grid.rings), grid.n_angles // 2))
    weight = rng.uniform(*weights, (n, len(grid.rings)))
    return polar_images(grid, (parts[0] + 1j * parts[1]).astype(np.complex64), weight)
