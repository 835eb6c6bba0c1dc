"""Which boxes of the sets of an overlay are shown: by one of their numbers, and by a mask."""

from __future__ import annotations

from typing import Dict, Mapping, Optional, Tuple

import numpy as np
from numpy.typing import NDArray

N_BINS = 40  # of a histogram

Numbers = Mapping[str, NDArray[np.float64]]


class BoxSelection:
    """Minimum of one number for each set of boxes, and further conditions.

    Parameters
    ----------
    numbers : mapping of str to mapping of str to ndarray of float64, shape (n,)
        By the name of the set, then by that of the number; NaN where a box has none. The first
        number of a set is the one by which its boxes are hidden until another is chosen.
    active : str, optional
        Set whose minimum is changed; by default the first that has numbers, else the first.

    Attributes
    ----------
    names : tuple of str
        Of the sets.
    active : str or None
        None where there is no set.
    """

    def __init__(self, numbers: Mapping[str, Numbers], active: Optional[str] = None) -> None:
        self._numbers = {
            name: {k: one for k, one in some.items() if np.isfinite(one).any()}
            for name, some in numbers.items()
        }
        self._attributes = {name: next(iter(some), "") for name, some in self._numbers.items()}
        self._minima: Dict[str, float] = dict.fromkeys(self._numbers, -np.inf)
        self._masks: Dict[str, Tuple[NDArray[np.bool_], str]] = {}
        self.names = tuple(self._numbers)
        first = [active or "", *(k for k, one in self._numbers.items() if one), *self.names]
        self.active = next((name for name in first if name in self._numbers), None)

    def choose(self, name: str, attribute: Optional[str] = None) -> None:
        """Make a set the active one, and choose by which of its numbers its boxes are hidden.

        Raises
        ------
        ValueError
            If there is no such set, or it has no such number.
        """
        if name not in self._numbers:
            raise ValueError(f"no set is named {name}; they are {', '.join(self.names)}")
        if attribute is not None and attribute not in self._numbers[name]:
            known = ", ".join(self._numbers[name]) or "none"
            raise ValueError(f"{name} has no number named {attribute}; it has {known}")
        self.active = name
        if attribute is not None and attribute != self._attributes[name]:
            self._attributes[name], self._minima[name] = attribute, -np.inf

    def numbers(self, name: str) -> Numbers:
        """Of a set, by their names."""
        return self._numbers.get(name, {})

    @property
    def attributes(self) -> Tuple[str, ...]:
        """Names of the numbers of the active set."""
        return () if self.active is None else tuple(self._numbers[self.active])

    @property
    def attribute(self) -> str:
        """Number by which boxes of the active set are hidden; empty where they have none."""
        return "" if self.active is None else self._attributes[self.active]

    @property
    def minimum(self) -> float:
        """Of that number among the boxes shown; -inf where all are."""
        return -np.inf if self.active is None else self._minima[self.active]

    def set_minimum(self, minimum: float) -> None:
        """Show only boxes of the active set with at least this number.

        A minimum that hides no box with a number shows those without one, too.
        """
        known = self.range
        if self.active is not None and known is not None:
            self._minima[self.active] = -np.inf if minimum <= known[0] else float(minimum)

    @property
    def range(self) -> Optional[Tuple[float, float]]:
        """Smallest and largest of the active set's numbers; None where there are none."""
        values = self._values()
        return (float(values.min()), float(values.max())) if len(values) else None

    @property
    def n_unknown(self) -> int:
        """Boxes of the active set without this number."""
        if self.active is None or not self.attribute:
            return 0
        return len(self._numbers[self.active][self.attribute]) - len(self._values())

    def histogram(self) -> Tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Numbers of boxes on all micrographs, and the edges of the bins, one more."""
        counts, edges = np.histogram(self._values(), bins=N_BINS)
        return counts.astype(np.int64), edges

    def restrict(self, name: str, mask: Optional[NDArray[np.bool_]], sentence: str = "") -> None:
        """Show only some boxes of a set, whatever their numbers; with None again all.

        Parameters
        ----------
        name : str
        mask : ndarray of bool, shape (n,), or None
        sentence : str
            What they have in common, such as ``found by A, not by B``.
        """
        self._masks.pop(name, None)
        if mask is not None:
            self._masks[name] = mask, sentence

    def passing(self, name: str, rows: NDArray[np.intp]) -> NDArray[np.intp]:
        """Those of some rows of a set that are shown."""
        if name in self._masks:
            rows = rows[self._masks[name][0][rows]]
        least = self._minima.get(name, -np.inf)
        if least == -np.inf:
            return rows
        with np.errstate(invalid="ignore"):
            return rows[self._numbers[name][self._attributes[name]][rows] >= least]

    def sentence(self, name: str) -> str:
        """What the boxes shown of a set have in common; empty where all are shown.

        Such as ``weight at least 0.52, found by topaz, not by cryolo``.
        """
        least = self._minima.get(name, -np.inf)
        minimum = "" if least == -np.inf else f"{self._attributes[name]} at least {least:.4g}"
        return ", ".join(filter(None, [minimum, self._masks.get(name, (None, ""))[1]]))

    def _values(self) -> NDArray[np.float64]:
        """Finite numbers of the active set."""
        if self.active is None or not self.attribute:
            return np.zeros(0)
        values = self._numbers[self.active][self.attribute]
        return values[np.isfinite(values)]
