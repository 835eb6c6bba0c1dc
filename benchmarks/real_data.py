"""Real micrographs with labels, for the benchmarks that take a folder of them as `--real DIR`.

The folder has empiar-10146 (apoferritin) and empiar-10017 (β-galactosidase), each with `images`
(one channel, first row at the top) and `expert` (BOX files, rows from the bottom), and may have
`picks`, a folder for each picker.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, List, NamedTuple

import numpy as np
from matplotlib.image import imread
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from repic_plugin.consensus import Picks, find_copies, spacing_px
from repic_plugin.formats import read_picks_dir, read_picks_file

Points = NDArray[np.float64]
N_TRIED = 20_000  # random places on a micrograph
NO_IMAGES = "skipped: give a folder of real micrographs with labels (REAL=folder, --real DIR)"


class Exposure(NamedTuple):
    """A micrograph in rows of the MRC, and the centres x, y of its labels, px."""

    name: str
    image: NDArray[np.float32]
    labels: Points


def exposures(folder: Path, suffix: str) -> List[Exposure]:
    found = []
    for file in sorted((folder / "images").glob(f"*.{suffix}")):
        labels = read_picks_file(folder / "expert" / f"{file.stem}.box")
        image = np.flipud(imread(file)).astype(np.float32)
        found.append(Exposure(file.stem, image, np.column_stack([labels.x, labels.y])))
    return found


class Candidates:
    """What any of several pickers found, by micrograph.

    Of picks closer than a quarter of the box, the one with most others around it is kept.
    """

    def __init__(self, folder: Path, box_px: int) -> None:
        picks = read_picks_dir(folder).picks
        self.picker_names = picks.picker_names
        everything = Picks.from_columns(
            picks.micrograph,
            np.zeros(len(picks), np.int64),
            picks.x,
            picks.y,
            micrograph_names=picks.micrograph_names,
        )
        closest = spacing_px("distance_px", None, np.array([float(box_px)]))
        self._picks = everything.take(find_copies(everything, closest) < 0)

    def of(self, name: str) -> Points:
        mine = self._picks.micrograph == self._picks.micrograph_names.index(name)
        return np.column_stack([self._picks.x[mine], self._picks.y[mine]])


def places_off(exposure: Exposure, box_px: int, far_px: float, apart_px: float, rng: Any) -> Points:
    """Random places further than `far_px` from all labels, and `apart_px` from each other."""
    high = np.array(exposure.image.shape[::-1]) - box_px / 2
    tried = rng.uniform(box_px / 2, high, (N_TRIED, 2))
    tried = tried[distances(tried, exposure.labels) > far_px]
    kept: List[Points] = []
    for place in tried:
        if not kept or np.hypot(*(np.array(kept) - place).T).min() > apart_px:
            kept.append(place)
    return np.array(kept).reshape(-1, 2)


def distances(places: Points, labels: Points) -> NDArray[np.float64]:
    """From each place to the nearest label, px."""
    return np.asarray(cKDTree(labels).query(places)[0])


def within(places: Points, exposure: Exposure, margin_px: float) -> Points:
    """Places at least `margin_px` from the edges of the micrograph."""
    high = np.array(exposure.image.shape[::-1]) - margin_px
    return places[((places >= margin_px) & (places <= high)).all(axis=1)]
