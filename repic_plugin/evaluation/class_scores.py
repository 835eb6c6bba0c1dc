"""Scores of 2D classes against known viewing directions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Optional, Tuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from repic_plugin.arguments import check_in_range, check_whole_number

# Two projections within this angle count as the same view: Xu et al. 2016, figure 1.
DEFAULT_MAX_ANGLE_DEG = 15.0
# Classes with fewer members are of no use.
FEW_MEMBERS = 5
UNCLASSIFIED = -1  # label of an excluded particle
N_BINS = 180  # of 1 degree
# Number of pairs held in memory at a time.
_BLOCK_PAIRS = 1 << 22

Counts = NDArray[np.int64]
Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class ClassScores:
    """Angles between the views of members of the same class, and the sizes of the classes.

    A pair is two particles of one class with known viewing directions.

    Attributes
    ----------
    max_angle_deg : float
        Pairs up to this far apart count as one view.
    pair_fraction : float
        Fraction of all pairs that count as one view; 0 without a pair.
    particle_fraction : float
        For each particle the fraction of the other members of its class that count as one view
        with it, mean over the classified particles of known direction; 0 for a single particle.
    perfect_fraction : float or None
        `pair_fraction` of the partition by true views, over all particles of known direction;
        None if the views were not given.
    angle_edges_deg : ndarray of float64, shape (181,)
        0, 1, ... 180.
    angle_counts : ndarray of int64, shape (180,)
        Pairs by angle; a bin includes its lower edge.
    sizes : ndarray of int64, shape (n_classes,)
        Members of each class, including junk.
    junk_sizes : ndarray of int64, shape (n_classes,)
        Members without a known direction.
    class_pair_fractions : ndarray of float64, shape (n_classes,)
        `pair_fraction` of each class alone.
    n_unclassified : int
        Excluded particles (label -1), which are in no pair and no size.
    n_junk : int
        Particles without a known direction, classified or not.
    """

    max_angle_deg: float
    pair_fraction: float
    particle_fraction: float
    perfect_fraction: Optional[float]
    angle_edges_deg: Floats
    angle_counts: Counts
    sizes: Counts
    junk_sizes: Counts
    class_pair_fractions: Floats
    n_unclassified: int
    n_junk: int

    @property
    def n_classes(self) -> int:
        """Number of classes, including empty ones."""
        return len(self.sizes)

    @property
    def smallest(self) -> int:
        """Size of the smallest class."""
        return int(self.sizes.min())

    @property
    def largest(self) -> int:
        """Size of the largest class."""
        return int(self.sizes.max())

    @property
    def size_variation(self) -> float:
        """Coefficient of variation of the sizes, including empty classes; 0 without members."""
        mean = float(self.sizes.mean())
        return float(self.sizes.std()) / mean if mean else 0.0

    @property
    def n_under_5(self) -> int:
        """Number of classes with fewer than 5 members, including empty ones."""
        return int((self.sizes < FEW_MEMBERS).sum())

    @property
    def junk_fractions(self) -> Floats:
        """Fraction of junk in each class, shape (n_classes,); 0 for an empty class."""
        fractions: Floats = self.junk_sizes / np.maximum(self.sizes, 1)
        return fractions


def score_classes(
    labels: ArrayLike,
    directions: ArrayLike,
    *,
    max_angle_deg: float = DEFAULT_MAX_ANGLE_DEG,
    view: Optional[ArrayLike] = None,
    n_classes: Optional[int] = None,
) -> ClassScores:
    """Scores of 2D classes against the true viewing directions (Xu et al. 2016, figure 1).

    Parameters
    ----------
    labels : array_like of int, shape (n,)
        Class of each particle, from 0; -1 for an excluded one.
    directions : array_like of float, shape (n, 3)
        Viewing direction of each particle, a non-zero vector; nan for junk. An image and its
        mirror image have opposite directions, 180 degrees apart.
    max_angle_deg : float
        In [0, 180].
    view : array_like of int, shape (n,), optional
        True view of each particle, from 0; -1 for junk.
    n_classes : int, optional
        The largest label + 1 by default; more if the last classes are empty.

    Raises
    ------
    ValueError
        If an argument is malformed or out of range.
    """
    classes = _check_labels("labels", labels)
    unit = _check_directions(directions, len(classes))
    views = None if view is None else _check_labels("view", view, len(classes))
    if views is not None:
        unit[views < 0] = np.nan
    check_in_range("max_angle_deg", max_angle_deg, 0, N_BINS, remedy="15 is usual")
    n_found = max(int(classes.max()) + 1, 1)
    n = n_found if n_classes is None else n_classes
    n = check_whole_number("n_classes", n, n_found, "labels count from 0")
    known = np.isfinite(unit[:, 0])
    pairs = _count_pairs(classes, unit, n, max_angle_deg)
    perfect = None if views is None else _count_pairs(views, unit, None, max_angle_deg)
    return ClassScores(
        max_angle_deg=float(max_angle_deg),
        pair_fraction=pairs.fraction(),
        particle_fraction=pairs.particle_fraction(),
        perfect_fraction=None if perfect is None else perfect.fraction(),
        angle_edges_deg=np.arange(N_BINS + 1.0),
        angle_counts=pairs.histogram,
        sizes=np.bincount(classes[classes >= 0], minlength=n),
        junk_sizes=np.bincount(classes[(classes >= 0) & ~known], minlength=n),
        class_pair_fractions=pairs.near_by_class / np.maximum(pairs.all_by_class, 1),
        n_unclassified=int((classes < 0).sum()),
        n_junk=int((~known).sum()),
    )


@dataclass(frozen=True, eq=False)
class _Pairs:
    """Pairs of all classes: close ones, all, and by angle."""

    near_by_class: Counts
    all_by_class: Counts
    near_by_particle: Counts
    mates_by_particle: Counts
    histogram: Counts

    def fraction(self) -> float:
        total = int(self.all_by_class.sum())
        return int(self.near_by_class.sum()) / total if total else 0.0

    def particle_fraction(self) -> float:
        fractions = self.near_by_particle / np.maximum(self.mates_by_particle, 1)
        return float(fractions.mean()) if len(fractions) else 0.0


def _count_pairs(
    labels: Counts, directions: Floats, n_classes: Optional[int], max_angle_deg: float
) -> _Pairs:
    """Count the pairs of particles with a label of at least 0 and a direction."""
    used = np.flatnonzero((labels >= 0) & np.isfinite(directions[:, 0]))
    used = used[np.argsort(labels[used], kind="stable")]
    sizes = np.bincount(labels[used], minlength=n_classes or 0)
    sorted_directions = directions[used]
    near_by_particle = np.zeros(len(used), dtype=np.int64)
    histogram = np.zeros(N_BINS, dtype=np.int64)
    stops = np.cumsum(sizes)
    near_by_class = np.zeros(len(sizes), dtype=np.int64)
    for c, (start, stop) in enumerate(zip(stops - sizes, stops)):
        near, counts = _pairs_of_class(sorted_directions[start:stop], max_angle_deg)
        near_by_particle[start:stop] = near
        near_by_class[c] = near.sum() // 2
        histogram += counts
    return _Pairs(
        near_by_class,
        sizes * (sizes - 1) // 2,
        near_by_particle,
        np.repeat(sizes - 1, sizes),
        histogram,
    )


def _pairs_of_class(directions: Floats, max_angle_deg: float) -> Tuple[Counts, Counts]:
    """Members within the angle of each particle of one class, and the histogram of all pairs."""
    n = len(directions)
    near = np.zeros(n, dtype=np.int64)
    histogram = np.zeros(N_BINS, dtype=np.int64)
    step = max(1, _BLOCK_PAIRS // max(n, 1))
    for start in range(0, n, step):
        # each pair once: rows of the block with all later particles
        first, second = directions[start : start + step], directions[start:]
        later = np.arange(len(second)) > np.arange(len(first))[:, None]
        cosines = np.clip(first @ second.T, -1.0, 1.0)
        angles = np.rad2deg(np.arccos(cosines))
        within = (angles <= max_angle_deg) & later
        near[start : start + step] += within.sum(axis=1)
        near[start:] += within.sum(axis=0)
        bins = np.minimum(angles[later].astype(np.int64), N_BINS - 1)
        histogram += np.bincount(bins, minlength=N_BINS)
    return near, histogram


def _check_labels(name: str, values: ArrayLike, n: Optional[int] = None) -> Counts:
    array = np.asarray(values)
    if array.ndim != 1 or len(array) == 0 or (n is not None and len(array) != n):
        wanted = "(n,) with n of 1 or more" if n is None else f"({n},), as labels has"
        raise ValueError(f"{name} must have shape {wanted}, got {array.shape}; one per particle")
    whole = array.astype(np.int64)
    bad = (whole != array) | (whole < UNCLASSIFIED)
    if bad.any():
        row = int(np.flatnonzero(bad)[0])
        raise ValueError(
            f"{name} must be whole numbers from 0, or -1 for none, got {array[row]} in row {row}; "
            "count from 0"
        )
    return whole


def _check_directions(directions: ArrayLike, n: int) -> Floats:
    """Unit vectors, shape (n, 3); rows of nan are kept."""
    array = np.array(directions, dtype=np.float64)
    if array.shape != (n, 3):
        raise ValueError(
            f"directions must have shape ({n}, 3), as labels has {n}, got {array.shape}; "
            "one per particle"
        )
    missing = np.isnan(array).all(axis=1)
    lengths = np.linalg.norm(array, axis=1)
    bad = ~missing & ~(np.isfinite(lengths) & (lengths > 0))
    if bad.any():
        row = int(np.flatnonzero(bad)[0])
        raise ValueError(
            f"directions must be finite and not 0, or all nan for junk, got {array[row].tolist()} "
            f"in row {row}; correct it"
        )
    return np.divide(array, lengths[:, None], out=array)
