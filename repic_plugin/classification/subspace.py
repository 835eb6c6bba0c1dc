"""Multi-reference alignment in the subspace of the main variations (MSA)."""

from __future__ import annotations

from typing import Any, Optional

import numpy as np
from numpy.typing import NDArray

from repic_plugin.classification.averages import ClassSums
from repic_plugin.classification.exact_sums import steadying
from repic_plugin.classification.multi_reference import Comparison, MultiReference
from repic_plugin.classification.ranks import ALONE, Ranks

IMAGES_PER_CHUNK = 128  # divides IMAGES_PER_BLOCK of `ranks`

Samples = NDArray[np.complex64]
Labels = NDArray[np.int64]


class Subspace(MultiReference):
    """MRA with multivariate statistical analysis of the aligned images.

    The images in their last alignment span a subspace of main variations, with as many dimensions
    as classes (van Heel and Frank 1981, Ultramicroscopy 6:187). Averages are projected onto it.
    The part of an image outside the subspace is noise, and equal for all averages and poses. See
    `MultiReference` for the parameters; `ranks` are those of the images.
    """

    _axes: Optional[NDArray[np.float32]] = None

    def __init__(self, *arguments: Any, ranks: Ranks = ALONE, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.ranks = ranks

    def compare(
        self, sums: ClassSums, members: Optional[Samples] = None, labels: Optional[Labels] = None
    ) -> Comparison:
        """Comparison of each image with each average, see `MultiReference.compare`."""
        self._axes = (
            None if members is None else principal_axes(members, len(sums.total), self.ranks)
        )
        return super().compare(sums, members, labels)

    def _seen(self, averages: Samples) -> Samples:
        if self._axes is None:  # the initial averages: nothing is aligned yet
            return averages
        inside = (averages.view(np.float32) @ self._axes.T) @ self._axes
        return np.ascontiguousarray(inside, dtype=np.float32).view(np.complex64)


def principal_axes(members: Samples, n_axes: int, ranks: Ranks = ALONE) -> NDArray[np.float32]:
    """Principal axes of the aligned images of all ranks.

    Parameters
    ----------
    members : ndarray of complex64, shape (n, n_coefficients)
    n_axes : int
    ranks : Ranks

    Returns
    -------
    ndarray of float32, shape (at most n_axes, 2 n_coefficients)
        Orthonormal; real and imaginary parts alternate.
    """
    rows = members.view(np.float32)
    largest = float(ranks.largest(np.array([np.abs(rows).max(initial=0.0)], np.float64))[0])
    shift = steadying(2 * largest**2 * ranks.count(len(rows)))  # twice: products are rounded
    products = np.zeros((rows.shape[1], rows.shape[1]))
    for first in range(0, len(rows), IMAGES_PER_CHUNK):
        chunk = rows[first : first + IMAGES_PER_CHUNK]
        products += ((chunk.T @ chunk).astype(np.float64) + shift) - shift
    _, vectors = np.linalg.eigh(ranks.sum(products))
    return np.ascontiguousarray(vectors.T[::-1][:n_axes], dtype=np.float32)
