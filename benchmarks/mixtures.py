"""Micrographs on which not all particles are alike, for the benchmarks of the consensus."""

from __future__ import annotations

from typing import Any, List, NamedTuple, Sequence, Tuple

import numpy as np
from scipy import ndimage
from scipy.spatial import cKDTree

from repic_plugin.simulation import map_diameter, phantom_map, resize_box, simulate_exposures

FAINT = 0.4  # contrast of the hard ones
SCALES = (0.75, 0.6)  # of the two smaller molecules

Part = Tuple[Any, float]  # a density, and its contrast


class Exposure(NamedTuple):
    """A micrograph, and the centres x, y of its particles, px."""

    micrograph: Any
    centers: Any


def easy_and_hard(volume: Any) -> List[Part]:
    """Two fifths of the particles with less contrast."""
    return [(volume, 1.0)] * 3 + [(volume, FAINT)] * 2


def three_molecules(volume: Any) -> List[Part]:
    """A third each of the map and of two smaller phantoms, as dense as the map.

    The standard deviation over a box grows as the square of the diameter.
    """
    box_px = len(volume)
    smaller = []
    for seed, scale in enumerate(SCALES, 1):
        shape = phantom_map(64, random_state=seed)
        factor = scale * map_diameter(volume) / map_diameter(shape)
        scaled = resize_box(ndimage.zoom(shape, factor, order=1), box_px)
        smaller.append((scaled, scale**2))
    return [(volume, 1.0), *smaller]


def exposures_of(parts: Sequence[Part], n: int, *, n_junk: int, **options: Any) -> List[Exposure]:
    """Exposures whose particles are of one of several parts each, drawn at random.

    The same seed places and turns the particles of every density alike, if there is no junk. The
    region around each particle is taken from its own density; what lies under junk is left out.
    """
    seed, snr = options["random_state"], options.pop("snr", 0.08)
    spacing = 1.05 * max(map_diameter(volume) for volume, _ in parts)
    ideal = {"snr": None, "n_junk": 0, "gradient": 0, "min_distance_px": spacing, **options}
    layers = {id(v): list(simulate_exposures(v, n, **ideal)) for v, _ in parts}
    empty = {**options, "n_particles": 0, "n_junk": n_junk, "snr": snr}
    rng, made = np.random.default_rng(seed), []
    for number, background in enumerate(simulate_exposures(parts[0][0], n, **empty)):
        own = [layers[id(volume)][number] for volume, _ in parts]
        centers = own[0].centers
        junk, radius = background.junk_centers, background.junk_radius_px
        gap = np.hypot(*(centers[:, None] - junk).transpose(2, 0, 1)) - radius
        is_free = gap.min(axis=1, initial=np.inf) > spacing / 2
        part = rng.integers(len(parts), size=len(centers))
        contrast = np.where(is_free, np.array([c for _, c in parts])[part], 0.0)
        height, width = background.micrograph.shape
        pixels = np.stack(np.meshgrid(np.arange(width), np.arange(height)), axis=-1) + 0.5
        nearest = cKDTree(centers).query(pixels)[1]
        picture = np.choose(part[nearest], [one.micrograph for one in own]) * contrast[nearest]
        made.append(Exposure(background.micrograph + picture, centers[is_free]))
    return made
