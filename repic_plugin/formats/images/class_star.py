"""Classified particles as a STAR file for RELION and other programs."""

from __future__ import annotations

import os
from pathlib import Path
from typing import (
    TYPE_CHECKING,
    Any,
    Dict,
    Iterator,
    List,
    NamedTuple,
    Optional,
    Sequence,
    Set,
    Tuple,
    Union,
)

import numpy as np
from numpy.typing import ArrayLike, NDArray

from repic_plugin.formats.base.atomic import atomic_open
from repic_plugin.formats.base.errors import PathLike
from repic_plugin.formats.base.star_optics import GROUP, OPTICS
from repic_plugin.formats.base.star_writing import (
    number_cells,
    quotes_for,
    table_header,
    table_rows,
    table_text,
)
from repic_plugin.formats.base.text_tables import TextTable, raw_words
from repic_plugin.formats.images.mrc import stack_file
from repic_plugin.formats.images.particle_star import (
    ABERRATION,
    AMPLITUDE_CONTRAST,
    IMAGE,
    PARTICLES,
    PREMULTIPLIED,
    VOLTAGE,
)
from repic_plugin.formats.images.particle_star_writing import optics_columns
from repic_plugin.formats.images.particles import ParticleTable

if TYPE_CHECKING:
    from repic_plugin.classification import ClassQuality

ASIDE = -1  # the label of particles without a class
CLASS, PSI, FLIP = "rlnClassNumber", "rlnAnglePsi", "rlnIsFlip"
ORIGIN_X, ORIGIN_Y = "rlnOriginXAngst", "rlnOriginYAngst"
PIXEL_ORIGINS = ("rlnOriginX", "rlnOriginY")  # RELION 3.0; replaced by those in angstrom
# RELION's table of classes, and the columns that selections by score read.
CLASSES, AVERAGE = "data_model_classes", "rlnReferenceImage"
SCORE, RESOLUTION = "rlnPredictedClassScore", "rlnEstimatedResolution"
DISTRIBUTION = "rlnClassDistribution"
UNRESOLVED = 999.0  # as RELION writes it
PROBABILITY = "repicProbability"  # of a particle; RELION ignores columns that it does not know
OTHER_ANGLES = ("rlnAngleRot", "rlnAngleTilt")
# Columns of RELION 3.0's rows that RELION 3.1 and later read from the optics groups only.
SHARED = (
    *(VOLTAGE, ABERRATION, AMPLITUDE_CONTRAST, PREMULTIPLIED),
    *("rlnBeamTiltX", "rlnBeamTiltY", "rlnMtfFileName"),
)
ROWS_PER_BLOCK = 10_000

Column = Union[Sequence[str], NDArray[Any]]


class _Optics(NamedTuple):
    """The optics table, and what it changes in the rows of the particles."""

    columns: Dict[str, Sequence[str]]
    group: Optional[List[str]]  # of each particle; None where the input's rows say it
    moved: Tuple[str, ...] = ()  # columns that no longer stand in the rows


def write_classes_star(
    path: PathLike,
    table: ParticleTable,
    labels: ArrayLike,
    rotation_deg: ArrayLike,
    shift_x_px: ArrayLike,
    shift_y_px: ArrayLike,
    mirror: ArrayLike,
    quality: Optional[ClassQuality] = None,
) -> None:
    """Write particles with their classes and 2D alignment as RELION 3.1 and later do.

    A point p of an image, in px from the pixel (box // 2, box // 2), x along the columns and y
    along the rows, stands in its class average at R(rotation) M (p + shift), in which R turns x
    towards y and M is diag(-1, 1) for mirrored particles and else nothing. RELION means the same:
    ``_rlnAnglePsi`` is the rotation, ``_rlnOriginXAngst`` and ``_rlnOriginYAngst`` are the shift
    times the pixel size. ``_rlnIsFlip`` is written where any particle is mirrored; RELION (3.1.3,
    ``relion_stack_create`` and ``relion_refine``) does not apply it, so that mirrored particles
    have to be mirrored before RELION averages them.

    All columns of the input's particles and optics groups are kept but those of the 2D alignment,
    which are replaced: class, psi, origins (also those in px of RELION 3.0) and flip; rot and
    tilt, where they are, become 0, for they belonged to the former psi. A file of RELION 3.0 gets
    optics groups. RELION opens no file without ``_rlnVoltage`` and ``_rlnSphericalAberration``:
    they are 0 where they are not known.

    A relative name of a stack is written as RELION reads it, relative to the current folder, if
    the new file lies in that folder or below. Otherwise names are absolute. Names of stacks that
    do not end in .mrcs get RELION's ``:mrcs``, without which it takes them for volumes.

    Parameters
    ----------
    path : str or path
    table : ParticleTable
        Of n particles.
    labels : array_like of int, shape (n,)
        Class of each particle, from 0; -1 for excluded particles. In the file classes count
        from 1, and 0 is for excluded particles.
    rotation_deg, shift_x_px, shift_y_px : array_like of float, shape (n,)
    mirror : array_like of bool, shape (n,)
    quality : ClassQuality, optional
        Adds ``_rlnPredictedClassScore`` (of its class) and ``_repicProbability`` to each particle,
        and RELION's table model_classes: average in class_averages.mrcs, class, distribution,
        estimated resolution (999 where unknown) and score.

    Raises
    ------
    ValueError
        If a column has not n values, or one is not finite or no class.
    FormatError
        If the path of a stack cannot be written in a STAR file.
    OSError
        If the file cannot be written; `path` is then as before.
    """
    alignment = _alignment(table, labels, rotation_deg, shift_x_px, shift_y_px, mirror)
    found = table.star.particles.columns if table.star else ()
    optics = _optics(table)
    replaced: Dict[str, Column] = {IMAGE: _image_names(table, Path(path)), **alignment}
    replaced.update({name: np.zeros(len(table)) for name in OTHER_ANGLES if name in found})
    if optics.group is not None:
        replaced[GROUP] = optics.group
    if quality is not None:
        replaced.update(_member_columns(np.asarray(labels), quality))
    dropped = {FLIP, SCORE, PROBABILITY, *PIXEL_ORIGINS, *optics.moved} - {*replaced}
    with atomic_open(path) as file:
        file.write(table_text(OPTICS, optics.columns).encode())
        for text in _particles_text(table, replaced, dropped):
            file.write(text.encode())
        if quality is not None:
            columns = _class_columns(np.asarray(labels), quality)
            file.write(table_text(CLASSES, columns).encode())


def _member_columns(labels: NDArray[np.int64], quality: ClassQuality) -> Dict[str, Column]:
    """Score of each particle's class, and its own probability; 0 for those without a class."""
    score = np.append(quality.score, 0.0)[labels]  # the label of those is -1
    return {SCORE: score, PROBABILITY: quality.member_probability}


def _class_columns(labels: NDArray[np.int64], quality: ClassQuality) -> Dict[str, Sequence[str]]:
    """RELION's columns of the classes."""
    numbers = np.arange(1, len(quality.score) + 1)
    sizes = np.bincount(labels[labels >= 0], minlength=len(numbers))
    resolution = quality.resolution_angstrom
    return {
        AVERAGE: [f"{number:06d}@class_averages.mrcs" for number in numbers.tolist()],
        CLASS: number_cells(numbers),
        DISTRIBUTION: number_cells(sizes / max(int(sizes.sum()), 1)),
        RESOLUTION: number_cells(np.where(np.isnan(resolution), UNRESOLVED, resolution)),
        SCORE: number_cells(quality.score),
    }


def _alignment(
    table: ParticleTable,
    labels: ArrayLike,
    rotation_deg: ArrayLike,
    shift_x_px: ArrayLike,
    shift_y_px: ArrayLike,
    mirror: ArrayLike,
) -> Dict[str, Column]:
    """The columns of class and 2D alignment, checked."""
    n = len(table)
    classes = np.asarray(labels)
    if classes.shape != (n,) or classes.dtype.kind not in "iu" or classes.min() < ASIDE:
        raise ValueError(
            f"labels must be {n} integers from {ASIDE}, one for each particle, got "
            f"{classes.dtype} of shape {classes.shape}, smallest {classes.min(initial=0)}"
        )
    flips = np.asarray(mirror)
    if flips.shape != (n,) or flips.dtype != np.bool_:
        raise ValueError(f"mirror must be {n} bools, got {flips.dtype} of shape {flips.shape}")
    angstrom = table.pixel_size_angstrom
    columns: Dict[str, Column] = {
        CLASS: classes.astype(np.int64) + 1,
        PSI: _finite("rotation_deg", rotation_deg, n),
        ORIGIN_X: _finite("shift_x_px", shift_x_px, n) * angstrom,
        ORIGIN_Y: _finite("shift_y_px", shift_y_px, n) * angstrom,
    }
    return {**columns, FLIP: flips.astype(np.int64)} if flips.any() else columns


def _finite(name: str, values: ArrayLike, n: int) -> NDArray[np.float64]:
    column = np.asarray(values, dtype=np.float64)
    if column.shape != (n,) or not np.isfinite(column).all():
        raise ValueError(f"{name} must be {n} finite numbers, got shape {column.shape} or NaN")
    return column


def _optics(table: ParticleTable) -> _Optics:
    """The input's optics groups, or new ones, with all that RELION asks for."""
    star = table.star
    if star is None:
        optics = _Optics({GROUP: ["1"]}, ["1"] * len(table))
    elif star.optics is None:
        optics = _new_groups(star.particles)
    else:
        optics = _kept_groups(star.optics, star.particles, len(table))
    numbers = optics.columns[GROUP]
    needed = optics_columns(numbers, table.pixel_size_angstrom, table.images.shape[2])
    return optics._replace(columns={**needed, **optics.columns})


def _kept_groups(optics: TextTable, particles: TextTable, n_particles: int) -> _Optics:
    rows = [raw_words(row) for row in optics.rows()]
    columns: Dict[str, Sequence[str]] = dict(zip(optics.columns, zip(*rows)))
    columns.setdefault(GROUP, ["1"])  # without numbers there is one group only
    lacking = GROUP not in particles.columns
    return _Optics(columns, [columns[GROUP][0]] * n_particles if lacking else None)


def _new_groups(particles: TextTable) -> _Optics:
    """A group for each combination of what optics groups share, in the order of the rows."""
    shared = tuple(particles.present(SHARED))
    places = [particles.columns.index(label) for label in shared]
    number_of: Dict[Tuple[str, ...], str] = {}
    group = []
    for row in particles.rows():
        words = raw_words(row)
        key = tuple([words[place] for place in places])
        group.append(number_of.setdefault(key, str(len(number_of) + 1)))
    columns: Dict[str, Sequence[str]] = {GROUP: list(number_of.values())}
    columns.update(zip(shared, zip(*number_of)))
    return _Optics(columns, group, shared)


def _image_names(table: ParticleTable, path: Path) -> List[str]:
    """``_rlnImageName`` of each particle, as it has to stand in a file at `path`."""
    stacks = table.images.stack
    _, first_rows = np.unique(stacks, return_index=True)
    examples = [table.names[row] for row in first_rows]
    files = [_stack_name(name, file, path) for name, file in zip(examples, table.images.paths)]
    quotes = [quotes_for(file, path) for file in files]
    parts = ((name.partition("@"), stack) for name, stack in zip(table.names, stacks.tolist()))
    return [
        f"{quotes[stack]}{number + at if at else ''}{files[stack]}{quotes[stack]}"
        for (number, at, _), stack in parts
    ]


def _stack_name(example: str, found: Path, path: Path) -> str:
    """The name of a stack for a STAR file at `path`, from a name in the input and the real file."""
    number, at, file = example.partition("@")
    written = file if at else number
    bare = stack_file(written)
    here, folder = Path.cwd(), Path(os.path.abspath(path)).parent
    from_here = os.path.abspath(bare) == os.path.abspath(found) and here in (
        folder,
        *folder.parents,
    )
    name = written if bare.is_absolute() or from_here else os.path.abspath(found)
    return f"{name}:mrcs" if at and not name.lower().endswith("mrcs") else name


def _particles_text(
    table: ParticleTable, replaced: Dict[str, Column], dropped: Set[str]
) -> Iterator[str]:
    """The table of particles, some thousand rows at a time."""
    star = table.star
    found = star.particles.columns if star else ()
    rows = star.particles.rows() if star else [""] * len(table)
    labels = [label for label in dict.fromkeys((*found, *replaced)) if label not in dropped]
    yield table_header(PARTICLES, labels)
    for start in range(0, len(rows), ROWS_PER_BLOCK):
        block = slice(start, start + ROWS_PER_BLOCK)
        words = [raw_words(row) for row in rows[block]]
        columns: Dict[str, Sequence[str]] = dict(zip(found, zip(*words)))
        columns.update({label: _cells(column[block]) for label, column in replaced.items()})
        yield table_rows([columns[label] for label in labels])
    yield "\n"


def _cells(column: Column) -> Sequence[str]:
    return number_cells(column) if isinstance(column, np.ndarray) else column
