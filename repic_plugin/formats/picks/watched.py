"""A folder in which the pick files of one picker appear, looked at again and again."""

from __future__ import annotations

import zlib
from pathlib import Path
from typing import Dict, List, NamedTuple, Optional, Set

import numpy as np
from numpy.typing import NDArray

from repic_plugin.formats.base.errors import FormatError, NoCoordinatesError, PathLike
from repic_plugin.formats.base.stamps import Stamp, stamps_of
from repic_plugin.formats.picks.folders import files_in, names_in
from repic_plugin.formats.picks.picker_files import by_products
from repic_plugin.formats.picks.registry import formats_by_suffix, read_picks_file
from repic_plugin.formats.picks.table import PickTable

NO_ROWS = np.zeros(0, dtype=np.int64)


class PicksOfMicrograph(NamedTuple):
    """The picks of one micrograph, in the order of their file; `score` is NaN where it is missing.

    `score_transform` and `box_size_px` are what the file says of all its picks, or None.
    """

    x: NDArray[np.float64]
    y: NDArray[np.float64]
    score: NDArray[np.float64]
    score_transform: Optional[str] = None
    box_size_px: Optional[float] = None


class _Read(NamedTuple):
    """A file as it was read, and the rows of each micrograph in it."""

    table: PickTable
    rows: Dict[str, NDArray[np.int64]]


class WatchedFolder:
    """Pick files that are still being written by one picker.

    A file is taken once it was found unchanged at two looks in a row and can be read. Of a table of
    many micrographs that grows, the picks of a micrograph are taken once they were the same at two
    looks. What is taken may change all the same: read the whole folder in the end.

    Parameters
    ----------
    folder : str or path
        As of `read_picker_folder`.

    Attributes
    ----------
    problems : dict of Path to str
        Files that cannot be read at present, and why; they are tried again at each look.
    """

    def __init__(self, folder: PathLike) -> None:
        self.folder = Path(folder)
        self.problems: Dict[Path, str] = {}
        self._stamps: Dict[Path, Stamp] = {}
        self._read: Dict[Path, Stamp] = {}  # when a file was last read
        self._told: Dict[Path, Dict[str, int]] = {}  # what it held of each micrograph
        self._holders: Dict[str, Path] = {}  # the file of each micrograph that can be taken
        self._fresh: Dict[Path, _Read] = {}  # since the last look

    @property
    def micrographs(self) -> List[str]:
        """Names of the micrographs whose picks can be taken, as their files have them."""
        return [*self._holders]

    def unread(self) -> List[Path]:
        """Files that could not be read as they are now, or were not tried yet."""
        return [file for file, stamp in self._stamps.items() if self._read.get(file) != stamp]

    def look(self) -> bool:
        """Whether a file has appeared, has changed, or can be taken by now.

        Raises
        ------
        FormatError
            If the folder is missing or unreadable.
        """
        before, n_before = self._stamps, len(self._holders)
        self._stamps, self._fresh = _stamps(self.folder), {}
        problems, self.problems = self.problems, {}
        for file, stamp in self._stamps.items():
            if file in before and self._read.get(file) != stamp:
                self._take(file, is_stable=before[file] == stamp)
        has_news = self._stamps != before or len(self._holders) != n_before
        return has_news or self.problems != problems

    def stamp(self) -> str:
        """The state of the files, see `folder_stamp`."""
        return folder_stamp(self.folder)

    def read(self, micrograph: str) -> PicksOfMicrograph:
        """The picks of a micrograph that can be taken.

        Raises
        ------
        FormatError
            If its file has been removed or damaged since.
        """
        file = self._holders[micrograph]
        if file not in self._fresh:
            self._fresh[file] = self._read_file(file)
        table, rows = self._fresh[file]
        mine, sizes = rows.get(micrograph, NO_ROWS), table.box_size_px
        return PicksOfMicrograph(
            table.x[mine],
            table.y[mine],
            np.where(table.has_score[mine], table.score[mine], np.nan),
            table.score_transform if len(table) else None,
            None if sizes is None or not len(sizes) else float(np.median(sizes)),
        )

    def _read_file(self, file: Path) -> _Read:
        table = read_picks_file(file)
        names = names_in(self.folder, file, table)
        if table.micrograph is None:
            return _Read(table, {names[0]: np.arange(len(table))})
        of, where = np.unique(table.micrograph.astype(str), return_inverse=True)
        parts = np.split(np.argsort(where, kind="stable"), np.cumsum(np.bincount(where))[:-1])
        rows = dict(zip(of.tolist(), parts)) if len(table) else {}
        return _Read(table, {name: rows.get(name, NO_ROWS) for name in names})

    def _take(self, file: Path, is_stable: bool) -> None:
        """Read a file that has not been read as it is now."""
        try:
            found = self._read_file(file)
        except NoCoordinatesError:
            if is_stable:
                self._read[file] = self._stamps[file]  # beside the picks, as RELION's job.star
            return
        except FormatError as error:
            if is_stable:
                self.problems[file] = str(error)
            return
        is_table = found.table.micrograph is not None
        if not (is_table or is_stable):
            return
        told = {name: _digest(found.table, rows) for name, rows in found.rows.items()}
        before = self._told.get(file, {})
        for name, digest in told.items():
            if is_stable or before.get(name) == digest:
                self._holders[name] = file
        if is_stable:
            self._read[file] = self._stamps[file]
        self._told[file] = told if is_table else {}
        self._fresh[file] = found


def _stamps(folder: Path) -> Dict[Path, Stamp]:
    """The pick files of a folder, and by what a change of them is seen."""
    known = formats_by_suffix()
    files = [file for file in files_in(folder)[0] if file.suffix.lower() in known]
    rejected: Set[Path] = {*by_products(files)}
    return stamps_of(file for file in files if file not in rejected)


def folder_stamp(folder: PathLike) -> str:
    """The state of the pick files of a folder, as text: another if one is added or has changed.

    Raises
    ------
    FormatError
        If the folder is missing or unreadable.
    """
    place = Path(folder)
    lines = (f"{file} {stamp}" for file, stamp in sorted(_stamps(place).items()))
    return f"{zlib.crc32(chr(10).join(lines).encode()):08x}"


def _digest(table: PickTable, rows: NDArray[np.int64]) -> int:
    """A number that tells what some rows hold."""
    columns = (table.x, table.y, table.score, table.has_score)
    return zlib.crc32(b"".join(one[rows].tobytes() for one in columns))
