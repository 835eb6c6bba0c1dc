"""2D classes of the candidates of a consensus, from the micrographs that they lie in."""

from __future__ import annotations

from typing import Any, Callable, List, NamedTuple, Optional, Sequence, Tuple, cast

import numpy as np
from numpy.typing import NDArray

from repic_plugin.classification import (
    LEAST_BEST,
    CandidateJudge,
    Classification,
    ClassQuality,
    CtfParameters,
    Measured,
    References,
    are_blurred,
    are_filtered,
    assign_particles,
    classify_particles,
    judge_candidates,
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
# Images of further candidates in memory at a time, and those that their noise is measured in.
IMAGES_PER_BATCH, N_MEASURED = 4096, 1024
SMOOTHED = (
    "the images were filtered or denoised: look at the averages, and give micrographs that were not"
)
FEW_TO_TELL = 8  # images of a micrograph, of which nothing tells whether it was denoised
N_STARTS = 3  # of the classification, if the first ones show no particles
IMAGES_PER_CLASS, LEAST_CLASSES, MOST_CLASSES = 45, 8, 40

CtfOf = Callable[[NDArray[np.int64]], Optional[CtfParameters]]  # of some candidates


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
    """Classes of the images of the candidates, and what each image says of its candidate.

    Where there are many, classes are found with the candidates of some micrographs, evenly spread;
    the others are assigned to them, some thousands in memory at a time.

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
        Called as ``progress(n_done, n_files)`` for each micrograph whose candidates are cut out.

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
    box, side = sides(box_size_px, MOST_SIDE_PX)
    if side < LEAST_SIDE_PX:
        raise ValueError(
            f"boxes must be {LEAST_SIDE_PX} px or more for their images to be classified, got "
            f"{box_size_px:g} px; correct the box size, or do not look at the images"
        )

    def ctf_of(rows: NDArray[np.int64]) -> Optional[CtfParameters]:
        return None if ctf is None else ctf.take(candidates.micrograph[rows])

    cutter = _Cutter(
        files, candidates.micrograph, centers, (box, side), read, most_unreadable, progress
    )
    cut = cutter.cut(np.unique(candidates.micrograph[looked_at]))
    cut, notes = _without_spoilt(cut, candidates)
    _check_number(cut, source, box, n_classes)
    image_pixel = pixel_size_angstrom * box / side
    found = _classified(
        cut.images,
        n_classes or number_of_classes(len(cut.rows)),
        pixel_size_angstrom=image_pixel,
        ctf=ctf_of(cut.rows),
        mask_diameter_px=MASK_BOXES * side,
        random_state=random_state,
        n_threads=n_threads,
    )
    quality = _quality(found)
    is_blurred = found.preparation.is_filtered and are_blurred(cut.images)
    if found.preparation.is_filtered and not is_blurred:
        notes.append(SMOOTHED)
    share = particle_shares(quality.score, found.sizes)
    judge, probability = judge_candidates(cut.images, found, share, ctf_of(cut.rows), n_threads)
    columns = _Columns.empty(len(candidates))
    columns.put(cut.rows, found.labels, quality.agreement, probability)
    rest = np.unique(candidates.micrograph[~looked_at])
    if len(rest):
        references = found.references()
        known = _measured(cut, references, ctf_of, n_threads)
        assign = _Assign(references, known, judge, ctf_of, n_threads)
        notes += _assign_rest(candidates, cutter, rest, assign, columns)
    names = np.array(candidates.micrograph_names, dtype=object)
    label = columns.label
    return CandidateClasses(
        micrograph=names[candidates.micrograph].astype(str),
        centers=centers,
        label=label,
        size=np.bincount(label[label >= 0], minlength=len(share)),
        score=quality.score,
        share=share,
        resolution_angstrom=quality.resolution_angstrom,
        averages=found.averages,
        pixel_size_angstrom=image_pixel,
        is_filtered=is_blurred,
        agreement=columns.agreement,
        probability=columns.probability,
        notes=tuple(notes),
        n_assigned=int((label >= 0).sum() - (found.labels >= 0).sum()),
    )


def _classified(images: NDArray[np.float32], n_classes: int, **options: Any) -> Classification:
    """Classes from the first start that shows particles, or that of the best class.

    Where few of the images are particles, some starts find no class of them.
    """
    seed, found = options.pop("random_state"), []
    for start in range(N_STARTS):
        found.append(classify_particles(images, n_classes, random_state=seed + start, **options))
        if _quality(found[-1]).score.max() >= LEAST_BEST:
            break
    return max(found, key=lambda one: float(_quality(one).score.max()))


def _quality(found: Classification) -> ClassQuality:
    return cast(ClassQuality, found.quality)  # None on other ranks of an MPI run only


class _Columns(NamedTuple):
    """Class of each candidate, its agreement with it, and its probability; -1 and NaN without."""

    label: NDArray[np.int64]
    agreement: NDArray[np.float64]
    probability: NDArray[np.float64]

    @classmethod
    def empty(cls, n: int) -> _Columns:
        return cls(np.full(n, -1), np.full(n, np.nan), np.full(n, np.nan))

    def put(self, rows: NDArray[np.int64], *columns: NDArray[Any]) -> None:
        for mine, column in zip(self, columns):
            mine[rows] = column


class _Cutter:
    """Cuts out the candidates of some micrographs after others, with one count of the progress."""

    def __init__(
        self,
        files: Sequence[str],
        micrograph: NDArray[np.int64],
        centers: NDArray[np.float64],
        sides_px: Tuple[int, int],
        read: Callable[[str], NDArray[np.float32]],
        most_unreadable: float,
        progress: Optional[Callable[[int, int], None]],
    ) -> None:
        self.files, self.micrograph, self.centers = files, micrograph, centers
        self._sides, self._read, self._progress = sides_px, read, progress
        self._most_unreadable = most_unreadable
        self._n_files, self._n_done = len(np.unique(micrograph)), 0

    def cut(self, micrographs: NDArray[np.int64]) -> CandidateImages:
        """Images of the candidates of these micrographs, ascending; rows among all candidates."""
        rows = np.flatnonzero(np.isin(self.micrograph, micrographs))
        place = np.searchsorted(micrographs, self.micrograph[rows])
        files = [self.files[at] for at in micrographs.tolist()]
        where = (files, place, self.centers[rows], *self._sides)
        cut = cut_candidates(*where, self._tell, self._read, self._most_unreadable)
        self._n_done += len(files)
        unreadable = tuple((int(micrographs[at]), why) for at, why in cut.unreadable)
        return CandidateImages(cut.images, rows[cut.rows], unreadable)

    def _tell(self, n_done: int, _n_files: int) -> None:
        if self._progress is not None:
            self._progress(self._n_done + n_done, self._n_files)


class _Assign(NamedTuple):
    """Assigns images to the classes found with others, and judges them."""

    references: References
    known: Measured
    judge: CandidateJudge
    ctf_of: CtfOf
    n_threads: int

    def __call__(self, cut: CandidateImages, columns: _Columns) -> None:
        ctf = self.ctf_of(cut.rows)
        found = assign_particles(
            cut.images,
            self.references,
            ctf=ctf,
            measured_before=self.known,
            n_threads=self.n_threads,
        )
        probability = self.judge.probability(cut.images, found, ctf, self.n_threads)
        columns.put(cut.rows, found.labels, found.fit, probability)


def _measured(
    cut: CandidateImages, references: References, ctf_of: CtfOf, n_threads: int
) -> Measured:
    """Noise of the images that the classes were found with."""
    every = slice(None, None, max(1, len(cut.rows) // N_MEASURED))
    ctf = ctf_of(cut.rows[every])
    return assign_particles(cut.images[every], references, ctf=ctf, n_threads=n_threads).measured


def _assign_rest(
    candidates: ConsensusResult,
    cutter: _Cutter,
    rest: NDArray[np.int64],
    assign: _Assign,
    columns: _Columns,
) -> List[str]:
    """Fill in the candidates of further micrographs; returns which were not looked at, and why."""
    n_candidates = np.bincount(candidates.micrograph)[rest]
    batch = (np.cumsum(n_candidates) - 1) // IMAGES_PER_BATCH
    notes = []
    for number in np.unique(batch):
        cut, told = _without_spoilt(cutter.cut(rest[batch == number]), candidates)
        notes += told
        if len(cut.rows):
            assign(cut, columns)
    return notes


def number_of_classes(n_images: int) -> int:
    """Number of classes where none is asked for."""
    return int(np.clip(n_images // IMAGES_PER_CLASS, LEAST_CLASSES, MOST_CLASSES))


def _without_spoilt(
    cut: CandidateImages, candidates: ConsensusResult
) -> Tuple[CandidateImages, List[str]]:
    """Images without those of blank micrographs and of a few denoised ones, and which these are.

    If all are blank, or half of them denoised, nothing is left out: other messages report that.
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
