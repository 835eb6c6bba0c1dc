"""STAR files of RELION: box centres, for one micrograph or many."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import List, Optional, Tuple

import numpy as np
from numpy.typing import ArrayLike

from repic_plugin.formats.base.atomic import atomic_write
from repic_plugin.formats.base.errors import (
    FormatError,
    NoCoordinatesError,
    PathLike,
    format_error,
    listed,
)
from repic_plugin.formats.base.file_ends import check_end
from repic_plugin.formats.base.number_rows import fixed_cells, pointed_cells
from repic_plugin.formats.base.star_reading import no_table_error, star_tables
from repic_plugin.formats.base.star_writing import unnamed_table
from repic_plugin.formats.base.text_tables import (
    TextTable,
    read_columns,
    read_micrographs,
    read_text,
)
from repic_plugin.formats.picks.cells import checked_box_size, checked_centers, checked_column
from repic_plugin.formats.picks.star_origins import origin_shifts, shift_columns
from repic_plugin.formats.picks.table import PickTable, common, no_picks, pick_table

NAME = "star"
SUFFIXES = (".star",)
# What pickers put after the micrograph's name: RELION's two, and DeepPicker's usual symbol.
STEM_ENDINGS = ("_autopick", "_manualpick", "_deeppicker")
# RELION 3.0 and before write a text file of this name that holds no STAR table but a path.
SUFFIX_FILE = "coords_suffix_"
X, Y = "rlnCoordinateX", "rlnCoordinateY"
SCORE = "rlnAutopickFigureOfMerit"
SCORES = (SCORE, "rlnParticleScore")
MICROGRAPH = "rlnMicrographName"
NO_VALUE = -999.0  # what RELION's manual picker writes where it has no value
IN_ANGSTROM = "wrpCoordinateX"  # of the particles of M


def read(path: Path) -> PickTable:
    """Read the tables with coordinates of a RELION STAR file, 3.0 or later.

    Returns
    -------
    PickTable
        ``_rlnAutopickFigureOfMerit`` or ``_rlnParticleScore`` is the score, except for RELION's
        -999; ``_rlnMicrographName`` names the micrographs, which there must be in a file of
        several tables. Centres are those of `origin_shifts`. A file of zero bytes or without any
        label is a micrograph without picks: RELION leaves it where it found none.

    Raises
    ------
    FormatError
        If the file cannot be read, no table has the coordinates, or a row is wrong;
        `NoCoordinatesError` if it is a STAR file of another purpose.
    """
    text = read_text(path)
    if not text.strip():
        return no_picks()
    tables = star_tables(path, pairs=True, text=text)
    with_both = [t for t in tables if X in t.columns and Y in t.columns]
    if not with_both:
        if not any(table.columns for table in tables) and _has_no_row(text):
            return no_picks()
        raise _no_coordinates(path, tables)
    if len(with_both) > 1 and not all(MICROGRAPH in table.columns for table in with_both):
        raise format_error(
            path,
            f"has coordinates in {len(with_both)} tables ({listed(t.name for t in with_both)}) "
            f"without _{MICROGRAPH} in each; write a file for each micrograph",
        )
    return _joined([_picks(table, tables) for table in with_both])


def _picks(table: TextTable, tables: List[TextTable]) -> PickTable:
    """The picks of one table of a file."""
    score, names = table.present(SCORES)[:1], table.present([MICROGRAPH])
    columns = read_columns(table, (X, Y, *score, *shift_columns(table)), names, score)
    merit = columns.numbers.get(*score) if score else None
    x, y = columns.numbers[X], columns.numbers[Y]
    notes: Tuple[str, ...] = ()
    shifts = origin_shifts(tables, table, columns.numbers)
    if shifts is not None:
        x, y, notes = x - shifts.x, y - shifts.y, shifts.notes
    picks = pick_table(
        x,
        y,
        None if merit is None else np.where(merit == NO_VALUE, np.nan, merit),
        micrograph=read_micrographs(table, columns, MICROGRAPH) if names else None,
        notes=notes,
        may_be_cut=check_end(table, [MICROGRAPH]),
    )
    # a correlation of RELION's or Gautomatch's templates is no probability, even in [0, 1]
    return replace(picks, score_transform="rank" if score == [SCORE] else None)


def _joined(parts: List[PickTable]) -> PickTable:
    """The picks of several tables, which all name their micrographs, as one."""
    if len(parts) == 1:
        return parts[0]
    notes = [note for part in parts for note in part.notes]
    notes.append(f"the picks of {len(parts)} tables are read, as one")
    score = np.concatenate([np.where(p.has_score, p.score, np.nan) for p in parts])
    joined = pick_table(
        np.concatenate([part.x for part in parts]),
        np.concatenate([part.y for part in parts]),
        score,
        micrograph=np.concatenate([part.micrograph for part in parts]),
        notes=tuple(dict.fromkeys(notes)),
        may_be_cut=parts[-1].may_be_cut,
    )
    return replace(joined, score_transform=common([part.score_transform for part in parts]))


def _has_no_row(text: str) -> bool:
    """Whether a file has nothing but names of tables, ``loop_`` and comments."""
    lines = filter(None, map(str.strip, text.split("\n")))
    return all(line.startswith(("#", "data_")) or line == "loop_" for line in lines)


def _no_coordinates(path: Path, tables: List[TextTable]) -> FormatError:
    """The error for a file without coordinates, by what it has instead."""
    labels = {label for table in tables for label in table.columns}
    if any(label.startswith(IN_ANGSTROM) for label in labels):
        problem = f"_{IN_ANGSTROM}1 of M is in Å, and the file does not give a pixel size"
        return format_error(path, f"{problem}; export the particles in px, as RELION's")
    if path.name.startswith(SUFFIX_FILE):
        problem = "is the note of a RELION job, without coordinates; give the job's folder"
        return format_error(path, problem, kind=NoCoordinatesError)
    # Where one of the two is there, or nothing at all, it was meant to hold coordinates.
    is_other = bool(labels) and not labels & {X, Y}
    kind = NoCoordinatesError if is_other else FormatError
    return no_table_error(path, tables, f"with _{X} and _{Y}", kind=kind)


def write(
    path: PathLike,
    x: ArrayLike,
    y: ArrayLike,
    *,
    box_size_px: float,
    score: Optional[ArrayLike] = None,
) -> None:
    """Write the coordinate file of one micrograph as RELION's pickers do.

    Parameters
    ----------
    path : str or path
    x, y : array_like of float, shape (n,)
        Box centres, px, written to six decimals.
    box_size_px : float
        Checked, but not in the file: RELION has no column for it.
    score : array_like of float, shape (n,), optional
        ``_rlnAutopickFigureOfMerit``, to nine digits.

    Raises
    ------
    ValueError
        If lengths differ, a number is not finite or the box size is below 1 px.
    OSError
        If the file cannot be written.
    """
    checked_box_size(box_size_px)
    centers = checked_centers(x, y)
    cells = [fixed_cells(column) for column in centers.T]
    labels = [X, Y]
    if score is not None:
        labels.append(SCORE)
        cells.append(pointed_cells(checked_column("score", score, len(centers))))
    # RELION and Scipion's import of RELION coordinates both take the first table, whatever its
    # name; RELION's pickers write it unnamed and without optics, so that versions 3.0 to 5 agree.
    atomic_write(path, unnamed_table(labels, cells))
