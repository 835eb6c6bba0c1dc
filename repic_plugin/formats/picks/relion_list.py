"""Lists of RELION 4 and later: the coordinate file of each micrograph, in one STAR file."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Iterator, List, Optional, Tuple

import numpy as np

from repic_plugin.formats.base.errors import listed
from repic_plugin.formats.base.star_reading import no_table_error, star_tables
from repic_plugin.formats.base.text_tables import TextTable, read_columns, read_micrographs
from repic_plugin.formats.picks.registry import read_picks_file
from repic_plugin.formats.picks.table import PickTable, common, no_picks

NAME = "relion-list"
SUFFIXES = (".star",)
MICROGRAPH, COORDINATES = "rlnMicrographName", "rlnMicrographCoordinates"
MARKS = (f"_{COORDINATES}",)
SHOWN = 3
COLUMNS = ("x", "y", "score", "has_score", "row")


def read(path: Path) -> PickTable:
    """Read the coordinate files that a list such as ``AutoPick/job010/autopick.star`` names.

    Their paths are relative to RELION's project: they are looked for from the list's folder
    upwards, then in the current folder, then by their ends in the list's own folder, where a job's
    folder was copied.

    Returns
    -------
    PickTable
        Micrographs are named as in the list; those of empty files are in `empty`.

    Raises
    ------
    FormatError
        If the list or a file of it cannot be read, a micrograph occurs twice, or no file
        exists.
    """
    tables = star_tables(path, pairs=True)
    table = next((t for t in tables if {MICROGRAPH, COORDINATES} <= {*t.columns}), None)
    if table is None:
        raise no_table_error(path, tables, f"with _{MICROGRAPH} and _{COORDINATES}")
    columns = read_columns(table, (), (MICROGRAPH, COORDINATES))
    names = read_micrographs(table, columns, MICROGRAPH).tolist()
    if len(set(names)) < len(names):
        twice = next(i for i, name in enumerate(names) if name in names[:i])
        raise table.row_error(twice, f"micrograph {names[twice]} occurs twice; remove one row")
    files = _found(table, columns.words[COORDINATES])
    there = [(name, file) for name, file in zip(names, files) if file is not None]
    lacking = [name for name, file in zip(names, files) if file is None]
    notes = (
        f"{len(lacking):,} of the {len(names):,} files in {path.name} do not exist "
        f"({listed(lacking[:SHOWN])})",
    )
    return _joined(there, notes if lacking else ())


def _joined(files: List[Tuple[str, Path]], notes: Tuple[str, ...]) -> PickTable:
    """One table of the picks in several files, each of one micrograph."""
    tables = [read_picks_file(file) for _, file in files]
    lengths = [len(table) for table in tables]
    # an empty table more: a list may have no row
    sizes = [table.box_size_px for table in tables if table.box_size_px is not None]
    columns = {
        name: np.concatenate([getattr(table, name) for table in (no_picks(), *tables)])
        for name in COLUMNS
    }
    return PickTable(
        **columns,
        micrograph=np.repeat(np.array([name for name, _ in files], dtype=object), lengths),
        box_size_px=np.concatenate(sizes) if sizes and len(sizes) == len(tables) else None,
        empty=tuple(name for (name, _), n in zip(files, lengths) if not n),
        sources=tuple(file for _, file in files),
        notes=(*notes, *dict.fromkeys(note for table in tables for note in table.notes)),
        score_transform=common([table.score_transform for table in tables if len(table)]),
    )


def _found(table: TextTable, written: List[str]) -> List[Optional[Path]]:
    """Each file that is named, None where it is not there; an error if none is."""
    ways = [*_ways(table.path)]
    found: List[Optional[Path]] = []
    for name in written:
        parts = Path(name).parts
        for way in ways:
            base, n_cut = way
            file = base.joinpath(*parts[n_cut:])
            if n_cut < max(len(parts), 1) and file.is_file():
                ways.remove(way)  # the next one is found in the same way
                ways.insert(0, way)
                break
        else:
            file = None
        found.append(file)
    if written and not any(found):
        problem = f"no such file: {written[0]}, looked for from this folder upwards"
        remedy = "give the job's folder inside its project, or the folder with the files"
        raise table.row_error(0, f"{problem}; {remedy}")
    return found


def _ways(path: Path) -> Iterator[Tuple[Path, int]]:
    """Folders to begin in, and how many parts of a name to leave out."""
    folders = [Path(os.path.abspath(path)).parent, Path(os.path.realpath(path)).parent]
    bases = [base for folder in folders for base in (folder, *folder.parents)]
    for base in dict.fromkeys([*bases, Path.cwd()]):
        yield base, 0
    longest = 32
    for n_cut in range(1, longest):
        yield folders[0], n_cut
