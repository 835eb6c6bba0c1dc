"""Consistency of the pickers' coordinates, and the usual errors that explain a misfit.

Any picker, good or bad, coincides with the others' picks more often than by chance. If its
coordinates are scaled, mirrored or shifted, it coincides only by chance, and a correction makes it
coincide with the others as they do with each other.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import combinations
from typing import Iterator, List, Mapping, NamedTuple, Optional, Sequence, Tuple

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from repic_plugin.arguments import check_positive
from repic_plugin.consensus.picks import Picks

# Number of evenly spread micrographs used.
MAX_MICROGRAPHS = 24
MEETING = 0.3  # of the smaller box: two picks this close coincide
# A picker is suspected if it coincides with the others less than this fraction of how often they
# coincide with each other (or, with two pickers, of all its picks), beyond chance.
SUSPECT = 0.35
# With an explaining correction, at least this fraction of its picks coincides, and this many times
# as many as before, beyond chance: a picker may be weak and scaled.
MIN_CORRECTED, MIN_GAIN, MAX_P_VALUE = 0.15, 3.0, 1e-6
MIN_PICKS = 12
CLEARLY = 0.02  # of nearly equally good corrections the first, simpler one is used
SAME_PX, SAME_SHARE = 1.5, 0.9  # independent pickers do not place boxes so alike
FACTORS = (2.0, 4.0, 8.0, 16.0)

Points = List[NDArray[np.float64]]  # of each micrograph, shape (n, 2)


class Meetings(NamedTuple):
    """Number of the `n` picks that coincide with another, and the number expected by chance."""

    n: int
    n_met: int
    n_chance: float

    @property
    def share(self) -> float:
        """Fraction of the picks that coincide with another beyond chance."""
        free = self.n - self.n_chance
        return max(0.0, (self.n_met - self.n_chance) / free) if free > 0 else 0.0


@dataclass(frozen=True)
class Correction:
    """Correction of a picker's coordinates, applied in this order.

    Attributes
    ----------
    swap_xy : bool
    scale : float
    flip_x_px, flip_y_px : float, optional
        Width or height of the micrograph if x or y is counted from the opposite edge.
    offset_px : (float, float)
        Added to x and y.
    """

    swap_xy: bool = False
    scale: float = 1.0
    flip_x_px: Optional[float] = None
    flip_y_px: Optional[float] = None
    offset_px: Tuple[float, float] = (0.0, 0.0)

    def applied(self, centers: NDArray[np.float64]) -> NDArray[np.float64]:
        """Corrected centres, shape (n, 2)."""
        moved = (centers[:, ::-1] if self.swap_xy else centers) * self.scale
        for axis, extent in enumerate((self.flip_x_px, self.flip_y_px)):
            if extent is not None:
                moved[:, axis] = extent - moved[:, axis]
        return np.asarray(moved + np.array(self.offset_px))


def corrected(picks: Picks, corrections: Mapping[str, Correction]) -> Picks:
    """Picks with the coordinates of some pickers corrected.

    Raises
    ------
    ValueError
        If a picker is unknown, or a scale is not positive.
    """
    centers = picks.centers.copy()
    for name, correction in corrections.items():
        if name not in picks.picker_names:
            known = ", ".join(picks.picker_names)
            raise ValueError(f"there is no picker {name} to correct; the pickers are {known}")
        check_positive(f"the scale of {name}", correction.scale)
        mine = picks.picker == picks.picker_names.index(name)
        centers[mine] = correction.applied(centers[mine])
    return replace(picks, x=centers[:, 0].copy(), y=centers[:, 1].copy())


@dataclass(frozen=True)
class Misfit:
    """A picker whose coordinates are inconsistent with the others'.

    Attributes
    ----------
    picker : str
    share, others : float
        Fractions of its picks that coincide with the others', and of the others' picks with each
        other, beyond chance; `others` is nan with two pickers.
    corrected : float
        `share` of the picker with the correction.
    what : str
        Description of the error.
    correction : Correction
    """

    picker: str
    share: float
    others: float
    corrected: float
    what: str
    correction: Correction

    def __str__(self) -> str:
        others = "" if np.isnan(self.others) else f", of the others' {self.others:.0%}"
        return (
            f"{self.share:.0%} of {self.picker}'s picks meet those of the other pickers{others}, "
            f"and {self.corrected:.0%} would if {self.what}"
        )


def find_misfits(
    picks: Picks,
    sizes_px: NDArray[np.float64],
    micrograph_size_px: Optional[Sequence[float]] = None,
    stated_sizes_px: Optional[Sequence[Optional[float]]] = None,
) -> List[Misfit]:
    """Pickers whose picks hardly coincide with the others', each with the explaining error.

    Parameters
    ----------
    picks : Picks
    sizes_px : ndarray of float64, shape (n_pickers,)
        Side of each picker's boxes.
    micrograph_size_px : sequence of float, shape (2,), optional
        Width and height, px; estimated by default if needed for mirroring.
    stated_sizes_px : sequence of float or None, length n_pickers, optional
        Box sizes stated in the pickers' files: their ratio may be the scale.

    Returns
    -------
    list of Misfit
        Only those explained by one correction; a picker that is merely bad is not listed.
    """
    chosen = compared_micrographs(picks)
    part = picks.on_micrographs(chosen)
    points = [[part.centers[rows] for rows in of_picker] for of_picker in part.rows_by_group()]
    found = (
        _misfit(picks.picker_names, points, number, sizes_px, micrograph_size_px, stated_sizes_px)
        for number in range(picks.n_pickers)
    )
    return [one for one in found if one is not None]


def compared_micrographs(picks: Picks) -> NDArray[np.int64]:
    """Evenly spread micrographs on which most pickers have picks."""
    has = np.zeros((picks.n_micrographs, picks.n_pickers), dtype=bool)
    has[picks.micrograph, picks.picker] = True
    n_pickers = has.sum(axis=1)
    full = np.flatnonzero((n_pickers == n_pickers.max(initial=0)) & (n_pickers > 1))
    places = np.linspace(0, len(full) - 1, min(len(full), MAX_MICROGRAPHS)).round().astype(int)
    return full[places] if len(full) else full


def _misfit(
    names: Tuple[str, ...],
    points: Sequence[Points],
    number: int,
    sizes_px: NDArray[np.float64],
    micrograph_size_px: Optional[Sequence[float]],
    stated_sizes_px: Optional[Sequence[Optional[float]]],
) -> Optional[Misfit]:
    """Misfit of one picker, or None."""
    mine, others = points[number], [one for i, one in enumerate(points) if i != number]
    theirs = together(others)
    if min(sum(map(len, mine)), sum(map(len, theirs))) < MIN_PICKS:
        return None
    reach_px = MEETING * float(sizes_px.min())
    now, expected = meetings(mine, theirs, reach_px), 1.0
    if len(others) > 1:
        rest = [together([o for o in others if o is not one]) for one in others]
        expected = max(meetings(*pair, reach_px).share for pair in zip(others, rest))
    if now.share >= SUSPECT * expected:
        return None
    best: Optional[Misfit] = None
    for what, correction in _mistakes(
        number, mine, theirs, sizes_px, micrograph_size_px, stated_sizes_px
    ):
        then = meetings([correction.applied(one) for one in mine], theirs, reach_px)
        needed = max(MIN_CORRECTED, MIN_GAIN * now.share)
        is_enough = then.share >= needed and not _by_chance(then)
        if is_enough and (best is None or then.share > best.corrected + CLEARLY):
            others_share = expected if len(others) > 1 else np.nan
            best = Misfit(names[number], now.share, others_share, then.share, what, correction)
    return best


def together(pickers: Sequence[Points]) -> Points:
    """Joined picks of several pickers on each micrograph."""
    return [np.concatenate(on_one) for on_one in zip(*pickers)]


def meetings(mine: Points, theirs: Points, reach_px: float) -> Meetings:
    """Number of picks of one side that coincide with the other side's, and by chance.

    Chance is measured with the picks of the next micrograph.
    """
    trees = [cKDTree(p) if len(p) else None for p in theirs]
    n_met, n_chance = _count(mine, trees, reach_px), 0.0
    turns = range(1, min(len(mine), 4))
    if turns:
        n_chance = float(np.mean([_count(mine, trees[t:] + trees[:t], reach_px) for t in turns]))
    else:  # one micrograph: its own picks, shifted by more than a box along a diagonal
        span = np.ptp(theirs[0], axis=0) if len(theirs[0]) else np.zeros(2)
        low = theirs[0].min(axis=0) if len(theirs[0]) else np.zeros(2)
        for part in (0.31, 0.47, 0.61):
            moved = [low + np.mod(p + part * span - low, np.maximum(span, 1)) for p in mine]
            n_chance += _count(moved, trees, reach_px) / 3
    return Meetings(sum(map(len, mine)), n_met, n_chance)


def _count(mine: Points, trees: Sequence[Optional[cKDTree]], reach_px: float) -> int:
    """Number of picks of the other side that are nearest to one of this side, each counted once."""
    n = 0
    for points, tree in zip(mine, trees):
        if tree is not None and len(points):
            apart, which = tree.query(points, distance_upper_bound=reach_px)
            n += len(np.unique(which[np.isfinite(apart)]))
    return n


def _by_chance(found: Meetings) -> bool:
    """Whether this many coincidences may be due to chance (Chernoff bound for rare events)."""
    if found.n_met <= found.n_chance:
        return True
    ratio = found.n_met / max(found.n_chance, 0.5)
    log_p = -max(found.n_chance, 0.5) * (ratio * np.log(ratio) - ratio + 1)
    return bool(log_p > np.log(MAX_P_VALUE))


def _mistakes(
    number: int,
    mine: Points,
    theirs: Points,
    sizes_px: NDArray[np.float64],
    micrograph_size_px: Optional[Sequence[float]],
    stated_sizes_px: Optional[Sequence[Optional[float]]],
) -> Iterator[Tuple[str, Correction]]:
    """Usual errors and their corrections, simple ones first."""
    box_px = float(sizes_px[number])
    for factor in _factors(number, stated_sizes_px):
        yield f"they were {factor:g} times as large", Correction(scale=factor)
    yield "x and y were exchanged", Correction(swap_xy=True)
    for size in _extents(1, mine, theirs, box_px, micrograph_size_px):
        yield "y were counted from the other edge", Correction(flip_y_px=size)
    for size in _extents(0, mine, theirs, box_px, micrograph_size_px):
        yield "x were counted from the other edge", Correction(flip_x_px=size)
    half = box_px / 2
    yield "they were corners of boxes, not centres", Correction(offset_px=(half, half))
    yield "they were half a box lower", Correction(offset_px=(-half, -half))
    dx, dy = _common_shift(mine, theirs, box_px)
    yield f"they were moved by {dx:g}, {dy:g} px", Correction(offset_px=(dx, dy))


def _factors(number: int, stated_sizes_px: Optional[Sequence[Optional[float]]]) -> Iterator[float]:
    """Scales to try: powers of two, and the ratio of the box sizes stated in the files."""
    for factor in FACTORS:
        yield factor
        yield 1 / factor
    stated = [] if stated_sizes_px is None else list(stated_sizes_px)
    own = stated[number] if stated else None
    for other in (one for i, one in enumerate(stated) if i != number):
        if own and other and abs(own / other - 1) > 0.05:
            yield round(other / own, 6)


def _extents(
    axis: int,
    mine: Points,
    theirs: Points,
    box_px: float,
    micrograph_size_px: Optional[Sequence[float]],
) -> List[float]:
    """Width or height for mirroring: the given one, or the most frequent sum of coordinates."""
    if micrograph_size_px is not None:
        return [float(np.asarray(micrograph_size_px).reshape(-1, 2)[0, axis])]
    across = 1 - axis
    sums = []
    for a, b in zip(mine, theirs):
        if len(a) and len(b):
            near = np.abs(a[:, None, across] - b[None, :, across]) < MEETING * box_px
            sums.append((a[:, None, axis] + b[None, :, axis])[near])
    return _peak(np.concatenate(sums) if sums else np.zeros(0), MEETING * box_px)


def _common_shift(mine: Points, theirs: Points, box_px: float) -> Tuple[float, float]:
    """Most frequent offset from the others' picks, within two boxes."""
    steps = []
    for a, b in zip(mine, theirs):
        if len(a) and len(b):
            difference = (b[None, :] - a[:, None]).reshape(-1, 2)
            steps.append(difference[(np.abs(difference) < 2 * box_px).all(axis=1)])
    every = np.concatenate(steps) if steps else np.zeros((0, 2))
    if not len(every):
        return 0.0, 0.0
    width = MEETING * box_px / 2
    cells, counts = np.unique(np.round(every / width).astype(int), axis=0, return_counts=True)
    near = np.abs(every - cells[counts.argmax()] * width).max(axis=1) < width
    dx, dy = np.median(every[near], axis=0)
    return float(np.round(dx)), float(np.round(dy))


def _peak(values: NDArray[np.float64], width: float) -> List[float]:
    """Centre of the densest cluster of values, as a list; empty without values."""
    if not len(values):
        return []
    cells, counts = np.unique(np.round(values / width).astype(int), return_counts=True)
    near = np.abs(values - cells[counts.argmax()] * width) < width
    return [float(np.round(np.median(values[near])))]


def same_picks(picks: Picks) -> List[Tuple[str, str, float]]:
    """Pairs of pickers of which one has the other's picks, in whole or in part.

    Such as one set at two thresholds, or in two formats: their agreement says nothing.

    Returns
    -------
    list of (str, str, float)
        The picker with fewer picks, the other one, and the share of the former's picks that the
        latter has to within `SAME_PX`.
    """
    part = picks.on_micrographs(compared_micrographs(picks))
    points = [[part.centers[rows] for rows in of_picker] for of_picker in part.rows_by_group()]
    found = []
    for i, j in combinations(range(picks.n_pickers), 2):
        few, many = sorted((i, j), key=lambda k: sum(map(len, points[k])))
        n = sum(map(len, points[few]))
        trees = [cKDTree(p) if len(p) else None for p in points[many]]
        share = _count(points[few], trees, SAME_PX) / max(n, 1)
        if n >= MIN_PICKS and share >= SAME_SHARE:
            found.append((picks.picker_names[few], picks.picker_names[many], share))
    return found
