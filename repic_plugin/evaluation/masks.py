"""Soft-edged masks for Fourier shell correlations."""

from __future__ import annotations

from typing import Any, Optional, Tuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import ndimage

from repic_plugin.arguments import check_box_size, check_not_negative, check_positive, check_varied
from repic_plugin.evaluation.checks import check_volume

# Smoothing before the threshold is determined, to average out noise.
SMOOTHING_STD_PX = 2.0
DEFAULT_EXTEND_PX, DEFAULT_EDGE_PX = 3.0, 6.0  # as in RELION
N_BINS = 256  # bins of the histogram
# Components smaller than this fraction of the largest are noise.
MIN_COMPONENT = 0.1

Volume = NDArray[np.float32]


def soft_mask(
    volume: ArrayLike,
    *,
    threshold: Optional[float] = None,
    extend_px: float = DEFAULT_EXTEND_PX,
    edge_px: float = DEFAULT_EDGE_PX,
) -> Volume:
    """Mask around the molecule in a map, with a raised-cosine edge.

    Voxels at or above the threshold are the molecule, with holes filled; components smaller than
    a tenth of the largest are excluded. The mask is 1 up to `extend_px` from it and falls to 0
    over the next `edge_px`.

    Parameters
    ----------
    volume : array_like of float, shape (box, box, box)
    threshold : float, optional
        A density. By default that of Otsu 1979 (doi:10.1109/TSMC.1979.4310076), after smoothing
        the map by a Gaussian of 2 px.
    extend_px, edge_px : float

    Returns
    -------
    ndarray of float32, shape (box, box, box)
        From 0 to 1.

    Raises
    ------
    ValueError
        If the map is not a cube, is constant, or does not reach the threshold.
    """
    density = check_volume("volume", volume)
    _check_lengths(extend_px, edge_px)
    if threshold is None:
        density = ndimage.gaussian_filter(density, SMOOTHING_STD_PX)
        threshold = _otsu_threshold(density)
    molecule = _large_components(density >= threshold)
    if not molecule.any():
        raise ValueError(
            f"threshold must be below the largest density {density.max():g}, got {threshold:g}; "
            "lower it"
        )
    # distances are needed only near the molecule
    box = _bounding_box(molecule, int(np.ceil(extend_px + edge_px)) + 1)
    mask = np.zeros(density.shape, dtype=np.float32)
    distance = ndimage.distance_transform_edt(~molecule[box])
    mask[box] = _raised_cosine(distance - extend_px, edge_px)
    return mask


def spherical_mask(
    size: int, radius_px: Optional[float] = None, edge_px: float = DEFAULT_EDGE_PX
) -> Volume:
    """Spherical mask around voxel size // 2 with a raised-cosine edge outside it.

    Parameters
    ----------
    size : int
        Side of the box, px.
    radius_px : float, optional
        The mask is 1 up to this radius, and 0 from `radius_px` + `edge_px`. By default the edge
        ends at the faces of the box.
    edge_px : float

    Returns
    -------
    ndarray of float32, shape (size, size, size)

    Raises
    ------
    ValueError
        If an argument is out of range.
    """
    check_box_size("size", size)
    if radius_px is None:
        radius_px = max(1.0, size // 2 - edge_px)
    check_positive("radius_px", radius_px, "a little under half of the box is usual")
    _check_lengths(0.0, edge_px)
    squares = (np.arange(size, dtype=np.float32) - size // 2) ** 2
    radius = np.sqrt(squares[:, None, None] + squares[:, None] + squares)
    return _raised_cosine(radius - np.float32(radius_px), edge_px)


def _check_lengths(extend_px: float, edge_px: float) -> None:
    for name, value in (("extend_px", extend_px), ("edge_px", edge_px)):
        check_not_negative(name, value, "3 and 6 px are usual")


def _raised_cosine(outside_px: NDArray[np.floating[Any]], edge_px: float) -> Volume:
    """Raised cosine: 1 where `outside_px` is not positive, falling to 0 over the edge."""
    if edge_px == 0:
        return (outside_px <= 0).astype(np.float32)
    part = np.clip(outside_px / edge_px, 0.0, 1.0)
    edge: Volume = (0.5 + 0.5 * np.cos(np.pi * part)).astype(np.float32)
    return edge


def _otsu_threshold(density: Volume) -> float:
    """Threshold with the largest variance between the two sides."""
    check_varied("volume", density)
    counts, edges = np.histogram(density, bins=N_BINS)
    middles = (edges[:-1] + edges[1:]) / 2
    below = np.cumsum(counts)[:-1]
    above = counts.sum() - below
    sums = np.cumsum(counts * middles)
    means = sums[:-1] / np.maximum(below, 1), (sums[-1] - sums[:-1]) / np.maximum(above, 1)
    best = int(np.argmax(below * above.astype(np.float64) * (means[0] - means[1]) ** 2))
    return float(edges[best + 1])


def _large_components(molecule: NDArray[np.bool_]) -> NDArray[np.bool_]:
    labels, n = ndimage.label(molecule)
    if n == 0:
        return molecule
    sizes = np.bincount(labels.ravel())
    sizes[0] = 0
    kept = sizes >= MIN_COMPONENT * sizes.max()
    kept[0] = False
    filled: NDArray[np.bool_] = ndimage.binary_fill_holes(kept[labels])
    return filled


def _bounding_box(inside: NDArray[np.bool_], margin_px: int) -> Tuple[slice, ...]:
    found = []
    for axis in range(3):
        others = tuple(other for other in range(3) if other != axis)
        places = np.flatnonzero(inside.any(axis=others))
        found.append(slice(max(0, int(places[0]) - margin_px), int(places[-1]) + margin_px + 1))
    return tuple(found)
