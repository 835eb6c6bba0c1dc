"""An output of a consensus that follows growing inputs: a set that grows batch by batch."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Dict, List, Mapping, Optional, Sequence

import numpy as np
from pwem.objects import SetOfCoordinates, SetOfMicrographs
from pwem.protocols import ProtParticlePicking
from pyworkflow.object import Set

from repic_plugin.consensus import Agreement, Thresholds, accepted
from repic_plugin.convert import (
    MicrographTable,
    append_micrographs,
    append_particles,
    append_picks,
    count_items,
    write_rates,
)
from repic_plugin.formats import TABLES_OF_RUN
from repic_plugin.protocols.consensus.judging import thresholds_of
from repic_plugin.protocols.consensus.stream_record import Batch, StreamRecord

PARTICLES, UNMATCHED = "outputCoordinates", "outputUnmatched"
ACCEPTED, REJECTED = "outputMicrographs", "outputMicrographsRejected"


class StreamOutput:
    """A set of coordinates in the run's folder, and its registration with Scipion.

    Parameters
    ----------
    protocol : ProtParticlePicking
    name : str
        PARTICLES, UNMATCHED, or the output of a pattern.
    box_size_px : int
    pattern : int, optional
        The number of the pattern.
    label : str
        Of the set.
    """

    def __init__(
        self,
        protocol: ProtParticlePicking,
        name: str,
        box_size_px: int,
        pattern: Optional[int] = None,
        label: str = "",
    ) -> None:
        self.protocol, self.name, self.box_size_px = protocol, name, box_size_px
        self.pattern, self.label = pattern, label
        self._suffix = "" if name == PARTICLES else f"_{name[len('output') :].lower()}"
        self._file = Path(protocol._getPath(f"coordinates{self._suffix}.sqlite"))

    @property
    def is_registered(self) -> bool:
        """Whether Scipion knows the output."""
        return hasattr(self.protocol, self.name)

    def append(self, batch: Batch, micrograph_names: Mapping[int, str]) -> None:
        """Append a batch, whose micrographs are named by their ids."""
        names = tuple(micrograph_names[one] for one in batch.micrographs)
        table = MicrographTable("", tuple(batch.micrographs), names, 0.0)
        coordinates = self._opened()
        if self.name == PARTICLES:
            append_particles(coordinates, batch.result, table, batch.classes)
        elif self.pattern is not None:
            append_particles(coordinates, batch.patterns[self.pattern], table)
        elif batch.unmatched is not None:
            append_picks(coordinates, batch.unmatched, table)
        self._register(coordinates, Set.STREAM_OPEN)

    def update(self, state: int, comment: Optional[str] = None) -> None:
        """Set the state of the stream, and the comment if there is one."""
        coordinates = self._opened()
        if comment is not None:
            coordinates.setObjComment(comment)
        self._register(coordinates, state)

    def rate(self, agreement: Optional[Agreement]) -> None:
        """Write the false-agreement rates of the consensus, which were not known before."""
        if agreement is not None and self.name == PARTICLES and self._file.is_file():
            write_rates(str(self._file), agreement)

    def remove(self, keep_name: bool) -> None:
        """Remove the set; its registration too, unless it is written again."""
        self._file.unlink(missing_ok=True)
        if self.is_registered and not keep_name:
            self.protocol.deleteOutput(getattr(self.protocol, self.name))

    def n_written(self, record: StreamRecord) -> int:
        """Number of batches in the set; it is started again if the number is unknown."""
        counts = record.n_particles if self.name == PARTICLES else record.n_unmatched
        if self.pattern is not None:
            counts = [int(one[self.pattern]) for one in record.n_in_patterns]
        return self._n_batches(counts)

    def _n_batches(self, counts: List[int]) -> int:
        """Number of batches in the set, by the number of items in each."""
        if self._file.is_file() and self.is_registered:
            sums = [0, *np.cumsum(counts).tolist()]
            n_items = count_items(str(self._file))
            if n_items in sums:
                return len(sums) - 1 - sums[::-1].index(n_items)
        self._file.unlink(missing_ok=True)
        return 0

    def _opened(self) -> SetOfCoordinates:
        """The set, opened for appending; a new one if there is none."""
        if not self._file.is_file():
            return self.protocol._newSet(self._suffix, self.box_size_px)
        coordinates = SetOfCoordinates(filename=str(self._file))
        coordinates.loadAllProperties()
        coordinates.setMicrographs(self.protocol.getInputMicrographsPointer())
        coordinates.enableAppend()
        return coordinates

    def _register(self, coordinates: SetOfCoordinates, state: int) -> None:
        """Write the set and register it with Scipion."""
        is_new = not self.is_registered
        if is_new and not len(coordinates) and state == Set.STREAM_OPEN:
            coordinates.close()  # protocols that wait for it would find no columns
            self._file.unlink(missing_ok=True)
            return
        if self.label:
            coordinates.setObjLabel(self.label)
        self.protocol._updateOutputSet(self.name, coordinates, state)
        if is_new:
            for pointer in self.protocol.inputCoordinates:
                self.protocol._defineSourceRelation(pointer, getattr(self.protocol, self.name))


class MicrographOutput(StreamOutput):
    """The accepted micrographs, or the rejected ones.

    Parameters
    ----------
    protocol : ProtParticlePicking
    name : str
        ACCEPTED or REJECTED.
    thresholds : Thresholds
    """

    def __init__(self, protocol: ProtParticlePicking, name: str, thresholds: Thresholds) -> None:
        super().__init__(protocol, name, box_size_px=0)
        self._thresholds = thresholds
        self._suffix = "_rejected" if name == REJECTED else ""
        self._file = Path(protocol._getPath(f"micrographs{self._suffix}.sqlite"))

    def append(self, batch: Batch, micrograph_names: Mapping[int, str]) -> None:
        """Append those of a batch's micrographs that belong here."""
        micrographs = self._opened()
        append_micrographs(micrographs, self.protocol.getInputMicrographs(), self._ids(batch))
        self._register(micrographs, Set.STREAM_OPEN)

    def update(self, state: int, comment: Optional[str] = None) -> None:
        """Set the state of the stream; comments are on particles."""
        super().update(state)

    def n_written(self, record: StreamRecord) -> int:
        """Number of batches in the set; it is started again if the number is unknown."""
        return self._n_batches([len(self._ids(batch)) for batch in record.batches()])

    def _ids(self, batch: Batch) -> List[int]:
        wanted = accepted(batch.quality, self._thresholds) == (self.name == ACCEPTED)
        return [one for one, is_mine in zip(batch.micrographs, wanted.tolist()) if is_mine]

    def _opened(self) -> SetOfMicrographs:
        source = self.protocol.getInputMicrographs()
        if not self._file.is_file():
            micrographs = self.protocol._createSetOfMicrographs(self._suffix)
            micrographs.copyInfo(source)
            return micrographs
        micrographs = SetOfMicrographs(filename=str(self._file))
        micrographs.loadAllProperties()
        micrographs.enableAppend()
        return micrographs


def micrograph_outputs(
    protocol: ProtParticlePicking, settings: Dict[str, Any]
) -> List[StreamOutput]:
    """Accepted and rejected micrographs, if there is a threshold in the settings of the run."""
    used = thresholds_of(settings)
    names = (ACCEPTED, REJECTED) if any(used) else ()
    return [MicrographOutput(protocol, name, used) for name in names]


def forget_results(protocol: ProtParticlePicking, wanted: Sequence[str]) -> None:
    """Remove the results of a run with other values or inputs.

    Parameters
    ----------
    protocol : ProtParticlePicking
    wanted : sequence of str
        Outputs that are written again: their registration stays.
    """
    for file in (*TABLES_OF_RUN, "summary.json"):
        Path(protocol._getExtraPath(file)).unlink(missing_ok=True)
    present = [name for name, _ in protocol.iterOutputAttributes()]
    for name in {PARTICLES, UNMATCHED, *present, *wanted}:
        is_of_micrographs = name in (ACCEPTED, REJECTED)
        output = (
            MicrographOutput(protocol, name, Thresholds())
            if is_of_micrographs
            else StreamOutput(protocol, name, 0)
        )
        output.remove(keep_name=name in wanted)
