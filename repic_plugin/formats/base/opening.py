"""Input files, opened only where they are files: others may never end, or never begin."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import BinaryIO

from repic_plugin.formats.base.errors import PathLike, format_error

KINDS = {
    stat.S_IFIFO: "a named pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


def open_input(path: PathLike) -> BinaryIO:
    """A file, open for reading bytes.

    Raises
    ------
    FormatError
        If it is a named pipe, a socket or a device, or its name is no UTF-8; it is not opened then.
    OSError
        If it cannot be opened.
    """
    try:
        os.path.basename(path).encode("utf-8")
    except UnicodeEncodeError:
        raise format_error(Path(path), "has a name that is no UTF-8 text; rename it") from None
    kind = KINDS.get(stat.S_IFMT(os.stat(path).st_mode))
    if kind is not None:
        raise format_error(Path(path), f"must be a file, got {kind}; remove or replace it")
    return open(path, "rb")
