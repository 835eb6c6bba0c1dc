"""Removal of files of older iterations that are no longer needed."""

from __future__ import annotations

import shutil
from pathlib import Path

from repic_plugin.protocols.iterative.child_runs import Children
from repic_plugin.protocols.iterative.form import CLEAN_MODELS, CLEAN_TMP
from repic_plugin.protocols.iterative.state import RunState


def clean_older(what: int, children: Children, state: RunState, iteration: int) -> None:
    """Remove temporary files, and models that newer ones have replaced.

    Coordinates are kept. Only runs that were started by this run are affected.
    """
    if what < CLEAN_TMP:
        return
    for kind, earlier, name, run_id, output in state.outputs():
        if kind not in ("model", "picks") or earlier >= iteration:
            continue
        run = children.own(run_id)
        if run is None:
            continue
        shutil.rmtree(run._getTmpPath(), ignore_errors=True)
        Path(run._getTmpPath()).mkdir()
        replaced = state.latest("model", iteration, name) != (run_id, output)
        if kind == "model" and what == CLEAN_MODELS and replaced:
            path = Path(getattr(run, output).getPath())
            if path.is_file() and Path(run.getPath()) in path.parents:
                path.unlink()
