"""Particles for pickers to learn from."""

from __future__ import annotations

from enum import Enum
from typing import List, Tuple

from pwem.objects import SetOfCoordinates
from pwem.protocols import ProtParticlePicking
from pyworkflow import NEW
from pyworkflow.protocol import params
from pyworkflow.protocol.constants import LEVEL_ADVANCED
from pyworkflow.utils import Message

from repic_plugin import constants
from repic_plugin.consensus import Picks
from repic_plugin.convert import (
    MicrographTable,
    PickerInput,
    append_picks,
    box_size_on,
    find_score_attribute,
    item_labels,
    read_picks_on,
)
from repic_plugin.iteration import best_of_each, sampled


class LabelsOutput(Enum):
    """What the protocol leaves."""

    outputCoordinates = SetOfCoordinates


class ProtRepicLabels(ProtParticlePicking):
    """Take the particles of some micrographs, the best of each, as labels to train pickers on.

    Iterative picking runs it between a consensus and the next training; use it by itself to train
    a picker by hand on a consensus or on manual picks.

    *Inputs*: coordinates, such as a consensus, and the micrographs to train on; coordinates
    elsewhere are left out.
    *Output*: outputCoordinates, on those micrographs alone.
    *Main parameters*: the number of particles to keep on each micrograph, the best by weight or
    score (0 keeps all); and a probability below 1 to keep a random part, five at least, which
    shows how few labels are enough.
    *Look at*: the number of labels in the summary; the boxes in Analyze results.

    *Reference*: Cameron et al. 2024, doi:10.1038/s42003-024-07045-0.
    """

    _label = "labels to train on"
    _devStatus = NEW
    _possibleOutputs = LabelsOutput

    def _defineParams(self, form: params.Form) -> None:
        form.addSection(label="Input")
        form.addParam(
            "inputCoordinates",
            params.PointerParam,
            pointerClass="SetOfCoordinates",
            label="Coordinates",
            important=True,
            help="A consensus, or what a person picked.",
        )
        form.addParam(
            "inputMicrographs",
            params.PointerParam,
            pointerClass="SetOfMicrographs",
            label="Micrographs to train on",
            important=True,
            help="Coordinates elsewhere are left out.",
        )
        form.addParam(
            "numParticles",
            params.IntParam,
            default=0,
            label="Particles to keep on each micrograph",
            help="The best by weight or score; 0 keeps all.",
        )
        form.addParam(
            "probability",
            params.FloatParam,
            default=1.0,
            expertLevel=LEVEL_ADVANCED,
            label="Keep each with probability",
            help="Below 1: a random part, five at least; to see how few labels are enough.",
        )
        form.addParam(
            "seed",
            params.IntParam,
            default=0,
            expertLevel=LEVEL_ADVANCED,
            label="Seed of random draws",
        )

    def _insertAllSteps(self) -> None:
        arguments = (self.numParticles.get(), self.probability.get(), self.seed.get())
        self._insertFunctionStep(self.labelStep, *arguments, needsGPU=False)

    def labelStep(self, n_best: int, probability: float, seed: int) -> None:
        """Load, choose, save."""
        picks, table = self._onMicrographs()
        best = best_of_each(picks.micrograph, picks.score, n_best)
        kept = best[sampled(len(best), probability, random_state=seed)]
        if not len(kept):
            raise ValueError(
                f"none of the coordinates lies on the {len(table.names)} micrographs to train on; "
                "give coordinates on them"
            )
        labels = self._createSetOfCoordinates(self.inputMicrographs)
        labels.setBoxSize(box_size_on(self.inputMicrographs.get(), self.inputCoordinates.get()))
        append_picks(labels, picks.take(kept), table)
        self._defineOutputs(outputCoordinates=labels)
        self._defineSourceRelation(self.inputCoordinates, labels)

    def _onMicrographs(self) -> Tuple[Picks, MicrographTable]:
        """The coordinates on the micrographs to train on, indexed by them."""
        coordinates = self.inputCoordinates.get()
        has_weight = constants.WEIGHT in item_labels(coordinates.getFileName())
        attribute = constants.WEIGHT if has_weight else find_score_attribute(coordinates)
        source = PickerInput("labels", coordinates, attribute)
        return read_picks_on(self.inputMicrographs.get(), [source])

    def _summary(self) -> List[str]:
        if not hasattr(self, "outputCoordinates"):
            return [Message.TEXT_NO_OUTPUT_CO]
        return [f"{self.outputCoordinates.getSize():,} particles to learn from."]

    def _methods(self) -> List[str]:
        return self._summary()
