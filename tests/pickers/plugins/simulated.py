"""Simulated micrographs in a Scipion project, and how well they are picked."""

import mrcfile
import numpy as np

from repic_plugin.convert import PickerInput, read_picks
from repic_plugin.evaluation import Scores, match_scores
from repic_plugin.iteration import best_of_each
from repic_plugin.pickers import PickerSettings
from repic_plugin.simulation import simulate_exposures
from tests.protocols.scipion_project import write_picker

SIDE_PX = 1024
N_PARTICLES = 60
# Many blobs and uneven ice: a picker that comes trained takes junk for particles, and can learn
# not to.
DIRTY = {"n_junk": 16, "gradient": 1.6}
CLEAN = {"n_junk": 0, "gradient": 0.5}


class Simulated:
    """Micrographs in a project, and the truth of them.

    Attributes
    ----------
    micrographs, truth : Pointer
    box_size_px : int
    pixel_size_angstrom : float
    centers : dict of str to ndarray, shape (n, 2)
        By the name of the micrograph.
    """

    def __init__(self, project, folder, volume, pixel_size_angstrom, snr, n, seed, **dirt):
        self.project = project
        self.pixel_size_angstrom = pixel_size_angstrom
        self.box_size_px = len(volume) - len(volume) % 2
        self.centers = {}
        exposures = simulate_exposures(
            volume,
            n,
            pixel_size_angstrom=pixel_size_angstrom,
            n_particles=N_PARTICLES,
            micrograph_size_px=(SIDE_PX, SIDE_PX),
            snr=snr,
            random_state=seed,
            **dirt,
        )
        for number, exposure in enumerate(exposures, 1):
            name = f"micrograph_{number}"
            self.centers[name] = exposure.centers
            with mrcfile.new(folder / f"{name}.mrc", exposure.micrograph) as mrc:
                mrc.voxel_size = pixel_size_angstrom
        imported = project.micrographs(folder.name, folder, pixel_size_angstrom)
        self.micrographs = _pointer(imported, "outputMicrographs")
        picks = write_picker(folder / "truth", self.centers, self.box_size_px)
        truth = project.picks(f"{folder.name}, truth", imported, picks)
        self.truth = _pointer(truth, "outputCoordinates")

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
        """F1 of the best picks of each micrograph, as many as it has particles."""
        picks = read_picks([PickerInput("picker", coordinates, score_attribute)])[0]
        assert picks.has_score.all()
        best = picks.take(best_of_each(picks.micrograph, picks.score, N_PARTICLES))
        points = np.column_stack([best.x, best.y])
        scores = [
            match_scores(
                points[best.micrograph == place],
                self.centers[name],
                self.box_size_px / 4,
            )
            for place, name in enumerate(picks.micrograph_names)
        ]
        assert len(scores) == len(self.centers)
        return sum(scores, Scores()).f1


def _pointer(protocol, output):
    from pyworkflow.object import Pointer

    return Pointer(protocol, extended=output)
