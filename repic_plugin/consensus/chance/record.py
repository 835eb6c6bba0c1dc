"""Agreement beyond chance: the record, and what it says."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, Dict, List, Mapping, Optional, Tuple

import numpy as np
from numpy.typing import NDArray

from repic_plugin.consensus.chance.rates import rate_at
from repic_plugin.consensus.chance.significance import SIGNIFICANT, SMALL_SHARE
from repic_plugin.wording import counted

N_BINS = 20  # of the overlap
PREFIX = "agreement."  # of the arrays' names


@dataclass(frozen=True, eq=False)
class Agreement:
    """Agreement of the pickers beyond chance, measured with decoys.

    Attributes
    ----------
    picker_names : tuple of str, length k
    n_micrographs, n_decoys : int
        Micrographs on which it was measured, and decoys of each.
    n_picks : ndarray of int64, shape (k,)
        Picks on these micrographs.
    n_groups : int
        Groups that the search selected there.
    n_in_decoys, n_chance : float
        Groups selected in a decoy, and those of the `n_groups` that are chance: fewer, as a pick
        with a true partner has no need of another.
    excess, deviation, closer : float
        See `significance.Evidence`.
    pairs : ndarray of int64, shape (n_pairs, 2)
        All pairs of pickers.
    partners, chance_partners : ndarray of float64, shape (n_pairs, 20)
        Picks with a partner, by the overlap with it (Jaccard index, in steps of 0.05), and those
        of them that are chance.
    weight, rate : ndarray of float64, shape (n_weights,)
        Weights of groups, ascending, and the false-agreement rate: the expected share of chance
        among the groups of at least this weight.
    """

    picker_names: Tuple[str, ...]
    n_micrographs: int
    n_decoys: int
    n_picks: NDArray[np.int64]
    n_groups: int
    n_in_decoys: float
    n_chance: float
    excess: float
    deviation: float
    closer: float
    pairs: NDArray[np.int64]
    partners: NDArray[np.float64]
    chance_partners: NDArray[np.float64]
    weight: NDArray[np.float64]
    rate: NDArray[np.float64]

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Agreement):
            return NotImplemented
        pairs = (agreement_to_arrays(one) for one in (self, other))
        return all(np.array_equal(a, b) for a, b in zip(*(one.values() for one in pairs)))

    __hash__ = None  # type: ignore[assignment]

    @property
    def is_above_chance(self) -> Optional[bool]:
        """Whether the pickers agree more than by chance; None if the picks are too few to tell."""
        if max(self.excess / self.deviation, self.closer) >= SIGNIFICANT:
            return True
        at_most = self.excess + SIGNIFICANT * self.deviation
        return False if at_most < SMALL_SHARE * np.sort(self.n_picks)[-2] else None

    def rates(self, weight: NDArray[np.float64]) -> NDArray[np.float64]:
        """False-agreement rates of groups of some weights, shape (n,); NaN if none was found.

        All are 1 where the agreement is not above chance, whatever single weights suggest.
        """
        if self.is_above_chance is False:
            return np.ones(len(weight))
        return rate_at(weight, self.weight, self.rate)


def agreement_line(agreement: Agreement) -> str:
    """Agreement beyond chance as one line."""
    counts = _counts(agreement)
    if agreement.is_above_chance is None:
        return f"agreement beyond chance: not tested, too few picks ({counts})"
    if not agreement.is_above_chance:
        return f"agreement beyond chance: NONE ({counts})"
    true = 1 - agreement.n_chance / max(agreement.n_groups, 1)
    return f"agreement beyond chance: {true:.1%} of {counts}"


def agreement_warnings(
    agreement: Optional[Agreement], consequence: str = "what is selected are coincidences"
) -> List[str]:
    """That there is no agreement beyond chance; nothing if there is, or it was not tested."""
    if agreement is None or agreement.is_above_chance is not False:
        return []
    return [
        f"the pickers agree no more than by chance: {_counts(agreement)}; {consequence}. Check "
        "that the picks belong to these micrographs, and their coordinates"
    ]


def none_kept(agreement: Optional[Agreement]) -> str:
    """Why no particle is within any false-agreement rate below 1; nothing where some may be."""
    if agreement is None or agreement.is_above_chance is not False:
        return ""
    return "the pickers agree no more than by chance, so that all rates are 1"


def _counts(agreement: Agreement) -> str:
    return (
        f"{counted(agreement.n_groups, 'agreement')} on "
        f"{counted(agreement.n_micrographs, 'micrograph')}, against "
        f"{agreement.n_in_decoys:,.0f} in decoys"
    )


def agreement_to_arrays(agreement: Agreement) -> Dict[str, NDArray[Any]]:
    """Record as arrays of numbers and strings, which can be stored without pickle."""
    return {f"{PREFIX}{f.name}": np.asarray(getattr(agreement, f.name)) for f in fields(Agreement)}


def agreement_from_arrays(arrays: Mapping[str, NDArray[Any]]) -> Optional[Agreement]:
    """Record from the arrays of `agreement_to_arrays`; None if there is none among them."""
    if f"{PREFIX}rate" not in arrays:
        return None
    values: Dict[str, Any] = {f.name: arrays[f"{PREFIX}{f.name}"] for f in fields(Agreement)}
    for name, value in values.items():
        if value.ndim == 0:
            values[name] = value.item()
    values["picker_names"] = tuple(values["picker_names"].tolist())
    return Agreement(**values)
