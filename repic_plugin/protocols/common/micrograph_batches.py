"""Micrographs in batches, labels and class averages, for template picking and extraction."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any, Callable, Dict, List, Optional, Sequence, Tuple, TypeVar

import numpy as np
from numpy.typing import NDArray
from pwem.objects import Particle, SetOfAverages, SetOfCoordinates, SetOfMicrographs

from repic_plugin import constants
from repic_plugin.convert import PickerInput, micrograph_pixels, read_picks_on
from repic_plugin.formats import open_mrc

# Micrographs per step: the most work that is lost when a run is killed.
BATCH = 50

Found = TypeVar("Found")


def batches(n_micrographs: int) -> List[Tuple[int, int]]:
    """Range of micrographs of each step."""
    return [(first, min(first + BATCH, n_micrographs)) for first in range(0, n_micrographs, BATCH)]


def on_each_micrograph(
    work: Callable[[int, NDArray[np.float32]], Found],
    files: Sequence[str],
    n_threads: int,
    warn: Callable[[str], None],
) -> List[Optional[Found]]:
    """Results for each micrograph; those that cannot be used are reported and skipped.

    Parameters
    ----------
    work : callable
        From the index in `files` and the pixels to the result.
    files : sequence of str
    n_threads : int
    warn : callable
        Receives a line for each micrograph that is skipped.

    Returns
    -------
    list
        None for micrographs that are skipped.

    Raises
    ------
    ValueError
        If none can be used: the disk may be unavailable, so that a retry is worthwhile.
    """
    found, problems = tried_on_each_micrograph(work, files, n_threads)
    check_any_usable(problems, len(files))
    for problem in problems.values():
        warn(f"{problem}; it is skipped")
    return found


def tried_on_each_micrograph(
    work: Callable[[int, NDArray[np.float32]], Found], files: Sequence[str], n_threads: int
) -> Tuple[List[Optional[Found]], Dict[int, str]]:
    """Results for each micrograph, with parameters as of `on_each_micrograph`.

    Returns
    -------
    found : list
        None for micrographs that cannot be used.
    problems : dict of int to str
        Why they cannot, by their index in `files`.
    """

    def tried(place: int) -> Any:
        try:
            return work(place, micrograph_pixels(files[place]))
        except ValueError as error:
            return error

    with ThreadPoolExecutor(max(1, n_threads)) as threads:
        found = list(threads.map(tried, range(len(files))))
    problems = {
        place: str(one) if str(one).startswith(files[place]) else f"{files[place]}: {one}"
        for place, one in enumerate(found)
        if isinstance(one, ValueError)
    }
    return [None if isinstance(one, ValueError) else one for one in found], problems


def check_any_usable(problems: Dict[int, str], n_files: int) -> None:
    """Refuse micrographs of which none can be used.

    Raises
    ------
    ValueError
        The disk may be unavailable, so that a retry is worthwhile.
    """
    if problems and len(problems) == n_files:
        raise ValueError(
            f"none of {n_files} micrographs can be used; {next(iter(problems.values()))}"
        )


def labels_on(
    micrographs: SetOfMicrographs, coordinates: SetOfCoordinates
) -> List[NDArray[np.float64]]:
    """Centres on each micrograph of a set, in px of these micrographs, shape (n, 2) each.

    Raises
    ------
    ValueError
        If the sets have no micrograph in common.
    """
    labels, _ = read_picks_on(micrographs, [PickerInput("labels", coordinates, None)])
    centers = labels.centers
    return [centers[rows] for rows in labels.rows_by_group()[0]]


def average_images(averages: SetOfAverages) -> NDArray[np.float32]:
    """Averages that are enabled and not marked as junk, shape (k, side, side).

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
            f"{averages.getFileName()} has no enabled average that is not junk; choose others"
        )
    return np.stack(images)


def _image(item: Particle) -> NDArray[np.float32]:
    number, path = item.getLocation()
    return np.array(open_mrc(path, max(number or 0, 1) - 1), np.float32)
