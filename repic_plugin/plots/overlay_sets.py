"""Sets of boxes on many micrographs, as an overlay holds them."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Dict, Mapping, Optional, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from repic_plugin.plots.overlay import ROLES

SCORE = "score"


@dataclass(frozen=True)
class BoxSet:
    """One set of boxes on all micrographs.

    Attributes
    ----------
    name : str
    micrograph : array_like of int, shape (n,)
        Index of each box's micrograph.
    x, y : array_like of float, shape (n,)
        Centres, px.
    box_size_px : float
    role : {"picker", "reference", "consensus"}
    score : array_like of float, shape (n,), optional
        NaN where there is none.
    attributes : mapping of str to array_like of float, shape (n,)
        Further numbers of each box by their names, NaN where there is none.
    found_by : sequence of str, length n, optional
        Names of the pickers of each box, separated by commas.
    ids : array_like of int, shape (n,), optional
        Of the items of the set from which the boxes were read.
    source : str
        File of that set; empty where there is none.
    """

    name: str
    micrograph: ArrayLike
    x: ArrayLike
    y: ArrayLike
    box_size_px: float
    role: str = "picker"
    score: Optional[ArrayLike] = None
    attributes: Mapping[str, ArrayLike] = field(default_factory=dict)
    found_by: Optional[Sequence[str]] = None
    ids: Optional[ArrayLike] = None
    source: str = ""

    def known_numbers(self) -> Dict[str, NDArray[np.float64]]:
        """Score and attributes that any box has, by name."""
        given = {**({} if self.score is None else {SCORE: self.score}), **self.attributes}
        columns = {name: np.asarray(one, np.float64) for name, one in given.items()}
        return {name: one for name, one in columns.items() if np.isfinite(one).any()}


@dataclass(frozen=True)
class ConsensusDetails:
    """Properties of each particle of the consensus, in the order of its set.

    Attributes
    ----------
    weight : array_like of float, shape (n,)
    overlap, score : array_like of float, shape (n,), optional
    members : array_like of int, shape (n, n_pickers), optional
        Place of each picker's pick in its own set, pickers in the order of the sets; -1 where the
        picker has none.
    pickers : sequence of str, length n, optional
        Names of the pickers that found each, for a consensus whose pickers are not there.
    weight_name : str
        Such as ``probability`` where the weight is one.
    """

    weight: ArrayLike
    overlap: Optional[ArrayLike] = None
    score: Optional[ArrayLike] = None
    members: Optional[ArrayLike] = None
    pickers: Optional[Sequence[str]] = None
    weight_name: str = "weight"

    def numbers(self) -> Dict[str, NDArray[np.float64]]:
        """Weight, overlap and score by the names under which they are shown."""
        columns = {self.weight_name: self.weight, "overlap": self.overlap, SCORE: self.score}
        return {k: np.asarray(one, np.float64) for k, one in columns.items() if one is not None}


class MicrographRows:
    """Rows of a set by micrograph, sorted once."""

    def __init__(self, one: BoxSet, n_micrographs: int) -> None:
        micrograph = np.asarray(one.micrograph)
        self._order = np.argsort(micrograph, kind="stable")
        self._starts = np.searchsorted(micrograph[self._order], np.arange(n_micrographs + 1))

    def counts(self) -> NDArray[np.int64]:
        """Rows on each micrograph."""
        return np.diff(self._starts)

    def rows(self, place: int) -> NDArray[np.intp]:
        """Of a micrograph, in the order of the set."""
        return self._order[self._starts[place] : self._starts[place + 1]]


def checked_set(one: BoxSet, n_micrographs: int) -> BoxSet:
    """A set with arrays for columns; a ValueError if it is malformed."""
    micrograph = np.asarray(one.micrograph, dtype=np.int64)
    columns = [np.asarray(column, dtype=np.float64) for column in (one.x, one.y)]
    if one.score is not None:
        columns.append(np.asarray(one.score, dtype=np.float64))
    others = [*one.attributes.values(), *(c for c in (one.found_by, one.ids) if c is not None)]
    for column in (micrograph, *columns, *map(np.asarray, others)):
        if column.shape != (len(micrograph),):
            raise ValueError(
                f"columns of {one.name} must have one value for each of its {len(micrograph)} "
                f"boxes, got shape {column.shape}"
            )
    if len(micrograph) and not 0 <= micrograph.min() <= micrograph.max() < n_micrographs:
        raise ValueError(
            f"micrograph of {one.name} must hold indices of the {n_micrographs} micrographs, got "
            f"{micrograph.min()} to {micrograph.max()}"
        )
    if not (np.isfinite(one.box_size_px) and one.box_size_px > 0):
        raise ValueError(f"box_size_px of {one.name} must be positive, got {one.box_size_px}")
    if one.role not in ROLES:
        raise ValueError(f"role of {one.name} must be one of {ROLES}, got {one.role!r}")
    score = columns[2] if one.score is not None else None
    x, y, size_px = *columns[:2], float(one.box_size_px)
    return replace(one, micrograph=micrograph, x=x, y=y, box_size_px=size_px, score=score)
