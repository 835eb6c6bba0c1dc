"""Reading of the picks of each picker by 2D class, as a consensus with images leaves them."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple, Optional, Tuple

import numpy as np
from numpy.typing import NDArray

from repic_plugin.formats.base.csv_tables import COUNT, NUMBER, TEXT, read_csv
from repic_plugin.formats.base.errors import PathLike, format_error
from repic_plugin.formats.images.stacks import open_stack
from repic_plugin.formats.results.candidate_classes import (
    CANDIDATE_AVERAGES,
    IMAGE_CLASSES,
    PICKER_CLASSES,
    PICKER_COLUMNS,
)

CLASS_KINDS = {"size": COUNT, "share": NUMBER, "is_filtered": COUNT}
REMEDY = "run the consensus again"


class PickerClasses(NamedTuple):
    """Picks of each picker by 2D class.

    Attributes
    ----------
    picker_names : tuple of str, length n_pickers
    counts : ndarray of int64, shape (n_pickers, k, 2)
        Picks that a picker alone found, and those that others found, too.
    size : ndarray of int64, shape (k,)
    share : ndarray of float64, shape (k,)
        Of particles in each class.
    averages : ndarray of float32, shape (k, side, side)
    is_filtered : bool
        Whether the images were filtered or denoised, see `consensus.ImageClasses`.
    """

    picker_names: Tuple[str, ...]
    counts: NDArray[np.int64]
    size: NDArray[np.int64]
    share: NDArray[np.float64]
    averages: NDArray[np.float32]
    is_filtered: bool = False


def read_picker_classes(folder: PathLike) -> Optional[PickerClasses]:
    """What `write_candidate_classes` left; None where there is none.

    Raises
    ------
    FormatError
        If a file is missing or damaged, or they are of different runs.
    """
    folder = Path(folder)
    path = folder / PICKER_CLASSES
    if not path.is_file():
        return None
    kinds = dict(zip(PICKER_COLUMNS, (TEXT, COUNT, COUNT, COUNT)))
    table = read_csv(path, kinds, REMEDY)
    classes = read_csv(folder / IMAGE_CLASSES, CLASS_KINDS, REMEDY)
    averages = open_stack(folder / CANDIDATE_AVERAGES)[:]
    names, k = tuple(dict.fromkeys(table["picker"].tolist())), len(classes["size"])
    if table["class"].tolist() != [*range(k)] * len(names) or len(averages) != k:
        raise format_error(path, f"must have a row for each picker and {k} classes; {REMEDY}")
    counts = np.stack([table["alone"], table["shared"]], axis=1).reshape(len(names), k, 2)
    columns = (classes["size"], classes["share"])
    return PickerClasses(names, counts, *columns, averages, bool(classes["is_filtered"].any()))
