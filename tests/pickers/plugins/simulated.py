"""Simulated micrographs in a Scipion project, and how well they are picked."""

import mrcfile
import numpy as np
from scipion_project import write_picker

from repic_plugin.convert import PickerInput, read_picks
from repic_plugin.evaluation import Scores, match_scores
from repic_plugin.iteration import best_of_each
from repic_plugin.pickers import PickerSettings
from repic_plugin.simulation import simulate_exposures

SIDE_PX = 1024
N_PARTICLES = 60
N_TRAINING, N_TESTING = 6, 4
# Dirty and uneven: a picker that comes trained takes junk for particles, and can learn not to.
DIRT = {"snr": 0.12, "n_junk": 16, "gradient": 1.3}


class Simulated:
    """Micrographs to train on and others to test on, in a project; the truth of all.

    Attributes
    ----------
    training, testing, labels : Pointer
    box_size_px : int
    pixel_size_angstrom : float
    """

    def __init__(self, project, folder, volume, pixel_size_angstrom):
        self.project = project
        self.pixel_size_angstrom = pixel_size_angstrom
        self.box_size_px = len(volume) - len(volume) % 2
        self.truth = {}
        exposures = list(
            simulate_exposures(
                volume,
                N_TRAINING + N_TESTING,
                pixel_size_angstrom=pixel_size_angstrom,
                n_particles=N_PARTICLES,
                micrograph_size_px=(SIDE_PX, SIDE_PX),
                random_state=1,
                **DIRT,
            )
        )
        self.training = self._imported(folder / "training", exposures[:N_TRAINING], "train")
        self.testing = self._imported(folder / "testing", exposures[N_TRAINING:], "test")
        names = [name for name in self.truth if name.startswith("train")]
        picks = write_picker(
            folder / "truth", {name: self.truth[name] for name in names}, self.box_size_px
        )
        truth = project.picks("truth", self.training.getObjValue(), picks)
        self.labels = _pointer(truth, "outputCoordinates")

    def _imported(self, folder, exposures, stem):
        folder.mkdir()
        for number, exposure in enumerate(exposures, 1):
            name = f"{stem}_{number}"
            self.truth[name] = exposure.centers
            with mrcfile.new(folder / f"{name}.mrc", exposure.micrograph) as mrc:
                mrc.voxel_size = self.pixel_size_angstrom
        imported = self.project.micrographs(stem, folder, self.pixel_size_angstrom)
        return _pointer(imported, "outputMicrographs")

    def new(self, class_name, **values):
        """A protocol of the project, as the adapters ask for it."""
        return self.project.project.newProtocol(self.project.protocols[class_name], **values)

    def run(self, protocol, label):
        """Launch, wait, and hand back what the project stored."""
        protocol.setObjLabel(label)
        problems = protocol.validate()
        assert not problems, problems
        return self.project.run(protocol)

    def settings(self, label, **values):
        """What the iterative protocol tells a picker."""
        return PickerSettings(
            label=label,
            box_size_px=self.box_size_px,
            pixel_size_angstrom=self.pixel_size_angstrom,
            n_expected=N_PARTICLES,
            **values,
        )

    def f1(self, coordinates, score_attribute):
        """F1 of the best picks, as many as there are particles, over the testing micrographs."""
        inputs = [PickerInput("picker", coordinates, score_attribute)]
        picks = read_picks(inputs)[0]
        assert picks.has_score.all()
        best = picks.take(best_of_each(picks.micrograph, picks.score, N_PARTICLES))
        scores = [
            match_scores(
                np.column_stack([best.x, best.y])[best.micrograph == place],
                self.truth[name.rpartition(".")[0]],
                self.box_size_px / 4,
            )
            for place, name in enumerate(picks.micrograph_names)
        ]
        assert len(scores) == N_TESTING
        return sum(scores, Scores()).f1


def _pointer(protocol, output):
    from pyworkflow.object import Pointer

    return Pointer(protocol, extended=output)
