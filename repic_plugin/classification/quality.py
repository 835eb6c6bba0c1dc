"""Score of each class, and the probability of each class and image to be of particles.

Neither a high correlation nor a sharp average tells particles from contamination: blobs correlate
best at low resolution, edges of carbon align well, and a class between two particles has members
that agree. The score is a logistic function of

- `ratio`: log of the correlation over that of noise aligned to noise (see `agreement`);
- `excess`: correlation beyond that of aligned noise, averaged over the rings with weights
  r (mean excess on ring r)^2, so that the data decide which rings count;
- `rim`: standard deviation of the average at the border of the box, over that in all of it;
- `contrast`: mean density at the centre, above that at the border, in standard deviations, with
  the sign of most classes that agree (particles may be dark or bright), limited to that of a
  ring: peaks of noise, as blob detectors pick them, have a higher one than most particles;
- `offset`: distance of the density's centre from that of the box, in half boxes;
- `energy`: square of what members have in common beyond the typical good class, in logarithms:
  contamination is much denser than particles;
- `size`: squared difference of the log radius of gyration from that of the typical good class.

The typical good class is the median, weighted by size, score and the square root of the excess, in
two passes, and the mean excess is weighted likewise; the first pass does without the last two
features and weighs all classes by size. Classes whose density lies elsewhere than that of the good
ones (`centring`) score 0.2 at most. The weights were fitted to simulated sets (`--fit` of
benchmarks/class_scores.py repeats the fit), and are the same for all data.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Optional, Tuple

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from repic_plugin.classification.agreement import Agreement
from repic_plugin.classification.centring import BORDER, lies_elsewhere

# Weights of ratio, excess, rim, contrast and offset, and the constant, in the first pass ...
FIRST_WEIGHTS = np.array([3.22, 6.47, -0.71, 2.16, -6.53, -1.22])
# ... and then those of energy and size before the constant.
WEIGHTS = np.array([2.74, 7.59, -1.85, 1.84, -5.76, -3.92, -0.17, -0.51])
N_PASSES = 2
# Ranges to which the features are limited, lest one outlier decide.
RANGES = np.array([(-0.7, 1.0), (0.0, 0.6), (0.2, 1.2), (-1.0, 0.6), (0.0, 0.6)])
MAX_ENERGY, MAX_SIZE = 2.0, 1.0
# Part of half the box where the centre ends.
CENTRE = 0.4
# Scores between which the threshold lies, and the largest argument of the logistic function that
# counts when it is sought, lest one outlier decide.
THRESHOLD_RANGE, MAX_ARGUMENT = (0.35, 0.71), 2.0
# Largest score of classes whose density lies elsewhere, see `centring`.
MAX_ELSEWHERE = 0.2
# Classes below this probability are junk.
JUNK_PROBABILITY = 0.5
SHARE_SLOPE = 4.0  # of the share of particles among candidates
# Best score from which there are particles among candidates: peaks of noise as blob detectors pick
# them reached 0.71, and the best class of particles at signal-to-noise ratios of 1/20 had 0.8.
LEAST_BEST = 0.75
# Members: slopes of the argument by class, and by agreement relative to the class's mean.
CLASS_SLOPE, MEMBER_SLOPE = 1.2, 4.5
# A class that would be good if its density were centred, and whose density is this far off.
# Members off centre are aligned less well: they may agree less than is asked of good classes.
# Noise among particles agrees by up to exp(0.12) of what aligned noise does, doublets by exp(0.15).
MIN_OFFSET, MAX_CONTRAST, OFF_CENTRE_MARGIN, MIN_RATIO = 0.1, 0.6, 1.0, 0.13
TINY = 1e-12

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]
Labels = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class ClassQuality:
    """Quality of k classes of n images.

    Attributes
    ----------
    score : ndarray of float64, shape (k,)
        From 0 to 1, comparable between data sets; 0 for empty classes.
    probability : ndarray of float64, shape (k,)
        That a member is a particle: the score with the threshold of this data set moved to 0.5.
    threshold : float
        Score that divides particles from junk in this data set.
    is_off_centre : ndarray of bool, shape (k,)
        Classes whose members agree, but whose density is not at the centre of the box, such as
        those between two particles.
    resolution_angstrom : ndarray of float64, shape (k,)
        Where the average's signal-to-noise ratio falls below 1; NaN if it never exceeds 1.
    member_probability : ndarray of float64, shape (n,)
        Probability of each image to be a particle of its class; 0 for empty images.
    agreement : ndarray of float64, shape (n,)
        Of each image with the average of the others, over that of noise aligned to noise, see
        `Agreement.member`.
    """

    score: Floats
    probability: Floats
    threshold: float
    is_off_centre: Flags
    resolution_angstrom: Floats
    member_probability: Floats
    agreement: Floats


def class_quality(
    agreement: Agreement,
    averages: NDArray[np.float32],
    labels: Labels,
    resolution_angstrom: Floats,
) -> ClassQuality:
    """Score and probability of each class, and probability of each image.

    Parameters
    ----------
    agreement : Agreement
        Of n images.
    averages : ndarray of float32, shape (k, box, box)
    labels : ndarray of int64, shape (n,)
        -1 for images in no class.
    resolution_angstrom : ndarray of float64, shape (k,)

    Returns
    -------
    ClassQuality
    """
    sizes = np.bincount(labels[labels >= 0], minlength=len(averages))
    features, _, argument = _scored(agreement, averages, sizes)
    low_passed = _low_passed(averages, int(agreement.rings[-1]))
    elsewhere = lies_elsewhere(low_passed, sizes * _logistic(argument))
    limit = np.where(elsewhere, _argument(np.array(MAX_ELSEWHERE)), np.inf)
    argument = np.where(sizes > 0, np.minimum(argument, limit), -np.inf)
    score = _logistic(argument)
    threshold = data_threshold(score, sizes)
    shifted = argument - _argument(np.array([threshold]))
    probability = _logistic(shifted)
    return ClassQuality(
        score=score,
        probability=probability,
        threshold=threshold,
        is_off_centre=_off_centre(features, probability, threshold, sizes, elsewhere),
        resolution_angstrom=np.where(sizes > 0, resolution_angstrom, np.nan),
        member_probability=member_probability(probability, agreement.member, labels),
        agreement=agreement.member,
    )


def data_threshold(score: Floats, sizes: Labels, least_argument: float = -MAX_ARGUMENT) -> float:
    """Score that divides the classes best into two groups (Otsu 1979, IEEE Trans SMC 9:62).

    The variance between the groups, of the logistic function's argument weighted by size, is
    largest; the threshold lies halfway between their nearest classes.

    Parameters
    ----------
    score : ndarray of float64, shape (k,)
    sizes : ndarray of int64, shape (k,)
    least_argument : float
        Scores of a lower argument are all alike.

    Returns
    -------
    float
        Limited to `THRESHOLD_RANGE`; 0.5 if there is one class or all have one score.
    """
    order = np.argsort(score, kind="stable")
    order = order[sizes[order] > 0]
    values = np.clip(_argument(score[order]), least_argument, MAX_ARGUMENT)
    if not len(values) or values[0] == values[-1]:
        return 0.5
    weight = np.cumsum(sizes[order] / sizes.sum())[:-1]
    below = np.cumsum(values * sizes[order] / sizes.sum())
    between = (below[-1] * weight - below[:-1]) ** 2 / (weight * (1 - weight))
    first = int(np.argmax(between))
    middle = float(_logistic(values[first : first + 2].mean(keepdims=True))[0])
    return float(np.clip(middle, *THRESHOLD_RANGE))


def particle_shares(score: Floats, sizes: Labels) -> Floats:
    """Share of particles in each class of candidates that were picked too generously.

    A class among candidates of pickers is nearly all particles or nearly all junk, so the share is
    steeper in the score than the probability of a class is; most junk is peaks of noise, and few
    classes of contamination, which have the lowest scores, must not draw the threshold to them.
    Where not even the best class resembles particles, none has a share of half or more: the
    threshold is relative, and one class of noise is always better than the others.

    Parameters
    ----------
    score : ndarray of float64, shape (k,)
    sizes : ndarray of int64, shape (k,)

    Returns
    -------
    ndarray of float64, shape (k,)
    """
    low = float(_argument(np.array(THRESHOLD_RANGE[:1]))[0])
    limited = np.minimum(score, THRESHOLD_RANGE[1])
    threshold = _argument(np.array([data_threshold(limited, sizes, low)]))
    if score.max(initial=0.0) < LEAST_BEST:
        threshold = _argument(np.array([LEAST_BEST]))
    return _logistic(SHARE_SLOPE * (_argument(score) - threshold))


def member_probability(
    probability: Floats, member: Floats, labels: Labels, usual: Optional[Floats] = None
) -> Floats:
    """Probability of each image to be a particle, given its class and its agreement.

    Parameters
    ----------
    probability : ndarray of float64, shape (k,)
        Of the classes.
    member : ndarray of float64, shape (n,)
        See `Agreement`.
    labels : ndarray of int64, shape (n,)
        -1 for images in no class, which get 0.
    usual : ndarray of float64, shape (k,), optional
        What the agreement of members is compared with: by default their own mean.
    """
    found = np.zeros(len(labels))
    kept = labels >= 0
    own, k = member[kept], labels[kept]
    mean = means_of_classes(own, k, len(probability)) if usual is None else usual
    argument = CLASS_SLOPE * _argument(probability)[k]
    found[kept] = _logistic(argument + MEMBER_SLOPE * np.clip(own - mean[k], -1, 1))
    return found


def means_of_classes(values: Floats, labels: Labels, k: int) -> Floats:
    """Mean of the members of each class, 0 of none; labels from 0 to k - 1; shape (k,)."""
    sizes = np.bincount(labels, minlength=k)
    return np.asarray(np.bincount(labels, values, k) / np.maximum(sizes, 1))


def _scored(
    agreement: Agreement, averages: NDArray[np.float32], sizes: Labels
) -> Tuple[Floats, Floats, Floats]:
    """Features, features relative to the typical good class, and the score's argument."""
    every = sizes.astype(np.float64)
    excess = _weighted_excess(agreement, every)
    shape = _shape(_low_passed(averages, int(agreement.rings[-1])), every * excess)
    rim, radius, contrast, offset = shape
    ratio = np.log(np.maximum(agreement.ratio(), 0.2))

    def limited(excess: Floats) -> Floats:
        columns = np.stack([ratio, excess, rim, contrast, offset], axis=1)
        return np.asarray(np.clip(columns, RANGES[:, 0], RANGES[:, 1]))

    features = limited(excess)
    energy = np.log(np.maximum(agreement.explained, TINY))
    argument = features @ FIRST_WEIGHTS[:-1] + FIRST_WEIGHTS[-1]
    for _ in range(N_PASSES):
        weight = sizes * _logistic(argument) * np.sqrt(features[:, 1])
        features = limited(_weighted_excess(agreement, weight))
        more = np.clip(energy - _median(energy, weight), 0, MAX_ENERGY)
        apart = np.log(np.maximum(radius, TINY))
        apart = np.clip(apart - _median(apart, weight), -MAX_SIZE, MAX_SIZE)
        relative = np.stack([more**2, apart**2], axis=1)
        argument = features @ WEIGHTS[:5] + relative @ WEIGHTS[5:7] + WEIGHTS[7]
    return features, relative, argument


def _weighted_excess(agreement: Agreement, weight: Floats) -> Floats:
    """Mean over the rings of the correlation beyond that of aligned noise, shape (k,)."""
    excess = agreement.excess()
    typical = weight @ excess / max(float(weight.sum()), TINY)
    of_ring = agreement.rings * typical**2
    return np.asarray(excess @ of_ring / max(float(of_ring.sum()), TINY))


def _low_passed(averages: NDArray[np.float32], last_ring: int) -> Floats:
    """Averages up to the last ring that was compared."""
    box = averages.shape[-1]
    radius = np.hypot(fft.fftfreq(box, 1 / box)[:, None], fft.rfftfreq(box, 1 / box))
    spectra = fft.rfft2(averages.astype(np.float64)) * (radius <= last_ring)
    return np.asarray(fft.irfft2(spectra, s=(box, box)))


def _shape(averages: Floats, weight: Floats) -> Tuple[Floats, Floats, Floats, Floats]:
    """Rim, radius of gyration, contrast and offset of each average; the weights give the sign."""
    box = averages.shape[-1]
    x = (np.arange(box) - box // 2) / (box / 2)
    radius = np.hypot(x[:, None], x)
    border, disc = (radius > BORDER) & (radius <= 1), radius <= 1
    density = averages - np.median(averages[:, border], axis=1)[:, None, None]
    spread = np.sqrt((density[:, disc] ** 2).mean(axis=1)) + TINY
    contrast = density[:, radius <= CENTRE].mean(axis=1) / spread
    sign = -1.0 if (weight * contrast * np.abs(contrast)).sum() < 0 else 1.0
    power = density**2 * disc
    gyration = np.sqrt((power * radius**2).sum(axis=(1, 2)) / (power.sum(axis=(1, 2)) + TINY))
    mass = np.maximum(sign * density, 0) ** 2 * disc
    total = mass.sum(axis=(1, 2)) + TINY
    offset = np.hypot((mass * x).sum(axis=(1, 2)), (mass * x[:, None]).sum(axis=(1, 2))) / total
    return density[:, border].std(axis=1) / spread, gyration, sign * contrast, offset


def _off_centre(
    features: Floats, probability: Floats, threshold: float, sizes: Labels, elsewhere: Flags
) -> Flags:
    """Classes that would be good with the density of a good class: centred, of its size."""
    weight = sizes * probability
    typical = np.array([_median(column, weight) for column in features.T])
    centred = features.copy()
    centred[:, 2:] = typical[2:]
    argument = centred @ WEIGHTS[:5] + WEIGHTS[7]
    agrees = argument > _argument(np.array([threshold]))[0] - OFF_CENTRE_MARGIN
    agrees &= features[:, 0] > MIN_RATIO  # clearly more than aligned noise
    contrast, offset = features[:, 3], features[:, 4]
    lies_off = (contrast < typical[3] - MAX_CONTRAST) | (offset > typical[4] + MIN_OFFSET)
    lies_off |= elsewhere
    return np.asarray(agrees & lies_off & (probability < JUNK_PROBABILITY) & (sizes > 0))


def _median(values: Floats, weight: Floats) -> float:
    """Weighted median; the lower of two."""
    order = np.argsort(values, kind="stable")
    total = np.cumsum(weight[order])
    return float(values[order[min(np.searchsorted(total, total[-1] / 2), len(values) - 1)]])


def _logistic(argument: Floats) -> Floats:
    return np.asarray(1 / (1 + np.exp(-np.clip(argument, -30, 30))))


def _argument(score: Floats) -> Floats:
    """Inverse of the logistic function."""
    limited = np.clip(score, 1e-9, 1 - 1e-9)
    return np.asarray(np.log(limited / (1 - limited)))
