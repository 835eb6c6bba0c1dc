"""Reading back the tables that a 2D classification leaves."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Dict, List, Tuple

import numpy as np
from numpy.typing import NDArray

from repic_plugin.formats.base.errors import PathLike
from repic_plugin.formats.base.text_tables import (
    Columns,
    header_table,
    read_columns,
    require_columns,
)

__all__ = ["ClassTables", "read_class_tables"]

POSE = ("class", "rotation_deg", "shift_x_px", "shift_y_px", "mirror", "dissimilarity")
CLASS = ("size", "explained", "is_junk")
COURSE = ("iteration", "fraction_changed", "smallest", "largest")


@dataclass(frozen=True, eq=False)
class ClassTables:
    """assignments.csv, classes.csv and convergence.csv of a classification.

    Attributes
    ----------
    names : list of str, length n
        Of the particles, in the input's order.
    labels : ndarray of int64, shape (n,)
        Class from 0; -1 for particles put aside.
    rotation_deg : ndarray of float64, shape (n,)
    shift_px : ndarray of float64, shape (n, 2)
    mirror : ndarray of bool, shape (n,)
    dissimilarity : ndarray of float64, shape (n,)
        NaN for particles put aside.
    sizes : ndarray of int64, shape (k,)
    explained : ndarray of float64, shape (k,)
    is_junk : ndarray of bool, shape (k,)
    convergence : dict of str to ndarray of float64, shape (n_iterations,)
        iteration, fraction_changed, smallest and largest class.
    """

    names: List[str]
    labels: NDArray[np.int64]
    rotation_deg: NDArray[np.float64]
    shift_px: NDArray[np.float64]
    mirror: NDArray[np.bool_]
    dissimilarity: NDArray[np.float64]
    sizes: NDArray[np.int64]
    explained: NDArray[np.float64]
    is_junk: NDArray[np.bool_]
    convergence: Dict[str, NDArray[np.float64]]


def read_class_tables(folder: PathLike) -> ClassTables:
    """Read what `write_class_files` wrote.

    Parameters
    ----------
    folder : str or path

    Returns
    -------
    ClassTables

    Raises
    ------
    FormatError
        If a table is missing or damaged.
    """
    folder = Path(folder)
    poses = _read(folder / "assignments.csv", POSE, ("particle",), ("dissimilarity",))
    classes = _read(folder / "classes.csv", CLASS).numbers
    course = _read(folder / "convergence.csv", COURSE).numbers
    pose = poses.numbers
    return ClassTables(
        names=poses.words["particle"],
        labels=pose["class"].astype(np.int64),
        rotation_deg=pose["rotation_deg"],
        shift_px=np.stack([pose["shift_x_px"], pose["shift_y_px"]], axis=1),
        mirror=pose["mirror"] != 0,
        dissimilarity=pose["dissimilarity"],
        sizes=classes["size"].astype(np.int64),
        explained=classes["explained"],
        is_junk=classes["is_junk"] != 0,
        convergence=course,
    )


def _read(
    path: Path,
    numbers: Tuple[str, ...],
    words: Tuple[str, ...] = (),
    may_be_missing: Tuple[str, ...] = (),
) -> Columns:
    table = header_table(path, ",")
    require_columns(table, (*numbers, *words))
    return read_columns(table, numbers, words, may_be_missing)
