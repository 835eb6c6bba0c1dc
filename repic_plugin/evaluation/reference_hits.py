"""Which picks a reference confirms, one by one."""

from __future__ import annotations

from typing import NamedTuple, Optional

import numpy as np
from numpy.typing import NDArray

from repic_plugin.arguments import check_box_size
from repic_plugin.consensus import Picks
from repic_plugin.evaluation.by_micrograph import (
    check_reference,
    common_micrographs,
    matching_radius,
)
from repic_plugin.evaluation.curves import pairs_by_rank


class ConfirmedPicks(NamedTuple):
    """What a reference says of picks.

    Attributes
    ----------
    is_compared : ndarray of bool, shape (n_picks,)
        False on micrographs that the reference does not name.
    is_confirmed : ndarray of bool, shape (n_picks,)
    """

    is_compared: NDArray[np.bool_]
    is_confirmed: NDArray[np.bool_]


def confirmed_picks(
    picks: Picks, reference: Picks, box_size_px: int, *, radius_px: Optional[float] = None
) -> ConfirmedPicks:
    """Pair picks with reference particles, one to one, as `evaluate_picks` does.

    As many pairs are made as can be; of picks that compete for a particle, the one with the
    higher score gets it.

    Parameters
    ----------
    picks : Picks
        Each picker is compared by itself.
    reference : Picks
        Of exactly one picker.
    box_size_px : int
    radius_px : float, optional
        Largest distance between the centres of a pair, a quarter of the box by default.

    Returns
    -------
    ConfirmedPicks

    Raises
    ------
    ValueError
        If an argument is malformed, the reference has not one picker, or no micrograph has the
        same name on both sides.
    """
    radius = matching_radius(check_box_size("box_size_px", box_size_px), radius_px)
    check_reference(reference)
    common = common_micrographs(picks, reference)
    is_compared = np.isin(picks.micrograph, [mine for mine, _ in common])
    return ConfirmedPicks(is_compared, pairs_by_rank(picks, reference, common, radius))
