"""Conversion between sets of coordinates and picks, and of micrographs to tables."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any, Dict, List, NamedTuple, Optional, Sequence, Tuple, Union

import numpy as np
from numpy.typing import NDArray
from pwem.objects import Coordinate, SetOfCoordinates, SetOfMicrographs
from pyworkflow.object import Float, Integer, String

from repic_plugin import constants
from repic_plugin.consensus import ConsensusResult, Picks
from repic_plugin.convert.rates import takes_rates
from repic_plugin.convert.sets import item_labels, read_item_columns
from repic_plugin.formats import distinct_names, match_names, micrograph_name


@dataclass(frozen=True)
class PickerInput:
    """One picker's set.

    Attributes
    ----------
    name : str
    coordinates : SetOfCoordinates
    score_attribute : str or None
        Attribute of the coordinates that holds the score; None if there is none.
    """

    name: str
    coordinates: SetOfCoordinates
    score_attribute: Optional[str]


@dataclass(frozen=True)
class MicrographTable:
    """The micrographs of a set.

    Attributes
    ----------
    file_name : str
        File of the set, which identifies it.
    ids : tuple of int
    names : tuple of str
    pixel_size_angstrom : float
    files : tuple of str
        Files of the images with links resolved; may be empty.
    """

    file_name: str
    ids: Tuple[int, ...]
    names: Tuple[str, ...]
    pixel_size_angstrom: float
    files: Tuple[str, ...] = ()

    @property
    def known_as(self) -> List[Tuple[str, ...]]:
        """Name and file of each micrograph, for `match_names`."""
        return [*zip(self.names, self.files)] if self.files else [*zip(self.names)]

    @property
    def labels(self) -> List[str]:
        """Unique names of the micrographs, for tables and figures."""
        is_unique = len({micrograph_name(one) for one in self.names}) == len(self.names)
        return distinct_names(self.names if is_unique or not self.files else self.files)


class ParticleClasses(NamedTuple):
    """2D classes of the particles of a consensus with images.

    Attributes
    ----------
    label : ndarray of int64, shape (n_particles,)
        -1 without an image.
    score : ndarray of float64, shape (n_classes,)
        NaN in classes of another program.
    """

    label: NDArray[np.int64]
    score: NDArray[np.float64]


def read_micrographs(micrographs: SetOfMicrographs) -> MicrographTable:
    """The micrographs of a set, in its order."""
    rows = read_item_columns(micrographs.getFileName(), ["id", "_micName", "_filename"])
    return MicrographTable(
        file_name=os.path.realpath(micrographs.getFileName()),
        ids=tuple(int(row[0]) for row in rows),
        names=tuple(str(row[1]) for row in rows),
        pixel_size_angstrom=float(micrographs.getSamplingRate()),
        files=tuple(os.path.realpath(row[2]) for row in rows),
    )


def find_score_attribute(coordinates: SetOfCoordinates, asked: str = "") -> Optional[str]:
    """The attribute that holds the picker's score.

    Parameters
    ----------
    coordinates : SetOfCoordinates
    asked : str
        The user's choice; by default the first attribute of a known picking protocol.

    Returns
    -------
    str or None
        None if the user made no choice and there is no known attribute.

    Raises
    ------
    ValueError
        If the coordinates lack the chosen attribute.
    """
    present = item_labels(coordinates.getFileName())
    if asked:
        if present and asked not in present:
            raise ValueError(
                f"score_attributes: coordinates {coordinates.getFileName()} have no attribute "
                f"{asked}; they have {', '.join(sorted(present))}"
            )
        return asked
    return next((name for name in constants.SCORE_ATTRIBUTES if name in present), None)


def match_micrographs(
    inputs: Sequence[PickerInput], reference: Optional[MicrographTable] = None
) -> Tuple[MicrographTable, List[Tuple[Dict[int, int], float]]]:
    """Matches between the micrographs of several sets.

    Parameters
    ----------
    inputs : sequence of PickerInput
    reference : MicrographTable, optional
        The micrographs to match with; by default those of the first set.

    Returns
    -------
    reference : MicrographTable
    matched : list of (dict of int to int, float), length n_pickers
        From the micrograph ids of each set to indices in the reference, and the factor from its
        px to those of the reference.

    Raises
    ------
    ValueError
        If a set has no micrograph in common with the reference, or a name is ambiguous.
    """
    tables = [read_micrographs(one.coordinates.getMicrographs()) for one in inputs]
    first = tables[0] if reference is None else reference
    matched = [
        (_matched(first, table, one.name), table.pixel_size_angstrom / first.pixel_size_angstrom)
        for one, table in zip(inputs, tables)
    ]
    return first, matched


def read_picks(
    inputs: Sequence[PickerInput], micrographs: Optional[MicrographTable] = None
) -> Tuple[Picks, NDArray[np.int64], List[int]]:
    """The picks of several sets, in px of the first set's micrographs or of others.

    Micrographs are matched by id if the sets share their set of micrographs, else by
    `match_names`. Coordinates of sets at another pixel size are rescaled.

    Parameters
    ----------
    inputs : sequence of PickerInput
    micrographs : MicrographTable, optional
        By default those of the first set.

    Returns
    -------
    picks : Picks
        Indexed by all micrographs of the table, in its order.
    ids : ndarray of int64, shape (n_picks,)
        Id of each pick in its own set.
    left_out : list of int, length n_pickers
        Number of picks of each set on micrographs that the table lacks.

    Raises
    ------
    ValueError
        If two sets have no micrograph in common, or a name is ambiguous.
    """
    reference, matched = match_micrographs(inputs, micrographs)
    columns, left_out = [], []
    for picker, (one, (place_of, scale)) in enumerate(zip(inputs, matched)):
        ids, micrograph_ids, x, y, score = _read_coordinates(one)
        micrograph = _looked_up(place_of, micrograph_ids)
        known = micrograph >= 0
        left_out.append(int((~known).sum()))
        who = np.full(len(ids), picker)
        columns.append([c[known] for c in (micrograph, who, x * scale, y * scale, score, ids)])
    micrograph, who, x, y, score, ids = (np.concatenate(column) for column in zip(*columns))
    picks = Picks.from_columns(
        micrograph,
        who,
        x,
        y,
        np.nan_to_num(score),
        has_score=~np.isnan(score),
        micrograph_names=reference.labels,
        picker_names=[one.name for one in inputs],
    )
    return picks, ids, left_out


def append_particles(
    coordinates: SetOfCoordinates,
    result: ConsensusResult,
    table: MicrographTable,
    classes: Optional[ParticleClasses] = None,
) -> None:
    """Append the particles of a consensus with weight, overlap, score, pickers and rate.

    Parameters
    ----------
    coordinates : SetOfCoordinates
    result : ConsensusResult
    table : MicrographTable
        Micrographs by which the picks were indexed.
    classes : ParticleClasses, optional
        Of a consensus with images: each particle has its class, too.
    """
    item = _new_item(constants.WEIGHT, constants.OVERLAP, constants.SCORE)
    setattr(item, constants.N_PICKERS, Integer())
    setattr(item, constants.PICKERS, String())
    if classes is not None:
        setattr(item, constants.IMAGE_CLASS, Integer())
        setattr(item, constants.IMAGE_CLASS_SCORE, Float())
    has_rate = takes_rates(coordinates)
    if has_rate:
        setattr(item, constants.FALSE_AGREEMENT, Float())
    measured = result.false_agreement
    rates = np.full(len(result), np.nan) if measured is None else measured
    found_by = result.members >= 0
    patterns, which = np.unique(found_by, axis=0, return_inverse=True)
    who = [
        ", ".join(name for name, found in zip(result.picker_names, row) if found)
        for row in patterns
    ]
    values = (result.weight, result.overlap, result.score, found_by.sum(axis=1), which.ravel())
    rows = zip(*(column.tolist() for column in (result.micrograph, result.x, result.y, *values)))
    for place, (micrograph, x, y, weight, overlap, score, n_pickers, pattern) in enumerate(rows):
        _place(item, table, micrograph, x, y)
        getattr(item, constants.WEIGHT).set(weight)
        getattr(item, constants.OVERLAP).set(overlap)
        getattr(item, constants.SCORE).set(score)
        getattr(item, constants.N_PICKERS).set(n_pickers)
        getattr(item, constants.PICKERS).set(who[pattern])
        if classes is not None:
            label = int(classes.label[place])
            of_class = float(classes.score[label]) if label >= 0 else np.nan
            getattr(item, constants.IMAGE_CLASS).set(label)
            getattr(item, constants.IMAGE_CLASS_SCORE).set(_known(of_class))
        if has_rate:
            getattr(item, constants.FALSE_AGREEMENT).set(_known(float(rates[place])))
        coordinates.append(item)


def append_picks(
    coordinates: SetOfCoordinates,
    picks: Picks,
    table: MicrographTable,
    score_attribute: str = constants.PICK_SCORE,
) -> None:
    """Append picks, each with its picker and its score on the picker's own scale.

    Parameters
    ----------
    coordinates : SetOfCoordinates
    picks : Picks
    table : MicrographTable
        Micrographs by which the picks are indexed.
    score_attribute : str
        Attribute that holds the score.
    """
    item = _new_item(score_attribute)
    setattr(item, constants.PICKERS, String())
    score = np.where(picks.has_score, picks.score, None)
    columns = (picks.micrograph, picks.picker, picks.x, picks.y, score)
    for micrograph, picker, x, y, value in zip(*(column.tolist() for column in columns)):
        _place(item, table, micrograph, x, y)
        getattr(item, score_attribute).set(value)
        getattr(item, constants.PICKERS).set(picks.picker_names[picker])
        coordinates.append(item)


def _known(value: float) -> Optional[float]:
    """None for NaN, as Scipion stores what is missing."""
    return None if np.isnan(value) else value


def _new_item(*float_attributes: str) -> Coordinate:
    """Object to be appended repeatedly; the first append fixes the columns."""
    item = Coordinate()
    for name in float_attributes:
        setattr(item, name, Float())
    return item


def _place(item: Coordinate, table: MicrographTable, micrograph: int, x: float, y: float) -> None:
    item.setObjId(None)
    item.setMicId(table.ids[micrograph])
    item.setMicName(table.names[micrograph])
    item.setPosition(int(np.floor(x + 0.5)), int(np.floor(y + 0.5)))  # Scipion keeps integers


def _matched(reference: MicrographTable, table: MicrographTable, name: str) -> Dict[int, int]:
    """Indices in the reference by the ids of a set of micrographs."""
    if table.file_name == reference.file_name:
        return {mic_id: place for place, mic_id in enumerate(reference.ids)}
    places = find_micrographs(table.known_as, reference, name)
    return {mic_id: place for mic_id, place in zip(table.ids, places.tolist()) if place >= 0}


def find_micrographs(
    names: Sequence[Union[str, Sequence[str]]], table: MicrographTable, whose: str
) -> NDArray[np.int64]:
    """Index of each micrograph in a table, by `match_names`; -1 if it is missing.

    Parameters
    ----------
    names : sequence of str, or of sequence of str
    table : MicrographTable
    whose : str
        Origin of the names, for messages.

    Raises
    ------
    ValueError
        If there is none in common, or a name is ambiguous.
    """
    try:
        places = match_names(names, table.known_as).place
    except ValueError as error:
        raise ValueError(f"{whose}: {error}") from None
    if not (places >= 0).any():
        one = names[0] if len(names) else "none"
        raise ValueError(
            f"{whose} has no micrograph in common with the others: its names are like "
            f"{one if isinstance(one, str) else one[0]}, theirs like {(*table.names, 'none')[0]}; "
            "choose the micrographs that were picked, or rename one of the two"
        )
    return places


def _looked_up(place_of: Dict[int, int], ids: NDArray[np.int64]) -> NDArray[np.int64]:
    """Index of each id, -1 if it is missing."""
    unique, inverse = np.unique(ids, return_inverse=True)
    places = np.array([place_of.get(mic_id, -1) for mic_id in unique.tolist()], dtype=np.int64)
    return places[inverse] if len(places) else np.zeros(0, dtype=np.int64)


def _read_coordinates(one: PickerInput) -> Tuple[NDArray[Any], ...]:
    """Id, micrograph id, x, y and score (NaN where missing) of every coordinate of a set."""
    labels = ["id", "_micId", "_x", "_y"]
    if one.score_attribute is not None:
        labels.append(one.score_attribute)
    rows = read_item_columns(one.coordinates.getFileName(), labels)
    values = np.array(rows, dtype=np.float64).reshape(len(rows), len(labels))
    score = values[:, 4] if len(labels) > 4 else np.full(len(rows), np.nan)
    if np.isinf(score).any() or np.isnan(values[:, 1:4]).any():
        raise ValueError(
            f"coordinates of {one.name} have a position or score that is not finite; "
            f"remove it from {one.coordinates.getFileName()}"
        )
    return values[:, 0].astype(np.int64), values[:, 1].astype(np.int64), *values[:, 2:4].T, score
