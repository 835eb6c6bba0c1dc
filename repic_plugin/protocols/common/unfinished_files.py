"""What runs leave behind that are killed while they write a file."""

from __future__ import annotations

from pathlib import Path

from pyworkflow.protocol import Protocol

from repic_plugin.formats import UNFINISHED


def remove_unfinished(protocol: Protocol) -> None:
    """Remove the files that an earlier process of a run has not completed.

    To be called as the run begins, before anything is written.
    """
    for file in Path(protocol._getExtraPath()).rglob(UNFINISHED):
        file.unlink(missing_ok=True)  # by a job that goes on without its protocol
