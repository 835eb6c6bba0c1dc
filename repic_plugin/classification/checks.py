"""Checks of the arguments of a classification."""

from __future__ import annotations

from typing import Any, Optional, Tuple

from repic_plugin.arguments import (
    check_choice,
    check_in_range,
    check_not_negative,
    check_positive,
    check_seed,
    check_whole_number,
)
from repic_plugin.classification.course import ALIGNMENTS, CourseSettings
from repic_plugin.classification.ctf import CtfParameters
from repic_plugin.classification.polar import FIRST_RING, PolarGrid, polar_grid
from repic_plugin.classification.rules import RULES
from repic_plugin.classification.state import State

CTF_MODES = ("weight", "flip", "none")
# Low resolution is robust: for ribosomes of 250 Å in boxes of 320 Å, 12 rings (27 Å) are best.
DEFAULT_RINGS = 12
MASK_FRACTION, EDGE_FRACTION = 0.84, 0.05
MIN_BOX_PX, MIN_RINGS = 16, 3


def check_classification_arguments(
    n_images: int,
    box_px: int,
    *,
    ctf_mode: str,
    n_rings: Optional[int],
    mask_diameter_px: Optional[float],
    n_threads: int,
    n_processes: int,
    **settings: Any,
) -> None:
    """Check the arguments of `classify_particles` before images are available.

    Parameters
    ----------
    n_images : int
    box_px : int
        Side of an image.
    n_processes : int
        Number of processes to distribute the images over.
    ctf_mode, n_rings, mask_diameter_px, n_threads, **settings
        As in `classify_particles`.

    Raises
    ------
    ValueError
        If an argument is invalid.
    """
    course = CourseSettings(**settings)
    check_settings(course, n_images, box_px, ctf_mode, n_threads, n_processes)
    layout(box_px, n_rings, mask_diameter_px)


def check_images(images: Any) -> int:
    """Number of images in a stack of squares of sufficient size."""
    shape: Tuple[int, ...] = tuple(getattr(images, "shape", ()))
    if len(shape) != 3 or shape[1] != shape[2]:
        raise ValueError(f"images must be of shape (n, box, box), got shape {shape}")
    if shape[1] < MIN_BOX_PX:
        raise ValueError(
            f"images must have a box of {MIN_BOX_PX} px or more, got {shape[1]}; "
            "extract particles in larger boxes"
        )
    return int(shape[0])


def check_settings(
    settings: CourseSettings,
    n_images: int,
    box_px: int,
    ctf_mode: str,
    n_threads: int,
    n_processes: int,
) -> None:
    """Refuse invalid settings."""
    check_whole_number("n_classes", settings.n_classes, 2)
    if settings.n_classes > n_images:
        raise ValueError(
            f"n_classes must not exceed the number of images, {n_images}, got {settings.n_classes}"
        )
    check_whole_number("max_iterations", settings.max_iterations, 1)
    check_whole_number("n_threads", n_threads, 1)
    check_seed(settings.random_state)
    check_choice("method", settings.method, tuple(RULES))
    check_choice("alignment", settings.alignment, ALIGNMENTS)
    check_choice("ctf_mode", ctf_mode, CTF_MODES)
    check_not_negative("beta", settings.beta)
    check_in_range("tolerance", settings.tolerance, 0, 1)
    check_not_negative("max_shift_px", settings.max_shift_px)
    if settings.max_shift_px > box_px / 2:
        raise ValueError(
            f"max_shift_px must not exceed half of the box, {box_px / 2:g}, got "
            f"{settings.max_shift_px:g}; particles would leave their boxes"
        )
    if n_processes > 1 and settings.method == "eqk":
        raise ValueError(
            f"method 'eqk' sorts all pairs of an image and a class in one process, got "
            f"{n_processes} of them (MPI); start one, or choose another method"
        )


def check_optics(pixel_size_angstrom: float, ctf: Optional[CtfParameters], n_images: int) -> None:
    """Refuse a non-positive pixel size, and a CTF of another number of images."""
    check_positive("pixel_size_angstrom", pixel_size_angstrom, "give the pixel size")
    if ctf is not None and len(ctf) != n_images:
        raise ValueError(
            f"ctf must have an entry for each of the {n_images} images, got {len(ctf)}"
        )


def check_kept(n_images: int, n_classes: int, resume: Optional[State]) -> None:
    """Refuse more classes than non-empty images, and the state of a different classification."""
    if n_classes > n_images:
        raise ValueError(
            f"n_classes must not exceed the number of images that are not empty, {n_images}, "
            f"got {n_classes}"
        )
    if resume is None:
        return
    n_labels, n_used = len(resume.labels), int(resume.labels.max(initial=-1)) + 1
    if n_labels != n_images or n_used > n_classes:
        raise ValueError(
            f"resume must be a state of {n_images} images that are not empty in {n_classes} "
            f"classes, got one of {n_labels} in {n_used}; start again"
        )


def default_rings(box_px: int) -> int:
    """Number of rings in Fourier space that are compared by default."""
    return min(DEFAULT_RINGS, box_px // 2 - 2)


def layout(
    box_px: int, n_rings: Optional[int], mask_diameter_px: Optional[float]
) -> Tuple[PolarGrid, float, float]:
    """Polar grid, radius of the mask and width of its soft edge, px."""
    top = box_px // 2 - 2
    last_ring = default_rings(box_px) if n_rings is None else n_rings
    check_whole_number("n_rings", last_ring, FIRST_RING + MIN_RINGS - 1)
    if last_ring > top:
        raise ValueError(
            f"n_rings must be {top} or less in a box of {box_px} px, got {last_ring}; "
            "ask for a coarser resolution"
        )
    diameter, edge = MASK_FRACTION * box_px, EDGE_FRACTION * box_px
    if mask_diameter_px is not None:
        diameter = check_positive("mask_diameter_px", mask_diameter_px, "give it in px")
    if diameter + 2 * edge > box_px:
        raise ValueError(
            f"the box of {box_px} px is too small for a mask of {diameter:g} px and its soft edge "
            f"of {edge:g} px; give mask_diameter_px of {box_px - 2 * edge:g} at most, or "
            "extract larger boxes"
        )
    return polar_grid(box_px, last_ring, diameter), diameter / 2, edge
