"""A stand-in for pickers that write their sets while others read them."""

import os
import sqlite3
from contextlib import closing

from repic_plugin import constants


class Feeder:
    """Takes back what a finished run wrote, and writes it again bit by bit.

    Parameters
    ----------
    project : Project
    protocol : ProtRepicImportPicks
        Finished; its output becomes open and empty.
    """

    def __init__(self, project, protocol):
        self.protocol = protocol
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

    def empty(self):
        """Begin anew."""
        os.unlink(self.file)
        with closing(sqlite3.connect(self.file)) as connection, connection:
            connection.execute("CREATE TABLE Properties (key TEXT UNIQUE, value TEXT)")
            connection.execute("INSERT INTO Properties VALUES ('_streamState', '1')")

    def feed(self, *micrographs):
        """Write the picks of some micrographs, by id."""
        self._write(micrographs)
        self.fed += micrographs

    def close(self):
        self._write([], is_open=False)

    def _write(self, micrographs, *, is_open=True):
        from pwem.objects import Coordinate, SetOfCoordinates
        from pyworkflow.object import Float, Set

        before = os.getcwd()
        os.chdir(os.path.dirname(self.file))
        try:
            coordinates = SetOfCoordinates(filename=os.path.basename(self.file))
            coordinates.loadAllProperties()
            if coordinates.getSize():
                coordinates.enableAppend()
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
            coordinates.setStreamState(Set.STREAM_OPEN if is_open else Set.STREAM_CLOSED)
            coordinates.write()
            coordinates.close()
        finally:
            os.chdir(before)
