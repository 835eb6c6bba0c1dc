"""Scores of each picker of a data set against one reference."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Dict, List, Optional, Sequence, Tuple

from repic_plugin.consensus import Picks
from repic_plugin.evaluation.by_micrograph import MicrographScores, evaluate_by_micrograph
from repic_plugin.evaluation.scores import Scores


@dataclass(frozen=True)
class PickerScores:
    """Scores of one picker against the reference, over their common micrographs.

    Attributes
    ----------
    picker : str
    n_picks, n_reference : int
        Particles on the micrographs used.
    n_micrographs, n_left_out : int
        Micrographs of the picks that the reference also has, and those that it lacks.
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
    """Scores of each picker against a reference, such as manual picks.

    Micrographs are matched by name. Those that the reference lacks are left out (the truth is
    unknown), as are those that `picks` lacks (nothing was picked). A common micrograph counts even
    if one side has no particle on it.

    Parameters
    ----------
    picks : Picks
        Any number of pickers.
    reference : Picks
        Exactly one picker.
    box_size_px : int
        Side of the pickers' boxes.
    reference_box_size_px : int, optional
        Side of the reference's boxes, `box_size_px` by default.
    radius_px : float, optional
        Maximum distance between the centres of a pair, a quarter of `box_size_px` by default.
    micrograph_size_px : (int, int), optional
        Width and height of all micrographs, to which boxes are clipped.
    n_threads : int
        Does not affect the result.

    Returns
    -------
    tuple of PickerScores
        In the order of `picks.picker_names`. Counts are summed over micrographs.

    Raises
    ------
    ValueError
        If an argument is malformed, the reference does not have exactly one picker, or no
        micrograph name occurs in both.
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
    """Scores of each picker, summed over its micrographs.

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
    by_picker: Dict[str, List[MicrographScores]] = {}
    for row in rows:
        by_picker.setdefault(row.picker, []).append(row)
    return tuple(
        PickerScores(
            name,
            n_picks=sum(row.n_picks for row in mine),
            n_reference=sum(row.n_reference for row in mine),
            n_micrographs=len(mine),
            n_left_out=n_left_out,
            pixel=sum((row.pixel for row in mine), Scores()),
            matching=sum((row.matching for row in mine), Scores()),
        )
        for name, mine in by_picker.items()
    )
