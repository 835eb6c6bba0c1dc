"""Range of coordinates that are not errors."""

from __future__ import annotations

from typing import Tuple

import numpy as np
from numpy.typing import NDArray

OUTLYING, FAR_OUTSIDE = (0.01, 0.99), 0.25


def usual_range(values: NDArray[np.float64]) -> Tuple[float, float]:
    """Smallest and largest of some coordinates without those far outside.

    One wild pick must not enlarge the area.

    Parameters
    ----------
    values : ndarray of float64, shape (n,)
        At least one.
    """
    low, high = np.quantile(values, OUTLYING)
    margin = FAR_OUTSIDE * (high - low)
    near = values[(values >= low - margin) & (values <= high + margin)]
    return float(near.min()), float(near.max())
