"""Training labels for pickers."""

from __future__ import annotations

from typing import ClassVar, Dict, List, Tuple

from pwem.objects import SetOfCoordinates
from pwem.protocols import ProtParticlePicking
from pyworkflow import NEW
from pyworkflow.protocol import params
from pyworkflow.utils import Message

from repic_plugin import constants
from repic_plugin.arguments import check_seed
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
from repic_plugin.protocols.common.form_values import SOFTWARE, FormProtocol
from repic_plugin.protocols.common.params import Fields

HELP = {
    "inputCoordinates": "A consensus, or manual picks.",
    "inputMicrographs": "Coordinates on other micrographs are ignored.",
    "numParticles": "Those of the highest weight or score; 0 keeps all.",
    "seed": "The same seed draws the same random subset.",
    "probability": "Below 1: a random subset of at least five, to test how few labels suffice.",
}


class ProtRepicLabels(FormProtocol, ProtParticlePicking):  # type: ignore[misc]
    """Select the best particles of some micrographs as labels for training pickers.

    Iterative picking runs it between a consensus and the next training; use it by itself to train
    a picker on a consensus or on manual picks.

    *Inputs*: coordinates, such as a consensus, and the training micrographs; coordinates on other
    micrographs are ignored.
    *Output*: outputCoordinates, on the training micrographs only.
    *Main parameters*: the number of particles to keep per micrograph, the best by weight or score
    (0 keeps all); and a probability below 1 to keep a random subset of at least five, to test how
    few labels are sufficient.
    *Look at*: the number of labels in the summary; the boxes in Analyze results.

    *Reference*: Cameron et al. 2024, doi:10.1038/s42003-024-07045-0.
    """

    _label = "training labels"
    _devStatus = NEW
    FORM_PARAMS: ClassVar = {
        "n_best": "numParticles", "probability": "probability", "random_state": "seed"
    }  # fmt: skip
    _possibleOutputs: ClassVar = {"outputCoordinates": SetOfCoordinates}

    def _defineParams(self, form: params.Form) -> None:
        fields = Fields(form, HELP)
        form.addSection(label="Input")
        fields.input("inputCoordinates", "SetOfCoordinates", "Coordinates", important=True)
        fields.input("inputMicrographs", "SetOfMicrographs", "Training micrographs", important=True)
        fields.value("numParticles", 0, "Particles to keep per micrograph")
        fields.value("probability", 1.0, "Keep each with probability", advanced=True)
        fields.value("seed", 0, "Random seed", advanced=True)

    def _insertAllSteps(self) -> None:
        arguments = (self.numParticles.get(), self.probability.get(), self.seed.get())
        self._insertFunctionStep(self.labelStep, *arguments, needsGPU=False)

    def labelStep(self, n_best: int, probability: float, seed: int) -> None:
        """Select the labels and write them."""
        picks, table = self._onMicrographs()
        best = best_of_each(picks.micrograph, picks.score, n_best)
        kept = best[sampled(len(best), probability, random_state=seed)]
        if not len(kept):
            raise ValueError(
                f"none of the coordinates lies on the {len(table.names)} training micrographs; "
                "give coordinates on them"
            )
        labels = self._createSetOfCoordinates(self.inputMicrographs)
        labels.setBoxSize(box_size_on(self.inputMicrographs.get(), self.inputCoordinates.get()))
        append_picks(labels, picks.take(kept), table)
        self._defineOutputs(outputCoordinates=labels)
        self._defineSourceRelation(self.inputCoordinates, labels)

    def _onMicrographs(self) -> Tuple[Picks, MicrographTable]:
        """The coordinates on the training micrographs, indexed by these."""
        coordinates = self.inputCoordinates.get()
        has_weight = constants.WEIGHT in item_labels(coordinates.getFileName())
        attribute = constants.WEIGHT if has_weight else find_score_attribute(coordinates)
        source = PickerInput("labels", coordinates, attribute)
        return read_picks_on(self.inputMicrographs.get(), [source])

    def _check(self) -> None:
        best_of_each([], [], self.numParticles.get())
        sampled(0, self.probability.get(), random_state=check_seed(self.seed.get()))

    def _summary(self) -> List[str]:
        if not hasattr(self, "outputCoordinates"):
            return [Message.TEXT_NO_OUTPUT_CO]
        return [f"{self.outputCoordinates.getSize():,} training labels.", *self._valueLines()]

    def _automatic(self) -> Dict[str, str]:
        return {"numParticles": "all"}

    def _methods(self) -> List[str]:
        if not hasattr(self, "outputCoordinates"):
            return []
        best = f"the {self.numParticles} best" if self.numParticles.get() else "all"
        return [
            f"{self.outputCoordinates.getSize():,} training labels, {best} particles per "
            f"micrograph (kept with probability {self.probability}, random seed {self.seed}), were "
            f"selected with {SOFTWARE}."
        ]
