"""What the writers share: checked columns."""

from __future__ import annotations

from typing import Optional

import numpy as np
from numpy.typing import ArrayLike, NDArray


def checked_column(
    name: str, values: ArrayLike, n_picks: Optional[int] = None
) -> NDArray[np.float64]:
    """Finite numbers, shape (n_picks,); raises ValueError for anything else."""
    column = np.asarray(values, dtype=np.float64)
    if column.ndim != 1 or (n_picks is not None and len(column) != n_picks):
        rule = (
            "be one-dimensional"
            if n_picks is None
            else f"have one value for each of {n_picks} picks"
        )
        raise ValueError(f"{name} must {rule}, got shape {column.shape}")
    bad = np.flatnonzero(~np.isfinite(column))
    if len(bad):
        raise ValueError(
            f"{name} must be finite, got {column[bad[0]]} at {bad[0]}; discard such picks"
        )
    return column


def checked_centers(x: ArrayLike, y: ArrayLike) -> NDArray[np.float64]:
    """Box centres, shape (n_picks, 2), from columns that `checked_column` lets pass."""
    first = checked_column("x", x)
    return np.stack([first, checked_column("y", y, len(first))], axis=1)


def checked_box_size(box_size_px: float) -> float:
    """A box size of 1 px or more; raises ValueError for anything else."""
    if not (np.isfinite(box_size_px) and box_size_px >= 1):
        raise ValueError(f"box_size_px must be a finite number >= 1, got {box_size_px}")
    return float(box_size_px)
