"""Folders of pick files: one folder for each picker."""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Callable, Dict, List, Optional, Sequence, Tuple

import numpy as np
from numpy.typing import NDArray

from repic_plugin.consensus import Picks
from repic_plugin.formats.errors import PathLike, format_error, listed
from repic_plugin.formats.files import formats_by_suffix, read_picks_file, stem_micrograph
from repic_plugin.formats.reports import TABLE_NAMES
from repic_plugin.formats.table import PickTable

__all__ = ["PicksDir", "read_picker_folder", "read_picks_dir"]

LAYOUT = "picks_dir/<picker>/<micrograph>.box (or .cbox, .star, .txt, .tsv, .csv)"
MIN_PICKERS = 2  # a consensus needs two opinions


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
    pickers = [read_picker_folder(entry, progress=progress) for entry in folders]
    _check_common_micrograph(folder, pickers)
    return _merged(pickers)


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
    place = Path(folder)
    files = [e for e in _visible_entries(place) if not e.is_dir() and e.name not in TABLE_NAMES]
    known = formats_by_suffix()
    readable = [file for file in files if file.suffix.lower() in known]
    if not readable:
        found = listed(file.name for file in files)
        problem = f"must have a file with suffix {', '.join(sorted(known))}, found {found}; add one"
        raise format_error(place, problem)
    tables = [_read(file, progress) for file in readable]
    per_file = [_names_in(file, table) for file, table in zip(readable, tables)]
    names = _micrograph_names(readable, per_file)
    index = {name: i for i, name in enumerate(names)}
    micrograph = [_micrograph_column(t, own, index) for t, own in zip(tables, per_file)]
    sizes = [table.box_size_px for table in tables if table.box_size_px is not None]
    all_sizes = np.concatenate(sizes) if sizes else np.zeros(0)
    return PicksDir(
        picks=_one_picker(
            Path(os.path.abspath(place)).name, names, np.concatenate(micrograph), tables
        ),
        row=np.concatenate([table.row for table in tables]),
        box_size_px=(float(np.median(all_sizes)) if len(all_sizes) else None,),
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


def _micrograph_column(
    table: PickTable, own: Sequence[str], index: Dict[str, int]
) -> NDArray[np.int64]:
    if table.micrograph is None:
        return np.full(len(table), index[own[0]], dtype=np.int64)
    names = table.micrograph.tolist()
    return np.fromiter(map(index.__getitem__, names), dtype=np.int64, count=len(names))


def _one_picker(
    picker: str, names: List[str], micrograph: NDArray[np.int64], tables: Sequence[PickTable]
) -> Picks:
    return Picks.from_columns(
        micrograph,
        np.zeros(len(micrograph), dtype=np.int64),
        np.concatenate([table.x for table in tables]),
        np.concatenate([table.y for table in tables]),
        np.concatenate([table.score for table in tables]),
        has_score=np.concatenate([table.has_score for table in tables]),
        micrograph_names=names,
        picker_names=[picker],
    )


def _check_common_micrograph(folder: Path, pickers: Sequence[PicksDir]) -> None:
    count = Counter(name for picker in pickers for name in picker.picks.micrograph_names)
    if len(pickers) < MIN_PICKERS or max(count.values(), default=0) >= MIN_PICKERS:
        return
    examples = listed(
        f"{p.picks.picker_names[0]}: {next(iter(p.picks.micrograph_names), 'no micrograph')}"
        for p in pickers
    )
    problem = (
        f"no micrograph name is common to two pickers, got {examples}; make the names the same"
    )
    raise format_error(folder, problem)


def _merged(pickers: Sequence[PicksDir]) -> PicksDir:
    """Several pickers as one record."""
    names = sorted({name for picker in pickers for name in picker.picks.micrograph_names})
    index = {name: i for i, name in enumerate(names)}
    every = [picker.picks for picker in pickers]
    new_index = [np.array([index[n] for n in p.micrograph_names], dtype=np.int64) for p in every]
    picks = Picks.from_columns(
        np.concatenate([new[p.micrograph] for new, p in zip(new_index, every)]),
        np.repeat(np.arange(len(every)), [len(p) for p in every]),
        np.concatenate([p.x for p in every]),
        np.concatenate([p.y for p in every]),
        np.concatenate([p.score for p in every]),
        has_score=np.concatenate([p.has_score for p in every]),
        micrograph_names=names,
        picker_names=[p.picker_names[0] for p in every],
    )
    return PicksDir(
        picks=picks,
        row=np.concatenate([picker.row for picker in pickers]),
        box_size_px=tuple(picker.box_size_px[0] for picker in pickers),
        ignored=tuple(file for picker in pickers for file in picker.ignored),
    )
