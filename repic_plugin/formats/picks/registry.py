"""Any pick file: the format is found by the suffix and, where several share it, by a mark."""

from __future__ import annotations

import importlib
import pkgutil
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Callable, Dict, Mapping, Optional, Sequence, Tuple

from numpy.typing import ArrayLike

from repic_plugin.formats.base.errors import NoCoordinatesError, PathLike, format_error, listed
from repic_plugin.formats.base.opening import open_input
from repic_plugin.formats.picks.names import micrograph_name
from repic_plugin.formats.picks.table import PickTable

HEAD_BYTES = 1 << 16  # in which a mark stands: the labels come before the rows


@dataclass(frozen=True)
class Format:
    """One kind of pick file.

    Attributes
    ----------
    name : str
        As ``box``.
    suffixes : tuple of str
        File suffixes, lower case with their dot.
    read : callable
        From a Path to a `PickTable`.
    write : callable or None
        As `write_picks_file`; None where files of this kind are only read.
    stem_endings : tuple of str
        What programs put between a micrograph's name and the suffix.
    marks : tuple of str
        Where another format has the same suffix and finds no coordinates: what the beginning of
        such a file holds, any of them. Of the formats of a suffix one has none.
    """

    name: str
    suffixes: Tuple[str, ...]
    read: Callable[[Path], PickTable]
    write: Optional[Callable[..., None]]
    stem_endings: Tuple[str, ...]
    marks: Tuple[str, ...]


@lru_cache(maxsize=None)
def known_formats() -> Tuple[Format, ...]:
    """Every format, sorted by name.

    A module of this package that defines ``SUFFIXES`` and ``read`` is a format; ``NAME``,
    ``write``, ``STEM_ENDINGS`` and ``MARKS`` are optional. Adding a format is adding such a file.
    """
    package = importlib.import_module(__package__)
    found = []
    for info in pkgutil.iter_modules(package.__path__):
        module = importlib.import_module(f"{__package__}.{info.name}")
        if hasattr(module, "SUFFIXES") and hasattr(module, "read"):
            found.append(
                Format(
                    name=getattr(module, "NAME", info.name),
                    suffixes=tuple(module.SUFFIXES),
                    read=module.read,
                    write=getattr(module, "write", None),
                    stem_endings=tuple(getattr(module, "STEM_ENDINGS", ())),
                    marks=tuple(getattr(module, "MARKS", ())),
                )
            )
    return tuple(sorted(found, key=lambda known: known.name))


@lru_cache(maxsize=None)
def formats_by_suffix() -> Mapping[str, Tuple[Format, ...]]:
    """The formats of each known suffix, that without marks last."""
    marked_first = sorted(known_formats(), key=lambda known: not known.marks)
    suffixes = {suffix for known in marked_first for suffix in known.suffixes}
    return {
        suffix: tuple(known for known in marked_first if suffix in known.suffixes)
        for suffix in sorted(suffixes)
    }


def read_picks_file(path: PathLike) -> PickTable:
    """Read the picks of one file.

    Parameters
    ----------
    path : str or path
        Of a format of `known_formats`.

    Returns
    -------
    PickTable
        Box centres, px, whatever the file holds.

    Raises
    ------
    FormatError
        If the suffix is unknown, or the file is missing, cut off, no text or wrong in a row. The
        message is one line with the file, the line, the rule, the value and the remedy.
    """
    file = path if isinstance(path, Path) else Path(path)
    by_suffix = formats_by_suffix()
    candidates = by_suffix.get(file.suffix.lower())
    if candidates is None:
        suffixes = ", ".join(by_suffix)
        problem = (
            f"suffix must be one of {suffixes}, got {file.suffix!r}; rename or convert the file"
        )
        raise format_error(file, problem)
    *marked, usual = candidates
    try:
        return usual.read(file)
    except NoCoordinatesError:
        known = _marked(file, marked)
        if known is None:
            raise
    return known.read(file)


def _marked(file: Path, candidates: Sequence[Format]) -> Optional[Format]:
    """That of several formats whose mark the file has."""
    with open_input(file) as opened:
        head = opened.read(HEAD_BYTES) if candidates else b""
    has_mark = (one for one in candidates if any(mark.encode() in head for mark in one.marks))
    return next(has_mark, None)


def write_picks_file(
    path: PathLike,
    x: ArrayLike,
    y: ArrayLike,
    *,
    box_size_px: float,
    score: Optional[ArrayLike] = None,
    format_name: Optional[str] = None,
) -> None:
    """Write the picks of one micrograph, in one step: no reader ever sees half a file.

    Parameters
    ----------
    path : str or path
    x, y : array_like of float, shape (n,)
        Box centres, px.
    box_size_px : float
        Side of the boxes.
    score : array_like of float, shape (n,), optional
        Score or weight of each pick.
    format_name : str, optional
        ``box``, ``star`` or ``csv``; by default the suffix of `path` tells.

    Raises
    ------
    ValueError
        If the format cannot be written, lengths differ, a number is not finite or the box size is
        below 1 px.
    OSError
        If the file cannot be written; what was there before stays.
    """
    suffix = Path(path).suffix.lower()
    writers: Dict[str, Callable[..., None]] = {
        known.name: known.write for known in known_formats() if known.write is not None
    }
    name = format_name
    if format_name is None and suffix in formats_by_suffix():
        name = formats_by_suffix()[suffix][-1].name
    if name not in writers:
        raise ValueError(
            f"format must be one of {listed(writers)}, got {name or suffix!r}; "
            "choose another format_name or suffix"
        )
    writers[name](path, x, y, box_size_px=box_size_px, score=score)


def stem_micrograph(path: Path) -> str:
    """The micrograph that a file's own name tells."""
    stem = path.stem
    candidates = formats_by_suffix()[path.suffix.lower()]
    for ending in (ending for known in candidates for ending in known.stem_endings):
        if stem.endswith(ending) and stem != ending:
            stem = stem[: -len(ending)]
            break
    return micrograph_name(stem)
