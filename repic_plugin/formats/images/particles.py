"""Particles to classify, from a stack of images or from a RELION STAR file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Optional, Tuple

import numpy as np

from repic_plugin.classification import CtfParameters
from repic_plugin.formats.base.errors import PathLike, format_error
from repic_plugin.formats.images.particle_star import (
    PHASE_FLIPPED,
    PREMULTIPLIED,
    ParticleStar,
    read_particle_star,
    star_ctf,
    star_flag,
    star_images,
    star_pixel_size,
)
from repic_plugin.formats.images.stacks import (
    MAX_PIXEL_SIZE_RATIO,
    STACK_SUFFIXES,
    ImageStacks,
    open_stack,
)

STAR_SUFFIX = ".star"


@dataclass(frozen=True, eq=False)
class ParticleTable:
    """Particles in the order of their file.

    Attributes
    ----------
    path : Path
        The file that was read.
    images : ImageStacks
        Shape (n, box, box); they stay on the disk.
    pixel_size_angstrom : float
    ctf : CtfParameters or None
        Of n particles; None where the file has no defocus.
    names : tuple of str, length n
        As in ``_rlnImageName``: 000001@stack.mrcs.
    phase_flipped : bool
        Whether the images' phases are flipped already (``_rlnCtfDataArePhaseFlipped``).
    ctf_premultiplied : bool
        Whether the images are multiplied by their CTF (``_rlnCtfDataAreCtfPremultiplied``).
    star : ParticleStar or None
        The tables of the STAR file, to write all its columns back; None for a stack.
    """

    path: Path
    images: ImageStacks
    pixel_size_angstrom: float
    ctf: Optional[CtfParameters]
    names: Tuple[str, ...]
    phase_flipped: bool = False
    ctf_premultiplied: bool = False
    star: Optional[ParticleStar] = None

    def __len__(self) -> int:
        return len(self.images)


def read_particles(path: PathLike, pixel_size_angstrom: Optional[float] = None) -> ParticleTable:
    """Read a stack of particle images, or a STAR file of RELION 3.0 or later that names images.

    Parameters
    ----------
    path : str or path
        MRC stack (.mrcs, .mrc or .st) or STAR file (.star). In a STAR file, relative names of
        stacks are looked for in the current folder, in the file's folder and in those above it.
    pixel_size_angstrom : float, optional
        Where it is not given, the STAR file's or, failing that, that of the stacks' headers is
        used. It must agree with the STAR file's, but overrides headers.

    Returns
    -------
    ParticleTable

    Raises
    ------
    FormatError
        If a file is missing, damaged, cut short or of another kind, the images are not of one
        size and pixel size, the pixel size is unknown, or the CTF is given in part.
    """
    path = Path(path)
    given = pixel_size_angstrom
    if given is not None and not (np.isfinite(given) and given > 0):
        raise format_error(
            path, f"the pixel size must be positive, got {given:g}; correct --pixel-size (Å)"
        )
    suffix = path.suffix.lower()
    if suffix == STAR_SUFFIX:
        return _read_star(path, given)
    if suffix not in STACK_SUFFIXES:
        known = ", ".join((STAR_SUFFIX, *STACK_SUFFIXES))
        problem = f"particles must be a file that ends in {known}, got {path.suffix!r}"
        raise format_error(path, f"{problem}; convert it")
    return _read_stack(path, given)


def _read_stack(path: Path, pixel_size_angstrom: Optional[float]) -> ParticleTable:
    images = open_stack(path)
    return ParticleTable(
        path=path,
        images=images,
        pixel_size_angstrom=_known_pixel_size(path, pixel_size_angstrom, 0.0, images),
        ctf=None,
        names=tuple(f"{number:06d}@{path}" for number in range(1, len(images) + 1)),
    )


def _read_star(path: Path, pixel_size_angstrom: Optional[float]) -> ParticleTable:
    star = read_particle_star(path)
    from_star = star_pixel_size(star)
    ctf = star_ctf(star)
    images = star_images(star)
    return ParticleTable(
        path=path,
        images=images,
        pixel_size_angstrom=_known_pixel_size(path, pixel_size_angstrom, from_star, images),
        ctf=ctf,
        names=tuple(star.names),
        phase_flipped=star_flag(star, PHASE_FLIPPED),
        ctf_premultiplied=star_flag(star, PREMULTIPLIED),
        star=star,
    )


def _known_pixel_size(
    path: Path, given: Optional[float], from_star: float, images: ImageStacks
) -> float:
    """The pixel size in Å from the first source that has one; raises a FormatError if none."""
    if given is not None and from_star:
        if max(given, from_star) > min(given, from_star) * MAX_PIXEL_SIZE_RATIO:
            problem = f"the pixel size in the file is {from_star:g} Å, --pixel-size {given:g}"
            raise format_error(path, f"{problem}; omit --pixel-size or correct the file")
        return from_star
    size = given or from_star or images.pixel_size_angstrom
    if not size:
        problem = "the header has no pixel size"
        raise format_error(path, f"{problem}; add --pixel-size (Å)")
    return float(size)
