"""Sections of the report of a folder of results."""

from __future__ import annotations

import importlib
import pkgutil
from pathlib import Path
from types import ModuleType
from typing import Dict, List, Tuple

from repic_plugin.formats import TABLE_NAMES, PathLike
from repic_plugin.reports.comparison import compared, run_row
from repic_plugin.reports.document import Section


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
        If the folder holds no result, or a table in it is damaged.
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
    sections = [
        Section(f"{_name(place, top)}: {kind.TITLE}", kind.blocks(place)) for place, kind in found
    ]
    runs = [at for at, (_, kind) in enumerate(found) if TABLE_NAMES[0] == kind.MARKER]
    rows = [run_row(_name(found[at][0], top), found[at][0]) for at in runs]
    return compared(sections, rows, *runs[:1])


def _name(place: Path, top: Path) -> str:
    return top.resolve().name if place == top else place.name
