"""Images of candidates, cut out of micrograph files."""

from __future__ import annotations

from typing import Callable, List, NamedTuple, Optional, Sequence, Tuple

import numpy as np
from numpy.typing import NDArray

from repic_plugin.formats.base.errors import format_error
from repic_plugin.formats.images.mrc import open_mrc
from repic_plugin.template_picking import ExtractedParticles, extract_particles

# Part of a micrograph's candidates that may lie outside of it: a picker's stray picks.
MOST_OUTSIDE = 0.05
ONE_UNREADABLE = 1  # micrograph is always bearable, where any are


class CandidateImages(NamedTuple):
    """Images of some candidates.

    Attributes
    ----------
    images : ndarray of float32, shape (n, side, side)
        Particles that are dark in micrographs are bright.
    rows : ndarray of int64, shape (n,)
        Indices of the candidates; boxes that extend beyond a micrograph are left out.
    unreadable : tuple of (int, str)
        Indices of micrographs that could not be read, and why.
    """

    images: NDArray[np.float32]
    rows: NDArray[np.int64]
    unreadable: Tuple[Tuple[int, str], ...] = ()

    def take(self, is_kept: NDArray[np.bool_]) -> CandidateImages:
        """Some of the images, by a mask."""
        return self._replace(images=self.images[is_kept], rows=self.rows[is_kept])


def cut_candidates(
    files: Sequence[str],
    micrograph: NDArray[np.int64],
    centers: NDArray[np.float64],
    box_size_px: int,
    side_px: int,
    progress: Optional[Callable[[int, int], None]] = None,
    read: Callable[[str], NDArray[np.float32]] = open_mrc,
    most_unreadable: float = 0.0,
) -> CandidateImages:
    """Images of candidates, downscaled and normalised as by `extract_particles`.

    Parameters
    ----------
    files : sequence of str
        Micrographs; an empty text for those that are not looked at.
    micrograph : ndarray of int64, shape (n,)
        Index in `files` of each candidate.
    centers : ndarray of float64, shape (n, 2)
    box_size_px, side_px : int
        Even.
    progress : callable, optional
        Called as ``progress(n_done, n_files)``.
    read : callable
        From a file to its pixels, shape (height, width).
    most_unreadable : float
        Share of the micrographs that may be unreadable; above 0, one may be in any case.

    Returns
    -------
    CandidateImages

    Raises
    ------
    FormatError
        If a micrograph cannot be read, or more than may be.
    """
    unreadable: List[Tuple[int, str]] = []
    n_used = sum(map(bool, files))
    may_be_bad = max(ONE_UNREADABLE, int(most_unreadable * n_used)) if most_unreadable else 0
    found, rows = [np.zeros((0, side_px, side_px), np.float32)], [np.zeros(0, np.int64)]
    for at, file in enumerate(files):
        mine = np.flatnonzero(micrograph == at)
        if file and len(mine):
            try:
                cut = _cut(file, centers[mine], box_size_px, side_px, read)
            except (ValueError, OSError) as error:
                unreadable.append((at, str(error)))
                n_bad = len(unreadable)
                if n_bad > may_be_bad or n_bad == n_used:
                    raise
            else:
                found.append(cut.images)
                rows.append(mine[cut.rows])
        if progress is not None:
            progress(at + 1, len(files))
    return CandidateImages(np.concatenate(found), np.concatenate(rows), tuple(unreadable))


def _cut(
    file: str,
    centers: NDArray[np.float64],
    box_size_px: int,
    side_px: int,
    read: Callable[[str], NDArray[np.float32]],
) -> ExtractedParticles:
    """Images of the candidates of one micrograph."""
    pixels = np.array(read(file), np.float32)
    _check_inside(file, pixels.shape, centers)
    try:
        return extract_particles(pixels, centers, box_size_px, side_px=side_px)
    except ValueError as error:
        raise format_error(file, str(error)) from None


def _check_inside(file: str, shape: Tuple[int, ...], centers: NDArray[np.float64]) -> None:
    """Whether nearly all candidates lie on the micrograph."""
    width, height = shape[1], shape[0]
    outside = ((centers < 0) | (centers > (width, height))).any(axis=1)
    if outside.sum() > max(MOST_OUTSIDE * len(centers), 2):
        x, y = centers[outside][0]
        raise format_error(
            file,
            f"is {width:,} x {height:,} px, but {int(outside.sum()):,} of {len(centers):,} "
            f"candidates lie outside, such as ({x:.0f}, {y:.0f}); give the micrographs that were "
            f"picked, or correct the coordinates",
        )


def sides(box_size_px: float, most_px: int) -> Tuple[int, int]:
    """Even side of the boxes, and of their images, which are at most `most_px`."""
    box = 2 * int(np.ceil(box_size_px / 2))
    return box, min(box, most_px)
