"""Scores of every picker of a data set against one reference."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Optional, Sequence, Tuple

from repic_plugin.consensus import Picks
from repic_plugin.evaluation.by_micrograph import MicrographScores, evaluate_by_micrograph
from repic_plugin.evaluation.scores import Scores


@dataclass(frozen=True)
class PickerScores:
    """How one picker compares with the reference, over all micrographs that both have.

    Attributes
    ----------
    picker : str
    n_picks, n_reference : int
        Particles on the micrographs used.
    n_micrographs, n_left_out : int
        Micrographs of the picks that the reference has too, and those that it lacks.
    pixel : Scores
        Counted over pixels, see `pixel_scores`.
    matching : Scores
        Counted over particles, see `match_scores`.
    """

    picker: str
    n_picks: int
    n_reference: int
    n_micrographs: int
    n_left_out: int
    pixel: Scores
    matching: Scores


def evaluate_picks(
    picks: Picks,
    reference: Picks,
    box_size_px: int,
    *,
    reference_box_size_px: Optional[int] = None,
    radius_px: Optional[float] = None,
    micrograph_size_px: Optional[Sequence[int]] = None,
    n_threads: int = 1,
) -> Tuple[PickerScores, ...]:
    """Score each picker against a reference, such as hand-picked particles.

    Micrographs are joined by name. One that the reference lacks is left out (nobody knows what is
    true there), as is one that `picks` lacks (nobody picked there). One that both name counts
    even where a side has no particle on it.

    Parameters
    ----------
    picks : Picks
        Of any number of pickers.
    reference : Picks
        Of exactly one picker.
    box_size_px : int
        Side of the pickers' boxes.
    reference_box_size_px : int, optional
        Side of the reference's boxes, `box_size_px` by default.
    radius_px : float, optional
        Largest distance between the centres of a pair, a quarter of `box_size_px` by default.
    micrograph_size_px : (int, int), optional
        Width and height of all micrographs, to which boxes are clipped.
    n_threads : int
        The result does not depend on it.

    Returns
    -------
    tuple of PickerScores
        In the order of `picks.picker_names`. Counts are summed over micrographs.

    Raises
    ------
    ValueError
        If an argument is malformed, the reference has not one picker, or no micrograph has the
        same name on both sides.
    """
    rows = evaluate_by_micrograph(
        picks,
        reference,
        box_size_px,
        reference_box_size_px=reference_box_size_px,
        radius_px=radius_px,
        micrograph_size_px=micrograph_size_px,
        n_threads=n_threads,
    )
    n_common = len(rows) // max(picks.n_pickers, 1)
    return sum_by_picker(rows, n_left_out=picks.n_micrographs - n_common)


def sum_by_picker(
    rows: Sequence[MicrographScores], *, n_left_out: int = 0
) -> Tuple[PickerScores, ...]:
    """Sum the counts of each picker over its micrographs.

    Parameters
    ----------
    rows : sequence of MicrographScores
    n_left_out : int
        Micrographs of the picks that the reference lacks.

    Returns
    -------
    tuple of PickerScores
        In the order in which the pickers first appear.
    """
    results = []
    for name in dict.fromkeys(row.picker for row in rows):
        mine = [row for row in rows if row.picker == name]
        results.append(
            PickerScores(
                name,
                n_picks=sum(row.n_picks for row in mine),
                n_reference=sum(row.n_reference for row in mine),
                n_micrographs=len(mine),
                n_left_out=n_left_out,
                pixel=sum((row.pixel for row in mine), Scores()),
                matching=sum((row.matching for row in mine), Scores()),
            )
        )
    return tuple(results)
