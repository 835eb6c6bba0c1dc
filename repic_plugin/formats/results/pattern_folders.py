"""Folders of the sets of particles that some pickers found and others did not."""

from __future__ import annotations

from pathlib import Path
from typing import Dict, FrozenSet, List, Sequence, Tuple

import numpy as np
from numpy.typing import NDArray

from repic_plugin.consensus import ConsensusResult, Pattern
from repic_plugin.formats.base.csv_tables import TEXT, read_csv, write_table
from repic_plugin.formats.base.errors import PathLike
from repic_plugin.formats.results.consensus_writing import (
    PATTERNS,
    PATTERNS_TABLE,
    TABLE_NAMES,
    write_consensus_table,
    write_summary_table,
)
from repic_plugin.formats.results.particle_files import particle_set_files, write_particle_files

COLUMNS = ("pattern", "folder", "n_particles", "n_micrographs")
MAX_BYTES = 200  # of the name of a folder, of the 255 that disks allow
REMEDY = "choose another folder"


def write_pattern_sets(
    folder: PathLike,
    sets: Sequence[Tuple[Pattern, ConsensusResult]],
    row: NDArray[np.int64],
    *,
    place: PathLike,
    box_size_px: float,
    format_name: str,
    micrographs: Sequence[str],
) -> List[str]:
    """Write sets of particles beside the consensus that they belong to.

    Each is a folder as of a consensus, with its particles, ``consensus.csv`` and ``summary.csv``,
    in the folder ``patterns``. There, ``patterns.csv`` lists them: pattern, folder, n_particles,
    n_micrographs (with a particle).

    Parameters
    ----------
    folder : str or path
        Must exist.
    sets : sequence of (Pattern, ConsensusResult)
    row : ndarray of int64, shape (n_picks,)
        As for `write_consensus_table`.
    place : str or path
        Where `folder` will lie.
    box_size_px, format_name, micrographs
        As for `write_particle_files`.

    Returns
    -------
    list of str
        Folder of each set, relative to `folder`.

    Raises
    ------
    OSError
        If a file cannot be written.
    """
    names = _folder_names([pattern for pattern, _ in sets])
    for name, (_, result) in zip(names, sets):
        own = Path(folder, PATTERNS, name)
        own.mkdir(parents=True)
        write_particle_files(
            own,
            result,
            box_size_px=box_size_px,
            format_name=format_name,
            micrographs=micrographs,
            place=Path(place, PATTERNS, name),
        )
        write_consensus_table(own / TABLE_NAMES[0], result, row)
        write_summary_table(own / TABLE_NAMES[1], result)
    rows = (
        (pattern, name, len(result), len(np.unique(result.micrograph)))
        for name, (pattern, result) in zip(names, sets)
    )
    write_table(Path(folder, PATTERNS, PATTERNS_TABLE), COLUMNS, rows)
    return [f"{PATTERNS}/{name}" for name in names]


def consensus_files(folder: PathLike) -> FrozenSet[str]:
    """The files of a consensus in a folder, with those of its patterns.

    Parameters
    ----------
    folder : str or path
        With a consensus in it.

    Returns
    -------
    frozenset of str
        Relative, with slashes, whether they are there or not.

    Raises
    ------
    FormatError
        If a table that names them is damaged.
    """
    files = set(particle_set_files(folder))
    table = Path(folder, PATTERNS, PATTERNS_TABLE)
    if table.is_file():
        files.add(f"{PATTERNS}/{PATTERNS_TABLE}")
        for name in read_csv(table, {"folder": TEXT}, REMEDY)["folder"].tolist():
            own = f"{PATTERNS}/{name}"
            if Path(folder, own, TABLE_NAMES[1]).is_file():
                files.update(f"{own}/{file}" for file in particle_set_files(Path(folder, own)))
    return frozenset(files)


def _folder_names(patterns: Sequence[Pattern]) -> List[str]:
    """A name for each, such as A+B_not_C; its number where that is too long or taken."""
    names: Dict[str, None] = {}
    for number, one in enumerate(patterns, 1):
        name = "_not_".join(["+".join(one.found_by), *one.not_by])
        is_good = name not in names and len(name.encode()) <= MAX_BYTES
        names[name if is_good else f"pattern_{number}"] = None
    return [*names]
