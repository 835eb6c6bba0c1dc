"""STAR files of CTFs that are still being written, looked at again and again."""

from __future__ import annotations

from pathlib import Path
from typing import Dict, List, NamedTuple

from repic_plugin.formats.base.errors import FormatError, PathLike, format_error, listed
from repic_plugin.formats.base.stamps import Stamp, stamps_of
from repic_plugin.formats.images.micrograph_ctf import read_listed_ctfs

SUFFIX = ".star"


class ListedCtf(NamedTuple):
    """The CTF of one micrograph, and the microscope that its file names."""

    defocus_u_angstrom: float
    defocus_v_angstrom: float
    defocus_angle_deg: float
    phase_shift_deg: float
    voltage_kv: float
    spherical_aberration_mm: float
    amplitude_contrast: float


class WatchedCtfs:
    """Lists of micrographs with their CTFs, which grow or appear in a folder.

    A row is taken once it was the same at two looks, so that one that is being written is not. Of
    a micrograph in several files the last one, by name, counts.

    Parameters
    ----------
    path : str or path
        A STAR file, or a folder of them.
    is_complete : bool
        Whether the files are no longer written: all is taken at the first look.

    Attributes
    ----------
    problems : dict of Path to str
        Files that cannot be read at present, and why; they are tried again at each look.
    notes : dict of Path to str
        Files with CTFs that are no numbers, and of which micrographs: these have none.
    """

    def __init__(self, path: PathLike, is_complete: bool = False) -> None:
        self.path, self._is_complete = Path(path), is_complete
        self.problems: Dict[Path, str] = {}
        self.notes: Dict[Path, str] = {}
        self._stamps: Dict[Path, Stamp] = {}
        self._read_at: Dict[Path, Stamp] = {}  # when a file was last read
        self._rows: Dict[Path, Dict[str, ListedCtf]] = {}  # of each file at the last look
        self._taken: Dict[Path, Dict[str, ListedCtf]] = {}

    @property
    def micrographs(self) -> List[str]:
        """Names of the micrographs whose CTFs can be taken, as the files have them."""
        return [*dict.fromkeys(name for one in self._taken.values() for name in one)]

    def look(self) -> bool:
        """Whether a file has appeared or changed, or more can be taken by now.

        Raises
        ------
        FormatError
            If the path is missing or unreadable.
        """
        before, taken, problems = self._stamps, self._taken, self.problems
        self._stamps = _stamps(self.path)
        self._taken, self.problems = {}, {}
        for file, stamp in self._stamps.items():
            seen, is_same = self._rows.get(file, {}), before.get(file) == stamp
            if self._read_at.get(file) != stamp and not self._read(file, is_same):
                self._taken[file] = taken.get(file, {})
                continue
            is_whole = self._is_complete or is_same
            self._taken[file] = {
                name: row
                for name, row in self._rows[file].items()
                if is_whole or seen.get(name) == row
            }
        return before != self._stamps or taken != self._taken or problems != self.problems

    def _read(self, file: Path, is_same: bool) -> bool:
        """Whether a file could be read as it is now."""
        try:
            names, ctf, failed = read_listed_ctfs(file)
        except FormatError as error:
            if is_same or self._is_complete:  # not while it is being written
                self.problems[file] = str(error)
            return False
        self._read_at[file] = self._stamps[file]
        self.notes.pop(file, None)
        if failed:
            those = "it is" if len(failed) == 1 else "they are"
            rest = f"{those} taken to have none; estimate it again"
            self.notes[file] = f"{file}: the CTF of {listed(failed)} is no number, {rest}"
        columns = [getattr(ctf, name).tolist() for name in ListedCtf._fields]
        self._rows[file] = {name: ListedCtf(*row) for name, row in zip(names, zip(*columns))}
        return True

    def read(self, micrograph: str) -> ListedCtf:
        """The CTF of a micrograph that can be taken."""
        return next(
            one[micrograph] for one in reversed([*self._taken.values()]) if micrograph in one
        )

    def stamp(self) -> str:
        """The state of the files, as text: another if one is added or has changed.

        Raises
        ------
        FormatError
            If the path is missing or unreadable.
        """
        return " ".join(f"{file.name} {stamp}" for file, stamp in _stamps(self.path).items())


def _stamps(path: Path) -> Dict[Path, Stamp]:
    """The STAR files, sorted, and by what a change of them is seen."""
    if not path.exists():
        raise format_error(path, "no such file or folder; check the name")
    files = sorted(path.glob(f"[!.]*{SUFFIX}")) if path.is_dir() else [path]
    return stamps_of(files)
