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
from repic_plugin.classification.rules import RULES
from repic_plugin.classification.sizes import MIN_BOX_PX, particle_sizes
from repic_plugin.classification.state import State

CTF_MODES = ("weight", "flip", "none")
FEW_MEMBERS = 30  # with fewer on average, averages are hardly better than particles


def few_members(n_particles: int, n_classes: int, name: str) -> str:
    """What is to be said where there are few particles for each class, else nothing.

    Parameters
    ----------
    n_particles, n_classes : int
    name : str
        Of the number of classes, as the user knows it.
    """
    if n_particles >= FEW_MEMBERS * n_classes:
        return ""
    enough = n_particles // FEW_MEMBERS
    remedy = f"set {name} to {enough} or fewer" if enough > 1 else "use more particles"
    return (
        f"{n_particles / n_classes:.1f} particles per class on average, fewer than {FEW_MEMBERS}: "
        f"averages will be noisy; {remedy}"
    )


def check_classification_arguments(
    n_images: int,
    box_px: int,
    *,
    pixel_size_angstrom: float,
    ctf_mode: str,
    particle_diameter_angstrom: Optional[float],
    n_rings: Optional[int],
    mask_diameter_px: Optional[float],
    max_shift_px: Optional[float],
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
    pixel_size_angstrom, ctf_mode, particle_diameter_angstrom, n_rings, mask_diameter_px,
    max_shift_px, n_threads, **settings
        As in `classify_particles`.

    Raises
    ------
    ValueError
        If an argument is invalid.
    """
    sizes = particle_sizes(
        box_px,
        pixel_size_angstrom,
        particle_diameter_angstrom=particle_diameter_angstrom,
        n_rings=n_rings,
        mask_diameter_px=mask_diameter_px,
        max_shift_px=max_shift_px,
    )
    course = CourseSettings(max_shift_px=sizes.max_shift_px, **settings)
    check_settings(course, n_images, ctf_mode, n_threads, n_processes)


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
            f"got {n_classes}; use fewer classes, or more particles to start with"
        )
    if resume is None:
        return
    n_labels, n_used = len(resume.labels), int(resume.labels.max(initial=-1)) + 1
    if n_labels != n_images or n_used > n_classes:
        raise ValueError(
            f"resume must be a state of {n_images} images that are not empty in {n_classes} "
            f"classes, got one of {n_labels} in {n_used}; start again"
        )
