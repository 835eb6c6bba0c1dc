"""The folder of a 2D classification in a stream: its blocks, and the state after the last one.

A block is written before the state that counts it. A kill in between leaves a block that is not
counted, and is written again.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, Callable, Dict, Iterable, Mapping, Optional, Sequence, Tuple

import numpy as np
from numpy.typing import NDArray

from repic_plugin.formats.base.arrays import read_arrays, write_arrays
from repic_plugin.formats.base.atomic import UNFINISHED, atomic_write
from repic_plugin.formats.base.errors import PathLike, format_error
from repic_plugin.formats.base.text_tables import read_text

if TYPE_CHECKING:
    from repic_plugin.classification import Assignment, Block, StreamState

SETTINGS, STATE, COUNTS = "settings.json", "state.npz", "blocks"
MOVED, REMEDY = "moved_", "restart the classification"


@dataclass(frozen=True, eq=False)
class StreamedParticles:
    """Particles of a stream with what is kept of their assignment.

    Attributes
    ----------
    rows : ndarray of int64, shape (n,)
        Their numbers in the stream.
    labels, rotation_deg, shift_px, mirror, dissimilarity, posterior, correlation, fit : ndarray
        As in `Assignment`.
    is_explained : ndarray of bool, shape (n,)
        Whether the class explains the particle, see `Block`.
    explained : ndarray of float64, shape (k,)
        What each class explains of its members: the sum over those of a block, the mean over all
        particles.
    """

    rows: NDArray[np.int64]
    labels: NDArray[np.int64]
    rotation_deg: NDArray[np.float64]
    shift_px: NDArray[np.float64]
    mirror: NDArray[np.bool_]
    dissimilarity: NDArray[np.float64]
    posterior: NDArray[np.float64]
    correlation: NDArray[np.float64]
    fit: NDArray[np.float64]
    is_explained: NDArray[np.bool_]
    explained: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.rows)


COLUMNS = tuple(one.name for one in fields(StreamedParticles) if one.name != "explained")


@dataclass(frozen=True, eq=False)
class StoredBlock:
    """Particles that were processed together.

    Attributes
    ----------
    particles : StreamedParticles
        New ones.
    moved : StreamedParticles or None
        Any so far that go to classes appended after the block.
    """

    particles: StreamedParticles
    moved: Optional[StreamedParticles]


class StreamFolder:
    """Blocks and state of a classification in a stream, on the disk.

    Parameters
    ----------
    folder : str or path
        Made when there is something to keep.

    Attributes
    ----------
    settings : str or None
        Text that `begin` was given; None where nothing has begun.
    state : StreamState or None
        After the last block; None before there are classes.
    n_blocks, n_passes, n_passed : int
        Blocks, passes over all particles, and how many these were at the last one.

    Raises
    ------
    FormatError
        If the state cannot be read.
    """

    def __init__(self, folder: PathLike) -> None:
        self.folder = Path(folder)
        self.state: Optional[StreamState] = None
        self.n_blocks = self.n_passes = self.n_passed = 0
        settings = self.folder / SETTINGS
        self.settings = read_text(settings) if settings.is_file() else None
        if self.settings is not None and (self.folder / STATE).is_file():
            self._read_state()

    def _read_state(self) -> None:
        from repic_plugin.classification import stream_from_arrays  # noqa: PLC0415 - loads slowly

        path = self.folder / STATE
        arrays = read_arrays(path, remedy=REMEDY)
        try:
            self.n_blocks, self.n_passes, self.n_passed = arrays[COUNTS].tolist()
            self.state = stream_from_arrays(arrays)
        except (KeyError, ValueError) as error:
            problem = f"is damaged, or no state of a classification ({error})"
            raise format_error(path, f"{problem}; {REMEDY}") from error

    def begin(self, settings: str) -> None:
        """Remove what is there, and start with other settings."""
        if self.folder.exists():
            shutil.rmtree(self.folder)
        self.folder.mkdir(parents=True)
        atomic_write(self.folder / SETTINGS, settings)
        self.settings, self.state = settings, None
        self.n_blocks = self.n_passes = self.n_passed = 0

    def remove_unfinished(self) -> None:
        """Remove what a process that was killed has left: it alone may have been writing."""
        counted = {self._file(self.n_passes, number) for number in range(self.n_blocks)}
        for file in [*self.folder.glob("block_*.npz"), *self.folder.glob(UNFINISHED)]:
            if file not in counted:
                file.unlink()

    def keep(self, block: Block, state: StreamState) -> None:
        """Record a block, and the state after it."""
        self._write_block(self.n_passes, self.n_blocks, block)
        self._write_state(state, (self.n_blocks + 1, self.n_passes, self.n_passed))

    def replace(self, blocks: Iterable[Block], state_after: Callable[[], StreamState]) -> None:
        """Record all particles again after a pass over all of them, in place of what there is.

        Nothing changes unless all blocks could be written.

        Parameters
        ----------
        blocks : iterable of Block
        state_after : callable
            Gives the state after the last block.
        """
        number = -1
        for number, block in enumerate(blocks):
            self._write_block(self.n_passes + 1, number, block)
        old = [self._file(self.n_passes, i) for i in range(self.n_blocks)]
        state = state_after()
        self._write_state(state, (number + 1, self.n_passes + 1, state.n_seen))
        for file in old:
            file.unlink()

    def _write_block(self, of_pass: int, number: int, block: Block) -> None:
        new = block.new
        arrays = _arrays_of(block.rows, block.found, block.is_explained)
        if new is not None:
            arrays.update(_arrays_of(new.rows, new.found, new.is_explained, MOVED))
        write_arrays(self._file(of_pass, number), arrays)

    def _write_state(self, state: StreamState, counts: Tuple[int, int, int]) -> None:
        from repic_plugin.classification import stream_to_arrays  # noqa: PLC0415 - loads slowly

        arrays = {**stream_to_arrays(state), COUNTS: np.array(counts)}
        write_arrays(self.folder / STATE, arrays)
        self.state = state
        self.n_blocks, self.n_passes, self.n_passed = counts

    def _file(self, of_pass: int, number: int) -> Path:
        return self.folder / f"block_{of_pass}_{number:06d}.npz"

    def read(self, number: int) -> StoredBlock:
        """A block.

        Raises
        ------
        FormatError
            If it cannot be read.
        """
        path = self._file(self.n_passes, number)
        arrays = read_arrays(path, remedy=REMEDY)
        try:
            particles = _particles_of(arrays)
            moved = _particles_of(arrays, MOVED) if f"{MOVED}rows" in arrays else None
            return StoredBlock(particles, moved)
        except KeyError as error:
            problem = f"is damaged, or no block ({error} is missing)"
            raise format_error(path, f"{problem}; {REMEDY}") from error

    def particles(self) -> StreamedParticles:
        """All particles so far, in order, each in the class where it is now.

        Raises
        ------
        ValueError
            If there are none yet.
        """
        if self.state is None:
            raise ValueError(f"{self.folder}: there are no classes yet")
        blocks = [self.read(number) for number in range(self.n_blocks)]
        parts = [block.particles for block in blocks]
        moved = [block.moved for block in blocks if block.moved is not None]
        columns = {n: np.concatenate([getattr(one, n) for one in parts]) for n in COLUMNS}
        for one in moved:
            for name, values in columns.items():
                values[one.rows] = getattr(one, name)
        explained = _mean_explained([*parts, *moved], len(self.state))
        return StreamedParticles(**columns, explained=explained)


def _arrays_of(
    rows: NDArray[np.int64], found: Assignment, is_explained: NDArray[np.bool_], prefix: str = ""
) -> Dict[str, NDArray[Any]]:
    """What is kept of an assignment, by name."""
    known = {"rows": rows, "is_explained": is_explained}
    arrays = {n: known[n] if n in known else getattr(found, n) for n in COLUMNS}
    arrays["explained"] = found.explained * found.sizes
    return {f"{prefix}{name}": values for name, values in arrays.items()}


def _particles_of(arrays: Mapping[str, NDArray[Any]], prefix: str = "") -> StreamedParticles:
    return StreamedParticles(**{n: arrays[f"{prefix}{n}"] for n in (*COLUMNS, "explained")})


def _mean_explained(parts: Sequence[StreamedParticles], k: int) -> NDArray[np.float64]:
    """Mean over all that were ever assigned to each class; 0 for a class without any."""
    total, n = np.zeros(k), np.zeros(k, np.int64)
    for one in parts:
        total[: len(one.explained)] += one.explained
        n += np.bincount(one.labels[one.labels >= 0], minlength=k)
    return np.asarray(total / np.maximum(n, 1))
