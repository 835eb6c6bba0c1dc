"""Reading of the tables of a 2D classification."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Dict, List

import numpy as np
from numpy.typing import NDArray

from repic_plugin.formats.base.csv_tables import COUNT, NUMBER, NUMBER_OR_NONE, TEXT, read_csv
from repic_plugin.formats.base.errors import PathLike

POSE = {"particle": TEXT, "class": COUNT, "rotation_deg": NUMBER, "shift_x_px": NUMBER}
POSE.update(shift_y_px=NUMBER, mirror=COUNT, dissimilarity=NUMBER_OR_NONE)
CLASS = {"size": COUNT, "explained": NUMBER, "is_junk": COUNT}
COURSE = dict.fromkeys(("iteration", "fraction_changed", "smallest", "largest"), NUMBER)
REMEDY = "run the classification again"


@dataclass(frozen=True, eq=False)
class ClassTables:
    """assignments.csv, classes.csv and convergence.csv of a classification.

    Attributes
    ----------
    names : list of str, length n
        Of the particles, in the input's order.
    labels, rotation_deg, shift_px, mirror, dissimilarity, sizes, explained, is_junk
        As in `Classification`; label -1 and dissimilarity NaN for excluded particles.
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

    Raises
    ------
    FormatError
        If a table is missing or damaged.
    """
    folder = Path(folder)
    poses = read_csv(folder / "assignments.csv", POSE, REMEDY)
    classes = read_csv(folder / "classes.csv", CLASS, REMEDY)
    return ClassTables(
        names=poses["particle"].tolist(),
        labels=poses["class"],
        rotation_deg=poses["rotation_deg"],
        shift_px=np.stack([poses["shift_x_px"], poses["shift_y_px"]], axis=1),
        mirror=poses["mirror"] != 0,
        dissimilarity=poses["dissimilarity"],
        sizes=classes["size"],
        explained=classes["explained"],
        is_junk=classes["is_junk"] != 0,
        convergence=read_csv(folder / "convergence.csv", COURSE, REMEDY),
    )
