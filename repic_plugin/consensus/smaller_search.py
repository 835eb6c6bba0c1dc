"""Search for groups of fewer pickers than have to agree."""

from __future__ import annotations

from typing import Sequence

import numpy as np
from numpy.typing import NDArray

from repic_plugin.consensus.assembly import batches, prepared
from repic_plugin.consensus.batch import solve_batch
from repic_plugin.consensus.picks import Picks
from repic_plugin.consensus.records import Settings
from repic_plugin.consensus.scores import References
from repic_plugin.consensus.smaller import SMALLEST, SmallerGroups, merged


def find_smaller_groups(
    picks: Picks,
    is_unmatched: NDArray[np.bool_],
    wanted: NDArray[np.int64],
    transforms: Sequence[str],
    references: References,
    settings: Settings,
) -> SmallerGroups:
    """Groups of the picks that are in no particle.

    They are selected as by a quorum of two of the picks that are left, so that no pick is in two
    of them. A quorum of all picks finds about as many: larger groups take precedence there, too.

    Parameters
    ----------
    picks : Picks
    is_unmatched : ndarray of bool, shape (n_picks,)
    wanted : ndarray of int64, shape (n_micrographs,)
    transforms, references, settings
        As for the particles.
    """
    settings = settings._replace(quorum=SMALLEST, num_particles=None, largest_component=False)
    found = []
    for rows in batches(picks, wanted, 1):
        part = prepared(picks, rows, is_unmatched, transforms, references)
        found.append(solve_batch(part, settings).members >= 0)
    members = np.concatenate([np.zeros((0, picks.n_pickers), dtype=bool), *found])
    return merged([SmallerGroups(members, np.ones(len(members), dtype=np.int64))])
