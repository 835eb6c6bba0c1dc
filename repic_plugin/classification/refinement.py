"""Final refinement: poses between the steps of the search, and centred classes."""

from __future__ import annotations

from typing import Callable, Tuple

import numpy as np
from numpy.typing import NDArray

from repic_plugin.classification.averages import Alignment, ClassSums
from repic_plugin.classification.exact_sums import steady
from repic_plugin.classification.multi_reference import MultiReference, best_rotations
from repic_plugin.classification.preparation import PolarImages
from repic_plugin.classification.ranks import ALONE, Ranks
from repic_plugin.classification.threads import for_each_chunk

# Angles are searched in steps of a turn / (4 n_angles), shifts in half the steps of the search.
FINER_ANGLES = 4
IMAGES_PER_CHUNK = 128  # divides IMAGES_PER_BLOCK of `ranks`

Labels = NDArray[np.int64]
Samples = NDArray[np.complex64]
Single = NDArray[np.float32]


def refine_poses(
    setting: MultiReference,
    sums: ClassSums,
    members: Samples,
    labels: Labels,
    alignment: Alignment,
    step_px: float,
) -> Tuple[Alignment, Single]:
    """Alignment refined by rotations and small shifts, against the class without the image.

    Parameters
    ----------
    setting : MultiReference
    sums : ClassSums
    members : ndarray of complex64, shape (n, n_coefficients)
        The images in `sums`.
    labels : ndarray of int64, shape (n,)
    alignment : Alignment
    step_px : float
        Step between shifts.

    Returns
    -------
    alignment : Alignment
    dissimilarity : ndarray of float32, shape (n,)
    """

    def others(rows: slice) -> Samples:
        weight = setting.images.weight[rows]
        return sums.averages_without(members[rows], weight, labels[rows])

    return refine_against(setting.images, others, alignment, step_px, setting.n_threads)


def refine_against(
    images: PolarImages,
    averages: Callable[[slice], Samples],
    alignment: Alignment,
    step_px: float,
    n_threads: int = 1,
) -> Tuple[Alignment, Single]:
    """Alignment of each image refined against one average.

    Parameters
    ----------
    images : PolarImages
    averages : callable
        From a slice of the images to the average of each, shape (n, n_coefficients).
    alignment : Alignment
    step_px : float
    n_threads : int

    Returns
    -------
    alignment : Alignment
    dissimilarity : ndarray of float32, shape (n,)
    """
    grid = images.grid
    steps = step_px * np.array([(x, y) for y in (-1, 0, 1) for x in (-1, 0, 1)], dtype=np.float64)
    angle, shift = alignment.angle.copy(), alignment.shift_px.copy()
    dissimilarity = np.empty(len(images), np.float32)

    def refine(rows: slice) -> None:
        others = averages(rows)
        mirror = alignment.mirror[rows]
        best = np.full(len(mirror), -np.inf, np.float32)
        for step in steps:
            tried = alignment.shift_px[rows] + step
            samples = images.samples[rows] * images.weight[rows, :, None]
            values = grid.coefficients(samples * grid.shift_phases(tried))
            values[mirror] = values[mirror].conj()
            score, place = best_rotations(grid, values * others.conj(), FINER_ANGLES)
            better = score > best
            best[better] = score[better]
            turn = 2 * np.pi * place / (FINER_ANGLES * grid.n_angles)
            angle[rows][better] = turn[better]
            shift[rows][better] = tried[better]
        norm = np.einsum("ir,ir->i", images.weight[rows] ** 2, grid.power(others))
        dissimilarity[rows] = images.energy[rows] + norm - 2 * best

    for_each_chunk(refine, len(images), IMAGES_PER_CHUNK, n_threads)
    return Alignment(angle, shift, alignment.mirror), dissimilarity


def class_offsets(
    shift_px: NDArray[np.float64],
    alignment: Alignment,
    labels: Labels,
    n_classes: int,
    ranks: Ranks = ALONE,
) -> NDArray[np.float64]:
    """Mean shift of each image's class, in the frame of the image.

    Averages are centred if it is subtracted: a class may be off centre as a whole, while picks
    are off centre in all directions alike.

    Parameters
    ----------
    shift_px : ndarray of float64, shape (n, 2)
        Shift of each image, before its mirroring and rotation.
    alignment : Alignment
    labels : ndarray of int64, shape (n,)
    n_classes : int
    ranks : Ranks

    Returns
    -------
    ndarray of float64, shape (n, 2)
    """
    sign = np.where(alignment.mirror, -1.0, 1.0)
    # content is rotated by -angle
    cos, sin = np.cos(alignment.angle), -np.sin(alignment.angle)
    x, y = sign * shift_px[:, 0], shift_px[:, 1]
    turned = (cos * x - sin * y, sin * x + cos * y)
    sizes = np.maximum(ranks.sum(np.bincount(labels, minlength=n_classes)), 1)
    mean_x, mean_y = (
        (ranks.sum(np.bincount(labels, steady(part, ranks), n_classes).astype(float)) / sizes)[
            labels
        ]
        for part in turned  # without images numpy counts in whole numbers
    )
    back_x, back_y = cos * mean_x + sin * mean_y, cos * mean_y - sin * mean_x
    return np.column_stack((sign * back_x, back_y))
