"""Sections of the report of a folder of results."""

from __future__ import annotations

import importlib
import pkgutil
import warnings
from pathlib import Path
from types import ModuleType
from typing import Dict, List, Tuple

from repic_plugin.formats import TABLE_NAMES, PathLike
from repic_plugin.reports.comparison import RunRow, compared, run_row
from repic_plugin.reports.document import Section, unreadable


def kinds() -> Dict[str, ModuleType]:
    """Kinds of results: the modules of this room with a MARKER, the file that identifies them.

    To add a kind, add a file with ``MARKER`` and ``blocks(folder)``.
    """
    package = __name__.rpartition(".")[0]
    folder = Path(__file__).parent
    modules = (
        importlib.import_module(f"{package}.{found.name}")
        for found in pkgutil.iter_modules([str(folder)])
        if found.name != "project"  # needs Scipion
    )
    return {module.MARKER: module for module in modules if hasattr(module, "MARKER")}


def find_results(folder: PathLike) -> List[Tuple[Path, ModuleType]]:
    """Results in a folder and its sub-folders, in order of their names."""
    top = Path(folder)
    places = [top, *sorted(one for one in top.iterdir() if one.is_dir())]
    return [
        (place, kind)
        for place in places
        for marker, kind in kinds().items()
        if (place / marker).is_file()
    ]


def folder_sections(folder: PathLike) -> List[Section]:
    """A section for each result in a folder, and first a comparison of the consensus runs.

    Parameters
    ----------
    folder : str or path
        The output folder of a command, or a folder of such folders.

    Raises
    ------
    ValueError
        If the folder holds no result, or tables of all are damaged.

    Warns
    -----
    UserWarning
        Of results whose tables are damaged or incomplete; their sections say so.
    """
    top = Path(folder)
    if not top.is_dir():
        raise ValueError(f"{folder}: is no folder; give a Scipion project or a folder of results")
    found = find_results(top)
    if not found:
        known = ", ".join(sorted(kinds()))
        raise ValueError(
            f"{folder}: holds no result of ours, nor do the folders in it: none of {known}; give "
            "what --out of a command named, or a Scipion project"
        )
    sections: List[Section] = []
    rows: Dict[int, RunRow] = {}
    problems: List[Exception] = []
    for at, (place, kind) in enumerate(found):
        title = f"{_name(place, top)}: {kind.TITLE}"
        try:
            section = Section(title, kind.blocks(place))
            if TABLE_NAMES[0] == kind.MARKER:
                rows[at] = run_row(_name(place, top), place)
        except (ValueError, OSError) as error:
            section = Section(title, [unreadable(error)])
            problems.append(error)
        sections.append(section)
    if len(problems) == len(found):
        raise problems[0]
    for error in problems:
        warnings.warn(str(error), stacklevel=2)
    return compared(sections, [*rows.values()], *[*rows][:1])


def _name(place: Path, top: Path) -> str:
    return top.resolve().name if place == top else place.name
