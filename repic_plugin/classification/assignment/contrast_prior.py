"""Contrast of each image as an unknown of known distribution.

An image is a |c| mu + noise of variance s^2, with a contrast a of mean 1 and variance t^2. With S
the inner product of image and |c| mu, N the sum of squares of |c| mu and u = s^2 / t^2, the most
probable contrast is (S + u) / (N + u), and integrating over it gives, besides constants,

    -2 s^2 log p(x | mu) = |x|^2 + u - (S + u)^2 / (N + u) + s^2 log(1 + N / u)

in place of the dissimilarity |x|^2 + N - 2 S, to which it tends where all contrasts are alike.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from repic_plugin.classification.contrast import HIGHEST, LOWEST, MIN_SPREAD
from repic_plugin.classification.exact_sums import steady

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class ContrastPrior:
    """Distribution of the contrasts.

    Attributes
    ----------
    noise_variance : float
        s^2.
    spread_variance : float
        t^2; 0 where all contrasts are 1.
    """

    noise_variance: float
    spread_variance: float = 0.0

    def distance(self, score: Any, norm: Any) -> Any:
        """Dissimilarity without the sum of squares of the image, from S and N."""
        if self.spread_variance == 0:
            return norm - 2 * score
        u = np.float32(self.noise_variance / self.spread_variance)
        s2 = np.float32(self.noise_variance)
        return u - (score + u) ** 2 / (norm + u) + s2 * np.log1p(norm / u)

    def contrast(self, score: Floats, norm: Floats) -> Floats:
        """Most probable contrast of each image, from 0.25 to 4."""
        if self.spread_variance == 0:
            return np.ones(len(score))
        u = self.noise_variance / self.spread_variance
        return np.clip((score + u) / (norm + u), LOWEST, HIGHEST)


def spread_variance(score: Floats, norm: Floats, noise_variance: float) -> float:
    """Variance of the contrasts beyond that of their estimates; 0 where it is too small to see.

    As in `contrasts`: the estimate S / N has the variance s^2 / N.

    Parameters
    ----------
    score, norm : ndarray of float64, shape (n,)
        S and N of each image in its class.
    noise_variance : float
        s^2.
    """
    total = float(steady(norm).sum())
    if total <= 0:
        return 0.0
    estimate = score / np.maximum(norm, np.finfo(np.float32).tiny)
    deviation = norm * (np.clip(estimate, 0, HIGHEST) - 1) ** 2
    variance = (float(steady(deviation).sum()) - len(score) * noise_variance) / total
    return variance if variance >= MIN_SPREAD**2 else 0.0


NO_SPREAD = ContrastPrior(1.0)
