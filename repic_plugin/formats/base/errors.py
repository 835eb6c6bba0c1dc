"""The error of an unusable file, in one line."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Iterable, Optional, Type, Union

PathLike = Union[str, "os.PathLike[str]"]

MAX_SHOWN = 40  # characters of a wrong value shown in a message
MAX_LISTED = 12  # names listed in a message


class FormatError(ValueError):
    """A file or folder of picks cannot be used.

    The message is one line: the file, the line in it where there is one, the rule that is broken,
    the value found and what to do about it.
    """


class NoCoordinatesError(FormatError):
    """A file is sound and of a known kind, but of those that hold no coordinates."""


def format_error(
    path: Union[str, Path],
    problem: str,
    *,
    line: Optional[int] = None,
    kind: Type[FormatError] = FormatError,
) -> FormatError:
    """The error for `path` (and its line, from 1) as one printable line, ready to be raised."""
    where = f"{path}" if line is None else f"{path}, line {line}"
    # A file name may hold any character: a line break in it must not break the message.
    return kind("".join(c if c.isprintable() else "?" for c in f"{where}: {problem}"))


def shown(value: str) -> str:
    """A value read from a file, quoted and cut to a length that fits a message."""
    return repr(value if len(value) <= MAX_SHOWN else value[: MAX_SHOWN - 3] + "...")


def listed(names: Iterable[str]) -> str:
    """Comma-separated names; only the first ones of a long list."""
    every = list(names)
    kept = [name if len(name) <= MAX_SHOWN else name[: MAX_SHOWN - 3] + "..." for name in every]
    more = [f"{len(every) - MAX_LISTED} more"] if len(every) > MAX_LISTED else []
    return ", ".join(kept[:MAX_LISTED] + more) or "none"
