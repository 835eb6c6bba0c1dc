"""Particle picking by template matching."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Optional, Tuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from repic_plugin.arguments import (
    check_box_size,
    check_in_range,
    check_positive,
    check_whole_number,
)
from repic_plugin.template_picking.checks import MIN_BOX_PX, check_images
from repic_plugin.template_picking.correlation import TemplateBank
from repic_plugin.template_picking.diameters import MIN_DISTANCE_DIAMETERS, measured_diameter
from repic_plugin.template_picking.masks import MicrographMask, find_mask
from repic_plugin.template_picking.peaks import find_peaks
from repic_plugin.template_picking.preparation import prepare_micrograph
from repic_plugin.template_picking.reduced import reduction
from repic_plugin.template_picking.templates import (
    general_template,
    rotated_templates,
    template_mask,
)
from repic_plugin.template_picking.thresholds import min_score_from_null, phase_randomised

DEFAULT_STEP_DEG = 15.0
MAX_DISTANCE_BOXES = 2.0
# The particle of which only the box is known, in boxes.
USUAL_DIAMETER_BOXES = 0.7


@dataclass(frozen=True, eq=False)
class FoundParticles:
    """Picks on one micrograph, best first.

    Attributes
    ----------
    centers : ndarray of float64, shape (n, 2)
        x, y in px of the micrograph, from the outer edge of the first pixels.
    scores : ndarray of float64, shape (n,)
        Normalised cross-correlation with the best template, in [-1, 1].
    min_score : float
        Minimum score, as given or found.
    mask : MicrographMask
        Parts in which no particle was looked for.
    """

    centers: NDArray[np.float64]
    scores: NDArray[np.float64]
    min_score: float
    mask: MicrographMask

    def __len__(self) -> int:
        return len(self.scores)


class TemplateMatcher:
    """Template matcher for one micrograph after another, also by several threads at once.

    Parameters
    ----------
    templates : array_like of float, shape (k, side, side), optional
        In reduced px, with the contrast of the micrographs (usually dark particles), centred on
        the pixel (side // 2, side // 2); see `learn_templates`. By default `general_template`.
    box_size_px : int
        In px of the micrographs.
    particle_diameter_px : float, optional
        Longest extent, in px of the micrographs, at most the box. By default it is measured from
        the templates and only determines the minimum distance; 0.7 boxes without templates. If
        given, it also determines the compared disc of 1.5 diameters, and the blob.
    angular_step_deg : float
        Step of the in-plane rotations of the templates.
    invert : bool
        Search for the inverted contrast of the templates.

    Attributes
    ----------
    box_size_px : int
    particle_diameter_px : float
        As given or measured.
    min_distance_px : float
        Default minimum distance between two picks, 0.6 diameters, in px of the micrographs.

    Raises
    ------
    ValueError
        If an argument is out of range.

    Examples
    --------
    >>> import numpy as np
    >>> from repic_plugin.template_picking import TemplateMatcher
    >>> y, x = np.mgrid[:256, :256]
    >>> micrograph = np.random.default_rng(0).normal(size=(256, 256))
    >>> micrograph -= np.hypot(x - 100, y - 150) < 12
    >>> found = TemplateMatcher(box_size_px=48).pick(micrograph, max_particles=1)
    >>> bool(np.hypot(*(found.centers[0] - (100, 150))) < 3)
    True
    """

    def __init__(
        self,
        templates: Optional[ArrayLike] = None,
        *,
        box_size_px: int,
        particle_diameter_px: Optional[float] = None,
        angular_step_deg: float = DEFAULT_STEP_DEG,
        invert: bool = False,
    ) -> None:
        self.box_size_px = check_box_size("box_size_px", box_size_px, MIN_BOX_PX)
        given_px = _check_diameter(particle_diameter_px, self.box_size_px)
        images = general_template(box_size_px, given_px) if templates is None else templates
        images = -check_images("templates", images) if invert else check_images("templates", images)
        factor = reduction(self.box_size_px)
        if given_px is not None:
            self.particle_diameter_px = given_px
        elif templates is None:
            self.particle_diameter_px = USUAL_DIAMETER_BOXES * self.box_size_px
        else:
            self.particle_diameter_px = factor * measured_diameter(images)
        self.min_distance_px = MIN_DISTANCE_DIAMETERS * self.particle_diameter_px
        turned = rotated_templates(images, angular_step_deg)
        self._is_round = len(turned) == len(images)
        mask = template_mask(turned.shape[-1], (given_px or np.inf) / factor)
        self._bank = TemplateBank(turned, mask)

    def scores(self, micrograph: ArrayLike) -> NDArray[np.float32]:
        """Scores at the pixels of the reduced micrograph; 0 in blank parts.

        Parameters
        ----------
        micrograph : array_like of float, shape (height, width)

        Returns
        -------
        ndarray of float32, shape (height // reduction, width // reduction)

        Raises
        ------
        ValueError
            If the micrograph is no finite image, or smaller than a box.
        """
        mask = find_mask(
            micrograph, self.box_size_px, self.particle_diameter_px, contamination=False
        )
        prepared = prepare_micrograph(micrograph, self.box_size_px, mask)
        return np.where(mask.blank, np.float32(0), self._bank.scores(prepared))

    def pick(
        self,
        micrograph: ArrayLike,
        *,
        min_score: Optional[float] = None,
        max_particles: int = 0,
        min_distance_boxes: Optional[float] = None,
        mask_contamination: bool = True,
    ) -> FoundParticles:
        """Picks whose boxes lie within the micrograph, and whose centres are not masked.

        Parameters
        ----------
        micrograph : array_like of float, shape (height, width)
        min_score : float, optional
            In [-1, 1]. By default the lowest from which a null has at most a fifth as many
            peaks: the inverted templates on the same micrograph or, as bright gaps surround
            particles, for round templates the micrograph with random phases.
        max_particles : int
            Maximum number of picks, best first; 0 keeps all.
        min_distance_boxes : float, optional
            Minimum distance between two picks, in boxes, up to 2; by default 0.6 diameters.
        mask_contamination : bool
            Exclude contamination and carbon, see `find_mask`, besides blank parts.

        Raises
        ------
        ValueError
            If the micrograph is no finite image, or smaller than a box.
        """
        distance_px = self.min_distance_px
        if min_distance_boxes is not None:
            check_in_range("min_distance_boxes", min_distance_boxes, 0, MAX_DISTANCE_BOXES)
            distance_px = min_distance_boxes * self.box_size_px
        check_whole_number("max_particles", max_particles, 0)
        mask = find_mask(
            micrograph,
            self.box_size_px,
            self.particle_diameter_px,
            contamination=mask_contamination,
        )
        prepared = prepare_micrograph(micrograph, self.box_size_px, mask)
        scores, null = self._bank.scores_and_inverted(prepared)
        peaks = partial(self._peaks, distance_px, np.shape(micrograph), mask)
        if min_score is None:
            found, heights = peaks(scores, 0.0)
            if self._is_round:
                null = self._bank.scores(phase_randomised(prepared))
            least = min_score_from_null(heights, peaks(null, 0.0)[1])
        else:
            least = check_in_range("min_score", min_score, -1, 1)
            found, heights = peaks(scores, least)
        kept = np.flatnonzero(heights >= least)[: max_particles or None]
        return FoundParticles(found[kept], heights[kept], least, mask)

    def _peaks(
        self,
        distance_px: float,
        shape: Tuple[int, ...],
        mask: MicrographMask,
        scores: NDArray[np.float32],
        min_score: float,
    ) -> Tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Centres and heights of the peaks that `pick` may return, best first."""
        factor, half_box = reduction(self.box_size_px), self.box_size_px / 2
        allowed = np.where(mask.excluded, np.float32(-1), scores)
        peaks, heights = find_peaks(allowed, distance_px / factor, min_score)
        centers = (peaks + 0.5) * factor
        sides = np.array(shape[::-1])
        inside = ((centers >= half_box) & (centers <= sides - half_box)).all(axis=1)
        return centers[inside], heights[inside]


def _check_diameter(diameter_px: Optional[float], box_size_px: int) -> Optional[float]:
    """Diameter as a float of at most the box, or None."""
    if diameter_px is None:
        return None
    remedy = "give the longest extent of the particle, or a larger box"
    check_positive("particle_diameter_px", diameter_px, remedy)
    low = MIN_BOX_PX / 4
    return check_in_range("particle_diameter_px", diameter_px, low, box_size_px, remedy=remedy)
