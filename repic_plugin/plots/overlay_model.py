"""The data of an overlay, independent of how it is drawn."""

from __future__ import annotations

from typing import Dict, List, Optional, Sequence, Tuple, Union

import numpy as np
from numpy.typing import NDArray

from repic_plugin.plots.box_selection import BoxSelection
from repic_plugin.plots.colors import CONSENSUS_COLOR, REFERENCE_COLOR, picker_color
from repic_plugin.plots.overlay import LINEWIDTHS, Layer
from repic_plugin.plots.overlay_patterns import FoundBy, found_by
from repic_plugin.plots.overlay_sets import (
    SCORE,
    BoxSet,
    ConsensusDetails,
    MicrographRows,
    checked_set,
)
from repic_plugin.plots.overlay_words import box_in_words, members_in_words

# Boxes that cover more than this fraction of their area are drawn smaller and thinner.
MAX_COVER, LEAST_SCALE, LEAST_LINEWIDTH = 0.3, 0.2, 0.8
FEW = 30  # boxes that cover nothing worth seeing


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
        Of the consensus.
    pixel_size_angstrom : float
        0 where it is unknown.

    Attributes
    ----------
    names, files : tuple of str
    sets : tuple of BoxSet
        With arrays for columns.
    place : int
        Index of the current micrograph.
    selection : BoxSelection
        Which boxes are shown; at first the consensus is the active set.
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
        pixel_size_angstrom: float = 0.0,
    ) -> None:
        if not names:
            raise ValueError("there is no micrograph to show; choose a set with micrographs")
        if len(files) != len(names):
            raise ValueError(f"files must be one for each of {len(names)} names, got {len(files)}")
        self.names, self.files = tuple(names), tuple(files)
        self.sets = tuple(checked_set(one, len(names)) for one in sets)
        _check_names([one.name for one in self.sets])
        self.pixel_size_angstrom = pixel_size_angstrom
        self.place = 0
        self._visible = {one.name: True for one in self.sets}
        self._slices = {one.name: MicrographRows(one, len(names)) for one in self.sets}
        self._colors = _colors(self.sets)
        found = [one for one in self.sets if one.role == "consensus"]
        if len(found) > 1:
            raise ValueError(f"one set may be the consensus, got {len(found)}; call one a picker")
        self.consensus = found[0] if found else None
        self._set_details(details)
        self._pickers: Dict[str, FoundBy] = {}  # by the name of the set, once needed
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
        """Check and store the details of the particles, and all numbers of the boxes."""
        self._details = details
        numbers = {one.name: one.known_numbers() for one in self.sets}
        agreed = None if self.consensus is None else self.consensus.name
        if details is not None and self.consensus is not None:
            self._check_details(details, len(np.asarray(self.consensus.x)))
            own = details.numbers()
            more = {k: v for k, v in numbers[self.consensus.name].items() if k not in (*own, SCORE)}
            numbers[self.consensus.name] = {**own, **more}
        self.selection = BoxSelection(numbers, agreed)

    @staticmethod
    def _check_details(details: ConsensusDetails, n: int) -> None:
        for column in (*details.numbers().values(), details.members, details.pickers):
            if column is not None and len(np.asarray(column)) != n:
                raise ValueError(
                    f"details must have a row for each of the {n} particles of the consensus, got "
                    f"{len(np.asarray(column))}"
                )

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
    def box_size_px(self) -> float:
        """Of the consensus, else of the first set; 0 where there is none."""
        first = self.consensus or next(iter(self.sets), None)
        return 0.0 if first is None else first.box_size_px

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

    def layers(self) -> List[Layer]:
        """The visible sets' boxes on this micrograph."""
        return [self.layer(one.name) for one in self.sets if self._visible[one.name]]

    def layer(self, name: str) -> Layer:
        """One set's boxes on this micrograph, switched on or not."""
        one = self._set(name)
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

    def kept(self, name: str) -> NDArray[np.intp]:
        """Rows of a set that are not hidden by its minimum, on all micrographs."""
        return self.selection.passing(name, np.arange(len(np.asarray(self._set(name).x))))

    def replace(self, one: BoxSet) -> None:
        """Replace a set by one of the same name, such as after a pick was added."""
        places = [other.name for other in self.sets]
        checked = checked_set(one, len(self.names))
        before = self._set(one.name)
        if before is self.consensus:
            self.consensus = checked
        sets = list(self.sets)
        sets[places.index(one.name)] = checked
        self.sets = tuple(sets)
        self._slices[one.name] = MicrographRows(checked, len(self.names))
        self._pickers.clear()

    def show_pattern(self, text: str) -> None:
        """Show only boxes of the active set that some pickers found, and others did not.

        Parameters
        ----------
        text : str
            Such as ``topaz, not cryolo``; empty for all boxes.

        Raises
        ------
        ValueError
            If a name is unknown, or it is not one pattern.
        """
        name = self.selection.active
        if name is None:
            return
        if not text.strip():
            self.selection.restrict(name, None)
            return
        mask, pattern = self._found_by(name).rows(text)
        self.selection.restrict(name, mask, pattern.sentence)

    def picker_names(self) -> Tuple[str, ...]:
        """Names that patterns of the active set may have."""
        return () if self.selection.active is None else self._found_by(self.selection.active).names

    def _found_by(self, name: str) -> FoundBy:
        if name not in self._pickers:
            one = self._set(name)
            details = self._details if one is self.consensus else None
            self._pickers[name] = found_by(one, self.sets, details, len(self.names))
        return self._pickers[name]

    def n_kept(self) -> Tuple[int, int]:
        """Boxes of the active set that are not hidden: on this micrograph, and on all."""
        name = self.selection.active
        return (0, 0) if name is None else (len(self._shown(self._set(name))), len(self.kept(name)))

    def n_all(self) -> Tuple[int, int]:
        """Boxes of the active set, hidden or not: on this micrograph, and on all."""
        name = self.selection.active
        if name is None:
            return 0, 0
        return len(self._slices[name].rows(self.place)), len(np.asarray(self._set(name).x))

    def _shown(self, one: BoxSet) -> NDArray[np.intp]:
        """Rows of a set that are on this micrograph and are not hidden."""
        return self.selection.passing(one.name, self._slices[one.name].rows(self.place))

    def _set(self, name: str) -> BoxSet:
        for one in self.sets:
            if one.name == name:
                return one
        raise ValueError(f"no layer is named {name}; they are {', '.join(self._visible)}")

    # ----------------------------------------------------------------- one box

    def hit(self, x: float, y: float) -> Optional[Tuple[str, int]]:
        """The visible box that holds a point: name of its set, and row.

        The consensus comes first, then the active set, then the others in their order.
        """
        names = [one.name for one in self.sets]
        first = [
            one for one in (self.consensus and self.consensus.name, self.selection.active) if one
        ]
        for name in dict.fromkeys([*first, *names]):
            row = self.at(x, y, name)
            if row is not None:
                return name, row
        return None

    def at(self, x: float, y: float, name: Optional[str] = None) -> Optional[int]:
        """The box of a set that holds a point, the nearest where boxes overlap.

        Parameters
        ----------
        x, y : float
            Px.
        name : str, optional
            Of the set, by default the consensus.

        Returns
        -------
        int or None
            Its row in the set.
        """
        one = self.consensus if name is None else self._set(name)
        if one is None or not self._visible[one.name]:
            return None
        rows = self._shown(one)
        dx, dy = np.asarray(one.x)[rows] - x, np.asarray(one.y)[rows] - y
        inside = np.maximum(abs(dx), abs(dy)) <= one.box_size_px / 2
        if not inside.any():
            return None
        return int(rows[np.argmin(np.where(inside, dx**2 + dy**2, np.inf))])

    def box(self, row: int, name: Optional[str] = None) -> Layer:
        """A box of a set, by default of the consensus, as a layer of its own."""
        one = self._particles() if name is None else self._set(name)
        center = np.array([[np.asarray(one.x)[row], np.asarray(one.y)[row]]])
        return Layer(one.name, center, one.box_size_px * self.scale, one.role)

    def describe(self, row: int, name: Optional[str] = None) -> List[str]:
        """Description of a box of a set, by default of the consensus: position, numbers, pickers.

        For others than the consensus the name of the set comes first.
        """
        one = self._particles() if name is None else self._set(name)
        numbers = self.selection.numbers(one.name)
        if one is not self.consensus:
            return [one.name, *box_in_words(one, row, numbers)]
        lines, details = box_in_words(one, row, numbers), self._details
        if details is not None and details.members is not None:
            pickers = [other for other in self.sets if other.role == "picker"]
            return lines + members_in_words(pickers, np.asarray(details.members)[row])
        if details is not None and details.pickers is not None:
            lines.append(f"found by {details.pickers[row]}")
        return lines

    def _particles(self) -> BoxSet:
        if self.consensus is None:
            raise ValueError("there is no consensus among the sets; add one of that role")
        return self.consensus


def _check_names(names: Sequence[str]) -> None:
    twice = [name for name in names if names.count(name) > 1]
    if twice:
        raise ValueError(f"names of layers must differ from each other, got {twice[0]} twice")


def _colors(sets: Sequence[BoxSet]) -> Dict[str, str]:
    """Colours of the pickers, by their order."""
    fixed = {"consensus": CONSENSUS_COLOR, "reference": REFERENCE_COLOR}
    pickers = [one.name for one in sets if one.role == "picker"]
    return {one.name: fixed.get(one.role) or picker_color(pickers.index(one.name)) for one in sets}
