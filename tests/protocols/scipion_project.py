"""A Scipion project with a few verbs, and the files that it imports."""

from pathlib import Path

import mrcfile
import numpy as np

from repic_plugin.formats import write_picks_file


class Project:
    """A Scipion project with a few verbs."""

    def __init__(self, name):
        from pwem import Domain
        from pyworkflow.project import Manager

        self.protocols = Domain.getProtocols()
        if Manager().hasProject(name):
            Manager().deleteProject(name)
        Manager().createProject(name)
        self.project = Manager().loadProject(name)

    def new(self, class_name, label, inputs=None, **values):
        """A protocol; `inputs` maps a pointer's name to one (protocol, output) or a list."""
        from pyworkflow.object import Pointer

        protocol = self.project.newProtocol(self.protocols[class_name], **values)
        protocol.setObjLabel(label)
        for name, source in (inputs or {}).items():
            attribute = getattr(protocol, name)
            if isinstance(source, list):
                for parent, output in source:
                    attribute.append(Pointer(parent, extended=output))
            else:
                attribute.set(source[0])
                attribute.setExtended(source[1])
        return protocol

    def run(self, protocol):
        """Launch, wait, and hand back what the project stored."""
        self.project.launchProtocol(protocol, wait=True)
        return self.project.getProtocol(protocol.getObjId())

    def micrographs(self, label, folder, sampling=1.0):
        return self.finished(
            "ProtImportMicrographs",
            label,
            filesPath=str(folder),
            filesPattern="*.mrc",
            samplingRate=sampling,
        )

    def picks(self, label, micrographs, folder, box_size=0):
        return self.finished(
            "ProtRepicImportPicks",
            label,
            {"inputMicrographs": (micrographs, "outputMicrographs")},
            picksFolder=str(folder),
            boxSize=box_size,
        )

    def consensus(self, pickers, label="consensus", **values):
        inputs = {"inputCoordinates": [(one, "outputCoordinates") for one in pickers]}
        return self.new("ProtRepicConsensus", label, inputs, **values)

    def folder(self, protocol):
        """The run's extra folder, wherever the tests stand."""
        return Path(self.project.path, protocol._getExtraPath())

    def finished(self, *args, **values):
        protocol = self.run(self.new(*args, **values))
        assert protocol.isFinished(), protocol.getErrorMessage()
        return protocol


def write_images(folder, names, size_px=64):
    folder.mkdir(parents=True)
    for name in names:
        # a large one of zeros takes no room on the disk
        mrcfile.new_mmap(folder / f"{name}.mrc", (size_px, size_px), mrc_mode=0).close()
    return folder


def write_picker(folder, centres, box_size_px=20, scores=None):
    """`centres` maps a micrograph's name to rows of x, y; `scores` likewise to a column."""
    folder.mkdir(parents=True)
    for name, rows in centres.items():
        x, y = np.array(rows, float).reshape(-1, 2).T
        score = None if scores is None else scores[name]
        write_picks_file(folder / f"{name}.box", x, y, box_size_px=box_size_px, score=score)
    return folder


def coordinates(protocol, output="outputCoordinates"):
    """Every coordinate as (micName, x, y)."""
    return sorted(
        (item.getMicName(), item.getX(), item.getY()) for item in getattr(protocol, output)
    )
