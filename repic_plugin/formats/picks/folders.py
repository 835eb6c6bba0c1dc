"""Folders of pick files: one folder for each picker."""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Callable, Dict, List, NamedTuple, Optional, Sequence, Tuple

import numpy as np
from numpy.typing import NDArray

from repic_plugin.consensus import Picks
from repic_plugin.formats.base.errors import PathLike, format_error, listed
from repic_plugin.formats.picks.registry import formats_by_suffix, read_picks_file, stem_micrograph
from repic_plugin.formats.picks.table import PickTable
from repic_plugin.formats.results.consensus_writing import ENSEMBLE_NAMES, TABLE_NAMES

__all__ = ["PicksDir", "read_picker_folder", "read_picks_dir"]

LAYOUT = "picks_dir/<picker>/<micrograph>.box (or .cbox, .star, .txt, .tsv, .csv)"
MIN_PICKERS = 2  # a consensus needs two opinions
MICROGRAPH = "micrograph"
COLUMNS = ("x", "y", "score", "has_score", "row")  # of a table, with the names of Picks


@dataclass(frozen=True)
class PicksDir:
    """The picks of one folder or of several, and where they come from.

    Attributes
    ----------
    picks : Picks
        Pickers by folder name, micrographs by name, both sorted.
    row : ndarray of int64, shape (n_picks,)
        Each pick's data row in its own file, from 1.
    box_size_px : tuple of float or None, length n_pickers
        Median box size of each picker's files; None where they do not say.
    ignored : tuple of Path
        Files in the pickers' folders that were not read, for their suffix is unknown.
    """

    picks: Picks
    row: NDArray[np.int64]
    box_size_px: Tuple[Optional[float], ...]
    ignored: Tuple[Path, ...]


def read_picks_dir(
    picks_dir: PathLike,
    *,
    min_pickers: int = MIN_PICKERS,
    progress: Optional[Callable[[], None]] = None,
) -> PicksDir:
    """Read a folder with one sub-folder of pick files for each picker.

    Parameters
    ----------
    picks_dir : str or path
        Its sub-folders are named as the pickers; what is hidden, and files beside the sub-folders,
        are passed over.
    min_pickers : int
        How many sub-folders there must be at least.
    progress : callable, optional
        Called after each file.

    Returns
    -------
    PicksDir
        With the micrographs of any picker, those without a pick included.

    Raises
    ------
    FormatError
        If the folder is missing or has too few sub-folders, one of them has no pick file or two
        for the same micrograph, a file is wrong, or no micrograph's name occurs for two pickers.
    """
    folder = Path(picks_dir)
    folders = [entry for entry in _visible_entries(folder) if entry.is_dir()]
    if len(folders) < min_pickers:
        found = listed(entry.name for entry in folders)
        problem = (
            f"must have at least {min_pickers} sub-folders, one for each picker, "
            f"got {len(folders)} ({found}); lay the files out as {LAYOUT}"
        )
        raise format_error(folder, problem)
    pickers = [_gathered(entry, progress) for entry in folders]
    _check_common_micrograph(folder, pickers)
    return _joined(pickers)


def read_picker_folder(
    folder: PathLike, *, progress: Optional[Callable[[], None]] = None
) -> PicksDir:
    """Read the pick files of one picker, or of a reference.

    A file with a column of micrographs has picks of each of these, and of none where it has no
    row; any other file has those of the micrograph that it is named after.

    Parameters
    ----------
    folder : str or path
        Its name, that of the link where it is one, is the picker's. Hidden files, sub-folders and
        the tables beside a consensus are passed over.
    progress : callable, optional
        Called after each file.

    Returns
    -------
    PicksDir
        With one picker.

    Raises
    ------
    FormatError
        If the folder is missing or has no pick file, a file is wrong, or two files hold picks of
        the same micrograph.
    """
    return _joined([_gathered(Path(folder), progress)])


class _Gathered(NamedTuple):
    """What the files of one picker hold; `parts` has an array for each file under each column."""

    name: str
    micrographs: List[str]
    in_file: List[List[str]]
    parts: Dict[str, List[NDArray[Any]]]
    n_rows: List[int]
    box_size_px: Optional[float]
    ignored: Tuple[Path, ...]


def _gathered(place: Path, progress: Optional[Callable[[], None]]) -> _Gathered:
    tables_beside = {*TABLE_NAMES, *ENSEMBLE_NAMES}
    files = [e for e in _visible_entries(place) if not e.is_dir() and e.name not in tables_beside]
    known = formats_by_suffix()
    readable = [file for file in files if file.suffix.lower() in known]
    if not readable:
        found = listed(file.name for file in files)
        problem = f"must have a file with suffix {', '.join(sorted(known))}, found {found}; add one"
        raise format_error(place, problem)
    tables = [_read(file, progress) for file in readable]
    per_file = [_names_in(file, table) for file, table in zip(readable, tables)]
    sizes = [table.box_size_px for table in tables if table.box_size_px is not None]
    all_sizes = np.concatenate(sizes) if sizes else np.zeros(0)
    return _Gathered(
        name=Path(os.path.abspath(place)).name,
        micrographs=_micrograph_names(readable, per_file),
        in_file=per_file,
        parts={name: [getattr(table, name) for table in tables] for name in (*COLUMNS, MICROGRAPH)},
        n_rows=[len(table) for table in tables],
        box_size_px=float(np.median(all_sizes)) if len(all_sizes) else None,
        ignored=tuple(file for file in files if file.suffix.lower() not in known),
    )


def _read(file: Path, progress: Optional[Callable[[], None]]) -> PickTable:
    table = read_picks_file(file)
    if progress is not None:
        progress()
    return table


def _visible_entries(folder: Path) -> List[Path]:
    try:
        entries = list(folder.iterdir())
    except FileNotFoundError:
        raise format_error(folder, "no such folder; check the name") from None
    except NotADirectoryError:
        raise format_error(folder, f"must be a folder; lay the files out as {LAYOUT}") from None
    except OSError as exc:
        raise format_error(folder, f"cannot be read ({exc.strerror}); check the folder") from exc
    return sorted((e for e in entries if not e.name.startswith(".")), key=lambda e: e.name)


def _names_in(file: Path, table: PickTable) -> List[str]:
    """The micrographs of one file."""
    if table.micrograph is None:
        return [stem_micrograph(file)]
    return sorted(set(table.micrograph.tolist()))


def _micrograph_names(files: Sequence[Path], per_file: Sequence[List[str]]) -> List[str]:
    """All names, sorted; an error where two files hold the same."""
    holder: Dict[str, Path] = {}
    for file, names in zip(files, per_file):
        for name in names:
            if name in holder:
                problem = (
                    f"micrograph {name} must be in one file of a picker, got it in "
                    f"{holder[name].name} too; remove one of the two"
                )
                raise format_error(file, problem)
            holder[name] = file
    return sorted(holder)


def _check_common_micrograph(folder: Path, pickers: Sequence[_Gathered]) -> None:
    count = Counter(name for picker in pickers for name in picker.micrographs)
    if len(pickers) < MIN_PICKERS or max(count.values(), default=0) >= MIN_PICKERS:
        return
    examples = listed(f"{p.name}: {next(iter(p.micrographs), 'no micrograph')}" for p in pickers)
    problem = (
        f"no micrograph name is common to two pickers, got {examples}; make the names the same"
    )
    raise format_error(folder, problem)


def _joined(pickers: Sequence[_Gathered]) -> PicksDir:
    """One record of all pickers. The parts are used up: two copies would not fit into memory."""
    names = sorted({name for picker in pickers for name in picker.micrographs})
    index = {name: i for i, name in enumerate(names)}
    micrograph = np.concatenate(
        [
            _micrograph_column(found, own, n, index)
            for one in pickers
            for found, own, n in zip(one.parts.pop(MICROGRAPH), one.in_file, one.n_rows)
        ]
    )
    columns = {
        name: np.concatenate([part for one in pickers for part in one.parts.pop(name)])
        for name in COLUMNS
    }
    row = columns.pop("row")
    picks = Picks.from_columns(
        micrograph,
        np.repeat(np.arange(len(pickers)), [sum(one.n_rows) for one in pickers]),
        **columns,
        micrograph_names=names,
        picker_names=[one.name for one in pickers],
    )
    return PicksDir(
        picks=picks,
        row=row,
        box_size_px=tuple(one.box_size_px for one in pickers),
        ignored=tuple(file for one in pickers for file in one.ignored),
    )


def _micrograph_column(
    found: Optional[NDArray[np.str_]], own: Sequence[str], n_rows: int, index: Dict[str, int]
) -> NDArray[np.int64]:
    if found is None:
        return np.full(n_rows, index[own[0]], dtype=np.int64)
    return np.fromiter(map(index.__getitem__, found.tolist()), dtype=np.int64, count=n_rows)
