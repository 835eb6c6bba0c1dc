"""What `find_consensus` warns of, as text."""

from __future__ import annotations

from typing import Iterator, List, Sequence

import numpy as np
from numpy.typing import NDArray

from repic_plugin.consensus.fates import ALONE
from repic_plugin.consensus.geometry import same_picks
from repic_plugin.consensus.picks import Picks
from repic_plugin.consensus.result import ConsensusResult
from repic_plugin.consensus.scores import falling_scores, score_warnings
from repic_plugin.wording import counted

# Coordinates beyond this many times the usual largest one are errors.
FAR, USUAL_PERCENTILE = 4.0, 90.0
FEW_COPIES = 0.01  # of the picks that are used: so few are not worth a warning
# A picker with less than half of the others' picks loses half of what they find, however good it
# is. Fewer micrographs or picks may be bad luck.
FAR_FEWER, MIN_MICROGRAPHS, MIN_USUAL = 0.5, 3, 10.0


def warnings_of_picks(
    picks: Picks, wanted: NDArray[np.int64], transforms: Sequence[str]
) -> Iterator[str]:
    """Missing and doubtful scores, picks far from all others, pickers with the same picks."""
    is_missing = ~picks.has_score & np.isin(picks.micrograph, wanted)
    missing = np.bincount(picks.picker[is_missing], minlength=picks.n_pickers)
    for name, count in zip(picks.picker_names, missing):
        if count:
            yield f"{count:,} picks of {name} have no score; they count as 1"
    yield from score_warnings(picks, transforms)
    yield from _far_picks(picks, wanted)
    for few, many, share in same_picks(picks):
        yield (
            f"{many} has {share:.0%} of the picks of {few} to the pixel, so that their agreement "
            "says nothing; leave one of them out"
        )


def _far_picks(picks: Picks, wanted: NDArray[np.int64]) -> Iterator[str]:
    """Picks whose coordinates no micrograph can hold, judging by the others."""
    far_px = np.abs(picks.centers).max(axis=1, initial=0.0)
    usual_px = float(np.percentile(far_px, USUAL_PERCENTILE)) if len(picks) else 0.0
    is_far = (far_px > FAR * usual_px) & np.isin(picks.micrograph, wanted)
    for number, name in enumerate(picks.picker_names):
        mine = np.flatnonzero(is_far & (picks.picker == number))
        if len(mine) and usual_px > 0:
            worst = mine[np.argmax(far_px[mine])]
            x, y = picks.centers[worst].tolist()
            yield (
                f"{len(mine):,} of {name}'s picks lie more than {FAR:g} times as far out as nearly "
                f"all picks, such as ({x:g}, {y:g}) on "
                f"{picks.micrograph_names[picks.micrograph[worst]]}; correct its files"
            )


def warnings_of_result(
    result: ConsensusResult, picks: Picks, reach_px: NDArray[np.float64]
) -> Iterator[str]:
    """Copies closer than `reach_px`, scores that fall with agreement, optima not proven."""
    counts = result.micrographs
    if counts.n_copies is not None:
        columns = (counts.n_copies.sum(axis=0), counts.n_picks.sum(axis=0), reach_px)
        for name, n_copies, n_used, reach in zip(result.picker_names, *columns):
            if n_copies > FEW_COPIES * n_used:
                yield (
                    f"{name}: {n_copies:,} of its picks are copies, less than {reach:.0f} px from "
                    "a better one; they do not count"
                )
    in_group = np.zeros(len(picks), dtype=bool)
    in_group[result.members[result.members >= 0]] = True
    is_alone = result.is_unmatched & (np.asarray(result.fate) == ALONE)
    yield from falling_scores(picks, in_group, is_alone)
    n_unproven = int((~counts.is_optimal).sum())
    if n_unproven:
        yield (
            f"the time limit ended the search on {counted(n_unproven, 'micrograph')}: the "
            "consensus there is not proven optimal"
        )


def scarce_pickers(n_picks: NDArray[np.int64], names: Sequence[str]) -> List[str]:
    """Pickers that limit a consensus of all pickers by their number of picks, a line each.

    Parameters
    ----------
    n_picks : ndarray of int64, shape (n_micrographs, n_pickers)
        Picks that were used.
    names : sequence of str, length n_pickers

    Returns
    -------
    list of str
        A line for each picker whose median per micrograph is below half of the median of the
        other pickers' medians.
    """
    if len(n_picks) < MIN_MICROGRAPHS:
        return []
    own = np.median(n_picks, axis=0)
    remedy = "choose mode probabilistic"
    if len(names) > 2:
        remedy = "leave it out, or choose mode quorum"
    lines = []
    for number, name in enumerate(names):
        others = float(np.median(np.delete(own, number)))
        if others >= MIN_USUAL and own[number] < FAR_FEWER * others:
            lines.append(
                f"{name} has {own[number]:,.0f} picks per micrograph (median), the other pickers "
                f"{others:,.0f}: where all pickers have to agree, it limits what is found; lower "
                f"its threshold{',' if len(names) > 2 else ' or'} {remedy}"
            )
    return lines
