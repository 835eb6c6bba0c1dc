"""False-agreement rates of particles that were written before the rates were measured."""

from __future__ import annotations

import sqlite3
from contextlib import closing

import numpy as np
from pwem.objects import SetOfCoordinates

from repic_plugin import constants
from repic_plugin.consensus import Agreement
from repic_plugin.convert.sets import column_names, item_labels, read_item_columns, why_unreadable

WAIT_S = 60.0  # for another program that reads the set


def takes_rates(coordinates: SetOfCoordinates) -> bool:
    """Whether a set has a column of rates, or no item yet; sets of earlier versions have none."""
    labels = item_labels(coordinates.getFileName()) if coordinates.getSize() else []
    return not labels or constants.FALSE_AGREEMENT in labels


def write_rates(file_name: str, agreement: Agreement) -> None:
    """Write the rate of each particle of a set, by its weight, in place of the one that it has.

    Parameters
    ----------
    file_name : str
        Of a set that `append_particles` filled. Nothing is written to sets of earlier versions.
    agreement : Agreement

    Raises
    ------
    ValueError
        If the file cannot be written.
    """
    if constants.FALSE_AGREEMENT not in item_labels(file_name):
        return
    ids, weight = zip(*read_item_columns(file_name, ["id", constants.WEIGHT]))
    rates = agreement.rates(np.array(weight, np.float64)).tolist()
    try:
        with closing(sqlite3.connect(file_name, timeout=WAIT_S)) as connection, connection:
            column = column_names(connection)[constants.FALSE_AGREEMENT]
            values = ((None if np.isnan(rate) else rate, i) for rate, i in zip(rates, ids))
            connection.executemany(f"UPDATE Objects SET {column} = ? WHERE id = ?", values)
    except sqlite3.Error as error:
        raise ValueError(f"{file_name}: {why_unreadable(error)}") from error
