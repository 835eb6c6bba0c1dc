"""Particles and 2D classes that were chosen in Scipion, with where they were extracted."""

from __future__ import annotations

from typing import Any, Dict, Iterator, List, NamedTuple, Optional, Tuple, Union

import numpy as np
from numpy.typing import NDArray
from pwem.objects import SetOfClasses2D, SetOfMicrographs, SetOfParticles

from repic_plugin.convert.coordinates import MicrographTable, find_micrographs, read_micrographs
from repic_plugin.convert.images import image_of_stack
from repic_plugin.convert.sets import item_labels, read_item_columns, table_prefix

X, Y, NAME, ID = "_coordinate._x", "_coordinate._y", "_coordinate._micName", "_coordinate._micId"
AVERAGE = ("id", "_representative._index", "_representative._filename")
CHOSEN = 1  # class of particles that are in no classes

Given = Union[SetOfParticles, SetOfClasses2D]


class SetParticles(NamedTuple):
    """Particles of a set of particles or of classes.

    Attributes
    ----------
    micrograph : ndarray of int64, shape (n,)
        Index in a table of micrographs; -1 where it lacks them.
    centers : ndarray of float64, shape (n, 2)
        Px of the micrographs that the particles' coordinates belong to.
    label : ndarray of int64, shape (n,)
        Number of the class; 1 in a set of particles.
    pixel_size_angstrom : float or None
        Of the micrographs of the set's coordinates, where it names them.
    """

    micrograph: NDArray[np.int64]
    centers: NDArray[np.float64]
    label: NDArray[np.int64]
    pixel_size_angstrom: Optional[float]


def check_coordinates_of(items: Given, whose: str) -> None:
    """Refuse a set without particles, or whose particles have no coordinates.

    Raises
    ------
    ValueError
        With `whose` as its name.
    """
    tables = list(_tables(items))
    if not tables:
        raise ValueError(f"{whose} must hold classes with particles, got none; choose another set")
    file, prefix, _ = tables[0]
    labels = item_labels(file, prefix)
    if not labels:
        raise ValueError(f"{whose} must hold particles, got none; choose another set")
    if not {X, Y} <= {*labels}:
        raise ValueError(
            f"{whose} must hold particles with coordinates, got some without; choose particles "
            "that were extracted in this project, or imported with their coordinates"
        )


def read_given_particles(items: Given, table: MicrographTable, whose: str) -> SetParticles:
    """Enabled particles of a set, or of the enabled classes of one, with their micrographs.

    Parameters
    ----------
    items : SetOfParticles or SetOfClasses2D
    table : MicrographTable
        Micrographs are matched with it by name, see `find_micrographs`.
    whose : str
        What the set is called in messages.

    Raises
    ------
    ValueError
        If particles have no coordinates, or no micrograph is in the table.
    """
    check_coordinates_of(items, whose)
    rows: List[Tuple[Any, ...]] = []
    label: List[int] = []
    for file, prefix, number in _tables(items):
        known = [one for one in (NAME, ID) if one in item_labels(file, prefix)]
        found = read_item_columns(file, [X, Y, *known], prefix, only_enabled=True)
        place = [known.index(one) + 2 if one in known else None for one in (NAME, ID)]
        rows += [(*row[:2], *(None if at is None else row[at] for at in place)) for row in found]
        label += [number] * len(found)
    if any(row[0] is None or row[1] is None for row in rows) or not rows:
        raise ValueError(f"{whose} must hold particles with coordinates; choose another set")
    x, y, names, ids = zip(*rows)
    micrographs = _micrographs_of(items)
    return SetParticles(
        _places(list(names), list(ids), micrographs, table, whose),
        np.column_stack([np.array(x, np.float64), np.array(y, np.float64)]),
        np.array(label, np.int64),
        None if micrographs is None else float(micrographs.getSamplingRate()),
    )


def read_class_averages(classes: SetOfClasses2D) -> Dict[int, NDArray[np.float32]]:
    """Average of each enabled class by its id; none of classes without averages.

    Raises
    ------
    ValueError
        If an average cannot be read.
    """
    if not set(AVERAGE[1:]) <= {*item_labels(classes.getFileName(), table_prefix(classes))}:
        return {}
    rows = read_item_columns(
        classes.getFileName(), AVERAGE, table_prefix(classes), only_enabled=True
    )
    found = {}
    for number, index, file in rows:
        if file:
            found[int(number)] = image_of_stack(str(file), int(index or 1))
    return found


def _tables(items: Given) -> Iterator[Tuple[str, str, int]]:
    """File and prefix of the tables of particles, and their class."""
    file, prefix = items.getFileName(), table_prefix(items)
    if not isinstance(items, SetOfClasses2D):
        yield file, prefix, CHOSEN
        return
    for (number,) in read_item_columns(file, ["id"], prefix, only_enabled=True):
        of_class = f"Class{number:03d}_"
        if item_labels(file, of_class):  # an empty class has no tables
            yield file, of_class, int(number)


def _micrographs_of(items: Given) -> Optional[SetOfMicrographs]:
    """Micrographs of the coordinates that the particles were extracted at, where that is known."""
    images = items.getImages() if isinstance(items, SetOfClasses2D) else items
    coordinates = images.getCoordinates() if isinstance(images, SetOfParticles) else None
    return None if coordinates is None else coordinates.getMicrographs()


def _places(
    names: List[Optional[str]],
    ids: List[Optional[int]],
    micrographs: Optional[SetOfMicrographs],
    table: MicrographTable,
    whose: str,
) -> NDArray[np.int64]:
    """Index in the table of each particle's micrograph, by its name, else by its known id."""
    if not all(names):
        own = None if micrographs is None else read_micrographs(micrographs)
        name_of = {} if own is None else dict(zip(own.ids, own.names))
        names = [name or name_of.get(int(i or 0)) for name, i in zip(names, ids)]
    if not all(names):
        raise ValueError(
            f"{whose} must hold particles with the names of their micrographs; choose particles "
            "that were extracted in this project, or imported with them"
        )
    distinct, place = np.unique(np.array(names, dtype=str), return_inverse=True)
    return find_micrographs(distinct.tolist(), table, whose)[place.ravel()]
