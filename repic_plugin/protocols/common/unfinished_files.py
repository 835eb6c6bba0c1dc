"""Unfinished files of runs that were killed while writing."""

from __future__ import annotations

from pathlib import Path

from pyworkflow.protocol import Protocol

from repic_plugin.formats import UNFINISHED


def remove_unfinished(protocol: Protocol) -> None:
    """Remove the files that an earlier process of this run did not complete.

    To be called at the start of a run, before anything is written.
    """
    for file in Path(protocol._getExtraPath()).rglob(UNFINISHED):
        file.unlink(missing_ok=True)  # a job that outlives its protocol may remove it
