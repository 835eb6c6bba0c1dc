"""2D classes of the candidates of a consensus, from the micrographs that they lie in."""

from __future__ import annotations

from typing import Callable, List, Optional, Sequence, Tuple, cast

import numpy as np
from numpy.typing import NDArray

from repic_plugin.classification import (
    ClassQuality,
    CtfParameters,
    are_filtered,
    classify_particles,
    particle_shares,
)
from repic_plugin.consensus import ConsensusResult, candidates_to_look_at
from repic_plugin.formats.images.candidates import CandidateImages, cut_candidates, sides
from repic_plugin.formats.images.mrc import open_mrc
from repic_plugin.formats.results.candidate_classes import CandidateClasses
from repic_plugin.wording import counted

# Side of the images that are compared, px; the diameter of their mask, in boxes: what the mean
# image shows is often not the particle, where most candidates are none.
MOST_SIDE_PX, MASK_BOXES = 64, 0.84
LEAST_SIDE_PX = 16
MOST_IMAGES = 20_000
FEW_TO_TELL = 8  # images of a micrograph, of which nothing tells whether it was denoised
IMAGES_PER_CLASS, LEAST_CLASSES, MOST_CLASSES = 45, 8, 40


def classify_candidates(
    candidates: ConsensusResult,
    files: Sequence[str],
    box_size_px: float,
    *,
    pixel_size_angstrom: float,
    ctf: Optional[CtfParameters] = None,
    n_classes: Optional[int] = None,
    most_unreadable: float = 0.0,
    source: str = "micrographs",
    random_state: int = 0,
    n_threads: int = 1,
    read: Callable[[str], NDArray[np.float32]] = open_mrc,
    progress: Optional[Callable[[int, int], None]] = None,
) -> CandidateClasses:
    """Classes of the images of the candidates, or of some micrographs where there are many.

    Parameters
    ----------
    candidates : ConsensusResult
        All of them, see `consensus.judge_by_images`.
    files : sequence of str
        Micrograph of each of `candidates.micrograph_names`; an empty text for those that are not
        to be looked at.
    box_size_px : float
    pixel_size_angstrom : float
        Of the micrographs.
    ctf : CtfParameters, optional
        Of each of `files`. Phases are flipped, and averages and comparisons weighted.
    n_classes : int, optional
        By default one for 45 images, from 8 to 40.
    most_unreadable : float
        Share of the micrographs that may be unreadable, see `cut_candidates`.
    source : str
        What the micrographs are called in errors.
    random_state, n_threads : int
    read : callable
        From a file to its pixels.
    progress : callable, optional
        Called as ``progress(n_done, n_files)`` while candidates are cut out.

    Returns
    -------
    CandidateClasses
        Blank and unreadable micrographs are not looked at, nor denoised ones among others that were
        not, and `notes` names them.

    Raises
    ------
    FormatError
        If a micrograph cannot be read.
    ValueError
        If there are too few images.
    """
    centers = np.column_stack([candidates.x, candidates.y])
    looked_at = candidates_to_look_at(candidates.micrograph, MOST_IMAGES)
    wanted = set(np.unique(candidates.micrograph[looked_at]).tolist())
    used = [file if at in wanted else "" for at, file in enumerate(files)]
    box, side = sides(box_size_px, MOST_SIDE_PX)
    if side < LEAST_SIDE_PX:
        raise ValueError(
            f"boxes must be {LEAST_SIDE_PX} px or more for their images to be classified, got "
            f"{box_size_px:g} px; correct the box size, or do not look at the images"
        )
    where = (used, candidates.micrograph, centers, box, side)
    cut = cut_candidates(*where, progress, read, most_unreadable)
    cut, notes = _without_spoilt(cut, candidates)
    _check_number(cut, source, box, n_classes)
    image_pixel = pixel_size_angstrom * box / side
    found = classify_particles(
        cut.images,
        n_classes or number_of_classes(len(cut.rows)),
        pixel_size_angstrom=image_pixel,
        ctf=None if ctf is None else ctf.take(candidates.micrograph[cut.rows]),
        mask_diameter_px=MASK_BOXES * side,
        random_state=random_state,
        n_threads=n_threads,
    )
    quality = cast(ClassQuality, found.quality)  # None on other ranks of an MPI run only
    label = np.full(len(candidates), -1)
    label[cut.rows] = found.labels
    agreement = np.full(len(candidates), np.nan)
    agreement[cut.rows] = quality.agreement
    names = np.array(candidates.micrograph_names, dtype=object)
    return CandidateClasses(
        micrograph=names[candidates.micrograph].astype(str),
        centers=centers,
        label=label,
        size=found.sizes,
        score=quality.score,
        share=particle_shares(quality.score, found.sizes),
        resolution_angstrom=quality.resolution_angstrom,
        averages=found.averages,
        pixel_size_angstrom=image_pixel,
        is_filtered=found.preparation.is_filtered,
        agreement=agreement,
        notes=tuple(notes),
    )


def number_of_classes(n_images: int) -> int:
    """Number of classes where none is asked for."""
    return int(np.clip(n_images // IMAGES_PER_CLASS, LEAST_CLASSES, MOST_CLASSES))


def _without_spoilt(
    cut: CandidateImages, candidates: ConsensusResult
) -> Tuple[CandidateImages, List[str]]:
    """Images without those of blank micrographs and of a few denoised ones, and which these are.

    If all are blank, or half of them denoised, nothing is left out: that is told otherwise.
    """
    micrograph = candidates.micrograph[cut.rows]
    seen = np.unique(micrograph)
    blank, filtered = [], []
    for one in seen.tolist():
        images = cut.images[micrograph == one]
        if not images.any():
            blank.append(one)
        elif len(images) >= FEW_TO_TELL and are_filtered(images):
            filtered.append(one)
    blank = blank if len(blank) < len(seen) else []
    filtered = filtered if 2 * len(filtered) < len(seen) - len(blank) else []
    reasons = [(at, why, True) for at, why in cut.unreadable]
    reasons += [(at, "it is blank, the same value everywhere", False) for at in blank]
    told = "it was filtered or denoised, and the others were not"
    reasons += [(at, told, False) for at in filtered]
    notes = []
    for at, why, has_name in reasons:
        n = int((candidates.micrograph == at).sum())
        name = "" if has_name else f"{candidates.micrograph_names[at]}: "
        notes.append(f"{name}{why}; not looked at: {counted(n, 'candidate')} on it")
    if not blank + filtered:
        return cut, notes
    return cut.take(~np.isin(micrograph, blank + filtered)), notes


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
