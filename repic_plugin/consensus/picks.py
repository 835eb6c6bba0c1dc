"""Picks of a data set, as columns."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any, Dict, List, Mapping, Optional, Sequence, Tuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

MAX_UNNAMED = 10_000_000  # more than any data set has; a larger index is probably an id
MAX_COORDINATE_PX = 1e12  # larger than any micrograph; larger values indicate a damaged file


@dataclass(frozen=True)
class Picks:
    """Picks of several pickers on the micrographs of one data set.

    Built with `Picks.from_columns`, which checks its arguments; the constructor does not.

    Attributes
    ----------
    micrograph : ndarray of int64, shape (n_picks,)
        Index of each pick's micrograph in `micrograph_names`.
    picker : ndarray of int64, shape (n_picks,)
        Index of each pick's picker in `picker_names`.
    x, y : ndarray of float64, shape (n_picks,)
        Centre of the box in px of the micrograph, y along the array rows.
    score : ndarray of float64, shape (n_picks,)
        On the picker's own scale; ignored where `has_score` is False.
    has_score : ndarray of bool, shape (n_picks,)
        False where the picker gave no score.
    micrograph_names, picker_names : tuple of str
        All micrographs and pickers, including those without picks.
    """

    micrograph: NDArray[np.int64]
    picker: NDArray[np.int64]
    x: NDArray[np.float64]
    y: NDArray[np.float64]
    score: NDArray[np.float64]
    has_score: NDArray[np.bool_]
    micrograph_names: Tuple[str, ...]
    picker_names: Tuple[str, ...]

    def __len__(self) -> int:
        return len(self.x)

    @property
    def n_micrographs(self) -> int:
        """Number of micrographs, including those without picks."""
        return len(self.micrograph_names)

    @property
    def n_pickers(self) -> int:
        """Number of pickers."""
        return len(self.picker_names)

    @property
    def centers(self) -> NDArray[np.float64]:
        """Centres x, y in px, shape (n_picks, 2)."""
        return np.column_stack([self.x, self.y])

    def rows_by_group(self) -> List[List[NDArray[np.int64]]]:
        """Indices of the picks of each picker (outer list) on each micrograph (inner lists)."""
        n = self.n_micrographs
        group = self.picker * n + self.micrograph
        order = np.argsort(group, kind="stable")
        parts = np.split(order, np.searchsorted(group[order], np.arange(1, self.n_pickers * n)))
        return [parts[i * n : (i + 1) * n] for i in range(self.n_pickers)]

    def take(self, index: ArrayLike) -> Picks:
        """Picks at `index` (integers, a mask or a slice), with the same names."""
        columns = {f.name: getattr(self, f.name) for f in fields(self)}
        for name in ("micrograph", "picker", "x", "y", "score", "has_score"):
            columns[name] = columns[name][index]
        return Picks(**columns)

    def on_micrographs(self, micrographs: ArrayLike) -> Picks:
        """Picks on some of the micrographs, with only these named.

        Parameters
        ----------
        micrographs : array_like of int, shape (n,)
            Indices in `micrograph_names`, in the order of the result.

        Returns
        -------
        Picks
            In their original order.

        Raises
        ------
        ValueError
            If a micrograph is repeated.
        """
        chosen = np.asarray(micrographs, dtype=np.int64)
        place = np.full(self.n_micrographs, -1)
        place[chosen] = np.arange(len(chosen))
        return self.placed(place, [self.micrograph_names[m] for m in chosen.tolist()])

    def placed(self, place: NDArray[np.int64], micrograph_names: Sequence[str]) -> Picks:
        """Picks assigned to other micrographs, such as those of another set.

        Parameters
        ----------
        place : ndarray of int64, shape (n_micrographs,)
            New index in `micrograph_names` of each micrograph; -1 drops its picks.
        micrograph_names : sequence of str

        Raises
        ------
        ValueError
            If a name is repeated, or an index has no name.
        """
        kept = self.take(place[self.micrograph] >= 0)
        micrograph = place[kept.micrograph]
        names = _names("micrograph", "mic", micrograph, micrograph_names)
        return replace(kept, micrograph=micrograph, micrograph_names=names)

    @classmethod
    def from_columns(
        cls,
        micrograph: ArrayLike,
        picker: ArrayLike,
        x: ArrayLike,
        y: ArrayLike,
        score: Optional[ArrayLike] = None,
        *,
        has_score: Optional[ArrayLike] = None,
        micrograph_names: Optional[Sequence[str]] = None,
        picker_names: Optional[Sequence[str]] = None,
    ) -> Picks:
        """Picks from columns, which are checked.

        Parameters
        ----------
        micrograph, picker : array_like of int, shape (n_picks,)
            Indices, from 0.
        x, y : array_like of float, shape (n_picks,)
            Box centres, px.
        score : array_like of float, shape (n_picks,), optional
            On each picker's own scale; by default no pick has a score.
        has_score : array_like of bool, shape (n_picks,), optional
            Where `score` holds a score; everywhere by default.
        micrograph_names, picker_names : sequence of str, optional
            By default ``mic0, mic1, ...`` and ``picker0, picker1, ...`` up to the largest index.

        Raises
        ------
        ValueError
            If lengths differ, a number is not finite, an index has no name, or a name is repeated.
        """
        mic = _indices("micrograph", micrograph)
        who = _indices("picker", picker)
        n = len(mic)
        scored = np.full(n, score is not None) if has_score is None else np.asarray(has_score, bool)
        values = np.zeros(n) if score is None else np.asarray(score, dtype=np.float64)
        names = (
            _names("micrograph", "mic", mic, micrograph_names),
            _names("picker", "picker", who, picker_names),
        )
        # contiguous, since compiled code would be compiled again for strided columns
        columns = {
            "x": np.ascontiguousarray(x, np.float64),
            "y": np.ascontiguousarray(y, np.float64),
        }
        columns["score"] = values
        for name, column in {"picker": who, "has_score": scored, **columns}.items():
            if column.shape != (n,):
                raise ValueError(
                    f"{name} must have one value for each of the {n} picks, "
                    f"got shape {column.shape}"
                )
        columns["score"] = np.where(scored, values, 0.0)
        for name, column in columns.items():
            _check_finite(name, column, mic, who, names)
        return cls(mic, who, columns["x"], columns["y"], columns["score"], scored, *names)


def numbers_for_each_picker(
    name: str, value: Any, picker_names: Sequence[str], default: Optional[float] = None
) -> List[Optional[float]]:
    """One number or None for each picker; otherwise as `for_each_picker`.

    Raises
    ------
    ValueError
        Also if an entry is neither.
    """
    numbers: List[Optional[float]] = []
    for picker, entry in zip(picker_names, for_each_picker(name, value, picker_names, default)):
        try:
            numbers.append(None if entry is None else float(entry))
        except (TypeError, ValueError):
            raise ValueError(f"{name} of picker {picker} must be a number, got {entry!r}") from None
    return numbers


def for_each_picker(
    name: str, value: Any, picker_names: Sequence[str], default: Any = None
) -> List[Any]:
    """One value for each picker, from one for all, a sequence, or a mapping by picker name.

    Parameters
    ----------
    name : str
        Name of the argument, for the message.
    value : object
        A number, a string or None holds for all pickers.
    picker_names : sequence of str
    default : object, optional
        For the pickers that a mapping leaves out.

    Returns
    -------
    list, length n_pickers

    Raises
    ------
    ValueError
        If a mapping names an unknown picker, or a sequence has another length.
    """
    if isinstance(value, Mapping):
        unknown = sorted(set(value) - set(picker_names))
        if unknown:
            raise ValueError(
                f"{name} names picker {unknown[0]}, but the pickers are {', '.join(picker_names)}"
            )
        return [value.get(picker, default) for picker in picker_names]
    if value is None or isinstance(value, str) or np.ndim(value) == 0:
        return [value] * len(picker_names)
    if len(value) != len(picker_names):
        raise ValueError(
            f"{name} must be one value or one for each of the {len(picker_names)} pickers, "
            f"got {len(value)}"
        )
    return list(value)


def picks_to_arrays(picks: Picks) -> Dict[str, NDArray[Any]]:
    """Picks as arrays of numbers and strings, which can be stored without pickle.

    Returns
    -------
    dict of str to ndarray
        By attribute of `Picks`.
    """
    return {f.name: np.asarray(getattr(picks, f.name)) for f in fields(Picks)}


def picks_from_arrays(arrays: Mapping[str, NDArray[Any]]) -> Picks:
    """Picks from the arrays of `picks_to_arrays`; other arrays are ignored.

    Raises
    ------
    KeyError
        If an array is missing.
    """
    columns: Dict[str, Any] = {f.name: arrays[f.name] for f in fields(Picks)}
    for name in ("micrograph_names", "picker_names"):
        columns[name] = tuple(columns[name].tolist())
    return Picks(**columns)


def _indices(name: str, values: ArrayLike) -> NDArray[np.int64]:
    array = np.asarray(values)
    if array.ndim != 1:
        raise ValueError(f"{name} must be one-dimensional, got shape {array.shape}")
    if array.size and array.dtype.kind not in "iu":
        raise ValueError(f"{name} must hold integer indices, got dtype {array.dtype}")
    if array.size and array.min() < 0:
        raise ValueError(f"{name} indices start at 0, got {array.min()}")
    return np.ascontiguousarray(array, dtype=np.int64)


def _names(
    what: str, stem: str, index: NDArray[np.int64], names: Optional[Sequence[str]]
) -> Tuple[str, ...]:
    needed = int(index.max()) + 1 if len(index) else 0
    if names is None:
        if needed > MAX_UNNAMED:
            raise ValueError(
                f"{what} indices must be below {MAX_UNNAMED:,} where {what}_names are not given, "
                f"got {needed - 1}; number them from 0"
            )
        return tuple(f"{stem}{i}" for i in range(needed))
    if len(names) < needed:
        raise ValueError(
            f"{what} index {needed - 1} has no name: {what}_names has {len(names)} entries"
        )
    if len(set(names)) < len(names):
        raise ValueError(f"{what}_names must differ from each other, got {list(names)}")
    return tuple(names)


def _check_finite(
    name: str,
    column: NDArray[np.float64],
    micrograph: NDArray[np.int64],
    picker: NDArray[np.int64],
    names: Tuple[Tuple[str, ...], Tuple[str, ...]],
) -> None:
    is_bad = ~np.isfinite(column)
    rule = "be finite"
    if name != "score" and not is_bad.any():
        is_bad = np.abs(column) > MAX_COORDINATE_PX
        rule = f"lie within {MAX_COORDINATE_PX:g} px of the origin"
    bad = np.flatnonzero(is_bad)
    if len(bad):
        first = bad[0]
        raise ValueError(
            f"{name} must {rule}, got {column[first]} at pick {first} (picker "
            f"{names[1][picker[first]]}, micrograph {names[0][micrograph[first]]}); "
            f"remove such picks"
        )
