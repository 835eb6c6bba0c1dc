"""2D classes as Scipion sets."""

from __future__ import annotations

import os
import sqlite3
from dataclasses import dataclass
from typing import Any, Dict, Iterator, List, Optional, Sequence, Tuple

import numpy as np
from numpy.typing import NDArray
from pwem.objects import Class2D, Particle, SetOfAverages, SetOfClasses2D, SetOfParticles, Transform
from pyworkflow.object import Boolean, Float, Integer, Set

from repic_plugin import constants
from repic_plugin.convert.sets import column_names, read_item_columns, table_prefix
from repic_plugin.formats import ClassScores

INPUT, MEMBERS = "repic_input", "repic_members"  # names in SQL, while the rows are copied
CACHE_KB = 1 << 16  # the rows of a class are scattered over the input
# Columns of every table of items, and the values that Scipion writes when it copies an item.
BASIC = {
    "id": "id",
    "enabled": "1",
    "label": "COALESCE(particle.label, '')",
    "comment": "COALESCE(particle.comment, '')",
    "creation": "datetime('now')",
}
OWN = {
    "_classId": "member.number",
    "_transform._matrix": "member.matrix",
    constants.DISSIMILARITY: "member.dissimilarity",
    constants.PROBABILITY: "member.probability",
}
UNRESOLVED = 999.0  # as RELION writes an unknown resolution
ACQUISITION = "_acquisition."
# An acquisition without these is replaced by that of the set, as in `SetOfImages.append`.
NEEDED = (f"{ACQUISITION}_voltage", f"{ACQUISITION}_magnification")


@dataclass(frozen=True, eq=False)
class ClassMembers:
    """Particles that belong to classes.

    Attributes
    ----------
    ids : ndarray of int64, shape (n,)
        Ids in their set.
    number : ndarray of int64, shape (n,)
        Number of the class, from 1.
    matrices : ndarray of float64, shape (n, 4, 4)
        See `transform_matrices`.
    dissimilarity : ndarray of float64, shape (n,)
    probability : ndarray of float64, shape (n,), optional
        To be a particle of its class; not in classes of earlier versions.
    """

    ids: NDArray[np.int64]
    number: NDArray[np.int64]
    matrices: NDArray[np.float64]
    dissimilarity: NDArray[np.float64]
    probability: Optional[NDArray[np.float64]] = None

    def take(self, rows: NDArray[np.bool_]) -> ClassMembers:
        """Some of the members."""
        probability = None if self.probability is None else self.probability[rows]
        columns = (self.ids, self.number, self.matrices, self.dissimilarity)
        return ClassMembers(*(column[rows] for column in columns), probability)

    def item(self, particles: SetOfParticles, row: int) -> Particle:
        """One of the particles as a Scipion object."""
        item = particles[int(self.ids[row])].clone()
        item.setClassId(int(self.number[row]))
        item.setTransform(Transform(self.matrices[row]))
        setattr(item, constants.DISSIMILARITY, Float(float(self.dissimilarity[row])))
        if self.probability is not None:
            setattr(item, constants.PROBABILITY, Float(float(self.probability[row])))
        return item

    def records(self) -> Iterator[Tuple[int, int, str, float, float]]:
        """Number, id, matrix and two numbers of each, in the format of a set's file."""
        probability = np.zeros(len(self.ids)) if self.probability is None else self.probability
        order = np.lexsort((self.ids, self.number))  # the order of the target table
        return zip(
            self.number[order].tolist(),
            self.ids[order].tolist(),
            _matrix_texts(self.matrices[order]),
            self.dissimilarity[order].tolist(),
            probability[order].tolist(),
        )


@dataclass(frozen=True, eq=False)
class ClassSummary:
    """Properties of k classes.

    Attributes
    ----------
    averages_file : str
        Stack of k images, relative to the project's folder.
    sizes : ndarray of int64, shape (k,)
    explained : ndarray of float64, shape (k,)
    is_junk : ndarray of bool, shape (k,)
    scores : ClassScores, optional
        Not in classes of earlier versions.
    """

    averages_file: str
    sizes: NDArray[np.int64]
    explained: NDArray[np.float64]
    is_junk: NDArray[np.bool_]
    scores: Optional[ClassScores] = None


def append_classes(
    classes: SetOfClasses2D, particles: SetOfParticles, members: ClassMembers, summary: ClassSummary
) -> None:
    """Fill a set of classes as `SetOfClasses.classifyItems` does, but many times faster.

    Scipion appends each class with its first member, which creates the tables; SQLite copies the
    other members from the table of the input to those of the classes. Empty classes are skipped.

    Parameters
    ----------
    classes : SetOfClasses2D
        Empty.
    particles : SetOfParticles
        The set to which the ids of the members refer.
    members : ClassMembers
    summary : ClassSummary

    Raises
    ------
    ValueError
        If a member is not in the set.
    """
    _check_there(particles, members)
    database = classes._getMapper().db
    # Three disk synchronisations per class would cost more than all the rows.
    database.executeCommand("PRAGMA synchronous = OFF")
    numbers, first, sizes = np.unique(members.number, return_index=True, return_counts=True)
    made: List[Class2D] = []
    for number, row in zip(numbers.tolist(), first.tolist()):
        made.append(_new_class(particles, number, summary))
        classes.append(made[-1])
        item = members.item(particles, row)
        made[-1].append(item)
    if made:
        targets = [(one._getMapper().db, [int(one.getObjId())]) for one in made]
        _copy_rows(particles, targets, members, item.getObjDict())
    for one, size in zip(made, sizes.tolist()):
        one._size.set(size)
        classes.update(one)
    database.commit()
    database.executeCommand("PRAGMA synchronous = FULL")
    with open(classes.getFileName(), "rb+") as file:
        os.fsync(file.fileno())


def append_members(
    target: SetOfParticles, particles: SetOfParticles, members: ClassMembers
) -> None:
    """Fill a set with particles as they are in their classes, as fast as `append_classes`.

    Parameters
    ----------
    target : SetOfParticles
        In a file of its own; open for appending, and without these particles.
    particles : SetOfParticles
        The set to which the ids of the members refer.
    members : ClassMembers

    Raises
    ------
    ValueError
        If a member is not in the set.
    """
    if not len(members.ids):
        target.write()
        return
    _check_there(particles, members)
    n_before = target.getSize()
    item = members.item(particles, 0)
    target.append(item)
    database = target._getMapper().db
    numbers = np.unique(members.number).tolist()
    _copy_rows(particles, [(database, numbers)], members, item.getObjDict())
    target._size.set(n_before + len(members.ids))
    target.write()


def append_averages(
    averages: SetOfAverages, particles: SetOfParticles, summary: ClassSummary
) -> None:
    """Append the averages of classes that have members, with the class number as id."""
    for row in np.flatnonzero(summary.sizes).tolist():
        item = _representative(particles, row + 1, summary)
        item.setObjId(row + 1)
        setattr(item, constants.CLASS_SIZE, Integer(int(summary.sizes[row])))
        _describe(item, summary, row)
        averages.append(item)


def _check_there(particles: SetOfParticles, members: ClassMembers) -> None:
    span = (int(members.ids.min(initial=0)), int(members.ids.max(initial=0)))
    rows = read_item_columns(particles.getFileName(), ["id"], table_prefix(particles), span=span)
    known = np.array(rows, dtype=np.int64).ravel()
    missing = members.ids[~np.isin(members.ids, known)]
    if len(missing):
        raise ValueError(
            f"{particles.getFileName()} has no particle with id {missing[0]}: the set has changed; "
            "restart the protocol"
        )


def _new_class(particles: SetOfParticles, number: int, summary: ClassSummary) -> Class2D:
    item = Class2D(objId=number)
    item.setRepresentative(_representative(particles, number, summary))
    item.copyInfo(particles)
    item.setAcquisition(particles.getAcquisition())
    item.setAlignment2D()
    item.setStreamState(Set.STREAM_CLOSED)  # that of the particles may be another
    _describe(item, summary, number - 1)
    return item


def _representative(particles: SetOfParticles, number: int, summary: ClassSummary) -> Particle:
    image = Particle()
    image.setLocation(number, summary.averages_file)
    image.setSamplingRate(particles.getSamplingRate())
    image.setClassId(number)
    return image


def _describe(item: Any, summary: ClassSummary, row: int) -> None:
    """Set the attributes by which users filter classes and averages."""
    is_junk = bool(summary.is_junk[row])
    setattr(item, constants.EXPLAINED, Float(float(summary.explained[row])))
    setattr(item, constants.IS_JUNK, Boolean(is_junk))
    comment = "junk" if is_junk else ""
    if summary.scores is not None:
        scores, part = summary.scores, summary.sizes[row] / max(int(summary.sizes.sum()), 1)
        resolution = scores.resolution_angstrom[row]
        if scores.is_off_centre[row]:
            comment += ", off centre"
        setattr(item, constants.PROBABILITY, Float(float(scores.probability[row])))
        setattr(item, constants.OFF_CENTRE, Boolean(bool(scores.is_off_centre[row])))
        setattr(item, constants.CLASS_SCORE, Float(float(scores.score[row])))
        resolved = UNRESOLVED if np.isnan(resolution) else float(resolution)
        setattr(item, constants.CLASS_RESOLUTION, Float(resolved))
        setattr(item, constants.CLASS_DISTRIBUTION, Float(float(part)))
    item.setObjComment(comment)


def _copy_rows(
    particles: SetOfParticles,
    targets: Sequence[Tuple[Any, List[int]]],
    members: ClassMembers,
    example: Dict[str, Any],
) -> None:
    """Insert the missing members of classes into the tables of databases.

    `example` holds the attributes of one member.
    """
    connection = targets[0][0].connection  # shared by all tables of a file
    connection.commit()  # a file cannot be attached within a transaction
    connection.execute(f"ATTACH ? AS {INPUT}", (os.path.abspath(particles.getFileName()),))
    connection.execute(f"PRAGMA {INPUT}.cache_size = {-CACHE_KB}")
    try:
        connection.execute(
            f"CREATE TEMP TABLE {MEMBERS} (number INTEGER, id INTEGER, matrix TEXT, "
            "dissimilarity REAL, probability REAL, PRIMARY KEY (number, id)) WITHOUT ROWID"
        )
        connection.executemany(f"INSERT INTO {MEMBERS} VALUES (?, ?, ?, ?, ?)", members.records())
        source = f"{INPUT}.{table_prefix(particles)}Objects"
        values = _values(particles, connection, example)
        for database, numbers in targets:
            for number in numbers:
                _copy_class(connection, database.tablePrefix, source, values, number)
        connection.commit()
    finally:
        connection.rollback()
        connection.execute(f"DROP TABLE IF EXISTS temp.{MEMBERS}")
        connection.execute(f"DETACH {INPUT}")


def _copy_class(
    connection: sqlite3.Connection,
    prefix: str,
    source: str,
    values: Dict[str, Tuple[str, Tuple[Any, ...]]],
    number: int,
) -> None:
    """Insert the members of a class except the first, which exists."""
    column_of = column_names(connection, prefix)
    columns = ", ".join([*BASIC, *column_of.values()])
    expressions = ", ".join([*BASIC.values(), *(values[label][0] for label in column_of)])
    arguments = [argument for label in column_of for argument in values[label][1]]
    connection.execute(
        f"INSERT INTO {prefix}Objects ({columns}) SELECT {expressions} "
        f"FROM {MEMBERS} AS member JOIN {source} AS particle USING (id) WHERE member.number = ? "
        f"AND NOT EXISTS (SELECT 1 FROM {prefix}Objects AS known WHERE known.id = particle.id) "
        "ORDER BY particle.id",
        (*arguments, number),
    )


def _values(
    particles: SetOfParticles, connection: sqlite3.Connection, example: Dict[str, Any]
) -> Dict[str, Tuple[str, Tuple[Any, ...]]]:
    """An SQL expression with its arguments for each attribute of a member.

    They yield the values that Scipion's `clone` and `SetOfImages.append` would for a row.
    """
    columns = column_names(connection, f"{INPUT}.{table_prefix(particles)}")
    found = {label: f"particle.{column}" for label, column in columns.items()}
    values = {
        label: (found[label], ()) if label in found else ("?", (value,))
        for label, value in example.items()
    }
    values.update(
        {label: (expression, ()) for label, expression in OWN.items() if label in example}
    )
    if particles.getSamplingRate():
        values["_samplingRate"] = ("?", (particles.getSamplingRate(),))
    if particles.hasAcquisition():
        lacking = " OR ".join(f"{found[label]} IS NULL" for label in NEEDED if label in found)
        for name, value in particles.getAcquisition().getObjDict().items():
            label = f"{ACQUISITION}{name}"
            if label in found and all(needed in found for needed in NEEDED):
                expression = f"CASE WHEN {lacking} THEN ? ELSE {found[label]} END"
                values[label] = (expression, (value,))
            else:
                values[label] = ("?", (value,))
    return values


def _matrix_texts(matrices: NDArray[np.float64]) -> List[str]:
    """2D transforms as `pwem.objects.Matrix` stores them: JSON."""
    rows = matrices.reshape(len(matrices), 16)[:, [0, 1, 3, 4, 5, 7, 10]].tolist()
    return [
        f"[[{xx!r}, {xy!r}, 0.0, {x!r}], [{yx!r}, {yy!r}, 0.0, {y!r}], "
        f"[0.0, 0.0, {zz!r}, 0.0], [0.0, 0.0, 0.0, 1.0]]"
        for xx, xy, x, yx, yy, y, zz in rows
    ]
