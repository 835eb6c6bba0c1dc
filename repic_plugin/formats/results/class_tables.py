"""Reading of the tables of a 2D classification."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Dict, List, Mapping, Optional

import numpy as np
from numpy.typing import NDArray

from repic_plugin.formats.base.csv_tables import (
    COUNT,
    NUMBER,
    NUMBER_OR_NONE,
    TEXT,
    Kind,
    open_table,
    read_csv,
    typed_columns,
)
from repic_plugin.formats.base.errors import PathLike

POSE = {"particle": TEXT, "class": COUNT, "rotation_deg": NUMBER, "shift_x_px": NUMBER}
POSE.update(shift_y_px=NUMBER, mirror=COUNT, dissimilarity=NUMBER_OR_NONE)
CLASS = {"size": COUNT, "explained": NUMBER, "is_junk": COUNT}
# Tables of earlier versions have none of these.
MEMBER_QUALITY = {"particle_probability": NUMBER}
CLASS_QUALITY = {"score": NUMBER, "probability": NUMBER}
CLASS_QUALITY.update(resolution_angstrom=NUMBER_OR_NONE, is_off_centre=COUNT)
COURSE = dict.fromkeys(("iteration", "fraction_changed", "smallest", "largest"), NUMBER)
SIZES = {"particle_diameter_angstrom": NUMBER_OR_NONE, "mask_diameter_px": NUMBER}
SIZES.update(resolution_angstrom=NUMBER, max_shift_px=NUMBER, notes=TEXT)
REMEDY = "run the classification again"


@dataclass(frozen=True, eq=False)
class ClassScores:
    """Quality of k classes of n particles, see `classification.ClassQuality`.

    Attributes
    ----------
    score, probability : ndarray of float64, shape (k,)
    resolution_angstrom : ndarray of float64, shape (k,)
        NaN where it is not known.
    is_off_centre : ndarray of bool, shape (k,)
    particle_probability : ndarray of float64, shape (n,)
    """

    score: NDArray[np.float64]
    probability: NDArray[np.float64]
    resolution_angstrom: NDArray[np.float64]
    is_off_centre: NDArray[np.bool_]
    particle_probability: NDArray[np.float64]


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
        iteration, fraction_changed, smallest and largest class; no rows where particles were
        assigned to given classes.
    scores : ClassScores or None
        None for tables of an earlier version, which had no scores.
    used : dict of str to ndarray, shape (1,)
        Sizes that were used, in Å and px, and remarks on the images; empty for tables of an
        earlier version.
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
    scores: Optional[ClassScores] = None
    used: Mapping[str, NDArray[Any]] = field(default_factory=dict)


def read_class_tables(folder: PathLike) -> ClassTables:
    """Read what `write_class_files` wrote.

    Raises
    ------
    FormatError
        If a table is missing or damaged.
    """
    folder = Path(folder)
    poses = _columns(folder / "assignments.csv", POSE, MEMBER_QUALITY)
    classes = _columns(folder / "classes.csv", CLASS, CLASS_QUALITY)
    sizes = folder / "sizes.csv"
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
        scores=_scores(poses, classes),
        used=read_csv(sizes, SIZES, REMEDY) if sizes.is_file() else {},
    )


def _columns(
    path: Path, kinds: Mapping[str, Kind], added: Mapping[str, Kind]
) -> Dict[str, NDArray[Any]]:
    """Columns of a table; those that were added later only where the table has one of them."""
    table = open_table(path, REMEDY)
    has_added = any(name in table.columns for name in added)
    return typed_columns(table, {**kinds, **added} if has_added else kinds)


def _scores(
    poses: Mapping[str, NDArray[Any]], classes: Mapping[str, NDArray[Any]]
) -> Optional[ClassScores]:
    if "score" not in classes or "particle_probability" not in poses:
        return None
    return ClassScores(
        score=classes["score"],
        probability=classes["probability"],
        resolution_angstrom=classes["resolution_angstrom"],
        is_off_centre=classes["is_off_centre"] != 0,
        particle_probability=poses["particle_probability"],
    )
