"""Particles to classify, from a stack of images or from a RELION STAR file."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Optional, Sequence, Tuple

import numpy as np

from repic_plugin.arguments import PIXEL_SIZE_RANGE
from repic_plugin.formats.base.errors import PathLike, format_error, listed
from repic_plugin.formats.images.particle_star import (
    PHASE_FLIPPED,
    PREMULTIPLIED,
    ParticleStar,
    pixel_sizes_error,
    read_particle_star,
    star_flag,
    star_images,
    star_pixel_sizes,
)
from repic_plugin.formats.images.particle_star_ctf import ctf_notes, star_ctf
from repic_plugin.formats.images.stacks import (
    STACK_SUFFIXES,
    ImageStacks,
    is_same_pixel_size,
    open_stack,
)

if TYPE_CHECKING:
    from repic_plugin.classification import CtfParameters

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
    names : sequence of str, length n
        As in ``_rlnImageName``: 000001@stack.mrcs.
    phase_flipped : bool
        Whether the images' phases are flipped already (``_rlnCtfDataArePhaseFlipped``).
    ctf_premultiplied : bool
        Whether the images are multiplied by their CTF (``_rlnCtfDataAreCtfPremultiplied``).
    star : ParticleStar or None
        The tables of the STAR file, to write all its columns back; None for a stack.
    notes : tuple of str
        What a user should know of the files.
    """

    path: Path
    images: ImageStacks
    pixel_size_angstrom: float
    ctf: Optional[CtfParameters]
    names: Sequence[str]
    phase_flipped: bool = False
    ctf_premultiplied: bool = False
    star: Optional[ParticleStar] = None
    notes: Tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.images)

    def first(self, n: int) -> ParticleTable:
        """The first n particles."""
        return replace(
            self,
            images=self.images.first(n),
            ctf=None if self.ctf is None else self.ctf.take(slice(0, n)),
            names=self.names[:n],
            star=None if self.star is None else self.star.first(n),
        )


def read_particles(
    path: PathLike, pixel_size_angstrom: Optional[float] = None, *, with_ctf: bool = True
) -> ParticleTable:
    """Read a stack of particle images, or a STAR file of RELION 3.0 or later that names images.

    Parameters
    ----------
    path : str or path
        MRC stack (.mrcs, .mrc or .st) or STAR file (.star). In a STAR file, relative names of
        stacks are looked for in the current folder, in the file's folder and in those above it.
    pixel_size_angstrom : float, optional
        Where it is not given, the STAR file's or, failing that, that of the stacks' headers is
        used. It must not contradict the STAR file's one; it overrules optics groups of several,
        which is noted, and headers.
    with_ctf : bool
        Whether the CTF is read: without, its columns may be missing or wrong.

    Raises
    ------
    FormatError
        If a file is missing, damaged, cut short or of another kind, the images are not of one
        size and pixel size, the pixel size is unknown, or the CTF is given in part.
    """
    path = Path(path)
    given = pixel_size_angstrom
    low, high = PIXEL_SIZE_RANGE
    if given is not None and not low <= given <= high:
        rule = f"from {low:g} to {high:g} Å" if 0 < given < np.inf else "positive"
        problem = f"the pixel size must be {rule}, got {given:g}"
        raise format_error(path, f"{problem}; correct --pixel-size (Å)")
    suffix = path.suffix.lower()
    if suffix == STAR_SUFFIX:
        return _read_star(path, given, with_ctf)
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
        names=_StackNames(path, len(images)),
        notes=images.notes,
    )


class _StackNames(Sequence[str]):
    """The names of a stack's images, made when they are asked for: there may be millions."""

    def __init__(self, path: Path, n_images: int) -> None:
        self._path, self._numbers = path, range(1, n_images + 1)

    def __len__(self) -> int:
        return len(self._numbers)

    def __getitem__(self, row: Any) -> Any:
        numbers = self._numbers[row]
        if isinstance(numbers, range):
            return [f"{number:06d}@{self._path}" for number in numbers]
        return f"{numbers:06d}@{self._path}"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, (tuple, _StackNames)) and tuple(self) == tuple(other)

    __hash__ = None  # type: ignore[assignment]


def _read_star(path: Path, given: Optional[float], with_ctf: bool) -> ParticleTable:
    star = read_particle_star(path)
    sizes = star_pixel_sizes(star)
    several = []
    if len(sizes) > 1:
        if given is None:
            raise pixel_sizes_error(star, sizes)
        told = listed(f"{size:g}" for size in sizes)
        several = [f"{path}: has pixel sizes of {told} Å; {given:g} is used for all"]
    ctf = star_ctf(star) if with_ctf else None
    images = star_images(star, has_pixel_size=bool(given or sizes))
    from_star = sizes[0] if len(sizes) == 1 else 0.0
    return ParticleTable(
        path=path,
        images=images,
        pixel_size_angstrom=_known_pixel_size(path, given, from_star, images),
        ctf=ctf,
        names=tuple(star.names),
        phase_flipped=star_flag(star, PHASE_FLIPPED),
        ctf_premultiplied=star_flag(star, PREMULTIPLIED),
        star=star,
        notes=(*star.notes, *several, *ctf_notes(star, ctf), *images.notes),
    )


def _known_pixel_size(
    path: Path, given: Optional[float], from_star: float, images: ImageStacks
) -> float:
    """The pixel size in Å from the first source that has one; raises a FormatError if none."""
    if given is not None and from_star:
        if not is_same_pixel_size(given, from_star):
            problem = f"the pixel size in the file is {from_star:g} Å, --pixel-size {given:g}"
            raise format_error(path, f"{problem}; omit --pixel-size or correct the file")
        return from_star
    size = given or from_star or images.pixel_size_angstrom
    if not size:
        problem = "the header has no pixel size"
        raise format_error(path, f"{problem}; add --pixel-size (Å)")
    return float(size)
