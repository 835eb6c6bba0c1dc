"""Result of an assignment to given classes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Dict, Optional

import numpy as np
from numpy.typing import NDArray

from repic_plugin.classification.assignment.measured import Measured
from repic_plugin.classification.normalisation import GreyScale
from repic_plugin.classification.references import References
from repic_plugin.classification.sizes import Sizes

# Images that fit their class less are explained by none: noise fits by about 1.
LEAST_FIT = 1.0

Single = NDArray[np.float32]
Floats = NDArray[np.float64]
Labels = NDArray[np.int64]
Columns = Dict[str, NDArray[Any]]


@dataclass(frozen=True, eq=False)
class Assignment:
    """Images in given classes.

    Attributes
    ----------
    labels : ndarray of int64, shape (n,)
        Class of each image, numbered as the references; -1 for empty images.
    rotation_deg, shift_px, mirror : ndarray
        Pose of each image, as in `Classification`.
    dissimilarity : ndarray of float64, shape (n,)
        Squared distance on the rings used to the average multiplied by the image's CTF and
        contrast; nan for empty images.
    posterior : ndarray of float64, shape (n,)
        Of the class of each image among all classes, see `posteriors`; 0 for empty images.
    correlation : ndarray of float64, shape (n,)
        Normalised, of image and average; 0 for empty images.
    fit : ndarray of float64, shape (n,)
        Inner product of image and average over that of noise, see `fits`: about 1, or less, for
        images that no class explains.
    shortfall : ndarray of float64, shape (n,)
        Standard deviations by which an image shows less of its class than a member would, see
        `shortfalls`; 0 for empty images.
    residual : ndarray of float64, shape (n,)
        What the average leaves of the image's sum of squares, over that of noise, see `residuals`:
        about 1 for members; 0 for empty images.
    contrast : ndarray of float64, shape (n,)
        How strongly each image shows its class; 1 for all where contrasts do not vary.
    factor : ndarray of float32, shape (n,)
        By which the image was multiplied, see `energy_factors`; 1 for most.
    sizes : ndarray of int64, shape (k,)
    explained : ndarray of float64, shape (k,)
        Reduction of a member's sum of squares, as in `Classification`.
    measured : Measured
        Noise and grey scale that were used.
    used : Sizes
        Sizes in the box of the images.
    grey_scale : GreyScale
        Background of each image and its damaged pixels, which were removed.
    posteriors : ndarray of float32, shape (n, k), or None
        Of all classes, if asked for.
    """

    labels: Labels
    rotation_deg: Floats
    shift_px: Floats
    mirror: NDArray[np.bool_]
    dissimilarity: Floats
    posterior: Floats
    correlation: Floats
    fit: Floats
    shortfall: Floats
    residual: Floats
    contrast: Floats
    factor: Single
    sizes: Labels
    explained: Floats
    measured: Measured
    used: Sizes
    grey_scale: GreyScale
    posteriors: Optional[Single] = None

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def is_explained(self) -> NDArray[np.bool_]:
        """Whether each image fits its class better than noise would, shape (n,)."""
        return np.asarray(self.fit > LEAST_FIT)


def empty_columns(n: int) -> Columns:
    """Columns of an `Assignment`, and what its classes explain, for n empty images."""
    zeros = ("rotation_deg", "posterior", "correlation", "fit", "shortfall", "residual")
    return {
        **{name: np.zeros(n) for name in (*zeros, "explained")},
        "labels": np.full(n, -1),
        "shift_px": np.zeros((n, 2)),
        "mirror": np.zeros(n, np.bool_),
        "dissimilarity": np.full(n, np.nan),
        "contrast": np.ones(n),
        "factor": np.ones(n, np.float32),
    }


def assignment(
    columns: Columns,
    references: References,
    measured: Measured,
    grey_scale: GreyScale,
    posteriors: Optional[Single],
) -> Assignment:
    """The columns with the sizes of the classes."""
    labels, k = columns["labels"], len(references)
    kept = labels >= 0
    sizes = np.bincount(labels[kept], minlength=k)
    total: Floats = np.bincount(labels[kept], columns["explained"][kept], k).astype(np.float64)
    return Assignment(
        labels=labels,
        rotation_deg=columns["rotation_deg"],
        shift_px=columns["shift_px"],
        mirror=columns["mirror"],
        dissimilarity=columns["dissimilarity"],
        posterior=columns["posterior"],
        correlation=columns["correlation"],
        fit=columns["fit"],
        shortfall=columns["shortfall"],
        residual=columns["residual"],
        contrast=columns["contrast"],
        factor=columns["factor"],
        sizes=sizes,
        explained=total / np.maximum(sizes, 1),
        measured=measured,
        used=references.sizes,
        grey_scale=grey_scale,
        posteriors=posteriors,
    )
