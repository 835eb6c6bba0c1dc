"""Particles that were classified or chosen elsewhere, and the candidates that they are."""

from __future__ import annotations

from typing import Iterator, List, NamedTuple, Sequence, Tuple

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from repic_plugin.consensus.geometry import Meetings, Points, find_misfits, meetings
from repic_plugin.consensus.picks import Picks
from repic_plugin.consensus.result import ConsensusResult
from repic_plugin.wording import counted

# A particle is the nearest candidate of which it is this close to the position or a pick, boxes.
SAME_BOXES = 0.25
# Shares of particles that meet a candidate, beyond chance: below the first the two lists are of
# different things; below the second it is said.
LEAST_MEETING, FEW_MEETING = 0.1, 0.5
GOOD_SHARE, JUNK_SHARE = 0.95, 0.05  # of particles in classes that were chosen, and in the others
ENOUGH_ALONE = 20  # candidates of one picker alone, of which none is among the chosen
CAUSES = (
    "check that these picks were classified, and that the file has coordinates in px of the same "
    "micrographs: not scaled, y not flipped"
)

Labels = NDArray[np.int64]


class GivenParticles(NamedTuple):
    """Classified or chosen particles.

    Attributes
    ----------
    micrograph : ndarray of int64, shape (n,)
        Index in the candidates' ``micrograph_names``.
    centers : ndarray of float64, shape (n, 2)
        Where they were extracted, px of the micrographs of the candidates.
    label : ndarray of int64, shape (n,)
        Class of each.
    """

    micrograph: Labels
    centers: NDArray[np.float64]
    label: Labels


class FoundAgain(NamedTuple):
    """Candidates that are given particles.

    Attributes
    ----------
    label : ndarray of int64, shape (n_candidates,)
        Class of the particle that a candidate is; -1 where it is none.
    warnings : tuple of str
        What makes the classes doubtful.
    """

    label: Labels
    warnings: Tuple[str, ...]


def find_again(
    candidates: ConsensusResult,
    picks: Picks,
    given: GivenParticles,
    box_size_px: float,
    source: str,
) -> FoundAgain:
    """Candidates that were classified: each is the nearest particle, and each particle one.

    A particle is near a candidate if it is within a quarter of the box of the candidate's position
    or of one of its picks, as it may have been extracted at any of them.

    Parameters
    ----------
    candidates : ConsensusResult
    picks : Picks
        Those that the candidates were found in.
    given : GivenParticles
    box_size_px : float
    source : str
        Where they are from, for messages.

    Returns
    -------
    FoundAgain

    Raises
    ------
    ValueError
        If the particles hardly meet the candidates.
    """
    warnings = tuple(_doubts(candidates, given, box_size_px, source))
    place, row, distance = _near_pairs(candidates, picks, given, SAME_BOXES * box_size_px)
    order = np.lexsort((row, place, distance))
    place, row = place[order], row[order]
    found = np.full(len(candidates), -1)
    while len(place):
        first_of_candidate = np.unique(place, return_index=True)[1]
        first_of_particle = np.unique(row, return_index=True)[1]
        best = np.intersect1d(first_of_candidate, first_of_particle)  # nearest to each other
        found[place[best]] = row[best]
        is_free = ~(np.isin(place, place[best]) | np.isin(row, row[best]))
        place, row = place[is_free], row[is_free]
    return FoundAgain(np.append(given.label, -1)[found], warnings)


def fitting_scale(
    candidates: ConsensusResult,
    given: GivenParticles,
    scales: Sequence[float],
    box_size_px: float,
) -> float:
    """The first of some factors with which the particles meet the candidates, else the first.

    Parameters
    ----------
    candidates : ConsensusResult
    given : GivenParticles
        In px that may be larger or smaller than those of the candidates.
    scales : sequence of float
        From px of the particles to px of the candidates.
    box_size_px : float
    """
    for scale in scales:
        points = _on_both(candidates, given._replace(centers=given.centers * scale))
        if _best(_meetings(*points, box_size_px)).share >= FEW_MEETING:
            return scale
    return scales[0]


def chosen_shares(good: Sequence[int], n_classes: int) -> NDArray[np.float64]:
    """Shares of particles in classes of which some were chosen, shape (n_classes,)."""
    return np.where(np.isin(np.arange(n_classes), good), GOOD_SHARE, JUNK_SHARE)


def without_chosen(candidates: ConsensusResult, micrograph: Labels) -> List[str]:
    """A warning of micrographs of which nothing was chosen: they may not have been looked at.

    Parameters
    ----------
    candidates : ConsensusResult
    micrograph : ndarray of int64, shape (n,)
        Of the chosen particles.
    """
    there = np.unique(candidates.micrograph)
    without = np.setdiff1d(there, micrograph)
    if not len(without):
        return []
    n = int(np.isin(candidates.micrograph, without).sum())
    return [
        f"nothing was chosen on {len(without):,} of {counted(len(there), 'micrograph')}, such as "
        f"{candidates.micrograph_names[without[0]]}: their {n:,} candidates count as junk; leave "
        "out micrographs whose particles were not classified"
    ]


def never_chosen(candidates: ConsensusResult, is_chosen: NDArray[np.bool_]) -> List[str]:
    """Pickers of which nothing that they alone found was chosen: perhaps it was not looked at.

    Parameters
    ----------
    candidates : ConsensusResult
    is_chosen : ndarray of bool, shape (n_candidates,)

    Returns
    -------
    list of str
        A warning for each picker.
    """
    found = candidates.members >= 0
    alone = found.sum(axis=1) == 1
    told = []
    for name, mine in zip(candidates.picker_names, found.T):
        n = int((mine & alone).sum())
        if n >= ENOUGH_ALONE and is_chosen.any() and not (mine & alone & is_chosen).any():
            told.append(
                f"none of the {n:,} candidates that {name} alone found was chosen: if they were "
                "not among the particles that were classified, they must not count as junk; give "
                "the classification with all its particles and name its good classes"
            )
    return told


def _near_pairs(
    candidates: ConsensusResult, picks: Picks, given: GivenParticles, radius_px: float
) -> Tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.float64]]:
    """Candidate, particle and distance in px of all pairs that are near."""
    owner, picker = np.nonzero(candidates.members >= 0)
    centers = picks.centers[candidates.members[owner, picker]]
    owner = np.concatenate([np.arange(len(candidates)), owner])
    centers = np.concatenate([np.column_stack([candidates.x, candidates.y]), centers])
    if not (len(owner) and len(given.label)):
        nothing = np.zeros(0, np.intp)
        return nothing, nothing, np.zeros(0)
    apart_px = 2 * radius_px + 1  # a third coordinate separates the micrographs
    trees = [
        cKDTree(np.column_stack([xy, micrograph * apart_px]))
        for xy, micrograph in (
            (centers, candidates.micrograph[owner]),
            (given.centers, given.micrograph),
        )
    ]
    near = trees[0].sparse_distance_matrix(trees[1], radius_px, output_type="ndarray")
    return owner[near["i"]], near["j"].astype(np.intp), near["v"]


def _doubts(
    candidates: ConsensusResult, given: GivenParticles, box_size_px: float, source: str
) -> Iterator[str]:
    """Warn where few particles meet a candidate; refuse where hardly any does."""
    theirs, ours = _on_both(candidates, given)
    if not theirs:
        raise ValueError(f"{source}: no micrograph has both particles and candidates; {CAUSES}")
    both = _meetings(theirs, ours, box_size_px)
    best = _best(both)
    if best.share >= FEW_MEETING:
        return
    told = _counted(both)
    explained = _explanation(theirs, ours, box_size_px)
    if explained:
        remedy = "export their coordinates as on the micrographs that were picked"
        raise ValueError(f"{source}: {told}, {explained}; {remedy}")
    if best.share < LEAST_MEETING:
        raise ValueError(f"{source}: {told}, hardly more than by chance; {CAUSES}")
    yield f"{source}: only {told}; {CAUSES}"


def _meetings(theirs: Points, ours: Points, box_size_px: float) -> Tuple[Meetings, Meetings]:
    """Particles that meet candidates, and candidates that meet particles."""
    reach_px = SAME_BOXES * box_size_px
    if not theirs:
        return Meetings(0, 0, 0.0), Meetings(0, 0, 0.0)
    return meetings(theirs, ours, reach_px), meetings(ours, theirs, reach_px)


def _best(both: Tuple[Meetings, Meetings]) -> Meetings:
    """The larger one: all of the chosen ones are candidates, or all candidates were classified."""
    return max(both, key=lambda one: one.share)


def _counted(both: Tuple[Meetings, Meetings]) -> str:
    rows, candidates = both
    return (
        f"{rows.n_met:,} of {rows.n:,} particles lie within a quarter of the box of one of "
        f"{candidates.n:,} candidates ({rows.n_chance:,.0f} would by chance)"
    )


def _explanation(theirs: Points, ours: Points, box_size_px: float) -> str:
    """The usual mistake in coordinates with which the particles would meet the candidates."""
    points = [np.concatenate(one) for one in (theirs, ours)]
    micrographs = [np.repeat(np.arange(len(one)), [len(p) for p in one]) for one in (theirs, ours)]
    picker = np.repeat((0, 1), [len(one) for one in points])
    x, y = np.concatenate(points).T
    picks = Picks.from_columns(
        np.concatenate(micrographs), picker, x, y, picker_names=("particles", "candidates")
    )
    for misfit in find_misfits(picks, np.full(2, box_size_px)):
        if misfit.picker == "particles":
            return f"but {misfit.corrected:.0%} would if {misfit.what}"
    return ""


def _on_both(candidates: ConsensusResult, given: GivenParticles) -> Tuple[Points, Points]:
    """Positions of particles and of candidates on each micrograph that has some of both."""
    centers = np.column_stack([candidates.x, candidates.y])
    sides = ((given.micrograph, given.centers), (candidates.micrograph, centers))
    shared = np.intersect1d(given.micrograph, candidates.micrograph)
    theirs, ours = (_split(*side, shared) for side in sides)
    return theirs, ours


def _split(micrograph: Labels, centers: NDArray[np.float64], wanted: Labels) -> Points:
    order = np.argsort(micrograph, kind="stable")
    ends = [np.searchsorted(micrograph[order], wanted, side) for side in ("left", "right")]
    return [centers[order[first:last]] for first, last in zip(*ends)]
