"""The negative control of a consensus: its search on decoys."""

from __future__ import annotations

from itertools import combinations
from typing import List, Optional, Sequence, Tuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from repic_plugin.consensus.assembly import prepared, rows_of
from repic_plugin.consensus.batch import solve_batch
from repic_plugin.consensus.chance.decoys import N_DECOYS, decoy, evenly_spread
from repic_plugin.consensus.chance.partners import Partners, find_partners
from repic_plugin.consensus.chance.rates import (
    Groups,
    chance_counts,
    false_rates,
    room_for_chance,
)
from repic_plugin.consensus.chance.record import N_BINS, Agreement
from repic_plugin.consensus.chance.significance import evidence
from repic_plugin.consensus.picks import Picks
from repic_plugin.consensus.records import BatchConsensus, BatchPicks, Settings
from repic_plugin.consensus.scores import References

# No integer program is begun: crowded decoys would take many times as long as the consensus. The
# observed groups are selected again in the same way, small components exactly, large ones greedily.
NO_PROGRAMS_S = 1e-9
# Micrographs and picks: a third of a second where micrographs are crowded.
MOST_MICROGRAPHS, MOST_PICKS = 20, 15_000
SAME_DECIMALS = 2  # of sums of coordinates, whose last digits depend on their order


def measure_agreement(
    picks: Picks,
    entered: NDArray[np.bool_],
    wanted: NDArray[np.int64],
    transforms: Sequence[str],
    references: References,
    settings: Settings,
    size_px: Optional[ArrayLike] = None,
) -> Optional[Agreement]:
    """Agreement of the pickers beyond chance, by the search of the consensus on decoys.

    Parameters
    ----------
    picks : Picks
    entered : ndarray of bool, shape (n_picks,)
        Those that enter the graph.
    wanted : ndarray of int64, shape (n_wanted,)
        Micrographs of the consensus, of which up to 20 are used.
    transforms, references
        Of the scores, see `comparable_scores`.
    settings : Settings
        Of the consensus.
    size_px : array_like of float, shape (2,) or (n_micrographs, 2), optional
        Width and height.

    Returns
    -------
    Agreement or None
        None without picks of two pickers.
    """
    sample = _sample(picks, entered, wanted)
    real = _batch(picks, entered, sample, transforms, references)
    if real is None:
        return None
    settings = settings._replace(num_particles=None, time_limit_s=NO_PROGRAMS_S)
    k, n = picks.n_pickers, len(sample)
    sizes = None
    if size_px is not None:
        sizes = np.broadcast_to(np.asarray(size_px, np.float64), (picks.n_micrographs, 2))[sample]
    rank = np.argsort(np.argsort(picks.picker_names))  # so that their order does not matter
    decoys = [decoy(real, rank, number, sizes) for number in range(N_DECOYS)]
    observed = _groups([solve_batch(real, settings)], n)
    in_decoys = _groups([solve_batch(one, settings) for one in decoys], n)
    stands_for = chance_counts(observed, in_decoys, N_DECOYS)
    found = evidence(observed, in_decoys, N_DECOYS, n, settings.min_overlap)
    weight, rate = false_rates(observed.weight, in_decoys.weight, stands_for)
    pairs, partners, by_chance = _pairs(
        find_partners(real, settings), [find_partners(one, settings) for one in decoys], k
    )
    return Agreement(
        picker_names=picks.picker_names,
        n_micrographs=n,
        n_decoys=N_DECOYS,
        n_picks=np.bincount(real.picker, minlength=k),
        n_groups=len(observed.weight),
        n_in_decoys=len(in_decoys.weight) / N_DECOYS,
        n_chance=min(float(stands_for.sum()), float(len(observed.weight))),
        **found._asdict(),
        pairs=pairs,
        partners=partners,
        chance_partners=by_chance,
        weight=weight,
        rate=rate,
    )


def _sample(
    picks: Picks, entered: NDArray[np.bool_], wanted: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Different micrographs with picks, from the emptiest to the most crowded, evenly spread.

    They are fewer where they are crowded, and do not depend on the order of the micrographs. Of
    micrographs with the same picks, such as two versions of one, there is one: swapped for each
    other they would agree.
    """
    where, n = picks.micrograph[entered], picks.n_micrographs
    sums = (np.bincount(where, values[entered], n)[wanted] for values in (picks.x, picks.y))
    n_picks = np.bincount(where, minlength=n)[wanted]
    contents = np.column_stack([n_picks, *(one.round(SAME_DECIMALS) for one in sums)])
    _, first = np.unique(contents, axis=0, return_index=True)
    filled = first[n_picks[first] > 0]
    n_of_usual = MOST_PICKS / n_picks[filled].mean() if len(filled) else 0
    n_wanted = min(MOST_MICROGRAPHS, max(int(n_of_usual), picks.n_pickers))
    return np.asarray(wanted[filled[evenly_spread(len(filled), n_wanted)]])


def _batch(
    picks: Picks,
    entered: NDArray[np.bool_],
    sample: NDArray[np.int64],
    transforms: Sequence[str],
    references: References,
) -> Optional[BatchPicks]:
    """Picks on some micrographs as one batch; None without picks of two pickers."""
    is_in = np.zeros(picks.n_micrographs, dtype=bool)
    is_in[sample] = True
    part = picks.take(entered & is_in[picks.micrograph])
    if len(np.unique(part.picker)) < 2:
        return None
    return prepared(
        part, rows_of(part, sample), np.ones(len(part), dtype=bool), transforms, references
    )


def _groups(found: Sequence[BatchConsensus], n_micrographs: int) -> Groups:
    """Selected groups; those of each batch on micrographs of their own."""
    return Groups(
        np.concatenate([one.micrograph + i * n_micrographs for i, one in enumerate(found)]),
        np.concatenate([(one.members >= 0).sum(axis=1) for one in found]),
        np.concatenate([one.weight for one in found]),
        np.concatenate([one.overlap for one in found]),
    )


def _pairs(
    observed: Partners, decoys: Sequence[Partners], n_pickers: int
) -> Tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.float64]]:
    """Pairs of pickers, their partners by overlap, and those of them that are chance."""
    pairs = np.array([*combinations(range(n_pickers), 2)], dtype=np.int64).reshape(-1, 2)
    partners: List[NDArray[np.float64]] = []
    by_chance: List[NDArray[np.float64]] = []
    for low, high in pairs.tolist():
        mine = _overlaps([observed], low, high)
        theirs = _overlaps(decoys, low, high)
        room = room_for_chance(mine, theirs, len(decoys))
        partners.append(_by_overlap(mine))
        by_chance.append(_by_overlap(theirs) * room / len(decoys))
    return pairs, np.array(partners), np.array(by_chance)


def _overlaps(found: Sequence[Partners], low: int, high: int) -> NDArray[np.float64]:
    return np.concatenate([one.overlap[(one.low == low) & (one.high == high)] for one in found])


def _by_overlap(overlap: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.histogram(overlap, N_BINS, (0, 1))[0].astype(np.float64)
