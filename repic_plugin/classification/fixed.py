"""Reference-free alignment: images stay as aligned to their common mean."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Optional

import numpy as np
from numpy.typing import NDArray

from repic_plugin.classification.averages import Alignment, ClassSums, aligned_coefficients
from repic_plugin.classification.preparation import PolarImages
from repic_plugin.classification.threads import for_each_chunk

IMAGES_PER_CHUNK = 128  # divides IMAGES_PER_BLOCK of `ranks`

Samples = NDArray[np.complex64]
Labels = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class FixedComparison:
    """Comparison of all images with all class averages, without further alignment.

    Attributes
    ----------
    dissimilarity : ndarray of float32, shape (n, n_classes)
        Squared distance between an image and the average multiplied by the image's CTF.
    common : Alignment
    """

    dissimilarity: NDArray[np.float32]
    common: Alignment

    def alignment(self, labels: Labels) -> Alignment:
        """Alignment to the common mean, whatever the class."""
        return self.common


class Fixed:
    """Reference-free alignment (RFA): images are compared in their common alignment.

    Parameters
    ----------
    images : PolarImages
    common : Alignment
        Alignment to the common mean.
    n_threads : int
    """

    def __init__(self, images: PolarImages, common: Alignment, n_threads: int = 1) -> None:
        self.images = images
        self.common = common
        self.n_threads = n_threads
        self.weighted = aligned_coefficients(images, common, n_threads)

    def aligned(self, alignment: Alignment) -> Samples:
        """Weighted coefficients of the images in the common frame."""
        return self.weighted

    def compare(
        self, sums: ClassSums, members: Optional[Samples] = None, labels: Optional[Labels] = None
    ) -> FixedComparison:
        """Comparison of each image with each average, see `MultiReference.compare`."""
        images, grid = self.images, self.images.grid
        averages = sums.averages()
        columns = np.ascontiguousarray(averages.view(np.float32).T)
        power = grid.power(averages).T
        dissimilarity = np.empty((len(images), len(averages)), np.float32)

        def compare_chunk(rows: slice) -> None:
            mine = dissimilarity[rows]
            mine[:] = images.weight[rows] ** 2 @ power + images.energy[rows, None]
            mine -= 2 * (self.weighted[rows].view(np.float32) @ columns)
            if members is None or labels is None:
                return
            i = rows.start + np.flatnonzero(labels[rows] >= 0)
            others = sums.averages_without(members[i], images.weight[i], labels[i])
            norm = np.einsum("ir,ir->i", images.weight[i] ** 2, grid.power(others))
            score = np.einsum("ic,ic->i", self.weighted[i], others.conj()).real
            dissimilarity[i, labels[i]] = images.energy[i] + norm - 2 * score

        for_each_chunk(compare_chunk, len(images), IMAGES_PER_CHUNK, self.n_threads)
        return FixedComparison(dissimilarity, self.common)
