"""2D classes of the candidates of a consensus, from the micrographs that they lie in."""

from __future__ import annotations

from typing import Callable, Optional, Sequence, Tuple, cast

import numpy as np
from numpy.typing import NDArray

from repic_plugin.classification import (
    ClassQuality,
    Measured,
    References,
    assign_particles,
    classify_particles,
    particle_shares,
)
from repic_plugin.consensus import ConsensusResult, candidates_to_look_at
from repic_plugin.formats.images.candidates import CandidateImages, cut_candidates, sides
from repic_plugin.formats.images.mrc import open_mrc
from repic_plugin.formats.results.candidate_classes import CandidateClasses

# Side of the images that are compared, px; the diameter of their mask, in boxes: what the mean
# image shows is often not the particle, where most candidates are none.
MOST_SIDE_PX, MASK_BOXES = 64, 0.84
LEAST_SIDE_PX = 16
MOST_IMAGES = 20_000
# Images of further candidates in memory at a time, and those that their noise is measured in.
IMAGES_PER_BATCH, N_MEASURED = 4096, 1024
IMAGES_PER_CLASS, LEAST_CLASSES, MOST_CLASSES = 45, 8, 40


def classify_candidates(
    candidates: ConsensusResult,
    files: Sequence[str],
    box_size_px: float,
    *,
    pixel_size_angstrom: float,
    n_classes: Optional[int] = None,
    source: str = "micrographs",
    random_state: int = 0,
    n_threads: int = 1,
    read: Callable[[str], NDArray[np.float32]] = open_mrc,
    progress: Optional[Callable[[int, int], None]] = None,
) -> CandidateClasses:
    """Classes of the images of the candidates.

    Where there are many, classes are found with the candidates of some micrographs, evenly spread;
    the others are assigned to them, some thousands in memory at a time.

    Parameters
    ----------
    candidates : ConsensusResult
        All of them, see `consensus.judge_by_images`.
    files : sequence of str
        Micrograph of each of `candidates.micrograph_names`.
    box_size_px : float
    pixel_size_angstrom : float
        Of the micrographs.
    n_classes : int, optional
        By default one for 45 images, from 8 to 40.
    source : str
        What the micrographs are called in errors.
    random_state, n_threads : int
    read : callable
        From a file to its pixels.
    progress : callable, optional
        Called as ``progress(n_done, n_files)`` for each micrograph whose candidates are cut out.

    Returns
    -------
    CandidateClasses

    Raises
    ------
    FormatError
        If a micrograph cannot be read.
    ValueError
        If there are too few images.
    """
    centers = np.column_stack([candidates.x, candidates.y])
    looked_at = candidates_to_look_at(candidates.micrograph, MOST_IMAGES)
    box, side = sides(box_size_px, MOST_SIDE_PX)
    if side < LEAST_SIDE_PX:
        raise ValueError(
            f"boxes must be {LEAST_SIDE_PX} px or more for their images to be classified, got "
            f"{box_size_px:g} px; correct the box size, or do not look at the images"
        )
    cutter = _Cutter(files, candidates.micrograph, centers, (box, side), read, progress)
    cut = cutter.cut(np.unique(candidates.micrograph[looked_at]))
    _check_number(cut, source, box, n_classes)
    image_pixel = pixel_size_angstrom * box / side
    found = classify_particles(
        cut.images,
        n_classes or number_of_classes(len(cut.rows)),
        pixel_size_angstrom=image_pixel,
        mask_diameter_px=MASK_BOXES * side,
        random_state=random_state,
        n_threads=n_threads,
    )
    quality = cast(ClassQuality, found.quality)  # None on other ranks of an MPI run only
    label = np.full(len(candidates), -1)
    label[cut.rows] = found.labels
    rest, n_rest = np.unique(candidates.micrograph[~looked_at]), 0
    if len(rest):
        known = _measured(cut.images, found.references(), n_threads)
        n_rest = _assign_rest(cutter, rest, found.references(), known, label, n_threads)
    names = np.array(candidates.micrograph_names, dtype=object)
    return CandidateClasses(
        micrograph=names[candidates.micrograph].astype(str),
        centers=centers,
        label=label,
        size=np.bincount(label[label >= 0], minlength=len(found.sizes)),
        score=quality.score,
        share=particle_shares(quality.score, found.sizes),
        resolution_angstrom=quality.resolution_angstrom,
        averages=found.averages,
        pixel_size_angstrom=image_pixel,
        is_filtered=found.preparation.is_filtered,
        n_assigned=n_rest,
    )


class _Cutter:
    """Cuts out the candidates of some micrographs after others, with one count of the progress."""

    def __init__(
        self,
        files: Sequence[str],
        micrograph: NDArray[np.int64],
        centers: NDArray[np.float64],
        sides_px: Tuple[int, int],
        read: Callable[[str], NDArray[np.float32]],
        progress: Optional[Callable[[int, int], None]],
    ) -> None:
        self.files, self.micrograph, self.centers = files, micrograph, centers
        self._sides, self._read, self._progress = sides_px, read, progress
        self._n_files, self._n_done = len(np.unique(micrograph)), 0

    def cut(self, micrographs: NDArray[np.int64]) -> CandidateImages:
        """Images of the candidates of these micrographs, ascending; rows among all candidates."""
        rows = np.flatnonzero(np.isin(self.micrograph, micrographs))
        place = np.searchsorted(micrographs, self.micrograph[rows])
        files = [self.files[at] for at in micrographs.tolist()]
        cut = cut_candidates(files, place, self.centers[rows], *self._sides, self._tell, self._read)
        self._n_done += len(files)
        return CandidateImages(cut.images, rows[cut.rows])

    def _tell(self, n_done: int, _n_files: int) -> None:
        if self._progress is not None:
            self._progress(self._n_done + n_done, self._n_files)


def _measured(images: NDArray[np.float32], references: References, n_threads: int) -> Measured:
    """Noise of the images that the classes were found with."""
    some = images[:: max(1, len(images) // N_MEASURED)]
    return assign_particles(some, references, n_threads=n_threads).measured


def _assign_rest(
    cutter: _Cutter,
    rest: NDArray[np.int64],
    references: References,
    known: Measured,
    label: NDArray[np.int64],
    n_threads: int,
) -> int:
    """Label the candidates of further micrographs, in place, and count them."""
    n_candidates = np.bincount(cutter.micrograph)[rest]
    batch = (np.cumsum(n_candidates) - 1) // IMAGES_PER_BATCH
    n_assigned = 0
    for number in np.unique(batch):
        cut = cutter.cut(rest[batch == number])
        if not len(cut.rows):
            continue
        found = assign_particles(cut.images, references, measured_before=known, n_threads=n_threads)
        label[cut.rows] = found.labels
        n_assigned += len(cut.rows)
    return n_assigned


def number_of_classes(n_images: int) -> int:
    """Number of classes where none is asked for."""
    return int(np.clip(n_images // IMAGES_PER_CLASS, LEAST_CLASSES, MOST_CLASSES))


def _check_number(cut: CandidateImages, source: str, box_px: int, n_classes: Optional[int]) -> None:
    n, least = len(cut.rows), max(2 * LEAST_CLASSES, n_classes or 0)
    if n < least:
        raise ValueError(
            f"{source}: {n:,} boxes of {box_px} px around the candidates lie within the "
            f"micrographs, {least:,} are needed for {n_classes or LEAST_CLASSES} classes; check "
            f"the box size and the number of classes, and that these micrographs were picked"
        )
    if not cut.images.any():
        raise ValueError(f"{source}: the micrographs are blank; give those that were picked")
