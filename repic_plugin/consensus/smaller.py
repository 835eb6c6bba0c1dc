"""Groups of fewer pickers than have to agree: what a smaller quorum would find besides."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Dict, Iterable, Mapping, Optional

import numpy as np
from numpy.typing import NDArray

SMALLEST = 2  # pickers in a group
PREFIX = "smaller."  # of the arrays' names


@dataclass(frozen=True, eq=False)
class SmallerGroups:
    """Groups among the picks that are in no particle, by their pickers.

    Attributes
    ----------
    found : ndarray of bool, shape (n_subsets, n_pickers)
        The pickers of each subset, two or more and fewer than the quorum.
    count : ndarray of int64, shape (n_subsets,)
        Number of groups of exactly these pickers.
    """

    found: NDArray[np.bool_]
    count: NDArray[np.int64]

    @property
    def n_groups(self) -> int:
        """Number of groups."""
        return int(self.count.sum())

    @property
    def n_picks(self) -> NDArray[np.int64]:
        """Picks of each picker that are in one of the groups, shape (n_pickers,)."""
        return np.asarray(self.count @ self.found.astype(np.int64))


def merged(parts: Iterable[SmallerGroups]) -> SmallerGroups:
    """Groups of several batches, a subset of the pickers once; at least one batch."""
    every = list(parts)
    members = np.concatenate([one.found for one in every])
    found, inverse = np.unique(members, axis=0, return_inverse=True)
    counts = np.concatenate([one.count for one in every])
    total = np.bincount(inverse.ravel(), counts, len(found)).astype(np.int64)
    return SmallerGroups(found.astype(bool), total)


def smaller_line(groups: SmallerGroups, quorum: int, n_pickers: int) -> str:
    """What a smaller quorum would add, as a sentence; empty where there is nothing to add."""
    if not groups.n_groups:
        return ""
    sizes = groups.found.sum(axis=1)
    numbers = [
        (k, int(groups.count[sizes == k].sum())) for k in range(quorum - 1, SMALLEST - 1, -1)
    ]
    told = " and ".join(f"{n:,} by {k} of {n_pickers} pickers" for k, n in numbers if n)
    return (
        f"Not in the consensus, but found by more than one picker: {told}; a smaller quorum would "
        "keep them, with those that are chance."
    )


def smaller_to_arrays(groups: SmallerGroups) -> Dict[str, NDArray[Any]]:
    """Groups as arrays, which can be stored without pickle."""
    return {f"{PREFIX}found": groups.found, f"{PREFIX}count": groups.count}


def smaller_from_arrays(arrays: Mapping[str, NDArray[Any]]) -> Optional[SmallerGroups]:
    """Groups from the arrays of `smaller_to_arrays`; None if they hold none."""
    if f"{PREFIX}found" not in arrays:
        return None
    return SmallerGroups(arrays[f"{PREFIX}found"], arrays[f"{PREFIX}count"])
