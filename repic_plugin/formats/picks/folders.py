"""Folders of pick files: one folder for each picker."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import (
    Any,
    Callable,
    Collection,
    Dict,
    Iterator,
    List,
    NamedTuple,
    Optional,
    Sequence,
    Tuple,
)

import numpy as np
from numpy.typing import NDArray

from repic_plugin.consensus import Picks
from repic_plugin.formats.base.errors import PathLike, format_error, listed
from repic_plugin.formats.picks.names import UnifiedNames, addition_note, unify_names
from repic_plugin.formats.picks.picker_files import read_files
from repic_plugin.formats.picks.registry import formats_by_suffix, stem_micrograph
from repic_plugin.formats.picks.table import PickTable, common
from repic_plugin.formats.results.consensus_writing import (
    PATTERNS_TABLE,
    PICK_LABELS,
    TABLES_OF_RUN,
)

LAYOUT = "picks_dir/<picker>/<micrograph>.box (or .cbox, .star, ... or one table of all)"
MIN_PICKERS = 2  # a consensus needs two opinions
MIN_SHARED = 0.5  # of the micrographs that a picker could share with the others
SHOWN = 3  # examples in a note
CRYOLO_BOXES = "CBOX"  # crYOLO writes the same picks into folders of other formats beside it,
CRYOLO_STATISTICS = "DISTR"  # and distributions of their sizes and confidences here
MICROGRAPH = "micrograph"
COLUMNS = ("x", "y", "score", "has_score", "row")  # of a table, with the names of Picks


@dataclass(frozen=True)
class PicksDir:
    """The picks of one folder or of several, and where they come from.

    Attributes
    ----------
    picks : Picks
        Pickers by folder name, micrographs by name, both sorted. A name has as many of its folders
        as it takes to tell it from others.
    row : ndarray of int64, shape (n_picks,)
        Each pick's data row in its own file, from 1.
    box_size_px : tuple of float or None, length n_pickers
        Median box size of each picker's files; None where they do not say.
    ignored : tuple of Path
        Files and folders that were not read: of unknown suffix, or beside the pickers' folders.
    is_missing : ndarray of bool, shape (n_micrographs, n_pickers)
        Where a picker that has a file for each micrograph has none: not even "no pick".
    micrograph_paths : tuple of str
        Each micrograph's name with all the folders that a table of any picker gives it.
    score_transforms : tuple of str or None, length n_pickers
        How each picker's scores become comparable, where its files decide it.
    thresholds : tuple of float or None, length n_pickers
        Each picker's own minimum score, where its files hold picks below it.
    notes : tuple of str
        What a user should know: names that were cut or have no partner, files that are missing.
    """

    picks: Picks
    row: NDArray[np.int64]
    box_size_px: Tuple[Optional[float], ...]
    ignored: Tuple[Path, ...]
    is_missing: NDArray[np.bool_]
    micrograph_paths: Tuple[str, ...]
    score_transforms: Tuple[Optional[str], ...]
    thresholds: Tuple[Optional[float], ...]
    notes: Tuple[str, ...]


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
        Its sub-folders, or links to folders, are named as the pickers; what is hidden is passed
        over.
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
        If the folder is missing or has too few sub-folders, a link leads nowhere, a picker has no
        pick file or two for the same micrograph, a file is wrong, a name may be any of several
        micrographs, or a picker shares few micrographs with the others.
    """
    folder = Path(picks_dir)
    entries = _visible_entries(folder)
    folders = [entry for entry in entries if entry.is_dir()]
    if len(folders) < min_pickers:
        found = listed(entry.name for entry in folders)
        problem = (
            f"must have at least {min_pickers} sub-folders, one for each picker, "
            f"got {len(folders)} ({found}); lay the files out as {LAYOUT}"
        )
        raise format_error(folder, problem)
    if {CRYOLO_BOXES, CRYOLO_STATISTICS} <= {entry.name for entry in folders}:
        found = listed(entry.name for entry in folders)
        problem = f"is one picker's output of crYOLO ({found}); give the folder that it lies in"
        raise format_error(folder, problem)
    pickers = [_gathered(entry, progress) for entry in folders]
    return _joined(folder, pickers, tuple(one for one in entries if one not in folders))


def read_picker_folder(
    folder: PathLike,
    *,
    progress: Optional[Callable[[], None]] = None,
    without: Collection[Path] = (),
) -> PicksDir:
    """Read the pick files of one picker, or of a reference.

    A file with a column of micrographs has picks of each of these, and of none where it has no
    row; any other file has those of the micrograph that it is named after.

    Parameters
    ----------
    folder : str or path
        Its name, that of the link where it is one, is the picker's. Files in sub-folders are read
        too, their micrographs named with the sub-folder where that tells them apart; of crYOLO's
        sub-folders only CBOX. What is hidden and the tables beside a consensus are passed over.
    progress : callable, optional
        Called after each file.
    without : collection of Path
        Files that are not read, as they are still being written.

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
    return _joined(Path(folder), [_gathered(Path(folder), progress, without)], ())


class _Gathered(NamedTuple):
    """What the files of one picker hold; `parts` has an array for each file under each column."""

    name: str
    micrographs: List[str]
    in_file: List[List[str]]
    parts: Dict[str, List[NDArray[Any]]]
    n_rows: List[int]
    box_size_px: Optional[float]
    ignored: Tuple[Path, ...]
    has_file_each: bool
    names_paths: bool  # as tables do; names of files have no folders but the picker's
    notes: Tuple[str, ...]
    score_transform: Optional[str]
    threshold: Optional[float]
    cut: List[str]


def _gathered(
    place: Path, progress: Optional[Callable[[], None]], without: Collection[Path] = ()
) -> _Gathered:
    known = formats_by_suffix()
    files, passed_over = files_in(place)
    files = [file for file in files if file not in without]
    readable = [file for file in files if file.suffix.lower() in known]
    unknown = [file for file in files if file.suffix.lower() not in known]
    if not readable:
        found = listed(file.name for file in (*files, *passed_over))
        problem = f"must have a file with suffix {', '.join(sorted(known))}, found {found}; add one"
        raise format_error(place, problem)
    used, tables, other, notes = read_files(readable, progress)
    per_file = [names_in(place, file, table) for file, table in zip(used, tables)]
    sizes = [table.box_size_px for table in tables if table.box_size_px is not None]
    all_sizes = np.concatenate(sizes) if sizes else np.zeros(0)
    return _Gathered(
        name=Path(os.path.abspath(place)).name,
        micrographs=_micrograph_names(used, per_file),
        in_file=per_file,
        parts={name: [getattr(table, name) for table in tables] for name in (*COLUMNS, MICROGRAPH)},
        n_rows=[len(table) for table in tables],
        box_size_px=float(np.median(all_sizes)) if len(all_sizes) else None,
        ignored=(*unknown, *other, *passed_over),
        has_file_each=all(table.micrograph is None or table.sources for table in tables),
        names_paths=all(table.micrograph is not None for table in tables),
        notes=tuple(notes),
        score_transform=common(table.score_transform for table in tables if len(table)),
        threshold=common(table.threshold for table in tables),
        cut=[file.name for file, table in zip(readable, tables) if table.may_be_cut],
    )


def files_in(place: Path, above: Tuple[str, ...] = ()) -> Tuple[List[Path], List[Path]]:
    """The files of a folder and of those in it, and sub-folders that are passed over."""
    above = (*above, os.path.realpath(place))
    entries = _visible_entries(place)
    folders = [entry for entry in entries if entry.is_dir()]
    tables_beside = {*TABLES_OF_RUN, PICK_LABELS}
    files = [e for e in entries if e not in folders and e.name not in tables_beside]
    passed_over: List[Path] = []
    if any(one.name == CRYOLO_BOXES for one in folders):
        passed_over = [one for one in folders if one.name != CRYOLO_BOXES]
    # other sets of the same particles, beside a consensus
    passed_over += [one for one in folders if (one / PATTERNS_TABLE).is_file()]
    for folder in folders:
        if folder not in passed_over and os.path.realpath(folder) not in above:
            more, not_read = files_in(folder, above)
            files += more
            passed_over += not_read if more else [folder]
    return files, passed_over


def _visible_entries(folder: Path) -> List[Path]:
    try:
        names = sorted(name for name in os.listdir(folder) if not name.startswith("."))
        entries = [folder / name for name in names]
        for entry in entries:
            if entry.is_symlink() and not entry.exists():
                problem = f"leads to {os.readlink(entry)}, which is not there; mount or remove it"
                raise format_error(entry, problem)
    except FileNotFoundError:
        raise format_error(folder, "no such folder; check the name") from None
    except NotADirectoryError:
        raise format_error(folder, f"must be a folder; lay the files out as {LAYOUT}") from None
    except OSError as exc:
        raise format_error(folder, f"cannot be read ({exc.strerror}); check the folder") from exc
    return entries


def names_in(place: Path, file: Path, table: PickTable) -> List[str]:
    """The micrographs of one file, with their folders."""
    if table.micrograph is None:
        folder = file.parent
        stem = stem_micrograph(file)
        names = [stem if folder == place else (folder.relative_to(place) / stem).as_posix()]
    else:
        names = sorted({*table.micrograph.tolist(), *table.empty})
    for name in names:
        if name.rpartition("/")[2].startswith("."):
            problem = f"micrograph {name} begins with a dot, which hides its files; rename it"
            raise format_error(file, problem)
    return names


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


def _check_shared(folder: Path, pickers: Sequence[_Gathered], has: NDArray[np.bool_]) -> None:
    """Refuse a picker that has few micrographs in common with the others."""
    for number, picker in enumerate(pickers if len(pickers) >= MIN_PICKERS else ()):
        own, others = has[:, number], np.delete(has, number, axis=1).any(axis=1)
        n_shared, n_possible = int((own & others).sum()), int(min(own.sum(), others.sum()))
        if n_shared < max(1, MIN_SHARED * n_possible):
            theirs = next(one for one in pickers if one is not picker)
            mine = next(iter(picker.micrographs), "no micrograph")
            raise format_error(
                folder,
                f"{picker.name} has {n_shared:,} of its {int(own.sum()):,} micrographs in common "
                f"with the other pickers: its names are as {mine}, those of {theirs.name} as "
                f"{next(iter(theirs.micrographs), 'no micrograph')}; make the names the same, or "
                "leave the picker out",
            )


def _notes(
    pickers: Sequence[_Gathered],
    found: UnifiedNames,
    has: NDArray[np.bool_],
    is_missing: NDArray[np.bool_],
) -> Iterator[str]:
    """What is worth knowing of names and files."""
    for number, picker in enumerate(pickers):
        for cut in found.additions[number]:
            yield addition_note(cut, picker.name)
        lacking = [found.names[m] for m in np.flatnonzero(is_missing[:, number])]
        if lacking:
            yield (
                f"{picker.name} has no file for {len(lacking):,} of {len(has):,} micrographs "
                f"({listed(lacking[:SHOWN])}); write an empty file where it found nothing"
            )
        is_alone = has[:, number] & (has.sum(axis=1) == 1) & ~is_missing.any(axis=1)
        if is_alone.any() and len(pickers) > 1:
            alone = [found.names[m] for m in np.flatnonzero(is_alone)]
            yield (
                f"{picker.name} alone has picks on {len(alone):,} of {len(has):,} micrographs "
                f"({listed(alone[:SHOWN])})"
            )
        yield from (f"{picker.name}: {note}" for note in picker.notes)
        if picker.cut and (len(picker.cut) < len(picker.n_rows) or len(picker.cut) == 1):
            yield (
                f"{picker.name}: the last line of {listed(picker.cut[:SHOWN])} has no end "
                f"({len(picker.cut):,} of {len(picker.n_rows):,} files); if it is cut off, the "
                "last number is wrong: compare it with the original"
            )
        folders = [path.name for path in picker.ignored if path.is_dir()]
        if folders:
            yield f"{picker.name}: ignored folders: {listed(folders)}"


def _longest_paths(pickers: Sequence[_Gathered], found: UnifiedNames) -> Tuple[str, ...]:
    paths = [*found.names]
    for picker, places in zip(pickers, found.places):
        for name, place in zip(picker.micrographs, places.tolist() if picker.names_paths else ()):
            paths[place] = max(paths[place], name, key=lambda path: path.count("/"))
    return tuple(paths)


def _joined(folder: Path, pickers: Sequence[_Gathered], beside: Tuple[Path, ...]) -> PicksDir:
    """One record of all pickers. The parts are used up: two copies would not fit into memory."""
    try:
        found = unify_names([picker.micrographs for picker in pickers])
    except ValueError as error:
        raise format_error(folder, str(error)) from None
    has = np.zeros((len(found.names), len(pickers)), dtype=bool)
    for number, places in enumerate(found.places):
        has[places, number] = True
    _check_shared(folder, pickers, has)
    is_missing = ~has & np.array([one.has_file_each for one in pickers], dtype=bool)
    micrograph = np.concatenate(
        [
            _micrograph_column(names, own, n, index)
            for one, places in zip(pickers, found.places)
            for index in [dict(zip(one.micrographs, places.tolist()))]
            for names, own, n in zip(one.parts.pop(MICROGRAPH), one.in_file, one.n_rows)
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
        micrograph_names=found.names,
        picker_names=[one.name for one in pickers],
    )
    return PicksDir(
        picks=picks,
        row=row,
        box_size_px=tuple(one.box_size_px for one in pickers),
        ignored=(*beside, *(file for one in pickers for file in one.ignored)),
        is_missing=is_missing,
        micrograph_paths=_longest_paths(pickers, found),
        score_transforms=tuple(one.score_transform for one in pickers),
        thresholds=tuple(one.threshold for one in pickers),
        notes=tuple(_notes(pickers, found, has, is_missing)),
    )


def _micrograph_column(
    found: Optional[NDArray[np.object_]], own: Sequence[str], n_rows: int, index: Dict[str, int]
) -> NDArray[np.int64]:
    if found is None:
        return np.full(n_rows, index[own[0]], dtype=np.int64)
    return np.fromiter(map(index.__getitem__, found.tolist()), dtype=np.int64, count=n_rows)
