"""Scipion's sets of coordinates as overlay models."""

from __future__ import annotations

from typing import Dict, List, Optional, Sequence, Tuple

import numpy as np
from numpy.typing import NDArray
from pwem.objects import SetOfCoordinates
from pwem.protocols import ProtParticlePicking

from repic_plugin import constants
from repic_plugin.consensus import Picks
from repic_plugin.convert import (
    PickerInput,
    find_score_attribute,
    has_probabilities,
    item_labels,
    micrograph_files,
    numeric_labels,
    read_item_columns,
    read_picks,
)
from repic_plugin.formats import FormatError, read_consensus_tables
from repic_plugin.plots import BoxSet, ConsensusDetails, OverlayModel

CONSENSUS, REFERENCE = "consensus", "reference"
# For sets without a box size, so that their boxes are visible.
DEFAULT_BOX_PX = 100
# Numbers that every coordinate has, or that are shown in another way.
NOT_SHOWN = ("_micId", "_x", "_y", "_groupId", constants.WEIGHT, constants.OVERLAP, constants.SCORE)
# Attributes by the names under which they are shown; others by their own.
SHOWN_AS = {
    constants.N_PICKERS: "number of pickers",
    constants.IMAGE_CLASS: "2D class",
    constants.IMAGE_CLASS_SCORE: "score of the 2D class",
    constants.FALSE_AGREEMENT: "false-agreement rate",
    constants.CORRELATION: "correlation",
    constants.PICK_SCORE: "score of the pick",
}

NamedSet = Tuple[str, SetOfCoordinates]


def of_coordinates(
    sets: Sequence[NamedSet], reference: Optional[SetOfCoordinates] = None
) -> OverlayModel:
    """Overlay of sets of coordinates on the micrographs of the first set, in its px.

    The first consensus among them is shown as one, with its weights.

    Parameters
    ----------
    sets : sequence of (str, SetOfCoordinates)
        With their names.
    reference : SetOfCoordinates, optional
        The ground truth.

    Raises
    ------
    ValueError
        If the micrographs of a set are unknown, or none is shared with the first set.
    """
    sets = [*sets, *([] if reference is None else [(REFERENCE, reference)])]
    inputs = [PickerInput(name, one, find_score_attribute(one)) for name, one in sets]
    picks, ids = _read(inputs)
    is_weighted = [constants.WEIGHT in item_labels(one.getFileName()) for _, one in sets]
    agreed = is_weighted.index(True) if any(is_weighted) else -1
    boxes, details = [], None
    for place, (name, one) in enumerate(sets):
        size_px = _box_size(one, sets[0][1])
        role = CONSENSUS if place == agreed else REFERENCE if one is reference else "picker"
        label = name if size_px else f"{name} (unknown box size)"
        boxes.append(
            _box_set(picks, ids, place, label, size_px or DEFAULT_BOX_PX, role, inputs[place])
        )
        if place == agreed:
            details = _details(one, ids[picks.picker == place])
    files, pixel_size = _files(sets[0][1]), _pixel_size(sets[0][1])
    return OverlayModel(picks.micrograph_names, files, boxes, details, pixel_size)


def of_pickers(protocol: ProtParticlePicking) -> Tuple[OverlayModel, Picks]:
    """The inputs of a consensus protocol, as an overlay and as picks.

    Raises
    ------
    ValueError
        If an input is missing, or a value in the form is wrong.
    """
    names, files, boxes, picks, _ = _pickers(protocol)
    pixel_size = _pixel_size(protocol.inputCoordinates[0].get())
    return OverlayModel(names, files, boxes, pixel_size_angstrom=pixel_size), picks


def of_consensus(protocol: ProtParticlePicking) -> OverlayModel:
    """Overlay of the result of a consensus protocol and of its input picks.

    Particles are linked to their picks as long as the inputs are those of the run.

    Raises
    ------
    ValueError
        If the protocol has no result, or its sets cannot be read.
    """
    output = getattr(protocol, "outputCoordinates", None)
    if output is None:
        raise ValueError("no consensus has been computed yet; run the protocol first")
    if any(pointer.get() is None for pointer in protocol.inputCoordinates):
        return of_coordinates([(CONSENSUS, output)])
    names, files, boxes, picks, ids = _pickers(protocol)
    agreed = PickerInput(CONSENSUS, output, None)
    found, particle_ids = _read([agreed])
    label = CONSENSUS if CONSENSUS not in picks.picker_names else f"{CONSENSUS} of all"
    size_px = output.getBoxSize() or DEFAULT_BOX_PX
    boxes.append(_box_set(found, particle_ids, 0, label, size_px, CONSENSUS, agreed))
    members = _members(protocol, picks, ids, particle_ids)
    details = _details(output, particle_ids, members)
    return OverlayModel(names, files, boxes, details, _pixel_size(output))


def _pickers(
    protocol: ProtParticlePicking,
) -> Tuple[Tuple[str, ...], List[str], List[BoxSet], Picks, NDArray[np.int64]]:
    """Names and files of the micrographs, boxes, picks and their ids."""
    if any(pointer.get() is None for pointer in protocol.inputCoordinates):
        raise ValueError("an input set is missing; first run the protocol that produces it")
    settings = protocol.run_settings()
    inputs = protocol.picker_inputs(settings["score_attributes"])
    picks, ids = _read(inputs)
    sizes_px = settings["options"]["box_size_px"]
    boxes = [
        _box_set(picks, ids, place, name, sizes_px[place], "picker", inputs[place])
        for place, name in enumerate(picks.picker_names)
    ]
    return picks.micrograph_names, _files(inputs[0].coordinates), boxes, picks, ids


def _read(inputs: Sequence[PickerInput]) -> Tuple[Picks, NDArray[np.int64]]:
    for one in inputs:
        if one.coordinates.getMicrographs() is None:
            raise ValueError(f"the micrographs of {one.name} are unknown; pick or import it again")
    picks, ids, _ = read_picks(inputs)
    return picks, ids


def _files(coordinates: SetOfCoordinates) -> List[str]:
    return micrograph_files(coordinates.getMicrographs())


def _pixel_size(coordinates: SetOfCoordinates) -> float:
    """Of the micrographs, Å; 0 if unknown."""
    return float(coordinates.getMicrographs().getSamplingRate() or 0)


def _box_set(
    picks: Picks,
    ids: NDArray[np.int64],
    place: int,
    name: str,
    box_size_px: float,
    role: str,
    source: PickerInput,
) -> BoxSet:
    """Boxes of one of the sets that were read, with all their numbers."""
    is_mine = picks.picker == place
    mine, my_ids = picks.take(is_mine), ids[is_mine]
    score = np.where(mine.has_score, mine.score, np.nan)
    numbers, found_by = _attributes(source, my_ids)
    return BoxSet(
        name,
        mine.micrograph,
        mine.x,
        mine.y,
        box_size_px,
        role,
        score,
        numbers,
        # a consensus tells its pickers in its details
        found_by if role != CONSENSUS else None,
        my_ids,
        source.coordinates.getFileName(),
    )


def _attributes(
    source: PickerInput, ids: NDArray[np.int64]
) -> Tuple[Dict[str, NDArray[np.float64]], Optional[List[str]]]:
    """Numbers of the coordinates beside their score, by the names shown; and their pickers."""
    file = source.coordinates.getFileName()
    hidden = (*NOT_SHOWN, source.score_attribute)
    labels = [one for one in numeric_labels(file) if one not in hidden]
    texts = [constants.PICKERS] * (constants.PICKERS in item_labels(file))
    rows = read_item_columns(file, ["id", *labels, *texts]) if labels or texts else []
    wanted = set(ids.tolist())
    columns = list(zip(*(row[1:] for row in rows if row[0] in wanted)))
    if not columns:
        return {}, None
    numbers = {
        SHOWN_AS.get(label, label.lstrip("_")): np.array(column, float)
        for label, column in zip(labels, columns)
    }
    return numbers, [text or "" for text in columns[-1]] if texts else None


def _box_size(coordinates: SetOfCoordinates, reference: SetOfCoordinates) -> float:
    """Box size in px of the reference's micrographs; 0 if unknown."""
    pixel_sizes = [one.getMicrographs().getSamplingRate() for one in (coordinates, reference)]
    return float((coordinates.getBoxSize() or 0) * pixel_sizes[0] / pixel_sizes[1])


def _details(
    coordinates: SetOfCoordinates,
    ids: NDArray[np.int64],
    members: Optional[NDArray[np.int64]] = None,
) -> ConsensusDetails:
    """Attributes of the particles with the given ids."""
    labels = [constants.WEIGHT, constants.OVERLAP, constants.SCORE, constants.PICKERS]
    present = [one for one in labels if one in item_labels(coordinates.getFileName())]
    rows = read_item_columns(coordinates.getFileName(), ["id", *present])
    wanted = set(ids.tolist())
    columns = list(zip(*(row[1:] for row in rows if row[0] in wanted))) or [()] * len(present)
    known = dict(zip(present, columns))
    numbers = {one: np.array(known[one], float) for one in labels[:3] if one in known}
    return ConsensusDetails(
        weight=np.nan_to_num(numbers.get(constants.WEIGHT, np.zeros(len(ids)))),
        overlap=numbers.get(constants.OVERLAP),
        score=numbers.get(constants.SCORE),
        members=members,
        pickers=known.get(constants.PICKERS),
        weight_name="probability" if has_probabilities(coordinates) else "weight",
    )


def _members(
    protocol: ProtParticlePicking,
    picks: Picks,
    ids: NDArray[np.int64],
    particle_ids: NDArray[np.int64],
) -> Optional[NDArray[np.int64]]:
    """Index of each pick among its picker's own; None if the run's tables are missing."""
    try:
        tables = read_consensus_tables(protocol._getExtraPath())
    except FormatError:
        return None
    if tables.members.shape != (len(particle_ids), picks.n_pickers):
        return None
    columns = [
        _places(ids[picks.picker == place], column) for place, column in enumerate(tables.members.T)
    ]
    return np.column_stack(columns)


def _places(ids: NDArray[np.int64], wanted: NDArray[np.int64]) -> NDArray[np.int64]:
    """Index of each wanted id among sorted ids, -1 where it is absent."""
    if not len(ids):
        return np.full(len(wanted), -1)
    places = np.minimum(np.searchsorted(ids, wanted), len(ids) - 1)
    return np.where(ids[places] == wanted, places, -1)
