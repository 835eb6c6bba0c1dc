"""An output of a consensus that follows growing inputs: a set that grows batch by batch."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar, Dict, List, Mapping, Optional, Sequence

from pwem.objects import SetOfCoordinates, SetOfMicrographs
from pwem.protocols import ProtParticlePicking
from pyworkflow.object import Pointer, Set

from repic_plugin.consensus import Agreement, Thresholds, accepted
from repic_plugin.convert import (
    MicrographTable,
    append_micrographs,
    append_particles,
    append_picks,
    write_rates,
)
from repic_plugin.formats import TABLES_OF_RUN
from repic_plugin.protocols.common.following.output import GrowingOutput
from repic_plugin.protocols.consensus.judging import thresholds_of
from repic_plugin.protocols.consensus.stream_record import Batch, StreamRecord

PARTICLES, UNMATCHED = "outputCoordinates", "outputUnmatched"
ACCEPTED, REJECTED = "outputMicrographs", "outputMicrographsRejected"


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


class MicrographOutput(StreamOutput):
    """The accepted micrographs, or the rejected ones.

    Parameters
    ----------
    protocol : ProtParticlePicking
    name : str
        ACCEPTED or REJECTED.
    thresholds : Thresholds
    """

    SET_CLASS: ClassVar[Any] = SetOfMicrographs

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
        return self.n_batches([len(self._ids(batch)) for batch in record.batches()])

    def _ids(self, batch: Batch) -> List[int]:
        wanted = accepted(batch.quality, self._thresholds) == (self.name == ACCEPTED)
        return [one for one, is_mine in zip(batch.micrographs, wanted.tolist()) if is_mine]

    def _new(self) -> SetOfMicrographs:
        micrographs = self.protocol._createSetOfMicrographs(self._suffix)
        micrographs.copyInfo(self.protocol.getInputMicrographs())
        return micrographs

    def _link(self, items: SetOfMicrographs) -> None:
        """Its items are complete in its file."""


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
