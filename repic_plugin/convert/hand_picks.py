"""Sets of coordinates with picks that were added by hand."""

from __future__ import annotations

from typing import Any, Optional

import numpy as np
from numpy.typing import NDArray
from pwem.objects import Coordinate, SetOfCoordinates
from pyworkflow.object import Scalar, String

from repic_plugin import constants
from repic_plugin.convert.coordinates import MicrographTable
from repic_plugin.convert.sets import read_item_columns

OF_ALL = ("_x", "_y", "_micId", "_micName", "_groupId")  # attributes of every coordinate


def append_by_hand(
    coordinates: SetOfCoordinates,
    table: MicrographTable,
    added: NDArray[np.int64],
    source: Optional[SetOfCoordinates] = None,
    kept: Optional[NDArray[np.int64]] = None,
) -> None:
    """Append coordinates of a set with all their attributes, and others without.

    Those that were added have ``by hand`` as their picker; of the others it stays as it is.

    Parameters
    ----------
    coordinates : SetOfCoordinates
    table : MicrographTable
    added : ndarray of int64, shape (n, 3)
        Id of the micrograph, x and y, px.
    source : SetOfCoordinates, optional
        On the same micrographs.
    kept : ndarray of int64, optional
        Ids of the coordinates to copy from it.
    """
    template = Coordinate()
    wanted = set() if kept is None else set(kept.tolist())
    for item in source.iterItems() if source is not None else ():
        template = item.clone()
        if item.getObjId() in wanted:
            _name_pickers(template)
            coordinates.append(template)
    _clear(template)
    _name_pickers(template, constants.BY_HAND)
    names = dict(zip(table.ids, table.names))
    for micrograph, x, y in added.tolist():
        template.setObjId(None)
        template.setMicId(micrograph)
        template.setMicName(names[micrograph])
        template.setPosition(x, y)
        coordinates.append(template)


def _name_pickers(item: Coordinate, value: Optional[str] = None) -> None:
    if not hasattr(item, constants.PICKERS):
        setattr(item, constants.PICKERS, String())
    if value is not None:
        getattr(item, constants.PICKERS).set(value)


def _clear(item: Coordinate) -> None:
    """Forget all that was known of another coordinate."""
    for name, value in item.getAttributes():
        if name not in OF_ALL and isinstance(value, Scalar):
            value.set(None)


def coordinate_places(source: Optional[SetOfCoordinates]) -> NDArray[Any]:
    """Id, id of the micrograph, x and y of each coordinate of a set, shape (n, 4)."""
    if source is None:
        return np.zeros((0, 4), dtype=np.int64)
    rows = read_item_columns(source.getFileName(), ["id", "_micId", "_x", "_y"])
    return np.array(rows, dtype=np.int64).reshape(-1, 4)
