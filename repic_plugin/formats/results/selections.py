"""Particles of chosen classes, and the others, as STAR files."""

from __future__ import annotations

from pathlib import Path
from typing import Iterator, List, Tuple

import numpy as np
from numpy.typing import NDArray

from repic_plugin.formats.base.atomic import atomic_open
from repic_plugin.formats.base.errors import PathLike, format_error
from repic_plugin.formats.base.star_reading import star_tables
from repic_plugin.formats.base.star_writing import table_header
from repic_plugin.formats.base.text_tables import TextTable, raw_words
from repic_plugin.formats.images.particle_star import IMAGE, PARTICLES

CHOSEN, REJECTED = SELECTION_FILES = "particles.star", "rejected.star"
ROWS_PER_BLOCK = 10_000


def write_selection(folder: PathLike, classes_star: PathLike, chosen: NDArray[np.bool_]) -> None:
    """Write particles.star with the chosen rows of a classes.star, and rejected.star with the rest.

    All columns and optics groups are kept as they are. A file without rows is not written: RELION
    refuses it.

    Parameters
    ----------
    folder : str or path
        Must exist.
    classes_star : str or path
        Written by `write_class_files`.
    chosen : ndarray of bool, shape (n,)
        For each particle, in the order of the file.

    Raises
    ------
    FormatError
        If the file cannot be read, or has another number of particles.
    OSError
        If a file cannot be written.
    """
    others, particles = _tables(Path(classes_star))
    rows = particles.rows()
    if len(rows) != len(chosen):
        problem = f"has {len(rows):,} particles, and assignments.csv {len(chosen):,}"
        raise format_error(Path(classes_star), f"{problem}; run the classification again")
    for name, wanted in ((CHOSEN, chosen), (REJECTED, ~chosen)):
        if not wanted.any():
            continue
        with atomic_open(Path(folder) / name) as file:
            for text in _text(others, particles, [rows[i] for i in np.flatnonzero(wanted)]):
                file.write(text.encode())


def _tables(path: Path) -> Tuple[List[TextTable], TextTable]:
    """The tables before that of the particles, and that table."""
    tables = star_tables(path, pairs=True)
    place = next((i for i, one in enumerate(tables) if IMAGE in one.columns), None)
    if place is None:
        problem = f"has no table {PARTICLES} with _{IMAGE}"
        raise format_error(path, f"{problem}; run the classification again")
    return tables[:place], tables[place]


def _text(others: List[TextTable], particles: TextTable, rows: List[str]) -> Iterator[str]:
    """The tables before that of the particles, and that table with some of its rows."""
    for table in others:
        yield table_header(table.name, table.columns) + _lines(table.rows()) + "\n"
    yield table_header(particles.name, particles.columns)
    for first in range(0, len(rows), ROWS_PER_BLOCK):
        yield _lines(rows[first : first + ROWS_PER_BLOCK])
    yield "\n"


def _lines(rows: List[str]) -> str:
    return "".join(" ".join(raw_words(row)) + "\n" for row in rows)
