"""Stand-ins for a microscope and for pickers: they write their sets while others read them."""

import os
import sqlite3
from contextlib import closing, contextmanager

from repic_plugin import constants


def open_and_empty(file):
    """Make it the file of a set that is open and has no item yet."""
    os.unlink(file)
    with closing(sqlite3.connect(file)) as connection, connection:
        connection.execute("CREATE TABLE Properties (key TEXT UNIQUE, value TEXT)")
        connection.execute("INSERT INTO Properties VALUES ('_streamState', '1')")


@contextmanager
def appended(set_class, file, is_open=True):
    """The set in a file, to be appended to; written and closed in the end."""
    from pyworkflow.object import Set

    before = os.getcwd()
    os.chdir(os.path.dirname(file))
    try:
        items = set_class(filename=os.path.basename(file))
        items.loadAllProperties()
        if items.getSize():
            items.enableAppend()
        yield items
        items.setStreamState(Set.STREAM_OPEN if is_open else Set.STREAM_CLOSED)
        items.write()
        items.close()
    finally:
        os.chdir(before)


class Microscope:
    """Takes back the micrographs of a finished import, and hands them out again bit by bit."""

    def __init__(self, project, protocol):
        output = protocol.outputMicrographs
        self.file = os.path.join(project.project.path, output.getFileName())
        self.sampling = output.getSamplingRate()
        self.acquisition = output.getAcquisition().clone()
        self.waiting = [item.clone() for item in output]
        output.close()
        open_and_empty(self.file)

    def expose(self, n, is_open=True):
        """The next n; the ids of them."""
        from pwem.objects import SetOfMicrographs

        taken, self.waiting = self.waiting[:n], self.waiting[n:]
        with appended(SetOfMicrographs, self.file, is_open) as micrographs:
            micrographs.setSamplingRate(self.sampling)
            micrographs.setAcquisition(self.acquisition)
            for one in taken:
                micrographs.append(one)
        return [one.getObjId() for one in taken]


class Feeder:
    """Takes back what a finished run wrote, and writes it again bit by bit.

    Parameters
    ----------
    project : Project
    protocol : ProtRepicImportPicks
        Finished; its output becomes open and empty.
    """

    def __init__(self, project, protocol):
        self.project, self.protocol = project.project, protocol
        output = protocol.outputCoordinates
        self.file = os.path.join(project.project.path, output.getFileName())
        self.box_size = output.getBoxSize()
        self.micrographs = output.getMicrographs(asPointer=True)
        self.rows = {}
        for item in output:
            score = getattr(item, constants.PICK_SCORE, None)
            row = (item.getMicName(), item.getX(), item.getY(), score and score.get())
            self.rows.setdefault(item.getMicId(), []).append(row)
        output.close()
        self.fed = []
        self.empty()
        self._tell(is_open=True)

    def empty(self):
        """Begin anew."""
        open_and_empty(self.file)

    def feed(self, *micrographs):
        """Write the picks of some micrographs, by id."""
        self._write(micrographs)
        self.fed += micrographs

    def close(self):
        self._write([], is_open=False)
        self._tell(is_open=False)

    def _tell(self, is_open):
        """The project knows it as well, as of a run that goes on."""
        from pyworkflow.object import Set

        output = self.protocol.outputCoordinates
        output.setStreamState(Set.STREAM_OPEN if is_open else Set.STREAM_CLOSED)
        self.project.mapper.store(output)
        self.project.mapper.commit()

    def _write(self, micrographs, *, is_open=True):
        from pwem.objects import Coordinate, SetOfCoordinates
        from pyworkflow.object import Float

        with appended(SetOfCoordinates, self.file, is_open) as coordinates:
            coordinates.setMicrographs(self.micrographs)
            coordinates.setBoxSize(self.box_size)
            for micrograph in micrographs:
                for name, x, y, score in self.rows.get(micrograph, []):
                    item = Coordinate()
                    setattr(item, constants.PICK_SCORE, Float(score))
                    item.setMicId(micrograph)
                    item.setMicName(name)
                    item.setPosition(x, y)
                    coordinates.append(item)


class CtfFeeder:
    """Takes back the CTFs of a finished run (pwem_sets.py), and writes them again bit by bit."""

    def __init__(self, project, protocol):
        self.project, self.protocol = project.project, protocol
        output = protocol.outputCTF
        self.file = os.path.join(project.project.path, output.getFileName())
        self.micrographs = output.getMicrographs()
        self.rows = {item.getMicrograph().getObjId(): item.clone() for item in output}
        output.close()
        self.fed = []
        open_and_empty(self.file)
        self._tell(is_open=True)

    def feed(self, *micrographs, is_open=True):
        """Write the CTFs of some micrographs, by id."""
        from pwem.objects import SetOfCTF

        with appended(SetOfCTF, self.file, is_open) as ctfs:
            ctfs.setMicrographs(self.micrographs)
            for one in micrographs:
                ctfs.append(self.rows[one])
        self.fed += micrographs

    def close(self):
        self.feed(is_open=False)
        self._tell(is_open=False)

    def _tell(self, is_open):
        """The project knows it as well, as of a run that goes on."""
        from pyworkflow.object import Set

        output = self.protocol.outputCTF
        output.setStreamState(Set.STREAM_OPEN if is_open else Set.STREAM_CLOSED)
        self.project.mapper.store(output)
        self.project.mapper.commit()


class ParticleFeeder:
    """Takes back the particles of a finished import, and writes them again bit by bit."""

    def __init__(self, project, protocol):
        self.project, self.protocol = project.project, protocol
        output = protocol.outputParticles
        self.file = os.path.join(project.project.path, output.getFileName())
        self.properties = output
        self.items = {item.getObjId(): item.clone() for item in output}
        output.close()
        self.fed = []
        open_and_empty(self.file)
        self._tell(is_open=True)

    def feed(self, ids, is_open=True):
        """Write some of the particles, by id."""
        from pwem.objects import SetOfParticles

        with appended(SetOfParticles, self.file, is_open) as particles:
            if not self.fed:
                particles.copyInfo(self.properties)
            for one in ids:
                particles.append(self.items[one])
        self.fed += ids

    def close(self):
        self.feed([], is_open=False)
        self._tell(is_open=False)

    def _tell(self, is_open):
        """The project knows it as well, as of a run that goes on."""
        from pyworkflow.object import Set

        output = self.protocol.outputParticles
        output.setStreamState(Set.STREAM_OPEN if is_open else Set.STREAM_CLOSED)
        self.project.mapper.store(output)
        self.project.mapper.commit()
