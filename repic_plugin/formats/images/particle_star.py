"""The particles of a RELION STAR file: their images and metadata.

RELION 3.0 has one table with everything in its rows; from 3.1 on, what many particles share stands
in a table of optics groups.
"""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Dict, Iterator, List, NamedTuple, Optional, Sequence, Tuple

import numpy as np
from numpy.typing import NDArray

from repic_plugin.arguments import PIXEL_SIZE_RANGE
from repic_plugin.formats.base.errors import FormatError, format_error, listed, shown
from repic_plugin.formats.base.star_optics import GROUP, OPTICS, group_rows
from repic_plugin.formats.base.star_reading import no_table_error, star_tables
from repic_plugin.formats.base.text_tables import TextTable, read_columns
from repic_plugin.formats.images.mrc import stack_file
from repic_plugin.formats.images.stacks import ImageStacks, is_same_pixel_size

PARTICLES = "data_particles"
IMAGE, GROUP_NAME = "rlnImageName", "rlnOpticsGroupName"
IMAGE_PIXEL_SIZE, PIXEL_SIZE = "rlnImagePixelSize", "rlnPixelSize"
DETECTOR_PIXEL_SIZE, MAGNIFICATION = "rlnDetectorPixelSize", "rlnMagnification"
IMAGE_SIZE, DIMENSIONS = "rlnImageSize", "rlnImageDimensionality"
DEFOCUS_U, DEFOCUS_V, DEFOCUS_ANGLE = "rlnDefocusU", "rlnDefocusV", "rlnDefocusAngle"
VOLTAGE, ABERRATION = "rlnVoltage", "rlnSphericalAberration"
AMPLITUDE_CONTRAST, PHASE_SHIFT = "rlnAmplitudeContrast", "rlnPhaseShift"
PHASE_FLIPPED, PREMULTIPLIED = "rlnCtfDataArePhaseFlipped", "rlnCtfDataAreCtfPremultiplied"
NUMBERS = (
    *(GROUP, IMAGE_PIXEL_SIZE, PIXEL_SIZE, DETECTOR_PIXEL_SIZE, MAGNIFICATION),
    *(IMAGE_SIZE, DIMENSIONS, DEFOCUS_U, DEFOCUS_V, DEFOCUS_ANGLE),
    *(VOLTAGE, ABERRATION, AMPLITUDE_CONTRAST, PHASE_SHIFT, PHASE_FLIPPED, PREMULTIPLIED),
)
ANGSTROM_PER_MICROMETRE = 1e4
MAX_DIGITS = 9  # of an image's number

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class ParticleStar:
    """The tables of a STAR file of particles, with the columns that this program understands.

    Attributes
    ----------
    path : Path
    particles : TextTable
        As in the file.
    optics : TextTable or None
        None before RELION 3.1.
    names : list of str, length n
        ``_rlnImageName``.
    group : ndarray of int64, shape (n,), or None
        Each particle's row in `optics`.
    particle_values, optics_values : dict of str to ndarray of float64
        The columns of `NUMBERS` that the tables have.
    notes : tuple of str
        What a user should know of the file.
    """

    path: Path
    particles: TextTable
    optics: Optional[TextTable]
    names: List[str]
    group: Optional[NDArray[np.int64]]
    particle_values: Dict[str, Floats]
    optics_values: Dict[str, Floats]
    notes: Tuple[str, ...] = ()

    def first(self, n: int) -> ParticleStar:
        """The tables with the first n particles."""
        return replace(
            self,
            particles=self.particles.first(n),
            names=self.names[:n],
            group=None if self.group is None else self.group[:n],
            particle_values={k: column[:n] for k, column in self.particle_values.items()},
        )

    def values(self, label: str) -> Optional[Floats]:
        """A number of each particle, shape (n,), from its row or its optics group; None if absent.

        Where both have it the row decides, as in RELION.
        """
        if label in self.particle_values:
            return self.particle_values[label]
        if self.group is not None and label in self.optics_values:
            return self.optics_values[label][self.group]
        return None

    def one_value(self, label: str, remedy: str, default: float = 0.0) -> float:
        """The number that all particles share; raises a FormatError where they differ."""
        values = self.values(label)
        if values is None:
            return default
        self.check_same(label, values, remedy)
        return float(values[0])

    def check_same(self, what: str, values: Floats, remedy: str) -> None:
        """Raise a FormatError unless the values are one."""
        first = values[0]
        different = values != first
        if different.any():
            row = int(np.argmax(different))
            problem = f"{what} must be the same for all particles, got {values[row]:g} and before "
            raise self.particles.row_error(row, f"{problem}{first:g}; {remedy}")


def read_particle_star(path: Path) -> ParticleStar:
    """Read a STAR file of particles, of RELION 3.0 or later.

    Raises
    ------
    FormatError
        If the file cannot be read, has no particles, or a row or an optics group is wrong.
    """
    tables = star_tables(path, pairs=True)
    with_images = [table for table in tables if IMAGE in table.columns]
    if not with_images:
        raise no_table_error(path, tables, f"with _{IMAGE}, one row for each particle")
    particles = next((t for t in with_images if t.name == PARTICLES), with_images[0])
    optics = next((t for t in tables if t.name == OPTICS), None)
    columns = read_columns(particles, particles.present(NUMBERS), (IMAGE,))
    names = columns.words[IMAGE]
    if not names:
        raise format_error(path, f"{particles.name} has no particles; select some")
    found = read_columns(optics, optics.present(NUMBERS)).numbers if optics else {}
    group = group_rows(particles, columns.numbers.get(GROUP), optics, found, len(names))
    star = ParticleStar(path, particles, optics, names, group, columns.numbers, found)
    return replace(star, notes=tuple(_notes(star, [table.name for table in with_images])))


def _notes(star: ParticleStar, tables: Sequence[str]) -> Iterator[str]:
    if len(tables) > 1:
        yield (
            f"{star.path}: has particles in {len(tables)} tables ({listed(tables)}), of which only "
            f"{star.particles.name} is read"
        )
    n_doubled = len(star.names) - len(set(star.names))
    if n_doubled:
        first = Counter(star.names).most_common(1)[0][0]
        yield (
            f"{star.path}: {n_doubled:,} of {len(star.names):,} particles stand there more than "
            f"once ({first}); they count as often, and half sets with the same particle agree "
            "better than they should"
        )


def star_images(star: ParticleStar, *, has_pixel_size: bool = False) -> ImageStacks:
    """The images of a STAR file's particles.

    A relative name is looked for in the current folder, in the STAR file's folder, and in the
    folders above it: RELION's names are relative to its project's folder. The first that exists
    is taken; a note says where the second would be another file.

    Raises
    ------
    FormatError
        If a name has no number, or a stack is missing, shorter than the names say, or different
        from the others.
    """
    dimensions = star.one_value(DIMENSIONS, "use particle images only", 2.0)
    if dimensions != 2:
        problem = f"_{DIMENSIONS} must be 2, got {dimensions:g}; these are not images: project them"
        raise format_error(star.path, problem)
    files, stack, index, numbered = _split_names(star)
    _, first_rows = np.unique(stack, return_index=True)
    folders = _Folders(star.path)
    paths = [folders.find(file, star.particles, row) for file, row in zip(files, first_rows)]
    images = ImageStacks(
        paths, stack, index, row_error=star.particles.row_error, has_pixel_size=has_pixel_size
    )
    _check_numbered(star, images, numbered)
    _check_box(star, images.shape[2])
    images.notes = (*images.notes, *folders.notes(star.path))
    return images


def star_pixel_sizes(star: ParticleStar) -> List[float]:
    """Pixel sizes of the particles in angstrom, in the order of the file; none if not there.

    Those that differ by their rounding are one.

    Raises
    ------
    FormatError
        If one is not a pixel size.
    """
    label, sizes = _pixel_sizes(star)
    if sizes is None:
        return []
    low, high = PIXEL_SIZE_RANGE
    wrong = np.flatnonzero((sizes < low) | (sizes > high))
    if len(wrong):
        got = sizes[wrong[0]]
        rule = "> 0" if got <= 0 else f"from {low:g} to {high:g} Å"
        problem = f"{label} must be {rule}, got {got:g}; correct the pixel size"
        raise star.particles.row_error(int(wrong[0]), problem)
    found: List[float] = []
    for size in sizes[np.sort(np.unique(sizes, return_index=True)[1])].tolist():
        if not any(is_same_pixel_size(size, one) for one in found):
            found.append(size)
    return found


def pixel_sizes_error(star: ParticleStar, sizes: Sequence[float]) -> FormatError:
    """The error for particles of several pixel sizes."""
    label, column = _pixel_sizes(star)
    same = [is_same_pixel_size(one, sizes[0]) for one in ([] if column is None else column)]
    problem = (
        f"{label} (Å) must be the same for all particles, got {sizes[1]:g} and before "
        f"{sizes[0]:g}; classify each pixel size separately, rescale the particles, or "
        "give --pixel-size to take them as they are"
    )
    return star.particles.row_error(same.index(False), problem)


def star_flag(star: ParticleStar, label: str) -> bool:
    """Whether a yes-or-no column says yes; raises a FormatError where particles differ."""
    return bool(star.one_value(label, "classify the particles of each kind separately"))


def _pixel_sizes(star: ParticleStar) -> Tuple[str, Optional[Floats]]:
    """What gives the pixel size, and that of each particle in angstrom."""
    image = star.values(IMAGE_PIXEL_SIZE)
    if image is not None:
        return IMAGE_PIXEL_SIZE, image
    detector, magnification = star.values(DETECTOR_PIXEL_SIZE), star.values(MAGNIFICATION)
    if detector is not None and magnification is not None:
        with np.errstate(divide="ignore", invalid="ignore"):
            sizes = detector * ANGSTROM_PER_MICROMETRE / magnification
        label = f"{DETECTOR_PIXEL_SIZE} / {MAGNIFICATION}"
        return label, np.where(np.isfinite(sizes), sizes, 0.0)
    return PIXEL_SIZE, star.values(PIXEL_SIZE)


class _Names(NamedTuple):
    files: List[str]
    stack: NDArray[np.int64]
    image: NDArray[np.int64]
    numbered: NDArray[np.bool_]


def _split_names(star: ParticleStar) -> _Names:
    """Files, and each particle's file and image, from names as 000001@stack.mrcs or image.mrc."""
    number_of: Dict[str, int] = {}
    stack, index, numbered = [], [], []
    for row, name in enumerate(star.names):
        number, at, file = name.partition("@")
        if not at:
            number, file = "1", name
        n_digits = len(number.lstrip("0"))
        if not (file and number.isdecimal() and 0 < n_digits <= MAX_DIGITS):
            raise _name_error(star, row)
        stack.append(number_of.setdefault(file, len(number_of)))
        index.append(int(number) - 1)
        numbered.append(bool(at))
    return _Names(list(number_of), np.array(stack), np.array(index), np.array(numbered))


def _name_error(star: ParticleStar, row: int) -> FormatError:
    problem = f"{IMAGE} must be as in 000001@stack.mrcs, counted from 1, got"
    return star.particles.row_error(row, f"{problem} {shown(star.names[row])}; correct the name")


def _check_numbered(star: ParticleStar, images: ImageStacks, numbered: NDArray[np.bool_]) -> None:
    """Raise a FormatError where a name has no number although its file has several images."""
    open_question = np.flatnonzero(~numbered & (images.lengths[images.stack] > 1))
    if len(open_question):
        raise _name_error(star, int(open_question[0]))


def _check_box(star: ParticleStar, box: int) -> None:
    sizes = star.values(IMAGE_SIZE)
    if sizes is None or (sizes == box).all():
        return
    row = int(np.argmax(sizes != box))
    problem = f"{IMAGE_SIZE} must be the box of the images, {box} px, got {sizes[row]:g}"
    remedy = "the stacks may have been rewritten: correct the optics group"
    raise star.particles.row_error(row, f"{problem}; {remedy}")


class _Folders:
    """Where relative names are looked for."""

    def __init__(self, star_path: Path) -> None:
        folder = Path(os.path.abspath(star_path)).parent
        self._beside = folder
        self._bases = list(dict.fromkeys([Path.cwd(), folder, *folder.parents]))
        self._there: Dict[Path, bool] = {}
        self._two: Optional[Tuple[Path, Path]] = None  # the first file found, and one beside

    def find(self, file: str, table: TextTable, row: int) -> Path:
        """Absolute path of the file of a row; raises a FormatError where there is none."""
        wanted = stack_file(file)
        for path in self._candidates(wanted):
            if path.is_file():
                self._compare(wanted, path)
                return path
        bases = [] if wanted.is_absolute() else self._bases
        where = f", looked for in {listed(map(str, bases))}" if bases else ""
        remedy = f"run in the project folder, or correct {IMAGE}"
        raise table.row_error(row, f"no such file: {wanted}{where}; {remedy}")

    def _compare(self, wanted: Path, found: Path) -> None:
        """Keep a name that is another file beside the STAR file than in the current folder."""
        beside = self._beside / wanted
        if self._two is not None or beside == found or not self._is_there(beside.parent):
            return
        if beside.is_file() and not beside.samefile(found):
            self._two = found, beside

    def notes(self, star_path: Path) -> Iterator[str]:
        """What a user should know of the files that were found."""
        if self._two is not None:
            found, beside = self._two
            yield (
                f"{star_path}: images were taken from {found}, as names are relative to the "
                f"current folder, though {beside} is beside the list; run in another folder if "
                "that is meant"
            )

    def _is_there(self, folder: Path) -> bool:
        # Thousands of stacks lie in few folders: ask a slow disk once for each folder.
        if folder not in self._there:
            self._there[folder] = folder.is_dir()
        return self._there[folder]

    def _candidates(self, wanted: Path) -> Iterator[Path]:
        if wanted.is_absolute():
            yield wanted
            return
        for base in self._bases:
            path = base / wanted
            if self._is_there(path.parent):
                yield path
