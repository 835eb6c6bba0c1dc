"""Micrographs, labels and runs of the template protocols that their tests share."""

import mrcfile
import numpy as np

from tests.protocols.scipion_project import write_picker
from tests.template_picking.material import BOX, one_body

PIXEL_SIZE = 1.5
NAMES = ("a", "b.1", "c-d", "last")
LABELLED = NAMES[:3]  # the last has none


def write_micrographs(folder, names=NAMES, first_seed=20, contrast=1.0):
    """Micrographs of one body; returns the folder and the centres by name."""
    folder.mkdir(parents=True)
    truth = {}
    for seed, name in enumerate(names, first_seed):
        image, truth[name] = one_body(seed)
        with mrcfile.new(folder / f"{name}.mrc") as file:
            file.set_data(np.float32(contrast * image))
    return folder, truth


def write_noise(folder, n, size_px=64):
    """Small micrographs of nothing."""
    folder.mkdir(parents=True)
    for number in range(n):
        noise = np.random.default_rng(number).normal(size=(size_px, size_px))
        with mrcfile.new(folder / f"n{number:03d}.mrc") as file:
            file.set_data(noise.astype(np.float32))
    return folder


def label(project, micrographs, truth, folder, name="labels", box=BOX):
    """The truth on some micrographs, as a run of the project."""
    return project.picks(name, micrographs, write_picker(folder, truth, box))


def training(project, micrographs, labels, name="training", **values):
    """Not launched."""
    inputs = {
        "inputMicrographs": (micrographs, "outputMicrographs"),
        "inputCoordinates": (labels, "outputCoordinates"),
    }
    return project.new("ProtTemplateTrain", name, inputs, **values)


def picking(project, micrographs, trained=None, name="picking", **values):
    """Not launched."""
    inputs = {"inputMicrographs": (micrographs, "outputMicrographs")}
    if trained is not None:
        inputs["inputAverages"] = (trained, "outputAverages")
    return project.new("ProtTemplatePick", name, inputs, **values)


def finished(project, protocol):
    """Run, and see that it ended well."""
    assert protocol.validate() == []
    done = project.run(protocol)
    assert done.isFinished(), done.getErrorMessage()
    return done


def centres(protocol):
    """x, y of the picks by the name of the micrograph."""
    found = {}
    for item in protocol.outputCoordinates:
        name = item.getMicName().rpartition(".")[0]
        found.setdefault(name, []).append((item.getX(), item.getY()))
    return {name: np.array(rows, float) for name, rows in found.items()}
