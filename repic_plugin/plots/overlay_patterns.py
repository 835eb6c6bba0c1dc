"""Which pickers found the boxes of a set of an overlay."""

from __future__ import annotations

from typing import NamedTuple, Optional, Sequence, Tuple

import numpy as np
from numpy.typing import NDArray

from repic_plugin.consensus import Pattern, Picks, parse_patterns, pickers_at
from repic_plugin.plots.overlay_sets import BoxSet, ConsensusDetails


class FoundBy(NamedTuple):
    """Pickers of the boxes of a set.

    Attributes
    ----------
    names : tuple of str
    mask : ndarray of bool, shape (n, n_pickers)
    """

    names: Tuple[str, ...]
    mask: NDArray[np.bool_]

    def rows(self, text: str) -> Tuple[NDArray[np.bool_], Pattern]:
        """Mask of the boxes of a pattern such as ``topaz, not cryolo``.

        Raises
        ------
        ValueError
            If a name is unknown, or it is not one pattern.
        """
        patterns = parse_patterns(text, self.names)
        if len(patterns) > 1:
            raise ValueError(f"one pattern can be shown, got {len(patterns)}; give one")
        (pattern,) = patterns
        columns = [
            [self.names.index(k) for k in some] for some in (pattern.found_by, pattern.not_by)
        ]
        found, excluded = (self.mask[:, some] for some in columns)
        return found.all(axis=1) & ~excluded.any(axis=1), pattern


def found_by(
    one: BoxSet, sets: Sequence[BoxSet], details: Optional[ConsensusDetails], n_micrographs: int
) -> FoundBy:
    """Pickers of the boxes of a set.

    Those that its details or its boxes name; else the sets that have a box which overlaps with a
    Jaccard index above the minimum of a consensus, the set itself among them.

    Parameters
    ----------
    one : BoxSet
    sets : sequence of BoxSet
        All of the overlay, with their arrays.
    details : ConsensusDetails or None
        Of the set.
    n_micrographs : int
    """
    if details is not None and details.members is not None:
        names = tuple(other.name for other in sets if other.role == "picker")
        return FoundBy(names, np.asarray(details.members) >= 0)
    texts = one.found_by if details is None else details.pickers
    if texts is not None:
        return _named(texts)
    return _overlapping(one, sets, n_micrographs)


def _named(texts: Sequence[str]) -> FoundBy:
    """Pickers of texts such as ``topaz, cryolo``."""
    unique, inverse = np.unique(np.asarray(texts, dtype=str), return_inverse=True)
    each = [text.split(", ") if text else [] for text in unique.tolist()]
    names = tuple(dict.fromkeys(name for some in each for name in some))
    mask = np.array([[name in some for name in names] for some in each], dtype=bool)
    return FoundBy(names, mask.reshape(len(each), len(names))[inverse.ravel()])


def _overlapping(one: BoxSet, sets: Sequence[BoxSet], n_micrographs: int) -> FoundBy:
    columns = [
        (s.micrograph, np.full(len(np.asarray(s.x)), k), s.x, s.y) for k, s in enumerate(sets)
    ]
    micrograph, picker, x, y = (np.concatenate(column) for column in zip(*columns))
    names = tuple(other.name for other in sets)
    if len(sets) == 1:
        return FoundBy(names, np.ones((len(np.asarray(one.x)), 1), dtype=bool))
    places = [str(number) for number in range(n_micrographs)]
    picks = Picks.from_columns(
        micrograph, picker, x, y, micrograph_names=places, picker_names=names
    )
    mask = pickers_at(picks, [other.box_size_px for other in sets])
    return FoundBy(names, mask[picker == names.index(one.name)])
