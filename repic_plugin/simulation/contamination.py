"""Background of a micrograph: ice of varying thickness, and contamination."""

from __future__ import annotations

from typing import NamedTuple, Tuple

import numpy as np
from numpy.typing import NDArray

from repic_plugin.simulation.placement import place_apart

# Maximum number of half-waves of the ice along a side.
ICE_WAVES = 4
# Two kinds of junk, ice crystals larger than a particle and small dense spots: outer radii in
# particle diameters, and levels in standard deviations of a particle over its box.
CRYSTAL_RADII, CRYSTAL_LEVELS = (0.6, 1.2), (1.5, 4.0)
SPOT_RADII, SPOT_LEVELS = (0.1, 0.25), (6.0, 12.0)
CRYSTAL_PART = 0.5
# The others are darker than the surrounding ice, like most contamination.
BRIGHT_PART = 0.3
# Fractions of the outer radius: mean outline, amplitude of its bumps, and width of its edge.
OUTLINE, BUMPS, EDGE = 0.75, 0.2, 0.1
BUMP_WAVES = np.arange(2, 6)
RIM_POINTS = 64

Floats = NDArray[np.float64]
Image = NDArray[np.float32]


class Junk(NamedTuple):
    """Blobs of contamination.

    Attributes
    ----------
    centers : ndarray of float64, shape (n, 2)
        x, y, px.
    radius_px : ndarray of float64, shape (n,)
        Radius beyond which the blob vanishes.
    level : ndarray of float64, shape (n,)
        Value added to the micrograph; negative for dark blobs.
    bumps : ndarray of float64, shape (n, 4, 2)
        Amplitudes and phases of the waves of the outline.
    """

    centers: Floats
    radius_px: Floats
    level: Floats
    bumps: Floats


def place_junk(
    n: int, size_px: Tuple[int, int], diameter_px: float, rng: np.random.Generator
) -> Junk:
    """Random blobs that do not touch each other, with their centres on the micrograph."""
    is_crystal = rng.random(n) < CRYSTAL_PART
    radii = np.where(is_crystal, rng.uniform(*CRYSTAL_RADII, n), rng.uniform(*SPOT_RADII, n))
    levels = np.where(is_crystal, rng.uniform(*CRYSTAL_LEVELS, n), rng.uniform(*SPOT_LEVELS, n))
    signs = np.where(rng.random(n) < BRIGHT_PART, 1.0, -1.0)
    amplitudes = rng.uniform(0, BUMPS / len(BUMP_WAVES), (n, len(BUMP_WAVES)))
    phases = rng.uniform(0, 2 * np.pi, amplitudes.shape)
    apart_px = 2 * CRYSTAL_RADII[1] * diameter_px
    centers = place_apart(n, ((0.0, 0.0), size_px), apart_px, rng, what="n_junk")
    return Junk(centers, radii * diameter_px, signs * levels, np.stack([amplitudes, phases], -1))


def junk_rims(junk: Junk) -> Floats:
    """Centres and points around each blob, shape (n_points, 2).

    Points at least a particle diameter away from all of them are as far from the junk.
    """
    turns = np.linspace(0, 2 * np.pi, RIM_POINTS, endpoint=False)
    directions = np.column_stack([np.cos(turns), np.sin(turns)])
    rims = junk.centers[:, None] + junk.radius_px[:, None, None] * directions
    return np.concatenate([junk.centers, rims.reshape(-1, 2)])


def add_junk(micrograph: Image, junk: Junk) -> None:
    """Add the blobs to the micrograph, in place."""
    height, width = micrograph.shape
    for (x, y), radius, level, bumps in zip(*junk):
        columns, rows = _pixels(x, radius, width), _pixels(y, radius, height)
        along_x, along_y = columns + 0.5 - x, (rows + 0.5 - y)[:, None]
        angle = np.arctan2(along_y, along_x)
        outline = np.full(angle.shape, OUTLINE)
        for wave, (amplitude, phase) in zip(BUMP_WAVES, bumps):
            outline += amplitude * np.cos(wave * angle + phase)
        inside = (outline - np.hypot(along_x, along_y) / radius) / EDGE + 0.5
        patch = (level * np.clip(inside, 0, 1)).astype(np.float32)
        micrograph[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1] += patch


def _pixels(center: float, radius: float, side: int) -> NDArray[np.int64]:
    """Indices of the pixels within a radius along one side, at least one."""
    first, last = np.floor(center - radius), np.ceil(center + radius)
    return np.arange(max(0, int(first)), min(side, int(last) + 1))


def ice(size_px: Tuple[int, int], std: float, rng: np.random.Generator) -> Image:
    """Slow brightness variations, shape (height, width), of mean 0 and this standard deviation."""
    waves = np.arange(ICE_WAVES)
    along_x, along_y = (
        np.cos(np.pi * waves[:, None] * (np.arange(side) + 0.5) / side) for side in size_px
    )
    weights = rng.standard_normal((ICE_WAVES, ICE_WAVES)) / (1 + waves[:, None] ** 2 + waves**2)
    weights[0, 0] = 0.0
    field = along_y.T @ weights @ along_x
    field *= std / field.std()
    changes: Image = field.astype(np.float32)
    return changes
