"""State of a run of iterative picking between its steps."""

from __future__ import annotations

import copy
import json
import threading
import uuid
from pathlib import Path
from typing import Any, Dict, List, Optional, Tuple

from repic_plugin.formats import atomic_write

# Steps of a run may end simultaneously.
LOCK = threading.RLock()
EMPTY: Dict[str, Any] = {"outputs": {}, "dropped": {}, "last": None}


class RunState:
    """Sets and models of child runs, pickers that were excluded, and convergence.

    Parameters
    ----------
    path : str
        A JSON file, created if missing. A run from scratch has an empty folder, and thus a new
        token.
    """

    def __init__(self, path: str) -> None:
        self._path = Path(path)

    @property
    def token(self) -> str:
        """Identifier of the children of this run."""
        with LOCK:
            found = self._read()
            if not self._path.is_file():
                self._write(found)
            return str(found["token"])

    def begin(self) -> None:
        """Forget all but the token: steps request everything again, and reuse completed runs."""
        with LOCK:
            self._write({**EMPTY, "token": self.token})

    def put(self, kind: str, iteration: int, name: str, run_id: int, output: str) -> None:
        """Store an output: `kind` is picks, model, consensus, labels or a subset."""
        with LOCK:
            found = self._read()
            found["outputs"][f"{kind} {iteration} {name}"] = [run_id, output]
            self._write(found)

    def get(self, kind: str, iteration: int, name: str = "") -> Optional[Tuple[int, str]]:
        """Id of a run and name of its output; None if there is none."""
        found = self._read()["outputs"].get(f"{kind} {iteration} {name}")
        return None if found is None else (int(found[0]), str(found[1]))

    def latest(self, kind: str, iteration: int, name: str = "") -> Optional[Tuple[int, str]]:
        """Id and output as of `get`, of this iteration or of the last one that has it."""
        each = (self.get(kind, one, name) for one in range(iteration, -1, -1))
        return next((found for found in each if found is not None), None)

    def outputs(self) -> List[Tuple[str, int, str, int, str]]:
        """Kind, iteration, name, run and output of all stored outputs."""
        found = []
        for key, (run_id, output) in self._read()["outputs"].items():
            kind, iteration, name = key.split(" ", 2)
            found.append((kind, int(iteration), name, int(run_id), str(output)))
        return found

    def drop(self, name: str, reason: str) -> None:
        """Exclude a picker."""
        with LOCK:
            found = self._read()
            found["dropped"].setdefault(name, reason)
            self._write(found)

    @property
    def dropped(self) -> Dict[str, str]:
        """Reasons by excluded picker."""
        return dict(self._read()["dropped"])

    def end_after(self, iteration: int) -> None:
        """Record convergence: later iterations do nothing."""
        with LOCK:
            found = self._read()
            found["last"] = iteration
            self._write(found)

    def is_over(self, iteration: int) -> bool:
        """Whether the run ended before this iteration."""
        last = self._read()["last"]
        return last is not None and iteration > int(last)

    def _read(self) -> Dict[str, Any]:
        if self._path.is_file():
            stored: Dict[str, Any] = json.loads(self._path.read_text("utf-8"))
            return stored
        return {**copy.deepcopy(EMPTY), "token": uuid.uuid4().hex[:12]}

    def _write(self, found: Dict[str, Any]) -> None:
        atomic_write(self._path, json.dumps(found, indent=1, sort_keys=True))
