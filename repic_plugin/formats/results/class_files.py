"""Output files and checkpoints of a 2D classification."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, Dict, List, Mapping, Optional, Sequence, Tuple, Union

import numpy as np
from numpy.typing import NDArray

from repic_plugin import __version__
from repic_plugin.formats.base.arrays import read_arrays, write_arrays
from repic_plugin.formats.base.csv_tables import write_table
from repic_plugin.formats.base.errors import PathLike, format_error
from repic_plugin.formats.images.class_star import write_classes_star
from repic_plugin.formats.images.mrc_writing import write_stack
from repic_plugin.formats.images.particles import ParticleTable
from repic_plugin.formats.results.class_references import write_references

if TYPE_CHECKING:
    from repic_plugin.classification import (
        Assignment,
        Classification,
        ClassQuality,
        IterationRecord,
        References,
        Sizes,
        State,
        StreamState,
    )
    from repic_plugin.formats.results.class_stream import StreamedParticles

CLASS_FILES = ("assignments.csv", "class_averages.mrcs", "classes.star", "convergence.csv")
ASSIGNMENT_COLUMNS = ("particle", "class", "rotation_deg", "shift_x_px", "shift_y_px", "mirror")
CLASS_COLUMNS = ("class", "size", "explained", "is_junk")
QUALITY_COLUMNS = ("score", "probability", "resolution_angstrom", "is_off_centre")
# Of particles that were assigned, see `Assignment`.
ASSIGNED = ("posterior", "correlation", "fit")
MEMBER_PROBABILITY = "particle_probability"
SIZE_COLUMNS = (
    "particle_diameter_angstrom",
    "is_measured",
    "mask_diameter_px",
    "n_rings",
    "resolution_angstrom",
    "max_shift_px",
    "notes",
)
CONVERGENCE_COLUMNS = ("iteration", "stage", "fraction_changed", "objective", "smallest", "largest")
POSE_DECIMALS = 4  # of degrees and px
OWNER, NAMES = "owner", "names"  # of the other arrays of a checkpoint: none must be lost
START_AGAIN = "choose another checkpoint, or remove this one to start from the beginning"


def write_class_files(folder: PathLike, table: ParticleTable, found: Classification) -> None:
    """Write assignments.csv, class_averages.mrcs, classes.star and tables of the classes.

    Parameters
    ----------
    folder : str or path
        Must exist.
    table : ParticleTable
    found : Classification
        Of these particles.
    """
    folder = Path(folder)
    quality, made = found.quality, found.preparation
    _write_assignments(folder / "assignments.csv", table, found, _member_columns(quality))
    write_stack(folder / "class_averages.mrcs", found.averages, table.pixel_size_angstrom)
    x, y = found.shift_px.T
    write_classes_star(
        folder / "classes.star",
        table,
        found.labels,
        found.rotation_deg,
        x,
        y,
        found.mirror,
        quality,
    )
    _write_classes(folder / "classes.csv", found.sizes, found.explained, found.is_junk, quality)
    _write_convergence(folder / "convergence.csv", found.records)
    _write_sizes(folder / "sizes.csv", made.sizes, made.notes())
    write_references(folder, found.references())


def write_assigned_files(
    folder: PathLike,
    table: ParticleTable,
    found: Assignment,
    references: References,
    is_junk: NDArray[np.bool_],
    quality: Optional[ClassQuality] = None,
    notes: Sequence[str] = (),
) -> None:
    """Write the same files of particles that were assigned to given classes.

    Parameters
    ----------
    folder : str or path
        Must exist.
    table : ParticleTable
    found : Assignment
        Of these particles.
    references : References
        As given; class numbers and averages stay as they are.
    is_junk : ndarray of bool, shape (k,)
    quality : ClassQuality, optional
        Of the classes, and of these particles.
    notes : sequence of str
        Remarks on the images.
    """
    folder = Path(folder)
    _write_members(folder, table, found, quality)
    pixel_size = references.sizes.pixel_size_angstrom
    write_stack(folder / "class_averages.mrcs", references.averages, pixel_size)
    _write_classes(folder / "classes.csv", found.sizes, found.explained, is_junk, quality)
    _write_convergence(folder / "convergence.csv", ())
    _write_sizes(folder / "sizes.csv", found.used, notes)
    write_references(folder, references)


def write_streamed_files(
    folder: PathLike,
    table: ParticleTable,
    found: StreamedParticles,
    state: StreamState,
    notes: Sequence[str] = (),
) -> None:
    """Write the same files of a classification in a stream.

    Parameters
    ----------
    folder : str or path
        Must exist.
    table : ParticleTable
        All particles so far.
    found : StreamedParticles
        Of these particles.
    state : StreamState
        After the last of them.
    notes : sequence of str
        Remarks on the images.
    """
    folder = Path(folder)
    _write_members(folder, table, found, state.quality(found.labels, found.fit))
    write_classes_of_stream(folder, state, found.explained, notes)
    write_references(folder, state.references)


def write_classes_of_stream(
    folder: PathLike,
    state: StreamState,
    explained: NDArray[np.float64],
    notes: Sequence[str] = (),
) -> None:
    """Write averages and tables of the classes as they are now, not of the particles.

    Parameters
    ----------
    folder : str or path
        Must exist.
    state : StreamState
    explained : ndarray of float64, shape (k,)
        Reduction of a member's sum of squares.
    notes : sequence of str
        Remarks on the images.
    """
    folder = Path(folder)
    sizes, nobody = state.references.sizes, np.zeros(0, np.int64)
    write_stack(
        folder / "class_averages.mrcs", state.references.averages, sizes.pixel_size_angstrom
    )
    quality = state.quality(nobody, np.zeros(0))
    _write_classes(folder / "classes.csv", state.sizes, explained, state.is_junk, quality)
    _write_convergence(folder / "convergence.csv", ())
    _write_sizes(folder / "sizes.csv", sizes, notes)


def _write_members(
    folder: Path,
    table: ParticleTable,
    found: Union[Assignment, StreamedParticles],
    quality: Optional[ClassQuality],
) -> None:
    """Write assignments.csv and classes.star of particles that were assigned."""
    measures = {name: getattr(found, name) for name in ASSIGNED}
    columns = {**measures, **_member_columns(quality)}
    _write_assignments(folder / "assignments.csv", table, found, columns)
    x, y = found.shift_px.T
    poses = (found.labels, found.rotation_deg, x, y, found.mirror)
    write_classes_star(folder / "classes.star", table, *poses, quality)


def checkpoint_owner(table: ParticleTable, parameters: Mapping[str, Any]) -> str:
    """Digest of the particles and parameters that a checkpoint belongs to.

    Stacks count by size and time of change, so that they may be moved or named in another way.

    Parameters
    ----------
    table : ParticleTable
    parameters : mapping of str to number, str, bool or None
        All that affect the classes, besides the particles and their CTF.
    """
    stats = [os.stat(path) for path in table.images.paths]
    stacks = [(stat.st_size, stat.st_mtime_ns) for stat in stats]
    told = json.dumps([__version__, dict(parameters), stacks], sort_keys=True)
    found = hashlib.sha256(told.encode("utf-8"))
    ctf = () if table.ctf is None else table.ctf.columns()
    for column in (table.images.stack, table.images.index, *ctf):
        found.update(np.ascontiguousarray(column).data)
    return found.hexdigest()


def write_checkpoint(path: PathLike, owner: str, state: State) -> None:
    """Keep the state of a classification, in place of the one before.

    Parameters
    ----------
    path : str or path
    owner : str
        From `checkpoint_owner`.
    state : State

    Raises
    ------
    OSError
        If the file cannot be written; it is then as before.
    """
    from repic_plugin.classification import state_to_arrays  # noqa: PLC0415 - loads slowly

    arrays = state_to_arrays(state)
    write_arrays(path, {OWNER: np.array([owner]), NAMES: np.array(sorted(arrays)), **arrays})


def read_checkpoint(path: PathLike, owner: str) -> State:
    """The state that `write_checkpoint` kept.

    Parameters
    ----------
    path : str or path
    owner : str
        From `checkpoint_owner`, for the particles and parameters to go on with.

    Raises
    ------
    FormatError
        If the file is missing or damaged, or its owner is another.
    """
    from repic_plugin.classification import state_from_arrays  # noqa: PLC0415 - loads slowly

    arrays = read_arrays(path, remedy=START_AGAIN)
    try:
        found, names = str(arrays[OWNER][0]), arrays[NAMES].tolist()
        state = state_from_arrays({name: arrays[name] for name in names})
    except KeyError as error:
        problem = f"is damaged or not a checkpoint ({error} is missing)"
        raise format_error(Path(path), f"{problem}; {START_AGAIN}") from error
    if found != owner:
        problem = "was written with other particles or parameters, or by another version"
        raise format_error(Path(path), f"{problem}; {START_AGAIN}")
    return state


def _write_classes(
    path: Path,
    sizes: NDArray[np.int64],
    explained: NDArray[np.float64],
    is_junk: NDArray[np.bool_],
    quality: Optional[ClassQuality],
) -> None:
    """Write sizes and scores of the classes."""
    names: Tuple[str, ...] = CLASS_COLUMNS
    columns: List[List[Any]] = [
        list(range(len(sizes))),
        sizes.tolist(),
        _cells(explained),
        is_junk.astype(int).tolist(),
    ]
    if quality is not None:
        names += QUALITY_COLUMNS
        columns += map(_cells, (quality.score, quality.probability, quality.resolution_angstrom))
        columns.append(quality.is_off_centre.astype(int).tolist())
    write_table(path, names, zip(*columns))


def _member_columns(quality: Optional[ClassQuality]) -> Dict[str, NDArray[np.float64]]:
    return {} if quality is None else {MEMBER_PROBABILITY: quality.member_probability}


def _write_assignments(
    path: Path,
    table: ParticleTable,
    found: Union[Classification, Assignment, StreamedParticles],
    more: Mapping[str, NDArray[np.float64]],
) -> None:
    """Write class and pose of each particle, and more columns of numbers."""
    names: Tuple[str, ...] = (*ASSIGNMENT_COLUMNS, "dissimilarity", *more)
    columns: List[Sequence[Any]] = [
        table.names,
        found.labels.tolist(),
        *(_pose_cells(column) for column in (found.rotation_deg, *found.shift_px.T)),
        found.mirror.astype(int).tolist(),
        *map(_cells, (found.dissimilarity, *more.values())),
    ]
    write_table(path, names, zip(*columns))


def _cells(values: NDArray[np.float64]) -> List[str]:
    """Numbers with six digits; NaN is an empty cell."""
    return ["" if np.isnan(value) else f"{value:.6g}" for value in values.tolist()]


def _pose_cells(values: NDArray[np.float64]) -> List[str]:
    rounded = np.round(values, POSE_DECIMALS) + 0.0  # adding 0 turns -0 into 0
    return [f"{value:.{POSE_DECIMALS}f}" for value in rounded.tolist()]


def _write_convergence(path: Path, records: Sequence[IterationRecord]) -> None:
    """Write the course of the iterations."""
    rows = (
        (
            record.iteration,
            record.stage,
            f"{record.fraction_changed:.6f}",
            f"{record.objective:.9g}",  # it moves by parts of a thousandth at the end
            record.smallest,
            record.largest,
        )
        for record in records
    )
    write_table(path, CONVERGENCE_COLUMNS, rows)


def _write_sizes(path: Path, sizes: Sizes, notes: Sequence[str]) -> None:
    """Write the sizes that were used, and remarks on the images."""
    diameter = sizes.particle_diameter_angstrom
    row = (
        "" if diameter is None else f"{diameter:.6g}",
        int(sizes.is_measured),
        f"{sizes.mask_diameter_px:.6g}",
        sizes.n_rings,
        f"{sizes.resolution_angstrom:.6g}",
        f"{sizes.max_shift_px:.6g}",
        "; ".join(notes),
    )
    write_table(path, SIZE_COLUMNS, [row])
