"""Outcome of each pick."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from repic_plugin.consensus.picks import Picks
from repic_plugin.consensus.result import ConsensusResult

FATES = (
    "in a particle",
    "alone",
    "not chosen",
    "left out",
    "copy",
    "below the minimum score",
    "at the edge",
    "unmatched micrograph",
)
IN_PARTICLE, ALONE, NOT_CHOSEN, LEFT_OUT, COPY, LOW_SCORE, AT_THE_EDGE, UNMATCHED = range(8)


def with_fates(result: ConsensusResult, picks: Picks) -> ConsensusResult:
    """Result with the final fate of each pick.

    So far `fate` states what excluded a pick from the graph, or that it is alone or in a group
    that was not selected. ``left out`` are the picks of groups cut by the number of particles or
    the probability; ``unmatched micrograph`` those where too few pickers have any pick.
    """
    fate = np.array(result.fate)
    entered = (fate == ALONE) | (fate == NOT_CHOSEN)
    fate[entered & ~result.is_unmatched] = LEFT_OUT
    if result.ensemble is not None:
        fate[entered] = LEFT_OUT
    has = np.zeros((picks.n_micrographs, picks.n_pickers), dtype=bool)
    has[picks.micrograph[entered], picks.picker[entered]] = True
    n_pickers = has.sum(axis=1)
    fate[(fate == ALONE) & (n_pickers[picks.micrograph] < result.quorum)] = UNMATCHED
    fate[result.members[result.members >= 0]] = IN_PARTICLE
    return replace(result, fate=fate)
