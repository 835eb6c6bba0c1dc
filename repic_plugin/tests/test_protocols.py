"""The protocols from pick files to 2D classes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import mrcfile
from pwem.protocols import ProtImportMicrographs
from pyworkflow.object import Pointer
from pyworkflow.protocol import Protocol
from pyworkflow.tests import SMALL, BaseTest, setupTestProject
from pyworkflow.utils import cleanPath

from repic_plugin.consensus import MODES, find_consensus
from repic_plugin.formats import write_picks_file
from repic_plugin.protocols import (
    ProtAckMeans2D,
    ProtRepicConsensus,
    ProtRepicExtract,
    ProtRepicImportPicks,
)
from repic_plugin.simulation import SimulatedPicks, simulate_micrograph, simulate_picks

BOX_SIZE_PX, SIZE_PX, PIXEL_SIZE_ANGSTROM = 48, (640, 640), 5.0
N_CLASSES = 2


class TestRepicPicking(BaseTest):  # type: ignore[misc]
    """Import, consensus, extraction and classification of simulated micrographs."""

    _labels = (SMALL,)

    @classmethod
    def setUpClass(cls) -> None:
        """Simulate three pickers, import their picks and the micrographs."""
        setupTestProject(cls)
        cls.simulated = simulate_picks(
            n_micrographs=2,
            n_particles=30,
            recall=(0.9, 0.95, 0.8),
            micrograph_size_px=SIZE_PX,
            box_size_px=BOX_SIZE_PX,
        )
        folder = Path(cls.proj.path, "simulated").resolve()
        cleanPath(str(folder))  # the folder of an earlier project of that name is kept
        _write(cls.simulated, folder)
        cls.micrographs = cls._run(
            ProtImportMicrographs,
            filesPath=str(folder / "micrographs"),
            filesPattern="*.mrc",
            samplingRate=PIXEL_SIZE_ANGSTROM,
        )
        cls.pickers = [
            cls._run(
                ProtRepicImportPicks,
                label=name,
                inputMicrographs=cls.micrographs.outputMicrographs,
                picksFolder=str(folder / name),
            )
            for name in cls.simulated.picks.picker_names
        ]

    @classmethod
    def _run(cls, kind: Any, label: str = "", **values: Any) -> Protocol:
        protocol = cls.newProtocol(kind, **values)
        protocol.setObjLabel(label or kind._label)
        return cls.launchProtocol(protocol)

    def _consensus(self, mode: str) -> Protocol:
        """Run the protocol, and compare its particles with those of `find_consensus`."""
        protocol = self.newProtocol(ProtRepicConsensus, mode=MODES.index(mode))
        protocol.setObjLabel(f"consensus, {mode}")
        for picker in self.pickers:
            protocol.inputCoordinates.append(Pointer(picker, extended="outputCoordinates"))
        self.launchProtocol(protocol)
        expected = find_consensus(self.simulated.picks, BOX_SIZE_PX, mode=mode)
        self.assertSetSize(protocol.outputCoordinates, len(expected))
        self.assertEqual(protocol.outputCoordinates.getBoxSize(), BOX_SIZE_PX)
        return protocol

    def test_import_scored_picks(self) -> None:
        """Every pick is imported with its score."""
        picks = self.simulated.picks
        for number, protocol in enumerate(self.pickers):
            self.assertSetSize(protocol.outputCoordinates, int((picks.picker == number).sum()))
        scores = sorted(float(one._repicPickScore) for one in self.pickers[0].outputCoordinates)
        for score, expected in zip(scores, sorted(picks.score[picks.picker == 0])):
            self.assertAlmostEqual(score, expected, places=4)

    def test_consensus_of_all_pickers(self) -> None:
        """The particles are those of `find_consensus` in mode all."""
        self._consensus("all")

    def test_consensus_of_a_quorum(self) -> None:
        """The particles are those of `find_consensus` in mode quorum."""
        self._consensus("quorum")

    def test_extraction_and_classes(self) -> None:
        """Particles of a quorum are extracted, and all of them have a class."""
        agreed = self._consensus("quorum").outputCoordinates
        extraction = self._run(ProtRepicExtract, inputCoordinates=agreed)
        particles = extraction.outputParticles
        self.assertEqual(particles.getDim()[0], BOX_SIZE_PX)
        self.assertSetSize(particles, agreed.getSize(), diffDelta=0.1)  # except at the edges
        classification = self._run(
            ProtAckMeans2D,
            inputParticles=particles,
            numberOfClasses=N_CLASSES,
            maxIterations=5,
            numberOfThreads=1,
        )
        self.assertSetSize(classification.outputAverages, N_CLASSES)
        sizes = [one.getSize() for one in classification.outputClasses]
        self.assertEqual(sum(sizes), particles.getSize())


def _write(simulated: SimulatedPicks, folder: Path) -> None:
    """Micrographs, and a folder of BOX files for each picker."""
    picks, truth = simulated.picks, simulated.truth
    for folder_name in ("micrographs", *picks.picker_names):
        (folder / folder_name).mkdir(parents=True)
    for number, micrograph in enumerate(picks.micrograph_names):
        there = truth.micrograph == number
        centers = list(zip(truth.x[there], truth.y[there]))
        image = simulate_micrograph(centers, SIZE_PX, BOX_SIZE_PX, random_state=number)
        with mrcfile.new(folder / "micrographs" / f"{micrograph}.mrc", data=image):
            pass
        for place, picker in enumerate(picks.picker_names):
            mine = picks.take((picks.micrograph == number) & (picks.picker == place))
            path = folder / picker / f"{micrograph}.box"
            write_picks_file(path, mine.x, mine.y, box_size_px=BOX_SIZE_PX, score=mine.score)
