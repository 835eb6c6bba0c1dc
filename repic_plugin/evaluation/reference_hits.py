"""Picks confirmed by a reference."""

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
    """Picks confirmed by a reference.

    Attributes
    ----------
    is_compared : ndarray of bool, shape (n_picks,)
        False on micrographs that the reference lacks.
    is_confirmed : ndarray of bool, shape (n_picks,)
        Whether the pick is matched to a reference particle.
    """

    is_compared: NDArray[np.bool_]
    is_confirmed: NDArray[np.bool_]


def confirmed_picks(
    picks: Picks, reference: Picks, box_size_px: int, *, radius_px: Optional[float] = None
) -> ConfirmedPicks:
    """Picks matched one to one with reference particles, as in `evaluate_picks`.

    The matching has maximum cardinality; of picks that compete for a particle, the one with the
    highest score is matched.

    Parameters
    ----------
    picks : Picks
        Each picker is matched separately.
    reference, box_size_px, radius_px
        As in `evaluate_picks`, as are the errors.
    """
    radius = matching_radius(check_box_size("box_size_px", box_size_px), radius_px)
    check_reference(reference)
    common = common_micrographs(picks, reference)
    is_compared = np.isin(picks.micrograph, [mine for mine, _ in common])
    return ConfirmedPicks(is_compared, pairs_by_rank(picks, reference, common, radius))
