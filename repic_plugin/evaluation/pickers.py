"""Scores of every picker of a data set against one reference."""

from __future__ import annotations

from dataclasses import dataclass
from typing import List, Optional, Sequence, Tuple

import numpy as np
from numpy.typing import NDArray

from repic_plugin.consensus import Picks, check_micrograph_size
from repic_plugin.evaluation.checks import check_box_size, check_radius
from repic_plugin.evaluation.matching import match_scores
from repic_plugin.evaluation.pixels import pixel_scores
from repic_plugin.evaluation.scores import Scores

__all__ = ["PickerScores", "evaluate_picks"]

# Centres a quarter of a box apart leave two boxes a Jaccard index of at least 0.5.
RADIUS_BOX_FRACTION = 0.25


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
    box_px = check_box_size("box_size_px", box_size_px)
    size_px = None if micrograph_size_px is None else check_micrograph_size(micrograph_size_px)
    radius = check_radius(box_px * RADIUS_BOX_FRACTION if radius_px is None else radius_px)
    if reference.n_pickers != 1:
        raise ValueError(
            f"reference must have one picker, got {list(reference.picker_names)}; take one of them"
        )
    reference_px = box_px if reference_box_size_px is None else reference_box_size_px
    common = _common_micrographs(picks, reference)
    wanted = _centers_by_group(reference)[0]
    results = []
    for name, found in zip(picks.picker_names, _centers_by_group(picks)):
        pairs = [(found[mine], wanted[theirs]) for mine, theirs in common]
        pixel = [
            pixel_scores(
                *pair, box_px, reference_box_size_px=reference_px, micrograph_size_px=size_px
            )
            for pair in pairs
        ]
        matching = [match_scores(*pair, radius) for pair in pairs]
        results.append(
            PickerScores(
                name,
                n_picks=sum(len(mine) for mine, _ in pairs),
                n_reference=sum(len(theirs) for _, theirs in pairs),
                n_micrographs=len(common),
                n_left_out=picks.n_micrographs - len(common),
                pixel=sum(pixel, Scores()),
                matching=sum(matching, Scores()),
            )
        )
    return tuple(results)


def _common_micrographs(picks: Picks, reference: Picks) -> List[Tuple[int, int]]:
    """Index in picks and in reference of each micrograph that both name."""
    theirs = {name: i for i, name in enumerate(reference.micrograph_names)}
    common = [(i, theirs[name]) for i, name in enumerate(picks.micrograph_names) if name in theirs]
    if not common:
        raise ValueError(
            "reference must name at least one micrograph of picks, got "
            f"{list(reference.micrograph_names[:2])} for {list(picks.micrograph_names[:2])}; "
            "make the names the same"
        )
    return common


def _centers_by_group(picks: Picks) -> List[List[NDArray[np.float64]]]:
    """Centres, shape (n, 2), of each picker on each micrograph."""
    group = picks.picker * picks.n_micrographs + picks.micrograph
    order = np.argsort(group, kind="stable")
    starts = np.searchsorted(group[order], np.arange(1, picks.n_pickers * picks.n_micrographs))
    centers = np.column_stack([picks.x, picks.y])[order]
    parts = np.split(centers, starts)
    n = picks.n_micrographs
    return [parts[i * n : (i + 1) * n] for i in range(picks.n_pickers)]
