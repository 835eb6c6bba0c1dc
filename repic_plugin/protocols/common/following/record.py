"""The record on disk of a run with growing inputs: one file per batch.

The batches are the primary record of a run. All its results (output sets, tables, summary) are
derived from them, so that a kill at any time costs at most the batch in progress.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any, Dict, List, Mapping, Optional, Tuple

from numpy.typing import NDArray

from repic_plugin.formats import atomic_write, read_arrays, write_arrays

SETTINGS, FINISHED = "settings.json", "finished.json"
MICROGRAPHS = "micrograph_ids"
REMEDY = "choose Restart in the form"


class BatchRecord:
    """The folder of a run's batches.

    Parameters
    ----------
    folder : str or path
    settings : str
        Settings on which the result depends. A record with other settings is removed, and one of
        a finished run whose closed inputs have changed since.
    inputs : str
        The contents of those inputs that are closed.

    Attributes
    ----------
    is_new : bool
        Whether there was no record.
    is_finished : bool
        Whether a run with these settings and inputs has finished.
    micrographs : list of int
        Ids of the processed micrographs, in the order of processing.
    """

    COUNTS: Tuple[str, ...] = (MICROGRAPHS,)  # arrays of a batch that are kept in memory

    def __init__(self, folder: str, settings: str, inputs: str = "") -> None:
        self.folder, self._inputs = Path(folder), inputs
        self.micrographs: List[int] = []
        self._n_batches = 0
        finished_with = text_of(self.folder / FINISHED)
        self.is_finished = self._is_of(settings) and finished_with == inputs
        self.is_new = not self._is_of(settings) or not (self.is_finished or self._is_whole())
        if not self.is_new:
            self._read()
            return
        if self.folder.exists():
            shutil.rmtree(self.folder)
        self.folder.mkdir(parents=True)
        atomic_write(self.folder / SETTINGS, settings)

    @property
    def done(self) -> List[int]:
        """What need not be processed any more."""
        return self.micrographs

    def _is_of(self, settings: str) -> bool:
        return text_of(self.folder / SETTINGS) == settings

    def _is_whole(self) -> bool:
        """Whether the batches are kept, unlike those of a finished run with closed inputs."""
        return text_of(self.folder / FINISHED) is None or self._file(0).is_file()

    def finish(self, inputs: str, keep: bool) -> None:
        """Record that the run is complete, and the final contents of its inputs.

        Batches are needed again only if the inputs may continue to grow: `keep` them then.
        """
        atomic_write(self.folder / FINISHED, inputs)
        for number in range(0 if keep else len(self)):
            self._file(number).unlink()

    def _read(self) -> None:
        while self._file(len(self)).is_file():
            self._count(read_arrays(self._file(len(self)), self.COUNTS, remedy=REMEDY))

    def _count(self, counts: Dict[str, NDArray[Any]]) -> None:
        """Take note of the counts of one more batch."""
        self.micrographs += counts[MICROGRAPHS].tolist()
        self._n_batches += 1

    def __len__(self) -> int:
        return self._n_batches

    def _file(self, number: int) -> Path:
        return self.folder / f"batch_{number:06d}.npz"

    def write(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Record a batch, which is complete once this returns."""
        write_arrays(self._file(len(self)), arrays)
        self._count({name: arrays[name] for name in self.COUNTS})

    def read(self, number: int) -> Dict[str, NDArray[Any]]:
        """The arrays of a batch."""
        return read_arrays(self._file(number), remedy=REMEDY)


def text_of(file: Path) -> Optional[str]:
    """Text of a file; None if there is none."""
    return file.read_text("utf-8") if file.is_file() else None
