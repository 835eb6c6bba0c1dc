"""Why a file or folder among the picks was not read."""

from __future__ import annotations

import os
from pathlib import Path

from repic_plugin.formats.base.errors import PathLike
from repic_plugin.formats.picks.registry import formats_by_suffix


def why_ignored(path: Path, picks_dir: PathLike) -> str:
    """What a path is, why it was not read, and the remedy.

    Parameters
    ----------
    path : Path
        One of `PicksDir.ignored`.
    picks_dir : str or path
        The folder with one sub-folder for each picker.
    """
    if path.is_dir():
        return "a folder without picks of its own, or of other sets of the same picks"
    if os.path.abspath(path.parent) == os.path.abspath(picks_dir):
        return (
            "a file, but each picker must be a folder; if it holds picks, move it into a folder of "
            "the picker's name"
        )
    known = formats_by_suffix()
    if path.suffix.lower() not in known:
        what = f"of suffix {path.suffix}" if path.suffix else "without a suffix"
        return (
            f"a file {what}, but picks must be in {', '.join(sorted(known))}; if it holds picks, "
            "rename or convert it"
        )
    return (
        "a file without coordinates, or that the picker's list of files leaves out; if it holds "
        "picks, move it into a folder of its own"
    )
