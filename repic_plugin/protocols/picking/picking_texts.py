"""Numbers of template picking in messages."""

from __future__ import annotations

from typing import Sequence

import numpy as np


def level_text(levels: Sequence[float]) -> str:
    """The minimum score, or the range and the median of several."""
    low, middle, high = np.quantile(levels, [0, 0.5, 1])
    return f"{low:.3f}" if low == high else f"{low:.3f} to {high:.3f} (median {middle:.3f})"


def masked_text(shares: Sequence[Sequence[float]]) -> str:
    """Shares of the micrographs that are blank and contaminated, and the most on one of them."""
    table = np.array(shares)
    blank, dirt = 100 * table.mean(axis=0)
    most = 100 * table.sum(axis=1).max()
    return f"masked: {blank:.1f} % blank, {dirt:.1f} % contamination (at most {most:.0f} % of one)"
