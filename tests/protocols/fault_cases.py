"""One small run of each protocol, for faults to be tried on."""

from functools import cached_property

import mrcfile
import numpy as np

from repic_plugin.simulation import phantom_map
from tests.protocols.growing_sets import CtfFeeder, Feeder, Microscope
from tests.protocols.particle_set import classification, import_set, simulated, write_particle_set
from tests.protocols.pwem_sets import write_ctfs
from tests.protocols.scipion_project import write_picker
from tests.protocols.template_runs import (
    PIXEL_SIZE,
    label,
    picking,
    training,
    write_micrographs,
    write_noise,
)
from tests.template_picking.material import BOX

NAMES = ("a", "b", "c")
PICKERS = ("one", "two")
FOLLOWED = {"streamingSleepOnWait": 1, "endAfterIdle": 1}


class World:
    """What the runs need, made when it is asked for.

    Parameters
    ----------
    project : Project
    folder : Path
    """

    def __init__(self, project, folder):
        self.project, self.folder = project, folder

    @cached_property
    def images(self):
        return write_micrographs(self.folder / "mics", NAMES)

    @cached_property
    def micrographs(self):
        return self.project.micrographs("fault mics", self.images[0], PIXEL_SIZE)

    @cached_property
    def noise(self):
        return self.project.micrographs("fault noise", write_noise(self.folder / "noise", 6))

    @cached_property
    def picks_folders(self):
        return {name: self._picks_folder(name) for name in PICKERS}

    def _picks_folder(self, name):
        rng = np.random.default_rng(len(name) + ord(name[0]))
        truth = self.images[1]
        rows = {mic: (one + rng.normal(0, 2, one.shape)).round() for mic, one in truth.items()}
        if name == "two":
            rows["b"] = []
        scores = {mic: rng.random(len(one)).round(3) for mic, one in rows.items()}
        return write_picker(self.folder / name, rows, BOX, scores)

    @cached_property
    def pickers(self):
        return [
            self.project.picks(one, self.micrographs, self.picks_folders[one]) for one in PICKERS
        ]

    @cached_property
    def growing(self):
        """Pickers whose sets are whole, but not closed."""
        made = [
            self.project.picks(one, self.micrographs, self.picks_folders[one]) for one in PICKERS
        ]
        for one in made:
            feeder = Feeder(self.project, one)
            feeder.feed(*feeder.rows)
        return made

    @cached_property
    def arriving(self):
        """Micrographs that are all there, in a set that is not closed."""
        made = self.project.micrographs("arriving", self.images[0], PIXEL_SIZE)
        Microscope(self.project, made).expose(len(NAMES))
        return made

    @cached_property
    def growing_ctfs(self):
        """CTFs of all micrographs but the last, in a set that is not closed."""
        made = write_ctfs(self.project, self.micrographs, lambda _: 9000.0)
        feeder = CtfFeeder(self.project, made)
        feeder.feed(*list(feeder.rows)[:-1])
        return made

    @cached_property
    def labels(self):
        return label(self.project, self.micrographs, self.images[1], self.folder / "labels")

    @cached_property
    def trained(self):
        done = self.project.run(training(self.project, self.micrographs, self.labels))
        assert done.isFinished(), done.getErrorMessage()
        return done

    @cached_property
    def particles(self):
        made = simulated(box_size_px=32, n_views=2, per_view=20)
        return import_set(
            self.project, "fault particles", write_particle_set(self.folder / "p", made.images)
        )

    @cached_property
    def volumes(self):
        return {name: self._volume(name) for name in ("map", "reference")}

    def _volume(self, name):
        folder = self.folder / "maps"
        folder.mkdir(exist_ok=True)
        with mrcfile.new(folder / f"{name}.mrc", phantom_map(24)):
            pass
        values = {"filesPath": str(folder), "filesPattern": f"{name}.mrc", "samplingRate": 4.0}
        return self.project.finished("ProtImportVolumes", name, **values)


def of_micrographs(world):
    return {"inputMicrographs": (world.micrographs, "outputMicrographs")}


def imported(world):
    values = {"picksFolder": str(world.picks_folders["one"])}
    return world.project.new("ProtRepicImportPicks", "import", of_micrographs(world), **values)


def consensus(world):
    values = {"mode": 1, "unmatchedOutput": True, "writeReport": True}
    return world.project.consensus(world.pickers, "at once", **values)


def streaming(world):
    values = {"mode": 1, "unmatchedOutput": True, **FOLLOWED}
    return world.project.consensus(world.growing, "streaming", **values)


def subsets(world):
    inputs = {"inputMicrographs": (world.noise, "outputMicrographs")}
    return world.project.new("ProtRepicSubsets", "subsets", inputs, numValidation=0)


def labelled(world):
    inputs = {**of_micrographs(world), "inputCoordinates": (world.labels, "outputCoordinates")}
    return world.project.new("ProtRepicLabels", "labels", inputs, numParticles=5)


def trained(world):
    return training(world.project, world.micrographs, world.labels)


def picked(world):
    return picking(world.project, world.micrographs, world.trained)


def extracted(world):
    inputs = {"inputCoordinates": (world.labels, "outputCoordinates")}
    return world.project.new("ProtRepicExtract", "extract", inputs, imageSize=28)


def followed_picking(world):
    inputs = {"inputMicrographs": (world.arriving, "outputMicrographs")}
    return world.project.new("ProtTemplatePick", "follows", inputs, boxSize=BOX, **FOLLOWED)


def followed_extraction(world):
    inputs = {
        "inputCoordinates": (world.growing[0], "outputCoordinates"),
        "inputCTFs": (world.growing_ctfs, "outputCTF"),
    }
    values = {"numberOfThreads": 1, **FOLLOWED}
    return world.project.new("ProtRepicExtract", "follows", inputs, **values)


def classified(world):
    values = {"numberOfClasses": 2, "maxIterations": 3}
    return classification(world.project, world.particles, "classes", **values)


def evaluated(world):
    inputs = {
        "inputCoordinates": [(one, "outputCoordinates") for one in world.pickers],
        "referenceCoordinates": (world.labels, "outputCoordinates"),
    }
    return world.project.new("ProtRepicEvaluate", "evaluate", inputs)


def compared(world):
    inputs = {
        "inputVolumes": [(world.volumes["map"], "outputVolume")],
        "referenceVolume": (world.volumes["reference"], "outputVolume"),
    }
    return world.project.new("ProtRepicCrossFsc", "cross FSC", inputs)


CASES = {
    "import": imported,
    "consensus": consensus,
    "streaming": streaming,
    "subsets": subsets,
    "labels": labelled,
    "training": trained,
    "picking": picked,
    "extraction": extracted,
    "followed picking": followed_picking,
    "followed extraction": followed_extraction,
    "ACK-means": classified,
    "evaluation": evaluated,
    "cross FSC": compared,
}
