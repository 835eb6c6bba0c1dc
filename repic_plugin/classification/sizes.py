"""Sizes that the comparison of particle images depends on, in proportion to the particle."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Mapping, Optional

import numpy as np

from repic_plugin.arguments import check_not_negative, check_positive, check_whole_number
from repic_plugin.classification.polar import FIRST_RING, PolarGrid, polar_grid

MIN_BOX_PX, MIN_RINGS = 16, 3
# The mask in particle diameters, and its limit where the particle fills the box.
MASK_PER_DIAMETER, MASK_FRACTION, EDGE_FRACTION = 1.1, 0.84, 0.05
# Low resolution is robust: for ribosomes of 250 Å, 27 Å is best. Smaller particles are compared
# at the same fraction of their mask, but no finer than 4 px: noise is all that is there.
RESOLUTION_ANGSTROM, RESOLUTIONS_PER_MASK, RESOLUTION_PX = 27.0, 10.0, 4.0
# A measured diameter below this part of the box is not believed: few boxes are that large, and
# where most images are junk the mean is that of small dense spots.
LEAST_MEASURED = 0.45
# Maximum shift as a fraction of the box: 4 px of 64.
SHIFT_FRACTION = 1 / 16
ARGUMENTS = ("particle_diameter_angstrom", "mask_diameter_px", "n_rings", "max_shift_px")


@dataclass(frozen=True)
class Sizes:
    """Sizes of one classification.

    Attributes
    ----------
    box_px : int
    pixel_size_angstrom : float
    particle_diameter_angstrom : float or None
        As given or measured; None if neither.
    is_measured : bool
        Whether the diameter was measured, see `particle_diameter`.
    mask_diameter_px : float
        Of the mask, without its soft edge.
    n_rings : int
        Rings in Fourier space that are compared.
    max_shift_px : float
    """

    box_px: int
    pixel_size_angstrom: float
    particle_diameter_angstrom: Optional[float]
    is_measured: bool
    mask_diameter_px: float
    n_rings: int
    max_shift_px: float

    def __str__(self) -> str:
        """The sizes as one line, in Å and px."""
        diameter = "particle diameter not visible"
        if self.particle_diameter_angstrom is not None:
            how = "measured" if self.is_measured else "given"
            diameter = f"particle diameter {self.particle_diameter_angstrom:.0f} Å ({how})"
        mask, shift = (
            f"{size * self.pixel_size_angstrom:.3g} Å ({size:.3g} px)"
            for size in (self.mask_diameter_px, self.max_shift_px)
        )
        return (
            f"{diameter}, mask {mask}, compared at {self.resolution_angstrom:.3g} Å "
            f"({self.n_rings} rings), shifts up to {shift}"
        )

    @property
    def edge_px(self) -> float:
        """Width of the soft edge of the mask on either side."""
        return EDGE_FRACTION * self.box_px

    @property
    def resolution_angstrom(self) -> float:
        """Resolution of the outermost ring."""
        return self.box_px * self.pixel_size_angstrom / self.n_rings

    def grid(self) -> PolarGrid:
        """Polar grid of the rings, for content of the mask's diameter."""
        return polar_grid(self.box_px, self.n_rings, self.mask_diameter_px)


def particle_sizes(
    box_px: int,
    pixel_size_angstrom: float,
    *,
    particle_diameter_angstrom: Optional[float] = None,
    is_measured: bool = False,
    mask_diameter_px: Optional[float] = None,
    n_rings: Optional[int] = None,
    max_shift_px: Optional[float] = None,
) -> Sizes:
    """Sizes from those that are given, and the others in proportion to the particle and the box.

    Parameters
    ----------
    box_px : int
    pixel_size_angstrom : float
    particle_diameter_angstrom : float, optional
        The longest diameter. Without it the mask is 0.84 of the box.
    is_measured : bool
        Whether the diameter was measured.
    mask_diameter_px : float, optional
        1.1 particle diameters by default, and at most 0.84 of the box.
    n_rings : int, optional
        By default those up to 27 Å, or up to a tenth of the mask where that is finer, but never
        beyond 4 px.
    max_shift_px : float, optional
        A sixteenth of the box by default.

    Returns
    -------
    Sizes

    Raises
    ------
    ValueError
        If a size is out of range or does not fit the box.
    """
    edge, box_angstrom = EDGE_FRACTION * box_px, box_px * pixel_size_angstrom
    mask = mask_diameter_px
    if particle_diameter_angstrom is not None:
        check_positive("particle_diameter_angstrom", particle_diameter_angstrom, "give it in Å")
        if particle_diameter_angstrom > box_angstrom:
            raise ValueError(
                f"particle_diameter_angstrom must not exceed the box, {box_angstrom:g} Å, got "
                f"{particle_diameter_angstrom:g}; extract larger boxes, or check the pixel size"
            )
    if mask is None:
        mask = MASK_FRACTION * box_px
        if particle_diameter_angstrom is not None:
            wanted = MASK_PER_DIAMETER * particle_diameter_angstrom / pixel_size_angstrom
            mask = min(mask, wanted)
    check_positive("mask_diameter_px", mask, "give it in px")
    if mask + 2 * edge > box_px:
        raise ValueError(
            f"the box of {box_px} px is too small for a mask of {mask:g} px and its soft edge of "
            f"{edge:g} px; give mask_diameter_px of {box_px - 2 * edge:g} at most, or extract "
            "larger boxes"
        )
    shift = SHIFT_FRACTION * box_px if max_shift_px is None else max_shift_px
    check_not_negative("max_shift_px", shift)
    if shift > box_px / 2:
        raise ValueError(
            f"max_shift_px must not exceed half of the box, {box_px / 2:g}, got {shift:g}; "
            "particles would leave their boxes"
        )
    return Sizes(
        box_px,
        pixel_size_angstrom,
        particle_diameter_angstrom,
        is_measured,
        mask,
        _n_rings(box_px, mask, pixel_size_angstrom, n_rings),
        shift,
    )


def measured_sizes(sizes: Sizes, given: Mapping[str, Any], diameter_px: float) -> Sizes:
    """Sizes with the diameter of the particle as it was measured, where none was given.

    Parameters
    ----------
    sizes : Sizes
        Without it.
    given : mapping
        The `ARGUMENTS` of `particle_sizes`.
    diameter_px : float
        See `particle_extent`.
    """
    is_needed = given["particle_diameter_angstrom"] is None and given["mask_diameter_px"] is None
    if not (is_needed and diameter_px >= LEAST_MEASURED * sizes.box_px):
        return sizes
    diameter = min(diameter_px, sizes.box_px) * sizes.pixel_size_angstrom
    measured = {**given, "particle_diameter_angstrom": diameter}
    return particle_sizes(sizes.box_px, sizes.pixel_size_angstrom, is_measured=True, **measured)


def _n_rings(box_px: int, mask_px: float, pixel_size_angstrom: float, given: Optional[int]) -> int:
    """Number of rings: that given, if it fits the box, or the default."""
    top, least = box_px // 2 - 2, FIRST_RING + MIN_RINGS - 1
    if given is None:
        mask_angstrom = mask_px * pixel_size_angstrom
        resolution = min(RESOLUTION_ANGSTROM, mask_angstrom / RESOLUTIONS_PER_MASK)
        resolution = max(resolution, RESOLUTION_PX * pixel_size_angstrom)
        return int(np.clip(np.rint(box_px * pixel_size_angstrom / resolution), least, top))
    check_whole_number("n_rings", given, least)
    if given > top:
        raise ValueError(
            f"n_rings must be {top} or less in a box of {box_px} px, got {given}; ask for a "
            "coarser resolution"
        )
    return given
