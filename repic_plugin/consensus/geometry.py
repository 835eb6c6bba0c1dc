"""Whether the pickers' coordinates can be of the same micrographs, and the usual reasons if not.

A picker that is good or bad meets the others' picks more often than chance does. One whose
coordinates are scaled, mirrored or shifted meets them by chance only, and one correction makes it
meet them as they meet each other.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Iterator, List, Mapping, NamedTuple, Optional, Sequence, Tuple

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from repic_plugin.arguments import check_positive
from repic_plugin.consensus.picks import Picks

# Looked at: so many micrographs, evenly spread, decide.
MAX_MICROGRAPHS = 24
MEETING = 0.3  # of the smaller box: two picks this close are of one place
# A picker is suspected where it meets the others less than this part of how often they meet each
# other (or, of two pickers, of all its picks), chance meetings set aside.
SUSPECT = 0.35
# With a correction that explains it, so many of its picks meet, so many times as many as before,
# and that is no chance: a picker may be weak and scaled.
MIN_CORRECTED, MIN_GAIN, MAX_P_VALUE = 0.15, 3.0, 1e-6
MIN_PICKS = 12
CLEARLY = 0.02  # of corrections that do nearly as well the first is taken, which is simpler
FACTORS = (2.0, 4.0, 8.0, 16.0)

Points = List[NDArray[np.float64]]  # of each micrograph, shape (n, 2)


class Meetings(NamedTuple):
    """How many of `n` picks meet another, and how many would by chance."""

    n: int
    n_met: int
    n_chance: float

    @property
    def share(self) -> float:
        """Of the picks those that meet another, beyond chance."""
        free = self.n - self.n_chance
        return max(0.0, (self.n_met - self.n_chance) / free) if free > 0 else 0.0


@dataclass(frozen=True)
class Correction:
    """What is done to a picker's coordinates, in this order.

    Attributes
    ----------
    swap_xy : bool
    scale : float
    flip_x_px, flip_y_px : float, optional
        Width or height of the micrograph that x or y is counted from the other edge of.
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
    """The picks with the coordinates of some pickers corrected.

    Parameters
    ----------
    picks : Picks
    corrections : mapping of picker name to Correction

    Raises
    ------
    ValueError
        If there is no picker of a name, or a scale is not positive.
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
    """A picker whose coordinates do not fit the others'.

    Attributes
    ----------
    picker : str
    share, others : float
        Of its picks those that meet the others', and of the others' those that meet each other,
        chance set aside; `others` is NaN of two pickers.
    corrected : float
        The same share of the picker with the correction.
    what : str
        What is wrong.
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
    """Pickers whose picks hardly meet the others', each with the mistake that explains it.

    Parameters
    ----------
    picks : Picks
    sizes_px : ndarray of float64, shape (n_pickers,)
        Side of each picker's boxes.
    micrograph_size_px : sequence of float, shape (2,), optional
        Width and height; else they are guessed where a mirror needs them.
    stated_sizes_px : sequence of float or None, length n_pickers, optional
        Box sizes that the pickers' files state: their ratio may be the scale.

    Returns
    -------
    list of Misfit
        Only those that one correction explains: a picker that is merely bad is none.
    """
    chosen = _micrographs(picks)
    part = picks.on_micrographs(chosen)
    points = [[part.centers[rows] for rows in of_picker] for of_picker in part.rows_by_group()]
    found = (
        _misfit(picks.picker_names, points, number, sizes_px, micrograph_size_px, stated_sizes_px)
        for number in range(picks.n_pickers)
    )
    return [one for one in found if one is not None]


def _micrographs(picks: Picks) -> NDArray[np.int64]:
    """Those on which most pickers have picks, evenly spread."""
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
    """The misfit of one picker, if it is one."""
    mine, others = points[number], [one for i, one in enumerate(points) if i != number]
    theirs = _together(others)
    if min(sum(map(len, mine)), sum(map(len, theirs))) < MIN_PICKS:
        return None
    reach_px = MEETING * float(sizes_px.min())
    now, expected = meetings(mine, theirs, reach_px), 1.0
    if len(others) > 1:
        rest = [_together([o for o in others if o is not one]) for one in others]
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


def _together(pickers: Sequence[Points]) -> Points:
    """The picks of several pickers on each micrograph."""
    return [np.concatenate(on_one) for on_one in zip(*pickers)]


def meetings(mine: Points, theirs: Points, reach_px: float) -> Meetings:
    """How many picks of one side meet the other side's, and how many would by chance.

    Chance is counted, not calculated: against the picks of the next micrograph.
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
    """Picks of the other side that are the nearest of one of this side: each counts once."""
    n = 0
    for points, tree in zip(mine, trees):
        if tree is not None and len(points):
            apart, which = tree.query(points, distance_upper_bound=reach_px)
            n += len(np.unique(which[np.isfinite(apart)]))
    return n


def _by_chance(found: Meetings) -> bool:
    """Whether as many meetings may come from chance: Chernoff's bound for rare ones."""
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
    """The usual mistakes, simple ones first: what is wrong, and what corrects it."""
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
    """Scales to try: powers of two, and the ratio of the box sizes that the files state."""
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
    """Width or height to mirror by: the given one, or the most frequent sum of coordinates."""
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
    """The most frequent difference to the others' picks, within two boxes."""
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
    """The middle of where most values lie together; nothing where there is none."""
    if not len(values):
        return []
    cells, counts = np.unique(np.round(values / width).astype(int), return_counts=True)
    near = np.abs(values - cells[counts.argmax()] * width) < width
    return [float(np.round(np.median(values[near])))]
