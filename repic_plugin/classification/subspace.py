"""Multi-reference alignment with dissimilarities in the subspace of the main variations (MSA)."""

from __future__ import annotations

from typing import Any, Optional

import numpy as np
from numpy.typing import NDArray

from repic_plugin.classification.averages import ClassSums
from repic_plugin.classification.multi_reference import (
    Comparison,
    MultiReference,
    moved_averages,
)
from repic_plugin.classification.threads import for_each_chunk

__all__ = ["N_COMPONENTS", "Subspace", "principal_components"]

# Dimensions kept: enough for some dozens of views, few enough to leave most of the noise out.
N_COMPONENTS = 32
IMAGES_PER_CHUNK = 128

Samples = NDArray[np.complex64]
Labels = NDArray[np.int64]
Single = NDArray[np.float32]


class Subspace(MultiReference):
    """MRA, then multivariate statistical analysis of the aligned images.

    Each image is first aligned to each average. What is left of it there when the average is taken
    away is then measured along the principal components of all aligned images, and nowhere else
    (van Heel and Frank 1981, Ultramicroscopy 6:187). See `MultiReference` for the parameters.
    """

    def compare(
        self, sums: ClassSums, members: Optional[Samples] = None, labels: Optional[Labels] = None
    ) -> Comparison:
        """Compare each image with each average, see `MultiReference.compare`."""
        found = super().compare(sums, members, labels)
        if members is None or labels is None:
            return found  # the first averages: nothing is aligned yet
        grid = self.images.grid
        averages = sums.averages()
        moved = moved_averages(grid, averages, self.shifts_px, self.mirror)
        components = principal_components(members, N_COMPONENTS)
        # a component is moved as the average was
        directions = moved_averages(grid, components, self.shifts_px, self.mirror)

        def project(rows: slice) -> None:
            candidate, turned = self._turned(found, rows)
            squares = self.images.weight[rows][:, None, grid.ring] ** 2
            residual = turned - squares * moved[np.arange(len(averages)), candidate]
            own = np.flatnonzero(labels[rows] >= 0)
            if len(own):
                mine = labels[rows][own]
                shown = self._without_itself(sums, members, rows.start + own, mine)
                back = moved_averages_each(self, shown, candidate[own, mine])
                residual[own, mine] = turned[own, mine] - squares[own, 0] * back
            found.dissimilarity[rows] = _squares_along(directions, candidate, residual)

        for_each_chunk(project, len(self.images), IMAGES_PER_CHUNK, self.n_threads)
        return found

    def _turned(self, found: Comparison, rows: slice) -> Any:
        """Candidate and turned coefficients of each pair, shapes (m, k) and (m, k, c)."""
        grid = self.images.grid
        candidate, angle = np.divmod(found.place[rows], grid.n_angles)
        steps = np.exp(2j * np.pi * np.arange(grid.n_angles) / grid.n_angles)
        turns = (steps[:, None] ** np.arange(grid.n_orders)).astype(np.complex64)
        return candidate, self.weighted[rows][:, None] * turns[angle][:, :, grid.order]

    def _without_itself(
        self, sums: ClassSums, members: Samples, rows: Labels, labels: Labels
    ) -> Samples:
        return sums.averages_without(members[rows], self.images.weight[rows], labels)


def moved_averages_each(setting: MultiReference, averages: Samples, candidate: Labels) -> Samples:
    """One average an image, under the candidate of that image; shape (n, n_coefficients)."""
    grid = setting.images.grid
    phases = grid.shift_phases(setting.shifts_px)
    moved = grid.coefficients(grid.samples(averages) * phases[candidate % len(phases)])
    mirror = candidate >= len(phases)
    moved[mirror] = moved[mirror].conj()
    return moved


def principal_components(members: Samples, n_components: int) -> Samples:
    """Directions of greatest variance of the aligned images.

    Parameters
    ----------
    members : ndarray of complex64, shape (n, n_coefficients)
    n_components : int

    Returns
    -------
    ndarray of complex64, shape (at most n_components, n_coefficients)
        Orthonormal as real vectors.
    """
    rows = members.view(np.float32).astype(np.float64)
    rows -= rows.mean(axis=0)
    _, vectors = np.linalg.eigh(rows.T @ rows)
    kept = vectors.T[::-1][: min(n_components, len(rows))]
    return np.ascontiguousarray(kept, dtype=np.float32).view(np.complex64)


def _squares_along(directions: Samples, candidate: NDArray[Any], residual: Samples) -> Single:
    """Sum of squares of each residual along the directions as its candidate moves them."""
    found = np.empty(candidate.shape, np.float32)
    flat = residual.view(np.float32)
    for number in np.unique(candidate):
        at = candidate == number
        axes = np.ascontiguousarray(directions[:, number]).view(np.float32)
        found[at] = ((flat[at] @ axes.T) ** 2).sum(axis=1)
    return found
