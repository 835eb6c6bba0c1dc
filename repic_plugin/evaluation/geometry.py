"""Mirroring of picks to the orientation of a reference."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike

from repic_plugin.consensus import Picks


def flip_y(picks: Picks, height_px: ArrayLike) -> Picks:
    """Picks mirrored vertically, for coordinates that count y from the opposite edge.

    A centre at y is moved to ``height_px - y``. Centres are measured from the outer edge of the
    first pixel row (a box starts at centre - box / 2), so boxes cover the mirror image of the
    pixels that they covered before. Pixel indices would instead change to ``height_px - 1 - y``.

    Parameters
    ----------
    picks : Picks
    height_px : float or array_like of float, shape (n_micrographs,)
        Height of all micrographs, or of each in the order of `picks.micrograph_names`.

    Returns
    -------
    Picks
        New picks; flipping twice restores the original ones.

    Raises
    ------
    ValueError
        If a height is not positive, or there is not one for each micrograph.
    """
    height = np.asarray(height_px, dtype=np.float64)
    if height.shape not in ((), (picks.n_micrographs,)):
        raise ValueError(
            f"height_px must be one number or one for each of the {picks.n_micrographs} "
            f"micrographs, got shape {height.shape}"
        )
    if not (np.isfinite(height).all() and (height > 0).all()):
        raise ValueError(f"height_px must be positive and finite, got {height.min()}")
    of_pick = np.broadcast_to(height, (picks.n_micrographs,))[picks.micrograph]
    return replace(picks, y=of_pick - picks.y)
