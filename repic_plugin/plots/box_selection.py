"""Which boxes of the sets of an overlay are shown: by a minimum of one of their numbers."""

from __future__ import annotations

from typing import Dict, Mapping, Optional, Tuple

import numpy as np
from numpy.typing import NDArray

N_BINS = 40  # of a histogram

Numbers = Mapping[str, NDArray[np.float64]]


class BoxSelection:
    """Minimum of one number for each set of boxes.

    Parameters
    ----------
    numbers : mapping of str to mapping of str to ndarray of float64, shape (n,)
        By the name of the set, then by that of the number; NaN where a box has none. The first
        number of a set is the one by which its boxes are hidden until another is chosen.
    active : str, optional
        Set whose minimum is changed; by default the first that has numbers.

    Attributes
    ----------
    scored : tuple of str
        Names of the sets that have numbers.
    active : str or None
    """

    def __init__(self, numbers: Mapping[str, Numbers], active: Optional[str] = None) -> None:
        self._numbers = {
            name: dict(some)
            for name, some in numbers.items()
            if any(np.isfinite(one).any() for one in some.values())
        }
        self._attributes: Dict[str, str] = {k: next(iter(one)) for k, one in self._numbers.items()}
        self._minima: Dict[str, float] = dict.fromkeys(self._numbers, -np.inf)
        self.scored = tuple(self._numbers)
        self.active = active if active in self._numbers else next(iter(self.scored), None)

    def choose(self, name: str, attribute: Optional[str] = None) -> None:
        """Make a set the active one, and choose by which of its numbers its boxes are hidden.

        Raises
        ------
        ValueError
            If there is no such set, or it has no such number.
        """
        if name not in self._numbers:
            raise ValueError(f"no scored set is named {name}; they are {', '.join(self.scored)}")
        if attribute is not None and attribute not in self._numbers[name]:
            known = ", ".join(self._numbers[name])
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
        """Number by which boxes of the active set are hidden; empty where none is active."""
        return "" if self.active is None else self._attributes[self.active]

    @property
    def minimum(self) -> float:
        """Of that number among the boxes shown; -inf where all are."""
        return -np.inf if self.active is None else self._minima[self.active]

    def set_minimum(self, minimum: float) -> None:
        """Show only boxes of the active set with at least this number.

        A minimum that hides no box with a number shows those without one, too.
        """
        if self.active is not None:
            known = self.range
            hides_none = known is not None and minimum <= known[0]
            self._minima[self.active] = -np.inf if hides_none else float(minimum)

    @property
    def range(self) -> Optional[Tuple[float, float]]:
        """Smallest and largest of the active set's numbers; None where there are none."""
        values = self._values()
        return (float(values.min()), float(values.max())) if len(values) else None

    @property
    def n_unknown(self) -> int:
        """Boxes of the active set without this number."""
        if self.active is None:
            return 0
        return len(self._numbers[self.active][self.attribute]) - len(self._values())

    def histogram(self) -> Tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Numbers of boxes on all micrographs, and the edges of the bins, one more."""
        counts, edges = np.histogram(self._values(), bins=N_BINS)
        return counts.astype(np.int64), edges

    def passing(self, name: str, rows: NDArray[np.intp]) -> NDArray[np.intp]:
        """Those of some rows of a set that are shown."""
        least = self._minima.get(name, -np.inf)
        if least == -np.inf:
            return rows
        with np.errstate(invalid="ignore"):
            return rows[self._numbers[name][self._attributes[name]][rows] >= least]

    def sentence(self, name: str) -> str:
        """The minimum of a set as text, such as ``weight at least 0.52``; empty without one."""
        least = self._minima.get(name, -np.inf)
        return "" if least == -np.inf else f"{self._attributes[name]} at least {least:.4g}"

    def _values(self) -> NDArray[np.float64]:
        """Finite numbers of the active set."""
        if self.active is None:
            return np.zeros(0)
        values = self._numbers[self.active][self.attribute]
        return values[np.isfinite(values)]
