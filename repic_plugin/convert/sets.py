"""Direct reading of Scipion's SQLite sets, several times faster than item by item."""

from __future__ import annotations

import sqlite3
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Dict, Iterator, List, Optional, Sequence, Tuple

from pyworkflow.object import Set

from repic_plugin import constants
from repic_plugin.formats import ENSEMBLE_NAMES

# Files of the other sets beside a consensus: unmatched picks, patterns.
OTHER_SETS = "coordinates_"
NUMBERS = ("Float", "Integer")  # classes of Scipion


def table_prefix(items: Set) -> str:
    """Prefix of the names of a set's tables, usually empty."""
    prefix = (items.getPrefix() or "").strip()
    return f"{prefix}_" if prefix and not prefix.endswith("_") else prefix


def is_main_set(coordinates: Set) -> bool:
    """Whether a set is the first of its run, not its unmatched picks or a pattern."""
    file = coordinates.getFileName()
    return bool(file) and not Path(file).stem.startswith(OTHER_SETS)


def has_probabilities(coordinates: Set) -> bool:
    """Whether a set is a probabilistic consensus, whose run also has a fitted model."""
    file = coordinates.getFileName()
    if not is_main_set(coordinates) or constants.WEIGHT not in item_labels(file):
        return False
    return (Path(file).parent / "extra" / ENSEMBLE_NAMES[1]).is_file()


def item_labels(file_name: str, prefix: str = "") -> List[str]:
    """Attributes of a set's items; none if the set is empty."""
    with _reading(file_name) as connection:
        return list(column_names(connection, prefix))


def numeric_labels(file_name: str) -> List[str]:
    """Attributes of a set's items that are numbers; none if the set is empty."""
    with _reading(file_name) as connection:
        if not column_names(connection):
            return []
        rows = connection.execute("SELECT label_property, class_name FROM Classes").fetchall()
    return [label for label, kind in rows if kind in NUMBERS]


def count_items(file_name: str) -> int:
    """Number of items in the file of a set."""
    with _reading(file_name) as connection:
        if not column_names(connection):
            return 0
        return int(connection.execute("SELECT COUNT(*) FROM Objects").fetchone()[0])


def item_ids(file_name: str, first: int, last: int) -> List[int]:
    """Ids of the items of a set from one to another, both included.

    Raises
    ------
    ValueError
        If the file cannot be read.
    """
    with _reading(file_name) as connection:
        if not column_names(connection):
            return []
        command = "SELECT id FROM Objects WHERE id BETWEEN ? AND ?"
        return [int(i) for (i,) in connection.execute(command, (first, last))]


def read_item_columns(
    file_name: str,
    labels: Sequence[str],
    prefix: str = "",
    *,
    only_enabled: bool = False,
    span: Optional[Tuple[int, int]] = None,
) -> List[Tuple[Any, ...]]:
    """Attributes of the items of a set, read directly from its file, ordered by id.

    Parameters
    ----------
    file_name : str
    labels : sequence of str
        Names of attributes, or id.
    prefix : str
        Prefix of the set's tables, with its underscore.
    only_enabled : bool
        Omit items that the user has disabled.
    span : (int, int), optional
        First and last id; by default all items are read.

    Returns
    -------
    list of tuple
        A tuple for each item; empty if the set is empty.

    Raises
    ------
    ValueError
        If the file cannot be read, or the items lack an attribute.
    """
    with _reading(file_name) as connection:
        column_of = {"id": "id", **column_names(connection, prefix)}
        if len(column_of) == 1:
            return []
        missing = [label for label in labels if label not in column_of]
        if missing:
            raise ValueError(f"{file_name}: its items have no attribute {missing[0]}")
        columns = ", ".join(column_of[label] for label in labels)
        conditions = ["enabled"] * only_enabled + ["id BETWEEN ? AND ?"] * (span is not None)
        where = f"WHERE {' AND '.join(conditions)}" if conditions else ""
        return connection.execute(
            f"SELECT {columns} FROM {prefix}Objects {where} ORDER BY id", span or ()
        ).fetchall()


def column_names(connection: sqlite3.Connection, prefix: str = "") -> Dict[str, str]:
    """Column of each attribute; none if the set is empty, as its file has no tables.

    `prefix` may begin with the name of an attached file and a dot.
    """
    file, _, tables = prefix.rpartition(".")
    found = {
        row[0] for row in connection.execute(f"SELECT name FROM {file or 'main'}.sqlite_master")
    }
    if not {f"{tables}Classes", f"{tables}Objects"} <= found:
        return {}
    rows = connection.execute(f"SELECT label_property, column_name FROM {prefix}Classes")
    return {label: column for label, column in rows if label != "self"}


def why_unreadable(error: Exception) -> str:
    """Reason why a set's file cannot be read, with the remedy."""
    reason = str(error)
    if "locked" in reason:
        return f"cannot be read ({reason}): another program is writing it; try again later"
    if "readonly" in reason:  # an incomplete transaction must be rolled back first
        return "cannot be read (its writer was killed); continue the protocol that wrote it"
    return f"cannot be read ({reason}); run its protocol again"


@contextmanager
def _reading(file_name: str) -> Iterator[sqlite3.Connection]:
    """Connection for reading; errors of the file are raised as ValueError."""
    with closing(open_set_file(file_name)) as connection:
        try:
            yield connection
        except sqlite3.Error as error:
            raise ValueError(f"{file_name}: {why_unreadable(error)}") from error


def open_set_file(file_name: str) -> sqlite3.Connection:
    """Read-only connection; a ValueError if the file cannot be opened."""
    try:
        return sqlite3.connect(f"{Path(file_name).resolve().as_uri()}?mode=ro", uri=True)
    except sqlite3.OperationalError as error:
        raise ValueError(f"{file_name}: {why_unreadable(error)}") from error
