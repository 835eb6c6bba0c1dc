"""Subsets of micrographs for training, validation and testing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import List, Optional

import numpy as np
from numpy.typing import ArrayLike, NDArray

from repic_plugin.arguments import check_in_range, check_whole_number

SUBSETS = ("training", "validation", "testing")
# Cameron et al. 2024, Online Methods: six micrographs for validation and a fifth of the others for
# training, drawn three at a time, one from each bin of low, medium and high mean defocus.
N_VALIDATION = 6
TRAINING_FRACTION = 0.2
N_BINS = 3

Indices = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Subsets:
    """Micrographs for training, validation and testing, each in one subset.

    Attributes
    ----------
    training, validation, testing : ndarray of int64
        Indices, ascending.
    bins : ndarray of int64, shape (n_micrographs,)
        0, 1 and 2: low, medium and high mean defocus; random thirds if it is unknown.
    """

    training: Indices
    validation: Indices
    testing: Indices
    bins: Indices

    def names(self) -> List[str]:
        """Subset of each micrograph."""
        found = np.full(len(self.bins), "testing", dtype=object)
        found[self.training] = "training"
        found[self.validation] = "validation"
        return [str(name) for name in found]


def draw_subsets(
    n_micrographs: int,
    *,
    mean_defocus_angstrom: Optional[ArrayLike] = None,
    n_validation: int = N_VALIDATION,
    training_fraction: float = TRAINING_FRACTION,
    random_state: int = 0,
) -> Subsets:
    """Random subsets of micrographs for validation and training; the others are for testing.

    Drawn without replacement, three at a time, one from each third by mean defocus (Cameron et al.
    2024, doi:10.1038/s42003-024-07045-0, Online Methods).

    Parameters
    ----------
    n_micrographs : int
    mean_defocus_angstrom : array_like of float, shape (n_micrographs,), optional
        Thirds are random by default.
    n_validation : int
    training_fraction : float
        Fraction of the micrographs not used for validation; at least three, in multiples of three.
    random_state : int
        Seed.

    Raises
    ------
    ValueError
        If there are too few micrographs, or an argument is out of range.
    """
    check_whole_number("n_validation", n_validation, 0)
    check_in_range("training_fraction", training_fraction, 0, 1, "()")
    needed = n_validation + 2 * N_BINS
    if n_micrographs < needed:
        raise ValueError(
            f"{n_micrographs} micrographs are too few: {n_validation} for validation and "
            f"{N_BINS} each for training and testing need {needed}; lower the number for "
            "validation or give more micrographs"
        )
    rng = np.random.default_rng(random_state)
    bins = _thirds(n_micrographs, mean_defocus_angstrom, rng)
    order = _in_turn(bins, rng)
    n_left = n_micrographs - n_validation
    n_threes = min(max(1, round(training_fraction * n_left / N_BINS)), n_left // N_BINS - 1)
    ends = np.cumsum([n_validation, N_BINS * n_threes])
    validation, training, testing = (np.sort(part) for part in np.split(order, ends))
    return Subsets(training, validation, testing, bins)


def _thirds(n: int, defocus_angstrom: Optional[ArrayLike], rng: np.random.Generator) -> Indices:
    """Defocus bin of each micrograph."""
    value = rng.random(n)
    if defocus_angstrom is not None:
        value = np.asarray(defocus_angstrom, dtype=np.float64)
        if value.shape != (n,) or not np.isfinite(value).all():
            raise ValueError(
                f"mean_defocus_angstrom must be {n} finite numbers, one for each micrograph, got "
                f"shape {value.shape}; leave it out where it is not known for all"
            )
    bins = np.empty(n, dtype=np.int64)
    for number, part in enumerate(np.array_split(np.argsort(value, kind="stable"), N_BINS)):
        bins[part] = number
    return bins


def _in_turn(bins: Indices, rng: np.random.Generator) -> Indices:
    """All micrographs, alternating between bins, in random order within each.

    The order of bins is the same throughout, larger ones first, so in any range the numbers of
    each bin differ by at most one.
    """
    turn = rng.permutation(N_BINS)
    turn = turn[np.argsort(-np.bincount(bins, minlength=N_BINS)[turn], kind="stable")]
    place = np.empty(len(bins))
    for late, number in enumerate(turn):
        mine = np.flatnonzero(bins == number)
        place[rng.permutation(mine)] = np.arange(len(mine)) * N_BINS + late
    return np.argsort(place)
