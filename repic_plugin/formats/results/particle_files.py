"""The particles of a consensus as other programs take them in."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path
from typing import Dict, FrozenSet, Iterator, List, Optional, Sequence, Tuple

import numpy as np
from numpy.typing import NDArray

from repic_plugin.consensus import ConsensusResult
from repic_plugin.formats.base.atomic import atomic_write
from repic_plugin.formats.base.csv_tables import TEXT, open_table, typed_columns
from repic_plugin.formats.base.errors import PathLike, listed
from repic_plugin.formats.base.number_rows import (
    Cells,
    fixed_cells,
    pointed_cells,
    rows_text,
    whole_cells,
    word_cells,
)
from repic_plugin.formats.base.star_writing import (
    quotes_for,
    table_header,
    table_text,
    unnamed_table,
)
from repic_plugin.formats.picks.registry import known_formats, write_picks_file
from repic_plugin.formats.picks.relion_list import COORDINATES, MICROGRAPH
from repic_plugin.formats.picks.star import SCORE, X, Y
from repic_plugin.formats.results.consensus_writing import (
    PICK_LABELS,
    TABLE_NAMES,
    TABLES_OF_RUN,
)

# Formats that name the micrographs, and what each writes.
RELION, PARTICLES, CRYOSPARC = "relion", "particles", "cryosparc"
NAMING_FORMATS = (RELION, PARTICLES, CRYOSPARC)
LIST_FILE, PARTICLES_FILE, CRYOSPARC_FILE = "autopick.star", "particles.star", "cryosparc.star"
LISTED_ENDING = "_autopick"  # of the files in a list, as RELION's pickers name them
MICROGRAPH_EXTENSION = ".mrc"  # of averaged micrographs, where only their names are known


def particle_formats() -> Tuple[str, ...]:
    """Formats that `write_particle_files` writes."""
    return (*(one.name for one in known_formats() if one.write is not None), *NAMING_FORMATS)


def write_particle_files(
    folder: PathLike,
    result: ConsensusResult,
    *,
    box_size_px: float,
    format_name: str = "box",
    micrographs: Optional[Sequence[str]] = None,
    place: Optional[PathLike] = None,
) -> None:
    """Write the particles of a consensus, those of each micrograph best first.

    Parameters
    ----------
    folder : str or path
        Must exist.
    result : ConsensusResult
    box_size_px : float
        Side of the particles' boxes.
    format_name : {'box', 'star', 'csv', 'relion', 'particles', 'cryosparc'}
        The first three are a file for each micrograph, named after it, without a row where there
        is no particle; one whose name has folders, to tell it from another, gets its file there.
        The score is the weight, or the confidence if particles are ranked by it. In a BOX file the
        columns are x and y of the lower corner, width, height, score.
        ``relion`` is such STAR files and ``autopick.star``, which lists them; ``particles`` is
        ``particles.star``, all particles with their weight, overlap, score and number of pickers;
        ``cryosparc`` is ``cryosparc.star``, with micrographs by their file names alone.
    micrographs : sequence of str, optional
        For the last three the path of each of ``result.micrographs.names`` as the program that
        reads them knows it; by default the name and ``.mrc``.
    place : str or path, optional
        Where the files will lie, for the paths in a list; by default `folder`. Paths are relative
        to the current folder if the files are below it.

    Raises
    ------
    ValueError
        If the format is unknown, or a micrograph's file would have the name of a table, or hidden.
    OSError
        If a file cannot be written.
    """
    paths = micrographs or [f"{name}{MICROGRAPH_EXTENSION}" for name in result.micrographs.names]
    if format_name == PARTICLES:
        _write_particles(Path(folder) / PARTICLES_FILE, result, paths)
    elif format_name == CRYOSPARC:
        _write_cryosparc(Path(folder) / CRYOSPARC_FILE, result, paths)
    elif format_name == RELION:
        files = _write_each(Path(folder), result, box_size_px, "star", LISTED_ENDING)
        _write_list(Path(folder) / LIST_FILE, paths, files, Path(place or folder))
    else:
        _write_each(Path(folder), result, box_size_px, format_name)


def particle_set_files(folder: PathLike) -> FrozenSet[str]:
    """The files of a set of particles in a folder, by the micrographs in its summary.csv.

    Parameters
    ----------
    folder : str or path
        With a consensus, or a set of a pattern, in it.

    Returns
    -------
    frozenset of str
        Relative, with slashes, whether they are there or not.

    Raises
    ------
    FormatError
        If summary.csv is damaged.
    """
    summary = open_table(Path(folder) / TABLE_NAMES[1], "choose another folder")
    names = typed_columns(summary, {"micrograph": TEXT})["micrograph"].tolist()
    endings = (*(f".{kind}" for kind in particle_formats()), f"{LISTED_ENDING}.star")
    files = (f"{name}{ending}" for name in names for ending in endings)
    others = (PICK_LABELS, LIST_FILE, PARTICLES_FILE, CRYOSPARC_FILE)
    return frozenset((*TABLES_OF_RUN, *others, *files))


def _write_each(
    folder: Path, result: ConsensusResult, box_size_px: float, format_name: str, ending: str = ""
) -> List[str]:
    """Write a file for each micrograph; their names."""
    taken = [f"{name}{ending}.{format_name}" for name in result.micrographs.names]
    tables = {*TABLES_OF_RUN, PICK_LABELS}
    clash = sorted(set(taken) & tables)
    if clash:
        raise ValueError(
            f"the particles of a micrograph would be written to {clash[0]}, which is the name of "
            f"a table; choose another --format"
        )
    hidden = [name for name in taken if f"/{name}".rpartition("/")[2].startswith(".")]
    if hidden:
        raise ValueError(f"micrograph {hidden[0]} begins with a dot, as hidden files do; rename it")
    for file, mine in zip(taken, _by_micrograph(result)):
        path = folder / file
        if "/" in file:
            path.parent.mkdir(parents=True, exist_ok=True)
        write_picks_file(
            path,
            result.x[mine],
            result.y[mine],
            box_size_px=box_size_px,
            score=result.ranking[mine],
            format_name=format_name,
        )
    return taken


def _by_micrograph(result: ConsensusResult) -> Iterator[NDArray[np.int64]]:
    """The particles of each of ``result.micrographs.names``, best first."""
    order = np.argsort(result.micrograph, kind="stable")
    starts = np.searchsorted(result.micrograph[order], np.arange(len(result.micrograph_names) + 1))
    index = {name: i for i, name in enumerate(result.micrograph_names)}
    for name in result.micrographs.names:
        yield order[starts[index[name]] : starts[index[name] + 1]]


def _write_list(path: Path, micrographs: Sequence[str], files: List[str], place: Path) -> None:
    target, here = os.path.realpath(place), os.path.realpath(os.curdir)
    is_below = os.path.commonpath([target, here]) == here
    base = os.path.relpath(target, here) if is_below else target
    columns = {
        MICROGRAPH: _words(micrographs, path),
        COORDINATES: _words([os.path.join(base, file) for file in files], path),
    }
    atomic_write(path, table_text("data_coordinate_files", columns))


def _write_particles(path: Path, result: ConsensusResult, micrographs: Sequence[str]) -> None:
    columns, order = _particle_columns(path, result, micrographs)
    columns["repicOverlap"] = pointed_cells(result.overlap[order])
    columns["repicScore"] = pointed_cells(result.score[order])
    columns["repicNumberOfPickers"] = whole_cells((result.members[order] >= 0).sum(axis=1))
    header = table_header("data_particles", [*columns]).encode()
    atomic_write(path, header + rows_text([*columns.values()], " ") + b"\n")


def _write_cryosparc(path: Path, result: ConsensusResult, micrographs: Sequence[str]) -> None:
    names = [micrograph.rpartition("/")[2] for micrograph in micrographs]
    twice = [name for name, n in Counter(names).items() if n > 1]
    if twice:
        raise ValueError(
            f"cryoSPARC knows micrographs by their file names, and several are named "
            f"{listed(twice)}; rename them, or choose another --format"
        )
    columns, _ = _particle_columns(path, result, names)
    atomic_write(path, unnamed_table([*columns], [*columns.values()]))


def _particle_columns(
    path: Path, result: ConsensusResult, micrographs: Sequence[str]
) -> Tuple[Dict[str, Cells], NDArray[np.int64]]:
    """Micrograph, place and score of each particle as text, and the particles in their order."""
    groups = [*_by_micrograph(result)]
    order = np.concatenate([np.zeros(0, np.int64), *groups])
    words = _words(micrographs, path)
    columns = {
        MICROGRAPH: word_cells(words, np.repeat(np.arange(len(words)), [*map(len, groups)])),
        X: fixed_cells(result.x[order]),
        Y: fixed_cells(result.y[order]),
        SCORE: pointed_cells(result.ranking[order]),
    }
    return columns, order


def _words(texts: Sequence[str], path: Path) -> List[str]:
    """Texts as a STAR file holds them, quoted where they have spaces."""
    return [f"{quote}{text}{quote}" for text in texts for quote in [quotes_for(text, path)]]
