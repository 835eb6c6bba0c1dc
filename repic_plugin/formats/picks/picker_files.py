"""The files of one picker: which of them hold its picks, and what they say."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path
from typing import Callable, Dict, Iterable, List, NamedTuple, Optional, Sequence, Set

from repic_plugin.formats.base.errors import NoCoordinatesError, listed
from repic_plugin.formats.picks.registry import read_picks_file
from repic_plugin.formats.picks.table import PickTable

SHOWN = 3  # examples in a note
# Gautomatch writes these beside its picks: candidates, and what it has rejected.
PICKED, BY_PRODUCTS = "_automatch", ("_nonunique", "_rejected")


class PickerFiles(NamedTuple):
    """Files of picks and their tables, what else there was, and what a user should know of it."""

    files: List[Path]
    tables: List[PickTable]
    passed_over: List[Path]
    notes: List[str]


def read_files(files: Sequence[Path], progress: Optional[Callable[[], None]] = None) -> PickerFiles:
    """Read the files of one picker.

    Those without coordinates are passed over beside others, as RELION's ``job.star`` is. A list of
    coordinate files says which files are the picks: others beside it are passed over too, and so
    are Gautomatch's candidates and rejected picks beside its picks.

    Parameters
    ----------
    files : sequence of Path
        Of known suffixes, at least one.
    progress : callable, optional
        Called after each file.

    Raises
    ------
    FormatError
        If a file is wrong, or none has coordinates.
    """
    tables: Dict[Path, PickTable] = {}
    without: Dict[Path, NoCoordinatesError] = {}
    in_lists: Set[str] = set()
    rejected = dict.fromkeys(by_products(files))
    for file in files:
        if file in rejected or (in_lists and os.path.realpath(file) in in_lists):
            continue
        try:
            tables[file] = read_picks_file(file)
            in_lists.update(map(os.path.realpath, tables[file].sources))
        except NoCoordinatesError as error:
            without[file] = error
        if progress is not None:
            progress()
    if not tables:
        raise next(iter(without.values()))
    used = [file for file in tables if tables[file].sources] or [*tables]
    beside = [
        file
        for file, table in tables.items()
        if in_lists and not table.sources and os.path.realpath(file) not in in_lists
    ]
    notes = [f"ignored without coordinates: {_examples(without)}"] if without else []
    if rejected:
        notes.append(f"ignored, as Gautomatch rejected these picks: {_examples(rejected)}")
    if beside:
        lists = listed(file.name for file in used)
        notes.append(f"ignored, as {lists} does not list them: {_examples(beside)}")
    found = Counter(note for file in used for note in tables[file].notes)
    notes += [note if n == 1 else f"{note} ({n:,} files)" for note, n in found.items()]
    return PickerFiles(used, [tables[file] for file in used], [*without, *rejected, *beside], notes)


def by_products(files: Sequence[Path]) -> List[Path]:
    """Gautomatch's files of candidates and rejected picks, where those of its picks are there."""
    known = {(file.parent, file.stem) for file in files}
    return [
        file
        for file in files
        for ending in BY_PRODUCTS
        if file.stem.endswith(ending) and (file.parent, file.stem[: -len(ending)] + PICKED) in known
    ]


def _examples(files: Iterable[Path]) -> str:
    names = [file.name for file in files]
    return listed(names[:SHOWN]) + (f" and {len(names) - SHOWN:,} more" if names[SHOWN:] else "")
