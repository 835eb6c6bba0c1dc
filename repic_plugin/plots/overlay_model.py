"""The data of an overlay, independent of how it is drawn."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Dict, List, Optional, Sequence, Tuple, Union

import numpy as np
from numpy.typing import ArrayLike, NDArray

from repic_plugin.plots.colors import CONSENSUS_COLOR, REFERENCE_COLOR, picker_color
from repic_plugin.plots.overlay import LINEWIDTHS, ROLES, Layer

# Boxes that cover more than this fraction of their area are drawn smaller and thinner.
MAX_COVER, LEAST_SCALE, LEAST_LINEWIDTH = 0.3, 0.2, 0.8
FEW = 30  # boxes that cover nothing worth seeing


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
    """

    name: str
    micrograph: ArrayLike
    x: ArrayLike
    y: ArrayLike
    box_size_px: float
    role: str = "picker"
    score: Optional[ArrayLike] = None


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


class OverlayModel:
    """Boxes on micrographs, one micrograph at a time.

    Parameters
    ----------
    names : sequence of str
        Of the micrographs.
    files : sequence of str
        Theirs; one for each name.
    sets : sequence of BoxSet
        At most one of role ``consensus``; their names differ.
    details : ConsensusDetails, optional
        Of the consensus: makes the threshold work.

    Attributes
    ----------
    names, files : tuple of str
    sets : tuple of BoxSet
        With arrays for columns.
    place : int
        Index of the current micrograph.
    threshold : float
        Minimum weight, which is called `weight_name`, of the particles shown.
    scale : float
        Boxes are drawn at this fraction of their size, so that crowded micrographs remain visible;
        initially set for the most crowded one.

    Raises
    ------
    ValueError
        If there is no micrograph, or the arguments do not fit each other.
    """

    def __init__(
        self,
        names: Sequence[str],
        files: Sequence[str],
        sets: Sequence[BoxSet],
        details: Optional[ConsensusDetails] = None,
    ) -> None:
        if not names:
            raise ValueError("there is no micrograph to show; choose a set with micrographs")
        if len(files) != len(names):
            raise ValueError(f"files must be one for each of {len(names)} names, got {len(files)}")
        self.names, self.files = tuple(names), tuple(files)
        self.sets = tuple(_checked(one, len(names)) for one in sets)
        _check_names([one.name for one in self.sets])
        self.place = 0
        self.threshold = -np.inf
        self._visible = {one.name: True for one in self.sets}
        self._slices = {one.name: _Slices(one, len(names)) for one in self.sets}
        self._colors = _colors(self.sets)
        found = [one for one in self.sets if one.role == "consensus"]
        if len(found) > 1:
            raise ValueError(f"one set may be the consensus, got {len(found)}; call one a picker")
        self.consensus = found[0] if found else None
        self._set_details(details)
        self.scale = self.fitting_scale()

    def fitting_scale(self) -> float:
        """Scale, up to 1, at which the most crowded micrograph remains visible."""
        fullest = max((self._cover(one) for one in self.sets), default=0.0)
        return float(np.clip(np.sqrt(MAX_COVER / max(fullest, MAX_COVER)), LEAST_SCALE, 1.0))

    def _cover(self, one: BoxSet) -> float:
        """Area of a set's boxes over the area that they lie in, where that is largest."""
        counts = self._slices[one.name].counts()
        if not len(counts) or counts.max() < FEW:
            return 0.0
        rows = self._slices[one.name].rows(int(np.argmax(counts)))
        extents = [np.ptp(np.asarray(column)[rows]) + one.box_size_px for column in (one.x, one.y)]
        return float(len(rows) * one.box_size_px**2 / np.prod(extents))

    def _set_details(self, details: Optional[ConsensusDetails]) -> None:
        """Check and store the details of the particles."""
        self._details = details
        self.weight_name = "weight" if details is None else details.weight_name
        if details is None:
            return
        n = 0 if self.consensus is None else len(np.asarray(self.consensus.x))
        columns = (details.weight, details.overlap, details.score, details.members, details.pickers)
        for column in columns:
            if column is not None and len(np.asarray(column)) != n:
                raise ValueError(
                    f"details must have a row for each of the {n} particles of the consensus, got "
                    f"{len(np.asarray(column))}"
                )
        self._weight = np.asarray(details.weight, dtype=np.float64)
        self._sorted_weights = np.sort(self._weight)

    # ------------------------------------------------------------------ where

    @property
    def name(self) -> str:
        """Of the micrograph that is looked at."""
        return self.names[self.place]

    @property
    def file(self) -> str:
        """Of the micrograph that is looked at."""
        return self.files[self.place]

    def next(self) -> bool:
        """Go on by one micrograph; whether there was one."""
        return self._move(self.place + 1)

    def previous(self) -> bool:
        """Go back by one micrograph; whether there was one."""
        return self._move(self.place - 1)

    def go_to(self, micrograph: Union[int, str]) -> None:
        """Go to a micrograph by its index, from 0, or its name.

        Raises
        ------
        ValueError
            If there is none such.
        """
        if isinstance(micrograph, str):
            if micrograph not in self.names:
                raise ValueError(
                    f"no micrograph is named {micrograph}; names are as {self.names[0]}"
                )
            micrograph = self.names.index(micrograph)
        if not self._move(micrograph) and micrograph != self.place:
            raise ValueError(f"micrographs are 0 to {len(self.names) - 1}, got {micrograph}")

    def _move(self, place: int) -> bool:
        if not 0 <= place < len(self.names):
            return False
        self.place = int(place)
        return True

    # ------------------------------------------------------------------- what

    @property
    def weight_range(self) -> Optional[Tuple[float, float]]:
        """Least and largest weight; None where there are none."""
        if self._details is None or not len(self._weight):
            return None
        return float(self._sorted_weights[0]), float(self._sorted_weights[-1])

    def color(self, name: str) -> str:
        """Of a set, the same whatever else is shown."""
        return self._colors[name]

    def is_visible(self, name: str) -> bool:
        """Whether a set is switched on."""
        return self._visible[name]

    def toggle(self, name: str) -> bool:
        """Switch a set on or off; whether it is on now.

        Raises
        ------
        ValueError
            If there is no such set.
        """
        if name not in self._visible:
            raise ValueError(f"no layer is named {name}; they are {', '.join(self._visible)}")
        self._visible[name] = not self._visible[name]
        return self._visible[name]

    def set_threshold(self, weight: float) -> None:
        """Show only particles of at least this weight."""
        self.threshold = float(weight)

    def layers(self) -> List[Layer]:
        """The visible sets' boxes on this micrograph."""
        return [self.layer(one.name) for one in self.sets if self._visible[one.name]]

    def layer(self, name: str) -> Layer:
        """One set's boxes on this micrograph, switched on or not."""
        one = next(box_set for box_set in self.sets if box_set.name == name)
        rows = self._shown(one)
        centers = np.column_stack([np.asarray(one.x)[rows], np.asarray(one.y)[rows]])
        size_px = one.box_size_px * self.scale
        linewidth = self.linewidth(one.role)
        return Layer(name, centers, size_px, one.role, self._colors[name], linewidth)

    def linewidth(self, role: str) -> float:
        """Of the boxes of a role, points: thinner where boxes are shown smaller."""
        return max(LEAST_LINEWIDTH, LINEWIDTHS[role] * self.scale)

    def counts(self) -> Dict[str, int]:
        """How many boxes each set has on this micrograph, switched on or not."""
        return {one.name: len(self._shown(one)) for one in self.sets}

    def n_kept(self) -> Tuple[int, int]:
        """Particles of the consensus that reach the threshold: on this micrograph, and on all."""
        if self.consensus is None:
            return 0, 0
        here = len(self._shown(self.consensus))
        if self._details is None:
            return here, len(np.asarray(self.consensus.x))
        below = np.searchsorted(self._sorted_weights, self.threshold, side="left")
        return here, len(self._weight) - int(below)

    def n_all(self) -> Tuple[int, int]:
        """Particles of the consensus, whatever their weight: on this micrograph, and on all."""
        if self.consensus is None:
            return 0, 0
        here = self._slices[self.consensus.name].rows(self.place)
        return len(here), len(np.asarray(self.consensus.x))

    def _shown(self, one: BoxSet) -> NDArray[np.intp]:
        """Rows of a set that are on this micrograph and reach the threshold."""
        rows = self._slices[one.name].rows(self.place)
        if one is self.consensus and self._details is not None:
            return rows[self._weight[rows] >= self.threshold]
        return rows

    # ------------------------------------------------------------ one particle

    def at(self, x: float, y: float) -> Optional[int]:
        """The particle of the consensus whose box holds a point, the nearest where boxes overlap.

        Returns
        -------
        int or None
            Its row in the consensus set.
        """
        one = self.consensus
        if one is None or not self._visible[one.name]:
            return None
        rows = self._shown(one)
        dx, dy = np.asarray(one.x)[rows] - x, np.asarray(one.y)[rows] - y
        inside = np.maximum(abs(dx), abs(dy)) <= one.box_size_px / 2
        if not inside.any():
            return None
        return int(rows[np.argmin(np.where(inside, dx**2 + dy**2, np.inf))])

    def box(self, particle: int) -> Layer:
        """A particle of the consensus, by its row, as a layer of its own."""
        one = self._particles()
        center = np.array([[np.asarray(one.x)[particle], np.asarray(one.y)[particle]]])
        return Layer(one.name, center, one.box_size_px * self.scale, one.role)

    def describe(self, particle: int) -> List[str]:
        """Description of a particle of the consensus by row: position, scores and pickers."""
        one, details = self._particles(), self._details
        lines = [f"x {np.asarray(one.x)[particle]:.0f}, y {np.asarray(one.y)[particle]:.0f} px"]
        if details is None:
            return lines
        columns = (details.weight, details.overlap, details.score)
        for what, column in zip((self.weight_name, "overlap", "score"), columns):
            if column is not None and (what != "overlap" or np.asarray(column)[particle]):
                lines.append(f"{what} {np.asarray(column)[particle]:.3f}")  # 0 is no overlap
        if details.members is not None:
            return lines + self._members(np.asarray(details.members)[particle])
        if details.pickers is not None:
            lines.append(f"found by {details.pickers[particle]}")
        return lines

    def _members(self, members: NDArray[np.int64]) -> List[str]:
        """Description of each pick of a particle."""
        pickers = [one for one in self.sets if one.role == "picker"]
        return [_pick_in_words(one, int(row)) for one, row in zip(pickers, members)]

    def _particles(self) -> BoxSet:
        if self.consensus is None:
            raise ValueError("there is no consensus among the sets; add one of that role")
        return self.consensus


class _Slices:
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


def _pick_in_words(one: BoxSet, row: int) -> str:
    if row < 0:
        return f"{one.name}: not found"
    score = np.nan if one.score is None else float(np.asarray(one.score)[row])
    where = f"at {np.asarray(one.x)[row]:.0f}, {np.asarray(one.y)[row]:.0f}"
    return f"{one.name}: {'no score' if np.isnan(score) else f'score {score:.3f}'}, {where}"


def _checked(one: BoxSet, n_micrographs: int) -> BoxSet:
    micrograph = np.asarray(one.micrograph, dtype=np.int64)
    columns = [np.asarray(column, dtype=np.float64) for column in (one.x, one.y)]
    if one.score is not None:
        columns.append(np.asarray(one.score, dtype=np.float64))
    for column in (micrograph, *columns):
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
    x, y = columns[:2]
    return BoxSet(one.name, micrograph, x, y, float(one.box_size_px), one.role, score)


def _check_names(names: Sequence[str]) -> None:
    twice = [name for name in names if names.count(name) > 1]
    if twice:
        raise ValueError(f"names of layers must differ from each other, got {twice[0]} twice")


def _colors(sets: Sequence[BoxSet]) -> Dict[str, str]:
    """Colours of the pickers, by their order."""
    fixed = {"consensus": CONSENSUS_COLOR, "reference": REFERENCE_COLOR}
    pickers = [one.name for one in sets if one.role == "picker"]
    return {one.name: fixed.get(one.role) or picker_color(pickers.index(one.name)) for one in sets}
