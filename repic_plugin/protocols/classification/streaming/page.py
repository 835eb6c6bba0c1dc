"""The page of a classification in a stream."""

from __future__ import annotations

import time
from contextlib import suppress
from pathlib import Path
from typing import Any, List, Optional, Sequence, Tuple

import numpy as np
from numpy.typing import NDArray

from repic_plugin.classification import StreamState
from repic_plugin.formats import (
    FormatError,
    JudgedMicrographs,
    read_arrays,
    read_micrograph_quality,
    write_arrays,
)
from repic_plugin.reports import (
    PickersByClass,
    SessionClasses,
    SessionHistory,
    SessionPage,
    waiting_line,
    write_session_page,
)

HISTORY = "history.npz"
COLUMNS = ("seconds", "n_seen", "n_good")
APART_S = 10  # between two points of the plot
AND = ", "  # between the names of pickers that found a particle


class History:
    """Particles over time, on the disk: a kill costs no more than the time after the last batch.

    Parameters
    ----------
    folder : path
    """

    def __init__(self, folder: Path) -> None:
        self._file = folder / HISTORY
        self._columns = {name: np.zeros(0) for name in COLUMNS}
        if self._file.is_file():
            with suppress(FormatError, KeyError):  # it is only shown
                self._columns = read_arrays(self._file, COLUMNS)

    def add(self, n_seen: int, n_good: int) -> None:
        """Add the present numbers; those of a moment ago give way to them."""
        now = (time.time(), n_seen, n_good)
        seconds = self._columns["seconds"]
        is_near = len(seconds) > 1 and now[0] - seconds[-2] < APART_S
        for name, value in zip(COLUMNS, now):
            before = self._columns[name]
            self._columns[name] = np.append(before[:-1] if is_near else before, value)
        write_arrays(self._file, self._columns)

    def shown(self) -> Optional[SessionHistory]:
        """For the page; None if there is nothing yet."""
        seconds, n_seen, n_good = (self._columns[name] for name in COLUMNS)
        if not len(seconds):
            return None
        return SessionHistory(seconds, n_seen.astype(np.int64), n_good.astype(np.int64))


class PickerCounts:
    """Which pickers found the particles of which class.

    Attributes
    ----------
    names : list of str
    """

    def __init__(self) -> None:
        self.names: List[str] = []
        self._patterns: List[str] = []
        self._of: NDArray[np.int64] = np.zeros(0, np.int64)

    def look(self, found_by: Sequence[str]) -> None:
        """Take note of particles that are new at the end."""
        new = found_by[len(self._of) :]
        place = {one: i for i, one in enumerate(self._patterns)}
        for one in dict.fromkeys(new):
            if one not in place:
                place[one] = len(self._patterns)
                self._patterns.append(one)
                known = (name for name in one.split(AND) if name and name not in self.names)
                self.names += known
        self._of = np.append(self._of, np.array([place[one] for one in new], np.int64))

    def by_class(self, labels: NDArray[np.int64], k: int) -> Optional[PickersByClass]:
        """Particles of each picker in each class; None where no pickers are known."""
        n = min(len(labels), len(self._of))
        if not (self.names and n):
            return None
        kept = labels[:n] >= 0
        shape = (k, len(self._patterns))
        place = np.ravel_multi_index((labels[:n][kept], self._of[:n][kept]), shape)
        counts = np.bincount(place, minlength=k * len(self._patterns)).reshape(shape)
        has = np.array([[name in one.split(AND) for name in self.names] for one in self._patterns])
        return PickersByClass(self.names, counts @ has.astype(np.int64))


def write_page(
    protocol: Any,
    state: Optional[StreamState],
    is_good: NDArray[np.bool_],
    *,
    is_open: bool,
    n_there: int,
    n_to_start: int,
    history: Optional[SessionHistory],
    pickers: Optional[PickersByClass],
    lines: Sequence[str],
) -> None:
    """Write what is known at present.

    Parameters
    ----------
    protocol : ProtAckMeans2DStream
    state : StreamState or None
        None before there are classes.
    is_good : ndarray of bool, shape (k,)
    is_open : bool
        Whether the run goes on.
    n_there, n_to_start : int
        Particles in the input, and that classes wait for.
    history : SessionHistory or None
    pickers : PickersByClass or None
    lines : sequence of str
        Of the summary; warnings begin with an exclamation mark.
    """
    now = time.time()
    following = [line for line in lines if line.startswith("Following")]
    others = [line.lstrip("! ").replace("*", "") for line in lines if line not in following]
    waiting = [line.partition(": ")[2] for line in following]
    if state is None and history is not None and is_open:
        waiting = [waiting_line(n_to_start, history, now)]
    page = SessionPage(
        title=f"{protocol.getProject().getShortName()}: {protocol.getObjLabel() or '2D classes'}",
        written_at=now,
        is_open=is_open,
        counts=_counts(state, is_good, n_there, is_open),
        waiting=waiting,
        remarks=others,
        history=history,
        classes=None if state is None else _classes(state, is_good),
        pickers=pickers,
        micrographs=_micrographs(protocol),
    )
    write_session_page(protocol.page(), page)


def _counts(
    state: Optional[StreamState], is_good: NDArray[np.bool_], n_there: int, is_open: bool
) -> List[Tuple[str, int]]:
    if state is None:
        return [("particles received", n_there)]
    n_good = int(state.sizes[is_good].sum())
    return [
        ("particles received", n_there),
        ("in classes", int(state.sizes.sum())),
        ("in good classes", n_good),
        ("rejected", int(state.sizes.sum()) - n_good),
        ("waiting" if is_open else "disabled", max(n_there - state.n_seen, 0)),
        ("classes", len(state)),
        ("good classes", int(is_good.sum())),
        ("classes for new views", int((state.made_after > 0).sum())),
    ]


def _classes(state: StreamState, is_good: NDArray[np.bool_]) -> SessionClasses:
    return SessionClasses(
        state.references.averages,
        state.sizes,
        state.scores.score,
        is_good,
        state.made_after,
        state.references.sizes.pixel_size_angstrom,
    )


def _micrographs(protocol: Any) -> Optional[JudgedMicrographs]:
    """Quality of the micrographs, where the particles are of a consensus of this plugin."""
    coordinates = protocol.inputParticles.get().getCoordinates()
    if coordinates is None or not coordinates.getFileName():
        return None
    try:
        return read_micrograph_quality(Path(coordinates.getFileName()).parent / "extra")
    except FormatError:
        return None  # of another program
