"""Folders that DeepPicker's scripts read and write."""

from __future__ import annotations

import os
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Optional, Tuple

import numpy as np
from numpy.typing import NDArray
from pwem.objects import SetOfCoordinates, SetOfMicrographs

from repic_plugin.consensus import Picks
from repic_plugin.convert import MicrographTable, PickerInput, picks_on_micrographs, read_picks_on
from repic_plugin.formats import (
    HEADER_BYTES,
    open_mrc,
    read_picker_folder,
    write_mrc,
    write_picks_file,
)

SYMBOL = "_deeppicker"  # in the names of the files of autoPick.py, before the suffix
FEW_LABELS_BATCH = 4  # Cameron et al. 2024, for very few labels
MIN_LABELLED = 2  # micrographs: one to train on, one to validate with


def lay_out_micrographs(
    micrographs: SetOfMicrographs, folder: str, places: Optional[NDArray[np.int64]] = None
) -> None:
    """Place some micrographs of a set in a new folder, as links if DeepPicker can read them.

    It reads uncompressed MRC files of mode 2 without an extended header; others are rewritten.
    Files are named by the ids of the micrographs, so that scripts never see names with special
    characters.

    Parameters
    ----------
    micrographs : SetOfMicrographs
    folder : str
        Emptied if it exists.
    places : ndarray of int64, optional
        Indices of the micrographs in their set, ordered by id; all by default.

    Raises
    ------
    ValueError
        If a micrograph is not an MRC file.
    """
    shutil.rmtree(folder, ignore_errors=True)
    os.makedirs(folder)
    wanted = None if places is None else set(places.tolist())
    for place, micrograph in enumerate(micrographs.iterItems(orderBy="id")):
        if wanted is None or place in wanted:
            source = os.path.abspath(micrograph.getFileName())
            _link_or_write(source, os.path.join(folder, f"{_stem(micrograph.getObjId())}.mrc"))


def write_labels(folder: str, labels: Picks, table: MicrographTable, box_size_px: int) -> None:
    """Write the labels of each micrograph as a STAR file of the same name."""
    for place in np.unique(labels.micrograph).tolist():
        mine = labels.take(labels.micrograph == place)
        path = os.path.join(folder, f"{_stem(table.ids[place])}.star")
        write_picks_file(path, mine.x, mine.y, box_size_px=box_size_px)


def usable_labels(
    coordinates: SetOfCoordinates, micrographs: SetOfMicrographs, box_size_px: int
) -> Tuple[Picks, MicrographTable]:
    """The coordinates on the micrographs of a set whose boxes DeepPicker accepts.

    Parameters
    ----------
    coordinates : SetOfCoordinates
        On micrographs that may have another pixel size.
    micrographs : SetOfMicrographs
    box_size_px : int

    Returns
    -------
    labels : Picks
        Indexed by the micrographs of the table, in px of these.
    table : MicrographTable

    Raises
    ------
    ValueError
        If the sets have no micrograph in common.
    """
    picks, table = read_picks_on(micrographs, [PickerInput("labels", coordinates, None)])
    # DeepPicker confuses rows and columns at the edge: only the square within both is safe
    side = min(micrographs.getDimensions()[:2])
    centres = np.stack([picks.x, picks.y])
    half = box_size_px / 2
    inside = ((centres >= half) & (centres <= side - half)).all(axis=0)
    return picks.take(inside), table


def held_out(labels: Picks, fraction: float, *, random_state: int = 0) -> NDArray[np.bool_]:
    """Labels for validation: those of some micrographs, drawn at random.

    Parameters
    ----------
    labels : Picks
    fraction : float
        Fraction of the micrographs with labels; at least one, never all.
    random_state : int
        Random seed.

    Returns
    -------
    ndarray of bool, shape (n_labels,)

    Raises
    ------
    ValueError
        If fewer than two micrographs have labels.
    """
    labelled = np.unique(labels.micrograph)
    if len(labelled) < MIN_LABELLED:
        raise ValueError(
            f"labels must lie on {MIN_LABELLED} micrographs or more, one of them for validation, "
            f"got {len(labelled)}; label more micrographs (boxes beyond the edge do not count)"
        )
    n_held = min(max(1, round(fraction * len(labelled))), len(labelled) - 1)
    drawn = np.random.default_rng(random_state).permutation(labelled)[:n_held]
    held: NDArray[np.bool_] = np.isin(labels.micrograph, drawn)
    return held


def fitting_batch_size(asked: int, n_training: int, n_validation: int) -> int:
    """The batch size with which train.py can run: the given one, or that for few labels.

    Parameters
    ----------
    asked : int
    n_training, n_validation : int
        Numbers of labels; train.py adds as many positions without a particle.

    Raises
    ------
    ValueError
        If there are too few labels for either.
    """
    for batch_size in (asked, min(asked, FEW_LABELS_BATCH)):
        # train.py divides by zero if the training set is one batch, and fails if the validation
        # set is smaller than a batch
        if 2 * n_training > batch_size and 2 * n_validation >= batch_size:
            return batch_size
    raise ValueError(
        f"{n_training} labels for training and {n_validation} for validation are too few for a "
        f"batch size of {min(asked, FEW_LABELS_BATCH)}; give more labels"
    )


def found_picks(folder: str, table: MicrographTable) -> Picks:
    """The picks of autoPick.py, indexed by the micrographs of the table.

    Raises
    ------
    ValueError
        If there are no picks at all, or no file for a micrograph.
    """
    stems = [_stem(mic_id) for mic_id in table.ids]
    files = [Path(folder, f"{stem}{SYMBOL}.star") for stem in stems]
    lacking = [name for name, file in zip(table.names, files) if not file.is_file()]
    if lacking:
        raise ValueError(
            f"autoPick.py wrote no file for {lacking[0]} (one of {len(lacking)}); see its output "
            "in the log"
        )
    loaded = read_picker_folder(folder).picks
    picks, _ = picks_on_micrographs(loaded, replace(table, names=tuple(stems)))
    if not len(picks):
        raise ValueError(
            f"autoPick.py found no particles on {len(table.names)} micrographs; decrease the "
            "minimum score, or use another model"
        )
    return picks


def _stem(mic_id: int) -> str:
    return f"mic_{mic_id:06d}"


def _link_or_write(source: str, target: str) -> None:
    image = open_mrc(source, 0)
    is_alone = Path(source).stat().st_size == HEADER_BYTES + image.nbytes
    if is_alone and image.dtype == np.dtype("<f4"):
        os.symlink(source, target)
    else:
        write_mrc(target, image.astype(np.float32))
