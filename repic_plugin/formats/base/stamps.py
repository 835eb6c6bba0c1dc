"""By what a change of files is seen."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Dict, Iterable, Tuple

Stamp = Tuple[int, int, int]


def stamps_of(files: Iterable[Path]) -> Dict[Path, Stamp]:
    """Size, time of change and number of each file; those that have just been removed are left out.

    Parameters
    ----------
    files : iterable of Path
    """
    found = {}
    for file in files:
        try:
            state = os.stat(file)
        except OSError:  # removed since
            continue
        found[file] = (state.st_size, state.st_mtime_ns, state.st_ino)
    return found
