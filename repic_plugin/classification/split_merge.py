"""Split and merge: a class with two views is split, and a less useful one is dissolved.

K-means moves images one by one and cannot free a class that duplicates another or gathers
unassignable images. Here the classes whose members are explained worst are split in two on trial,
and another class is dissolved into the next best ones if both together lower the objective. Every
image is compared with averages that exclude it, so that a smaller class does not look better only
by fitting its own noise. (Such moves are those of Ueda et al. 2000, Neural Computation 12:2109; the
criterion is ours.)
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any, Callable, Dict, List, Tuple

import numpy as np
from numpy.typing import NDArray

from repic_plugin.classification.averages import Alignment, class_sums
from repic_plugin.classification.exact_sums import steady
from repic_plugin.classification.multi_reference import Comparison, MultiReference
from repic_plugin.classification.preparation import PolarImages
from repic_plugin.classification.ranks import ALONE, Ranks
from repic_plugin.classification.rules import AdaptiveRule
from repic_plugin.classification.threads import for_each_chunk

# Fractions of the classes that are split on trial: those explained worst, and the largest.
WORST_FRACTION, LARGEST_FRACTION = 0.4, 0.2
# Smaller classes are not split.
MIN_SPLIT_SIZE = 8
SPLIT_ITERATIONS = 4
SPLIT_BETA = 0.1

Labels = NDArray[np.int64]
Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class _Split:
    """A class split in two, and the resulting decrease of the objective."""

    number: int
    gain: float
    rows: Labels  # of this rank
    halves: Labels  # 0 or 1
    alignment: Alignment


def trade_classes(
    setting: MultiReference,
    found: Comparison,
    labels: Labels,
    alignment: Alignment,
    random_state: np.random.Generator,
    ranks: Ranks = ALONE,
) -> Tuple[Labels, Alignment, int]:
    """Labels and alignment after all trades that lower the objective.

    Parameters
    ----------
    setting : MultiReference
    found : Comparison
        Comparison of the images with the current class averages, each without itself.
    labels : ndarray of int64, shape (n,)
    alignment : Alignment
    random_state : numpy.random.Generator
    ranks : Ranks
        Processes that hold the other images.

    Returns
    -------
    labels : ndarray of int64, shape (n,)
    alignment : Alignment
    n_trades : int
    """
    splits = _try_splits(setting, found, labels, alignment, random_state, ranks)
    moved, freed = _dissolved(found, labels, splits, ranks)
    new_labels, new_alignment = moved.copy(), alignment.copy()
    rows = np.flatnonzero(moved != labels)
    new_alignment.put(rows, found.alignment(moved).take(rows))
    for number, split in freed.items():
        new_labels[split.rows[split.halves == 1]] = number
        new_alignment.put(split.rows, split.alignment)
    return new_labels, new_alignment, len(freed)


def _dissolved(
    found: Comparison, labels: Labels, splits: List[_Split], ranks: Ranks = ALONE
) -> Tuple[Labels, Dict[int, _Split]]:
    """Labels after dissolving a class for each worthwhile split, the best split first.

    One after the other: of two duplicate classes only one may be dissolved, since its images go
    to the other.

    Returns
    -------
    labels : ndarray of int64, shape (n,)
        The images of dissolved classes are reassigned; nothing is split yet.
    freed : dict of int to _Split
        The dissolved classes, and the splits that take their numbers.
    """
    freed: Dict[int, _Split] = {}
    labels = labels.copy()
    left = set(range(found.dissimilarity.shape[1]))
    next_best, costs = _dissolution(found, labels, [], ranks)
    for split in sorted(splits, key=lambda one: -one.gain):
        cheapest = min(left - {split.number}, key=lambda k: (costs[k], k))
        if split.number not in left or split.gain <= costs[cheapest]:
            continue
        freed[cheapest] = split
        rows = np.flatnonzero(labels == cheapest)
        labels[rows] = next_best[rows]
        left -= {split.number, cheapest}
        if len(left) < 2:
            break
        next_best, costs = _dissolution(found, labels, list(freed), ranks)
    return labels, freed


def _dissolution(
    found: Comparison, labels: Labels, gone: List[int], ranks: Ranks = ALONE
) -> Tuple[Labels, Floats]:
    """Best other class of each image, and the cost of dissolving each class.

    m images that join a class of s members move its average towards them, which leaves s / (s + m)
    of their increase in dissimilarity (the ratio of Ward 1963, J Am Stat Assoc 58:236). Classes in
    `gone` receive no images.
    """
    n_classes = found.dissimilarity.shape[1]
    each = np.arange(len(labels))
    others = found.dissimilarity.copy()
    others[each, labels] = np.inf
    others[:, gone] = np.inf
    next_best: Labels = others.argmin(axis=1)
    extra = others[each, next_best] - found.dissimilarity[each, labels]
    route = labels * n_classes + next_best
    shape = (n_classes, n_classes)
    coming = ranks.sum(np.bincount(route, minlength=n_classes**2)).reshape(shape)
    extra = steady(extra, ranks)
    lost = ranks.sum(np.bincount(route, extra, minlength=n_classes**2)).reshape(shape)
    sizes = ranks.sum(np.bincount(labels, minlength=n_classes))
    costs: Floats = (lost * sizes / np.maximum(sizes + coming, 1)).sum(axis=1)
    return next_best, costs


def _try_splits(
    setting: MultiReference,
    found: Comparison,
    labels: Labels,
    alignment: Alignment,
    random_state: np.random.Generator,
    ranks: Ranks = ALONE,
) -> List[_Split]:
    """Trial splits of the classes whose members are explained worst, and of the largest."""
    n_classes = found.dissimilarity.shape[1]
    loss = found.dissimilarity[np.arange(len(labels)), labels].astype(np.float64)
    sizes = ranks.sum(np.bincount(labels, minlength=n_classes))
    gained = steady(setting.images.energy - loss, ranks)
    explained = ranks.sum(np.bincount(labels, gained, minlength=n_classes))
    large = np.flatnonzero(sizes >= MIN_SPLIT_SIZE)
    worst = large[np.argsort(explained[large] / sizes[large], kind="stable")]
    largest = large[np.argsort(-sizes[large], kind="stable")]
    classes = sorted(
        {
            int(k)
            for order, part in ((worst, WORST_FRACTION), (largest, LARGEST_FRACTION))
            for k in order[: int(np.ceil(part * n_classes))]
        }
    )
    seeds = random_state.integers(2**63, size=len(classes))
    here = _Members(labels, setting, alignment, loss)
    splits: List[_Split] = []
    wave = len(classes) if ranks.size == 1 else ranks.size * setting.n_threads
    for first in range(0, len(classes), max(wave, 1)):
        some = slice(first, first + wave)
        splits += _split_some(here, classes[some], seeds[some], ranks)
    return splits


@dataclass(frozen=True, eq=False)
class _Members:
    """Images with their classes, poses and dissimilarities to their averages."""

    labels: Labels
    setting: MultiReference
    alignment: Alignment
    loss: Floats

    def carried(self, carry: Callable[[Any], Any]) -> _Members:
        """Members with `carry` applied to each column."""
        images, setting = self.setting.images, copy.copy(self.setting)
        columns = (images.samples, images.weight, images.energy, images.is_empty)
        setting.images = PolarImages(images.grid, *map(carry, columns))
        setting.weighted = carry(self.setting.weighted)
        return _Members(
            carry(self.labels), setting, self.alignment.carried(carry), carry(self.loss)
        )


class _Loan:
    """Transfer of whole classes to single ranks, the first class to the first rank and so on."""

    def __init__(self, labels: Labels, classes: List[int], ranks: Ranks) -> None:
        self.ranks = ranks
        self.rows = [  # that this rank lends to each
            np.flatnonzero(np.isin(labels, classes[rank :: ranks.size]))
            for rank in range(ranks.size)
        ]
        self.ends = np.cumsum([len(rows) for rows in ranks.exchange(self.rows)])[:-1]

    def lent(self, column: NDArray[Any]) -> NDArray[Any]:
        """Column of the images transferred here, in the order of all images."""
        return np.concatenate(self.ranks.exchange([column[rows] for rows in self.rows]))

    def put_back(self, column: NDArray[Any], lent: NDArray[Any]) -> None:
        """Return a column of the transferred images to a column of this rank's own images."""
        found = self.ranks.exchange(np.split(lent, self.ends))
        column[np.concatenate(self.rows)] = np.concatenate(found)


def _split_some(
    here: _Members, classes: List[int], seeds: NDArray[np.int64], ranks: Ranks
) -> List[_Split]:
    """Splits of some classes, each computed on one rank."""
    if ranks.size == 1:
        halves, poses, gains = _split_own(here, classes, seeds)
    else:
        loan = _Loan(here.labels, classes, ranks)
        mine = slice(ranks.rank, None, ranks.size)
        lent = here.carried(loan.lent)
        lent_halves, lent_poses, own_gains = _split_own(lent, classes[mine], seeds[mine])
        halves, poses = np.zeros(len(here.labels), np.int64), here.alignment.copy()
        loan.put_back(halves, lent_halves)
        loan.put_back(poses.angle, lent_poses.angle)
        loan.put_back(poses.shift_px, lent_poses.shift_px)
        loan.put_back(poses.mirror, lent_poses.mirror)
        gains = np.zeros(len(classes))
        gains[mine] = own_gains
        gains = ranks.sum(gains)
    members = [np.flatnonzero(here.labels == number) for number in classes]
    return [
        _Split(number, float(gain), rows, halves[rows], poses.take(rows))
        for number, gain, rows in zip(classes, gains, members)
    ]


def _split_own(
    members: _Members, classes: List[int], seeds: NDArray[np.int64]
) -> Tuple[Labels, Alignment, Floats]:
    """Halves and poses of all images, and the decrease of the objective by each split."""
    halves, poses = np.zeros(len(members.labels), np.int64), members.alignment.copy()
    gains = np.zeros(len(classes))

    def attempt(one: slice) -> None:
        rows = np.flatnonzero(members.labels == classes[one.start])
        before, rng = members.alignment.take(rows), np.random.default_rng(seeds[one.start])
        halves[rows], found, after = _halve(members.setting, rows, before, rng)
        poses.put(rows, found)
        gains[one.start] = float(members.loss[rows].sum()) - after

    for_each_chunk(attempt, len(classes), 1, members.setting.n_threads)
    return halves, poses, gains


def _halve(
    setting: MultiReference, rows: Labels, alignment: Alignment, random_state: np.random.Generator
) -> Tuple[Labels, Alignment, float]:
    """Halves of one class, the poses of its images, and their summed dissimilarity."""
    part = setting.take(rows)
    part.n_threads = 1
    halves = random_state.permutation(len(rows)) % 2
    rule = AdaptiveRule(SPLIT_BETA)
    for iteration in range(SPLIT_ITERATIONS + 1):
        members = part.aligned(alignment)
        sums = class_sums(part.images, members, halves, 2)
        found = part.compare(sums, members if iteration else None, halves)
        if iteration < SPLIT_ITERATIONS:
            halves, _ = rule.assign(found.dissimilarity, halves, random_state)
        alignment = found.alignment(halves)
    return halves, alignment, float(found.dissimilarity[np.arange(len(rows)), halves].sum())
