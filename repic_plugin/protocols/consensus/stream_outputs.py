"""An output of a consensus that follows growing inputs: a set that grows batch by batch."""

from __future__ import annotations

from typing import Mapping, Optional, Sequence

from pwem.objects import SetOfCoordinates
from pwem.protocols import ProtParticlePicking
from pyworkflow.object import Pointer, Set

from repic_plugin.consensus import Agreement
from repic_plugin.convert import (
    MicrographTable,
    append_particles,
    append_picks,
    write_rates,
)
from repic_plugin.protocols.common.following.output import GrowingOutput
from repic_plugin.protocols.consensus.stream_record import Batch, StreamRecord

PARTICLES, UNMATCHED = "outputCoordinates", "outputUnmatched"


class StreamOutput(GrowingOutput):
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

    SET_CLASS = SetOfCoordinates

    def __init__(
        self,
        protocol: ProtParticlePicking,
        name: str,
        box_size_px: int,
        pattern: Optional[int] = None,
        label: str = "",
    ) -> None:
        self.box_size_px, self.pattern = box_size_px, pattern
        self._suffix = "" if name == PARTICLES else f"_{name[len('output') :].lower()}"
        file = protocol._getPath(f"coordinates{self._suffix}.sqlite")
        super().__init__(protocol, name, file, label)

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

    def rate(self, agreement: Optional[Agreement]) -> None:
        """Write the false-agreement rates of the consensus, which were not known before."""
        if agreement is not None and self.name == PARTICLES and self._file.is_file():
            write_rates(str(self._file), agreement)

    def n_written(self, record: StreamRecord) -> int:
        """Number of batches in the set; it is started again if the number is unknown."""
        counts = record.n_particles if self.name == PARTICLES else record.n_unmatched
        if self.pattern is not None:
            counts = [int(one[self.pattern]) for one in record.n_in_patterns]
        return self.n_batches(counts)

    def _new(self) -> SetOfCoordinates:
        return self.protocol._newSet(self._suffix, self.box_size_px)

    def _link(self, items: SetOfCoordinates) -> None:
        items.setMicrographs(self.protocol.getInputMicrographsPointer())

    def _sources(self) -> Sequence[Pointer]:
        return list(self.protocol.inputCoordinates)
