"""Sets that no protocol of a plain Scipion imports."""

import os
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from repic_plugin.formats import write_stack


@contextmanager
def within(folder):
    before = os.getcwd()
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)


def write_ctfs(project, micrographs, defocus_of, n_left_out=0):
    """A finished run with a SetOfCTF; `defocus_of` maps a micrograph's name to angstrom."""
    from pwem.objects import CTFModel

    run = project.new("ProtImportCTF", "CTFs")
    project.project.saveProtocol(run)
    run.makePathsAndClean()
    ctfs = run._createSetOfCTF()
    ctfs.setMicrographs(micrographs.outputMicrographs)
    items = [item.clone() for item in micrographs.outputMicrographs]
    for item in items[: len(items) - n_left_out]:
        value = defocus_of(item.getMicName())
        ctf = CTFModel(defocusU=value + 100, defocusV=value - 100, defocusAngle=10)
        ctf.setMicrograph(item)
        ctf.setObjId(item.getObjId())
        ctfs.append(ctf)
    run._defineOutputs(outputCTF=ctfs)
    run.setFinished()
    project.project._storeProtocol(run)
    return project.project.getProtocol(run.getObjId())


def write_classified(project, micrographs, centers, numbers, label="classified", **options):
    """A finished run with particles of some places, their classes, and those of odd number.

    Parameters
    ----------
    centers, numbers : dict of str to ndarray
        Places and classes by the micrograph's name.
    options : scale, has_coordinates, has_averages
    """
    from pwem.objects import Coordinate, Particle
    from pyworkflow.object import Pointer

    run = project.new("ProtImportParticles", label)
    project.project.saveProtocol(run)
    run.makePathsAndClean()
    images = np.random.default_rng(0).normal(size=(9, 16, 16)).astype(np.float32)
    stack = Path(project.project.path, run._getExtraPath("averages.mrcs"))
    write_stack(stack, images, 3.0)
    file = run._getExtraPath("averages.mrcs")
    with within(project.project.path):
        sets = [run._createSetOfParticles(suffix) for suffix in ("", "_odd")]
        for one in sets:
            one.setSamplingRate(3.0)
        ids = {item.getMicName(): item.getObjId() for item in micrographs.outputMicrographs}
        for name in centers:
            for (x, y), number in zip(centers[name], numbers[name].tolist()):
                item = Particle()
                item.setLocation(1, file)
                item.setClassId(number)
                if options.get("has_coordinates", True):
                    place = Coordinate()
                    place.setMicName(f"{name}.mrc")
                    place.setMicId(ids[f"{name}.mrc"] + 100)  # of another import
                    place.setPosition(*(round(v * options.get("scale", 1)) for v in (x, y)))
                    item.setCoordinate(place)
                for one in sets[: 1 + number % 2]:
                    item.setObjId(None)
                    one.append(item)
        run._defineOutputs(outputParticles=sets[0], outputOdd=sets[1])
        outputs = {}
        for one, output in zip(sets, ("outputParticles", "outputOdd")):
            pointer = Pointer(run, extended=output)
            classes = run._createSetOfClasses2D(
                pointer, one.getFileName().split("particles")[-1][:-7]
            )
            classes.classifyItems(
                updateItemCallback=lambda item, row: item.setClassId(item.getClassId()),
                updateClassCallback=lambda cls: cls.setRepresentative(
                    _average(cls.getObjId(), file) if options.get("has_averages", True) else None
                ),
            )
            outputs[output.replace("Particles", "") + "Classes"] = classes
        run._defineOutputs(**outputs)
    run.setFinished()
    project.project._storeProtocol(run)
    return project.project.getProtocol(run.getObjId())


def _average(number, file):
    from pwem.objects import Particle

    image = Particle()
    image.setLocation(number, file)
    image.setSamplingRate(3.0)
    return image
