"""Where in the box the density of each class lies, by the profile of the good classes.

The density's centre of mass and the contrast of the middle do not tell a class between two
particles from a good one where particles are hollow, such as apoferritin: the middle is dark in
both, and two particles on either side have their centre of mass between them.
"""

from __future__ import annotations

from typing import Tuple

import numpy as np
from numpy.typing import NDArray
from scipy import fft

# Part of half the box where the border begins.
BORDER = 0.85
# A class lies elsewhere if the profile matches best this far from the centre, in half boxes, and
# at the centre by less than this part of that. Good classes of simulated and real particles match
# at the centre by 0.74 and more, those between two apoferritins by 0.1 at most.
MIN_DISTANCE, MAX_AT_CENTRE = 0.2, 0.5
TINY = 1e-12

Floats = NDArray[np.float64]


def lies_elsewhere(averages: Floats, weight: Floats) -> NDArray[np.bool_]:
    """Whether the density of each class is that of the good classes at another place.

    Parameters
    ----------
    averages : ndarray of float64, shape (k, box, box)
    weight : ndarray of float64, shape (k,)
        Of the classes in the profile, higher for good ones.

    Returns
    -------
    ndarray of bool, shape (k,)
    """
    distance, at_centre = best_match(averages, weight)
    return np.asarray((distance > MIN_DISTANCE) & (at_centre < MAX_AT_CENTRE))


def best_match(averages: Floats, weight: Floats) -> Tuple[Floats, Floats]:
    """Place where the profile of the good classes matches each average best.

    The profile is the mean of the averages over classes, by weight, and over angles.

    Parameters
    ----------
    averages, weight
        As in `lies_elsewhere`.

    Returns
    -------
    distance : ndarray of float64, shape (k,)
        From the centre, in half boxes.
    at_centre : ndarray of float64, shape (k,)
        Match at the centre, as a part of the best; 1 where nothing matches, as in empty classes.
    """
    box = averages.shape[-1]
    along = (np.arange(box) - box // 2) / (box / 2)
    radius = np.hypot(along[:, None], along)
    disc = radius <= 1
    ground = np.median(averages[:, (radius > BORDER) & disc], axis=1)
    density = (averages - ground[:, None, None]) * disc
    density /= np.sqrt((density**2).sum(axis=(1, 2)))[:, None, None] + TINY
    profile = _over_angles(np.tensordot(weight, density, 1), radius)
    profile = np.where(disc, profile - profile[disc].mean(), 0)
    spectrum = fft.rfft2(fft.ifftshift(profile)).conj()
    match = fft.irfft2(fft.rfft2(density) * spectrum, s=(box, box))
    flat = match.reshape(len(match), -1)
    highest, at_centre = flat.max(axis=1), match[:, box // 2, box // 2]
    matches = highest > TINY
    distance = np.where(matches, radius.ravel()[flat.argmax(axis=1)], 0.0)
    return distance, np.where(matches, at_centre / np.maximum(highest, TINY), 1.0)


def _over_angles(image: Floats, radius: Floats) -> Floats:
    """The image with the mean over angles at each radius."""
    ring = np.rint(radius * len(image) / 2).astype(np.int64).ravel()
    means = np.bincount(ring, image.ravel()) / np.maximum(np.bincount(ring), 1)
    return np.asarray(means[ring].reshape(image.shape))
