"""Whether files are still those that a window has read."""

from __future__ import annotations

import os
from typing import Dict, Iterable


class FilesAsRead:
    """Files that are held open, so that one that is deleted and written again is another.

    A set that has only grown is still the same file.

    Parameters
    ----------
    files : iterable of str

    Raises
    ------
    OSError
        If one cannot be opened.
    """

    def __init__(self, files: Iterable[str]) -> None:
        self._open: Dict[str, int] = {}
        for file in files:
            self._open[file] = os.open(file, os.O_RDONLY)

    def __del__(self) -> None:
        for one in self._open.values():
            os.close(one)

    def check(self, file: str) -> None:
        """Check that a file is still the one that was read.

        Raises
        ------
        ValueError
            If it was written again.
        OSError
            If it is no longer there.
        """
        if file in self._open and not os.path.samestat(os.fstat(self._open[file]), os.stat(file)):
            raise ValueError(
                "the run was executed again since this window was opened, and what is chosen here "
                "is of its former output; close this window and open it again"
            )
