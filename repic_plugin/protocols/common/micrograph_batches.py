"""Micrographs, labels and averages as template picking reads them."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any, Callable, List, Optional, Sequence, Tuple, TypeVar

import numpy as np
from numpy.typing import NDArray
from pwem.objects import Particle, SetOfAverages, SetOfCoordinates, SetOfMicrographs

from repic_plugin import constants
from repic_plugin.convert import (
    PickerInput,
    micrograph_pixels,
    read_picks_on,
)
from repic_plugin.formats import open_mrc

# Micrographs to a step: what a kill costs.
BATCH = 50

Found = TypeVar("Found")


def batches(n_micrographs: int) -> List[Tuple[int, int]]:
    """First and last micrograph of each step."""
    return [(first, min(first + BATCH, n_micrographs)) for first in range(0, n_micrographs, BATCH)]


def on_each_micrograph(
    work: Callable[[int, NDArray[np.float32]], Found],
    files: Sequence[str],
    n_threads: int,
    warn: Callable[[str], None],
) -> List[Optional[Found]]:
    """Do some work on each micrograph; those that cannot be used are said and left out.

    Parameters
    ----------
    work : callable
        From the place among `files` and the pixels to what is found.
    files : sequence of str
    n_threads : int
    warn : callable
        Gets a line for each micrograph that is left out.

    Returns
    -------
    list
        None for those.

    Raises
    ------
    ValueError
        If that is all of them: the disk may be away, and it is worth trying again.
    """

    def tried(place: int) -> Any:
        try:
            return work(place, micrograph_pixels(files[place]))
        except ValueError as error:
            return error

    with ThreadPoolExecutor(max(1, n_threads)) as threads:
        found = list(threads.map(tried, range(len(files))))
    problems = {}
    for file, one in zip(files, found):
        if isinstance(one, ValueError):
            problems[file] = str(one) if str(one).startswith(file) else f"{file}: {one}"
    if files and len(problems) == len(files):
        raise ValueError(f"no micrograph of {len(files)} can be used; {problems[files[0]]}")
    for problem in problems.values():
        warn(f"{problem}; it is left out")
    return [None if isinstance(one, ValueError) else one for one in found]


def labels_on(
    micrographs: SetOfMicrographs, coordinates: SetOfCoordinates
) -> List[NDArray[np.float64]]:
    """Centres on each micrograph of a set, in its px, shape (n, 2) each.

    Raises
    ------
    ValueError
        If the sets have no micrograph in common.
    """
    labels, _ = read_picks_on(micrographs, [PickerInput("labels", coordinates, None)])
    centers = labels.centers
    return [centers[rows] for rows in labels.rows_by_group()[0]]


def average_images(averages: SetOfAverages) -> NDArray[np.float32]:
    """The averages that are not marked as junk, shape (k, side, side).

    Raises
    ------
    ValueError
        If there are none, or one cannot be read.
    """
    images = [
        _image(item)
        for item in averages
        if item.isEnabled() and not getattr(item, constants.IS_JUNK, False)
    ]
    if not images:
        raise ValueError(
            f"{averages.getFileName()} has no average that is enabled and no junk; choose others"
        )
    return np.stack(images)


def _image(item: Particle) -> NDArray[np.float32]:
    number, path = item.getLocation()
    return np.array(open_mrc(path, max(number or 0, 1) - 1), np.float32)
