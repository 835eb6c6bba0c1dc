"""Result of a classification."""

from __future__ import annotations

from dataclasses import dataclass
from typing import List, Optional, Tuple

import numpy as np
from numpy.typing import NDArray

from repic_plugin.classification.normalisation import DUST_DEVIATIONS, GreyScale
from repic_plugin.classification.quality import ClassQuality
from repic_plugin.classification.references import References
from repic_plugin.classification.sizes import Sizes
from repic_plugin.classification.state import IterationRecord

# Backgrounds of normalised images differ by less than this between their 5th and 95th percentile.
MAX_SPREAD = 1.5


@dataclass(frozen=True, eq=False)
class Preparation:
    """What was done to the images before their classification.

    Attributes
    ----------
    sizes : Sizes
        Sizes given, measured or chosen.
    is_dark : bool
        Whether the particles appear dark on a bright ground.
    grey_scale : GreyScale
        Background of each image and its damaged pixels, which were removed. Of all images.
    is_filtered : bool
        Whether fine details were removed before, as from denoised images.
    dust_deviations : float
        Deviation of a damaged pixel, see `ParticleExtent`.
    max_energy : float
        Sum of squares for which an image counts at most; 0 for no limit.
    ctf_mode : {'weight', 'flip', 'none'}
        'none' without a CTF.
    mirror : bool
        Whether mirrored images were compared, too.
    """

    sizes: Sizes
    is_dark: bool
    grey_scale: GreyScale
    is_filtered: bool = False
    dust_deviations: float = DUST_DEVIATIONS
    max_energy: float = 0.0
    ctf_mode: str = "none"
    mirror: bool = False

    def notes(self) -> List[str]:
        """Remarks: damaged pixels, grey scales that differ, filtered images, dark particles."""
        n, notes = len(self.grey_scale.n_dust), []
        dusty = np.flatnonzero(self.grey_scale.n_dust)
        if len(dusty):
            worst = dusty[np.argmax(self.grey_scale.n_dust[dusty])]
            notes.append(
                f"damaged or contaminated pixels were left out in {len(dusty):,} of {n:,} images, "
                f"such as {int(self.grey_scale.n_dust[worst]):,} in image {worst + 1:,}"
            )
        low, typical, high = np.percentile(self.grey_scale.deviation, (5, 50, 95))
        if high > MAX_SPREAD * max(low, 1e-30):
            notes.append(
                "the images were not normalised: the standard deviation of their background is "
                f"{low:.3g} to {high:.3g}, usually {typical:.3g}; each was divided by its own"
            )
        if self.is_filtered:
            notes.append(
                "the images have hardly any fine details, noise included, as after denoising: "
                "scores and resolutions of classes mean little; extract from micrographs that were "
                "not filtered"
            )
        if self.is_dark:
            notes.append(
                "the particles appear dark on a bright ground; classes are the same, but other "
                "programs expect bright particles: invert the contrast when they are extracted"
            )
        return notes


@dataclass(frozen=True, eq=False)
class Classification:
    """Classes, the pose of each image in its class, and the record of the iterations.

    To align an image to its class average, move its content by the shift (px, x along columns, y
    along rows), then mirror it (x becomes -x) if `mirror`, then rotate it by ``[[cos r, -sin r],
    [sin r, cos r]]``, all about the pixel (box // 2, box // 2). Rotation and shift are RELION's
    rlnAnglePsi and rlnOrigin.

    Attributes
    ----------
    labels : ndarray of int64, shape (n,)
        Class of each image, from 0; -1 for empty images.
    rotation_deg : ndarray of float64, shape (n,)
        In [-180, 180).
    shift_px : ndarray of float64, shape (n, 2)
    mirror : ndarray of bool, shape (n,)
    dissimilarity : ndarray of float64, shape (n,)
        Squared distance, on the rings used, to the average of the other members of its class
        multiplied by the image's CTF; the noise of a pixel is 1. Of an image that was brighter,
        the sum of squares is capped at two medians. nan for empty images.
    averages : ndarray of float32, shape (n_classes, box, box)
        Of the normalised images. All zeros for an empty class.
    sizes : ndarray of int64, shape (n_classes,)
    explained : ndarray of float64, shape (n_classes,)
        Reduction of a member's sum of squares by the average of the others, mean over the class,
        in the unit of `dissimilarity`.
    is_junk : ndarray of bool, shape (n_classes,)
        Classes whose members are probably no particles, see `ClassQuality`.
    converged : bool
        False if `max_iterations` ended it.
    records : tuple of IterationRecord
    preparation : Preparation
    quality : ClassQuality or None
        None on ranks other than the first.
    """

    labels: NDArray[np.int64]
    rotation_deg: NDArray[np.float64]
    shift_px: NDArray[np.float64]
    mirror: NDArray[np.bool_]
    dissimilarity: NDArray[np.float64]
    averages: NDArray[np.float32]
    sizes: NDArray[np.int64]
    explained: NDArray[np.float64]
    is_junk: NDArray[np.bool_]
    converged: bool
    records: Tuple[IterationRecord, ...]
    preparation: Preparation
    quality: Optional[ClassQuality] = None

    def __len__(self) -> int:
        return len(self.labels)

    def references(self) -> References:
        """The classes as references that further images are assigned to."""
        made = self.preparation
        return References(
            averages=self.averages,
            sizes=made.sizes,
            ctf_mode=made.ctf_mode,
            mirror=made.mirror,
            dust_deviations=made.dust_deviations,
            max_energy=made.max_energy,
        )
