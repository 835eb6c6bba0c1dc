"""The particles of an extraction that follows its inputs: items, and the set that they grow in."""

from __future__ import annotations

import sqlite3
from contextlib import closing, contextmanager
from typing import AbstractSet, Any, Collection, Dict, Iterator, NamedTuple, Optional, Sequence

from pwem.objects import CTFModel, Particle, SetOfCoordinates, SetOfCTF, SetOfParticles
from pyworkflow.mapper.sqlite import SqliteFlatMapperException
from pyworkflow.object import Pointer, Set

from repic_plugin.convert import (
    UnreadableSetError,
    count_items,
    item_ids,
    item_labels,
)
from repic_plugin.protocols.common.following.output import GrowingOutput
from repic_plugin.protocols.common.following.sets import FollowedCtfs

PARTICLES = "outputParticles"
CTF_ATTRIBUTES = ("_defocusU", "_defocusV", "_defocusAngle", "_defocusRatio", "_psdFile")
CTF_ATTRIBUTES += ("_resolution", "_fitQuality")
PHASE_SHIFT = "_phaseShift"


class Cut(NamedTuple):
    """Where the image of a coordinate is: its micrograph, and the number in the stack of that."""

    micrograph: int
    index: int


class ParticleItems:
    """Particles with their coordinates and CTFs, as the files of these sets are at present.

    Parameters
    ----------
    protocol : ProtRepicExtract
    ctfs : FollowedCtfs or None
    """

    def __init__(self, protocol: Any, ctfs: Optional[FollowedCtfs]) -> None:
        self.protocol, self._ctfs = protocol, ctfs

    def of(self, where: Dict[int, Cut]) -> Iterator[Particle]:
        """One object for all particles, in the order of their ids, which are the coordinates'.

        Raises
        ------
        UnreadableSetError
            If a file is unreadable at present.
        """
        if not where:
            return
        protocol, models = self.protocol, self._models()
        item = Particle()
        item.setSamplingRate(protocol.pixel_size())
        item.setAcquisition(protocol.micrographs().getAcquisition())
        file = protocol.inputCoordinates.get().getFileName()
        some = f"id>={min(where)} AND id<={max(where)}"
        with _reading(SetOfCoordinates, file) as coordinates:
            for coordinate in coordinates.iterItems(orderBy="id", where=some):
                cut = where.get(coordinate.getObjId())
                if cut is None or (self._ctfs is not None and cut.micrograph not in models):
                    continue
                if self._ctfs is not None:
                    item.setCTF(models[cut.micrograph])
                item.setObjId(coordinate.getObjId())
                item.setLocation(cut.index, protocol.stack(cut.micrograph))
                item.setCoordinate(coordinate)
                item.setMicId(coordinate.getMicId())
                yield item

    def _models(self) -> Dict[int, CTFModel]:
        """CTF of each micrograph, without a reference to it."""
        if self._ctfs is None:
            return {}
        file = self._ctfs.ctfs.file_name
        wanted = {ctf: micrograph for micrograph, ctf in self._ctfs.ids.items()}
        has_phases = PHASE_SHIFT in item_labels(file)  # without a phase plate there is no column
        found = {}
        with _reading(SetOfCTF, file) as ctfs:
            for ctf in ctfs.iterItems(orderBy="id") if wanted else ():
                model = CTFModel()
                model.copyAttributes(ctf, *CTF_ATTRIBUTES)
                if has_phases:
                    model.setPhaseShift(ctf.getPhaseShift() or 0.0)
                if ctf.getObjId() in wanted:
                    found[wanted[ctf.getObjId()]] = model
        return found


class ParticlesOutput(GrowingOutput):
    """The set of particles.

    Parameters
    ----------
    protocol : ProtRepicExtract
    """

    SET_CLASS = SetOfParticles

    def __init__(self, protocol: Any) -> None:
        super().__init__(protocol, PARTICLES, protocol._getPath("particles.sqlite"))

    def append(self, items: Iterator[Particle]) -> None:
        """Append particles to the open set."""
        particles = self._opened()
        try:
            for item in items:
                particles.append(item)
        except UnreadableSetError:
            particles.close()  # without what was appended
            if not self.is_registered:
                self._file.unlink(missing_ok=True)
            raise
        self._register(particles, Set.STREAM_OPEN)

    def check(self) -> bool:
        """Whether there is a set with particles; removed if it is unknown to Scipion or damaged."""
        try:
            if self.is_registered and self._file.is_file() and count_items(str(self._file)):
                return True
        except ValueError:
            pass
        self._file.unlink(missing_ok=True)
        return False

    def ids(self, among: Collection[int]) -> AbstractSet[int]:
        """Those of some ids that are in the set, and others between them."""
        if not (among and self._file.is_file()):
            return set()
        return set(item_ids(str(self._file), min(among), max(among)))

    def renew(self, items: ParticleItems, where: Dict[int, Cut]) -> None:
        """Make the set that of these particles as the inputs are now.

        Rows stay in place where they can, so that they keep the time of their creation, by which
        others tell new ones.
        """
        known = self.ids(where)
        if self._file.is_file() and count_items(str(self._file)) > len(known & where.keys()):
            self._file.unlink()  # coordinates were taken back
            known = set()
        particles = self._opened()
        for item in items.of(where):
            if item.getObjId() in known:
                particles.update(item)
            else:
                particles.append(item)
        self._register(particles, Set.STREAM_OPEN)

    def _new(self) -> SetOfParticles:
        protocol = self.protocol
        particles = protocol._createSetOfParticles()
        particles.setAcquisition(protocol.micrographs().getAcquisition())
        particles.setSamplingRate(protocol.pixel_size())
        particles.setHasCTF(protocol.inputCTFs.get() is not None)
        self._link(particles)
        return particles

    def _link(self, items: SetOfParticles) -> None:
        items.setCoordinates(self.protocol.inputCoordinates)

    def _sources(self) -> Sequence[Pointer]:
        both = (self.protocol.inputCoordinates, self.protocol.inputCTFs)
        return [one for one in both if one.get() is not None]


@contextmanager
def _reading(set_class: Any, file: str) -> Iterator[Any]:
    """A set of another run, closed in the end."""
    try:
        with closing(set_class(filename=file)) as items:
            yield items
    except (sqlite3.Error, SqliteFlatMapperException) as error:
        raise UnreadableSetError(f"{file}: cannot be read ({error}); it is read again") from error
